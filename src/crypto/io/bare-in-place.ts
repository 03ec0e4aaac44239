/**
 * Seals and opens packets where they lie in an arena, by the bare ChaCha20 and Poly1305 of the OpenSSL that Node is
 * linked with (RFC 8439 §2.8 put together here): the cipher of evp-in-place.ts without what its general interface does
 * for each packet, and with the block that the authenticator's key comes from made in one go with the rest.
 *
 * Why: at 1,280 bytes EVP takes a third longer to seal and a tenth to open (bench/cipher.ts), and ciphers are the
 * largest part of carrying packets.
 * OpenSSL exports these functions and does not document them, so nobody takes this cipher without having tried it
 * (choose-in-place.ts). The plain twin is node-in-place.ts; a test holds all three together.
 *
 * The key that was used last and what Poly1305 remembers stay in the arena, where EVP would keep them on OpenSSL's heap.
 */

import type { Bytes } from '../../base/bytes.ts'
import type { InPlaceCipher } from '../in-place.ts'
import { TAG_LENGTH } from '../primitives.ts'
import { checkKey } from './chacha.ts'
import { nativeFunctions } from './raw-memory.ts'
import type { Address, Arena } from './raw-memory.ts'

interface Bare {
  /** `counter` is the block's number and the nonce: four words. */
  ChaCha20_ctr32(out: Address, from: Address, length: number, key: Address, counter: Address): void
  Poly1305_ctx_size(): number
  Poly1305_Init(state: Address, key: Address): void
  Poly1305_Update(state: Address, from: Address, length: number): void
  Poly1305_Final(state: Address, tag: Address): void
}

const PROTOTYPES: { readonly [Name in keyof Bare]: string } = {
  ChaCha20_ctr32: 'void ChaCha20_ctr32(int64_t out, int64_t from, size_t length, int64_t key, int64_t counter)',
  Poly1305_ctx_size: 'size_t Poly1305_ctx_size()',
  Poly1305_Init: 'void Poly1305_Init(int64_t state, int64_t key)',
  Poly1305_Update: 'void Poly1305_Update(int64_t state, int64_t from, size_t length)',
  Poly1305_Final: 'void Poly1305_Final(int64_t state, int64_t tag)',
}

/** What one run of ChaCha20 gives: the first of them is the authenticator's key. */
const BLOCK = 64
const BLOCK_WORDS = BLOCK / 4
/** Poly1305 takes 16 bytes at a time; text and lengths are filled up to that. */
const LENGTHS = 16

/** Places in the arena, from where the cipher's own bytes begin. */
const KEY = 0
const COUNTER = 32
const TAG = 48
const ZEROS = 64
const FIRST_BLOCK = ZEROS + BLOCK
/** Sixteen zeros, then the lengths of associated data (none) and text: u64 each. */
const FILLING = FIRST_BLOCK + BLOCK
const STATE = FILLING + 2 * LENGTHS
const STATE_MOST = 320
/** So many bytes of the arena are the cipher's own. */
export const BARE_CIPHER_BYTES = STATE + STATE_MOST

export class BareInPlace implements InPlaceCipher {
  readonly #ssl = nativeFunctions<Bare>(PROTOTYPES)
  readonly #arena: Arena
  /** Where its own bytes begin. */
  readonly #own: number
  readonly #words: Uint32Array
  readonly #view: DataView
  readonly #keyAt: Address
  readonly #counterAt: Address
  readonly #tagAt: Address
  readonly #zerosAt: Address
  readonly #blockAt: Address
  readonly #stateAt: Address
  /** What stood before a packet while the first block stood there. */
  readonly #saved = new Uint32Array(BLOCK_WORDS)
  #key: Bytes | undefined

  /**
   * @param arena where the packets lie
   * @param at where `BARE_CIPHER_BYTES` of it are the cipher's own, a multiple of 16
   * @throws Error where raw memory or the functions are not to be had
   */
  constructor(arena: Arena, at: number) {
    this.#arena = arena
    this.#own = at
    arena.wipe(at, BARE_CIPHER_BYTES)
    if (at % LENGTHS !== 0) throw new RangeError(`Not a multiple of ${LENGTHS}: ${at}`)
    if (this.#ssl.Poly1305_ctx_size() > STATE_MOST) throw new Error('Poly1305 wants more room than there is')
    this.#words = new Uint32Array(arena.buffer)
    this.#view = new DataView(arena.buffer)
    this.#keyAt = arena.address(at + KEY, 32)
    this.#counterAt = arena.address(at + COUNTER, 16)
    this.#tagAt = arena.address(at + TAG, TAG_LENGTH)
    this.#zerosAt = arena.address(at + ZEROS, BLOCK)
    this.#blockAt = arena.address(at + FIRST_BLOCK, BLOCK)
    this.#stateAt = arena.address(at + STATE, STATE_MOST)
  }

  sealAt(key: Bytes, counter: number, at: number, length: number): void {
    const ssl = this.#ssl
    const text = this.#arena.address(at, length)
    const tag = this.#arena.address(at + length, TAG_LENGTH)
    this.#begin(key, Math.floor(counter / 0x1_0000_0000), counter >>> 0)
    if (this.#mayBorrowBefore(at)) this.#sealWithFirstBlock(at, length)
    else {
      ssl.ChaCha20_ctr32(this.#blockAt, this.#zerosAt, BLOCK, this.#keyAt, this.#counterAt)
      ssl.Poly1305_Init(this.#stateAt, this.#blockAt)
      this.#setBlock(1)
      ssl.ChaCha20_ctr32(text, text, length, this.#keyAt, this.#counterAt)
    }
    this.#authenticate(at, length, text)
    ssl.Poly1305_Final(this.#stateAt, tag)
  }

  openAt(key: Bytes, counterHigh: number, counterLow: number, at: number, length: number): boolean {
    if (length < TAG_LENGTH) return false
    const ssl = this.#ssl
    const view = this.#view
    const clear = length - TAG_LENGTH
    const text = this.#arena.address(at, length)
    this.#begin(key, counterHigh, counterLow)
    ssl.ChaCha20_ctr32(this.#blockAt, this.#zerosAt, BLOCK, this.#keyAt, this.#counterAt)
    ssl.Poly1305_Init(this.#stateAt, this.#blockAt)
    const tag = at + clear
    const a = view.getInt32(tag, true)
    const b = view.getInt32(tag + 4, true)
    const c = view.getInt32(tag + 8, true)
    const d = view.getInt32(tag + 12, true)
    this.#authenticate(at, clear, text)
    view.setInt32(tag, a, true)
    view.setInt32(tag + 4, b, true)
    view.setInt32(tag + 8, c, true)
    view.setInt32(tag + 12, d, true)
    ssl.Poly1305_Final(this.#stateAt, this.#tagAt)
    // All of it is looked at, whatever differs: how long it takes says nothing.
    const own = this.#own + TAG
    const differs =
      (view.getInt32(own, true) ^ a) |
      (view.getInt32(own + 4, true) ^ b) |
      (view.getInt32(own + 8, true) ^ c) |
      (view.getInt32(own + 12, true) ^ d)
    if (differs !== 0) return false
    this.#setBlock(1)
    ssl.ChaCha20_ctr32(text, text, clear, this.#keyAt, this.#counterAt)
    return true
  }

  /** Sets key, nonce, and block 0. */
  #begin(key: Bytes, high: number, low: number): void {
    if (key !== this.#key) {
      checkKey(key)
      this.#arena.put(this.#own + KEY, key)
      this.#key = key
    }
    const counter = (this.#own + COUNTER) >> 2
    this.#words[counter] = 0
    this.#words[counter + 2] = low
    this.#words[counter + 3] = high
  }

  #setBlock(block: number): void {
    this.#words[(this.#own + COUNTER) >> 2] = block
  }

  /** Is there a block's room before this place, of words, and none of the cipher's own? */
  #mayBorrowBefore(at: number): boolean {
    const from = at - BLOCK
    return (at & 3) === 0 && from >= 0 && (at <= this.#own || from >= this.#own + BARE_CIPHER_BYTES)
  }

  /** Seals, with the first block made where something else stands, which is put back. */
  #sealWithFirstBlock(at: number, length: number): void {
    const words = this.#words
    const saved = this.#saved
    const first = (at - BLOCK) >> 2
    for (let i = 0; i < BLOCK_WORDS; i++) {
      saved[i] = words[first + i] as number
      words[first + i] = 0
    }
    const from = this.#arena.address(at - BLOCK, BLOCK + length)
    this.#ssl.ChaCha20_ctr32(from, from, BLOCK + length, this.#keyAt, this.#counterAt)
    this.#ssl.Poly1305_Init(this.#stateAt, from)
    for (let i = 0; i < BLOCK_WORDS; i++) words[first + i] = saved[i] as number
  }

  /** Takes text and lengths in. What stands behind the text, a tag's room, is overwritten. */
  #authenticate(at: number, length: number, text: Address): void {
    const ssl = this.#ssl
    const rest = length % LENGTHS
    if (rest === 0 && (at & 3) === 0) {
      const words = this.#words
      const behind = (at + length) >> 2
      words[behind] = 0
      words[behind + 1] = 0
      words[behind + 2] = length
      words[behind + 3] = 0
      ssl.Poly1305_Update(this.#stateAt, text, length + LENGTHS)
      return
    }
    const from = rest === 0 ? LENGTHS : rest
    this.#words[(this.#own + FILLING + LENGTHS + 8) >> 2] = length
    ssl.Poly1305_Update(this.#stateAt, text, length)
    const filling = this.#arena.address(this.#own + FILLING + from, 2 * LENGTHS - from)
    ssl.Poly1305_Update(this.#stateAt, filling, 2 * LENGTHS - from)
  }
}
