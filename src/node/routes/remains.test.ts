import assert from 'node:assert/strict'
import { test } from 'node:test'
import { METRIC_LAST } from './host-plan.ts'
import { remainsIn } from './remains.ts'
import type { Remains, Sighting } from './remains.ts'

const BYPASS = { src: 'all', fwmark: '0x80000', fwmask: '0xff0000' }
const RULES = [
  { priority: 0, src: 'all', table: 'local' },
  { ...BYPASS, priority: 5210, table: 'main' },
  { ...BYPASS, priority: 5230, table: 'default' },
  { ...BYPASS, priority: 5250, action: 'unreachable' },
  { priority: 5270, src: 'all', table: '52' },
  { priority: 32_766, src: 'all', table: 'main' },
]
const GUARD = { type: 'unreachable', dst: 'default', metric: METRIC_LAST, flags: [] }
const THROW = { type: 'throw', dst: '10.7.0.0/16', flags: [] }
const OURS = [{ metainfo: {} }, { table: { family: 'ip', name: 'sett-sett0' } }]
const PASS = [{ rule: { family: 'inet', table: 'theirs', chain: 'input', comment: 'sett-sett0' } }]
const THEIRS = [{ chain: { family: 'ip', table: 'filter', name: 'ts-input' } }]
const UP = { ifname: 'eth0', flags: ['UP', 'LOWER_UP'] }
const BUSY = { ifname: 'sett0', flags: ['POINTOPOINT', 'UP', 'LOWER_UP'] }
const IDLE = { ifname: 'sett0', flags: ['NO-CARRIER', 'POINTOPOINT', 'UP'] }

interface Case {
  readonly rules?: readonly object[]
  readonly routes?: readonly object[]
  readonly nft?: readonly object[]
  readonly links?: readonly object[]
  readonly tailscaled?: true
  readonly own?: string
  /** Devices, how many rules, routes, and whether there is a doubt. */
  readonly want: readonly [string, number, string, boolean]
}

const NOTHING = ['', 0, '', false] as const
const CASES: Readonly<Record<string, Case>> = {
  'an untouched machine': { rules: RULES.slice(0, 1), want: NOTHING },
  'what ours left': { nft: OURS, want: ['sett0', 4, '', false] },
  'what ours left of another firewall': { nft: PASS, want: ['sett0', 4, '', false] },
  'what an exit node’s user left, with no firewall': {
    routes: [GUARD, THROW],
    want: ['', 4, '0.0.0.0/0 10.7.0.0/16', false],
  },
  'a device that outlived its daemon': { nft: OURS, links: [UP, IDLE], want: ['sett0', 4, '', false] },
  'another of ours runs': { nft: OURS, links: [UP, BUSY], want: NOTHING },
  'another of ours runs without a firewall': {
    routes: [{ dst: '100.64.0.2', dev: 'sett0' }, GUARD],
    links: [BUSY],
    want: NOTHING,
  },
  'the device is our own by now': { nft: OURS, links: [UP, BUSY], own: 'sett0', want: ['sett0', 4, '', false] },
  'its routes are, too': {
    nft: OURS,
    links: [BUSY],
    own: 'sett0',
    routes: [{ dst: '100.64.0.2', dev: 'sett0' }],
    want: ['sett0', 4, '100.64.0.2/32', false],
  },
  'nothing but rules': { want: ['', 0, '', true] },
  'nothing but a route that others make, too': { rules: [], routes: [THROW], want: ['', 0, '', true] },
  'tailscaled runs': { tailscaled: true, nft: THEIRS, routes: [THROW], want: NOTHING },
  'tailscaled runs beside what ours left': {
    tailscaled: true,
    nft: [...OURS, ...THEIRS],
    routes: [THROW, GUARD],
    want: ['sett0', 0, '0.0.0.0/0', false],
  },
  'tailscaled is dead, too': { nft: [...OURS, ...THEIRS], routes: [GUARD], want: ['sett0', 0, '0.0.0.0/0', true] },
  'rules of others': {
    rules: [
      { ...BYPASS, priority: 5210, table: 'main', fwmark: '0x1' },
      { priority: 5230, src: 'all', table: 'default' },
      { ...BYPASS, priority: 5270, table: '52' },
      { priority: 5270, src: '10.0.0.0', srclen: 8, table: '52' },
    ],
    routes: [{ ...GUARD, metric: 5 }],
    nft: OURS,
    want: ['sett0', 0, '', false],
  },
}

test('what of a machine is left by a daemon of ours, what by others, and what nobody can tell', () => {
  for (const [
    name,
    { rules = RULES, routes = [], nft = [], links = [UP], tailscaled = false, own, want },
  ] of Object.entries(CASES)) {
    const seen = { rules: new Map([[4, rules]]), routes: new Map([[4, routes]]), nft, links, tailscaled }
    const found: Remains = remainsIn(seen as unknown as Sighting, own)
    const said = [
      found.devices.join(' '),
      found.rules.length,
      found.routes.map(({ prefix }) => prefix).join(' '),
      found.doubtful !== undefined,
    ]
    assert.deepEqual(said, want, name)
  }
})

test('routes of the second family are written as a plan has them', () => {
  const routes = new Map([
    [
      6,
      [
        { ...GUARD, dev: 'lo' },
        { type: 'throw', dst: 'fd51::/64', dev: 'lo', metric: 1024 },
      ],
    ],
  ])
  const seen = { rules: new Map(), routes, nft: [], links: [UP], tailscaled: false } as unknown as Sighting
  assert.deepEqual(remainsIn(seen).routes, [
    { prefix: '::/0', to: 'unreachable' },
    { prefix: 'fd51::/64', to: 'throw' },
  ])
})
