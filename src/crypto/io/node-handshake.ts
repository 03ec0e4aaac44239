/** What a handshake computes, by `node:crypto`: the plain twin of openssl-handshake.ts. */

import { createHash, createHmac, createPrivateKey, createPublicKey, diffieHellman } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { Bytes } from '../../base/bytes.ts'
import type { PrivateKey } from '../../base/keys.ts'
import type { Primitives } from '../primitives.ts'

/** X25519, and the two hashes that Noise and WireGuard derive their keys with. */
export type HandshakeMath = Pick<Primitives, 'x25519Public' | 'x25519' | 'blake2s' | 'hmacBlake2s'>

/** Reading a private key costs more than the exchange itself, so each is read once while it lives. */
const keyObjects = new WeakMap<PrivateKey, KeyObject>()

function keyObject(key: PrivateKey): KeyObject {
  let object = keyObjects.get(key)
  if (object === undefined) {
    object = createPrivateKey({
      key: Buffer.from(key.reveal()),
      format: 'raw-private',
      asymmetricKeyType: 'x25519',
    })
    keyObjects.set(key, object)
  }
  return object
}

export function hash(algorithm: string, parts: readonly Bytes[]): Uint8Array {
  const hash = createHash(algorithm)
  for (const part of parts) hash.update(part)
  return hash.digest()
}

export const nodeHandshake: HandshakeMath = {
  x25519Public: (own) => createPublicKey(keyObject(own)).export({ format: 'raw-public' }),

  x25519(own, theirs) {
    if (theirs.length !== 32) return undefined
    const publicKey = createPublicKey({
      key: Buffer.from(theirs),
      format: 'raw-public',
      asymmetricKeyType: 'x25519',
    })
    try {
      return diffieHellman({ privateKey: keyObject(own), publicKey })
    } catch {
      // OpenSSL refuses a result of zero bits, which is what points of low order give.
      return undefined
    }
  },

  blake2s: (...parts) => hash('blake2s256', parts),

  hmacBlake2s(key, ...parts) {
    const mac = createHmac('blake2s256', key)
    for (const part of parts) mac.update(part)
    return mac.digest()
  },
}
