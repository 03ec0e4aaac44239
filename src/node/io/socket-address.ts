/**
 * Addresses as sockets of Linux take and give them (ip(7), ipv6(7)):
 *
 *   IPv4   | family u16 = 2  | port u16 big-endian | address 4 | zeros 8 |                           16 bytes
 *   IPv6   | family u16 = 10 | port u16 big-endian | flow u32 | address 16 | scope u32 |             28 bytes
 *
 * Family and scope are in the machine's byte order.
 */

import type { AddressPort } from '../../base/ip.ts'
import { ipBytes, ipOfBytes } from '../../wire/ip-bytes.ts'

export const AF_INET = 2
export const AF_INET6 = 10
/** Room for either. */
export const SOCKET_ADDRESS = 28

export function encodeSocketAddress({ ip, port }: AddressPort): Uint8Array {
  const address = new Uint8Array(ip.family === 4 ? 16 : SOCKET_ADDRESS)
  const view = new DataView(address.buffer)
  view.setUint16(0, ip.family === 4 ? AF_INET : AF_INET6, true)
  view.setUint16(2, port)
  address.set(ipBytes(ip), ip.family === 4 ? 4 : 8)
  return address
}

/** `undefined` for what is no address of these families. */
export function decodeSocketAddress(bytes: Uint8Array): AddressPort | undefined {
  if (bytes.length < 16) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const family = view.getUint16(0, true)
  const port = view.getUint16(2)
  if (family === AF_INET) return { ip: ipOfBytes(bytes.subarray(4, 8)), port }
  if (family === AF_INET6 && bytes.length >= SOCKET_ADDRESS) return { ip: ipOfBytes(bytes.subarray(8, 24)), port }
  return undefined
}
