/**
 * What a Noise handshake leaves behind: one half for sealing, one for opening, each with a key and a counter
 * (control.md §3.4). Handshakes are noise.ts; the headers around sealed records are wire/noise-frame.ts.
 */

import { MeshError } from '../base/errors.ts'
import type { Bytes } from '../base/bytes.ts'
import type { RecordCipher } from './primitives.ts'

const LAST = 0xffff_ffff

/**
 * The nonce of the control protocol: four zero bytes, then a big-endian counter. (Noise itself says little-endian.)
 * It is counted in its own bytes, since every record needs them.
 */
class Counter {
  readonly nonce = new Uint8Array(12)
  readonly #view = new DataView(this.nonce.buffer)
  #high: number
  #low: number

  constructor(start: bigint) {
    this.#high = Number(BigInt.asUintN(32, start >> 32n))
    this.#low = Number(BigInt.asUintN(32, start))
    this.#write()
  }

  /** The last value of the counter is not a nonce, so that no counter ever wraps. */
  get isUsedUp(): boolean {
    return this.#low === LAST && this.#high === LAST
  }

  step(): void {
    if (this.#low === LAST) {
      this.#low = 0
      this.#high++
    } else {
      this.#low++
    }
    this.#write()
  }

  #write(): void {
    this.#view.setUint32(4, this.#high)
    this.#view.setUint32(8, this.#low)
  }
}

/** Seals records, each under the next nonce. */
export class NoiseSender {
  readonly #cipher: RecordCipher
  readonly #counter: Counter

  /** @param start counter of the first record; anything but 0 is for tests */
  constructor(cipher: RecordCipher, start = 0n) {
    this.#cipher = cipher
    this.#counter = new Counter(start)
  }

  /**
   * Seals one record and writes `plain.length + TAG_LENGTH` bytes to `into` from `at` on. `plain` may be the
   * very place that is written to.
   *
   * @throws MeshError `noise/failed` when the nonces are used up, then and ever after
   */
  sealInto(plain: Bytes, into: Uint8Array, at: number): void {
    if (this.#counter.isUsedUp) throw new MeshError('noise/failed', 'Cannot seal a record: the nonces are used up')
    this.#cipher.sealInto(this.#counter.nonce, plain, into, at)
    this.#counter.step()
  }
}

/** Opens records in the order in which they were sealed. One that does not open ends it for good. */
export class NoiseReceiver {
  readonly #cipher: RecordCipher
  readonly #counter: Counter
  #failed = false

  /** @param start counter of the first record; anything but 0 is for tests */
  constructor(cipher: RecordCipher, start = 0n) {
    this.#cipher = cipher
    this.#counter = new Counter(start)
  }

  /** The clear bytes of the next record; `undefined` when it, or one before it, was not the sender's. */
  open(sealed: Bytes): Uint8Array | undefined {
    if (this.#failed) return undefined
    const clear = this.#counter.isUsedUp ? undefined : this.#cipher.open(this.#counter.nonce, sealed)
    if (clear === undefined) this.#failed = true
    else this.#counter.step()
    return clear
  }
}
