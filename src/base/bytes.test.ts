/** Hex, base64, text, joining, comparing; and secrets that show their kind only. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import * as fc from 'fast-check'
import { base64, concat, fromBase64, fromHex, hex, sameBytes, sameSecret, textOf, utf8 } from './bytes.ts'
import { Secret } from './secret.ts'

const anyBytes = fc.uint8Array({ maxLength: 50 })

test('bytes are read as they were written, and as Node writes them', () => {
  fc.assert(
    fc.property(anyBytes, (bytes) => {
      assert.equal(hex(bytes), Buffer.from(bytes).toString('hex'))
      assert.equal(base64(bytes), Buffer.from(bytes).toString('base64'))
      assert.deepEqual([fromHex(hex(bytes)), fromBase64(base64(bytes))], [bytes, bytes])
    }),
  )
})

test('text is read as it was written', () => {
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => assert.equal(textOf(utf8(text)), text)))
  assert.equal(textOf(new Uint8Array([0xc3])), undefined)
})

for (const text of ['0', 'xx', '0 ', '0x00', 'AQI', 'AQI\n', '====']) {
  test(`${JSON.stringify(text)} is no hex`, () => assert.equal(fromHex(text), undefined))
}
for (const text of ['AQI', 'AQI=\n', ' AQI=', 'AQI==', 'AQ-_', '=AQI', 'A===', 'AQI=AQI=']) {
  test(`${JSON.stringify(text)} is no base64`, () => assert.equal(fromBase64(text), undefined))
}

test('parts are joined', () => {
  fc.assert(
    fc.property(fc.array(anyBytes), (parts) => assert.deepEqual(concat(parts), new Uint8Array(Buffer.concat(parts)))),
  )
})

test('both comparisons say the same', () => {
  const pair = fc.oneof(
    fc.tuple(anyBytes, anyBytes),
    anyBytes.map((bytes) => [bytes, bytes.slice()] as const),
  )
  fc.assert(
    fc.property(pair, ([a, b]) => {
      const same = Buffer.compare(a, b) === 0
      assert.deepEqual([sameBytes(a, b), sameSecret(a, b)], [same, same])
    }),
  )
})

test('a secret shows its kind only', () => {
  const secret = new Secret('tskey-auth-x-y', 'auth key')
  assert.equal(secret.reveal(), 'tskey-auth-x-y')
  for (const shown of [String(secret), JSON.stringify({ secret }), inspect(secret, { depth: 9, showHidden: true })]) {
    assert.doesNotMatch(shown, /tskey/)
  }
  assert.equal(String(secret), '[auth key]')
})
