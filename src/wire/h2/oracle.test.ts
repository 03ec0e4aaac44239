/** Our server against Node's client, our client against Node's server, in one process over a pair of streams. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import http2 from 'node:http2'
import { duplexPair } from 'node:stream'
import type { Duplex } from 'node:stream'
import { test } from 'node:test'
import { concat, sameBytes, textOf, utf8 } from '../../base/bytes.ts'
import type { Mono } from '../../base/clock.ts'
import { H2Client, H2Server } from './index.ts'
import type { Field, H2ClientEvent, H2Code, H2Limits, H2ServerEvent } from './index.ts'

type Machine = H2Server | H2Client

/** The thinnest shell: plugs a machine into one end of a pipe. `step` is how many bytes it reads at a time. */
function plug<E>(
  machine: { receive(bytes: Uint8Array, now: Mono): E[] } & Machine,
  pipe: Duplex,
  on: (event: E) => void,
  step = Infinity,
): () => void {
  const flush = () => {
    while (machine.due && !pipe.writableNeedDrain) for (const piece of machine.take(1 << 16)) pipe.write(piece)
    if (machine.finished && !pipe.writableEnded) pipe.end()
  }
  pipe.on('drain', flush)
  pipe.on('end', () => pipe.end())
  pipe.on('data', (chunk: Buffer) => {
    for (let at = 0; at < chunk.length; at += step)
      for (const event of machine.receive(
        chunk.subarray(at, Math.min(chunk.length, at + step)),
        performance.now() as Mono,
      ))
        on(event)
    flush()
  })
  flush()
  return flush
}

type Exchange = { stream: number; head: H2ServerEvent & { kind: 'request' }; body: Uint8Array }

/** A server that answers whole requests by `answer`, or by echoing the body. */
function serve(options: {
  limits?: Partial<H2Limits>
  step?: number
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
  const flush = plug<H2ServerEvent>(
    server,
    ours,
    (event) => {
      options.onEvent?.(event, server)
      if (event.kind === 'request') bodies.set(event.stream, { head: event, parts: [] })
      if (event.kind === 'data') {
        bodies.get(event.stream)?.parts.push(event.bytes.slice())
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
    options.step,
  )
  const client = http2.connect('http://unused', { createConnection: () => theirs })
  return { server, client, flush, pipe: ours }
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

/** Our client on a pipe to Node's server. */
function dial(handler: (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void, step?: number) {
  const [ours, theirs] = duplexPair()
  const session = http2.performServerHandshake(theirs)
  session.on('stream', handler)
  const client = new H2Client()
  const answers = new Map<number, { status: number; headers: readonly Field[]; parts: Uint8Array[] }>()
  const waiting = new Map<number, (outcome: Answer) => void>()
  const seen: H2ClientEvent[] = []
  const flush = plug<H2ClientEvent>(
    client,
    ours,
    (event) => {
      seen.push(event.kind === 'data' ? { ...event, bytes: event.bytes.slice() } : event)
      if (event.kind === 'response')
        answers.set(event.stream, { status: event.status, headers: event.headers, parts: [] })
      if (event.kind === 'data') {
        answers.get(event.stream)?.parts.push(event.bytes.slice())
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
    step,
  )
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

test('a body of 5 MB crosses both ways, within windows', async () => {
  const body = pattern(5_000_000)
  const { client } = serve({})
  const up = await ask(client, { ':path': '/', ':method': 'POST' }, body)
  assert.ok(sameBytes(up.body, body))
  client.close()
  const { fetch, close } = dial((stream) => {
    stream.respond({ ':status': 200 })
    stream.pipe(stream)
  })
  const answer = await fetch({ method: 'POST', path: '/', authority: 'unused' }, body)
  assert.ok(answer.kind === 'answer' && sameBytes(answer.body, body))
  close()
})
