/**
 * The Huffman code of HPACK. (RFC 7541 §5.2, Appendix B)
 *
 * The code is canonical: sorted by length, then by symbol, codes count upwards. The lengths are therefore all that
 * has to be written down.
 */

import type { Bytes } from '../../base/bytes.ts'

/** Bits of each symbol's code, 0 to 255, then of EOS. */
// oxfmt-ignore
const LENGTHS = Uint8Array.from([
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
])

const EOS = 256
const SYMBOLS = 257
const LONGEST = 30

const codes = new Uint32Array(SYMBOLS)
/** Binary tree: `tree[2 * node + bit]` is the next node, or ~symbol at a leaf. The root is node 0. */
const tree = new Int16Array(2 * (SYMBOLS - 1))
buildCode()

function buildCode(): void {
  let code = 0
  let nodes = 1
  for (let length = 1; length <= LONGEST; length++) {
    for (let symbol = 0; symbol < SYMBOLS; symbol++) {
      if (LENGTHS[symbol] !== length) continue
      codes[symbol] = code
      let node = 0
      for (let bit = length - 1; bit > 0; bit--) {
        const slot = 2 * node + ((code >>> bit) & 1)
        if (tree[slot] === 0) tree[slot] = nodes++
        node = tree[slot] as number
      }
      tree[2 * node + (code & 1)] = ~symbol
      code++
    }
    code *= 2
  }
}

/** Bytes that `text` (characters up to U+00FF) takes when Huffman-coded. */
export function huffmanLength(text: string): number {
  let bits = 0
  for (let i = 0; i < text.length; i++) bits += LENGTHS[text.charCodeAt(i) & 0xff] as number
  return (bits + 7) >>> 3
}

/** Writes `text` (characters up to U+00FF) at `at`, padded with ones; returns where it ends. */
export function huffmanWrite(text: string, out: Uint8Array, at: number): number {
  let bits = 0
  let held = 0
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i) & 0xff
    let left = LENGTHS[symbol] as number
    const code = codes[symbol] as number
    // A code may be 30 bits: it goes in by what is left of the byte at hand, so `held` never outgrows 8 bits.
    while (left > 0) {
      const step = Math.min(left, 8 - bits)
      left -= step
      held = (held << step) | ((code >>> left) & ((1 << step) - 1))
      bits += step
      if (bits === 8) {
        out[at++] = held
        held = bits = 0
      }
    }
  }
  if (bits > 0) out[at++] = (held << (8 - bits)) | (0xff >>> bits)
  return at
}

/** The octets of a Huffman-coded string, one character each; `undefined` when it is not one. (RFC 7541 §5.2) */
export function huffmanRead(bytes: Bytes): string | undefined {
  // The shortest code has 5 bits.
  const octets = new Uint8Array(Math.floor((bytes.length * 8) / 5))
  let length = 0
  let node = 0
  let depth = 0
  let ones = true
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number
    for (let shift = 7; shift >= 0; shift--) {
      const bit = (byte >>> shift) & 1
      const next = tree[2 * node + bit] as number
      if (next < 0) {
        if (~next === EOS) return undefined
        octets[length++] = ~next
        node = depth = 0
        ones = true
      } else {
        node = next
        depth++
        if (bit === 0) ones = false
      }
    }
  }
  // Padding is the beginning of EOS, which is all ones, and shorter than a byte.
  return depth < 8 && ones ? latin1(octets.subarray(0, length)) : undefined
}

const STEP = 4096

/** Octets to a text of one character each. */
export function latin1(bytes: Bytes): string {
  if (bytes.length <= STEP) return String.fromCharCode.apply(null, bytes as unknown as number[])
  let text = ''
  for (let at = 0; at < bytes.length; at += STEP) text += latin1(bytes.subarray(at, at + STEP))
  return text
}
