/**
 * Whether this machine lets us have namespaces and TUN devices of our own, found out by trying; where it doesn't, what
 * it says and what to do about it.
 */

import { spawnSync } from 'node:child_process'
import { accessSync, closeSync, constants, openSync } from 'node:fs'
import { MeshError } from '../../base/errors.ts'
import { calledAs } from './called.ts'

/** Services and `su` leave the folders of root's tools out. */
export const TOOL_PATH = [process.env['PATH'] ?? '', '/usr/local/sbin', '/usr/sbin', '/sbin'].join(':')

const TOOLS: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  mount: 'mount',
  nft: 'nftables',
}

/**
 * Flags of `unshare` for a machine inside this one: own network, processes, mounts and name. Its first process
 * takes all others along when it ends, and ends with `unshare`.
 */
const SEPARATE = '--net --mount --uts --ipc --pid --fork --kill-child --mount-proc --propagation private'.split(' ')

export interface Allowed {
  /** Arguments of `unshare`. */
  readonly unshare: readonly string[]
  /** `as root`, `without root` */
  readonly how: string
}

/** @throws MeshError `system/refused` that says what is missing, and what to do */
export function findAllowed(): Allowed {
  if (process.platform !== 'linux')
    throw refused(`it needs network namespaces, which Linux has and ${process.platform} hasn't. Try it in a Linux VM`)
  const missing = Object.keys(TOOLS).filter((tool) => !isThere(tool))
  if (missing.length > 0) {
    const packages = [...new Set(missing.map((tool) => TOOLS[tool]))].join(' ')
    throw refused(
      `these programs are missing: ${missing.join(', ')}. Install them (Debian: apt-get install ${packages})`,
    )
  }
  checkTun()
  const isRoot = process.getuid?.() === 0
  const unshare = [...(isRoot ? [] : ['--user', '--map-root-user']), ...SEPARATE]
  // What a node needs in there: to mount, and to make devices.
  const attempt = ['sh', '-c', 'mount -t tmpfs try /mnt && ip link add try0 type bridge']
  const tried = spawnSync('unshare', [...unshare, ...attempt], {
    encoding: 'utf8',
    env: { ...process.env, PATH: TOOL_PATH },
  })
  if (tried.status === 0) return { unshare, how: isRoot ? 'as root' : 'without root' }
  const said = (tried.stderr || String(tried.error ?? 'it did not say why')).trim().split('\n').at(-1)
  throw refused(
    isRoot
      ? `this machine gives root no namespaces (${said}). In a container, that takes "--privileged", or a machine of its own`
      : `this machine gives users no namespaces of their own (${said}). Run it as root: sudo ${again()}`,
  )
}

function checkTun(): void {
  try {
    closeSync(openSync('/dev/net/tun', 'r+'))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EACCES' || code === 'EPERM')
      throw refused(`/dev/net/tun may not be opened by this user. Run it as root: sudo ${again()}`)
    throw refused(
      `there is no working /dev/net/tun (${code}). Load the module (modprobe tun); in a container, start that with "--device /dev/net/tun"`,
    )
  }
}

function isThere(tool: string): boolean {
  return TOOL_PATH.split(':').some((folder) => {
    try {
      accessSync(`${folder}/${tool}`, constants.X_OK)
      return folder !== ''
    } catch {
      return false
    }
  })
}

/** The command line to run again. */
function again(): string {
  return [process.env['npm_lifecycle_event'] === 'try' ? 'npm run' : calledAs(), 'try', ...process.argv.slice(3)].join(
    ' ',
  )
}

function refused(why: string): MeshError {
  return new MeshError('system/refused', `Cannot start a network on this machine: ${why}`)
}
