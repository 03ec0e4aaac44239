/** The port in clear text beside TLS: what is answered there, and where everything else is sent. */

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { createPlainPort } from './plain-port.ts'

let missing: string | undefined
const server = createServer(
  createPlainPort({
    url: () => 'https://sett.example.com:9443',
    proof: (token) => (token === 'abc' ? 'abc.thumbprint' : undefined),
    missing: () => missing,
    upgradeFault: () => 'missing or undecodable X-Tailscale-Handshake',
  }),
).listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo
after(() => {
  server.close()
  server.closeAllConnections()
})

/** As `fetch`, with a target that may be anything. */
function ask(method: string, path: string, headers: Readonly<Record<string, string>> = {}) {
  return new Promise<{ status: number; text: string; location: string | undefined; headers: object }>(
    (resolve, reject) => {
      const call = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (res) => {
        let text = ''
        res.setEncoding('utf8').on('data', (piece: string) => (text += piece))
        res.on('end', () =>
          resolve({ status: res.statusCode ?? 0, text, location: res.headers.location, headers: res.headers }),
        )
      })
      call.on('error', reject)
      call.end()
    },
  )
}

test('everything that is read is at the other port, and nobody is led to another host', async () => {
  const there = 'https://sett.example.com:9443'
  const rows: readonly (readonly [string, string])[] = [
    ['/', '/'],
    ['/login/abc?x=%0d%0ay', '/login/abc?x=%0d%0ay'],
    ['//other.example/', '/'],
    ['http://other.example/', '/'],
    ['/.well-known/other', '/.well-known/other'],
  ]
  for (const [path, want] of rows) {
    const { status, location } = await ask('GET', path)
    assert.deepEqual([status, location], [307, `${there}${want}`], path)
  }
  assert.equal((await ask('HEAD', '/')).status, 307)
})

test('while there is no certificate it says so, and leads nobody to a warning', async (t) => {
  missing = 'there is no certificate yet'
  t.after(() => (missing = undefined))
  const { status, text, location } = await ask('GET', '/')
  assert.deepEqual([status, text, location], [503, 'there is no certificate yet\n', undefined])
  assert.equal((await ask('GET', '/.well-known/acme-challenge/abc')).status, 200)
})

test('proofs, the check for captive portals, and no long wait for what is not taken', async () => {
  const proof = await ask('GET', '/.well-known/acme-challenge/abc')
  assert.deepEqual([proof.status, proof.text], [200, 'abc.thumbprint'])
  for (const token of ['', 'other', 'abc/', '../abc']) {
    assert.equal((await ask('GET', `/.well-known/acme-challenge/${token}`)).status, 404, token)
  }
  const check = await ask('GET', '/generate_204', { 'x-tailscale-challenge': 'ts_abc' })
  assert.equal(check.status, 204)
  assert.equal((check.headers as Record<string, string>)['x-tailscale-response'], 'response ts_abc')
  assert.equal((await ask('POST', '/ts2021')).status, 400)
  assert.match((await ask('POST', '/api/v2/x')).text, /use https:\/\/sett\.example\.com:9443/)
})
