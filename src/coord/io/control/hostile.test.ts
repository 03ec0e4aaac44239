/** What strangers send to the control listener's real sockets, and that everybody else is served all the while. */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { ControlClient, dial, exchangeHeads, fetchServerKey } from '../../../../test/support/control-client.ts'
import { listenForControl } from '../../../../test/support/control-listener.ts'
import type { TestListener } from '../../../../test/support/control-listener.ts'
import { base64, concat, utf8 } from '../../../base/bytes.ts'
import type { MachineKey } from '../../../base/keys.ts'
import { nodePrimitives } from '../../../crypto/io/node-primitives.ts'
import { initiate } from '../../../crypto/noise.ts'
import { generateKey } from '../../../crypto/primitives.ts'
import { encodeInitiation } from '../../../wire/noise-frame.ts'

let server: TestListener
let serverKey: MachineKey

before(async () => {
  server = await listenForControl({
    limits: { headersTimeout: 300, requestTimeout: 600, connectionsCheckingInterval: 50 },
    handler: (request, reply) => {
      if (request.path !== '/stream') return reply.answer(200, 'fine')
      reply.start()
      reply.write(new Uint8Array(4 << 20))
    },
  })
  serverKey = await fetchServerKey(server.url)
})
after(() => server.close())

const connect = () => ControlClient.connect({ url: server.url, serverKey })

/** The server has not been hurt: somebody else is answered. */
async function serves(): Promise<void> {
  const client = await connect()
  assert.equal((await client.request('GET', '/')).text, 'fine')
  client.close()
}

/** One HTTP/2 frame. */
function frame(type: number, flags: number, stream: number, payload: Uint8Array): Uint8Array {
  const head = new Uint8Array(9)
  new DataView(head.buffer).setUint32(0, payload.length << 8)
  head[3] = type
  head[4] = flags
  new DataView(head.buffer).setUint32(5, stream)
  return concat([head, payload])
}

/** A request's header block without any compression: method, scheme, path, authority. */
const REQUEST = concat([new Uint8Array([0x82, 0x87, 0x84, 0x01, 6]), utf8('unused')])
const repeat = (count: number, make: (i: number) => Uint8Array) =>
  concat(Array.from({ length: count }, (_, i) => make(i)))
const literal = (name: string, value: string) =>
  concat([new Uint8Array([0, name.length]), utf8(name), new Uint8Array([value.length]), utf8(value)])

describe('HTTP/2 floods inside Noise end the connection that sends them, and no other', () => {
  const u32 = (n: number) => new Uint8Array([n >>> 24, (n >> 16) & 255, (n >> 8) & 255, n & 255])
  const calm = /idle frames/
  const unread = /being read/
  const floods: readonly (readonly [string, Uint8Array, RegExp])[] = [
    [
      'rapid reset',
      repeat(2000, (i) => concat([frame(1, 4, 3 + 2 * i, REQUEST), frame(3, 0, 3 + 2 * i, u32(8))])),
      calm,
    ],
    ['settings', repeat(5000, () => frame(4, 0, 0, new Uint8Array(0))), unread],
    ['pings', repeat(5000, () => frame(6, 0, 0, new Uint8Array(8))), unread],
    ['empty data', concat([frame(1, 4, 3, REQUEST), repeat(5000, () => frame(0, 0, 3, new Uint8Array(0)))]), calm],
    ['priorities', repeat(5000, (i) => frame(2, 0, 2 * i + 5, new Uint8Array(5))), calm],
    ['window updates of one byte', repeat(5000, () => frame(8, 0, 0, u32(1))), calm],
    ['unknown frames', repeat(5000, () => frame(0xee, 0, 0, new Uint8Array(4))), calm],
    [
      'continuations',
      concat([frame(1, 0, 3, REQUEST), repeat(1000, () => frame(9, 0, 3, literal('a', 'b')))]),
      /header block is too long/,
    ],
    ['a frame larger than announced', frame(0, 0, 1, new Uint8Array(20_000)), /larger than we announced/],
    [
      'header bombs',
      repeat(300, (i) => frame(1, 5, 3 + 2 * i, concat([REQUEST, repeat(180, () => literal('x', 'y'.repeat(80)))]))),
      calm,
    ],
    ['a push', frame(5, 0, 2, new Uint8Array(10)), /push/],
    ['rubbish', new Uint8Array(5000).fill(0xfe), /larger than we announced/],
  ]
  for (const [name, bytes, why] of floods) {
    test(name, async () => {
      const client = await connect()
      await client.request('GET', '/')
      for (let at = 0; at < bytes.length; at += 16_384) client.sendPlain(bytes.subarray(at, at + 16_384))
      await client.closed
      const [, fields] = server.logged.findLast(([event]) => event === 'control connection failed') ?? []
      assert.match((fields as { why?: string } | undefined)?.why ?? '', why)
      await serves()
    })
  }

  test('a header list that its table blows up', async () => {
    const client = await connect()
    await client.request('GET', '/')
    // One entry of 4000 bytes in the table, named a thousand times.
    const entry = concat([
      new Uint8Array([0x40, 1]),
      utf8('x'),
      new Uint8Array([0x7f, 0xa1, 0x1e]),
      new Uint8Array(4000).fill(97),
    ])
    const block = concat([REQUEST, entry, new Uint8Array(1000).fill(0x80 | 62)])
    const answered = Promise.withResolvers<void>()
    for (let i = 0; i < 200; i++) client.sendPlain(frame(1, 5, 3 + 2 * i, block))
    void client.closed.then(() => answered.resolve())
    await answered.promise
    await serves()
  })
})

describe('broken Noise', () => {
  const endings: readonly (readonly [string, (client: ControlClient) => void])[] = [
    [
      'a record cut off in the middle',
      (client) => (client.sendRaw(new Uint8Array([4, 1, 0, 1, 2, 3])), client.close()),
    ],
    ['a record that does not open', (client) => client.sendRaw(new Uint8Array([4, 0, 20, ...new Uint8Array(20)]))],
    ['a record that is too long', (client) => client.sendRaw(new Uint8Array([4, 0x10, 0x01]))],
    ['a second initiation', (client) => client.sendRaw(new Uint8Array([0, 120, 1, 0, 96, ...new Uint8Array(96)]))],
    ['an empty record that is not even a tag', (client) => client.sendRaw(new Uint8Array([4, 0, 0]))],
    ['rubbish', (client) => client.sendRaw(new Uint8Array(10_000).fill(0xfe))],
  ]
  for (const [name, act] of endings) {
    test(name, async () => {
      const client = await connect()
      await client.request('GET', '/')
      act(client)
      await client.closed
      await serves()
    })
  }

  test('a thousand empty records are nothing', async () => {
    const client = await connect()
    for (let i = 0; i < 1000; i++) client.sendPlain(new Uint8Array(0))
    assert.equal((await client.request('GET', '/')).text, 'fine')
    client.close()
  })
})

describe('slow and silent ones', () => {
  test('a request head that drips is cut off, and so is one that never comes', async () => {
    const [drip, silent] = [dial(server.url), dial(server.url)]
    drip.write('POST /ts2021 HTTP/1.1\r\nHost: x\r\n')
    const timer = setInterval(() => drip.write('x: y\r\n'), 50)
    for (const socket of [drip, silent]) socket.resume()
    await Promise.all([once(drip, 'close'), once(silent, 'close')])
    clearInterval(timer)
    await serves()
  })

  test('a body to nowhere is not waited for', async () => {
    const socket = dial(server.url)
    const { status, head } = await exchangeHeads(
      socket,
      'POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nabc',
    )
    assert.equal(status, 404)
    assert.match(head, /connection: close/i)
    socket.resume()
    if (!socket.closed) await once(socket, 'close')
  })

  test('one that reads nothing holds up nobody', async () => {
    const slow = await connect()
    const { opened } = slow.map({}, () => {})
    slow.close()
    await opened
    const stuck = await connect()
    await stuck.request('GET', '/')
    stuck.pause()
    for (let i = 0; i < 20; i++) void stuck.request('POST', '/stream').catch(() => undefined)
    await serves()
    await serves()
    stuck.close()
  })
})

describe('what is no upgrade', () => {
  const rubbish: readonly (readonly [string, Uint8Array, number])[] = [
    ['bytes that mean nothing', new Uint8Array(2000).fill(0x80), 400],
    ['a TLS hello', new Uint8Array([22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, ...new Uint8Array(500)]), 400],
    ['an HTTP/2 preface', utf8('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), 400],
    ['a head of 20 kB', utf8(`GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`), 431],
    // More than the sockets' buffers hold, so that it is still on its way when the answer is.
    ['a head of 8 MB', utf8(`GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(8_000_000)}\r\n\r\n`), 431],
    ['two lengths', utf8('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx'), 400],
    [
      'length and chunks',
      utf8('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
      400,
    ],
    ['no host', utf8('GET / HTTP/1.1\r\n\r\n'), 400],
  ]
  for (const [name, bytes, want] of rubbish) {
    test(name, async () => {
      const socket = dial(server.url)
      const { status } = await exchangeHeads(socket, bytes)
      assert.equal(status, want)
      socket.resume()
      if (!socket.closed) await once(socket, 'close')
      await serves()
    })
  }
})

describe('WebSockets', () => {
  const open = async () => {
    const begun = initiate(nodePrimitives, generateKey(nodePrimitives.random), serverKey, 120)
    assert.ok(begun !== undefined)
    const handshake = encodeURIComponent(base64(encodeInitiation(120, begun.message)))
    const url = `${server.url.replace('http', 'ws')}/ts2021?X-Tailscale-Handshake=${handshake}`
    const socket = new WebSocket(url, 'tailscale-control-protocol', { perMessageDeflate: true })
    socket.on('error', () => undefined)
    await once(socket, 'open')
    return socket
  }

  test('compression is not taken up', async () => {
    const socket = await open()
    assert.equal(socket.extensions, '')
    socket.terminate()
  })

  const messages: readonly (readonly [string, (socket: WebSocket) => void])[] = [
    ['text', (socket) => socket.send('hello')],
    ['a message larger than any', (socket) => socket.send(new Uint8Array(2 << 20))],
    ['rubbish', (socket) => socket.send(new Uint8Array(100).fill(0xfe))],
  ]
  for (const [name, act] of messages) {
    test(`${name} ends it`, async () => {
      const socket = await open()
      act(socket)
      await once(socket, 'close')
      await serves()
    })
  }
})

describe('limits by address', () => {
  test('handshakes beyond the burst are told to come back', async () => {
    const limited = await listenForControl({ handshakes: { burst: 3, perSecond: 0, customers: 10 } })
    const key = await fetchServerKey(limited.url)
    for (let i = 0; i < 3; i++) (await ControlClient.connect({ url: limited.url, serverKey: key })).close()
    await assert.rejects(ControlClient.connect({ url: limited.url, serverKey: key }), /429/)
    await limited.close()
  })

  test('connections beyond the limit are closed, and their places come back', async () => {
    const limited = await listenForControl({ connections: { perAddress: 2, total: 10 } })
    const options = { url: limited.url, serverKey: await fetchServerKey(limited.url) }
    // The connection that fetched the key may still hold a place.
    await assert.rejects(
      Promise.all(Array.from({ length: 3 }, async () => await ControlClient.connect(options))),
      /closed|429/,
    )
    limited.upgrades.close()
    let served = false
    for (let i = 0; i < 100 && !served; i++) {
      const socket = dial(limited.url)
      served = await exchangeHeads(socket, 'GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n').then(
        ({ status }) => status === 200,
        () => false,
      )
      socket.destroy()
      if (!served) await sleep(20)
    }
    assert.ok(served)
    await limited.close()
  })
})
