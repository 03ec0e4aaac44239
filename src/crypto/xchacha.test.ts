/** XChaCha20-Poly1305: the draft's example, and that nothing changed opens. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromHex, utf8 } from '../base/bytes.ts'
import { xchachaOpen, xchachaSeal } from './xchacha.ts'

const hex = (digits: string) => fromHex(digits) as Uint8Array<ArrayBuffer>

/** draft-irtf-cfrg-xchacha-03, A.3.1. */
const KEY = hex('808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f')
const NONCE = hex('404142434445464748494a4b4c4d4e4f5051525354555657')
const AD = hex('50515253c0c1c2c3c4c5c6c7')
const CLEAR = utf8(
  "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
)
const SEALED = hex(
  'bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb' +
    '731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452' +
    '2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9' +
    '21f9664c97637da9768812f615c68b13b52e' +
    'c0875924c1c7987947deafd8780acf49',
)

test('the example of the draft comes out, and opens', () => {
  assert.deepEqual(xchachaSeal(KEY, NONCE, AD, CLEAR), SEALED)
  assert.deepEqual(xchachaOpen(KEY, NONCE, AD, SEALED), CLEAR)
})

test('nothing opens that is changed, cut, or bound to something else', () => {
  for (let i = 0; i < SEALED.length; i++) {
    const changed = SEALED.slice()
    changed[i] = (changed[i] as number) ^ 1
    assert.equal(xchachaOpen(KEY, NONCE, AD, changed), undefined)
    assert.equal(xchachaOpen(KEY, NONCE, AD, SEALED.subarray(0, i)), undefined)
  }
  assert.equal(xchachaOpen(KEY, NONCE, AD.subarray(1), SEALED), undefined)
  assert.equal(xchachaOpen(KEY, NONCE.toReversed() as Uint8Array<ArrayBuffer>, AD, SEALED), undefined)
})
