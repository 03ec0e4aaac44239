/** Our client against Node's server, in one process over a pair of streams. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import http2 from 'node:http2'
import { duplexPair } from 'node:stream'
import { test } from 'node:test'
import { concat, sameBytes, textOf, utf8 } from '../../base/bytes.ts'
import type { Mono } from '../../base/clock.ts'
import { H2Client } from './index.ts'
import type { Field, H2ClientEvent, H2Code } from './index.ts'
import { plug } from './plug.ts'

const now = () => performance.now() as Mono

/** Our client on a pipe to Node's server. */
function dial(handler: (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void, step = Infinity) {
  const [ours, theirs] = duplexPair()
  const session = http2.performServerHandshake(theirs)
  session.on('stream', handler)
  const client = new H2Client()
  const answers = new Map<number, { status: number; headers: readonly Field[]; parts: Uint8Array[] }>()
  const waiting = new Map<number, (outcome: Answer) => void>()
  const seen: H2ClientEvent[] = []
  const { flush } = plug<H2ClientEvent>(client, ours, {
    now,
    step,
    on: (event) => {
      seen.push(event.kind === 'data' ? { ...event, bytes: new Uint8Array(event.bytes) } : event)
      if (event.kind === 'response')
        answers.set(event.stream, { status: event.status, headers: event.headers, parts: [] })
      if (event.kind === 'data') {
        answers.get(event.stream)?.parts.push(new Uint8Array(event.bytes))
        client.consumed(event.stream, event.bytes.length)
      }
      if (event.kind === 'reset') waiting.get(event.stream)?.({ kind: 'reset', code: event.code })
      if ((event.kind === 'data' || event.kind === 'response') && event.endStream) {
        const { status, headers, parts } = answers.get(event.stream) as {
          status: number
          headers: readonly Field[]
          parts: Uint8Array[]
        }
        waiting.get(event.stream)?.({ kind: 'answer', status, headers, body: concat(parts) })
      }
    },
  })
  const fetch = (request: Parameters<H2Client['request']>[0], body?: Uint8Array): Promise<Answer> => {
    const id = client.request(request, { end: body === undefined })
    if (id === undefined) return Promise.resolve({ kind: 'refused' })
    if (body !== undefined) client.write(id, body, { end: true })
    return new Promise((resolve) => {
      waiting.set(id, resolve)
      flush()
    })
  }
  const close = () => {
    client.goaway()
    flush()
  }
  return { client, session, fetch, close, flush, seen }
}

type Answer =
  | { kind: 'answer'; status: number; headers: readonly Field[]; body: Uint8Array }
  | { kind: 'reset'; code: H2Code }
  | { kind: 'refused' }

for (const step of [Infinity, 1, 7]) {
  test(`our client gets its answer from node's server, ${step} bytes at a time`, async () => {
    const { fetch, close } = dial((stream, headers) => {
      stream.respond({ ':status': 201, 'x-path': headers[':path'] as string })
      stream.pipe(stream)
    }, step)
    const answer = await fetch({ method: 'POST', path: '/machine/register', authority: 'unused' }, utf8('body'))
    assert.ok(answer.kind === 'answer')
    assert.equal(answer.status, 201)
    assert.equal(answer.headers.find(([name]) => name === 'x-path')?.[1], '/machine/register')
    assert.equal(textOf(answer.body), 'body')
    close()
  })
}

const GET = { method: 'GET', path: '/', authority: 'unused' }

test('a body of 5 MB comes back, within windows', async () => {
  const { fetch, close } = dial((stream) => {
    stream.respond({ ':status': 200 })
    stream.pipe(stream)
  })
  const body = new Uint8Array(5_000_000).map((_, i) => i * 31 + (i >>> 8))
  const answer = await fetch({ ...GET, method: 'POST' }, body)
  assert.ok(answer.kind === 'answer' && sameBytes(answer.body, body))
  close()
})

test('100 requests at once', async () => {
  const { fetch, close } = dial((stream, headers) => {
    stream.respond({ ':status': 200 })
    stream.end(headers[':path'])
  })
  const paths = Array.from({ length: 100 }, (_, i) => `/path/${i}`)
  const answers = await Promise.all(paths.map((path) => fetch({ ...GET, path })))
  assert.deepEqual(
    answers.map((answer) => answer.kind === 'answer' && textOf(answer.body)),
    paths,
  )
  close()
})

test('a GET with a body, repeated headers, and answers that index theirs', async () => {
  const { fetch, close } = dial((stream, headers) => {
    stream.respond({
      ':status': 200,
      'x-lb': String(headers['ts-lb']),
      'x-long': 'v'.repeat(5000),
      'set-cookie': ['a=1', 'b=2'],
    })
    stream.pipe(stream)
  })
  for (let i = 0; i < 3; i++) {
    const headers: Field[] = [
      ['ts-lb', 'nodekey:1'],
      ['ts-lb', 'nodekey:2'],
    ]
    const answer = await fetch({ ...GET, headers }, utf8('{"Version":1}'))
    assert.ok(answer.kind === 'answer')
    const named = (name: string) => answer.headers.filter((field) => field[0] === name).map((field) => field[1])
    assert.deepEqual(named('x-lb'), ['nodekey:1, nodekey:2'])
    assert.deepEqual(named('set-cookie'), ['a=1', 'b=2'])
    assert.deepEqual(named('x-long'), ['v'.repeat(5000)])
    assert.equal(textOf(answer.body), '{"Version":1}')
  }
  close()
})

test('trailers of an answer end it; interim answers are read past', async () => {
  const { fetch, close } = dial((stream) => {
    stream.additionalHeaders({ ':status': 103 })
    stream.respond({ ':status': 200 }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '1' }))
    stream.end('body')
  })
  const answer = await fetch(GET)
  assert.ok(answer.kind === 'answer')
  assert.equal(answer.status, 200)
  assert.equal(textOf(answer.body), 'body')
  close()
})

test('a reset by the server is told; one of ours reaches it', async () => {
  const closed = Promise.withResolvers<number | undefined>()
  const { fetch, close, client, flush } = dial((stream, headers) => {
    // Node calls a stream that is closed with a code an error.
    stream.on('error', () => {})
    if (headers[':path'] === '/') stream.close(http2.constants.NGHTTP2_REFUSED_STREAM)
    else {
      stream.respond({ ':status': 200 })
      stream.on('close', () => closed.resolve(stream.rstCode))
    }
  })
  assert.deepEqual(await fetch(GET), { kind: 'reset', code: 'REFUSED_STREAM' })
  const id = client.request({ ...GET, path: '/poll' }, { end: true }) as number
  flush()
  client.reset(id, 'CANCEL')
  flush()
  assert.equal(await closed.promise, http2.constants.NGHTTP2_CANCEL)
  close()
})

test('pings are answered both ways', async () => {
  const { client, session, flush, seen, fetch, close } = dial((stream) =>
    stream.respond({ ':status': 204 }, { endStream: true }),
  )
  await fetch(GET)
  const opaque = Buffer.from('12345678')
  const back = await new Promise<Buffer>((resolve) => session.ping(opaque, (_err, _ms, payload) => resolve(payload)))
  assert.deepEqual(back, opaque)
  client.ping(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8))
  flush()
  await fetch(GET)
  assert.deepEqual(
    seen.filter((event) => event.kind === 'pong'),
    [{ kind: 'pong', opaque: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) }],
  )
  close()
})

test('a leaving server is heard, and both sides close', async () => {
  const { session, fetch, seen } = dial((stream) => {
    session.close()
    stream.respond({ ':status': 200 })
    stream.end('bye')
  })
  const closed = once(session, 'close')
  const answer = await fetch(GET)
  assert.ok(answer.kind === 'answer' && textOf(answer.body) === 'bye')
  await closed
  assert.deepEqual(seen.find((event) => event.kind === 'goaway')?.code, 'NO_ERROR')
  assert.deepEqual(await fetch(GET), { kind: 'refused' })
})
