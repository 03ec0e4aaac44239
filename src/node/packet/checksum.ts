/**
 * The Internet checksum (RFC 1071) over places in memory.
 *
 * Sums are kept as they come, in the byte order of the machine: the one's complement sum does not care, as long as
 * it is written back in the same order. A double holds the sum of 2^21 words exactly, which is more than any packet.
 * Machines that Node runs on are little-endian.
 */

import type { Memory } from './memory.ts'

export const TCP = 6
export const UDP = 17

/** From so many bytes on the fast way is faster. */
const FAST_FROM = 64

/** Adds `length` bytes from `at` on to a sum. Odd places work, and cost a few times more. */
export function add(memory: Memory, at: number, length: number, sum = 0): number {
  const { wordSum } = memory
  if (wordSum === undefined || length < FAST_FROM) return addPlainly(memory, at, length, sum)
  const fast = length & ~15
  return addPlainly(memory, at + fast, length - fast, sum + wordSum(at, at + fast))
}

function addPlainly({ words, view, bytes }: Memory, at: number, length: number, sum: number): number {
  let i = at
  let left = length
  if ((at & 3) === 0) {
    const end = (at + length) >> 2
    for (let w = at >> 2; w < end; w++) sum += words[w] as number
    i = end << 2
  } else {
    for (const end = at + (length & ~3); i < end; i += 4) sum += view.getUint32(i, true)
  }
  left = at + length - i
  if (left >= 2) {
    sum += view.getUint16(i, true)
    i += 2
    left -= 2
  }
  return left > 0 ? sum + (bytes[i] as number) : sum
}

/** The 16 bits that a sum comes to. */
export function fold(sum: number): number {
  let low = (sum % 0x1_0000_0000) + Math.floor(sum / 0x1_0000_0000)
  low = (low % 0x1_0000) + Math.floor(low / 0x1_0000)
  low = (low & 0xffff) + (low >>> 16)
  return (low & 0xffff) + (low >>> 16)
}

/**
 * The sum of the pseudo-header of TCP and UDP: addresses, protocol, and the length of header and data.
 *
 * @param ip where the IP header begins
 * @param isV6 of version 6, else 4
 */
export function addPseudoHeader(memory: Memory, ip: number, isV6: boolean, protocol: number, length: number): number {
  const addresses = isV6 ? add(memory, ip + 8, 32) : add(memory, ip + 12, 8)
  // Numbers in network order, as the machine reads them.
  return addresses + (protocol << 8) + (((length & 0xff) << 8) | ((length >> 8) & 0xff))
}

/** Is the checksum of these `length` bytes of TCP or UDP right? Their own field is summed with them. */
export function isRight(
  memory: Memory,
  ip: number,
  isV6: boolean,
  protocol: number,
  at: number,
  length: number,
): boolean {
  return fold(add(memory, at, length, addPseudoHeader(memory, ip, isV6, protocol, length))) === 0xffff
}

/** Writes the checksum of an IPv4 header. */
export function writeHeaderChecksum(memory: Memory, ip: number, headerLength: number): void {
  memory.view.setUint16(ip + 10, 0, true)
  memory.view.setUint16(ip + 10, ~fold(add(memory, ip, headerLength)) & 0xffff, true)
}

/** Writes the checksum of TCP (field at 16) or UDP (field at 6) over its header and data. */
export function writeChecksum(
  memory: Memory,
  ip: number,
  isV6: boolean,
  protocol: number,
  at: number,
  length: number,
): void {
  const field = at + (protocol === TCP ? 16 : 6)
  memory.view.setUint16(field, 0, true)
  const sum = ~fold(add(memory, at, length, addPseudoHeader(memory, ip, isV6, protocol, length))) & 0xffff
  // In UDP a zero says that there is none (RFC 768).
  memory.view.setUint16(field, sum === 0 && protocol === UDP ? 0xffff : sum, true)
}
