/**
 * Compresses map messages and the pages of first maps: one zstd frame each, with a content size and no checksum.
 *
 * Most of a map is keys in hexadecimal, which no search makes smaller, so the usual advice does not hold: for pages
 * the fastest level gives the smallest result. Of a short message every byte goes to everybody, and so it is worth
 * the thorough search, which costs some 30 µs more there.
 */

import { constants } from 'node:zlib'
import { chooseZstd, nodeZstd } from './zstd.ts'

/** In characters. */
const SHORT = 1024

const FAST = { [constants.ZSTD_c_compressionLevel]: 1 }
const THOROUGH = {
  [constants.ZSTD_c_strategy]: constants.ZSTD_btultra,
  // A match of this length is good enough.
  [constants.ZSTD_c_targetLength]: 16,
}

const fast = chooseZstd(FAST, nodeZstd(FAST))
// The usual chunk of 16 kB would weigh far more than the message that it holds.
const thorough = chooseZstd(THOROUGH, nodeZstd(THOROUGH, 2 * SHORT))

export function compress(text: string): Uint8Array {
  return text.length < SHORT ? thorough(text) : fast(text)
}
