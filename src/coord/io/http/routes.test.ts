import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import type { OutgoingHttpHeaders } from 'node:http'
import { request as requestTls } from 'node:https'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { ControlClient } from '../../../../test/support/control-client.ts'
import { echo, listenForControl } from '../../../../test/support/control-listener.ts'
import type { TestListener } from '../../../../test/support/control-listener.ts'
import { sameBytes } from '../../../base/bytes.ts'
import { makeSelfSigned } from '../../../crypto/io/self-signed.ts'

/** More than all buffers on the way hold. */
const large = new Uint8Array(20_000_000).map((_, i) => i % 251)

interface Said {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

function ask(url: string, path: string, headers: OutgoingHttpHeaders = {}): Promise<Said> {
  return new Promise((resolve, reject) => {
    const send = url.startsWith('https:') ? requestTls : request
    const call = send(`${url}${path}`, { headers, agent: false, rejectUnauthorized: false }, (answer) => {
      let text = ''
      answer.on('data', (piece) => (text += String(piece)))
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text }))
    })
    call.on('error', reject)
    call.end()
  })
}

/** An address of this machine that is not loopback; without one the rows that need it are left out. */
const outer = Object.values(networkInterfaces())
  .flat()
  .find((each) => each !== undefined && each.family === 'IPv4' && !each.internal)?.address

describe('where the API and the metrics answer', () => {
  const forwarded = (address: string, proto: string) => ({ 'x-forwarded-for': address, 'x-forwarded-proto': proto })
  interface Row {
    readonly name: string
    readonly trusted?: readonly string[]
    readonly from?: 'outside'
    readonly headers?: OutgoingHttpHeaders
    readonly api: number
    readonly metrics: number
  }
  const rows: readonly Row[] = [
    { name: 'this machine', api: 200, metrics: 200 },
    { name: 'this machine, by the name localhost', headers: { host: 'localhost:8080' }, api: 200, metrics: 200 },
    {
      name: 'a page that has this machine’s address under its own name',
      headers: { host: 'evil.example' },
      api: 403,
      metrics: 200,
    },
    { name: 'elsewhere', from: 'outside', api: 403, metrics: 403 },
    {
      name: 'elsewhere, with a lie',
      from: 'outside',
      headers: forwarded('127.0.0.1', 'https'),
      api: 403,
      metrics: 403,
    },
    {
      name: 'a proxy on this machine that is not trusted',
      headers: forwarded('192.0.2.1', 'https'),
      api: 403,
      metrics: 403,
    },
    {
      name: 'a trusted proxy that speaks TLS',
      trusted: ['loopback'],
      headers: forwarded('192.0.2.1', 'https'),
      api: 200,
      metrics: 403,
    },
    {
      name: 'a trusted proxy that does not',
      trusted: ['loopback'],
      headers: forwarded('192.0.2.1', 'http'),
      api: 403,
      metrics: 403,
    },
    {
      name: 'a trusted proxy, for this machine itself',
      trusted: ['loopback'],
      headers: forwarded('127.0.0.1', 'http'),
      api: 200,
      metrics: 200,
    },
  ]
  for (const { name, trusted = [], from, headers = {}, api, metrics } of rows) {
    test(`${name}: API ${api}, metrics ${metrics}`, { skip: from === 'outside' && outer === undefined }, async (t) => {
      const server = await listenForControl({
        trustedProxy: trusted,
        host: from === 'outside' ? (outer ?? '') : '127.0.0.1',
      })
      t.after(() => server.close())
      const answer = await ask(server.url, '/api/v2/tailnet/-/devices', headers)
      assert.equal(answer.status, api)
      assert.equal((await ask(server.url, '/scim/v2/Users', headers)).status, api, 'directories')
      // Who comes through a proxy is not told what is behind it.
      const here = Object.keys(headers).includes('x-forwarded-for') ? 'on' : `at http://127.0.0.1:${server.port}`
      if (api === 403) {
        const { message } = JSON.parse(answer.text) as { message: string }
        if (headers['host'] !== undefined) assert.match(message, /localhost/)
        else assert.ok(message.endsWith(here === 'on' ? 'on the machine itself' : here), message)
      }
      const read = await ask(server.url, '/metrics', headers)
      assert.equal(read.status, metrics)
      if (metrics === 403) assert.ok(read.text.endsWith(here === 'on' ? 'on it\n' : `${here}/metrics\n`), read.text)
    })
  }
})

test('a certificate and a key that can’t be used are refused with words of our own', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sett-tls-'))
  try {
    const [one, two] = [makeSelfSigned(['127.0.0.1'], new Date()), makeSelfSigned(['127.0.0.1'], new Date())]
    const rows = [
      { cert: one.key, key: one.key, says: /there is no certificate in the first/ },
      { cert: one.cert, key: one.cert, says: /there is no private key in the second/ },
      { cert: one.cert, key: two.key, says: /the key is of another certificate/ },
      { cert: one.cert.replace(/M/, '"'), key: one.key, says: /one of them is damaged/ },
    ]
    for (const { cert, key, says } of rows) {
      const tls = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
      writeFileSync(tls.cert, cert)
      writeFileSync(tls.key, key)
      await assert.rejects(listenForControl({ tls }), { code: 'config/invalid', message: says })
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})

describe('with a certificate', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sett-tls-'))
  const tls = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  let server: TestListener
  before(async () => {
    const { cert, key } = makeSelfSigned(['127.0.0.1'], new Date())
    writeFileSync(tls.cert, cert)
    writeFileSync(tls.key, key)
    server = await listenForControl({
      tls,
      handler: (request, reply) => {
        if (request.path === '/large') reply.answer(200, large)
        else echo(request, reply)
      },
    })
  })
  after(async () => {
    await server.close()
    rmSync(folder, { recursive: true })
  })

  test('2: the upgrade works through TLS', async () => {
    const { publicKey } = JSON.parse((await ask(server.url, '/key?v=120')).text) as { publicKey: `mkey:${string}` }
    const client = await ControlClient.connect({ url: server.url, serverKey: publicKey })
    const answer = await client.request('POST', '/machine/map', new Uint8Array(300_000))
    assert.equal((JSON.parse(answer.text) as { length: number }).length, 300_000)
    const { body } = await client.request('GET', '/large')
    assert.ok(sameBytes(body, large), `${body.length} bytes`)
    client.close()
    await client.closed
  })

  test('the API answers whoever asks', async () => {
    assert.equal((await ask(server.url, '/api/v2/tailnet/-/devices', { host: 'sett.example' })).status, 200)
  })

  test('plain HTTP at its port fails at once', async () => {
    await assert.rejects(ask(server.url.replace('https', 'http'), '/key?v=113'))
  })
})

describe('the pages that people see', () => {
  test('get what lies below /login/, /auth and /ssh-check/, and are told whether anybody could read along', async (t) => {
    const seen: [string | undefined, boolean][] = []
    const server = await listenForControl({
      trustedProxy: ['loopback'],
      site: {
        async pages(req, res, secure) {
          seen.push([req.url, secure])
          res.end('a page')
        },
      },
    })
    t.after(() => server.close())
    for (const path of ['/login/K7WQ2MZX9RTB', '/auth', '/auth/callback?state=x', '/ssh-check/k7wq2mzx9rtb'])
      await ask(server.url, path)
    await ask(server.url, '/auth/start/x', { 'x-forwarded-for': '192.0.2.9' })
    await ask(server.url, '/auth/start/x', { 'x-forwarded-for': '192.0.2.9', 'x-forwarded-proto': 'https' })
    assert.deepEqual(seen, [
      ['/login/K7WQ2MZX9RTB', true],
      ['/auth', true],
      ['/auth/callback?state=x', true],
      ['/ssh-check/k7wq2mzx9rtb', true],
      ['/auth/start/x', false],
      ['/auth/start/x', true],
    ])
    for (const path of ['/login', '/authority', '/auth.js', '/ssh-check'])
      assert.equal((await ask(server.url, path)).status, 404, path)
  })

  test('guessing ends after many tries at once, for each address by itself', async (t) => {
    const now = 0
    const server = await listenForControl({ trustedProxy: ['loopback'], site: { mono: () => now } })
    t.after(() => server.close())
    const visit = async (from: string) =>
      (await ask(server.url, '/login/ABCDEFGHJKLM', { 'x-forwarded-for': from })).status
    for (let i = 0; i < 240; i++) assert.equal(await visit('192.0.2.1'), 200)
    assert.equal(await visit('192.0.2.1'), 429)
    assert.equal(await visit('192.0.2.2'), 200)
  })
})
