/**
 * ChaCha20-Poly1305 by the OpenSSL that Node is linked with, called past `node:crypto`: a third of its time for a
 * short record, half of it for a long one, and no objects that the collector would have to free (bench/cipher.ts).
 *
 * There is one context of OpenSSL's for sealing and one for opening, and every record sets key and nonce anew: that
 * costs no more than to set the nonce alone, and no session has native memory that somebody would have to free.
 * What is sealed goes through one arena, and stays there no longer than the call: keys and clear text are overwritten,
 * and only OpenSSL's contexts remember the key that they had last. Every call is synchronous, so one arena is enough
 * for a thread.
 */

import { EMPTY } from '../../base/bytes.ts'
import type { Bytes } from '../../base/bytes.ts'
import { TAG_LENGTH } from '../primitives.ts'
import type { RecordCipher } from '../primitives.ts'
import { checkKey, checkNonce, checkRoom } from './chacha.ts'
import type { Chacha } from './chacha.ts'
import { EVP_CTRL_AEAD_GET_TAG, EVP_CTRL_AEAD_SET_TAG, evpFunctions, failure, newContext } from './evp.ts'
import type { Final, Init, Update } from './evp.ts'
import { Arena, NULL } from './raw-memory.ts'
import type { Address, Handle } from './raw-memory.ts'

/** Longer messages, which no protocol of ours has, are given to the other cipher. */
const MOST_AD = 4096
const MOST_TEXT = 65_536

/** The places in the arena; what is read and written is never longer than its place. */
const KEY = 0
const NONCE = 32
const WRITTEN = 48
const AD = 4096
/** The tag comes behind the text, as on the wire. */
const TEXT = AD + MOST_AD
export const ARENA_LENGTH = TEXT + MOST_TEXT + TAG_LENGTH

/**
 * Makes the cipher, with an arena and contexts that are kept while the process lives: once a thread.
 *
 * @param forLonger gets what is too long for the arena
 * @param arena of `ARENA_LENGTH` bytes, for nobody else; a test hands one in to look what is left there
 * @throws Error where raw memory, the functions or the cipher are not to be had
 */
export function makeEvpChacha(forLonger: Chacha, arena = new Arena(ARENA_LENGTH)): Chacha {
  const ssl = evpFunctions()
  const [sealing, opening] = [newContext(ssl, ssl.EVP_EncryptInit_ex), newContext(ssl, ssl.EVP_DecryptInit_ex)]
  const [keyAt, nonceAt] = [arena.address(KEY, 32), arena.address(NONCE, 12)]
  const writtenAt = arena.address(WRITTEN, 4)

  function start(init: Init, context: Handle, key: Bytes, nonce: Bytes): boolean {
    try {
      arena.put(KEY, key)
      arena.put(NONCE, nonce)
      return init(context, NULL, NULL, keyAt, nonceAt) === 1
    } finally {
      arena.wipe(KEY, 32)
    }
  }

  /** Adds what is authenticated but not sealed. */
  function addAd(update: Update, context: Handle, ad: Bytes): boolean {
    if (ad.length === 0) return true
    arena.put(AD, ad)
    return update(context, NULL, writtenAt, arena.address(AD, ad.length), ad.length) === 1
  }

  const tagAt = (length: number): Address => arena.address(TEXT + length, TAG_LENGTH)

  /** Puts `length` bytes that lie in the arena through the cipher, in place. */
  function pass(update: Update, final: Final, context: Handle, length: number): boolean {
    const text = arena.address(TEXT, length)
    if (length > 0 && (update(context, text, writtenAt, text, length) !== 1 || arena.int32(WRITTEN) !== length))
      return false
    // A stream cipher has nothing left to write here.
    return final(context, text, writtenAt) === 1
  }

  const chacha: Chacha = {
    seal(key, nonce, ad, plain, into, at) {
      checkKey(key)
      checkNonce(nonce)
      checkRoom(plain, into, at)
      const { length } = plain
      if (length > MOST_TEXT || ad.length > MOST_AD) return forLonger.seal(key, nonce, ad, plain, into, at)
      arena.put(TEXT, plain)
      try {
        const sealed =
          start(ssl.EVP_EncryptInit_ex, sealing, key, nonce) &&
          addAd(ssl.EVP_EncryptUpdate, sealing, ad) &&
          pass(ssl.EVP_EncryptUpdate, ssl.EVP_EncryptFinal_ex, sealing, length) &&
          ssl.EVP_CIPHER_CTX_ctrl(sealing, EVP_CTRL_AEAD_GET_TAG, TAG_LENGTH, tagAt(length)) === 1
        if (!sealed) throw failure(ssl, 'seal')
        arena.takeInto(TEXT, length + TAG_LENGTH, into, at)
      } finally {
        arena.wipe(TEXT, length)
      }
    },

    open(key, nonce, ad, sealed) {
      checkKey(key)
      checkNonce(nonce)
      const length = sealed.length - TAG_LENGTH
      if (length < 0) return undefined
      if (length > MOST_TEXT || ad.length > MOST_AD) return forLonger.open(key, nonce, ad, sealed)
      arena.put(TEXT, sealed)
      try {
        const ready =
          start(ssl.EVP_DecryptInit_ex, opening, key, nonce) &&
          addAd(ssl.EVP_DecryptUpdate, opening, ad) &&
          ssl.EVP_CIPHER_CTX_ctrl(opening, EVP_CTRL_AEAD_SET_TAG, TAG_LENGTH, tagAt(length)) === 1
        if (!ready) throw failure(ssl, 'open')
        if (pass(ssl.EVP_DecryptUpdate, ssl.EVP_DecryptFinal_ex, opening, length)) return arena.take(TEXT, length)
        ssl.ERR_clear_error()
        return undefined
      } finally {
        arena.wipe(TEXT, length)
      }
    },

    recordCipher(key) {
      checkKey(key)
      return new EvpRecordCipher(chacha, key)
    },
  }
  return chacha
}

class EvpRecordCipher implements RecordCipher {
  readonly #chacha: Chacha
  readonly #key: Uint8Array

  constructor(chacha: Chacha, key: Bytes) {
    this.#chacha = chacha
    this.#key = new Uint8Array(key)
  }

  sealInto(nonce: Bytes, plain: Bytes, into: Uint8Array, at: number): void {
    this.#chacha.seal(this.#key, nonce, EMPTY, plain, into, at)
  }

  open(nonce: Bytes, sealed: Bytes): Uint8Array | undefined {
    return this.#chacha.open(this.#key, nonce, EMPTY, sealed)
  }
}
