/**
 * ChaCha20-Poly1305 on packets where they lie, as WireGuard uses it: no associated data, and a nonce of four zero
 * bytes and a counter (WireGuard paper §5.4.6). Which memory the places are in, an implementation is told when it is
 * made; there are a fast one and a plain one in io/.
 */

import type { Bytes } from '../base/bytes.ts'

export interface InPlaceCipher {
  /**
   * Seals the `length` bytes at `at`; `TAG_LENGTH` bytes behind them become the tag.
   *
   * @param key 32 bytes, which nobody changes any more: implementations know one again by the object
   * @param counter whole, 0 to 2^53 - 1
   * @throws RangeError for a place outside, before anything is written
   */
  sealAt(key: Bytes, counter: number, at: number, length: number): void
  /**
   * Opens the `length` bytes at `at`, of which the last are the tag, which stays.
   *
   * @param counterHigh u32, the upper half of what is a u64 on the wire
   * @returns `false` when they were not sealed with this key and counter; what stands there then is nothing to use
   * @throws RangeError for a place outside
   */
  openAt(key: Bytes, counterHigh: number, counterLow: number, at: number, length: number): boolean
}
