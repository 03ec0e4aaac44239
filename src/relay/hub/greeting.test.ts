import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../../base/bytes.ts'
import { PrivateKey } from '../../base/keys.ts'
import { openBox, sealBox } from '../../crypto/box.ts'
import { nodePrimitives as p } from '../../crypto/io/node-primitives.ts'
import { HEADER_BYTES, FrameReader } from '../../wire/derp/frame.ts'
import { decodeServerInfo, encodeClientInfo } from '../../wire/derp/info.ts'
import { decodeServerMessage, encodeClientMessage, greetingRule, serverRule } from '../../wire/derp/messages.ts'
import { bytes, golden } from '../../../test/support/golden.ts'
import type { GoldenCase } from '../../../test/support/golden.ts'
import { openClientInfo, sealServerInfo } from './greeting.ts'

interface Case extends GoldenCase {
  readonly client_private: string
  readonly server_private: string
  readonly client_public: string
  readonly server_public: string
  readonly mesh_key: string
  readonly nonce: string
  readonly json: string
  readonly frame: string
  readonly stream: string
  readonly stream_starts?: string
  readonly stream_length?: number
  readonly client: string
  readonly version: number
  readonly can_ack_pings: boolean
  readonly prober: boolean
  readonly app: string
  readonly mesh: boolean
  readonly connection: 'alive' | 'dead'
  readonly messages: readonly { readonly type: string; readonly bytes_per_second: number; readonly burst: number }[]
}

const keyOf = (hex: string) => new PrivateKey(bytes(hex))

for (const c of golden<Case>('derp.json', 'client-info'))
  test(`relay greeting: ${c.name}`, () => {
    const server = keyOf(c.server_private)
    const greeted = openClientInfo(p, server, bytes(c.frame).subarray(HEADER_BYTES))
    assert.ok(greeted !== undefined)
    assert.equal(greeted.raw.toHex(), c.client_public)
    const sealed = sealBox(
      p,
      keyOf(c.client_private),
      bytes(c.server_public),
      bytes(c.nonce),
      encodeClientInfo(greeted.info),
    )
    assert.equal(encodeClientMessage({ kind: 'client-info', key: greeted.raw, sealed }).toHex(), c.frame)
  })

for (const c of golden<Case>('derp.json', 'server-info'))
  test(`relay greeting: ${c.name}`, () => {
    const dice = { ...p, random: () => bytes(c.nonce) }
    const [info] = golden<Case>('derp.json', 'client-info')
    const greeted = openClientInfo(p, keyOf(c.server_private), bytes(info?.frame ?? '').subarray(HEADER_BYTES))
    assert.ok(greeted !== undefined)
    assert.equal(sealServerInfo(dice, greeted.shared).toHex(), c.frame)
  })

for (const c of golden<Case>('derp.json', 'server-reads-client-info'))
  test(`relay greeting: ${c.name}`, () => {
    const reader = new FrameReader(greetingRule)
    let stream = bytes(c.stream ?? '')
    if (c.stream_starts !== undefined) {
      stream = new Uint8Array(c.stream_length as number)
      stream.set(bytes(c.stream_starts))
    }
    reader.push(stream)
    const got = reader.next() === 'frame' ? openClientInfo(p, keyOf(c.server_private), reader.body()) : undefined
    const read = got && {
      client: got.raw.toHex(),
      version: got.info.version,
      can_ack_pings: got.info.canAckPings,
      prober: got.info.isProber,
      app: got.info.appName,
      mesh: got.info.meshKey?.toHex() === c.mesh_key,
    }
    const { client, version, can_ack_pings, prober, app, mesh } = c
    assert.deepEqual(read, c.expect === 'accept' ? { client, version, can_ack_pings, prober, app, mesh } : undefined)
  })

// The client's side of the same: what a node must be able to open.
for (const c of golden<Case>('derp.json', 'client-read').filter((c) => c.name.includes('server info')))
  test(`relay greeting: ${c.name}`, () => {
    const [keys] = golden<Case>('derp.json', 'client-info')
    assert.ok(keys !== undefined)
    const reader = new FrameReader(serverRule)
    reader.push(bytes(c.stream))
    assert.equal(reader.next(), 'frame')
    const m = decodeServerMessage(reader.type, reader.body())
    assert.ok(m?.kind === 'server-info')
    const clear = openBox(p, keyOf(keys.client_private), bytes(keys.server_public), m.sealed)
    const info = clear && decodeServerInfo(clear)
    assert.equal(info !== undefined, c.connection === 'alive')
    const [said] = c.messages
    assert.deepEqual(
      info && { bytes_per_second: info.bytesPerSecond, burst: info.burst },
      said && { bytes_per_second: said.bytes_per_second, burst: said.burst },
    )
  })

test('relay greeting: a key of low order opens nothing', () => {
  const [c] = golden<Case>('derp.json', 'client-info')
  const low = new Uint8Array(32)
  low[0] = 1
  const body = new Uint8Array([...low, ...utf8('n'.repeat(24)), ...new Uint8Array(60)])
  assert.equal(openClientInfo(p, keyOf(c?.server_private ?? ''), body), undefined)
})
