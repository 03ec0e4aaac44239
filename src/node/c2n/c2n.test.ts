import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { anyText } from '../../../test/support/any-text.ts'
import { textOf, utf8 } from '../../base/bytes.ts'
import { answerC2n, C2N_NAMES } from './c2n.ts'
import type { C2nBackend } from './c2n.ts'
import { readRequest } from './raw-http.ts'

const asked: string[] = []
const backend = (part: Partial<C2nBackend> = {}): C2nBackend => ({
  prefs: () => ({ WantRunning: true }),
  health: () => ({ Warnings: {} }),
  netmap: () => ({ SelfNode: { ID: 1 }, Peers: [], Domain: 'example.net' }),
  metrics: () => 'settd_health_messages 0\n',
  allowsRemoteConfig: false,
  localApi: async ({ method }, path) => {
    asked.push(`${method} ${path}`)
    return { status: 200, type: 'application/json', body: utf8('{}') }
  },
  mayDo: ({ changes }) => !changes,
  ...part,
})

const said = async (
  raw: string,
  part: Partial<C2nBackend> = {},
): Promise<{ status: number; head: string; body: string }> => {
  const text = textOf(await answerC2n(utf8(raw), backend(part))) ?? ''
  const end = text.indexOf('\r\n\r\n')
  const [, status] = /^HTTP\/1\.1 (\d{3}) [A-Z]/.exec(text) ?? []
  return { status: Number(status), head: text.slice(0, end), body: text.slice(end + 4) }
}
const request = (method: string, target: string, body = ''): string =>
  `${method} ${target} HTTP/1.1\r\nHost: unused\r\nContent-Length: ${utf8(body).length}\r\n\r\n${body}`

test('each request is answered as official nodes answer it', async () => {
  const rows = [
    { method: 'POST', target: '/echo', body: 'grüezi', status: 200, says: /^grüezi$/ },
    { method: 'GET', target: '/echo', body: 'x', status: 200, says: /^x$/ },
    { method: 'POST', target: '/logtail/flush', status: 204, says: /^$/ },
    { method: 'GET', target: '/logtail/flush', status: 405, says: /bad method/ },
    { method: 'GET', target: '/debug/prefs', status: 200, says: /"WantRunning":true/ },
    { method: 'POST', target: '/debug/prefs', status: 405, says: /bad method/ },
    { method: 'GET', target: '/debug/metrics', status: 200, says: /settd_health_messages 0/ },
    { method: 'GET', target: '/debug/health', status: 200, says: /"Warnings":\{\}/ },
    { method: 'GET', target: '/debug/netmap', status: 200, says: /"current":\{.*"Domain":"example.net"/ },
    {
      method: 'POST',
      target: '/debug/netmap',
      body: '{"omitFields":["Domain"]}',
      status: 200,
      says: /^\{"current":\{"SelfNode":\{"ID":1\},"Peers":\[\]\}\}\n$/,
    },
    { method: 'POST', target: '/debug/netmap', body: '{"omitFields":7}', status: 400, says: /malformed/ },
    { method: 'POST', target: '/debug/netmap', body: '{', status: 400, says: /malformed/ },
    { method: 'GET', target: '/update', status: 200, says: /"Enabled":false,"Supported":false,"Started":false/ },
    { method: 'GET', target: '/vip-services', status: 200, says: /"ServicesHash":""/ },
    { method: 'GET', target: '/', status: 400, says: /^unknown c2n path\n$/ },
    { method: 'GET', target: '/echo/', status: 400, says: /^unknown c2n path\n$/ },
    { method: 'GET', target: '/ssh/usernames', status: 400, says: /^unknown c2n path\n$/ },
    { method: 'POST', target: '/wol?mac=00:00:00:00:00:00', status: 400, says: /^unknown c2n path\n$/ },
  ]
  for (const { method, target, body = '', status, says } of rows) {
    const answer = await said(request(method, target, body))
    assert.equal(answer.status, status, `${method} ${target}`)
    assert.match(answer.body, says, `${method} ${target}`)
  }
  assert.equal((await said(request('GET', '/debug/netmap'), { netmap: () => undefined })).status, 500)
})

test('nothing that changes this machine is done for a server, unless machine and user both want it', async () => {
  assert.deepEqual(C2N_NAMES.changing, ['remoteapi'])
  asked.length = 0
  const patch = request('PATCH', '/remoteapi/localapi/v0/prefs', '{"WantRunning":false}')
  const rows = [
    { mayDo: () => false, allowsRemoteConfig: false, status: 403 },
    { mayDo: () => false, allowsRemoteConfig: true, status: 403 },
    { mayDo: () => true, allowsRemoteConfig: false, status: 403 },
  ]
  for (const { status, ...part } of rows) assert.equal((await said(patch, part)).status, status)
  for (const target of ['/remoteapi/', '/remoteapi', '/localapi/v0/prefs', '/remoteapi/../localapi/v0/prefs'])
    assert.equal((await said(request('PATCH', target), { mayDo: () => true, allowsRemoteConfig: true })).status, 400)
  assert.deepEqual(asked, [])
  assert.equal((await said(patch, { mayDo: () => true, allowsRemoteConfig: true })).status, 200)
  assert.deepEqual(asked, ['PATCH /localapi/v0/prefs'])
})

test('a request that is forbidden is not carried out, whatever it is', async () => {
  for (const target of ['/echo', '/debug/prefs', '/debug/netmap', '/debug/health', '/debug/metrics'])
    assert.deepEqual(
      [await said(request('GET', target), { mayDo: () => false })].map(({ status, body }) => [
        status,
        /off on this/.test(body),
      ]),
      [[403, true]],
    )
})

test('requests are read by their length or in chunks, and nothing is guessed', () => {
  const rows: readonly (readonly [string, string | undefined])[] = [
    [request('POST', '/echo', 'abc'), 'abc'],
    ['GET /echo HTTP/1.0\r\n\r\n', ''],
    ['POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n', 'abcde'],
    ['POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab', undefined],
    ['POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', undefined],
    ['POST /echo HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n', undefined],
    ['POST /echo HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc', undefined],
    ['POST /echo HTTP/1.1\r\nContent-Length: -1\r\n\r\nabc', undefined],
    ['POST /echo HTTP/1.1\r\nContent-Length: 3', undefined],
    ['POST /echo HTTP/2.0\r\n\r\n', undefined],
    ['POST echo HTTP/1.1\r\n\r\n', undefined],
    ['POST /a b HTTP/1.1\r\n\r\n', undefined],
    ['GET /echo HTTP/1.1\r\nBad Name: x\r\n\r\n', undefined],
    ['GET /echo HTTP/1.1\r\n folded\r\n\r\n', undefined],
    ['', undefined],
  ]
  for (const [raw, want] of rows) {
    const read = readRequest(utf8(raw))
    assert.equal(read && textOf(read.body), want, JSON.stringify(raw))
  }
  assert.deepEqual(
    [...(readRequest(utf8(request('GET', '/a?x=1%20b&x=2&y&=z&%zz=1')))?.query ?? [])],
    [
      ['x', '1 b'],
      ['y', ''],
    ],
  )
})

test('whatever a server sends, there is one whole answer', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.uint8Array({ maxLength: 400 }),
        anyText({ maxLength: 60 }).map((text) => utf8(request('POST', `/${text}`, text))),
        fc.string({ maxLength: 60 }).map((text) => utf8(`POST /echo HTTP/1.1\r\n${text}\r\n\r\n`)),
      ),
      async (raw) => {
        const answer = textOf((await answerC2n(raw, backend())).slice(0, 60)) ?? 'HTTP/1.1 200 '
        assert.match(answer, /^HTTP\/1\.1 (200|204|400|403|405|500) /)
      },
    ),
    { numRuns: 300 },
  )
})
