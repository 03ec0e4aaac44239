/** Transport messages: padding as recorded, limits, what is not believed, hostile bytes, and packets cut to size. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { golden } from '../../../test/support/golden.ts'
import type { GoldenCase } from '../../../test/support/golden.ts'
import type { Mono } from '../../base/clock.ts'
import { ZERO_NODE_KEY } from '../../base/keys.ts'
import { nodePrimitives as p } from '../../crypto/io/node-primitives.ts'
import { REJECT_AFTER_TIME_MS } from './keypairs.ts'
import type { Keypair } from './keypairs.ts'
import { Opener, paddingOf, REJECT_AFTER_MESSAGES, Sealer, unpad } from './transport.ts'

const AT = 5000 as Mono
const ends = (): [Keypair, Keypair] => {
  const [one, two] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]
  const common = { peer: ZERO_NODE_KEY, createdAt: AT }
  return [
    { ...common, localIndex: 10, remoteIndex: 20, sendKey: one, receiveKey: two, isInitiator: true },
    { ...common, localIndex: 20, remoteIndex: 10, sendKey: two, receiveKey: one, isInitiator: false },
  ]
}

interface PaddingCase extends GoldenCase {
  readonly op: 'padding'
  readonly length: number
  readonly mtu: number
  readonly padding: number
}

test('golden: padding', () => {
  for (const c of golden<PaddingCase>('wireguard.json', 'padding'))
    assert.equal(paddingOf(c.length, c.mtu), c.padding, c.name)
})

test('what one end seals the other opens, once, in any order', () => {
  const [a, b] = ends()
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 1500 }), { maxLength: 8 }),
      fc.infiniteStream(fc.nat()),
      (packets, dice) => {
        const sealer = new Sealer(p, a)
        const opener = new Opener(p, b)
        const messages = packets.map((packet) => ({ packet, message: sealer.seal(packet, 1280) as Uint8Array }))
        messages.sort(() => ((dice.next().value as number) % 2 === 0 ? -1 : 1))
        for (const { packet, message } of messages) {
          const clear = opener.open(message, AT)
          assert.ok(typeof clear !== 'string')
          assert.deepEqual(clear.subarray(0, packet.length), packet)
          assert.equal(clear.length, packet.length + paddingOf(packet.length, 1280))
          assert.equal(opener.open(message, AT), 'replayed')
        }
      },
    ),
    { numRuns: 50 },
  )
})

test('nothing that was changed is believed, and changes nothing', () => {
  const [a, b] = ends()
  const opener = new Opener(p, b)
  const message = new Sealer(p, a).seal(Uint8Array.from([1, 2, 3]), 1280) as Uint8Array
  for (let i = 0; i < message.length; i++) {
    const changed = message.slice()
    changed[i] = (changed[i] as number) ^ 1
    assert.equal(opener.open(changed, AT), i < 8 ? 'malformed' : 'forged', `byte ${i}`)
    assert.ok(typeof opener.open(message.subarray(0, i), AT) === 'string', `${i} bytes`)
  }
  assert.ok(typeof opener.open(message, AT) !== 'string')
})

test('no bytes make the opener throw or believe', () => {
  const [, b] = ends()
  const opener = new Opener(p, b)
  const likely = fc.uint8Array({ maxLength: 100 }).map((rest) => Uint8Array.from([4, 0, 0, 0, 20, 0, 0, 0, ...rest]))
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 100 }), likely), (bytes) => {
      assert.ok(typeof opener.open(bytes, AT) === 'string')
    }),
  )
})

test('a session ends by age: at 180 s nothing is believed any more', () => {
  const [a, b] = ends()
  const sealer = new Sealer(p, a)
  const opener = new Opener(p, b)
  const open = (at: number) => opener.open(sealer.seal(Uint8Array.of(1), 0) as Uint8Array, at as Mono)
  assert.ok(typeof open(AT + REJECT_AFTER_TIME_MS - 1) !== 'string')
  assert.equal(open(AT + REJECT_AFTER_TIME_MS), 'expired')
})

test('a session ends by number: no counter is used twice, nor one that a double can’t hold', () => {
  const [a, b] = ends()
  const sealer = new Sealer(p, a, REJECT_AFTER_MESSAGES - 1)
  const last = sealer.seal(Uint8Array.of(1), 0)
  assert.equal(last?.subarray(8, 16).toHex(), 'feffffffffff1f00')
  assert.ok(typeof new Opener(p, b).open(last, AT) !== 'string')
  assert.equal(sealer.seal(Uint8Array.of(1), 0), undefined)
  assert.equal(sealer.sent, REJECT_AFTER_MESSAGES)
})

const IPV4 = `45000018${'00'.repeat(16)}aabbccdd`
const IPV6 = `6000000000023b40${'00'.repeat(32)}aabb`
const packets = [
  { name: 'IPv4 with padding', clear: `${IPV4}${'00'.repeat(8)}`, want: IPV4 },
  { name: 'IPv4 without padding', clear: IPV4, want: IPV4 },
  { name: 'IPv4, cut', clear: IPV4.slice(0, -2), want: undefined },
  { name: 'IPv4 that is shorter than its header', clear: `45000013${'00'.repeat(16)}`, want: undefined },
  { name: 'half an IPv4 header', clear: '4500000a000000000000', want: undefined },
  {
    name: 'IPv6 with padding',
    clear: `${IPV6.slice(0, 8)}0002${IPV6.slice(12)}000000`,
    want: `${IPV6.slice(0, 8)}0002${IPV6.slice(12)}`,
  },
  { name: 'IPv6, longer than it is', clear: `600000000fff${'00'.repeat(36)}`, want: undefined },
  { name: 'half an IPv6 header', clear: `60000000${'00'.repeat(16)}`, want: undefined },
  { name: 'another version', clear: `55000014${'00'.repeat(16)}`, want: undefined },
  { name: 'nothing', clear: '', want: undefined },
]

test('packets are cut to the length that they say', () => {
  for (const { name, clear, want } of packets) assert.equal(unpad(Uint8Array.fromHex(clear))?.toHex(), want, name)
})

test('no bytes make unpad throw or give more than there is', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (b) => {
      assert.ok((unpad(b)?.length ?? 0) <= b.length)
    }),
  )
})
