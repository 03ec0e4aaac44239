/** Sending for real, on loopback: what comes of answers of every kind, and where nothing is sent. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer as createTcp } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { test } from 'node:test'
import { utf8 } from '../../../base/bytes.ts'
import type { Outgoing } from '../../model/outgoing.ts'
import { send } from './send.ts'
import { Targets } from './targets.ts'

const signal = new AbortController().signal
const LOCAL = new Targets(['loopback'])
const post = (url: string, text = 'hello'): Outgoing => ({
  kind: 'http',
  method: 'POST',
  url,
  headers: { 'X-Own': 'yes' },
  body: utf8(text),
})

async function withHttp(
  answer: (req: IncomingMessage, res: ServerResponse, body: string) => void,
  run: (url: string) => Promise<void>,
): Promise<void> {
  const server = createServer((req, res) => {
    let body = ''
    req.setEncoding('utf8').on('data', (piece: string) => (body += piece))
    req.on('end', () => answer(req, res, body))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    await run(`http://127.0.0.1:${(server.address() as AddressInfo).port}/x`)
  } finally {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  }
}

test('a request arrives as it is, and its answer comes back', async () => {
  await withHttp(
    (req, res, body) => res.writeHead(202).end(`${req.method} ${req.headers['x-own'] as string} ${body}`),
    async (url) => {
      assert.deepEqual(await send(post(url), { targets: LOCAL, signal }), {
        kind: 'answered',
        status: 202,
        body: 'POST yes hello',
      })
      // A name is resolved, and its address looked at.
      const named = url.replace('127.0.0.1', 'localhost')
      assert.equal((await send(post(named), { targets: LOCAL, signal })).kind, 'answered')
    },
  )
})

test('redirects are not followed; silence, a cut connection and nobody at all are failures with a reason', async () => {
  let asked = 0
  const handle = (req: IncomingMessage, res: ServerResponse) => {
    asked++
    if (asked === 1) res.writeHead(302, { location: 'http://127.0.0.1:9/' }).end()
    else if (asked === 2) req.socket.destroy()
  }
  let gone = ''
  await withHttp(handle, async (url) => {
    gone = url
    const options = { targets: LOCAL, signal }
    assert.deepEqual(await send(post(url), options), { kind: 'answered', status: 302, body: '' })
    const cut = await send(post(url), options)
    assert.deepEqual(cut, { kind: 'failed', why: 'the connection failed (ECONNRESET)' })
    const late = await send(post(url), { ...options, longestMs: 50 })
    assert.deepEqual(late, { kind: 'failed', why: 'it did not answer in time' })
  })
  assert.deepEqual(await send(post(gone), { targets: LOCAL, signal }), {
    kind: 'failed',
    why: 'the connection failed (ECONNREFUSED)',
  })
})

test('nothing is sent to addresses that are not on the internet, whatever they are called', async () => {
  let asked = 0
  await withHttp(
    (_, res) => {
      asked++
      res.end()
    },
    async (url) => {
      const port = new URL(url).port
      const none = new Targets([])
      for (const host of ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '2130706433', '0x7f.1', '0.0.0.0'])
        for (const scheme of ['http', 'https']) {
          const sent = await send(post(`${scheme}://${host}:${port}/`), { targets: none, signal })
          assert.ok(sent.kind === 'failed' && /--private-targets/.test(sent.why), `${host}: ${JSON.stringify(sent)}`)
        }
      const poured = await send(
        { kind: 'stream', url: `tcp://localhost:${port}`, body: utf8('x') },
        { targets: none, signal },
      )
      assert.ok(poured.kind === 'failed' && /--private-targets/.test(poured.why))
    },
  )
  assert.equal(asked, 0)
})

test('the operator lists what may be sent to besides; clear text goes nowhere else', () => {
  const rows: readonly [readonly string[], string, boolean, boolean][] = [
    [[], '93.184.216.34', false, true],
    [[], '93.184.216.34', true, false],
    [[], '2606:2800:220:1::1', false, true],
    [[], '::ffff:93.184.216.34', false, true],
    [[], '64:ff9b::5db8:d822', false, true],
    [[], '10.1.2.3', false, false],
    [[], '172.31.255.255', false, false],
    [[], '172.32.0.1', false, true],
    [[], '192.168.1.1', false, false],
    [[], '100.64.0.1', false, false],
    [[], '169.254.169.254', false, false],
    [[], '::ffff:169.254.169.254', false, false],
    [[], '64:ff9b::a9fe:a9fe', false, false],
    [[], '::ffff:10.0.0.1', false, false],
    [[], '::', false, false],
    [[], '::1', false, false],
    [[], 'fd00:ec2::254', false, false],
    [[], 'fe80::1', false, false],
    [[], 'fe80::1%eth0', false, false],
    [[], '2002:7f00:1::', false, false],
    [[], 'ff02::1', false, false],
    [[], '255.255.255.255', false, false],
    [['10.1.0.0/16'], '10.1.2.3', false, true],
    [['10.1.0.0/16'], '10.1.2.3', true, true],
    [['10.1.0.0/16'], '10.2.2.3', true, false],
    [['10.1.2.3'], '::ffff:10.1.2.3', true, true],
    [['loopback'], '127.5.6.7', true, true],
    [['loopback'], '::1', true, true],
    [['fd12::/16'], 'fd12::1', true, true],
  ]
  for (const [allowed, address, isClear, want] of rows)
    assert.equal(
      new Targets(allowed).fault(address, isClear) === undefined,
      want,
      `${allowed.join()} ${address} ${isClear ? 'clear' : 'tls'}`,
    )
})

test('a stream counts as sent when the other side closes behind its end', async () => {
  let got = ''
  let cut = false
  const sockets = new Set<Socket>()
  const server = createTcp((socket) => {
    sockets.add(socket)
    if (cut) return void socket.destroy()
    socket.setEncoding('utf8').on('data', (piece: string) => (got += piece))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`
  const text = 'x'.repeat(300_000)
  const out: Outgoing = { kind: 'stream', url, body: utf8(text) }
  assert.deepEqual(await send(out, { targets: LOCAL, signal }), { kind: 'sent' })
  assert.equal(got, text)
  cut = true
  const large: Outgoing = { kind: 'stream', url, body: new Uint8Array(8_000_000) }
  assert.equal((await send(large, { targets: LOCAL, signal })).kind, 'failed')
  for (const socket of sockets) socket.destroy()
  server.close()
  await once(server, 'close')
})

test('what is under way ends when the server does', async () => {
  const stop = new AbortController()
  await withHttp(
    () => stop.abort(),
    async (url) => {
      assert.equal((await send(post(url), { targets: LOCAL, signal: stop.signal })).kind, 'failed')
    },
  )
})
