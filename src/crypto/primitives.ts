/**
 * The primitives that every protocol here is built from, as one interface that shells hand in.
 *
 * Pure code says what it needs of a cipher library and gets it from outside, randomness included; so the
 * handshakes run under test with chosen keys, and the library can be changed in one place.
 */

import type { Bytes, Dice } from '../base/bytes.ts'
import { challengeKeyOf, discoKeyOf, machineKeyOf, nodeKeyOf, PrivateKey } from '../base/keys.ts'
import type { ChallengeKey, DiscoKey, MachineKey, NodeKey } from '../base/keys.ts'

/** Length in bytes of the tag that ChaCha20-Poly1305 puts after the cipher text. */
export const TAG_LENGTH = 16

/** ChaCha20-Poly1305 under one key and without associated data, for many records. */
export interface RecordCipher {
  /**
   * Seals `plain` and writes `plain.length + TAG_LENGTH` bytes to `into` from `at` on.
   * `plain` may be the very place that is written to, but must not overlap it otherwise.
   */
  sealInto(nonce: Bytes, plain: Bytes, into: Uint8Array, at: number): void
  /** The clear bytes, or `undefined` when the record was not sealed with this key and nonce. */
  open(nonce: Bytes, sealed: Bytes): Uint8Array | undefined
}

export interface Primitives {
  /** Bytes fit for keys. */
  readonly random: Dice
  /** The 32-byte public half. */
  x25519Public(own: PrivateKey): Uint8Array
  /** The 32-byte shared secret, or `undefined` when `theirs` is not 32 bytes or a point of low order. */
  x25519(own: PrivateKey, theirs: Bytes): Uint8Array | undefined
  /** BLAKE2s-256 of the parts, one after another. 32 bytes. */
  blake2s(...parts: Bytes[]): Uint8Array
  /** HMAC over BLAKE2s-256 (block size 64), not BLAKE2s's own keyed mode. 32 bytes. */
  hmacBlake2s(key: Bytes, ...parts: Bytes[]): Uint8Array
  /** BLAKE2s in its own keyed mode, with a key of up to 32 bytes. 16 bytes. */
  blake2sMac(key: Bytes, ...parts: Bytes[]): Uint8Array
  /** ChaCha20-Poly1305 (RFC 8439): 32-byte key, 12-byte nonce. Cipher text, then tag. */
  chachaSeal(key: Bytes, nonce: Bytes, ad: Bytes, plain: Bytes): Uint8Array
  chachaOpen(key: Bytes, nonce: Bytes, ad: Bytes, sealed: Bytes): Uint8Array | undefined
  /** A cipher that keeps what it costs to set up `key`. */
  recordCipher(key: Bytes): RecordCipher
  sha256(...parts: Bytes[]): Uint8Array
}

/** A new Curve25519 private key, clamped (control.md §1). */
export function generateKey(dice: Dice): PrivateKey {
  return PrivateKey.clamped(dice(32))
}

export const machineKeyFor = (p: Primitives, key: PrivateKey): MachineKey => machineKeyOf(p.x25519Public(key))
export const nodeKeyFor = (p: Primitives, key: PrivateKey): NodeKey => nodeKeyOf(p.x25519Public(key))
export const discoKeyFor = (p: Primitives, key: PrivateKey): DiscoKey => discoKeyOf(p.x25519Public(key))
export const challengeKeyFor = (p: Primitives, key: PrivateKey): ChallengeKey => challengeKeyOf(p.x25519Public(key))
