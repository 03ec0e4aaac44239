/** One request to the authority: what comes back is told, whatever it is. */

import assert from 'node:assert/strict'
import { createServer } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import type { Wall } from '../../../base/clock.ts'
import { makeSelfSigned } from '../../../crypto/io/self-signed.ts'
import { transmit } from './transport.ts'

const tls = makeSelfSigned(['127.0.0.1'], new Date())
const answers: Readonly<Record<string, (req: IncomingMessage, res: ServerResponse) => void>> = {
  '/whole': (req, res) => {
    const headers = { 'replay-nonce': 'abc-_9', location: '/made/1', 'retry-after': '7' }
    res
      .writeHead(201, headers)
      .end(JSON.stringify([req.method, req.headers['content-type'], req.headers['user-agent']]))
  },
  '/odd': (_, res) =>
    void res.writeHead(200, { 'replay-nonce': 'a b', location: 'https://[', 'retry-after': 'soon' }).end(),
  '/long': (_, res) => void res.end(' '.repeat(300_000)),
  '/cut': (req) => void req.socket.destroy(),
  '/elsewhere': (_, res) => void res.writeHead(302, { location: 'https://127.0.0.2/' }).end(),
}
const server = createServer(tls, (req, res) => answers[req.url ?? '']?.(req, res)).listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo
after(() => {
  server.close()
  server.closeAllConnections()
})

const options = { signal: new AbortController().signal, wall: () => 0 as Wall, agent: 'sett/test', ca: tls.cert }
const ask = (path: string, more = {}) =>
  transmit(
    { kind: 'send', method: 'POST', url: `https://127.0.0.1:${port}${path}`, body: '{}' },
    { ...options, ...more },
  )
const nothing = { nonce: undefined, location: undefined, retryAfterMs: undefined }

test('an answer is told with what counts of its headers; what is none of theirs is left out', async () => {
  assert.deepEqual(await ask('/whole'), {
    status: 201,
    body: '["POST","application/jose+json","sett/test"]',
    nonce: 'abc-_9',
    location: `https://127.0.0.1:${port}/made/1`,
    retryAfterMs: 7000,
  })
  assert.deepEqual(await ask('/odd'), { status: 200, body: '', ...nothing })
})

test('nobody is followed elsewhere', async () => {
  const { status, body } = await ask('/elsewhere')
  assert.deepEqual([status, body], [302, ''])
})

test('what goes wrong on the way is told with the host and in words', async () => {
  const closed = createServer(tls).listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const gone = (closed.address() as AddressInfo).port
  closed.close()
  const rows: readonly (readonly [Promise<{ status: number; body: string }>, RegExp])[] = [
    [ask('/long'), /^127\.0\.0\.1:\d+: its answer is longer than 256 KiB$/],
    [ask('/cut'), /^127\.0\.0\.1:\d+: the connection was closed$/],
    [ask('/whole', { ca: makeSelfSigned(['127.0.0.1'], new Date()).cert }), /not trusted: .*NODE_EXTRA_CA_CERTS=FILE$/],
    [
      transmit({ kind: 'send', method: 'GET', url: `https://127.0.0.1:${gone}/` }, options),
      /^127\.0\.0\.1:\d+: nobody listens there$/,
    ],
  ]
  for (const [asked, why] of rows) {
    const { status, body, ...rest } = await asked
    assert.match(body, why)
    assert.deepEqual([status, rest], [0, nothing])
  }
})

test('whoever ends it ends it', async () => {
  const ended = AbortSignal.abort(new Error('stopping'))
  await assert.rejects(ask('/whole', { signal: ended }), /stopping/)
})
