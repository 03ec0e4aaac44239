/** The typed client: what it sends, and what becomes of what comes back. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MeshError } from '../base/errors.ts'
import { Secret } from '../base/secret.ts'
import { createClient, Refused } from './client.ts'
import type { Fetch } from './client.ts'

interface Sent {
  readonly url: string
  readonly method: string
  readonly headers: Record<string, string>
  readonly body?: string
}

/** A server that answers everything alike, and what it was asked. */
function answering(status: number, text: string, headers: Record<string, string> = {}) {
  const sent: Sent[] = []
  const fetch: Fetch = async (url, request) => {
    sent.push({ url, ...request })
    return { status, headers: new Headers(headers), text: async () => text }
  }
  return { sent, fetch }
}

test('members go where the route has them, encoded once', async () => {
  const { sent, fetch } = answering(200, '{"devices":[]}')
  const client = createClient({ url: 'https://sett.test/base/', token: new Secret('tskey-api-k-s'), fetch })
  await client.listDevices({ tailnet: 'a/b c', fields: 'all', tags: ['tag:a', 'tag:b'] })
  assert.deepEqual(sent, [
    {
      url: 'https://sett.test/base/api/v2/tailnet/a%2Fb%20c/devices?fields=all&tags=tag%3Aa&tags=tag%3Ab',
      method: 'GET',
      headers: { accept: 'application/json', authorization: 'Bearer tskey-api-k-s' },
    },
  ])
})

test('a body is sent as JSON, and one that may be empty is {}', async () => {
  const { sent, fetch } = answering(200, '')
  const client = createClient({ url: 'http://sett', fetch })
  assert.equal(await client.setDeviceName({ deviceId: 'n1', body: { name: 'web' } }), undefined)
  assert.deepEqual(sent[0], {
    url: 'http://sett/api/v2/device/n1/name',
    method: 'POST',
    headers: { accept: 'application/json', 'content-type': 'application/json' },
    body: '{"name":"web"}',
  })
  await client.expireDevice({ deviceId: 'n1' })
  assert.equal(sent[1]?.body, undefined)
})

test('a policy goes out and comes back as a text, its tag beside it', async () => {
  const { sent, fetch } = answering(200, '{"acls": []}\n', { 'content-type': 'application/hujson', etag: '"ab"' })
  const client = createClient({ url: 'http://sett', fetch })
  assert.deepEqual(await client.getPolicy({ tailnet: '-' }), { text: '{"acls": []}\n', etag: '"ab"' })
  const saved = await client.setPolicy({
    tailnet: '-',
    body: '{"acls":[]}',
    comment: 'why not',
    headers: { 'if-match': '"cd"' },
  })
  assert.deepEqual(saved, { text: '{"acls": []}\n', etag: '"ab"' })
  assert.deepEqual(sent, [
    { url: 'http://sett/api/v2/tailnet/-/acl', method: 'GET', headers: { accept: 'application/hujson' } },
    {
      url: 'http://sett/api/v2/tailnet/-/acl?comment=why+not',
      method: 'POST',
      headers: { accept: 'application/hujson', 'if-match': '"cd"', 'content-type': 'application/hujson' },
      body: '{"acls":[]}',
    },
  ])
})

test('an answer may be empty where that says something', async () => {
  const { fetch } = answering(200, '')
  assert.equal(
    await createClient({ url: 'http://sett', fetch }).validatePolicy({ tailnet: '-', body: '[]' }),
    undefined,
  )
  await assert.rejects(createClient({ url: 'http://sett', fetch }).getDevice({ deviceId: 'n1' }), {
    code: 'api/unreachable',
  })
})

test('a refusal has the status and the server’s words; what is no server is said to be none', async () => {
  const rows = [
    { status: 404, text: '{"message":"device not found"}', code: 'api/refused', message: /^device not found$/ },
    { status: 502, text: '<html>', code: 'api/refused', message: /status 502/ },
    { status: 400, text: '[]', code: 'api/refused', message: /status 400/ },
    { status: 200, text: '<html>', code: 'api/unreachable', message: /no Sett server/ },
    { status: 200, text: '{"id":7}', code: 'api/unreachable', message: /its answer\.addresses/ },
  ]
  for (const { status, text, code, message } of rows) {
    const { fetch } = answering(status, text)
    await assert.rejects(createClient({ url: 'http://sett', fetch }).getDevice({ deviceId: 'n1' }), (error) => {
      assert.ok(error instanceof MeshError)
      assert.equal(error.code, code)
      assert.match(error.message, message)
      if (error instanceof Refused) assert.equal(error.status, status)
      return true
    })
  }
})

test('a server that cannot be reached is said to be so, with the reason', async () => {
  const fetch: Fetch = async () => {
    throw new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED 192.0.2.1:443') })
  }
  await assert.rejects(createClient({ url: 'https://sett.test', fetch }).getStatus(), {
    code: 'api/unreachable',
    message: 'Cannot reach the server at https://sett.test: connect ECONNREFUSED 192.0.2.1:443',
  })
})

test('what is larger than servers take is refused before it is sent, in bytes', async () => {
  const { sent, fetch } = answering(200, '{}', { 'content-type': 'application/hujson', etag: '"ab"' })
  const client = createClient({ url: 'http://sett', fetch })
  const policy = (size: number) => client.setPolicy({ tailnet: '-', body: `"${'é'.repeat((size - 2) / 2)}"` })
  await policy(1 << 20)
  await assert.rejects(policy((1 << 20) + 2), (error: unknown) => {
    assert.ok(error instanceof Refused)
    assert.equal(error.status, 413)
    assert.match(error.message, /^The policy is 1048578 bytes, and 1048576 is the most .* groups/)
    return true
  })
  const name = 'x'.repeat(1 << 20)
  await assert.rejects(client.setDeviceName({ deviceId: 'n1', body: { name } }), /The request is 1048587 bytes/)
  assert.equal(sent.length, 1)
})
