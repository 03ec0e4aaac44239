/**
 * NaCl's crypto_box: X25519, HSalsa20, XSalsa20-Poly1305. Relay greetings, disco messages and the node-key
 * proof are sealed with it (control.md §1, derp.md, disco.md).
 */

import { hsalsa, xsalsa20poly1305 } from '@noble/ciphers/salsa.js'
import { concat } from '../base/bytes.ts'
import type { Bytes } from '../base/bytes.ts'
import { MeshError } from '../base/errors.ts'
import type { PrivateKey } from '../base/keys.ts'
import type { Primitives } from './primitives.ts'

export const BOX_NONCE_LENGTH = 24
/** What a sealed box is longer than its content: the nonce before it and the tag. */
export const BOX_OVERHEAD = BOX_NONCE_LENGTH + 16

/** "expand 32-byte k", as four little-endian words: the constant of the Salsa20 family. */
const SIGMA = new Uint32Array([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574])

/** The key that two parties share; worth keeping where many boxes go between the same two. */
export type BoxKey = Uint8Array & { readonly boxKey: unique symbol }

/** The shared key of `own` and the 32 bytes `theirs`; `undefined` for a point of low order or another length. */
export function boxKey(p: Primitives, own: PrivateKey, theirs: Bytes): BoxKey | undefined {
  const shared = p.x25519(own, theirs)
  if (shared === undefined) return undefined
  const words = new Uint32Array(8)
  new Uint8Array(words.buffer).set(shared)
  const key = new Uint32Array(8)
  hsalsa(SIGMA, words, new Uint32Array(4), key)
  return new Uint8Array(key.buffer) as unknown as BoxKey
}

/** Seals `clear` under a shared key. Gives the nonce (24 bytes), then the box. */
export function sealWith(key: BoxKey, nonce: Bytes, clear: Bytes): Uint8Array<ArrayBuffer> {
  return concat([nonce, xsalsa20poly1305(key, nonce).encrypt(clear)])
}

/** Opens a nonce and the box behind it; `undefined` when it was not sealed under this key. */
export function openWith(key: BoxKey, sealed: Bytes): Uint8Array | undefined {
  if (sealed.length < BOX_OVERHEAD) return undefined
  try {
    return xsalsa20poly1305(key, sealed.subarray(0, BOX_NONCE_LENGTH)).decrypt(sealed.subarray(BOX_NONCE_LENGTH))
  } catch {
    return undefined
  }
}

/**
 * Seals `clear` from one key to another. The nonce must be fresh: 24 bytes of dice.
 *
 * @throws MeshError `key/malformed` when nothing can be sealed to `to` (not 32 bytes, or of low order)
 */
export function sealBox(
  p: Primitives,
  from: PrivateKey,
  to: Bytes,
  nonce: Bytes,
  clear: Bytes,
): Uint8Array<ArrayBuffer> {
  const key = boxKey(p, from, to)
  if (key === undefined) throw new MeshError('key/malformed', 'Cannot seal a box: the receiver has no usable key')
  return sealWith(key, nonce, clear)
}

/** Opens what `sealBox` made; `undefined` for anything else. */
export function openBox(p: Primitives, to: PrivateKey, from: Bytes, sealed: Bytes): Uint8Array | undefined {
  const key = sealed.length < BOX_OVERHEAD ? undefined : boxKey(p, to, from)
  return key === undefined ? undefined : openWith(key, sealed)
}
