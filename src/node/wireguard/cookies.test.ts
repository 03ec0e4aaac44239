/** MACs, cookies and load: recordings, how long a cookie is good, whose it is, and who gets how much under load. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { bytes, golden } from '../../../test/support/golden.ts'
import type { GoldenCase } from '../../../test/support/golden.ts'
import { seededDice } from '../../../test/support/relay-world.ts'
import type { Mono } from '../../base/clock.ts'
import { PrivateKey } from '../../base/keys.ts'
import { nodePrimitives } from '../../crypto/io/node-primitives.ts'
import { COOKIE_VALID_MS, MacChecker, MacWriter } from './cookies.ts'
import { Gate } from './gate.ts'
import { BUSY_FROM, HostLimiter, LoadMeter } from './load.ts'
import { INITIATION_LENGTH, RESPONSE_LENGTH } from './messages.ts'
import { labelled } from './transcript.ts'

const p = { ...nodePrimitives, random: seededDice(1) }
const at = (ms: number) => ms as Mono
const OWN = p.x25519Public(new PrivateKey(new Uint8Array(32).fill(7)))
const [HERE, THERE] = [Uint8Array.of(1, 2, 3, 4), Uint8Array.of(1, 2, 3, 5)]

interface CookieCase extends GoldenCase {
  readonly initiation: string
  readonly initiator_index: number
  readonly responder_public: string
  readonly cookie_reply: string
}

test('golden: cookie replies to an initiation, genuine and not', () => {
  for (const c of golden<CookieCase>('wireguard.json', 'receive-cookie')) {
    const writer = new MacWriter(p, bytes(c.responder_public))
    const initiation = bytes(c.initiation)
    writer.write(initiation, at(0))
    assert.equal(initiation.toHex(), c.initiation)
    // Whose the reply is, the device knows by its index.
    const isOurs = c.cookie_reply.startsWith(`030000000${c.initiator_index.toString(16)}000000`)
    assert.equal(isOurs && writer.take(bytes(c.cookie_reply), at(1)), c.expect === 'accept', c.name)
  }
})

interface WithCookie extends GoldenCase {
  readonly responder_public: string
  readonly initiator_public: string
  readonly first_initiation?: string
  readonly first_response?: string
  readonly initiation: string
  readonly response: string
  readonly cookie_reply: string
  readonly cookie_nonce: string
  readonly cookie_source: string
  readonly cookie_secret: string
  readonly cookie_key: string
}

test('golden: the checker gives the recorded cookie, and knows it again', () => {
  const cases = golden<WithCookie>('wireguard.json', 'handshake').filter((c) => c.cookie_reply !== undefined)
  assert.equal(cases.length, 2)
  for (const c of cases) {
    const own = bytes(c.first_initiation === undefined ? c.initiator_public : c.responder_public)
    assert.equal(labelled(p, 'cookie--', own).toHex(), c.cookie_key)
    const drawn = [bytes(c.cookie_secret), bytes(c.cookie_nonce)]
    const checker = new MacChecker({ ...p, random: () => drawn.shift() as Uint8Array<ArrayBuffer> }, own)
    const first = bytes(c.first_initiation ?? (c.first_response as string))
    const second = bytes(c.first_initiation === undefined ? c.response : c.initiation)
    const source = bytes(c.cookie_source)
    assert.ok(checker.isMac1Right(first) && !checker.isMac2Right(first, source, at(0)))
    const sender = new DataView(first.buffer).getUint32(4, true)
    assert.equal(checker.reply(first, sender, source, at(0)).toHex(), c.cookie_reply)
    assert.ok(checker.isMac1Right(second) && checker.isMac2Right(second, source, at(1)))
    assert.ok(!checker.isMac2Right(second, bytes('c000020809a1'), at(1)))
  }
})

test('both MACs cover every byte before them', () => {
  const checker = new MacChecker(p, OWN)
  const writer = new MacWriter(p, OWN)
  for (const length of [INITIATION_LENGTH, RESPONSE_LENGTH]) {
    const message = p.random(length)
    message.fill(0, length - 32)
    writer.write(message, at(0))
    assert.ok(writer.take(checker.reply(message, 0, HERE, at(0)), at(0)))
    writer.write(message, at(0))
    assert.ok(checker.isMac1Right(message) && checker.isMac2Right(message, HERE, at(0)))
    for (let i = 0; i < length; i++) {
      const changed = message.slice()
      changed[i] = (changed[i] as number) ^ 128
      assert.equal(checker.isMac1Right(changed), i >= length - 16, `byte ${i} of ${length}`)
      assert.ok(!checker.isMac2Right(changed, HERE, at(0)), `byte ${i} of ${length}`)
    }
  }
})

/** A cookie was given at 0; is it good, for whom and when? */
const uses = [
  { name: 'at once', source: HERE, sentAt: 0, checkedAt: 0, want: true },
  { name: 'from another address', source: THERE, sentAt: 0, checkedAt: 0, want: false },
  {
    name: 'just before it ends',
    source: HERE,
    sentAt: COOKIE_VALID_MS - 1,
    checkedAt: COOKIE_VALID_MS - 1,
    want: true,
  },
  { name: 'when its sender takes it for old', source: HERE, sentAt: COOKIE_VALID_MS, checkedAt: 1, want: false },
  { name: 'when the secret is old', source: HERE, sentAt: 1, checkedAt: COOKIE_VALID_MS, want: false },
] as const

test('a cookie is good for two minutes, from the address it was given to', () => {
  for (const { name, source, sentAt, checkedAt, want } of uses) {
    const checker = new MacChecker(p, OWN)
    const writer = new MacWriter(p, OWN)
    const message = new Uint8Array(INITIATION_LENGTH)
    writer.write(message, at(0))
    assert.ok(writer.take(checker.reply(message, 5, HERE, at(0)), at(0)))
    const next = new Uint8Array(INITIATION_LENGTH)
    writer.write(next, at(sentAt))
    assert.equal(checker.isMac2Right(next, source, at(checkedAt)), want, name)
  }
})

test('a cookie reply opens for the message that it answers only, and no bytes are taken for one', () => {
  const checker = new MacChecker(p, OWN)
  const writer = new MacWriter(p, OWN)
  const message = new Uint8Array(INITIATION_LENGTH)
  assert.equal(writer.take(checker.reply(message, 5, HERE, at(0)), at(0)), false, 'nothing was sent')
  writer.write(message, at(0))
  const reply = checker.reply(message, 5, HERE, at(0))
  const other = new Uint8Array(INITIATION_LENGTH).fill(1)
  writer.write(other, at(0))
  assert.equal(writer.take(reply, at(0)), false, 'answers an earlier message')
  const likely = fc.uint8Array({ minLength: 60, maxLength: 60 }).map((rest) => Uint8Array.from([3, 0, 0, 0, ...rest]))
  fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 100 }), likely), (b) => assert.ok(!writer.take(b, at(0)))))
})

test('the gate: mac1 before all else, nothing more while it is quiet, a cookie and a fair share under load', () => {
  let isBusy = false
  let asked = 0
  const gate = new Gate(p, OWN, () => {
    asked++
    return isBusy
  })
  const writer = new MacWriter(p, OWN)
  const from = { host: '192.0.2.1', port: 7 }
  const message = new Uint8Array(INITIATION_LENGTH)
  const check = (now: number, source = from) => {
    const verdict = gate.check(message, 5, source, at(now))
    return verdict.kind === 'drop' ? verdict.why : verdict.kind
  }
  assert.equal(check(0), 'mac1')
  assert.equal(asked, 0)
  writer.write(message, at(0))
  assert.equal(check(0), 'pass')
  isBusy = true
  const reply = gate.check(message, 5, from, at(0))
  assert.ok(reply.kind === 'reply' && writer.take(reply.bytes, at(0)))
  writer.write(message, at(0))
  assert.deepEqual(
    [0, 0, 0, 0, 0, 0, 49, 50, 50].map((ms) => check(ms)),
    ['pass', 'pass', 'pass', 'pass', 'pass', 'host-limit', 'host-limit', 'pass', 'host-limit'],
  )
  assert.equal(check(60, { host: '192.0.2.1', port: 8 }), 'reply')
})

test('under load is more than so many handshakes a second, and lasts for a second more', () => {
  const meter = new LoadMeter()
  for (let i = 0; i < BUSY_FROM; i++) assert.ok(!meter.isBusy(at(i)))
  assert.ok(meter.isBusy(at(BUSY_FROM)))
  assert.ok(meter.isBusy(at(1000)))
  assert.ok(meter.isBusy(at(BUSY_FROM + 999)))
  assert.ok(!meter.isBusy(at(BUSY_FROM + 1000)))
})

test('no host gets more than its burst and its rate; how many are remembered has an end', () => {
  const hosts = new HostLimiter()
  let got = 0
  for (let ms = 0; ms < 10_000; ms++) if (hosts.allows('one', at(ms))) got++
  assert.equal(got, 5 + 10_000 / 50 - 1)
  let many = 0
  for (let i = 0; i < 10_000; i++) if (hosts.allows(`host ${i}`, at(10_000))) many++
  assert.equal(many, 4095)
  assert.ok(hosts.allows('another, later', at(10_100)))
})
