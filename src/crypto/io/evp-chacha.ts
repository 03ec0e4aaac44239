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
import { Arena, nativeFunctions, NULL } from './raw-memory.ts'
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

/** From OpenSSL's evp.h. */
const EVP_CTRL_AEAD_GET_TAG = 0x10
const EVP_CTRL_AEAD_SET_TAG = 0x11

type Init = (context: Handle, type: Handle, engine: Handle, key: Address, nonce: Address) => number
type Update = (context: Handle, out: Address, written: Address, from: Address, length: number) => number
type Final = (context: Handle, out: Address, written: Address) => number

interface OpenSsl {
  EVP_CIPHER_CTX_new(): Handle
  EVP_CIPHER_CTX_ctrl(context: Handle, what: number, length: number, at: Address): number
  EVP_chacha20_poly1305(): Handle
  EVP_EncryptInit_ex: Init
  EVP_EncryptUpdate: Update
  EVP_EncryptFinal_ex: Final
  EVP_DecryptInit_ex: Init
  EVP_DecryptUpdate: Update
  EVP_DecryptFinal_ex: Final
  ERR_clear_error(): void
}

const INIT = '(int64_t context, int64_t type, int64_t engine, int64_t key, int64_t nonce)'
const UPDATE = '(int64_t context, int64_t out, int64_t written, int64_t from, int length)'
const FINAL = '(int64_t context, int64_t out, int64_t written)'

const PROTOTYPES: { readonly [Name in keyof OpenSsl]: string } = {
  EVP_CIPHER_CTX_new: 'int64_t EVP_CIPHER_CTX_new()',
  EVP_CIPHER_CTX_ctrl: 'int EVP_CIPHER_CTX_ctrl(int64_t context, int what, int length, int64_t at)',
  EVP_chacha20_poly1305: 'int64_t EVP_chacha20_poly1305()',
  EVP_EncryptInit_ex: `int EVP_EncryptInit_ex${INIT}`,
  EVP_EncryptUpdate: `int EVP_EncryptUpdate${UPDATE}`,
  EVP_EncryptFinal_ex: `int EVP_EncryptFinal_ex${FINAL}`,
  EVP_DecryptInit_ex: `int EVP_DecryptInit_ex${INIT}`,
  EVP_DecryptUpdate: `int EVP_DecryptUpdate${UPDATE}`,
  EVP_DecryptFinal_ex: `int EVP_DecryptFinal_ex${FINAL}`,
  ERR_clear_error: 'void ERR_clear_error()',
}

/**
 * Makes the cipher, with an arena and contexts that are kept while the process lives: once a thread.
 *
 * @param forLonger gets what is too long for the arena
 * @param arena of `ARENA_LENGTH` bytes, for nobody else; a test hands one in to look what is left there
 * @throws Error where raw memory, the functions or the cipher are not to be had
 */
export function makeEvpChacha(forLonger: Chacha, arena = new Arena(ARENA_LENGTH)): Chacha {
  const ssl = nativeFunctions<OpenSsl>(PROTOTYPES)
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

/** A context that knows its cipher and wants a key. */
function newContext(ssl: OpenSsl, init: Init): Handle {
  const context = ssl.EVP_CIPHER_CTX_new()
  const type = ssl.EVP_chacha20_poly1305()
  // Neither fits a double when the system tags its pointers: then koffi gives a bigint.
  if (typeof context !== 'number' || typeof type !== 'number' || context === NULL || type === NULL)
    throw new Error('Cannot make a context of ChaCha20-Poly1305')
  if (init(context, type, NULL, NULL, NULL) !== 1) throw failure(ssl, 'prepare')
  return context
}

/** OpenSSL keeps errors for each thread, and would show this one to the next TLS connection that reads. */
function failure(ssl: OpenSsl, what: string): Error {
  ssl.ERR_clear_error()
  return new Error(`Cannot ${what} by ChaCha20-Poly1305: OpenSSL refused`)
}
