/**
 * Where this node can be reached, put together from whatever sources know of it, for control and for peers. (disco.md §4)
 *
 * Sources are plain lists that the shell fills: the machine's interfaces, STUN, port mapping, configuration. One that does
 * not exist yet is an empty list.
 */

import { isTailscaleAddress } from '../../base/address-plan.ts'
import { isLinkLocal, isLoopback, isPrivate } from '../../base/ip.ts'
import type { Ip } from '../../base/ip.ts'
import type { EndpointType } from '../../wire/control-requests.ts'
import { addressOf, endpointOf } from './endpoint.ts'
import type { Endpoint } from './endpoint.ts'

export interface OwnEndpoint {
  readonly endpoint: Endpoint
  readonly type: EndpointType
}

export interface Interface {
  readonly name: string
  readonly up: boolean
  readonly addresses: readonly Ip[]
}

export interface EndpointSources {
  readonly interfaces: readonly Interface[]
  /** Port of the IPv4 socket. */
  readonly localPort: number
  /** The one address that the socket is bound to, if it is. */
  readonly boundTo?: Ip
  /** From the router, by NAT-PMP, PCP or UPnP. */
  readonly portMapped?: Endpoint
  /** What STUN servers saw: the quickest one's answer, then others that were seen more than once. */
  readonly stun4: readonly Endpoint[]
  readonly stun6: readonly Endpoint[]
  /** Each destination sees another port of ours. */
  readonly mappingVaries: boolean
  /** The port that a person chose; 0 for none. */
  readonly configuredPort: number
  /** Public addresses that the cloud's metadata tells. */
  readonly cloud: readonly Ip[]
  /** From the time before the last look: see `EndpointMemory`. */
  readonly remembered: readonly OwnEndpoint[]
  /** By configuration. */
  readonly explicit: readonly Endpoint[]
}

export const NO_SOURCES: EndpointSources = {
  interfaces: [],
  localPort: 0,
  stun4: [],
  stun6: [],
  mappingVaries: false,
  configuredPort: 0,
  cloud: [],
  remembered: [],
  explicit: [],
}

/** Own endpoints, the likeliest first; one that several sources know has the type of the first. */
export function collectEndpoints(s: EndpointSources): OwnEndpoint[] {
  const found = new Map<Endpoint, OwnEndpoint>()
  const add = (endpoint: Endpoint, type: OwnEndpoint['type']): void => {
    const { ip } = addressOf(endpoint)
    if (!isTailscaleAddress(ip) && !found.has(endpoint)) found.set(endpoint, { endpoint, type })
  }
  const at = (ip: Ip): Endpoint => endpointOf({ ip, port: s.localPort })
  if (s.portMapped !== undefined) add(s.portMapped, 'portMapped')
  for (const e of [...s.stun4, ...s.stun6]) add(e, 'stun')
  const [seen] = s.stun4
  // Whoever chose the port may have forwarded it on the router.
  if (s.mappingVaries && s.configuredPort !== 0 && seen !== undefined)
    add(endpointOf({ ip: addressOf(seen).ip, port: s.configuredPort }), 'stunLocalPort')
  for (const ip of s.cloud) add(at(ip), 'local')
  for (const e of s.remembered) add(e.endpoint, e.type)
  for (const e of s.explicit) add(e, 'configured')
  const local = s.boundTo === undefined ? localAddresses(s.interfaces, found.size === 0) : [s.boundTo]
  for (const ip of local) add(at(ip), 'local')
  return [...found.values()]
}

/** Addresses of one interface that are worth telling; more of them, as privacy extensions make them, are noise. */
const IPV6_PER_INTERFACE = 2

/**
 * The machine's addresses that peers may try. Private-to-the-link IPv4 and unique local IPv6 count only where there is
 * nothing regular, loopback only where there is nothing at all.
 */
export function localAddresses(interfaces: readonly Interface[], loopbackToo: boolean): Ip[] {
  const regular: Ip[] = []
  const poor: Ip[] = []
  const loopback: Ip[] = []
  for (const { up, addresses } of interfaces) {
    if (!up) continue
    let sixes = 0
    for (const ip of addresses) {
      if (isTailscaleAddress(ip) || (ip.family === 6 && isLinkLocal(ip))) continue
      if (isLoopback(ip)) loopback.push(ip)
      else if (isLinkLocal(ip) || (ip.family === 6 && isPrivate(ip))) poor.push(ip)
      else if (ip.family === 4 || sixes++ < IPV6_PER_INTERFACE) regular.push(ip)
    }
  }
  if (regular.length > 0) return regular
  return poor.length > 0 || !loopbackToo ? poor : loopback
}
