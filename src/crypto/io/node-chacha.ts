/** ChaCha20-Poly1305 by `node:crypto`: works everywhere, and makes two objects and some garbage for each record. */

import { createCipheriv, createDecipheriv, createSecretKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { EMPTY } from '../../base/bytes.ts'
import type { Bytes } from '../../base/bytes.ts'
import { TAG_LENGTH } from '../primitives.ts'
import type { RecordCipher } from '../primitives.ts'
import { checkKey, checkNonce, checkRoom } from './chacha.ts'
import type { Chacha } from './chacha.ts'

const CHACHA = 'chacha20-poly1305'
const WITH_TAG = { authTagLength: TAG_LENGTH }

export const nodeChacha: Chacha = {
  seal(key, nonce, ad, plain, into, at) {
    checkKey(key)
    seal(key, nonce, ad, plain, into, at)
  },

  open(key, nonce, ad, sealed) {
    checkKey(key)
    return open(key, nonce, ad, sealed)
  },

  recordCipher(key) {
    checkKey(key)
    return new NodeRecordCipher(key)
  },
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

function seal(key: Bytes | KeyObject, nonce: Bytes, ad: Bytes, plain: Bytes, into: Uint8Array, at: number): void {
  checkNonce(nonce)
  checkRoom(plain, into, at)
  const cipher = createCipheriv(CHACHA, key, nonce, WITH_TAG)
  if (ad.length > 0) cipher.setAAD(ad, { plaintextLength: plain.length })
  const end = at + plain.length
  into.set(cipher.update(plain), at)
  cipher.final()
  into.set(cipher.getAuthTag(), end)
}

function open(key: Bytes | KeyObject, nonce: Bytes, ad: Bytes, sealed: Bytes): Uint8Array | undefined {
  checkNonce(nonce)
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
