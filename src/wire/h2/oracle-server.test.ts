/** Our server against Node's client, in one process over a pair of streams. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import http2 from 'node:http2'
import { duplexPair } from 'node:stream'
import { test } from 'node:test'
import { concat, sameBytes, textOf } from '../../base/bytes.ts'
import type { Mono } from '../../base/clock.ts'
import { H2Server } from './index.ts'
import type { H2Limits, H2ServerEvent } from './index.ts'
import { plug } from './plug.ts'

const now = () => performance.now() as Mono

type Exchange = { stream: number; head: H2ServerEvent & { kind: 'request' }; body: Uint8Array }

/** A server that answers whole requests by `answer`, or by echoing the body. */
function serve(options: {
  limits?: Partial<H2Limits>
  step?: number
  settings?: http2.Settings
  answer?: (server: H2Server, exchange: Exchange) => void
  onEvent?: (event: H2ServerEvent, server: H2Server) => void
}) {
  const [ours, theirs] = duplexPair()
  const server = new H2Server(options.limits === undefined ? {} : { limits: options.limits })
  const bodies = new Map<number, { head: H2ServerEvent & { kind: 'request' }; parts: Uint8Array[] }>()
  const answer =
    options.answer ??
    ((s, e) => {
      s.respond(e.stream, 200, [
        ['x-method', e.head.method],
        ['x-path', e.head.path],
        ['x-authority', e.head.authority],
      ])
      s.write(e.stream, e.body, { end: true })
    })
  const { flush } = plug<H2ServerEvent>(server, ours, {
    now,
    step: options.step ?? Infinity,
    on: (event) => {
      options.onEvent?.(event, server)
      if (event.kind === 'request') bodies.set(event.stream, { head: event, parts: [] })
      if (event.kind === 'data') {
        bodies.get(event.stream)?.parts.push(new Uint8Array(event.bytes))
        server.consumed(event.stream, event.bytes.length)
      }
      if ((event.kind === 'request' || event.kind === 'data') && event.endStream) {
        const { head, parts } = bodies.get(event.stream) as {
          head: H2ServerEvent & { kind: 'request' }
          parts: Uint8Array[]
        }
        bodies.delete(event.stream)
        answer(server, { stream: event.stream, head, body: concat(parts) })
      }
    },
  })
  const client = http2.connect('http://unused', {
    createConnection: () => theirs,
    ...(options.settings === undefined ? {} : { settings: options.settings }),
  })
  return { server, client, flush }
}

async function ask(client: http2.ClientHttp2Session, headers: http2.OutgoingHttpHeaders, body?: Uint8Array | string) {
  const stream = client.request(headers, { endStream: body === undefined })
  if (body !== undefined) stream.end(body)
  const head = once(stream, 'response') as Promise<[http2.IncomingHttpHeaders]>
  const parts: Uint8Array[] = []
  stream.on('data', (part: Uint8Array) => parts.push(part))
  const [[response]] = await Promise.all([head, once(stream, 'end')])
  return { response, body: concat(parts), text: textOf(concat(parts)) }
}

function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >>> 8)) & 0xff
  return bytes
}

for (const step of [Infinity, 1, 7]) {
  test(`node's client gets its answer from our server, ${step} bytes at a time`, async () => {
    const { client } = serve({ step })
    const { response, text } = await ask(client, { ':path': '/machine/map', ':method': 'POST' }, 'hello')
    assert.equal(response[':status'], 200)
    assert.equal(response['x-path'], '/machine/map')
    assert.equal(response['x-method'], 'POST')
    assert.equal(text, 'hello')
    client.close()
    await once(client, 'close')
  })
}

test('a GET may have a body, and any authority will do', async () => {
  const { client } = serve({})
  const { response, text } = await ask(
    client,
    { ':path': '/tka', ':method': 'GET', ':authority': 'unused' },
    '{"Key":1}',
  )
  assert.equal(response['x-authority'], 'unused')
  assert.equal(response['x-method'], 'GET')
  assert.equal(text, '{"Key":1}')
  client.close()
})

test('a body of 5 MB comes back, within windows', async () => {
  const { client } = serve({})
  const body = pattern(5_000_000)
  const echo = await ask(client, { ':path': '/', ':method': 'POST' }, body)
  assert.ok(sameBytes(echo.body, body))
  client.close()
})

test('a body comes back through windows of 100 bytes, and through one that changes on the way', async () => {
  const body = pattern(10_000)
  const tight = serve({ settings: { initialWindowSize: 100 } })
  assert.ok(sameBytes((await ask(tight.client, { ':path': '/', ':method': 'POST' }, body)).body, body))
  tight.client.close()
  const changing = serve({ settings: { initialWindowSize: 0 } })
  const echo = ask(changing.client, { ':path': '/', ':method': 'POST' }, body)
  await once(changing.client, 'remoteSettings')
  changing.client.settings({ initialWindowSize: 65_535 })
  assert.ok(sameBytes((await echo).body, body))
  changing.client.close()
})

test('250 requests are open at once, and answered in the opposite order', async () => {
  const waiting: Exchange[] = []
  let most = 0
  const { client, server } = serve({
    answer: (s, exchange) => {
      waiting.push(exchange)
      most = Math.max(most, s.openStreams)
      if (waiting.length < 250) return
      for (const e of waiting.reverse()) {
        s.respond(e.stream, 200, [])
        s.write(e.stream, e.body, { end: true })
      }
      waiting.length = 0
    },
  })
  await once(client, 'remoteSettings')
  // Twice as many as the server takes: Node's client keeps the rest until it has seen the first ones end.
  const bodies = Array.from({ length: 500 }, (_, i) => `body ${i}`)
  const answers = await Promise.all(bodies.map((body) => ask(client, { ':path': '/', ':method': 'POST' }, body)))
  assert.deepEqual(
    answers.map((answer) => answer.text),
    bodies,
  )
  assert.equal(most, 250)
  assert.equal(server.openStreams, 0)
  client.close()
})

test('headers of every kind arrive as they were sent', async () => {
  const seen: (readonly (readonly [string, string])[])[] = []
  const { client } = serve({
    limits: { headerListBytes: 60_000 },
    answer: (s, e) => {
      seen.push(e.head.headers)
      s.respond(
        e.stream,
        200,
        [
          ['x-latin', 'caf\xe9'],
          ['set-cookie', 'a=1'],
          ['set-cookie', 'b=2'],
          ['x-long', '~'.repeat(30_000)],
        ],
        {
          end: true,
        },
      )
    },
  })
  const headers = {
    'x-plain': 'value',
    'ts-lb': ['nodekey:1', 'nodekey:2'],
    'x-long': 'v'.repeat(40_000),
    authorization: 'secret',
  }
  for (let i = 0; i < 3; i++) {
    const { response } = await ask(client, { ':path': '/', ':method': 'GET', ...headers })
    assert.deepEqual(response['set-cookie'], ['a=1', 'b=2'])
    assert.equal(response['x-latin'], 'caf\xe9')
    assert.equal((response['x-long'] as string).length, 30_000)
  }
  for (const list of seen) {
    assert.deepEqual(
      list.filter(([name]) => name === 'ts-lb').map(([, value]) => value),
      ['nodekey:1', 'nodekey:2'],
    )
    assert.deepEqual(Object.fromEntries(list), { ...headers, 'ts-lb': 'nodekey:2' })
  }
  assert.equal(seen.length, 3)
  client.close()
})

test('trailers of a request end it', async () => {
  const { client } = serve({})
  const stream = client.request({ ':path': '/', ':method': 'POST' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '1' }))
  stream.end('body')
  let text = ''
  stream.setEncoding('utf8').on('data', (part: string) => (text += part))
  await once(stream, 'end')
  assert.equal(text, 'body')
  client.close()
})

test('a cancelled request is told, and a reset of ours arrives with its code', async () => {
  const told = Promise.withResolvers<H2ServerEvent>()
  const { client } = serve({
    answer: (s, e) => {
      if (e.head.path === '/reset') s.reset(e.stream, 'ENHANCE_YOUR_CALM')
      else s.respond(e.stream, 200, [])
    },
    onEvent: (event) => {
      if (event.kind === 'reset') told.resolve(event)
    },
  })
  const cancelled = client.request({ ':path': '/poll' })
  await once(cancelled, 'response')
  cancelled.close(http2.constants.NGHTTP2_CANCEL)
  assert.deepEqual(await told.promise, { kind: 'reset', stream: 1, code: 'CANCEL', by: 'peer' })
  const stream = client.request({ ':path': '/reset' })
  await assert.rejects(once(stream, 'response'), { code: 'ERR_HTTP2_STREAM_ERROR' })
  assert.equal(stream.rstCode, http2.constants.NGHTTP2_ENHANCE_YOUR_CALM)
  client.close()
})

test('an answer before the end of a large request is whole', async () => {
  const { client } = serve({
    answer: () => {},
    onEvent: (event, s) => {
      if (event.kind !== 'request') return
      s.respond(event.stream, 413, [])
      s.write(event.stream, new Uint8Array(3), { end: true })
    },
  })
  const stream = client.request({ ':path': '/', ':method': 'POST' })
  stream.write(new Uint8Array(5_000_000))
  const [response] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders]
  assert.equal(response[':status'], 413)
  let length = 0
  stream.on('data', (part: Uint8Array) => (length += part.length))
  await once(stream, 'end')
  assert.equal(length, 3)
  const next = await ask(client, { ':path': '/' })
  assert.equal(next.response[':status'], 413)
  client.close()
})

test('pings are answered both ways', async () => {
  const pong = Promise.withResolvers<H2ServerEvent>()
  const { client, server, flush } = serve({
    onEvent: (event) => {
      if (event.kind === 'pong') pong.resolve(event)
    },
  })
  const opaque = Buffer.from('12345678')
  const back = await new Promise<Buffer>((resolve) => client.ping(opaque, (_err, _ms, payload) => resolve(payload)))
  assert.deepEqual(back, opaque)
  server.ping(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8))
  flush()
  assert.deepEqual(await pong.promise, { kind: 'pong', opaque: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) })
  client.close()
})

test('a leaving server finishes what is open, and the client closes', async () => {
  const open = Promise.withResolvers<number>()
  const { client, server, flush } = serve({ answer: (_, e) => open.resolve(e.stream) })
  const answer = ask(client, { ':path': '/' })
  const stream = await open.promise
  const heard = once(client, 'goaway')
  const closed = once(client, 'close')
  server.goaway()
  flush()
  assert.deepEqual((await heard).slice(0, 2), [0, 1])
  server.respond(stream, 200, [])
  server.write(stream, Buffer.from('bye'), { end: true })
  flush()
  assert.equal((await answer).text, 'bye')
  await closed
})
