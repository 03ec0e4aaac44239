/** How nodes are named and found in a status: names, owners, addresses, and what a state means to people. */

import { domainToUnicode } from 'node:url'
import { sanitizeHostname, trimDnsSuffix } from '../../base/dns-name.ts'
import { MeshError } from '../../base/errors.ts'
import { compareIps, parseIp } from '../../base/ip.ts'
import type { PeerStatus, Status } from '../../sdk/local-client-types.ts'
import type { Context } from './command.ts'
import { quote } from './go-words.ts'

/** What to tell people of a state in which the node is not, and not about to be, on the network. */
export function whyNotRunning(status: Status): string | undefined {
  switch (status.BackendState) {
    case 'Running':
    case 'Starting':
      return undefined
    case 'Stopped':
      return 'Tailscale is stopped.'
    case 'NeedsLogin':
      return status.AuthURL === '' ? 'Logged out.' : `Logged out.\nLog in at: ${status.AuthURL}`
    case 'NeedsMachineAuth':
      return 'Machine is not yet approved by tailnet admin.'
    default:
      return `unexpected state: ${status.BackendState}`
  }
}

/** A node's name in its tailnet, or else what it calls itself in parentheses and quotes. */
export function shortName(status: Status, peer: PeerStatus): string {
  const name = trimDnsSuffix(peer.DNSName, status.MagicDNSSuffix)
  if (name === '') return `(${quote(sanitizeHostname(peer.HostName))})`
  if (!name.startsWith('xn-')) return name
  const shown = domainToUnicode(name)
  return shown === '' || shown === name ? name : `${name} (${shown})`
}

/** Whose node it is: a login name up to its `@`, that of who shared the node if somebody did. */
export function ownerOf(status: Status, peer: PeerStatus): string {
  const id = peer.AltSharerUserID || peer.UserID
  if (!id) return '-'
  const login = status.User?.[String(id)]?.LoginName
  return login === undefined ? String(id) : login.includes('@') ? login.slice(0, login.indexOf('@') + 1) : login
}

export function peersOf(status: Status): PeerStatus[] {
  return Object.values(status.Peer ?? {})
}

/** By name, then by what they call themselves, then by address and key. */
export function comparePeers(a: PeerStatus, b: PeerStatus): number {
  const [ipA, ipB] = [parseIp(a.TailscaleIPs?.[0] ?? ''), parseIp(b.TailscaleIPs?.[0] ?? '')]
  return (
    compareTexts(a.DNSName, b.DNSName) ||
    compareTexts(a.HostName, b.HostName) ||
    (ipA === undefined || ipB === undefined ? 0 : compareIps(ipA, ipB)) ||
    compareTexts(a.PublicKey, b.PublicKey)
  )
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

export interface Found {
  readonly ip: string
  readonly isSelf: boolean
}

/** The address that a name or an address stands for: of a peer, of this node, or as the machine looks names up. */
export async function findAddress({ node, at }: Context, text: string): Promise<Found> {
  if (parseIp(text) !== undefined) return { ip: text, isSelf: false }
  const status = await node.status()
  const isMeant = (peer: PeerStatus): boolean =>
    text.toLowerCase() === shortName(status, peer).toLowerCase() || text === peer.DNSName
  for (const peer of peersOf(status)) {
    if (!isMeant(peer)) continue
    const ip = peer.TailscaleIPs?.[0]
    if (ip === undefined) throw new MeshError('input/invalid', 'node found but lacks an IP')
    return { ip, isSelf: false }
  }
  const own = status.Self.TailscaleIPs?.[0]
  if (own !== undefined && isMeant(status.Self)) return { ip: own, isSelf: true }
  try {
    const [ip] = await at.lookUp(text)
    if (ip !== undefined) return { ip, isSelf: false }
  } catch (cause) {
    const why = (cause as Error).message
    throw new MeshError('input/invalid', `error looking up IP of ${quote(text)}: ${why}`, { cause })
  }
  throw new MeshError('input/invalid', `no IPs found for ${quote(text)}`)
}

/** The peer, or this node, that has the address. */
export function withAddress(status: Status, text: string): PeerStatus | undefined {
  const ip = parseIp(text)
  if (ip === undefined) return undefined
  return [...peersOf(status), status.Self].find((peer) =>
    peer.TailscaleIPs?.some((own) => {
      const parsed = parseIp(own)
      return parsed !== undefined && compareIps(parsed, ip) === 0
    }),
  )
}

/** `, last seen 5m ago`; nothing for never. */
export function lastSeen(time: string, now: number): string {
  const at = Date.parse(time)
  if (Number.isNaN(at) || time.startsWith('0001-')) return ''
  const minutes = Math.max(1, Math.floor((now - at) / 60_000))
  if (minutes < 60) return `, last seen ${minutes}m ago`
  const hours = Math.floor(minutes / 60)
  return hours < 24 ? `, last seen ${hours}h ago` : `, last seen ${Math.floor(hours / 24)}d ago`
}
