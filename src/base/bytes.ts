/** Small words for bytes: hex, base64, concatenation, comparison. Nothing here knows any protocol. */

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

export type Bytes = Uint8Array

/** Hands out random bytes; pure code gets its randomness through one of these. */
export type Dice = (length: number) => Uint8Array<ArrayBuffer>

export const EMPTY: Uint8Array<ArrayBuffer> = new Uint8Array(0)

export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text)
}

/** Bytes to text; `undefined` when they are not UTF-8. */
export function textOf(bytes: Bytes): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

export function hex(bytes: Bytes): string {
  return bytes.toHex()
}

/** Hex digits to bytes; `undefined` for anything else. */
export function fromHex(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.fromHex(text)
  } catch {
    return undefined
  }
}

/** Standard base64 with padding, as Go's JSON writes `[]byte`. */
export function base64(bytes: Bytes): string {
  return bytes.toBase64()
}

/** Standard base64 to bytes; `undefined` for anything else, padding missing included. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (text.length % 4 !== 0 || /\s/.test(text)) return undefined
  try {
    return Uint8Array.fromBase64(text)
  } catch {
    return undefined
  }
}

export function concat(parts: readonly Bytes[]): Uint8Array<ArrayBuffer> {
  let length = 0
  for (const part of parts) length += part.length
  const all = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** Are these the same bytes? Leaks where they differ: not for secrets. */
export function sameBytes(a: Bytes, b: Bytes): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Are these the same bytes? Takes the same time wherever they differ; lengths are not secret. */
export function sameSecret(a: Bytes, b: Bytes): boolean {
  if (a.length !== b.length) return false
  let differ = 0
  for (let i = 0; i < a.length; i++) differ |= (a[i] as number) ^ (b[i] as number)
  return differ === 0
}
