/**
 * Chooses what seals and opens packets in an arena: the fastest cipher that can be had here and does what it should.
 * They differ in nothing but speed. Whoever has no raw memory takes node-in-place.ts.
 */

import { EMPTY } from '../../base/bytes.ts'
import type { InPlaceCipher } from '../in-place.ts'
import { TAG_LENGTH } from '../primitives.ts'
import { BARE_CIPHER_BYTES, BareInPlace } from './bare-in-place.ts'
import { CIPHER_BYTES as EVP_CIPHER_BYTES, EvpInPlace } from './evp-in-place.ts'
import { nodeChacha } from './node-chacha.ts'
import type { Arena } from './raw-memory.ts'

/** So many bytes of the arena are the cipher's own, whichever it is. */
export const CIPHER_BYTES = Math.max(BARE_CIPHER_BYTES, EVP_CIPHER_BYTES)
/** So many are overwritten while it is tried. */
export const TRIAL_BYTES = 2048

/** What is tried, from the first place on: lengths with and without filling, places of words and odd ones. */
const LENGTHS = [0, 1, 16, 31, 64, 100, 1280]
const PLACES = [0, 1, 64, 67, 128]
const COUNTERS = [0, 0x1_0000_0001]

/**
 * @param at where `CIPHER_BYTES` of the arena are the cipher's own, a multiple of 16
 * @param trialAt where `TRIAL_BYTES` of it may be overwritten now
 * @throws Error where not even the calls that OpenSSL documents can be had
 */
export function inPlaceCipher(arena: Arena, at: number, trialAt: number): InPlaceCipher {
  return chooseInPlace(() => new BareInPlace(arena, at), arena, trialAt) ?? new EvpInPlace(arena, at)
}

/** What `make` makes, unless it throws or does not do as Node's own cipher. */
export function chooseInPlace(make: () => InPlaceCipher, arena: Arena, trialAt: number): InPlaceCipher | undefined {
  try {
    const made = make()
    const bytes = new Uint8Array(arena.buffer, trialAt, TRIAL_BYTES)
    const good = COUNTERS.every((counter) =>
      PLACES.every((place) => LENGTHS.every((length) => works(made, bytes, trialAt, { counter, place, length }))),
    )
    bytes.fill(0)
    return good ? made : undefined
  } catch {
    return undefined
  }
}

interface Trial {
  readonly counter: number
  readonly place: number
  readonly length: number
}

/** Seals some bytes as Node's cipher does, leaves those around alone, opens them again, and refuses changed ones. */
function works(made: InPlaceCipher, bytes: Uint8Array, at: number, { counter, place, length }: Trial): boolean {
  const key = Uint8Array.from({ length: 32 }, (_, i) => i + length)
  const [high, low] = [Math.floor(counter / 2 ** 32), counter >>> 0]
  const nonce = new Uint8Array(12)
  new DataView(nonce.buffer).setUint32(4, low, true)
  new DataView(nonce.buffer).setUint32(8, high, true)
  for (let i = 0; i < bytes.length; i++) bytes[i] = i
  const before = bytes.slice()
  const want = bytes.slice()
  nodeChacha.seal(key, nonce, EMPTY, before.subarray(place, place + length), want, place)
  made.sealAt(key, counter, at + place, length)
  if (!isSame(bytes, want)) return false
  bytes[place] = (bytes[place] as number) ^ 1
  if (made.openAt(key, high, low, at + place, length + TAG_LENGTH)) return false
  bytes.set(want)
  if (!made.openAt(key, high, low, at + place, length + TAG_LENGTH)) return false
  want.set(before.subarray(place, place + length), place)
  return isSame(bytes, want)
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, i) => byte === b[i])
}
