import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { NEVER } from '../../base/clock.ts'
import type { Mono, Wall } from '../../base/clock.ts'
import { Health } from './health.ts'
import { WARNABLES } from './warnables.ts'
import type { WarnableCode } from './warnables.ts'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()
const at = (ms: number) => ({ mono: ms as Mono, wall: (1_790_000_000_000 + ms) as Wall })
const codes = (health: Health, ms: number) => Object.keys(health.state(ms as Mono).Warnings)

test('severities, delays and impact are those that scripts know', () => {
  const rows: readonly (readonly [WarnableCode, string, boolean, number])[] = [
    ['warming-up', 'low', false, 0],
    ['network-status', 'medium', true, 5_000],
    ['wantrunning-false', 'low', false, 0],
    ['login-state', 'medium', false, 0],
    ['not-in-map-poll', 'medium', false, 480_000],
    ['no-derp-home', 'medium', true, 10_000],
    ['no-derp-connection', 'medium', true, 10_000],
    ['derp-region-error', 'low', false, 0],
    ['no-udp4-bind', 'medium', true, 0],
    ['dns-forward-failing', 'medium', true, 15_000],
    ['ip-forwarding-off', 'medium', true, 0],
    ['invalid-packet-filter', 'high', false, 0],
    ['state-store-health', 'high', true, 0],
    ['sync-disabled', 'high', false, 0],
  ]
  for (const [code, severity, impact, after] of rows) {
    const { severity: is, impactsConnectivity = false, visibleAfterMs = 0 } = WARNABLES[code]
    assert.deepEqual([is, impactsConnectivity, visibleAfterMs], [severity, impact, after], code)
  }
  for (const [code, { text, title }] of Object.entries(WARNABLES))
    assert.ok(text({}).length > 10 && !text({}).includes('undefined') && title !== '', code)
})

test('a warning appears after its delay, stays since it began, and goes', () => {
  const health = new Health(sha256)
  assert.equal(health.warn('no-derp-home', at(0)), true)
  assert.equal(health.warn('no-derp-home', at(4_000)), false, 'said again is no news')
  assert.deepEqual(codes(health, 9_999), [])
  assert.equal(health.deadline(0 as Mono), 10_000)
  assert.deepEqual(codes(health, 10_000), ['no-derp-home'])
  assert.equal(health.deadline(10_000 as Mono), NEVER)
  assert.equal(health.state(10_000 as Mono).Warnings['no-derp-home']?.BrokenSince, '2026-09-21T14:13:20Z')
  assert.equal(health.clear('no-derp-home'), true)
  assert.equal(health.clear('no-derp-home'), false)
  assert.deepEqual(codes(health, 20_000), [])
  health.set('no-derp-home', true, at(30_000))
  assert.deepEqual(codes(health, 35_000), [], 'the delay begins anew')
})

test('what is explained by another warning is not told', () => {
  const health = new Health(sha256)
  health.warn('no-udp4-bind', at(0))
  assert.deepEqual(codes(health, 0), ['no-udp4-bind'])
  health.warn('wantrunning-false', at(1))
  assert.deepEqual(codes(health, 1), ['wantrunning-false'])
  assert.deepEqual(health.texts(1 as Mono), ['Tailscale is stopped.'])
  health.clear('wantrunning-false')
  assert.deepEqual(codes(health, 2), ['no-udp4-bind'])
})

test('other facts make another text and another tag, not another beginning', () => {
  const health = new Health(sha256)
  health.warn('derp-region-error', at(0), { 'derp-region-id': '1', error: 'full' })
  const before = health.state(0 as Mono).Warnings['derp-region-error']
  assert.equal(health.warn('derp-region-error', at(5), { 'derp-region-id': '1', error: 'down' }), true)
  const after = health.state(5 as Mono).Warnings['derp-region-error']
  assert.notEqual(before?.ETag, after?.ETag)
  assert.equal(before?.BrokenSince, after?.BrokenSince)
  assert.deepEqual(after?.Args, { 'derp-region-id': '1', error: 'down' })
})

test('what the server says is told beside our own', () => {
  const health = new Health(sha256)
  health.warn('no-udp4-bind', at(0))
  health.setMessages(
    new Map([
      [
        'pay',
        {
          Title: 'Bill',
          Text: 'Pay it',
          Severity: 'strange',
          PrimaryAction: { URL: 'https://x.example', Label: 'Pay' },
        },
      ],
      ['short', { Title: 'Only a title', Text: '', Severity: 'high' }],
    ]),
  )
  const { Warnings } = health.state(0 as Mono)
  assert.equal(Warnings['control-health.pay']?.Severity, 'medium')
  assert.deepEqual(health.texts(0 as Mono).slice(1), ['Bill: Pay it Pay: https://x.example', 'Only a title.'])
  health.setMessages(new Map())
  assert.equal(health.texts(0 as Mono).length, 1)
})
