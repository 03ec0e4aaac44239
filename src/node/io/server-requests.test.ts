/** A server that wants more than it may have, and how far it gets. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { textOf, utf8 } from '../../base/bytes.ts'
import { nodePrimitives } from '../../crypto/io/node-primitives.ts'
import { FakeBackend } from '../../../test/support/fake-backend.ts'
import { C2N_NAMES } from '../c2n/c2n.ts'
import { NO_CEILING, readCeiling } from '../ceiling/ceiling.ts'
import type { Ceiling } from '../ceiling/ceiling.ts'
import { answerServer } from './server-requests.ts'

const ALLOWING = readCeiling('{"c2n": {"allow": ["remoteapi"]}}', '/x', C2N_NAMES)
const PATCH = 'PATCH /remoteapi/localapi/v0/prefs HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 41\r\n\r\n'
const BODY = '{"WantRunning":false,"WantRunningSet":true}'

async function ask(
  backend: FakeBackend,
  ceiling: Ceiling,
  raw: string,
  timeoutMs = 10_000,
): Promise<string | undefined> {
  const failed = (error: unknown): void => assert.fail(String(error))
  const answer = await answerServer({ backend, ceiling, random: nodePrimitives.random, failed }, utf8(raw), timeoutMs)
  return answer && textOf(answer)
}
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: unused\r\n\r\n`
const patch = PATCH.replace('41', String(BODY.length)) + BODY

test('it sees what helps to find faults, and no key', async () => {
  for (const path of ['/debug/prefs', '/debug/netmap', '/debug/health', '/debug/metrics']) {
    const said = (await ask(new FakeBackend(), NO_CEILING, get(path))) ?? ''
    assert.match(said, /^HTTP\/1\.1 200 /, path)
    assert.doesNotMatch(said, /(privkey|nlpriv):(?!0+")|tskey-/, path)
  }
})

test('it changes preferences only where file and user both let it', async () => {
  const rows = [
    { ceiling: NO_CEILING, RemoteConfig: false, status: 403 },
    { ceiling: NO_CEILING, RemoteConfig: true, status: 403 },
    { ceiling: ALLOWING, RemoteConfig: false, status: 403 },
    { ceiling: { ...ALLOWING, c2nForbids: new Set(['*']) }, RemoteConfig: true, status: 403 },
    { ceiling: ALLOWING, RemoteConfig: true, status: 200 },
  ]
  for (const { ceiling, RemoteConfig, status } of rows) {
    const backend = new FakeBackend()
    backend.now = { ...backend.now, RemoteConfig, WantRunning: true }
    assert.match((await ask(backend, ceiling, patch)) ?? '', new RegExp(`^HTTP/1\\.1 ${status} `))
    assert.equal(backend.prefs().WantRunning, status !== 200)
  }
})

test('streams are not told from afar, and what takes too long has no answer', async () => {
  const backend = new FakeBackend()
  backend.now = { ...backend.now, RemoteConfig: true }
  assert.match((await ask(backend, ALLOWING, get('/remoteapi/localapi/v0/watch-ipn-bus'))) ?? '', /^HTTP\/1\.1 501 /)
  backend.ping = () => new Promise(() => {})
  const ping = 'POST /remoteapi/localapi/v0/ping?ip=100.64.0.2&type=disco HTTP/1.1\r\n\r\n'
  assert.equal(await ask(backend, ALLOWING, ping, 5), undefined)
})
