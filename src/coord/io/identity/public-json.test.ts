/** What the server asks on somebody's behalf, over real sockets on loopback: how much, how far, and whom not. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { makeSelfSigned } from '../../../crypto/io/self-signed.ts'
import { fetchPublicJson } from './public-json.ts'
import type { FetchOptions } from './public-json.ts'

type Resolve = NonNullable<FetchOptions['resolve']>

async function serve(handle: RequestListener, run: (url: string) => Promise<void>): Promise<void> {
  const server = createServer(handle).listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    await run(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

test('a small document is read, and nothing else is', async () => {
  const asked: string[] = []
  const answers: Record<string, [status: number, body: string, headers?: Record<string, string>]> = {
    '/good': [200, '{"a":1}'],
    '/large': [200, `"${'x'.repeat(256 * 1024)}"`],
    '/html': [200, '<secret>'],
    '/gone': [404, '{"secret":1}'],
    '/moved': [302, '', { location: '/good' }],
  }
  await serve(
    (req, res) => {
      asked.push(`${req.method} ${req.url}`)
      const [status, body, headers = {}] = answers[req.url ?? ''] ?? [500, '']
      res.writeHead(status, headers).end(body)
    },
    async (url) => {
      assert.deepEqual(await fetchPublicJson(`${url}/good`), { a: 1 })
      for (const [path, why] of [
        ['/large', /more than 262144 bytes/],
        ['/html', /^Error: no JSON$/],
        ['/gone', /^Error: status 404$/],
        ['/moved', /^Error: status 302$/],
      ] as const)
        await assert.rejects(fetchPublicJson(url + path), why)
      assert.deepEqual(asked, ['GET /good', 'GET /large', 'GET /html', 'GET /gone', 'GET /moved'])
      // By this name anybody could have us ask what only this machine may.
      await assert.rejects(
        fetchPublicJson(url.replace('http:', 'https:').replace('127.0.0.1', '[::ffff:127.0.0.1]')),
        /is not asked/,
      )
      assert.equal(asked.length, 5)
    },
  )
})

test('addresses that mean this machine or this link are not asked, nor anything without TLS', async () => {
  const rows: [string, RegExp][] = [
    ['http://i.example/', /not https/],
    ['http://10.0.0.1/', /not https/],
    ['file:///etc/passwd', /not https/],
    ['https://169.254.169.254/', /169\.254\.169\.254 is not asked/],
    ['https://[fe80::1]/', /is not asked/],
    ['https://[fd00:ec2::254]/', /is not asked/],
    ['https://[::ffff:169.254.169.254]/', /is not asked/],
    ['https://0.0.0.0/', /is not asked/],
    ['https://[::]/', /is not asked/],
  ]
  for (const [url, why] of rows) await assert.rejects(fetchPublicJson(url), why, url)
  // Nor by a name that leads there.
  for (const address of ['127.0.0.1', '169.254.169.254', '::1', 'fe80::1', '::ffff:127.0.0.1']) {
    const resolve: Resolve = (hostname, done) => {
      assert.equal(hostname, 'i.example')
      done(null, [{ address, family: address.includes(':') ? 6 : 4 }])
    }
    await assert.rejects(fetchPublicJson('https://i.example/', { resolve }), /none of the addresses of i\.example/)
  }
  const elsewhere: Resolve = (_, done) => done(null, [{ address: '192.0.2.1', family: 4 }])
  await assert.rejects(fetchPublicJson('http://localhost/', { resolve: elsewhere }), /none of the addresses/)
})

test('over TLS, only a certificate that is trusted and has the name will do', async () => {
  const [mine, other] = [makeSelfSigned(['localhost'], new Date()), makeSelfSigned(['i.example'], new Date())]
  for (const [shown, ca, want] of [
    [mine, mine.cert, undefined],
    [mine, undefined, /self-signed/],
    [mine, other.cert, /self-signed|unable to verify/],
    [other, other.cert, /does not match/],
  ] as const) {
    const server = createTlsServer(shown, (_, res) => void res.end('[1]')).listen(0, '127.0.0.1')
    await once(server, 'listening')
    try {
      const { port } = server.address() as AddressInfo
      const asked = fetchPublicJson(`https://localhost:${port}/`, ca === undefined ? {} : { ca })
      if (want === undefined) assert.deepEqual(await asked, [1])
      else await assert.rejects(asked, want)
    } finally {
      server.closeAllConnections()
      server.close()
    }
  }
})
