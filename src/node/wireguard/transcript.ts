/**
 * What both sides of a WireGuard handshake compute alike: Noise's running hash and chaining key, and the key
 * derivation on BLAKE2s (WireGuard paper §5.4). Which keys go in, in which order, is handshake.ts.
 *
 * Transcripts are values: a forged answer leaves the one it was tried on as it was.
 */

import { concat, EMPTY, utf8 } from '../../base/bytes.ts'
import type { Bytes } from '../../base/bytes.ts'
import type { Primitives } from '../../crypto/primitives.ts'

const CONSTRUCTION = utf8('Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s')
const IDENTIFIER = utf8('WireGuard v1 zx2c4 Jason@zx2c4.com')
/** Every key of a handshake seals one message, so its nonce is always zero. */
const ZERO_NONCE = new Uint8Array(12)
const ONE = new Uint8Array([1])
const TWO = new Uint8Array([2])
const THREE = new Uint8Array([3])

export interface Transcript {
  /** The chaining key, 32 bytes: all that was agreed so far. */
  readonly chain: Bytes
  /** 32 bytes: all that was said so far. */
  readonly hash: Bytes
}

/** Before the first message: the construction's names, without the responder's key. */
export function initialTranscript(p: Primitives): Transcript {
  const chain = p.blake2s(CONSTRUCTION)
  return { chain, hash: p.blake2s(chain, IDENTIFIER) }
}

/** HKDF of RFC 5869 over BLAKE2s with one, two and three outputs of 32 bytes; `key` is the salt. */
export function kdf1(p: Primitives, key: Bytes, input: Bytes): Uint8Array {
  return p.hmacBlake2s(p.hmacBlake2s(key, input), ONE)
}

export function kdf2(p: Primitives, key: Bytes, input: Bytes): [Uint8Array, Uint8Array] {
  const secret = p.hmacBlake2s(key, input)
  const first = p.hmacBlake2s(secret, ONE)
  return [first, p.hmacBlake2s(secret, first, TWO)]
}

export function kdf3(p: Primitives, key: Bytes, input: Bytes): [Uint8Array, Uint8Array, Uint8Array] {
  const secret = p.hmacBlake2s(key, input)
  const first = p.hmacBlake2s(secret, ONE)
  const second = p.hmacBlake2s(secret, first, TWO)
  return [first, second, p.hmacBlake2s(secret, second, THREE)]
}

export function mixHash(p: Primitives, t: Transcript, data: Bytes): Transcript {
  return { chain: t.chain, hash: p.blake2s(t.hash, data) }
}

/** Mixes a secret, or an ephemeral key, into the chain. */
export function mixChain(p: Primitives, t: Transcript, input: Bytes): Transcript {
  return { chain: kdf1(p, t.chain, input), hash: t.hash }
}

/** The same, and a key for the next seal. */
export function mixKey(p: Primitives, t: Transcript, input: Bytes): [Transcript, Uint8Array] {
  const [chain, key] = kdf2(p, t.chain, input)
  return [{ chain, hash: t.hash }, key]
}

/** Mixes the preshared key into chain and hash, and gives the key for the next seal. */
export function mixPreshared(p: Primitives, t: Transcript, psk: Bytes): [Transcript, Uint8Array] {
  const [chain, said, key] = kdf3(p, t.chain, psk)
  return [mixHash(p, { chain, hash: t.hash }, said), key]
}

/** Seals `clear` bound to all that was said; what is sealed is said by that. */
export function seal(p: Primitives, t: Transcript, key: Bytes, clear: Bytes): [Transcript, Uint8Array] {
  const sealed = p.chachaSeal(key, ZERO_NONCE, t.hash, clear)
  return [mixHash(p, t, sealed), sealed]
}

/** `undefined` when it was not sealed with this key after the same was said. */
export function open(p: Primitives, t: Transcript, key: Bytes, sealed: Bytes): [Transcript, Uint8Array] | undefined {
  const clear = p.chachaOpen(key, ZERO_NONCE, t.hash, sealed)
  return clear === undefined ? undefined : [mixHash(p, t, sealed), clear]
}

/** The keys of the session: initiator to responder, responder to initiator. */
export function split(p: Primitives, t: Transcript): [Uint8Array, Uint8Array] {
  return kdf2(p, t.chain, EMPTY)
}

/** The key of a peer for one purpose: BLAKE2s of a label of eight bytes and its public key. */
export function labelled(p: Primitives, label: 'mac1----' | 'cookie--', publicKey: Bytes): Uint8Array {
  return p.blake2s(concat([utf8(label), publicKey]))
}
