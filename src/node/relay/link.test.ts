import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { concat, utf8 } from '../../base/bytes.ts'
import type { Bytes } from '../../base/bytes.ts'
import { PrivateKey } from '../../base/keys.ts'
import { nodePrimitives } from '../../crypto/io/node-primitives.ts'
import { bytes, golden } from '../../../test/support/golden.ts'
import type { GoldenCase } from '../../../test/support/golden.ts'
import { printable, RelayLink } from './link.ts'
import type { LinkEvent } from './link.ts'

interface Case extends GoldenCase {
  readonly client_private: string
  readonly server_private: string
  readonly server_public: string
  readonly server_key: string
  readonly nonce: string
  readonly json: string
  readonly frame: string
  readonly stream: string
  readonly stream_starts?: string
  readonly stream_length?: number
  readonly messages: readonly { readonly type: string; readonly [member: string]: unknown }[]
  readonly connection: 'alive' | 'dead'
}

const USUAL = golden<Case>('derp.json', 'client-info').find(
  (c) => c.json === '{"version":2,"CanAckPings":true}',
) as Case
const HEAD = utf8('HTTP/1.1 101 Switching Protocols\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n\r\n')

function linkOf(c: Case = USUAL): RelayLink {
  const primitives = { ...nodePrimitives, random: () => bytes(c.nonce) }
  return new RelayLink({ primitives, key: new PrivateKey(bytes(c.client_private)), host: 'relay.test' })
}

const sentBy = (events: readonly LinkEvent[]): Uint8Array =>
  concat(events.filter((event) => event.kind === 'greet').map((greet) => greet.bytes))

const streamOf = (c: Case): Uint8Array => {
  const stream = new Uint8Array(c.stream_length ?? 0)
  if (c.stream_starts === undefined) return bytes(c.stream)
  stream.set(bytes(c.stream_starts))
  return stream
}

test('golden: the greeting, behind a request that is as official clients make it', () => {
  const key = bytes(USUAL.server_public)
  const fast = sentBy(linkOf().start({ key, version: 2 }))
  const request = 'GET /derp HTTP/1.1\r\nHost: relay.test\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n'
  assert.deepEqual(fast, concat([utf8(`${request}Derp-Fast-Start: 1\r\n\r\n`), bytes(USUAL.frame)]))

  const rows = [
    { name: 'no certificate has said it', meta: undefined },
    { name: 'another version of the protocol', meta: { key, version: 3 } },
    { name: 'a key of low order', meta: { key: new Uint8Array(32), version: 2 } },
  ]
  for (const { name, meta } of rows) {
    const link = linkOf()
    assert.deepEqual(sentBy(link.start(meta)), utf8(`${request}\r\n`), name)
    assert.equal(link.isGreeted, false, name)
    const events = link.receive(concat([HEAD, bytes('010000002844455250f09f9491'), key]))
    assert.deepEqual(sentBy(events), bytes(USUAL.frame), name)
    assert.ok(link.isGreeted, name)
  }
  const options = { primitives: nodePrimitives, key: new PrivateKey(bytes(USUAL.client_private)) }
  const head = (host: string, ideal: string) =>
    new TextDecoder().decode(sentBy(new RelayLink({ ...options, host, ideal }).start()))
  assert.match(head('2001:db8::1', '1a'), /\r\nHost: \[2001:db8::1\]\r\n.*\r\nIdeal-Node: 1a\r\n\r\n$/s)
})

test('golden: reading the relay’s key', () => {
  for (const c of golden<Case>('derp.json', 'client-reads-server-key')) {
    for (const piece of [Infinity, 1]) {
      const link = linkOf()
      link.start()
      const events = pieces(link, concat([HEAD, bytes(c.stream ?? '')]), piece)
      assert.equal(link.isGreeted, c.expect === 'accept', c.name)
      if (c.expect === 'accept') assert.ok(sentBy(events).length > 0)
    }
  }
})

test('golden: what a relay says', () => {
  let read = 0
  for (const c of golden<Case>('derp.json', 'client-read')) {
    for (const piece of [Infinity, 3]) {
      const stream = streamOf(c)
      if (stream.length > 10_000 && piece < Infinity) continue
      const link = linkOf()
      link.start({ key: bytes(USUAL.server_public), version: 2 })
      const events = pieces(link, stream, piece)
      assert.equal(events.some((event) => event.kind === 'down') ? 'dead' : 'alive', c.connection, c.name)
      const wanted = c.messages.filter(({ type }) => type !== 'keep-alive' && type !== 'peer-present')
      assert.deepEqual(events.flatMap(plain), wanted, c.name)
      read += wanted.length
    }
  }
  assert.ok(read > 40)
})

function pieces(link: RelayLink, stream: Bytes, piece: number): LinkEvent[] {
  const events: LinkEvent[] = []
  for (let at = 0; at < stream.length; at += piece) events.push(...link.receive(stream.slice(at, at + piece)))
  return events
}

/** An event as the golden file writes it. */
function plain(event: LinkEvent): object[] {
  switch (event.kind) {
    case 'up':
      return [{ type: 'server-info', bytes_per_second: event.info.bytesPerSecond, burst: event.info.burst }]
    case 'packet': {
      const long = event.packet.length > 2000
      const packet = long ? { packet_length: event.packet.length } : { packet: event.packet.toHex() }
      return [{ type: 'packet', from: event.from.toHex(), ...packet }]
    }
    case 'peer-gone':
      return [{ type: 'peer-gone', peer: event.peer.toHex(), reason: event.reason }]
    case 'ping':
    case 'pong':
      return [{ type: event.kind, data: event.data.toHex() }]
    case 'health':
      return [{ type: 'health', problem: event.problem }]
    case 'restarting':
      return [{ type: 'restarting', reconnect_in_ms: event.reconnectInMs, try_for_ms: event.tryForMs }]
    default:
      return []
  }
}

test('the answer to the upgrade', () => {
  const rows = [
    { answer: 'HTTP/1.1 101 Switching Protocols\r\n\r\n', why: undefined },
    { answer: 'HTTP/1.1 101\r\nX: y\r\n\r\n', why: undefined },
    { answer: 'HTTP/1.1 426 Upgrade Required\r\n\r\n', why: 'no upgrade: HTTP/1.1 426 Upgrade Required' },
    { answer: 'HTTP/1.1 1010 no\r\n\r\n', why: 'no upgrade: HTTP/1.1 1010 no' },
    { answer: 'HTTP/1.0 101 x\r\n\r\n', why: 'no upgrade: HTTP/1.0 101 x' },
    { answer: '\u001b[2Jgo away\r\n\r\n', why: 'no upgrade: [2Jgo away' },
    { answer: 'x'.repeat(20_000), why: 'the answer to the upgrade is too long' },
  ]
  for (const { answer, why } of rows)
    for (const piece of [Infinity, 7]) {
      const link = linkOf()
      link.start()
      const events = pieces(link, utf8(answer), piece)
      assert.deepEqual(events, why === undefined ? [] : [{ kind: 'down', why }], answer.slice(0, 40))
      // What comes behind the end counts for nothing.
      if (why !== undefined) assert.deepEqual(link.receive(concat([HEAD, new Uint8Array(100)])), [])
    }
})

test('any bytes are read, however cut, and nothing follows the end', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('head', 'key', 'frames'),
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 60 }), { maxLength: 20 }),
      (stage, chunks) => {
        const link = linkOf()
        link.start(stage === 'frames' ? { key: bytes(USUAL.server_public), version: 2 } : undefined)
        if (stage === 'key') link.receive(HEAD)
        const events = chunks.flatMap((chunk) => link.receive(chunk))
        const down = events.findIndex((event) => event.kind === 'down')
        assert.ok(down < 0 || down === events.length - 1)
      },
    ),
  )
})

test('a stranger’s text is fit to be shown', () => {
  const rows = [
    ['all well', 'all well'],
    ['a\u0000b\nc\u2028d', 'a b c d'],
    ['\u001b]0;title\u0007x', ']0;title x'],
    ['\u202Eevil', 'evil'],
    ['x'.repeat(5000), 'x'.repeat(10)],
  ] as const
  for (const [text, want] of rows) assert.equal(printable(text, 10), want.slice(0, 10))
})
