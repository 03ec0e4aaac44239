/** The primitives from Node's own OpenSSL. */

import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  randomFillSync,
} from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { EMPTY } from '../../base/bytes.ts'
import type { Bytes } from '../../base/bytes.ts'
import type { PrivateKey } from '../../base/keys.ts'
import { TAG_LENGTH } from '../primitives.ts'
import type { Primitives, RecordCipher } from '../primitives.ts'

const CHACHA = 'chacha20-poly1305'
const WITH_TAG = { authTagLength: TAG_LENGTH }

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

function seal(key: Bytes | KeyObject, nonce: Bytes, ad: Bytes, plain: Bytes, into: Uint8Array, at: number): void {
  const cipher = createCipheriv(CHACHA, key, nonce, WITH_TAG)
  if (ad.length > 0) cipher.setAAD(ad, { plaintextLength: plain.length })
  into.set(cipher.update(plain), at)
  cipher.final()
  into.set(cipher.getAuthTag(), at + plain.length)
}

function open(key: Bytes | KeyObject, nonce: Bytes, ad: Bytes, sealed: Bytes): Uint8Array | undefined {
  const length = sealed.length - TAG_LENGTH
  if (length < 0) return undefined
  const cipher = createDecipheriv(CHACHA, key, nonce, WITH_TAG)
  if (ad.length > 0) cipher.setAAD(ad, { plaintextLength: length })
  cipher.setAuthTag(sealed.subarray(length))
  const clear = cipher.update(sealed.subarray(0, length))
  try {
    cipher.final()
  } catch {
    return undefined
  }
  return clear
}

class NodeRecordCipher implements RecordCipher {
  readonly #key: KeyObject

  constructor(key: Bytes) {
    this.#key = createSecretKey(key)
  }

  sealInto(nonce: Bytes, plain: Bytes, into: Uint8Array, at: number): void {
    seal(this.#key, nonce, EMPTY, plain, into, at)
  }

  open(nonce: Bytes, sealed: Bytes): Uint8Array | undefined {
    return open(this.#key, nonce, EMPTY, sealed)
  }
}

function hash(algorithm: string, parts: readonly Bytes[]): Uint8Array {
  const hash = createHash(algorithm)
  for (const part of parts) hash.update(part)
  return hash.digest()
}

export const nodePrimitives: Primitives = {
  random: (length) => randomFillSync(new Uint8Array(length)),

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

  chachaSeal(key, nonce, ad, plain) {
    const sealed = new Uint8Array(plain.length + TAG_LENGTH)
    seal(key, nonce, ad, plain, sealed, 0)
    return sealed
  },

  chachaOpen: (key, nonce, ad, sealed) => open(key, nonce, ad, sealed),

  recordCipher: (key) => new NodeRecordCipher(key),

  sha256: (...parts) => hash('sha256', parts),
}
