/**
 * Seals and opens packets where they lie in an arena, by the OpenSSL that Node is linked with: four calls a packet,
 * nothing copied and nothing made. The plain twin is node-in-place.ts; a test holds the two together.
 *
 * There is a context for sealing and one for opening, and each keeps the key that it had last: bursts are of one
 * session, so a key is set when the session changes and only the nonce for each packet. No session has native memory
 * of its own that somebody would have to free.
 */

import type { Bytes } from '../../base/bytes.ts'
import type { InPlaceCipher } from '../in-place.ts'
import { TAG_LENGTH } from '../primitives.ts'
import { checkKey } from './chacha.ts'
import { EVP_CTRL_AEAD_GET_TAG, EVP_CTRL_AEAD_SET_TAG, evpFunctions, failure, newContext } from './evp.ts'
import type { Init } from './evp.ts'
import { NULL } from './raw-memory.ts'
import type { Address, Arena, Handle } from './raw-memory.ts'

/** Places in the arena: key, nonce, and how much an update wrote. */
const KEY = 0
const NONCE = 32
const WRITTEN = 48
/** So many bytes of the arena are the cipher's own. */
export const CIPHER_BYTES = 64

export class EvpInPlace implements InPlaceCipher {
  readonly #ssl = evpFunctions()
  readonly #arena: Arena
  readonly #at: number
  readonly #nonce: DataView
  readonly #nonceAt: Address
  readonly #writtenAt: Address
  readonly #sealing: Handle
  readonly #opening: Handle
  #sealKey: Bytes | undefined
  #openKey: Bytes | undefined

  /**
   * @param arena where the packets lie
   * @param at where `CIPHER_BYTES` of it are the cipher's own, a multiple of 16
   * @throws Error where raw memory, the functions or the cipher are not to be had
   */
  constructor(arena: Arena, at: number) {
    this.#arena = arena
    this.#at = at
    arena.wipe(at, CIPHER_BYTES)
    this.#nonce = new DataView(arena.buffer, at + NONCE, 12)
    this.#nonceAt = arena.address(at + NONCE, 12)
    this.#writtenAt = arena.address(at + WRITTEN, 4)
    this.#sealing = newContext(this.#ssl, this.#ssl.EVP_EncryptInit_ex)
    this.#opening = newContext(this.#ssl, this.#ssl.EVP_DecryptInit_ex)
  }

  sealAt(key: Bytes, counter: number, at: number, length: number): void {
    const ssl = this.#ssl
    const text = this.#arena.address(at, length)
    const tag = this.#arena.address(at + length, TAG_LENGTH)
    this.#setNonce(Math.floor(counter / 0x1_0000_0000), counter >>> 0)
    const isNew = key !== this.#sealKey
    if (isNew) this.#sealKey = undefined
    const sealed =
      this.#start(ssl.EVP_EncryptInit_ex, this.#sealing, isNew ? key : undefined) &&
      (length === 0 || ssl.EVP_EncryptUpdate(this.#sealing, text, this.#writtenAt, text, length) === 1) &&
      ssl.EVP_EncryptFinal_ex(this.#sealing, text, this.#writtenAt) === 1 &&
      ssl.EVP_CIPHER_CTX_ctrl(this.#sealing, EVP_CTRL_AEAD_GET_TAG, TAG_LENGTH, tag) === 1
    if (!sealed) throw failure(ssl, 'seal')
    this.#sealKey = key
  }

  openAt(key: Bytes, counterHigh: number, counterLow: number, at: number, length: number): boolean {
    const ssl = this.#ssl
    if (length < TAG_LENGTH) return false
    const clear = length - TAG_LENGTH
    const text = this.#arena.address(at, length)
    const tag = this.#arena.address(at + clear, TAG_LENGTH)
    this.#setNonce(counterHigh, counterLow)
    const isNew = key !== this.#openKey
    if (isNew) this.#openKey = undefined
    const isReady =
      this.#start(ssl.EVP_DecryptInit_ex, this.#opening, isNew ? key : undefined) &&
      ssl.EVP_CIPHER_CTX_ctrl(this.#opening, EVP_CTRL_AEAD_SET_TAG, TAG_LENGTH, tag) === 1
    if (!isReady) throw failure(ssl, 'open')
    this.#openKey = key
    if (
      (clear === 0 || ssl.EVP_DecryptUpdate(this.#opening, text, this.#writtenAt, text, clear) === 1) &&
      ssl.EVP_DecryptFinal_ex(this.#opening, text, this.#writtenAt) === 1
    )
      return true
    ssl.ERR_clear_error()
    return false
  }

  #setNonce(high: number, low: number): void {
    this.#nonce.setUint32(4, low, true)
    this.#nonce.setUint32(8, high, true)
  }

  /** Sets the nonce, and the key where it is another one; that stays in the arena no longer than the call. */
  #start(init: Init, context: Handle, key: Bytes | undefined): boolean {
    if (key === undefined) return init(context, NULL, NULL, NULL, this.#nonceAt) === 1
    checkKey(key)
    try {
      this.#arena.put(this.#at + KEY, key)
      return init(context, NULL, NULL, this.#arena.address(this.#at + KEY, 32), this.#nonceAt) === 1
    } finally {
      this.#arena.wipe(this.#at + KEY, 32)
    }
  }
}
