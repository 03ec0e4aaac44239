/** Decoders of whole binary messages: handshakes, sealed boxes, STUN, relay frames, header blocks. */

import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { concat, textOf, utf8 } from '../../src/base/bytes.ts'
import { machineKeyOf, PrivateKey, readNodeKeyBinary } from '../../src/base/keys.ts'
import { responseBody } from '../../src/coord/pings.ts'
import { answerInitiation } from '../../src/coord/io/control/handshake.ts'
import { openBox } from '../../src/crypto/box.ts'
import { nodePrimitives as p } from '../../src/crypto/io/node-primitives.ts'
import { acceptInitiation, initiate } from '../../src/crypto/noise.ts'
import { NoiseReceiver } from '../../src/crypto/noise-transport.ts'
import { openClientInfo } from '../../src/relay/hub/greeting.ts'
import { HEADER_BYTES, NONCE_BYTES } from '../../src/wire/derp/frame.ts'
import { decodeClientInfo, decodeServerInfo, encodeClientInfo } from '../../src/wire/derp/info.ts'
import {
  decodeServerKey,
  decodeServerMessage,
  encodeServerMessage,
  looksLikeDisco,
  splitClientInfo,
} from '../../src/wire/derp/messages.ts'
import { decodeEarlyPayload } from '../../src/wire/early-payload.ts'
import { fieldSize } from '../../src/wire/h2/hpack-tables.ts'
import { HeaderDecoder, HeaderEncoder, TABLE_BYTES } from '../../src/wire/h2/hpack.ts'
import { huffmanLength, huffmanRead, huffmanWrite } from '../../src/wire/h2/huffman.ts'
import { ipBytes, ipOfBytes } from '../../src/wire/ip-bytes.ts'
import { decodeAnswer, decodeInitiation, encodeError } from '../../src/wire/noise-frame.ts'
import * as stun from '../../src/wire/stun.ts'
import { bytes, golden } from '../support/golden.ts'
import type { GoldenCase } from '../support/golden.ts'
import { decoder } from './decoder.ts'
import type { Decoder } from './decoder.ts'
import { jsonBytesLike } from './json.ts'
import { bytesLike, textsLike } from './shapes.ts'

type Case = GoldenCase & { readonly [member: string]: string }
const [noise] = golden<Case>('noise.json', 'handshake') as [Case]
const hexOf = (file: string, member: string, ...ops: string[]) =>
  golden<Case>(file, ...ops).flatMap((c) => (typeof c[member] === 'string' ? [bytes(c[member])] : []))

const initiations = hexOf('noise.json', 'initiation', 'handshake', 'server-accept')
const answers = [...hexOf('noise.json', 'response', 'handshake', 'client-accept'), encodeError('no')]
const [early] = hexOf('noise.json', 'clear', 'early-payload')
const serverKey = new PrivateKey(bytes(noise['server_static_private'] as string))

const [greeting] = golden<Case>('derp.json', 'client-info') as [Case]
const relayKey = new PrivateKey(bytes(greeting['server_private'] as string))
const greetings = hexOf('derp.json', 'frame', 'client-info').map((frame) => frame.subarray(HEADER_BYTES))
const serverFrames = hexOf('derp.json', 'frame', 'server-write', 'server-info')
const clearGreetings = golden<Case>('derp.json', 'client-info', 'server-info').map(
  (c) => JSON.parse(c['json'] as string) as unknown,
)

/** Once a reader of beginnings has decided, what comes later changes nothing. */
function decidesOnce(read: (received: Uint8Array) => { readonly kind: string }, all: Uint8Array): void {
  const { kind } = read(all)
  let decided: string | undefined
  // Enough of the places: the decision falls at a header or at the end.
  const step = Math.max(1, Math.floor(all.length / 64))
  for (let length = 0; length < all.length; length += length < 16 ? 1 : step) {
    const now = read(all.subarray(0, length)).kind
    assert.ok(decided === undefined || now === decided)
    if (now !== 'incomplete') decided = now
  }
  assert.ok(decided === undefined || decided === kind)
}

export const FRAMES: readonly Decoder[] = [
  decoder({
    name: 'Noise initiations',
    inputs: bytesLike(initiations),
    read(frame) {
      const read = decodeInitiation(frame)
      if (read.kind === 'initiation') acceptInitiation(p, serverKey, read.version, read.message)
      const answer = answerInitiation(p, serverKey, frame)
      assert.ok(answer.kind === 'refused' ? answer.frame.length < 1000 : answer.machine.startsWith('mkey:'))
    },
  }),
  decoder({
    name: 'answers to an initiation',
    inputs: bytesLike(answers),
    read(received) {
      decidesOnce(decodeAnswer, received)
      const answer = decodeAnswer(received)
      if (answer.kind !== 'response') return
      const own = new PrivateKey(bytes(noise['client_static_private'] as string))
      const begun = initiate(p, own, machineKeyOf(bytes(noise['server_static_public'] as string)), 113)
      // It was made for another ephemeral key.
      assert.equal(begun?.finish(answer.message), undefined)
    },
  }),
  decoder({
    name: 'early payloads',
    inputs: bytesLike([
      early as Uint8Array,
      utf8('\xff\xff\xffTS'),
      new Uint8Array([0xff, 0xff, 0xff, 0x54, 0x53, 0, 0, 0, 2, 0x7b, 0x7d]),
    ]),
    read: (received) => decidesOnce((part) => decodeEarlyPayload(part, 1000), received),
  }),
  decoder({
    name: 'sealed records',
    inputs: bytesLike(hexOf('noise.json', 'stream', 'read').map((stream) => stream.subarray(3))),
    read(sealed) {
      const receiver = new NoiseReceiver(p.recordCipher(bytes(noise['key_client_to_server'] as string)))
      if (receiver.open(sealed) === undefined) assert.equal(receiver.open(sealed), undefined)
    },
  }),
  decoder({
    name: 'sealed boxes',
    inputs: fc.tuple(
      bytesLike(hexOf('keys.json', 'sealed', 'box').slice(0, 8).concat(greetings)),
      fc.uint8Array({ minLength: 30, maxLength: 34 }),
    ),
    read: ([sealed, from]) => assert.equal(openBox(p, relayKey, from, sealed), undefined),
  }),
  decoder({
    name: 'relay greetings, sealed',
    inputs: bytesLike(greetings),
    read(body) {
      const greeted = openClientInfo(p, relayKey, body)
      if (greeted !== undefined) assert.equal(greeted.raw.length, 32)
      assert.ok((splitClientInfo(body)?.sealed.length ?? NONCE_BYTES) >= NONCE_BYTES)
      const key = decodeServerKey(body)
      assert.ok(key === undefined || key.length === 32)
    },
  }),
  decoder({
    name: 'relay greetings, clear',
    inputs: jsonBytesLike(clearGreetings),
    read(clear) {
      const info = decodeClientInfo(clear)
      if (info !== undefined) assert.ok(info.meshKey === undefined || info.meshKey.length === 32)
      if (info !== undefined && info.appName.isWellFormed())
        assert.deepEqual(decodeClientInfo(encodeClientInfo(info)), info)
      decodeServerInfo(clear)
    },
  }),
  decoder({
    name: 'messages of a relay',
    inputs: fc.tuple(fc.nat(255), bytesLike(serverFrames.map((frame) => frame.subarray(HEADER_BYTES)))),
    read([type, body]) {
      const message = decodeServerMessage(type, body)
      if (message === undefined) return
      const frame = encodeServerMessage(message)
      // An address that was not said is written as zeros.
      if (message.kind === 'peer-present' && message.address === undefined) return
      assert.deepEqual(decodeServerMessage(frame[0] as number, frame.subarray(HEADER_BYTES)), message)
      looksLikeDisco(body, 0, body.length)
    },
  }),
  decoder({
    name: 'STUN',
    inputs: bytesLike(hexOf('stun.json', 'bytes', 'parse-request', 'parse-response', 'make-request', 'make-response')),
    read(datagram) {
      const tx = stun.decodeRequest(datagram)
      const response = stun.decodeResponse(datagram)
      assert.ok(tx === undefined || response === undefined)
      if (tx !== undefined) assert.ok(stun.isStun(datagram) && tx.length === stun.TRANSACTION_BYTES)
      if (response !== undefined)
        assert.deepEqual(stun.decodeResponse(stun.encodeResponse(response.tx, response.seen)), response)
    },
  }),
  decoder({
    name: 'header blocks of HTTP/2',
    inputs: bytesLike([
      headerBlock(),
      bytes('828684418cf1e3c2e5f23a6ba0ab90f4ff'),
      bytes('3fe11f'),
      bytes('400161ff80ffffff0f'),
    ]),
    read(block) {
      const decoder = new HeaderDecoder(1000)
      for (const part of [block, block.subarray(0, block.length >>> 1)]) {
        const list = decoder.decode(part)
        assert.ok(decoder.tableBytes <= TABLE_BYTES)
        if (list === undefined) return
        assert.ok(list.fields.reduce((sum, [name, value]) => sum + fieldSize(name, value), 0) <= 1000)
      }
    },
  }),
  decoder({
    name: 'Huffman texts of HTTP/2',
    inputs: bytesLike([huffman('www.example.com'), huffman('\u0000\u00ff~'), huffman('a'.repeat(200))]),
    read(coded) {
      const text = huffmanRead(coded)
      if (text !== undefined) assert.deepEqual(huffman(text), coded)
    },
  }),
  decoder({
    name: 'addresses in bytes, and node keys in tailnet-lock entries',
    inputs: fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      bytesLike([bytes(`6e70${'07'.repeat(32)}`)]),
    ),
    read(raw) {
      assert.match(readNodeKeyBinary(raw) ?? `nodekey:${'0'.repeat(64)}`, /^nodekey:[0-9a-f]{64}$/)
      if (raw.length === 4 || raw.length === 16) assert.deepEqual(ipBytes(ipOfBytes(raw)), raw)
    },
  }),
  decoder({
    name: 'answers of a node’s own handler',
    inputs: textsLike(['HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi', 'HTTP/1.0 204 No Content\r\n\r\n']).map(
      (text) => utf8(text),
    ),
    read: (raw) => assert.ok((responseBody(raw) ?? '').length <= (textOf(raw) ?? '').length),
  }),
]

function headerBlock(): Uint8Array {
  const encoder = new HeaderEncoder()
  const fields = [
    [':method', 'POST'],
    [':path', '/machine/map'],
    ['x-long', 'y'.repeat(400)],
    ['cookie', 'a=b'],
  ] as const
  return concat([encoder.encode(fields), encoder.encode(fields)])
}

function huffman(text: string): Uint8Array {
  const out = new Uint8Array(huffmanLength(text))
  huffmanWrite(text, out, 0)
  return out
}
