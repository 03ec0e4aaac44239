/** On which port a node's PeerAPI listens at an address: one that hardly any two programs want (node.md §8.1). */

import type { Ip } from '../../base/ip.ts'
import { ipBytesMapped } from '../../wire/ip-bytes.ts'

const TRIES = 5
/** Of the last bytes of the address. */
const SEED_BYTES = 3

/** Ports to try, one after the other; after them any will do. */
export function peerApiPorts(ip: Ip): readonly number[] {
  const seed = ipBytesMapped(ip).slice(-SEED_BYTES)
  return Array.from({ length: TRIES }, (_, i) => {
    const tried = seed.with(0, ((seed[0] as number) + i) & 0xff)
    return 0x8000 | (crc32(tried) & 0xffff)
  })
}

/** The checksum of IEEE 802.3, bit by bit: it is taken of three bytes at a time. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffff_ffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0xedb8_8320
  }
  return ~crc >>> 0
}
