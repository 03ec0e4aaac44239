/**
 * What nobody has recorded, by hand from policy.md: postures, ipsets, mail domains, roles, Services, sharing. Each row
 * cites its paragraph; its flow is asked of the engine's explanation and of the filter as a client reads it.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { prefix, prefixContains, prefixOf } from '../../src/base/ip.ts'
import type { Ip } from '../../src/base/ip.ts'
import { checkPolicy } from '../../src/policy/document/index.ts'
import { Engine } from '../../src/policy/engine.ts'
import type { Policy } from '../../src/policy/policy.ts'
import type { PolicyNode } from '../../src/policy/tailnet.ts'
import { allowing } from '../../src/policy/verdict.ts'
import { addressesAt, ip } from './generate.ts'
import { ClientFilter, sshAnswer } from './wire-filter.ts'

const PEOPLE = [
  ['ann', 'ann@example.com', 'owner'],
  ['bob', 'Bob@Example.com', 'admin'],
  ['cy', 'cy@example.org', 'network-admin'],
  ['dee', 'dee@example.com', 'it-admin'],
  ['eve', 'eve@example.org', 'billing-admin'],
  ['fay', 'fay@github', 'auditor'],
  ['gus', 'gus@example.com', 'member'],
] as const

/** One device for each person, two machines of nobody's, and a router. */
const MESH: readonly PolicyNode[] = [
  ...PEOPLE.map(([, login, role], i) => ({ user: { id: i + 1, login, role }, tags: [], routes: [] })),
  ...(['tag:web', 'tag:db'] as const).map((tag) => ({
    user: { id: 1, login: 'ann@example.com', role: 'owner' as const },
    tags: [tag],
    routes: [],
  })),
  {
    user: { id: 2, login: 'Bob@Example.com', role: 'admin' as const },
    tags: ['tag:router'],
    routes: [prefix('10.33.0.0/16')],
  },
].map((node, slot) => ({ ...node, slot, id: slot + 1, online: true, attributes: new Map(), ...addressesAt(slot) }))
const SLOTS: readonly string[] = [...PEOPLE.map(([name]) => name), 'web', 'db', 'router']
const TAG_OWNERS = { 'tag:web': [], 'tag:db': [], 'tag:router': [] }

function read(document: object): Policy {
  const text = JSON.stringify({ tagOwners: TAG_OWNERS, ...document }, undefined, 1)
  const logins = new Set(PEOPLE.map(([, login]) => login.toLowerCase()))
  return checkPolicy(text, { domains: new Set(['example.com', 'example.org']), logins })
}

/** A machine of the mesh by its IPv4 address, or, as `gus/6`, by the other one; or an address. */
function addressOf(name: string): Ip {
  const [machine = '', family] = name.split('/')
  const slot = SLOTS.indexOf(machine)
  if (slot < 0) return ip(name)
  return family === '6' ? addressesAt(slot).ipv6 : addressesAt(slot).ipv4
}

function isAllowed(policy: Policy, from: string, to: string, nodes = MESH): boolean {
  const engine = new Engine(policy, nodes)
  const [source, target] = [addressOf(from), addressOf(to)]
  const at = nodes.find(
    ({ ipv4, ipv6, routes }) =>
      [ipv4, ipv6].some((own) => own.value === target.value) || routes.some((route) => prefixContains(route, target)),
  ) as PolicyNode
  const flow = { from: source, to: target, protocol: 6, port: 22 }
  const allowed = allowing(engine.access, at, flow).length > 0
  assert.equal(new ClientFilter(engine.filter(at.slot)).passes([prefixOf(target)], flow), allowed)
  return allowed
}

const anyPort = (src: readonly string[], dst: readonly string[], more: object = {}): object => ({
  grants: [{ src, dst, ip: ['*'], ...more }],
})

type Attributes = Readonly<Record<string, string | number | boolean>>
const POSTURES: readonly [cite: string, assertions: readonly string[], attributes: Attributes, met: boolean][] = [
  ['§12 == of strings', ["node:os == 'linux'"], { 'node:os': 'linux' }, true],
  ['§12 == of strings', ["node:os == 'linux'"], { 'node:os': 'macos' }, false],
  ['§12 == of strings: letter case counts', ["node:os == 'linux'"], { 'node:os': 'Linux' }, false],
  ['§12 == of numbers', ['custom:tier == 2'], { 'custom:tier': 2 }, true],
  ['§12 == of numbers: not their text', ['custom:tier == 2'], { 'custom:tier': '2' }, false],
  ['§12 == of bools', ['custom:ok == true'], { 'custom:ok': true }, true],
  ['§12 == of bools', ['custom:ok == false'], { 'custom:ok': false }, true],
  ['§12 != of strings', ["node:os != 'linux'"], { 'node:os': 'macos' }, true],
  ['§12 != of strings', ["node:os != 'linux'"], { 'node:os': 'linux' }, false],
  ['§12 unset does not even satisfy !=', ["node:os != 'linux'"], {}, false],
  ['§12 IN', ["node:os IN ['macos', 'linux']"], { 'node:os': 'linux' }, true],
  ['§12 IN', ["node:os IN ['macos', 'linux']"], { 'node:os': 'windows' }, false],
  ['§12 unset does not satisfy IN', ["node:os IN ['macos']"], {}, false],
  ['§12 NOT IN', ["node:os NOT IN ['macos', 'linux']"], { 'node:os': 'windows' }, true],
  ['§12 NOT IN', ["node:os NOT IN ['macos', 'linux']"], { 'node:os': 'linux' }, false],
  ['§12 unset does not even satisfy NOT IN', ["node:os NOT IN ['macos']"], {}, false],
  ['§12 < of numbers', ['custom:tier < 3'], { 'custom:tier': 2 }, true],
  ['§12 < of numbers', ['custom:tier < 3'], { 'custom:tier': 3 }, false],
  ['§12 <= of numbers', ['custom:tier <= 3'], { 'custom:tier': 3 }, true],
  ['§12 > of numbers', ['custom:tier > 3'], { 'custom:tier': 10 }, true],
  ['§12 > of numbers', ['custom:tier > 3'], { 'custom:tier': 3 }, false],
  ['§12 >= of numbers', ['custom:tier >= 3'], { 'custom:tier': 3 }, true],
  ['§12 numbers have no order with text', ['custom:tier >= 3'], { 'custom:tier': '9' }, false],
  ['§12 unset has no order', ['custom:tier < 3'], {}, false],
  ['§12 versions: part by part, not as numbers', ["node:tsVersion >= '1.102'"], { 'node:tsVersion': '1.30.2' }, false],
  ['§12 versions: part by part, not as text', ["node:tsVersion > '1.9'"], { 'node:tsVersion': '1.102.0' }, true],
  ['§12 versions: what is left out is 0', ["node:tsVersion == '1.102'"], { 'node:tsVersion': '1.102.0' }, true],
  ['§12 versions: builds do not count', ["node:tsVersion == '1.102.1'"], { 'node:tsVersion': '1.102.1-t5c' }, true],
  ['§12 versions: <', ["node:osVersion < '15.2'"], { 'node:osVersion': '15.1.9' }, true],
  ['§12 versions: !=', ["node:osVersion != '15.2'"], { 'node:osVersion': '15.2.0' }, false],
  ['§12 IS SET', ['custom:ok IS SET'], { 'custom:ok': false }, true],
  ['§12 IS SET', ['custom:ok IS SET'], {}, false],
  ['§12 NOT SET', ['custom:ok NOT SET'], {}, true],
  ['§12 NOT SET', ['custom:ok NOT SET'], { 'custom:ok': false }, false],
  ['§12 a bare boolean stands for true', ['node:tsAutoUpdate'], { 'node:tsAutoUpdate': true }, true],
  ['§12 a bare boolean stands for true', ['node:tsAutoUpdate'], { 'node:tsAutoUpdate': false }, false],
  ['§12 a bare boolean stands for true', ['node:tsAutoUpdate'], {}, false],
  [
    '§12 assertions are AND-ed',
    ["node:os == 'linux'", 'custom:tier > 1'],
    { 'node:os': 'linux', 'custom:tier': 2 },
    true,
  ],
  [
    '§12 assertions are AND-ed',
    ["node:os == 'linux'", 'custom:tier > 1'],
    { 'node:os': 'linux', 'custom:tier': 1 },
    false,
  ],
]
for (const [cite, assertions, attributes, met] of POSTURES)
  test(`${cite}: ${JSON.stringify(attributes)} ${met ? 'meets' : 'does not meet'} ${assertions.join(' and ')}`, () => {
    const policy = read({
      postures: { 'posture:asked': assertions },
      ...anyPort(['gus@example.com'], ['tag:web'], { srcPosture: ['posture:asked'] }),
    })
    const nodes = MESH.map((node) => ({ ...node, attributes: new Map(Object.entries(attributes)) }))
    assert.equal(isAllowed(policy, 'gus', 'web', nodes), met)
  })

/** gus has linux and an old version; dee has a new one; ann has said nothing; the router would meet none. */
const SAID: Readonly<Record<string, Attributes>> = {
  gus: { 'node:os': 'linux', 'node:tsVersion': '1.30.2' },
  dee: { 'node:os': 'macos', 'node:tsVersion': '1.102' },
}
const POSTURED = MESH.map((node) => ({
  ...node,
  attributes: new Map(Object.entries(SAID[SLOTS[node.slot] ?? ''] ?? {})),
}))
const LINUX_AND_NEW = {
  postures: { 'posture:linux': ["node:os == 'linux'"], 'posture:new': ["node:tsVersion >= '1.100'"] },
}
const BY_DEFAULT = { ...LINUX_AND_NEW, defaultSrcPosture: ['posture:linux'] }
const asks = (src: string, dst: string, srcPosture?: readonly string[]): object =>
  anyPort([src], [dst], srcPosture === undefined ? {} : { srcPosture })
const BOTH = ['posture:linux', 'posture:new']

const RULES_WITH_POSTURES: readonly [cite: string, policy: object, from: string, to: string, allowed: boolean][] = [
  ['§12 several postures are OR-ed', { ...LINUX_AND_NEW, ...asks('*', 'tag:web', BOTH) }, 'gus', 'web', true],
  ['§12 several postures are OR-ed', { ...LINUX_AND_NEW, ...asks('*', 'tag:web', BOTH) }, 'dee', 'web', true],
  ['§12 several postures are OR-ed', { ...LINUX_AND_NEW, ...asks('*', 'tag:web', BOTH) }, 'ann', 'web', false],
  ['§12 the default replaces absence', { ...BY_DEFAULT, ...asks('*', 'tag:web') }, 'gus', 'web', true],
  ['§12 the default replaces absence', { ...BY_DEFAULT, ...asks('*', 'tag:web') }, 'dee', 'web', false],
  ['§12 the default never adds', { ...BY_DEFAULT, ...asks('*', 'tag:web', ['posture:new']) }, 'dee', 'web', true],
  ['§12 the default never adds', { ...BY_DEFAULT, ...asks('*', 'tag:web', ['posture:new']) }, 'gus', 'web', false],
  ['§12 postures are asked of sources only', { ...BY_DEFAULT, ...asks('*', 'ann@example.com') }, 'gus', 'ann', true],
  ['§12 tagged devices are asked too', { ...BY_DEFAULT, ...asks('tag:db', 'tag:web') }, 'db', 'web', false],
  [
    '§12 one’s own devices are asked too',
    { ...BY_DEFAULT, ...asks('autogroup:member', 'autogroup:self') },
    'gus',
    'gus',
    true,
  ],
  [
    '§12 one’s own devices are asked too',
    { ...BY_DEFAULT, ...asks('autogroup:member', 'autogroup:self') },
    'dee',
    'dee',
    false,
  ],
  [
    '§12 not of what comes through subnet routers',
    { ...BY_DEFAULT, ...asks('*', 'tag:web') },
    '10.33.1.1',
    'web',
    true,
  ],
  [
    '§12 not of what comes through subnet routers',
    { ...BY_DEFAULT, ...asks('10.33.0.0/16', 'tag:web') },
    '10.33.1.1',
    'web',
    true,
  ],
  ['§12 but of the router itself', { ...BY_DEFAULT, ...asks('*', 'tag:web') }, 'router', 'web', false],
  [
    '§12, §3.1 a device by one of its addresses',
    { ...BY_DEFAULT, ...asks('100.64.0.7', 'tag:web') },
    'gus',
    'web',
    true,
  ],
  [
    '§12, §3.1 a device by one address is not let in by the other',
    { ...BY_DEFAULT, ...asks('100.64.0.7', 'tag:web') },
    'gus/6',
    'web/6',
    false,
  ],
  [
    '§6, §12 in ACLs as in grants',
    { ...BY_DEFAULT, acls: [{ action: 'accept', src: ['*'], dst: ['tag:web:*'] }] },
    'dee',
    'web',
    false,
  ],
]
for (const [cite, policy, from, to, allowed] of RULES_WITH_POSTURES)
  test(`${cite}: ${from} ${allowed ? 'reaches' : 'does not reach'} ${to}`, () =>
    assert.equal(isAllowed(read(policy), from, to, POSTURED), allowed))

const IPSETS: readonly [cite: string, ipsets: Readonly<Record<string, readonly string[]>>, has: string, not: string][] =
  [
    ['§9 bare entries add', { 'ipset:s': ['10.33.1.0/24', '10.33.2.1'] }, '10.33.1.9', '10.33.2.2'],
    ['§9 add', { 'ipset:s': ['add 10.33.1.0/24'] }, '10.33.1.255', '10.33.2.0'],
    ['§9 remove', { 'ipset:s': ['add 10.33.0.0/16', 'remove 10.33.5.0/24'] }, '10.33.4.1', '10.33.5.1'],
    [
      '§9 in order: what comes later counts',
      { 'ipset:s': ['add 10.33.0.0/16', 'remove 10.33.5.0/24', 'add 10.33.5.7'] },
      '10.33.5.7',
      '10.33.5.8',
    ],
    [
      '§9 in order: nothing is removed before it is added',
      { 'ipset:s': ['remove 10.33.5.0/24', 'add 10.33.5.0/30'] },
      '10.33.5.1',
      '10.33.5.4',
    ],
    ['§9 ranges hold both ends', { 'ipset:s': ['10.33.1.5-10.33.1.9'] }, '10.33.1.9', '10.33.1.10'],
    ['§9 ranges hold both ends', { 'ipset:s': ['10.33.1.5-10.33.1.9'] }, '10.33.1.5', '10.33.1.4'],
    ['§9 hosts', { 'ipset:s': ['host:lab'] }, '10.33.7.1', '10.33.8.1'],
    [
      '§9 others inside',
      { 'ipset:s': ['add ipset:t', 'remove 10.33.3.3'], 'ipset:t': ['10.33.3.0/24'] },
      '10.33.3.4',
      '10.33.3.3',
    ],
    [
      '§9 others taken away',
      { 'ipset:s': ['add 10.33.0.0/16', 'remove ipset:t'], 'ipset:t': ['10.33.3.0/24'] },
      '10.33.4.4',
      '10.33.3.4',
    ],
    [
      '§9 what others leave out is not taken away',
      { 'ipset:s': ['add 10.33.3.0/24', 'remove ipset:t'], 'ipset:t': ['add 10.33.3.0/24', 'remove 10.33.3.4'] },
      '10.33.3.4',
      '10.33.3.5',
    ],
  ]
const LAB = { hosts: { lab: '10.33.7.0/24' } }
for (const [cite, ipsets, has, not] of IPSETS) {
  test(`${cite}, as a source: ${JSON.stringify(ipsets)} has ${has} and not ${not}`, () => {
    const policy = read({ ...LAB, ipsets, ...anyPort(['ipset:s'], ['tag:web']) })
    assert.deepEqual([isAllowed(policy, has, 'web'), isAllowed(policy, not, 'web')], [true, false])
  })
  test(`${cite}, as a destination: ${JSON.stringify(ipsets)} has ${has} and not ${not}`, () => {
    const policy = read({ ...LAB, ipsets, ...anyPort(['*'], ['ipset:s']) })
    assert.deepEqual([isAllowed(policy, 'gus', has), isAllowed(policy, 'gus', not)], [true, false])
  })
}

test('§9, §15.6 an ipset with the internet leads to exit nodes, and without what is removed from it', () => {
  const policy = read({
    ipsets: { 'ipset:s': ['add autogroup:internet', 'remove 8.8.8.0/24'] },
    ...anyPort(['*'], ['ipset:s']),
  })
  const exit: PolicyNode = { ...(MESH[9] as PolicyNode), routes: [prefix('0.0.0.0/0'), prefix('::/0')] }
  const nodes = MESH.with(9, exit)
  const passes = (to: string): boolean => isAllowed(policy, 'gus', to, nodes)
  assert.deepEqual([passes('9.9.9.9'), passes('8.8.8.8'), passes('10.33.1.1')], [true, false, false])
})

test('§9 an ipset of own addresses leads to whoever has one, at that address only', () => {
  const policy = read({ ipsets: { 'ipset:s': ['100.64.0.8-100.64.0.9'] }, ...anyPort(['*'], ['ipset:s']) })
  assert.deepEqual(
    ['web', 'db', 'router', 'gus'].map((to) => isAllowed(policy, 'ann', to)),
    [true, true, false, false],
  )
  assert.equal(isAllowed(policy, 'ann/6', 'web/6'), false)
})

const named = (selectors: readonly string[]): readonly string[] => {
  const policy = read(anyPort(selectors, ['tag:web']))
  return SLOTS.filter((from) => isAllowed(policy, from, 'web'))
}
const WHO: readonly [cite: string, selector: string, names: readonly string[]][] = [
  ['§3.1 every user with that mail domain, in any letter case', 'user:*@example.com', ['ann', 'bob', 'dee', 'gus']],
  ['§3.1 no other domain', 'user:*@example.org', ['cy', 'eve']],
  ['§3.3 every user', 'autogroup:member', PEOPLE.map(([name]) => name)],
  ['§3.3 the old name', 'autogroup:members', PEOPLE.map(([name]) => name)],
  ['§3.3 the one Owner', 'autogroup:owner', ['ann']],
  ['§3.3 Admins and the Owner', 'autogroup:admin', ['ann', 'bob']],
  ['§3.3 by role', 'autogroup:network-admin', ['cy']],
  ['§3.3 by role', 'autogroup:it-admin', ['dee']],
  ['§3.3 by role', 'autogroup:billing-admin', ['eve']],
  ['§3.3 by role', 'autogroup:auditor', ['fay']],
  ['§3.3 machines with a tag', 'autogroup:tagged', ['web', 'db', 'router']],
  ['§3.1 a user, in any letter case', 'bob@example.com', ['bob']],
  ['§3.3, §15.11 nobody has accepted a share', 'autogroup:shared', []],
  ['§3.1 an unknown synced group is ignored', 'group:eng@example.com', []],
  ['§3.3 every IP', 'autogroup:danger-all', SLOTS],
]
for (const [cite, selector, names] of WHO) {
  test(`${cite}: ${selector} as a source is ${names.join(', ') || 'nobody'}`, () =>
    assert.deepEqual(named([selector]), names))
  if (selector === 'autogroup:shared' || selector === 'autogroup:danger-all') continue
  test(`${cite}: ${selector} as a destination is ${names.join(', ') || 'nobody'}`, () => {
    const policy = read(anyPort(['tag:db'], [selector]))
    assert.deepEqual(
      SLOTS.filter((to) => isAllowed(policy, 'db', to)),
      names,
    )
  })
}

test('§9 a tag takes the person away: whoever brought the machine has no part in it', () => {
  assert.deepEqual(named(['ann@example.com']), ['ann'])
  const policy = read(anyPort(['*'], ['ann@example.com']))
  assert.equal(isAllowed(policy, 'gus', 'web'), false)
})

test('§7 people of a mail domain log in under its name, and those of others do not', () => {
  const policy = read({
    grants: [],
    ssh: [{ action: 'accept', src: ['autogroup:member'], dst: ['tag:web'], users: ['localpart:*@example.com'] }],
  })
  const rules = new Engine(policy, MESH).sshRules(SLOTS.indexOf('web'))
  const answer = (from: number, account: string): string => sshAnswer(rules, `100.64.0.${from + 1}`, account)
  assert.deepEqual([answer(1, 'bob'), answer(1, 'ann'), answer(2, 'cy')], ['accept', 'refuse', 'refuse'])
})

test('§3.1 user:*@domain may be an SSH source', () => {
  const policy = read({
    grants: [],
    ssh: [{ action: 'check', src: ['user:*@example.org'], dst: ['tag:web'], users: ['root'] }],
  })
  const rules = new Engine(policy, MESH).sshRules(SLOTS.indexOf('web'))
  assert.deepEqual(
    SLOTS.filter((_, slot) => sshAnswer(rules, `100.64.0.${slot + 1}`, 'root') === 'check'),
    ['cy', 'eve'],
  )
})

test('§15.10 a Service that nobody hosts opens nothing', () => {
  const engine = new Engine(read(anyPort(['*'], ['svc:web'])), MESH)
  assert.deepEqual(
    MESH.flatMap(({ slot }) => [...engine.filter(slot), ...engine.visible(slot)]),
    [],
  )
})
