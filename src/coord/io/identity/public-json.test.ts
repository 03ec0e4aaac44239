/** What the server asks on somebody's behalf, over real sockets on loopback: how much, how far, and whom not. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { fetchPublicJson } from './public-json.ts'

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
    ['https://0x7f000001.example./', /ENOTFOUND|EAI_AGAIN|none of the addresses/],
  ]
  for (const [url, why] of rows) await assert.rejects(fetchPublicJson(url), why, url)
})
