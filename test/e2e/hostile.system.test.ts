/**
 * What strangers and members do to a whole server on its real sockets, and that a well-behaved client gets its updates
 * all the while. What each listener answers to each single frame is shown beside the listeners.
 */

import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { after, before, describe, test } from 'node:test'
import { concat, utf8 } from '../../src/base/bytes.ts'
import { nodePrimitives as p } from '../../src/crypto/io/node-primitives.ts'
import { initiate } from '../../src/crypto/noise.ts'
import { encodeInitiation } from '../../src/wire/noise-frame.ts'
import { decodeResponse, encodeRequest } from '../../src/wire/stun.ts'
import {
  CLIENT_VERSION,
  ControlClient,
  dial,
  exchangeHeads,
  fetchServerKey,
  registerBody,
  upgradeRequest,
} from '../support/control-client.ts'
import { openTls } from '../support/derp-client.ts'
import { Coord } from './coord.ts'
import { drawKey, Node, publicNodeKey } from './node.ts'

let coord: Coord
let authKey: string
/** Reads its map as it should. */
let reader: Node
/** Changes, so that there is something to read. */
let changer: Node
/** Slow ones that were begun first, since the server's patience with them takes its time. */
let slow: SlowOnes

before(async () => {
  coord = await Coord.start({ level: 'info' })
  authKey = await coord.createKey()
  reader = await Node.join(coord, { authKey, hostname: 'reader' })
  changer = await Node.join(coord, { authKey, hostname: 'changer' })
  await reader.sees(1)
  slow = await beginSlowOnes()
})
after(async () => {
  for (const node of [reader, changer]) node?.close()
  slow?.end()
  await coord?.remove()
})

let serial = 0
/** One change goes through: said by one client, heard by another. */
async function pulse(): Promise<void> {
  const endpoint = `192.0.2.1:${1 + (++serial % 60_000)}`
  await changer.update({ Endpoints: [endpoint] })
  const seen = () => reader.peerNamed('changer')?.Endpoints[0]
  await reader.until(() => seen() === endpoint, `endpoint ${endpoint}, and has ${seen()}`)
}

/** Does something while changes keep going through, and wants one to go through after it. */
async function meanwhile(attack: () => Promise<void>): Promise<void> {
  const state = { over: false }
  const attacking = attack().finally(() => (state.over = true))
  do await pulse()
  while (!state.over)
  await attacking
  await pulse()
  assert.ok(coord.program.alive)
}

const frame = (type: number, flags: number, stream: number, payload: Uint8Array): Uint8Array => {
  const head = new Uint8Array(9)
  const view = new DataView(head.buffer)
  view.setUint32(0, payload.length << 8)
  head[3] = type
  head[4] = flags
  view.setUint32(5, stream)
  return concat([head, payload])
}
const many = (count: number, make: (i: number) => Uint8Array) =>
  concat(Array.from({ length: count }, (_, i) => make(i)))
const u32 = (n: number) => new Uint8Array([n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255])
/** Method, scheme, authority and a path, uncompressed. */
const post = (path: string) =>
  concat([new Uint8Array([0x83, 0x87, 0x04, path.length]), utf8(path), new Uint8Array([0x01, 6]), utf8('unused')])
const field = (name: string, value: string) =>
  concat([new Uint8Array([0, name.length]), utf8(name), new Uint8Array([value.length]), utf8(value)])
const SETTINGS = 4
const ALL_WINDOWS_SHUT = frame(SETTINGS, 0, 0, concat([new Uint8Array([0, 4]), u32(0)]))

function pour(client: ControlClient, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at += 16_384) client.sendPlain(bytes.subarray(at, at + 16_384))
}

const gone = async (socket: Socket): Promise<void> => {
  socket.on('error', () => undefined).resume()
  // Not `once` of node:events, which takes a reset for a failure.
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve))
}

interface SlowOnes {
  /** What those are called that are still there. */
  left(): string[]
  /** Resolves when the server has got rid of all of them. */
  readonly gone: Promise<unknown>
  end(): void
}

/** Connections on the ports of strangers that say little or nothing, and never what they should. */
async function beginSlowOnes(): Promise<SlowOnes> {
  const serverKey = await fetchServerKey(coord.url)
  /** What each is called, for the complaint about those that are left. */
  const left = new Map<Socket, string>()
  const dribble = new Map<Socket, Uint8Array>()
  const upgrade = () => {
    const begun = initiate(p, drawKey(), serverKey, CLIENT_VERSION)
    assert.ok(begun !== undefined)
    return upgradeRequest(coord.url, encodeInitiation(CLIENT_VERSION, begun.message))
  }
  for (let i = 0; i < 25; i++) {
    const head = dial(coord.url)
    head.write('POST /ts2021 HTTP/1.1\r\nHost: x\r\n')
    const body = dial(coord.url)
    body.write('POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n')
    // Inside Noise: not a word, and a record that never ends.
    const silent = (await exchangeHeads(dial(coord.url), upgrade())).socket
    const record = (await exchangeHeads(dial(coord.url), upgrade())).socket
    record.write(new Uint8Array([4, 0x0f, 0]))
    const hello = connect(coord.relayPort, '127.0.0.1')
    hello.write(new Uint8Array([0x16, 3, 1, 2, 0]))
    const greeting = await openTls(coord.relayPort, coord.certificate)
    greeting.write('GET /derp HTTP/1.1\r\nHost: x\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n\r\n')
    for (const [name, socket, drop] of [
      ['a head', head, utf8('x: y\r\n')],
      ['a body', body, utf8('x')],
      ['nobody', dial(coord.url), undefined],
      ['a silent one inside Noise', silent, undefined],
      ['a record', record, new Uint8Array(1)],
      ['nobody at the relay', connect(coord.relayPort, '127.0.0.1'), undefined],
      ['a TLS hello', hello, new Uint8Array(1)],
      ['a greeting', greeting, new Uint8Array([2])],
    ] as const) {
      left.set(socket, name)
      socket.once('close', () => left.delete(socket))
      if (drop !== undefined) dribble.set(socket, drop)
    }
  }
  const timer = setInterval(() => {
    for (const [socket, drop] of dribble) if (socket.writable) socket.write(drop)
  }, 400)
  return {
    left: () => [...new Set(left.values())],
    gone: Promise.all([...left.keys()].map(gone)),
    end() {
      clearInterval(timer)
      for (const each of left.keys()) each.destroy()
    },
  }
}

describe('a member that does not read its map', () => {
  /** A host that says a lot, and each time something else. */
  const loud = (i: number) => ({
    Services: Array.from({ length: 300 }, (_, n) => ({
      Proto: 'tcp',
      Port: 1 + ((i * 300 + n) % 60_000),
      Description: Buffer.from(p.random(48)).toString('base64'),
    })),
  })
  const STUCK = 60
  const LOUD = 12
  const ROUNDS = 24

  test('costs the server what its queue may hold, whatever changes, and nobody else anything', async () => {
    const speakers = await Promise.all(
      Array.from({ length: LOUD }, (_, i) => Node.join(coord, { authKey, hostname: `loud-${i}` })),
    )
    const speak = async (rounds: number) => {
      for (let round = 0; round < rounds; round++) {
        await Promise.all(
          speakers.map((node, i) =>
            node.update({ Hostinfo: { Hostname: node.hostname, OS: 'linux', ...loud(round * LOUD + i) } }),
          ),
        )
        await pulse()
      }
    }
    // What it costs to take so much in is no matter of who reads it.
    await speak(8)
    const stuck = await Promise.all(
      Array.from({ length: STUCK }, async (_, i) => {
        const node = new Node(coord, { authKey, hostname: `stuck-${i}` })
        await node.connect()
        await node.register()
        // Most read what comes and open no window to send into; some don't read the socket at all.
        if (i % 4 !== 0) node.client.sendPlain(ALL_WINDOWS_SHUT)
        const { opened } = node.client.map(node.mapBody({ Stream: true }), () => undefined)
        assert.equal((await opened).status, 200)
        if (i % 4 === 0) node.client.pause()
        return node
      }),
    )
    await pulse()
    const before = coord.memory()
    await speak(ROUNDS)
    const grown = coord.memory() - before
    // Base64 in frames that are compressed: three quarters of it are left.
    const unread = ROUNDS * JSON.stringify(loud(0)).length * LOUD * STUCK * 0.75 * 0.75
    assert.ok(unread > 250e6, `the test means something: ${unread}`)
    const queued = await coord.metric('sett_stream_queued_bytes')
    assert.ok(queued > 0 && queued < STUCK * 256 * 1024, `${queued} bytes queued`)
    assert.ok(grown < unread / 3, `memory grew by ${grown}, of ${unread} that were not read`)
    for (const node of [...stuck, ...speakers]) node.close()
    await pulse()
  })

  test('that opens its window later gets the state of then, not the history', async () => {
    const node = new Node(coord, { authKey, hostname: 'late' })
    await node.connect()
    await node.register()
    node.client.sendPlain(ALL_WINDOWS_SHUT)
    const opening = node.openMap()
    const speaker = await Node.join(coord, { authKey, hostname: 'loud' })
    for (let i = 0; i < 12; i++) {
      await speaker.update({ Hostinfo: { Hostname: 'loud', OS: 'linux', ...loud(i) } })
      await pulse()
    }
    const last = reader.peerNamed('changer')?.Endpoints[0]
    node.client.sendPlain(frame(SETTINGS, 0, 0, concat([new Uint8Array([0, 4]), u32(4 << 20)])))
    await opening
    await node.until(() => node.peerNamed('changer')?.Endpoints[0] === last, 'the last change')
    // The first map, what one queue holds, and all the rest as one.
    assert.ok(node.messages.length <= 6, `${node.messages.length} messages`)
    assert.deepEqual(node.peerNamed('loud')?.Hostinfo, reader.peerNamed('loud')?.Hostinfo)
    node.close()
    speaker.close()
  })
})

describe('floods inside Noise', () => {
  const bomb = concat([post('/machine/map'), ...Array.from({ length: 150 }, (_, i) => field(`x-${i}`, 'y'.repeat(90)))])
  const floods: readonly (readonly [string, Uint8Array])[] = [
    [
      'rapid reset',
      many(4000, (i) => concat([frame(1, 4, 3 + 2 * i, post('/machine/map')), frame(3, 0, 3 + 2 * i, u32(8))])),
    ],
    [
      'requests that are reset after their answer began',
      many(2000, (i) => concat([frame(1, 5, 3 + 2 * i, post('/machine/whoami')), frame(3, 0, 3 + 2 * i, u32(8))])),
    ],
    ['settings', many(20_000, () => frame(SETTINGS, 0, 0, concat([new Uint8Array([0, 4]), u32(65_535)])))],
    [
      'settings that move every window',
      many(20_000, (i) => frame(SETTINGS, 0, 0, concat([new Uint8Array([0, 4]), u32(i % 2 === 0 ? 0 : 2 ** 31 - 1)]))),
    ],
    ['pings', many(20_000, () => frame(6, 0, 0, new Uint8Array(8)))],
    ['header bombs', many(400, (i) => frame(1, 5, 3 + 2 * i, bomb))],
    [
      'headers that never end',
      concat([frame(1, 0, 3, post('/machine/map')), many(3000, () => frame(9, 0, 3, field('a', 'b')))]),
    ],
    ['as many streams as there may be, and more', many(5000, (i) => frame(1, 4, 3 + 2 * i, post('/machine/register')))],
    [
      'empty bodies',
      concat([frame(1, 4, 3, post('/machine/map')), many(20_000, () => frame(0, 0, 3, new Uint8Array(0)))]),
    ],
    ['whole requests, as fast as it goes', many(6000, (i) => frame(1, 5, 3 + 2 * i, post('/machine/map')))],
  ]
  for (const [name, bytes] of floods)
    test(`${name}: four at once, and updates keep coming`, () =>
      meanwhile(async () => {
        const attackers = await Promise.all(Array.from({ length: 4 }, () => ControlClient.connect({ url: coord.url })))
        for (const each of attackers) {
          await each.request('GET', '/machine/whoami')
          pour(each, bytes)
        }
        // A member's own connection may be used for it as well.
        const late = new Promise((resolve) => setTimeout(resolve, 1500))
        await Promise.race([Promise.all(attackers.map((each) => each.closed)), late])
        for (const each of attackers) each.close()
      }))

  test('bodies that are begun and never end hold nobody else’s back', () =>
    meanwhile(async () => {
      const attackers = await Promise.all(Array.from({ length: 5 }, () => ControlClient.connect({ url: coord.url })))
      // More than what the server sets aside for all bodies together, to the last byte of it.
      const sent = () => attackers.reduce((sum, each) => sum + each.bytesSent, 0)
      for (const length of [1_000_000, 100_000, 10_000, 1000, 100, 10]) {
        for (const each of attackers)
          for (let i = 0; i < 20; i++) {
            const stream = each.h2.request({ method: 'POST', path: '/machine/map', authority: 'unused' })
            if (stream === undefined) continue
            each.h2.write(stream, new Uint8Array(length))
            each.flush()
          }
        for (let before = -1; sent() > before;) {
          before = sent()
          await new Promise((resolve) => setTimeout(resolve, 200))
        }
      }
      assert.ok(sent() > 64 << 20, `${sent()} bytes are under way`)
      const client = await ControlClient.connect({ url: coord.url })
      const body = registerBody({ nodeKey: publicNodeKey(drawKey()), authKey, hostname: 'newcomer' })
      for (let i = 0; i < 5; i++) {
        const { status, text } = await client.register(body)
        assert.equal(status, 200, text)
      }
      client.close()
      for (const each of attackers) each.close()
    }))
})

describe('bytes that mean nothing', () => {
  // Printed, so that a run that fails can be had again.
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  let state = seed
  const die = (): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return state >>> 16
  }
  const noise = (length: number) => Uint8Array.from({ length }, () => die() & 255)
  const openers: readonly Uint8Array[] = [
    new Uint8Array(0),
    utf8('GET / HTTP/1.1\r\nHost: x\r\n'),
    utf8('POST /ts2021 HTTP/1.1\r\nHost: x\r\nUpgrade: tailscale-control-protocol\r\nConnection: upgrade\r\n'),
    utf8('POST /api/v2/tailnet/-/keys HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n'),
    utf8('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    new Uint8Array([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03]),
  ]

  /** Opens, sends an opener and noise, and goes on with the next when the server has had enough, or a moment later. */
  async function assail(open: () => Promise<Socket> | Socket, times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      const socket = await open()
      socket.on('error', () => undefined).resume()
      socket.write(concat([openers[i % openers.length] as Uint8Array, noise(1 + (die() % 4000))]))
      const late = new Promise((resolve) => setTimeout(resolve, 20))
      await Promise.race([gone(socket), late])
      socket.destroy()
    }
  }

  test('the control port', (t) => {
    t.diagnostic(`SEED=${seed}`)
    return meanwhile(() => assail(() => dial(coord.url), 120))
  })
  test('the control port, behind the handshake', () =>
    meanwhile(async () => {
      for (let i = 0; i < 60; i++) {
        const client = await ControlClient.connect({ url: coord.url })
        if (i % 2 === 0) client.sendRaw(noise(1 + (die() % 4000)))
        else client.sendPlain(noise(1 + (die() % 4000)))
        const late = new Promise((resolve) => setTimeout(resolve, 20))
        await Promise.race([client.closed, late])
        client.close()
      }
    }))
  test('the relay port, in clear', () => meanwhile(() => assail(() => connect(coord.relayPort, '127.0.0.1'), 120)))
  test('the relay port, inside TLS', () =>
    meanwhile(() => assail(() => openTls(coord.relayPort, coord.certificate), 40)))
  test('the relay port, behind the upgrade', () =>
    meanwhile(() =>
      assail(async () => {
        const socket = connectTls({ port: coord.relayPort, host: '127.0.0.1', ca: coord.certificate })
        await once(socket, 'secureConnect')
        socket.write('GET /derp HTTP/1.1\r\nHost: x\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n\r\n')
        await once(socket, 'data')
        return socket
      }, 40),
    ))
  test('the relay port, by a member', () =>
    meanwhile(async () => {
      for (let i = 0; i < 30; i++) {
        const relay = await changer.relay()
        relay.socket.write(
          concat([Uint8Array.from([[4, 8, 12, 13, 0x40][i % 5] as number]), u32(die() % 5000), noise(die() % 4000)]),
        )
        const late = new Promise((resolve) => setTimeout(resolve, 20))
        await Promise.race([relay.untilClosed(), late])
        relay.close()
      }
    }))
  test('the admin socket', async () => {
    await meanwhile(() => assail(() => connect(coord.socket), 120))
    await coord.admin('GET', '/sett/status')
  })
  test('the STUN ports', () =>
    meanwhile(async () => {
      for (const port of coord.stunPorts) {
        const socket = createSocket('udp4')
        socket.bind(0, '127.0.0.1')
        await once(socket, 'listening')
        const send = (bytes: Uint8Array) => new Promise((resolve) => socket.send(bytes, port, '127.0.0.1', resolve))
        const cookie = encodeRequest(p.random(12)).subarray(0, 8)
        for (let i = 0; i < 300; i++)
          await send(i % 3 === 0 ? concat([cookie, noise(die() % 200)]) : noise(die() % 1400))
        await send(noise(60_000))
        await send(new Uint8Array(0))
        // It answers still, and has answered nothing else: an answer to noise would come before this one.
        const tx = p.random(12)
        const answered = once(socket, 'message') as Promise<[Buffer]>
        await send(encodeRequest(tx))
        const [answer] = await answered
        assert.equal(decodeResponse(answer)?.tx.toHex(), tx.toHex())
        socket.close()
      }
    }))
})

test('those who say too little are let go, on every port', { timeout: 60_000 }, () =>
  meanwhile(async () => void (await slow.gone)),
)

test('nothing of all this was an error of the server', async () => {
  assert.doesNotMatch(coord.log, /"level":"error"/)
  assert.equal((await coord.http('GET', '/healthz')).text, 'ok\n')
  assert.equal(await coord.stop(), 0)
})
