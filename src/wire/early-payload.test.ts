/** The early payload: golden bytes, every prefix of it, and what is none. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { concat, utf8 } from '../base/bytes.ts'
import type { ChallengeKey } from '../base/keys.ts'
import { nodePrimitives as p } from '../crypto/io/node-primitives.ts'
import { NoiseSender } from '../crypto/noise-transport.ts'
import { bytes, golden } from '../../test/support/golden.ts'
import type { GoldenCase } from '../../test/support/golden.ts'
import { mutated } from '../../test/support/mutate.ts'
import { decodeEarlyPayload, encodeEarlyPayload } from './early-payload.ts'
import { sealRecords } from './noise-frame.ts'

interface EarlyCase extends GoldenCase {
  readonly clear: string
  readonly json: string
  readonly then: string
  readonly server_record: string
}
interface KeyCase extends GoldenCase {
  readonly key_server_to_client: string
}

const [early] = golden<EarlyCase>('noise.json', 'early-payload') as [EarlyCase]
const [appendixA] = golden<KeyCase>('noise.json', 'handshake') as [KeyCase]
const challenge = (JSON.parse(early.json) as { nodeKeyChallenge: ChallengeKey }).nodeKeyChallenge

test(`golden: ${early.name}`, () => {
  const pieces = [encodeEarlyPayload(challenge), bytes(early.then)]
  assert.equal(concat(pieces).toHex(), early.clear)
  const sender = new NoiseSender(p.recordCipher(bytes(appendixA.key_server_to_client)))
  assert.equal(sealRecords(sender, pieces).toHex(), early.server_record)

  const read = decodeEarlyPayload(bytes(early.clear))
  assert.ok(read.kind === 'payload')
  assert.deepEqual([read.challenge, read.rest.toHex()], [challenge, early.then])
})

test('it is incomplete until its last byte', () => {
  const payload = encodeEarlyPayload(challenge)
  for (let i = 0; i < payload.length; i++) assert.equal(decodeEarlyPayload(payload.subarray(0, i)).kind, 'incomplete')
})

const wrap = (json: string, length = json.length) => {
  const header = bytes(`ffffff5453${length.toString(16).padStart(8, '0')}`)
  return concat([header, utf8(json)])
}
const cases = [
  { name: 'an HTTP/2 settings frame', received: bytes('000000040000000000'), want: 'none' },
  { name: 'one byte that is not the magic', received: bytes('00'), want: 'none' },
  { name: 'magic but for its last byte', received: bytes('ffffff5454'), want: 'none' },
  {
    name: 'a length beyond the limit, before the rest is there',
    received: bytes('ffffff545300a00001'),
    want: 'malformed',
  },
  { name: 'no JSON', received: wrap('nope'), want: 'malformed' },
  { name: 'a length of zero', received: wrap(''), want: 'malformed' },
  {
    name: 'another kind of key',
    received: wrap(`{"nodeKeyChallenge":"nodekey:${'00'.repeat(32)}"}`),
    want: 'malformed',
  },
  { name: 'no challenge', received: wrap('{"more":1}'), want: 'payload' },
] as const
for (const c of cases) test(`${c.name}: ${c.want}`, () => assert.equal(decodeEarlyPayload(c.received).kind, c.want))

test('a stranger’s bytes never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(60), (noise, length) => {
      decodeEarlyPayload(noise)
      decodeEarlyPayload(concat([wrap('', length), noise]))
    }),
  )
  fc.assert(
    fc.property(mutated([bytes(early.clear)]), (received) => {
      const read = decodeEarlyPayload(received)
      if (read.kind === 'payload') assert.match(read.challenge ?? '', /^(chalpub:[0-9a-f]{64})?$/)
    }),
    { numRuns: 300 },
  )
})
