/**
 * What a handshake computes, by the OpenSSL that Node is linked with, called past `node:crypto`: two thirds of its
 * time, and no key objects that the collector would have to free (bench/cipher.ts). A server that restarts does
 * hundreds of handshakes in its first second, with code that is not warm yet.
 *
 * Everything goes through one arena and stays there no longer than the call: what is secret is overwritten. Every
 * call is synchronous, so one arena is enough for a thread.
 */

import type { Bytes } from '../../base/bytes.ts'
import type { PrivateKey } from '../../base/keys.ts'
import type { HandshakeMath } from './node-handshake.ts'
import { Arena, nativeFunctions, NULL } from './raw-memory.ts'
import type { Address, Handle } from './raw-memory.ts'

const LENGTH = 32
/** Longer messages, which no handshake has, are given to the other twin; longer keys too. */
const MOST_TEXT = 4096
const MOST_KEY = 64

/** The places in the arena. */
const OWN = 0
const THEIRS = 64
const OUT = 128
const TEXT = 256
export const ARENA_LENGTH = TEXT + MOST_TEXT

interface OpenSsl {
  /** OpenSSL's own names for the bare curve: without key objects, contexts and a search for the implementation. */
  ossl_x25519(out: Address, own: Address, theirs: Address): number
  ossl_x25519_public_from_private(out: Address, own: Address): void
  EVP_MD_fetch(library: Handle, name: string, properties: Handle): Handle
  EVP_Digest(text: Address, length: number, out: Address, written: Address, type: Handle, engine: Handle): number
  HMAC(
    type: Handle,
    key: Address,
    keyLength: number,
    text: Address,
    length: number,
    out: Address,
    written: Address,
  ): unknown
}

const PROTOTYPES: { readonly [Name in keyof OpenSsl]: string } = {
  ossl_x25519: 'int ossl_x25519(int64_t out, int64_t own, int64_t theirs)',
  ossl_x25519_public_from_private: 'void ossl_x25519_public_from_private(int64_t out, int64_t own)',
  EVP_MD_fetch: 'int64_t EVP_MD_fetch(int64_t library, const char *name, int64_t properties)',
  EVP_Digest: 'int EVP_Digest(int64_t text, size_t length, int64_t out, int64_t written, int64_t type, int64_t engine)',
  HMAC: 'int64_t HMAC(int64_t type, int64_t key, int keyLength, int64_t text, size_t length, int64_t out, int64_t written)',
}

/**
 * Makes it, with an arena that is kept while the process lives: once a thread.
 *
 * @param forLonger gets what is too long for the arena
 * @param arena of `ARENA_LENGTH` bytes, for nobody else; a test hands one in to look what is left there
 * @throws Error where raw memory or the functions are not to be had, as where Node is linked against another library
 */
export function makeOpensslHandshake(forLonger: HandshakeMath, arena = new Arena(ARENA_LENGTH)): HandshakeMath {
  const ssl = nativeFunctions<OpenSsl>(PROTOTYPES)
  const blake2s = ssl.EVP_MD_fetch(NULL, 'BLAKE2S-256', NULL)
  // A tagged pointer would not fit a double: then koffi gives a bigint.
  if (typeof blake2s !== 'number' || blake2s === NULL) throw new Error('Cannot have BLAKE2s of OpenSSL')
  const ownAt = arena.address(OWN, MOST_KEY)
  const theirsAt = arena.address(THEIRS, LENGTH)
  const outAt = arena.address(OUT, LENGTH)
  const textAt = arena.address(TEXT, MOST_TEXT)
  const publicHalves = new WeakMap<PrivateKey, Uint8Array>()

  /** Puts the parts one after another; their length, or `undefined` when there is no room for them. */
  function putText(parts: readonly Bytes[]): number | undefined {
    let length = 0
    for (const part of parts) {
      if (length + part.length > MOST_TEXT) return undefined
      arena.put(TEXT + length, part)
      length += part.length
    }
    return length
  }

  return {
    x25519Public(own) {
      let half = publicHalves.get(own)
      if (half === undefined) {
        arena.put(OWN, own.reveal())
        try {
          ssl.ossl_x25519_public_from_private(outAt, ownAt)
        } finally {
          arena.wipe(OWN, LENGTH)
        }
        half = arena.take(OUT, LENGTH)
        publicHalves.set(own, half)
      }
      // A copy, for callers may do with it what they like.
      return half.slice()
    },

    x25519(own, theirs) {
      if (theirs.length !== LENGTH) return undefined
      arena.put(OWN, own.reveal())
      arena.put(THEIRS, theirs)
      try {
        // Zero: the result has no bits, which is what points of low order give.
        return ssl.ossl_x25519(outAt, ownAt, theirsAt) === 1 ? arena.take(OUT, LENGTH) : undefined
      } finally {
        arena.wipe(OWN, LENGTH)
        arena.wipe(OUT, LENGTH)
      }
    },

    blake2s(...parts) {
      const length = putText(parts)
      if (length === undefined) return forLonger.blake2s(...parts)
      try {
        if (ssl.EVP_Digest(textAt, length, outAt, NULL, blake2s, NULL) !== 1) throw refused('hash')
        return arena.take(OUT, LENGTH)
      } finally {
        arena.wipe(TEXT, length)
        arena.wipe(OUT, LENGTH)
      }
    },

    hmacBlake2s(key, ...parts) {
      const length = key.length > MOST_KEY ? undefined : putText(parts)
      if (length === undefined) return forLonger.hmacBlake2s(key, ...parts)
      arena.put(OWN, key)
      try {
        if (ssl.HMAC(blake2s, ownAt, key.length, textAt, length, outAt, NULL) === 0) throw refused('authenticate')
        return arena.take(OUT, LENGTH)
      } finally {
        arena.wipe(OWN, key.length)
        arena.wipe(TEXT, length)
        arena.wipe(OUT, LENGTH)
      }
    },
  }
}

function refused(what: string): Error {
  return new Error(`Cannot ${what} by BLAKE2s: OpenSSL refused`)
}
