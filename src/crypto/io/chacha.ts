/**
 * ChaCha20-Poly1305 (RFC 8439) as the implementations here promise it, and the checks that they share.
 * Node's own is node-chacha.ts, the fast one evp-chacha.ts; which is taken is choose-chacha.ts's matter.
 */

import type { Bytes } from '../../base/bytes.ts'
import { TAG_LENGTH } from '../primitives.ts'
import type { RecordCipher } from '../primitives.ts'

const KEY_LENGTH = 32
const NONCE_LENGTH = 12

/** Every function, those of the record cipher included, throws RangeError for a key or nonce of another length. */
export interface Chacha {
  /**
   * Writes `plain.length + TAG_LENGTH` bytes to `into` from `at` on. `plain` may be the very place written to.
   *
   * @throws RangeError when `into` has no room for that; then it is as it was
   */
  seal(key: Bytes, nonce: Bytes, ad: Bytes, plain: Bytes, into: Uint8Array, at: number): void
  /** The clear bytes, or `undefined` when `sealed` was not made with this key, nonce and `ad`. */
  open(key: Bytes, nonce: Bytes, ad: Bytes, sealed: Bytes): Uint8Array | undefined
  recordCipher(key: Bytes): RecordCipher
}

export function checkKey(key: Bytes): void {
  if (key.length !== KEY_LENGTH) throw new RangeError(`A key of ChaCha20-Poly1305 has 32 bytes, not ${key.length}`)
}

export function checkNonce(nonce: Bytes): void {
  if (nonce.length !== NONCE_LENGTH)
    throw new RangeError(`A nonce of ChaCha20-Poly1305 has 12 bytes, not ${nonce.length}`)
}

/** Looks whether `plain`, sealed, has room in `into` from `at` on. */
export function checkRoom(plain: Bytes, into: Uint8Array, at: number): void {
  if (!Number.isSafeInteger(at) || at < 0 || at + plain.length + TAG_LENGTH > into.length)
    throw new RangeError(`No room for ${plain.length} bytes and a tag at ${at} of ${into.length}`)
}
