import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { concat, textOf } from '../../base/bytes.ts'
import { MeshError } from '../../base/errors.ts'
import { formatAddressPort, parseAddressPort } from '../../base/ip.ts'
import type { AddressPort } from '../../base/ip.ts'
import { bytes, golden } from '../../../test/support/golden.ts'
import type { GoldenCase } from '../../../test/support/golden.ts'
import { encodeFrame, FRAME, FrameReader, HEADER_BYTES, KEY_BYTES } from './frame.ts'
import { decodeClientInfo, decodeServerInfo, encodeClientInfo, encodeServerInfo } from './info.ts'
import {
  clientRule,
  decodeServerKey,
  decodeServerMessage,
  encodeClientMessage,
  encodeServerMessage,
  looksLikeDisco,
  serverKeyRule,
  serverRule,
} from './messages.ts'
import type { ClientMessage, ServerMessage } from './messages.ts'

interface Case extends GoldenCase {
  readonly frame: string
  readonly frame_header?: string
  readonly frame_length?: number
  readonly stream: string
  readonly stream_starts?: string
  readonly stream_length?: number
  readonly server_key: string
  readonly message: Plain
  readonly messages: readonly Plain[]
  readonly connection: 'alive' | 'dead' | 'closed'
  readonly json: string
}

/** A message as the golden files write it. */
interface Plain {
  readonly type: string
  readonly [member: string]: unknown
}

function streamOf(c: Case): Uint8Array {
  if (c.stream_starts === undefined) return bytes(c.stream)
  const stream = new Uint8Array(c.stream_length as number)
  stream.set(bytes(c.stream_starts))
  return stream
}

function clientMessage(m: Plain): ClientMessage {
  const raw = (name: string) => bytes(m[name] as string)
  const packet = () => (m['packet_length'] === undefined ? raw('packet') : new Uint8Array(m['packet_length'] as number))
  switch (m.type) {
    case 'send':
      return { kind: 'send', to: raw('to'), packet: packet() }
    case 'forward':
      return { kind: 'forward', from: raw('from'), to: raw('to'), packet: packet() }
    case 'ping':
    case 'pong':
      return { kind: m.type, data: raw('data') }
    case 'note-preferred':
      return { kind: 'note-preferred', preferred: m['preferred'] as boolean }
    case 'watch':
      return { kind: 'watch' }
    case 'close-peer':
      return { kind: 'close-peer', peer: raw('peer') }
    default:
      throw new Error(`no such message: ${m.type}`)
  }
}

function serverMessage(m: Plain): ServerMessage {
  const raw = (name: string) => bytes(m[name] as string)
  switch (m.type) {
    case 'server-key':
      return { kind: 'server-key', key: raw('key') }
    case 'keep-alive':
      return { kind: 'keep-alive' }
    case 'pong':
      return { kind: 'pong', data: raw('data') }
    case 'peer-gone':
      return { kind: 'peer-gone', peer: raw('peer'), reason: m['reason'] as number }
    case 'peer-present': {
      const address = parseAddressPort(m['address'] as string) as AddressPort
      return { kind: 'peer-present', peer: raw('peer'), address, flags: m['flags'] as number }
    }
    case 'packet':
      return { kind: 'packet', from: raw('from'), packet: raw('packet') }
    default:
      throw new Error(`no such message: ${m.type}`)
  }
}

/** A message as the golden files write it. */
function plain(m: ServerMessage): Plain {
  switch (m.kind) {
    case 'packet': {
      const long = m.packet.length > 2000
      const packet = long ? { packet_length: m.packet.length } : { packet: m.packet.toHex() }
      return { type: 'packet', from: m.from.toHex(), ...packet }
    }
    case 'peer-gone':
      return { type: m.kind, peer: m.peer.toHex(), reason: m.reason }
    case 'peer-present': {
      const address = m.address === undefined ? {} : { address: formatAddressPort(m.address) }
      return { type: m.kind, peer: m.peer.toHex(), ...address, flags: m.flags }
    }
    case 'ping':
    case 'pong':
      return { type: m.kind, data: m.data.toHex() }
    case 'health':
      return { type: m.kind, problem: m.problem }
    case 'restarting':
      return { type: m.kind, reconnect_in_ms: m.reconnectInMs, try_for_ms: m.tryForMs }
    default:
      return { type: m.kind }
  }
}

for (const c of golden<Case>('derp.json', 'client-write'))
  test(`DERP ${c.name}`, () => {
    if (c.expect === 'reject') {
      assert.throws(() => encodeClientMessage(clientMessage(c.message)), MeshError)
      return
    }
    const frame = encodeClientMessage(clientMessage(c.message))
    if (c.frame_header === undefined) assert.equal(frame.toHex(), c.frame)
    else {
      assert.equal(frame.subarray(0, HEADER_BYTES).toHex(), c.frame_header)
      assert.equal(frame.length, c.frame_length)
    }
  })

// A packet of protocol version 1 has no source; this relay has no client that old, nor a way to write one.
for (const c of golden<Case>('derp.json', 'server-write').filter((c) => c.message.type !== 'packet-v1'))
  test(`DERP ${c.name}`, () => assert.equal(encodeServerMessage(serverMessage(c.message)).toHex(), c.frame))

for (const c of golden<Case>('derp.json', 'client-reads-server-key'))
  test(`DERP ${c.name}`, () => {
    const reader = new FrameReader(serverKeyRule)
    reader.push(bytes(c.stream))
    const got = reader.next() === 'frame' ? decodeServerKey(reader.body()) : undefined
    assert.equal(got?.toHex(), c.expect === 'accept' ? c.server_key : undefined)
  })

// What a server info says is sealed: those cases are in relay/hub, where there are keys to open them.
for (const c of golden<Case>('derp.json', 'client-read').filter((c) => !c.name.includes('server info')))
  test(`DERP ${c.name}`, () => {
    for (const piece of [Infinity, 1, 7]) {
      const stream = streamOf(c)
      if (stream.length > 2000 && piece < Infinity) continue
      const { found, alive } = readAll(stream, piece)
      assert.deepEqual(found.map(plain), c.messages)
      assert.equal(alive, c.connection === 'alive')
    }
  })

function readAll(stream: Uint8Array, piece: number): { found: ServerMessage[]; alive: boolean } {
  const reader = new FrameReader(serverRule)
  const found: ServerMessage[] = []
  for (let at = 0; at < stream.length; at += piece) {
    reader.push(stream.subarray(at, at + piece))
    let got = reader.next()
    for (; got !== 'more' && got !== 'refused'; got = reader.next()) {
      const m = got === 'frame' ? decodeServerMessage(reader.type, reader.body()) : undefined
      if (m !== undefined) found.push(m)
    }
    if (got === 'refused') return { found, alive: false }
  }
  return { found, alive: true }
}

for (const c of golden<Case>('derp.json', 'client-info'))
  test(`DERP ${c.name}: text`, () => {
    const info = decodeClientInfo(new TextEncoder().encode(c.json))
    assert.ok(info !== undefined)
    assert.equal(textOf(encodeClientInfo(info)), c.json)
  })

test('DERP server info with rates comes back as written', () => {
  for (const info of [
    { version: 2, bytesPerSecond: 0, burst: 0 },
    { version: 2, bytesPerSecond: 1000, burst: 2000 },
  ])
    assert.deepEqual(decodeServerInfo(encodeServerInfo(info)), info)
})

test('frames come out of a stream however it is cut, and skipped ones cost no memory', () => {
  const frame = fc.record({
    type: fc.constantFrom(FRAME.sendPacket, FRAME.ping, FRAME.notePreferred, 0x77),
    body: fc.uint8Array({ maxLength: 200 }),
  })
  const allowed = frame.filter(({ type, body }) => clientRule(type, body.length) !== 'refuse')
  fc.assert(
    fc.property(fc.array(allowed), fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 }), (frames, cuts) => {
      const stream = concat(frames.map(({ type, body }) => encodeFrame(type, body)))
      const reader = new FrameReader(clientRule)
      const got: string[] = []
      for (let at = 0, i = 0; at < stream.length; i++) {
        const n = cuts[i % cuts.length] as number
        reader.push(stream.subarray(at, at + n))
        at += n
        for (let r = reader.next(); r !== 'more'; r = reader.next()) {
          assert.notEqual(r, 'refused')
          got.push(r === 'frame' ? `${reader.type} ${reader.body().toHex()}` : `${reader.type}`)
        }
      }
      const want = frames.map(({ type, body }) => (type === 0x77 ? `${type}` : `${type} ${body.toHex()}`))
      assert.deepEqual(got, want)
    }),
  )
})

test('a refused frame ends the stream for good', () => {
  const reader = new FrameReader(clientRule)
  reader.push(
    concat([encodeFrame(FRAME.notePreferred, new Uint8Array(2)), encodeFrame(FRAME.notePreferred, new Uint8Array(1))]),
  )
  assert.equal(reader.next(), 'refused')
  assert.equal(reader.next(), 'refused')
  reader.push(encodeFrame(FRAME.notePreferred, new Uint8Array(1)))
  assert.equal(reader.next(), 'refused')
})

test('readers take any bytes', () => {
  fc.assert(
    fc.property(
      fc.nat(255),
      fc.uint8Array({ maxLength: 80 }),
      fc.uint8Array({ maxLength: 400 }),
      (type, body, stream) => {
        decodeServerMessage(type, body)
        decodeServerKey(body)
        decodeClientInfo(body)
        decodeServerInfo(body)
        const { found } = readAll(stream, 13)
        assert.ok(found.length * HEADER_BYTES <= stream.length)
      },
    ),
  )
})

const payloads = [
  { name: 'the magic and 56 bytes more', bytes: `5453f09f92ac${'00'.repeat(56)}`, want: true },
  { name: 'one byte short', bytes: `5453f09f92ac${'00'.repeat(55)}`, want: false },
  { name: 'another magic', bytes: `5453f09f92ad${'00'.repeat(56)}`, want: false },
  { name: 'nothing', bytes: '', want: false },
]
for (const c of payloads)
  test(`disco by the looks: ${c.name}`, () => {
    const around = concat([new Uint8Array(KEY_BYTES), bytes(c.bytes), new Uint8Array(9)])
    assert.equal(looksLikeDisco(around, KEY_BYTES, around.length - 9), c.want)
  })
