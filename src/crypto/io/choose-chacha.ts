/**
 * Chooses the ChaCha20-Poly1305 of this thread: the fast one where it can be had and does what it should, else
 * Node's. They differ in nothing but speed, so nobody is told.
 */

import { fromHex, sameBytes, utf8 } from '../../base/bytes.ts'
import { TAG_LENGTH } from '../primitives.ts'
import type { Chacha } from './chacha.ts'
import { makeEvpChacha } from './evp-chacha.ts'
import { nodeChacha } from './node-chacha.ts'

let chosen: Chacha | undefined

/** Made at the first call, for loading the native library takes some milliseconds. */
export function chacha(): Chacha {
  chosen ??= chooseChacha(makeEvpChacha, nodeChacha)
  return chosen
}

/** What `make` makes of `plain`, unless it throws, or what it makes doesn't do as published; then `plain`. */
export function chooseChacha(make: (plain: Chacha) => Chacha, plain: Chacha): Chacha {
  try {
    const made = make(plain)
    return worksAsPublished(made) ? made : plain
  } catch {
    return plain
  }
}

/** RFC 8439 §2.8.2. */
const EXAMPLE = {
  key: hex('808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f'),
  nonce: hex('070000004041424344454647'),
  ad: hex('50515253c0c1c2c3c4c5c6c7'),
  clear: utf8(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
  ),
  sealed: hex(
    'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6' +
      '3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36' +
      '92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc' +
      '3ff4def08e4b7a9de576d26586cec64b6116' +
      '1ae10b594f09e26a7e902ecbd0600691',
  ),
}

/** Seals and opens the example, and refuses it when it is changed. */
function worksAsPublished(made: Chacha): boolean {
  const { key, nonce, ad, clear, sealed } = EXAMPLE
  const own = new Uint8Array(clear.length + TAG_LENGTH)
  made.seal(key, nonce, ad, clear, own, 0)
  const opened = made.open(key, nonce, ad, sealed)
  if (!sameBytes(own, sealed) || opened === undefined || !sameBytes(opened, clear)) return false
  own[0] = (own[0] as number) ^ 1
  return made.open(key, nonce, ad, own) === undefined
}

function hex(digits: string): Uint8Array {
  return fromHex(digits) as Uint8Array
}
