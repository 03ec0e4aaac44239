/**
 * XChaCha20-Poly1305: the cipher of WireGuard's cookie replies, whose nonces of 24 bytes may be drawn at random
 * (draft-irtf-cfrg-xchacha).
 */

import { xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import type { Bytes } from '../base/bytes.ts'

export const XCHACHA_NONCE_LENGTH = 24

/** Seals `plain` bound to `ad`: cipher text, then a tag of 16 bytes. `key` has 32 bytes, `nonce` 24. */
export function xchachaSeal(key: Bytes, nonce: Bytes, ad: Bytes, plain: Bytes): Uint8Array {
  return xchacha20poly1305(key, nonce, ad).encrypt(plain)
}

/** `undefined` when it was not sealed with this key, nonce and `ad`. */
export function xchachaOpen(key: Bytes, nonce: Bytes, ad: Bytes, sealed: Bytes): Uint8Array | undefined {
  try {
    return xchacha20poly1305(key, nonce, ad).decrypt(sealed)
  } catch {
    return undefined
  }
}
