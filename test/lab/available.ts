/**
 * Says whether this machine can hold the lab: network namespaces, the tools that furnish them, and the right to do so.
 *
 * Tests pass the answer to node:test as `skip`, so that a run without the means names what it left out and why.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

const TOOLS = ['ip', 'nft', 'nsenter', 'unshare', 'setpriv', 'mount'] as const

let verdict: string | false | undefined

/** The reason why no lab can be set up here, or `false` where it can: made to be given to `skip`. */
export function labMissing(): string | false {
  verdict ??= findReason() ?? false
  return verdict
}

/** The reason why a TUN device cannot be had here, or `false`. */
export function tunMissing(): string | false {
  return labMissing() || (existsSync('/dev/net/tun') ? false : 'there is no /dev/net/tun on this machine')
}

/** The first of the directories in PATH (and the two that root's tools live in) that holds `tool`, or undefined. */
export function findTool(tool: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin']
  return folders.map((folder) => `${folder}/${tool}`).find((path) => existsSync(path))
}

function findReason(): string | undefined {
  if (process.platform !== 'linux') return `network namespaces are a feature of Linux, and this is ${process.platform}`
  if (process.getuid?.() !== 0) return 'network namespaces need root'
  const missing = TOOLS.filter((tool) => findTool(tool) === undefined)
  if (missing.length > 0) return `missing tools: ${missing.join(', ')} (Debian: iproute2 nftables util-linux)`
  const tried = spawnSync('unshare', ['--net', '--mount', 'true'], { encoding: 'utf8' })
  if (tried.status !== 0) return `the kernel refuses a network namespace: ${tried.stderr.trim()}`
  return undefined
}
