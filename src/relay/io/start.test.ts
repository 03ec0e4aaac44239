import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { request } from 'node:https'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { Duplex } from 'node:stream'
import type { Readable } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { suite, test } from 'node:test'
import { WebSocket } from 'ws'
import { concat, utf8 } from '../../base/bytes.ts'
import { formatAddressPort } from '../../base/ip.ts'
import { rawKey } from '../../base/keys.ts'
import type { NodeKey } from '../../base/keys.ts'
import { nodePrimitives as p } from '../../crypto/io/node-primitives.ts'
import { generateKey, nodeKeyFor } from '../../crypto/primitives.ts'
import { encodeFrame, FRAME, FrameReader } from '../../wire/derp/frame.ts'
import { decodeServerMessage, encodeClientMessage } from '../../wire/derp/messages.ts'
import { decodeResponse, encodeRequest } from '../../wire/stun.ts'
import { clientInfoFrame, DerpClient, openTls } from '../../../test/support/derp-client.ts'
import { makeSelfSigned } from '../../crypto/io/self-signed.ts'
import { pinOf } from './certificate.ts'
import { startRelay } from './start.ts'
import type { Relay, RelayOptions } from './start.ts'
import { startStun } from './stun.ts'

const TLS = makeSelfSigned(['relay.test', '127.0.0.1'], new Date())
const GREETING_BYTES = '010000002844455250f09f9491'

async function withRelay(
  body: (relay: Relay, at: { port: number; ca: string }, realms: Map<NodeKey, string | undefined>) => Promise<void>,
  options: Partial<RelayOptions> = {},
): Promise<void> {
  const realms = new Map<NodeKey, string | undefined>()
  const relay = await startRelay({
    listen: { host: '127.0.0.1', port: 0 },
    key: generateKey(p.random),
    tls: TLS,
    stun: [],
    admission: {
      admits: (key) => {
        const realm = realms.has(key) ? realms.get(key) : 'one'
        return realm === undefined ? undefined : { realm }
      },
    },
    log: () => {},
    ...options,
  })
  try {
    await body(relay, { port: relay.address.port, ca: TLS.cert }, realms)
  } finally {
    await relay.close()
  }
}

const pair = async (relay: Relay, at: { port: number; ca: string }) =>
  [await DerpClient.connect(at, rawKey(relay.key)), await DerpClient.connect(at, rawKey(relay.key))] as const

/** Everything that comes over a TLS socket until it closes or `enough` has come. */
async function readBytes(socket: Readable, enough = Infinity): Promise<Buffer> {
  let all = Buffer.alloc(0)
  socket.on('error', () => {})
  for await (const chunk of socket) {
    all = Buffer.concat([all, chunk as Buffer])
    if (all.length >= enough) break
  }
  return all
}

suite('relay over sockets', () => {
  test('native upgrade: the exact head, then packets', () =>
    withRelay(async (relay, at) => {
      const [a, b] = await pair(relay, at)
      assert.equal(
        a.head,
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: DERP\r\nConnection: Upgrade\r\nDerp-Version: 2\r\n` +
          `Derp-Public-Key: ${relay.key.slice(8)}\r\n\r\n`,
      )
      assert.equal(a.socket.alpnProtocol, 'http/1.1')
      for (const size of [0, 1, 1200, 65_536]) a.packet(b.raw, new Uint8Array(size).fill(size))
      await a.flush()
      const last = await b.until((m) => m.kind === 'packet' && m.packet.length === 65_536)
      assert.ok(last.kind === 'packet' && Buffer.compare(last.from, a.raw) === 0)
      assert.equal(b.messages.filter((m) => m.kind === 'packet').length, 4)
    }))

  test('upgrade: in any case, and an ancient "websocket" without subprotocol is native', () =>
    withRelay(async (relay, at) => {
      for (const upgrade of ['derp', 'DeRp', 'WebSocket']) {
        const client = await DerpClient.connect({ ...at, upgrade }, rawKey(relay.key))
        assert.match(client.head, /^HTTP\/1.1 101 /)
      }
    }))

  test('fast start: not a byte of HTTP, and the greeting that comes with the request counts', () =>
    withRelay(async (relay, at) => {
      const socket = await openTls(at.port, at.ca)
      const key = generateKey(p.random)
      const head = `GET /derp HTTP/1.1\r\nHost: relay.test\r\nUpgrade: DERP\r\nConnection: Upgrade\r\nDerp-Fast-Start: 1\r\n\r\n`
      socket.write(concat([utf8(head), clientInfoFrame(key, rawKey(relay.key))]))
      const got = await readBytes(socket, 46)
      assert.equal(got.subarray(0, 13).toString('hex'), GREETING_BYTES)
      assert.equal(got[45], FRAME.serverInfo)
      const [a, b] = [
        await DerpClient.connect({ ...at, fast: true }, rawKey(relay.key)),
        await DerpClient.connect({ ...at, fast: true }, rawKey(relay.key)),
      ]
      a.packet(b.raw, utf8('hello'))
      await b.until((m) => m.kind === 'packet')
    }))

  test('a greeting in the same segment as the request head is not lost', () =>
    withRelay(async (relay, at) => {
      const socket = await openTls(at.port, at.ca)
      const head = `GET /derp HTTP/1.1\r\nHost: relay.test\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n\r\n`
      const ping = encodeClientMessage({ kind: 'ping', data: utf8('12345678') })
      socket.write(concat([utf8(head), clientInfoFrame(generateKey(p.random), rawKey(relay.key)), ping]))
      const answered = Buffer.concat([Buffer.from('1300000008', 'hex'), Buffer.from('12345678')])
      let all = Buffer.alloc(0)
      for await (const chunk of socket) {
        all = Buffer.concat([all, chunk as Buffer])
        if (all.includes(answered)) break
      }
      assert.ok(all.includes(answered))
    }))

  test('WebSocket: frames may be cut and joined in messages', () =>
    withRelay(async (relay, at) => {
      const key = generateKey(p.random)
      const ws = new WebSocket(`wss://127.0.0.1:${at.port}/derp`, ['other', 'derp'], { ca: at.ca })
      const reader = new FrameReader(() => 'take')
      const types: number[] = []
      let packet: Uint8Array | undefined
      const wanted = new Promise<void>((done) => {
        ws.on('message', (data: Buffer) => {
          reader.push(data)
          while (reader.next() === 'frame') {
            types.push(reader.type)
            const m = decodeServerMessage(reader.type, reader.body())
            if (m?.kind === 'packet') packet = m.packet
          }
          if (packet !== undefined) done()
        })
      })
      await once(ws, 'open')
      assert.equal(ws.protocol, 'derp')
      const self = p.x25519Public(key)
      const stream = concat([
        clientInfoFrame(key, rawKey(relay.key)),
        encodeClientMessage({ kind: 'note-preferred', preferred: true }),
        encodeClientMessage({ kind: 'send', to: self, packet: utf8('to myself') }),
      ])
      for (let i = 0; i < stream.length; i += 17) ws.send(stream.subarray(i, i + 17))
      await wanted
      assert.deepEqual(types, [FRAME.serverKey, FRAME.serverInfo, FRAME.recvPacket])
      assert.deepEqual(packet && Buffer.from(packet).toString(), 'to myself')
      assert.equal(relay.metrics().derp_websocket_accepts, 1)
      assert.equal(relay.metrics().hub.gauge_current_home_connections, 1)
      ws.send('text means nothing here')
      await once(ws, 'close')
    }))

  test('leaf and meta certificate are presented, and the pin is the leaf', () =>
    withRelay(async (relay, at) => {
      // TLS 1.2 sends certificates in clear; the tap sees them all, where Node shows only a chain of issuers.
      const raw = connect(at.port, '127.0.0.1')
      const seen: Buffer[] = []
      const tap = new Duplex({
        read() {},
        write: (chunk, _encoding, done) => raw.write(chunk as Buffer, () => done()),
        final: (done) => raw.end(() => done()),
      })
      raw.on('data', (chunk: Buffer) => (seen.push(chunk), tap.push(chunk)))
      raw.on('close', () => tap.push(null))
      const socket = connectTls({ socket: tap, ca: at.ca, servername: 'relay.test', maxVersion: 'TLSv1.2' })
      await once(socket, 'secureConnect')
      const all = Buffer.concat(seen)
      const leaf = socket.getPeerCertificate().raw
      const meta = all.indexOf(`derpkey${relay.key.slice(8)}`)
      assert.ok(all.indexOf(leaf) >= 0 && meta > all.indexOf(leaf) + leaf.length - 1)
      assert.equal(relay.pin(), pinOf(TLS.cert))
      raw.destroy()
      socket.destroy()
    }))

  test('a new certificate is used from the next handshake on', () =>
    withRelay(async (relay, at) => {
      const next = makeSelfSigned(['127.0.0.1'], new Date())
      const [before] = await pair(relay, at)
      relay.setCertificate(next)
      assert.equal(relay.pin(), pinOf(next.cert))
      const after = await DerpClient.connect({ ...at, ca: next.cert }, rawKey(relay.key))
      after.packet(before.raw, utf8('x'))
      await before.until((m) => m.kind === 'packet')
    }))

  const paths = [
    { ask: 'GET /derp', status: 426, body: 'DERP requires connection upgrade\n' },
    { ask: 'GET /derp/probe', status: 200, header: ['access-control-allow-origin', '*'], body: '' },
    { ask: 'HEAD /derp/latency-check', status: 200, header: ['access-control-allow-origin', '*'] },
    { ask: 'POST /derp/probe', status: 405 },
    { ask: 'GET /generate_204', status: 204, header: ['x-tailscale-response', undefined] },
    {
      ask: 'GET /generate_204',
      send: { 'x-tailscale-challenge': 'ts_10.0.0.1' },
      status: 204,
      header: ['x-tailscale-response', 'response ts_10.0.0.1'],
    },
    {
      ask: 'GET /generate_204',
      send: { 'x-tailscale-challenge': 'a b' },
      status: 204,
      header: ['x-tailscale-response', undefined],
    },
    {
      ask: 'GET /generate_204',
      send: { 'x-tailscale-challenge': 'a'.repeat(65) },
      status: 204,
      header: ['x-tailscale-response', undefined],
    },
    {
      ask: 'GET /bootstrap-dns?q=x',
      status: 200,
      header: ['connection', 'close'],
      body: '{"control.test":["192.0.2.1"]}',
    },
    { ask: 'GET /robots.txt', status: 200, body: 'User-agent: *\nDisallow: /\n' },
    { ask: 'GET /', status: 200 },
    { ask: 'GET /debug/', status: 404 },
    { ask: 'GET /derp', send: { upgrade: 'h2c', connection: 'Upgrade' }, status: 426 },
    { ask: 'GET /other', send: { upgrade: 'derp', connection: 'Upgrade' }, status: 404 },
    { ask: 'GET /derp/probe', send: { upgrade: 'derp', connection: 'Upgrade' }, status: 200 },
  ] as const
  test('paths', () =>
    withRelay(
      async (_relay, at) => {
        for (const c of paths) {
          const [method, path] = c.ask.split(' ') as [string, string]
          const headers = 'send' in c ? c.send : {}
          const asked = request({ port: at.port, host: '127.0.0.1', ca: at.ca, method, path, headers, agent: false })
          asked.end()
          const [response] = (await once(asked, 'response')) as [import('node:http').IncomingMessage]
          const body = (await readBytes(response)).toString()
          const label = `${c.ask} ${JSON.stringify(headers)}`
          assert.equal(response.statusCode, c.status, label)
          if ('body' in c) assert.equal(body, c.body, label)
          if ('header' in c) assert.equal(response.headers[c.header[0]], c.header[1], label)
        }
      },
      { bootstrapDns: () => ({ 'control.test': ['192.0.2.1'] }) },
    ))

  test('a request for an upgrade that there is not, behind another in one packet, is answered and ends the connection', () =>
    withRelay(async (_relay, at) => {
      const socket = connectTls({ port: at.port, host: '127.0.0.1', ca: at.ca, ALPNProtocols: ['http/1.1'] })
      await once(socket, 'secureConnect')
      const ask = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: relay\r\n${more}\r\n`
      socket.write(ask('/derp/probe') + ask('/derp', 'Upgrade: h2c\r\nConnection: Upgrade\r\n') + ask('/generate_204'))
      const text = (await readBytes(socket)).toString()
      assert.deepEqual(
        [...text.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => Number(status)),
        [200, 426],
      )
    }))

  test('captive-portal checks are answered in clear on a port of their own', () =>
    withRelay(
      async (relay) => {
        assert.ok(relay.plainAddress !== undefined)
        const answer = await fetch(`http://127.0.0.1:${relay.plainAddress.port}/generate_204`, {
          headers: { 'x-tailscale-challenge': 'ts_1.2.3.4' },
        })
        assert.equal(answer.status, 204)
        assert.equal(answer.headers.get('x-tailscale-response'), 'response ts_1.2.3.4')
        const other = await fetch(`http://127.0.0.1:${relay.plainAddress.port}/derp`)
        assert.equal(other.status, 404)
        await other.text()
      },
      { plain: { host: '127.0.0.1', port: 0 } },
    ))

  test('only the admitted come in, and the revoked go', () =>
    withRelay(async (relay, at, realms) => {
      const key = generateKey(p.random)
      realms.set(nodeKeyFor(p, key), undefined)
      await assert.rejects(DerpClient.connect({ ...at, key }, rawKey(relay.key)), /closed/)
      const [a, b] = await pair(relay, at)
      realms.set(a.node, undefined)
      relay.refreshAdmission()
      await a.untilClosed()
      relay.evict(b.node)
      await b.untilClosed()
      assert.equal(relay.metrics().hub.counters.admissions_refused, 1)
    }))

  test('keys of another tailnet can not be reached', () =>
    withRelay(async (relay, at, realms) => {
      const key = generateKey(p.random)
      realms.set(nodeKeyFor(p, key), 'two')
      const stranger = await DerpClient.connect({ ...at, key }, rawKey(relay.key))
      const [a] = await pair(relay, at)
      const disco = new Uint8Array([0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac, ...new Uint8Array(60)])
      stranger.packet(a.raw, disco)
      await stranger.until((m) => m.kind === 'peer-gone' && m.reason === 1)
      await a.flush()
      assert.equal(a.messages.filter((m) => m.kind === 'packet').length, 0)
    }))

  test('a client that stops reading costs bounded memory and holds up nobody', () =>
    withRelay(
      async (relay, at) => {
        const [a, stuck] = await pair(relay, at)
        const [c, d] = await pair(relay, at)
        stuck.socket.pause()
        const packet = new Uint8Array(60_000)
        // More than the kernel's buffers take, written as fast as the relay reads it.
        let most = 0
        for (let i = 0; i < 600; i++) {
          if (!a.packet(stuck.raw, packet)) await Promise.race([once(a.socket, 'drain'), a.untilClosed()])
          most = Math.max(most, relay.metrics().hub.gauge_queued_bytes)
          if (relay.metrics().hub.packets_dropped.queue_head.other > 0) break
        }
        assert.ok(relay.metrics().hub.packets_dropped.queue_head.other > 0)
        assert.ok(most <= 700_000, `${most} bytes wait`)
        c.packet(d.raw, utf8('meanwhile'))
        await d.until((m) => m.kind === 'packet')
        stuck.socket.resume()
        await stuck.flush()
        assert.ok(stuck.messages.filter((m) => m.kind === 'packet').length > 0)
      },
      { memoryBytes: 4_000_000 },
    ))

  const hostile: readonly { name: string; bytes: Uint8Array; greeted: boolean }[] = [
    { name: 'no frame', bytes: utf8('GET / HTTP/1.1\r\n\r\n'), greeted: false },
    { name: 'a greeting of 4 GiB', bytes: new Uint8Array([2, 255, 255, 255, 255]), greeted: false },
    {
      name: 'a greeting that nobody sealed',
      bytes: encodeFrame(FRAME.clientInfo, new Uint8Array(100).fill(9)),
      greeted: false,
    },
    { name: 'a packet without a key', bytes: encodeFrame(FRAME.sendPacket, new Uint8Array(31)), greeted: true },
    { name: 'a packet of 64 KiB and 1', bytes: new Uint8Array([4, 0, 1, 0, 33]), greeted: true },
    { name: 'a mesh frame', bytes: encodeFrame(FRAME.watchConns), greeted: true },
  ]
  for (const c of hostile)
    test(`hostile: ${c.name} ends the connection`, () =>
      withRelay(async (relay, at) => {
        if (c.greeted) {
          const client = await DerpClient.connect(at, rawKey(relay.key))
          client.socket.write(c.bytes)
          await client.untilClosed()
          return
        }
        const socket = await openTls(at.port, at.ca)
        socket.write(
          concat([
            utf8('GET /derp HTTP/1.1\r\nHost: x\r\nUpgrade: DERP\r\nConnection: Upgrade\r\nDerp-Fast-Start: 1\r\n\r\n'),
            c.bytes,
          ]),
        )
        await readBytes(socket)
      }))

  test('hostile: plain text and floods of connections on the TLS port do not keep others out', () =>
    withRelay(async (relay, at) => {
      const sockets = Array.from({ length: 300 }, () => connect(at.port, '127.0.0.1'))
      for (const socket of sockets) socket.on('error', () => {})
      const over = sockets.slice(256)
      await Promise.all(over.map((socket) => once(socket, 'close')))
      assert.equal(relay.metrics().tls_listener.counter_rejected_connections, 44)
      sockets[0]?.write('GET / HTTP/1.1\r\n\r\n')
      await once(sockets[0] as import('node:net').Socket, 'close')
      const client = await DerpClient.connect(at, rawKey(relay.key))
      await client.flush()
      for (const socket of sockets) socket.destroy()
    }))

  test('closing tells clients first', async () => {
    let clients: readonly DerpClient[] = []
    await withRelay(async (relay, at) => {
      clients = await pair(relay, at)
      await relay.close({ drainMs: 1000 })
    })
    for (const client of clients) {
      await client.untilClosed()
      assert.deepEqual(client.messages.at(-1), { kind: 'restarting', reconnectInMs: 1000, tryForMs: 30_000 })
    }
  })

  test('logs say why a connection was closed, and never a key', async () => {
    const lines: string[] = []
    await withRelay(
      async (relay, at) => {
        const client = await DerpClient.connect(at, rawKey(relay.key))
        client.socket.write(encodeFrame(FRAME.watchConns))
        await client.untilClosed()
        assert.ok(lines.some((line) => line.includes('"why":"protocol"')))
        assert.ok(!lines.join().includes(client.node.slice(8)))
      },
      { log: (event, fields) => lines.push(JSON.stringify({ event, ...fields })) },
    )
  })

  test('STUN: two ports say where a datagram came from, from the address it was sent to', () =>
    withRelay(
      async (relay) => {
        assert.equal(relay.stunPorts.length, 2)
        for (const [type, host] of [
          ['udp4', '127.0.0.1'],
          ['udp6', '::1'],
        ] as const)
          for (const port of relay.stunPorts) {
            const socket = createSocket(type)
            try {
              const tx = p.random(12)
              socket.send(encodeRequest(p.random(12)).fill(0, 24, 32), port, host)
              socket.send(encodeRequest(tx), port, host)
              const [answer, from] = (await once(socket, 'message')) as [Buffer, import('node:dgram').RemoteInfo]
              const got = decodeResponse(answer)
              const own = type === 'udp4' ? `127.0.0.1:${socket.address().port}` : `[::1]:${socket.address().port}`
              assert.equal(got && formatAddressPort(got.seen), own)
              assert.equal(got?.tx.toHex(), tx.toHex(), 'the one without SOFTWARE gets no answer')
              assert.equal(answer.length, type === 'udp4' ? 32 : 44)
              assert.deepEqual([from.address, from.port], [host, port])
            } finally {
              socket.close()
            }
          }
        const { stun } = relay.metrics()
        assert.deepEqual([stun.success, stun.not_stun, stun.ipv4, stun.ipv6], [4, 4, 2, 2])
      },
      { listen: { host: '', port: 0 }, stun: [0, 0] },
    ))

  for (const host of ['', '0.0.0.0', '127.0.0.1'])
    test(`STUN: a port that another program has is refused, asked for at ${host || 'all addresses'}`, async () => {
      const taken = await startStun('127.0.0.1', [0])
      const [port] = taken.ports as [number]
      const wide = host === '127.0.0.1' ? undefined : await startStun(host, [0])
      for (const used of [port, ...(wide?.ports ?? [])])
        await assert.rejects(startStun(host, [0, used]), { code: 'EADDRINUSE' })
      await Promise.all([taken.close(), wide?.close()])
    })

  const [elsewhere] = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter((one) => one.family === 'IPv4' && !one.internal)
  test('STUN: asked at another address of this machine, it answers from there', { skip: elsewhere === undefined }, () =>
    withRelay(
      async (relay) => {
        const socket = createSocket('udp4')
        try {
          socket.bind(0, '127.0.0.1')
          socket.send(encodeRequest(p.random(12)), relay.stunPorts[0] as number, elsewhere?.address)
          const [, from] = (await once(socket, 'message')) as [Buffer, import('node:dgram').RemoteInfo]
          assert.equal(from.address, elsewhere?.address)
        } finally {
          socket.close()
        }
      },
      { listen: { host: '', port: 0 }, stun: [0] },
    ),
  )
})
