import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { formatAddressPort, parseAddressPort } from '../base/ip.ts'
import type { AddressPort } from '../base/ip.ts'
import { bytes, golden } from '../../test/support/golden.ts'
import type { GoldenCase } from '../../test/support/golden.ts'
import { decodeRequest, decodeResponse, encodeRequest, encodeResponse, isStun } from './stun.ts'

interface Case extends GoldenCase {
  readonly bytes: string
  readonly tx: string
  readonly address: string
  readonly is_stun: boolean
}

for (const c of golden<Case>('stun.json', 'make-request'))
  test(`STUN ${c.name}`, () => assert.equal(encodeRequest(bytes(c.tx)).toHex(), c.bytes))

for (const c of golden<Case>('stun.json', 'make-response'))
  test(`STUN ${c.name}`, () =>
    assert.equal(encodeResponse(bytes(c.tx), parseAddressPort(c.address) as AddressPort).toHex(), c.bytes))

for (const c of golden<Case>('stun.json', 'parse-request'))
  test(`STUN ${c.name}`, () => {
    assert.equal(isStun(bytes(c.bytes)), c.is_stun)
    assert.equal(decodeRequest(bytes(c.bytes))?.toHex(), c.expect === 'accept' ? c.tx : undefined)
  })

for (const c of golden<Case>('stun.json', 'parse-response'))
  test(`STUN ${c.name}`, () => {
    assert.equal(isStun(bytes(c.bytes)), c.is_stun)
    const got = decodeResponse(bytes(c.bytes))
    const want = c.expect === 'accept' ? { tx: c.tx, address: c.address } : undefined
    assert.deepEqual(got && { tx: got.tx.toHex(), address: formatAddressPort(got.seen) }, want)
  })

for (const c of golden<Case>('stun.json', 'is'))
  test(`STUN ${c.name}`, () => assert.equal(isStun(bytes(c.bytes)), c.is_stun))

test('STUN readers take any bytes', () => {
  const start = fc.constantFrom(...golden<Case>('stun.json', 'parse-request', 'parse-response').map((c) => c.bytes))
  fc.assert(
    fc.property(start, fc.nat(), fc.nat(255), fc.uint8Array({ maxLength: 8 }), (hex, at, value, tail) => {
      const b = new Uint8Array([...bytes(hex), ...tail])
      if (b.length > 0) b[at % b.length] = value
      const tx = decodeRequest(b)
      assert.ok(tx === undefined || tx.length === 12)
      const answer = decodeResponse(b)
      assert.ok(answer === undefined || answer.seen.port <= 0xffff)
    }),
  )
})
