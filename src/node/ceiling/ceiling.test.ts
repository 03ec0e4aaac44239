import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MeshError } from '../../base/errors.ts'
import { allowsC2n, FORBIDDABLE, honours, NO_CEILING, readCeiling, underCeiling, whyForbidden } from './ceiling.ts'
import type { Ceiling, CeilingPrefs, Forbiddable } from './ceiling.ts'

const C2N = { all: ['echo', 'debug/prefs', 'update'], changing: ['update'] }
const FILE = '/etc/sett/ceiling.json'
const read = (value: unknown): Ceiling => readCeiling(JSON.stringify(value), FILE, C2N)
const MODEST: CeilingPrefs = {
  RunSSH: false,
  RouteAll: false,
  ExitNodeID: '',
  ExitNodeIP: '',
  AutoExitNode: '',
  InternalExitNodePrior: '',
  AdvertiseRoutes: null,
  RemoteConfig: false,
}

const ROWS: readonly { what: Forbiddable; prefs: Partial<CeilingPrefs>; left: Partial<CeilingPrefs> }[] = [
  { what: 'ssh', prefs: { RunSSH: true }, left: { RunSSH: false } },
  { what: 'accept-routes', prefs: { RouteAll: true }, left: { RouteAll: false } },
  { what: 'use-exit-node', prefs: { ExitNodeID: 'n1' }, left: { ExitNodeID: '' } },
  { what: 'use-exit-node', prefs: { ExitNodeIP: '100.64.0.2' }, left: { ExitNodeIP: '' } },
  { what: 'use-exit-node', prefs: { AutoExitNode: 'any' }, left: { AutoExitNode: '' } },
  { what: 'use-exit-node', prefs: { InternalExitNodePrior: 'n1' }, left: { InternalExitNodePrior: '' } },
  {
    what: 'offer-exit-node',
    prefs: { AdvertiseRoutes: ['0.0.0.0/0', '10.0.0.0/8', '::/0'] },
    left: { AdvertiseRoutes: ['10.0.0.0/8'] },
  },
  { what: 'offer-exit-node', prefs: { AdvertiseRoutes: ['::/0'] }, left: { AdvertiseRoutes: [] } },
  {
    what: 'advertise-routes',
    prefs: { AdvertiseRoutes: ['0.0.0.0/0', '10.0.0.0/8', '::/0'] },
    left: { AdvertiseRoutes: ['0.0.0.0/0', '::/0'] },
  },
  { what: 'remote-config', prefs: { RemoteConfig: true }, left: { RemoteConfig: false } },
]

test('what is forbidden is refused with the file’s name, and is not in force where it was set before', () => {
  for (const { what, prefs, left } of ROWS) {
    const ceiling = read({ forbid: [what] })
    const asked = { ...MODEST, ...prefs }
    assert.match(whyForbidden(ceiling, asked) ?? '', new RegExp(`forbidden on this machine by ${FILE}\\.$`), what)
    const bounded = underCeiling(ceiling, asked)
    assert.deepEqual(bounded, { ...MODEST, ...left }, what)
    assert.equal(whyForbidden(ceiling, bounded), undefined, what)
    for (const other of Object.keys(FORBIDDABLE) as Forbiddable[]) {
      // Routes and exit nodes are told by one preference.
      if (other === what || /advertise|offer/.test(other)) continue
      assert.equal(underCeiling(read({ forbid: [other] }), asked), asked, `${other} leaves ${what} alone`)
    }
  }
})

test('without a ceiling nothing is forbidden; with all of it, modest preferences stay as they are', () => {
  const all = read({ forbid: Object.keys(FORBIDDABLE) })
  for (const { prefs } of ROWS) {
    const asked = { ...MODEST, ...prefs }
    assert.deepEqual([whyForbidden(NO_CEILING, asked), underCeiling(NO_CEILING, asked)], [undefined, asked])
  }
  assert.deepEqual([whyForbidden(all, MODEST), underCeiling(all, MODEST)], [undefined, MODEST])
})

test('capabilities of what is forbidden do not count, others do', () => {
  const ceiling = read({ forbid: ['ssh', 'file-transfer'] })
  const rows = [
    ['https://tailscale.com/cap/ssh', false],
    ['https://tailscale.com/cap/file-sharing', false],
    ['https://tailscale.com/cap/is-admin', true],
    ['funnel', true],
  ] as const
  for (const [capability, want] of rows) {
    assert.equal(honours(ceiling, capability), want, capability)
    assert.equal(honours(NO_CEILING, capability), true, capability)
  }
})

test('requests of the server’s: what tells something is on, what changes something is off, and the ceiling says else', () => {
  const [echo, prefs, update] = [
    { name: 'echo', changes: false },
    { name: 'debug/prefs', changes: false },
    { name: 'update', changes: true },
  ]
  const rows = [
    { ceiling: NO_CEILING, want: [true, true, false] },
    { ceiling: read({}), want: [true, true, false] },
    { ceiling: read({ c2n: { allow: ['update'] } }), want: [true, true, true] },
    { ceiling: read({ c2n: { forbid: ['debug/prefs'] } }), want: [true, false, false] },
    { ceiling: read({ c2n: { forbid: ['update'], allow: ['update'] } }), want: [true, true, false] },
    { ceiling: read({ c2n: { forbid: ['*'], allow: ['update'] } }), want: [false, false, false] },
  ]
  for (const { ceiling, want } of rows)
    assert.deepEqual(
      [echo, prefs, update].map((verb) => allowsC2n(ceiling, verb)),
      want,
    )
})

test('a file that can’t be taken by its word is refused: what it was to forbid would be allowed', () => {
  const rows = [
    ['', /JSON/],
    ['[]', /want an object/],
    ['null', /want an object/],
    ['{"forbids": []}', /unknown member "forbids"/],
    ['{"forbid": "ssh"}', /want a list/],
    ['{"forbid": ["SSH"]}', /unknown word "SSH", want any of ssh, /],
    ['{"forbid": [1]}', /unknown word 1/],
    ['{"forbid": ["toString"]}', /unknown word "toString"/],
    ['{"c2n": []}', /want an object/],
    ['{"c2n": {"allow": ["echo"]}}', /unknown word "echo"/],
    ['{"c2n": {"allow": ["*"]}}', /unknown word "\*"/],
    ['{"c2n": {"forbid": ["ssh"]}}', /unknown word "ssh"/],
    ['{"c2n": {"deny": []}}', /unknown member "deny"/],
  ] as const
  for (const [text, why] of rows)
    assert.throws(
      () => readCeiling(text, FILE, C2N),
      (error) =>
        error instanceof MeshError &&
        error.code === 'config/invalid' &&
        error.message.includes(FILE) &&
        why.test(error.message),
      text,
    )
})
