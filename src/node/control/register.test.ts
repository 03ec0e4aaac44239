/** What answers to a registration come to (control.md §4.2, §4.5). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../../base/bytes.ts'
import type { Wall } from '../../base/clock.ts'
import { parseServerAddress } from './dial.ts'
import { isUsableLink, readOutcome, retryAfterMs } from './register.ts'

const WALL = Date.UTC(2026, 6, 1) as Wall
const SERVER = parseServerAddress('https://h.example')

test('outcomes, in the order in which an answer is looked at', () => {
  const everything = { Error: 'no', NodeKeySignature: 'AQID', NodeKeyExpired: true, AuthURL: 'https://h.example/a' }
  const { Error: _, ...noError } = everything
  const { NodeKeySignature: __, ...noSignature } = noError
  const { NodeKeyExpired: ___, ...link } = noSignature
  const rows: readonly (readonly [string, number, unknown, object])[] = [
    ['too many', 429, everything, { kind: 'wait', ms: 7000 }],
    ['an error status', 500, everything, { kind: 'failed' }],
    ['an error', 200, everything, { kind: 'refused', message: 'no' }],
    ['a signature', 200, noError, { kind: 'locked' }],
    ['an expired key', 200, noSignature, { kind: 'key-expired' }],
    ['a link', 200, link, { kind: 'log-in', url: 'https://h.example/a' }],
    ['a link elsewhere', 200, { AuthURL: 'http://h.example/a' }, { kind: 'refused' }],
    ['success', 200, { Login: { ID: 4, LoginName: 'a@b' } }, { kind: 'joined' }],
    ['nothing at all', 200, {}, { kind: 'joined' }],
    ['another kind of member', 200, { Error: 5 }, { kind: 'failed' }],
    ['no object', 200, [], { kind: 'failed' }],
  ]
  for (const [name, status, body, want] of rows) {
    const headers = [['retry-after', '7']] as const
    const outcome = readOutcome({ status, headers, body: utf8(JSON.stringify(body)) }, SERVER, WALL)
    assert.deepEqual({ ...outcome, ...want }, outcome, name)
  }
  const long = readOutcome({ status: 503, headers: [], body: utf8('x'.repeat(5000)) }, SERVER, WALL)
  assert.ok(long.kind === 'failed' && long.message.length < 250)
})

test('links that a person may be sent to', () => {
  const plain = parseServerAddress('http://h.example')
  const hosted = parseServerAddress('https://login.tailscale.com')
  const rows = [
    [SERVER, 'https://elsewhere.example/a/b?c', true],
    [SERVER, 'http://h.example/a', false],
    [plain, 'http://h.example:8080/a', true],
    [plain, 'https://[2001:db8::1]/a', true],
    [hosted, 'https://login.tailscale.com/a/1', true],
    [hosted, 'https://tailscale.com.evil.example/a', false],
    [hosted, 'https://eviltailscale.com/a', false],
    [hosted, 'https://evil.example/#.tailscale.com', false],
    [hosted, 'https://user@login.tailscale.com/', false],
    [SERVER, 'javascript:alert(1)', false],
    [SERVER, 'file:///etc/passwd', false],
    [SERVER, 'https://h.example/a b', false],
    [SERVER, 'https://h.example/\u001b[2J', false],
    [SERVER, '', false],
  ] as const
  for (const [server, url, want] of rows) assert.equal(isUsableLink(url, server), want, `${server.url} ${url}`)
})

test('when to come back', () => {
  const rows = [
    ['30', 30_000],
    ['3600', 3_600_000],
    ['3601', undefined],
    ['0', undefined],
    ['-1', undefined],
    ['', undefined],
    ['Wed, 01 Jul 2026 00:01:00 GMT', 60_000],
    ['Tue, 30 Jun 2026 00:01:00 GMT', undefined],
    ['Wed, 32 Jul 2026 00:01:00 GMT', undefined],
  ] as const
  for (const [text, want] of rows) assert.equal(retryAfterMs(text, WALL), want, text)
})
