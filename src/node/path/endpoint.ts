/**
 * An address and port at which a node may be reached, as one canonical text: it compares, prints and serves as a map key,
 * and crosses to a worker as it is. What its address is worth beside others is better.ts.
 */

import { formatAddressPort, isLinkLocal, parseAddressPort, prefix, prefixContains, unmapIp } from '../../base/ip.ts'
import type { AddressPort } from '../../base/ip.ts'

declare const endpoint: unique symbol
/** `192.0.2.1:41641` or `[2001:db8::1]:41641`; IPv4 is never written as IPv6. */
export type Endpoint = string & { readonly [endpoint]: true }

/** Reads an endpoint; `undefined` for anything else. */
export function readEndpoint(text: string): Endpoint | undefined {
  const address = parseAddressPort(text)
  return address && endpointOf(address)
}

export function endpointOf({ ip, port }: AddressPort): Endpoint {
  return formatAddressPort({ ip: unmapIp(ip), port }) as Endpoint
}

export function addressOf(e: Endpoint): AddressPort {
  return parseAddressPort(e) as AddressPort
}

export const isIpv6 = (e: Endpoint): boolean => e.startsWith('[')

/** This network, multicast and broadcast, in either family: nothing that one node could be at. */
const NOWHERE = ['0.0.0.0/8', '224.0.0.0/4', '240.0.0.0/4', '::/128', 'ff00::/8'].map(prefix)

/** May a stranger's word make us send there? IPv6 link-local means nothing without its link (disco.md §5.4). */
export function isPingable({ ip, port }: AddressPort): boolean {
  const plain = unmapIp(ip)
  if (port === 0 || (plain.family === 6 && isLinkLocal(plain))) return false
  return !NOWHERE.some((range) => prefixContains(range, plain))
}
