import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Mono } from '../../base/clock.ts'
import { FakeBackend, PEER, RUNNING } from '../../../test/support/fake-backend.ts'
import { maskRefusal } from './bus.ts'
import type { Notice } from './notice.ts'

const MONO = 0 as Mono
type Line = Readonly<Record<string, unknown>>

function watch(backend: FakeBackend, mask: number) {
  const lines: Line[] = []
  const send = (line: string) => {
    assert.match(line, /^[^\n]*\n$/, 'one line each')
    lines.push(JSON.parse(line) as Line)
    return true
  }
  const stop = backend.bus.watch({ mask, sessionId: '0123456789abcdef', send }, backend.busStart())
  return { lines, stop }
}

/** Members that say something. */
const said = (line: Line | undefined) =>
  Object.entries(line ?? {}).flatMap(([name, value]) => (value === null || name === 'Version' ? [] : [name]))

test('what each bit brings at the start', () => {
  const rows: readonly (readonly [number, readonly string[] | undefined])[] = [
    [0, undefined],
    [1 << 0, undefined],
    [1 << 1, ['SessionID', 'State']],
    [1 << 2, ['Prefs']],
    [1 << 3, ['SelfChange', 'NetMap']],
    [(1 << 3) | (1 << 13), ['SelfChange']],
    [1 << 4, undefined],
    [1 << 7, ['Health']],
    [1 << 12, undefined],
    [1 << 14, ['InitialStatus']],
    [(1 << 1) | (1 << 2) | (1 << 7), ['SessionID', 'State', 'Prefs', 'Health']],
  ]
  const backend = new FakeBackend()
  for (const [mask, want] of rows) {
    const { lines, stop } = watch(backend, mask)
    assert.equal(lines.length, want === undefined ? 0 : 1, `mask ${mask}`)
    assert.deepEqual(said(lines[0]).sort(), [...(want ?? [])].sort(), `mask ${mask}`)
    stop()
  }
  assert.ok(backend.bus.isQuiet)
})

test('a login link that waits is told at once', () => {
  const backend = new FakeBackend()
  backend.seen = { ...RUNNING, state: 'NeedsLogin', authUrl: 'https://x.example/a/1' }
  assert.equal(watch(backend, 2).lines[0]?.['BrowseToURL'], 'https://x.example/a/1')
})

test('what each kind of news needs in the mask', () => {
  const rows: readonly (readonly [Notice, number, readonly string[]])[] = [
    [{ state: 'Running' }, 0, ['State']],
    [{ prefs: new FakeBackend().now }, 0, ['Prefs']],
    [{ error: 'no' }, 0, ['ErrMessage']],
    [{ browseToUrl: 'https://x.example' }, 0, ['BrowseToURL']],
    [{ loginFinished: true }, 0, ['LoginFinished']],
    [{ self: PEER }, 0, ['SelfChange']],
    [{ engine: { rxBytes: 1, txBytes: 2, livePeers: 3, liveRelays: 4 } }, 0, []],
    [{ engine: { rxBytes: 1, txBytes: 2, livePeers: 3, liveRelays: 4 } }, 1 << 0, ['Engine']],
    [{ health: { Warnings: {} } }, 0, []],
    [{ health: { Warnings: {} } }, 1 << 7, ['Health']],
    [{ peersChanged: [PEER], peersRemoved: [9] }, 1 << 7, []],
    [{ peersChanged: [PEER], peersRemoved: [9] }, 1 << 12, ['PeersChanged', 'PeersRemoved']],
    [{ state: 'Stopped', peersRemoved: [9] }, 0, ['State']],
  ]
  for (const [notice, mask, want] of rows) {
    const backend = new FakeBackend()
    const { lines } = watch(backend, mask)
    const before = lines.length
    backend.bus.publish(notice, MONO)
    assert.deepEqual(lines.slice(before).flatMap(said), want, `${JSON.stringify(notice).slice(0, 40)} with ${mask}`)
  }
})

test('peers are named as within their tailnet', () => {
  const backend = new FakeBackend()
  const { lines } = watch(backend, 1 << 12)
  backend.bus.publish({ peersChanged: [PEER], suffix: 'tail-scale.ts.net' }, MONO)
  backend.bus.publish({ suffix: 'tail-scale.ts.net' }, MONO)
  assert.equal(lines.length, 1)
  const { PeersChanged } = lines[0] as { PeersChanged?: { ComputedName: string }[] }
  assert.equal(PeersChanged?.[0]?.ComputedName, 'beta')
})

test('state is a number, and keys are zeros', () => {
  const backend = new FakeBackend()
  const { lines } = watch(backend, 0)
  backend.bus.publish({ state: 'Running', prefs: backend.now }, MONO)
  assert.equal(lines[0]?.['State'], 6)
  const config = (lines[0] as { Prefs?: { Config: Record<string, string> } }).Prefs?.Config ?? {}
  assert.match(config['PrivateNodeKey'] ?? '', /^privkey:0{64}$/)
  assert.match(config['NetworkLockKey'] ?? '', /^nlpriv:0{128}$/)
})

test('few engine updates reach those who want few; other news is not held back', () => {
  const backend = new FakeBackend()
  const [few, all] = [watch(backend, (1 << 0) | (1 << 8)), watch(backend, 1 << 0)]
  for (let ms = 0; ms <= 6_000; ms += 500)
    backend.bus.publish({ engine: { rxBytes: ms, txBytes: 0, livePeers: 0, liveRelays: 0 } }, ms as Mono)
  backend.bus.publish(
    { state: 'Stopped', engine: { rxBytes: 7_000, txBytes: 0, livePeers: 0, liveRelays: 0 } },
    6_100 as Mono,
  )
  assert.equal(all.lines.length, 14)
  assert.deepEqual(few.lines.map(said), [['Engine'], ['Engine'], ['Engine'], ['State']])
})

test('who does not read, or has gone, is told nothing more, and disturbs nobody', () => {
  const backend = new FakeBackend()
  let told = 0
  const deaf = { mask: 0, sessionId: '', send: () => (told++, false) }
  backend.bus.watch(deaf, backend.busStart())
  const { lines, stop } = watch(backend, 0)
  backend.bus.publish({ state: 'Running' }, MONO)
  backend.bus.publish({ state: 'Stopped' }, MONO)
  assert.deepEqual([told, lines.length], [1, 2])
  stop()
  stop()
  backend.bus.publish({ state: 'Running' }, MONO)
  assert.equal(lines.length, 2)
  assert.ok(backend.bus.isQuiet)
})

test('who wants what, so that nothing costly is made for nobody', () => {
  const backend = new FakeBackend()
  assert.deepEqual([backend.bus.wantsPeers, backend.bus.wantsEngine], [false, false])
  watch(backend, 1 << 12)
  assert.deepEqual([backend.bus.wantsPeers, backend.bus.wantsEngine], [true, false])
  watch(backend, 1)
  assert.deepEqual([backend.bus.wantsPeers, backend.bus.wantsEngine], [true, true])
})

test('masks that are not to be had', () => {
  for (const bit of [12, 13, 14, 15]) assert.match(maskRefusal((1 << 8) | (1 << bit)) ?? '', /rate limiting/)
  assert.match(maskRefusal(1 << 16) ?? '', /within the daemon/)
  for (const mask of [NaN, -1, 1.5, 2 ** 60]) assert.ok(maskRefusal(mask) !== undefined, String(mask))
  for (const mask of [0, 2, 30, 142, 258, 4 << 16]) assert.equal(maskRefusal(mask), undefined)
})
