/** The primitives from Node's own OpenSSL. */

import { TAG_LENGTH } from '../primitives.ts'
import type { Primitives } from '../primitives.ts'
import { chacha } from './choose-chacha.ts'
import { handshakeMath } from './choose-handshake.ts'
import { nodeDice } from './dice.ts'
import { hash } from './node-handshake.ts'
import { blake2sMac } from './node-mac.ts'

export const nodePrimitives: Primitives = {
  random: nodeDice,

  x25519Public: (own) => handshakeMath().x25519Public(own),

  x25519: (own, theirs) => handshakeMath().x25519(own, theirs),

  blake2s: (...parts) => handshakeMath().blake2s(...parts),

  hmacBlake2s: (key, ...parts) => handshakeMath().hmacBlake2s(key, ...parts),

  blake2sMac,

  chachaSeal(key, nonce, ad, plain) {
    const sealed = new Uint8Array(plain.length + TAG_LENGTH)
    chacha().seal(key, nonce, ad, plain, sealed, 0)
    return sealed
  },

  chachaOpen: (key, nonce, ad, sealed) => chacha().open(key, nonce, ad, sealed),

  recordCipher: (key) => chacha().recordCipher(key),

  sha256: (...parts) => hash('sha256', parts),
}
