/** The private half of a tailnet-lock key: Ed25519, seed and public key together. (control.md §1) */

import { fromHex, hex } from './bytes.ts'
import type { Bytes } from './bytes.ts'
import { MeshError } from './errors.ts'
import { lockKeyOf } from './keys.ts'
import type { LockKey } from './keys.ts'

/** Prints as `[private key]` wherever it is put, JSON included. */
export class LockPrivateKey {
  readonly #raw: Uint8Array

  /** @param raw 64 bytes: the seed, then the public key that belongs to it */
  constructor(raw: Bytes) {
    if (raw.length !== 64) throw new MeshError('key/malformed', 'Cannot read a tailnet-lock private key: want 64 bytes')
    this.#raw = new Uint8Array(raw)
  }

  /** Reads `nlpriv:` and 128 hex digits. */
  static parse(text: string): LockPrivateKey {
    const raw = /^nlpriv:[0-9a-fA-F]{128}$/.test(text) ? fromHex(text.slice(7)) : undefined
    if (raw !== undefined) return new LockPrivateKey(raw)
    throw new MeshError('key/malformed', 'Cannot parse tailnet-lock private key: want "nlpriv:" and 128 hex digits')
  }

  get publicKey(): LockKey {
    return lockKeyOf(this.#raw.subarray(32))
  }

  /** The 32 bytes that signatures are made from, for arithmetic only. */
  revealSeed(): Uint8Array {
    return this.#raw.subarray(0, 32)
  }

  /** `nlpriv:…`, for the one file it is kept in. */
  revealText(): string {
    return `nlpriv:${hex(this.#raw)}`
  }

  toString(): string {
    return '[private key]'
  }

  toJSON(): string {
    return '[private key]'
  }
}
