/**
 * Seals and opens packets where they lie, by `node:crypto`: the plain twin of evp-in-place.ts, for machines without
 * its means. It makes some objects for each packet and copies it twice.
 */

import type { Bytes } from '../../base/bytes.ts'
import type { InPlaceCipher } from '../in-place.ts'
import { TAG_LENGTH } from '../primitives.ts'
import type { RecordCipher } from '../primitives.ts'
import { nodeChacha } from './node-chacha.ts'

export class NodeInPlace implements InPlaceCipher {
  readonly #memory: Uint8Array
  readonly #nonce = new Uint8Array(12)
  readonly #view = new DataView(this.#nonce.buffer)
  /** Of each key, what it costs to set it up. Goes when nobody has the key any more. */
  readonly #ciphers = new WeakMap<Bytes, RecordCipher>()

  /** @param memory where the packets lie */
  constructor(memory: Uint8Array) {
    this.#memory = memory
  }

  sealAt(key: Bytes, counter: number, at: number, length: number): void {
    this.#check(at, length)
    this.#check(at + length, TAG_LENGTH)
    this.#setNonce(Math.floor(counter / 0x1_0000_0000), counter >>> 0)
    const clear = this.#memory.subarray(at, at + length)
    this.#cipherOf(key).sealInto(this.#nonce, clear, this.#memory, at)
  }

  openAt(key: Bytes, counterHigh: number, counterLow: number, at: number, length: number): boolean {
    if (length < TAG_LENGTH) return false
    this.#check(at, length)
    this.#setNonce(counterHigh, counterLow)
    const clear = this.#cipherOf(key).open(this.#nonce, this.#memory.subarray(at, at + length))
    if (clear === undefined) return false
    this.#memory.set(clear, at)
    return true
  }

  #cipherOf(key: Bytes): RecordCipher {
    let cipher = this.#ciphers.get(key)
    if (cipher === undefined) this.#ciphers.set(key, (cipher = nodeChacha.recordCipher(key)))
    return cipher
  }

  #setNonce(high: number, low: number): void {
    this.#view.setUint32(4, low, true)
    this.#view.setUint32(8, high, true)
  }

  #check(at: number, length: number): void {
    const size = this.#memory.length
    if (!Number.isSafeInteger(at) || !Number.isSafeInteger(length) || at < 0 || length < 0 || at + length > size)
      throw new RangeError(`Not in the memory of ${size} bytes: ${String(length)} from ${String(at)} on`)
  }
}
