/** The four messages: drawings against hex, what is a stranger's, and hostile bytes. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  decodeCookieReply,
  decodeInitiation,
  decodeResponse,
  decodeTransportHeader,
  encodeCookieReply,
  encodeInitiation,
  encodeResponse,
  kindOf,
  receiverOf,
  writeTransportHeader,
} from './messages.ts'

const fill = (length: number, byte: number) => new Uint8Array(length).fill(byte)
const u32 = fc.integer({ min: 0, max: 0xffff_ffff })
const exactly = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

const drawings = [
  {
    name: 'initiation',
    bytes: encodeInitiation({
      sender: 0x01020304,
      ephemeral: fill(32, 0xaa),
      sealedKey: fill(48, 0xbb),
      sealedTimestamp: fill(28, 0xcc),
    }),
    hex: `0100000004030201${'aa'.repeat(32)}${'bb'.repeat(48)}${'cc'.repeat(28)}${'00'.repeat(32)}`,
  },
  {
    name: 'response',
    bytes: encodeResponse({
      sender: 1,
      receiver: 0xffff_fffe,
      ephemeral: fill(32, 0xaa),
      sealedNothing: fill(16, 0xbb),
    }),
    hex: `0200000001000000feffffff${'aa'.repeat(32)}${'bb'.repeat(16)}${'00'.repeat(32)}`,
  },
  {
    name: 'cookie reply',
    bytes: encodeCookieReply({ receiver: 7, nonce: fill(24, 0xaa), sealedCookie: fill(32, 0xbb) }),
    hex: `0300000007000000${'aa'.repeat(24)}${'bb'.repeat(32)}`,
  },
  { name: 'header of a transport message', bytes: header(9, 0x1_0000_0002), hex: '04000000090000000200000001000000' },
]

function header(receiver: number, counter: number): Uint8Array {
  const b = new Uint8Array(16)
  writeTransportHeader(b, receiver, counter)
  return b
}

test('messages look like their drawings', () => {
  for (const { name, bytes, hex } of drawings) assert.equal(bytes.toHex(), hex, name)
})

test('what was encoded is decoded, also in the middle of a larger buffer', () => {
  fc.assert(
    fc.property(
      u32,
      u32,
      exactly(32),
      exactly(48),
      exactly(28),
      exactly(16),
      exactly(24),
      (s, r, e, k, t, n, nonce) => {
        const moved = (b: Uint8Array) => {
          const larger = new Uint8Array(b.length + 3)
          larger.set(b, 3)
          return larger.subarray(3)
        }
        const initiation = { sender: s, ephemeral: e, sealedKey: k, sealedTimestamp: t }
        assert.deepEqual(decodeInitiation(moved(encodeInitiation(initiation))), initiation)
        const response = { sender: s, receiver: r, ephemeral: e, sealedNothing: n }
        assert.deepEqual(decodeResponse(moved(encodeResponse(response))), response)
        assert.equal(receiverOf(encodeResponse(response)), r)
        const reply = { receiver: r, nonce, sealedCookie: e }
        assert.deepEqual(decodeCookieReply(moved(encodeCookieReply(reply))), reply)
        assert.equal(receiverOf(encodeCookieReply(reply)), r)
      },
    ),
  )
})

test('a counter comes back in halves', () => {
  fc.assert(
    fc.property(u32, fc.maxSafeNat(), (receiver, counter) => {
      const message = new Uint8Array(32)
      message.set(header(receiver, counter))
      assert.deepEqual(decodeTransportHeader(message), {
        receiver,
        counterLow: Number(BigInt(counter) & 0xffff_ffffn),
        counterHigh: Number(BigInt(counter) >> 32n),
      })
      assert.equal(receiverOf(message), receiver)
    }),
  )
})

const strangers = [
  { name: 'nothing', hex: '' },
  { name: 'three bytes', hex: '010000' },
  { name: 'a kind that does not exist', hex: `05000000${'00'.repeat(60)}` },
  { name: 'an initiation a byte short', hex: `01000000${'00'.repeat(143)}` },
  { name: 'an initiation a byte long', hex: `01000000${'00'.repeat(145)}` },
  { name: 'a response as long as an initiation', hex: `02000000${'00'.repeat(144)}` },
  { name: 'a cookie reply a byte long', hex: `03000000${'00'.repeat(61)}` },
  { name: 'a transport message without room for its tag', hex: `04000000${'00'.repeat(27)}` },
  { name: 'a reserved byte that is set', hex: `04000100${'00'.repeat(28)}` },
  { name: 'the last reserved byte set', hex: `04000001${'00'.repeat(28)}` },
]

test('strangers’ bytes are no message', () => {
  for (const { name, hex } of strangers) {
    const b = Uint8Array.fromHex(hex)
    assert.equal(kindOf(b), undefined, name)
    for (const read of [decodeInitiation, decodeResponse, decodeCookieReply, decodeTransportHeader, receiverOf])
      assert.equal(read(b), undefined, name)
  }
})

test('any bytes are one kind at most, and no decoder throws', () => {
  const likely = fc
    .tuple(fc.integer({ min: 0, max: 5 }), fc.constantFrom(0, 28, 60, 88, 144, 1000))
    .chain(([kind, rest]) => exactly(rest).map((b) => Uint8Array.from([kind, 0, 0, 0, ...b])))
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), likely), (b) => {
      const read = {
        initiation: decodeInitiation(b),
        response: decodeResponse(b),
        'cookie-reply': decodeCookieReply(b),
        transport: decodeTransportHeader(b),
      }
      const kind = kindOf(b)
      for (const [name, value] of Object.entries(read)) assert.equal(value !== undefined, name === kind)
    }),
  )
})
