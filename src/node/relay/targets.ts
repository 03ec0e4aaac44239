/**
 * What there is to dial in a region, read once from the DERP map: addresses, port, what the certificate must be
 * (derp.md §3.3, §7). Names that would not be safe in a request head are not dialled at all.
 */

import { parseIp } from '../../base/ip.ts'
import type { RelayNode, RelayRegion } from '../../wire/derp-map-reader.ts'

/** An address to dial, `resolve` to look the host's name up, `none` not to use the family. */
export type RelayAddress = { readonly ip: string } | 'resolve' | 'none'

export interface RelayTls {
  /** For SNI; absent where the host is an address. */
  readonly serverName?: string
  /**
   * `roots`: a chain to a known root, good for `name`. `pin`: one certificate with this SHA-256 (hex), within its time
   * and good for `name`; roots don't matter. `nothing`: the map says that this relay is for tests.
   */
  readonly verify:
    | { readonly by: 'roots'; readonly name: string }
    | { readonly by: 'pin'; readonly sha256: string; readonly name: string }
    | { readonly by: 'nothing' }
}

export interface RelayTarget {
  readonly node: string
  readonly host: string
  readonly port: number
  readonly ipv4: RelayAddress
  readonly ipv6: RelayAddress
  readonly tls: RelayTls
  /** The region's first node, when this is another: the relay is told. */
  readonly ideal?: string
}

const HTTPS_PORT = 443
const PIN = 'sha256-raw:'

/** The nodes of a region that relay, in the map's order. */
export function targetsOf(region: RelayRegion): RelayTarget[] {
  const targets: RelayTarget[] = []
  let first: RelayNode | undefined
  for (const node of region.Nodes) {
    if (node.STUNOnly === true) continue
    first ??= node
    const target = targetOf(node, node === first ? undefined : first.Name)
    if (target !== undefined) targets.push(target)
  }
  return targets
}

function targetOf(node: RelayNode, ideal: string | undefined): RelayTarget | undefined {
  const host = node.HostName
  const tls = isHost(host) ? tlsOf(node) : undefined
  const port = node.DERPPort ?? HTTPS_PORT
  if (tls === undefined || port < 1 || port > 0xffff) return undefined
  const [ipv4, ipv6] = [addressOf(node.IPv4, host, 4), addressOf(node.IPv6, host, 6)]
  if (ipv4 === 'none' && ipv6 === 'none') return undefined
  const tellIdeal = ideal !== undefined && /^[\x21-\x7e]{1,128}$/.test(ideal)
  return { node: node.Name, host, port, ipv4, ipv6, tls, ...(tellIdeal ? { ideal } : {}) }
}

function isHost(host: string): boolean {
  return (
    parseIp(host) !== undefined || (host.length <= 253 && /^[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_.])?$/.test(host))
  )
}

function addressOf(text: string | undefined, host: string, family: 4 | 6): RelayAddress {
  if (text !== undefined && text !== '') return parseIp(text)?.family === family ? { ip: text } : 'none'
  const ip = parseIp(host)
  if (ip === undefined) return 'resolve'
  return ip.family === family ? { ip: host } : 'none'
}

/** `undefined` for a pin that is none: such a relay is not trusted by any other means. */
function tlsOf({ HostName: host, CertName: name = '', InsecureForTests }: RelayNode): RelayTls | undefined {
  const sni = parseIp(host) === undefined ? { serverName: host } : {}
  if (InsecureForTests === true) return { ...sni, verify: { by: 'nothing' } }
  if (name === '') return { ...sni, verify: { by: 'roots', name: host } }
  if (!name.startsWith(PIN)) return { ...sni, verify: { by: 'roots', name } }
  const sha256 = name.slice(PIN.length).toLowerCase()
  return /^[0-9a-f]{64}$/.test(sha256) ? { ...sni, verify: { by: 'pin', sha256, name: host } } : undefined
}
