/** IP addresses as packets carry them: 4 or 16 bytes, big-endian. Zones are not carried. */

import { fromHex } from '../base/bytes.ts'
import type { Bytes } from '../base/bytes.ts'
import type { Ip } from '../base/ip.ts'

/** 4 or 16 bytes, by family. */
export function ipBytes(ip: Ip): Uint8Array<ArrayBuffer> {
  return fromHex(ip.value.toString(16).padStart(ip.family === 4 ? 8 : 32, '0')) as Uint8Array<ArrayBuffer>
}

/** 16 bytes; IPv4 as `::ffff:a.b.c.d`. */
export function ipBytesMapped(ip: Ip): Uint8Array<ArrayBuffer> {
  return ipBytes(ip.family === 4 ? { family: 6, value: (0xffffn << 32n) | ip.value } : ip)
}

/** The address in 4 or 16 bytes; mapped IPv4 stays IPv6, see `unmapIp`. */
export function ipOfBytes(bytes: Bytes): Ip {
  return { family: bytes.length === 4 ? 4 : 6, value: BigInt(`0x${bytes.toHex()}`) }
}
