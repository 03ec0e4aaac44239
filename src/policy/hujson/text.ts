/**
 * Text that remembers bytes which are not UTF-8.
 *
 * HuJSON lets a string hold any byte, and editing a file must not change what it doesn't touch. JavaScript's texts
 * can't hold such bytes, so each byte that belongs to no character becomes a code unit U+DC80..U+DCFF: a lone low
 * surrogate, which no UTF-8 can say. Everything else in this folder works on such texts.
 */

import { concat, utf8 } from '../../base/bytes.ts'
import type { Bytes } from '../../base/bytes.ts'

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const STRAY = 0xdc00

/** The text of a file; a text given as such has its lone surrogates made U+FFFD, as encoding it would. */
export function textFrom(input: string | Bytes): string {
  if (typeof input === 'string') return input.isWellFormed() ? input : input.toWellFormed()
  try {
    return strict.decode(input)
  } catch {
    return textOfMixed(input)
  }
}

/** The bytes of a text; exactly those it was read from. */
export function bytesFrom(text: string): Uint8Array<ArrayBuffer> {
  if (text.isWellFormed()) return utf8(text)
  const parts: Bytes[] = []
  let from = 0
  for (let i = 0; i < text.length; i++) {
    const stray = strayByteAt(text, i)
    if (stray === undefined) continue
    parts.push(utf8(text.slice(from, i)), Uint8Array.of(stray))
    from = i + 1
  }
  parts.push(utf8(text.slice(from)))
  return concat(parts)
}

/** The byte at `at`, if it is one that belongs to no character. */
export function strayByteAt(text: string, at: number): number | undefined {
  const unit = text.charCodeAt(at)
  if (unit < 0xdc80 || unit > 0xdcff) return undefined
  const before = at > 0 ? text.charCodeAt(at - 1) : 0
  return before >= 0xd800 && before <= 0xdbff ? undefined : unit - STRAY
}

/**
 * How many bytes `text` takes between two offsets. What each offset adds is counted at its own place, so that parts add
 * up wherever they are cut: of a character of two units, the first has all four bytes.
 */
export function byteLength(text: string, from = 0, to: number = text.length): number {
  let bytes = 0
  for (let i = from; i < to; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) bytes += 1
    else if (unit < 0x800) bytes += 2
    else if (unit < 0xd800 || unit > 0xdfff) bytes += 3
    else if (unit < 0xdc00) bytes += 4
    else if (strayByteAt(text, i) !== undefined) bytes += 1
  }
  return bytes
}

/** Decodes what the platform's decoder refuses: a byte that begins no whole character stands for itself alone. */
function textOfMixed(bytes: Bytes): string {
  let text = ''
  let units: number[] = []
  for (let i = 0; i < bytes.length;) {
    const length = characterLength(bytes, i)
    if (length === 0) units.push(STRAY + (bytes[i++] as number))
    else {
      let point = (bytes[i] as number) & (length === 1 ? 0x7f : 0xff >> (length + 1))
      for (let k = 1; k < length; k++) point = (point << 6) | ((bytes[i + k] as number) & 0x3f)
      if (point > 0xffff) units.push(0xd7c0 + (point >> 10), 0xdc00 + (point & 0x3ff))
      else units.push(point)
      i += length
    }
    if (units.length >= 4096) {
      text += String.fromCharCode(...units)
      units = []
    }
  }
  return text + String.fromCharCode(...units)
}

/** The length of the character at `at` in bytes; 0 when there is none (RFC 3629 §4). */
function characterLength(bytes: Bytes, at: number): number {
  const lead = bytes[at] as number
  if (lead < 0x80) return 1
  if (lead < 0xc2 || lead > 0xf4) return 0
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
  // The second byte's range keeps out overlong forms, surrogates and what lies beyond U+10FFFF.
  const second = bytes[at + 1] ?? 0
  const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
  const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
  if (second < low || second > high) return 0
  for (let k = 2; k < length; k++) if (((bytes[at + k] ?? 0) & 0xc0) !== 0x80) return 0
  return length
}
