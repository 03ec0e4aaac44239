/**
 * Chooses what computes the handshakes of this thread: OpenSSL called directly where it can be had and does what it
 * should, else Node's way to it. They differ in nothing but speed, so nobody is told.
 */

import { fromHex, sameBytes, utf8 } from '../../base/bytes.ts'
import { PrivateKey } from '../../base/keys.ts'
import { nodeHandshake } from './node-handshake.ts'
import type { HandshakeMath } from './node-handshake.ts'
import { makeOpensslHandshake } from './openssl-handshake.ts'

let chosen: HandshakeMath | undefined

/** Made at the first call, for loading the native library takes some milliseconds. */
export function handshakeMath(): HandshakeMath {
  chosen ??= chooseHandshake(makeOpensslHandshake, nodeHandshake)
  return chosen
}

/** What `make` makes of `plain`, unless it throws, or what it makes doesn't do as published; then `plain`. */
export function chooseHandshake(make: (plain: HandshakeMath) => HandshakeMath, plain: HandshakeMath): HandshakeMath {
  try {
    const made = make(plain)
    return worksAsPublished(made, plain) ? made : plain
  } catch {
    return plain
  }
}

/** RFC 7748 §6.1. */
const BOB = hex('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb')
const ALICE_PUBLIC = hex('8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a')
const BOB_PUBLIC = hex('de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f')
const SHARED = hex('4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742')
/** RFC 7693 appendix B. */
const ABC_HASHED = hex('508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982')

function worksAsPublished(made: HandshakeMath, plain: HandshakeMath): boolean {
  const bob = new PrivateKey(BOB)
  const shared = made.x25519(bob, ALICE_PUBLIC)
  return (
    sameBytes(made.x25519Public(bob), BOB_PUBLIC) &&
    shared !== undefined &&
    sameBytes(shared, SHARED) &&
    made.x25519(bob, new Uint8Array(32)) === undefined &&
    sameBytes(made.blake2s(utf8('a'), utf8('bc')), ABC_HASHED) &&
    sameBytes(made.hmacBlake2s(SHARED, BOB, utf8('abc')), plain.hmacBlake2s(SHARED, BOB, utf8('abc')))
  )
}

function hex(digits: string): Uint8Array {
  return fromHex(digits) as Uint8Array
}
