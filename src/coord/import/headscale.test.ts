/** Rows of Headscale as older and newer versions write them, and those that can't be brought over as they are. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Wall } from '../../base/clock.ts'
import { nodePrimitives } from '../../crypto/io/node-primitives.ts'
import { hashOf } from '../model/credentials.ts'
import type { Sha256 } from '../model/credentials.ts'
import { importHeadscale, writesOf } from './headscale.ts'
import type { Imported, Wish } from './headscale.ts'
import type { HeadscaleTables, Row } from './rows.ts'
import { timeIn } from './rows.ts'

const NOW = Date.parse('2026-11-24T12:00:00Z') as Wall
const sha256: Sha256 = (...parts) => nodePrimitives.sha256(...parts)
const WISH: Wish = { domain: 'net.test', lastUser: 0, lastNode: 0, now: NOW }
const CREATED = '2026-11-22 22:09:13.160917829+00:00'
const LEGACY = '0123456789abcdef0123456789abcdef0123456789abcdef'
const HASH = `$2a$10$${'x'.repeat(53)}`

function bring(tables: Partial<HeadscaleTables>, wish: Partial<Wish> = {}): Imported {
  const all = { users: [], nodes: [], preAuthKeys: [], policies: [], apiKeys: 0, oauthClients: 0, ...tables }
  return importHeadscale(all, { ...WISH, ...wish }, nodePrimitives.random, sha256)
}

const user = (id: number, name: string, more: Row = {}): Row => ({ id, name, email: '', created_at: CREATED, ...more })
const hex = (n: number) => n.toString(16).padStart(64, '0')
const node = (id: number, more: Row = {}): Row => ({
  id,
  machine_key: `mkey:${hex(id)}`,
  node_key: `nodekey:${hex(id)}`,
  disco_key: `discokey:${hex(id)}`,
  host_info: JSON.stringify({ Hostname: `box-${id}`, OS: 'linux', NetInfo: { PreferredDERP: 901 } }),
  ipv4: `100.64.0.${id}`,
  ipv6: `fd7a:115c:a1e0::${id}`,
  hostname: `box-${id}`,
  given_name: `box-${id}`,
  user_id: 1,
  tags: null,
  expiry: null,
  approved_routes: null,
  created_at: CREATED,
  ...more,
})
const key = (id: number, more: Row = {}): Row => ({
  id,
  key: '',
  prefix: String(id).padStart(12, '0'),
  hash: new TextEncoder().encode(HASH),
  user_id: 1,
  reusable: 0,
  ephemeral: 0,
  used: 0,
  tags: '[]',
  created_at: CREATED,
  expiration: '2036-11-19 22:09:13+00:00',
  ...more,
})
const ONE = { users: [user(1, 'anna', { email: 'anna@example.com' })] }

test('times as SQLite and Go write them', () => {
  const at = (text: string | null) => timeIn({ t: text }, 't')
  const want = Date.parse('2026-11-22T22:09:13.160Z')
  for (const text of [
    '2026-11-22 22:09:13.160917829+00:00',
    '2026-11-22T22:09:13.160917829Z',
    '2026-11-22 22:09:13.160917829 +0000 UTC',
    '2026-11-22 23:09:13.16+01:00',
  ])
    assert.equal(at(text), want, text)
  for (const text of [null, '', 'never', '0001-01-01 00:00:00+00:00', '0001-01-01T00:00:00Z', '2026-13-01 00:00:00'])
    assert.equal(at(text), undefined, String(text))
})

const logins = [
  {
    name: 'an address',
    row: user(1, 'anna', { email: 'Anna@example.com' }),
    login: 'Anna@example.com',
    alias: 'anna@',
  },
  { name: 'no address', row: user(1, 'anna'), login: 'anna@net.test', alias: 'anna@' },
  { name: 'a name that is an address', row: user(1, 'a@b.test'), login: 'a@b.test', alias: undefined },
  { name: 'a name with blanks', row: user(1, 'Anna Arendt'), login: 'Anna-Arendt@net.test', alias: undefined },
  { name: 'nothing that could be used', row: user(1, ''), login: 'user-1@net.test', alias: undefined },
  { name: 'an address that is none', row: user(1, 'anna', { email: 'a b' }), login: 'anna@net.test', alias: 'anna@' },
] as const

test('login names, and what policies call people besides', () => {
  for (const { name, row, login, alias } of logins) {
    const [anna, owner] = bring({ users: [row] }).users
    assert.deepEqual([anna?.loginName, anna?.alias, anna?.role], [login, alias, 'member'], name)
    assert.deepEqual([owner?.id, owner?.loginName, owner?.role], [2, 'admin@net.test', 'owner'], name)
  }
})

test('no two people share a login name, and a name of two is nobody’s', () => {
  const email = 'anna@example.com'
  const people = [user(1, 'anna', { email }), user(2, 'Anna', { email: 'ANNA@example.com' }), user(3, 'admin', {})]
  const { users, notes } = bring({ users: [...people, user(4, 'gone', { deleted_at: CREATED })] }, { lastUser: 7 })
  assert.deepEqual(
    users.map(({ id, loginName, alias }) => [id, loginName, alias]),
    [
      [1, 'anna@example.com', undefined],
      [2, 'Anna@net.test', undefined],
      [3, 'admin@net.test', 'admin@'],
      [8, 'owner@net.test', undefined],
    ],
  )
  assert.ok(
    notes.some((note) => note.includes('several users are called anna')),
    notes.join('\n'),
  )
})

test('the owner whom the administrator names, by name or address; nobody else is made one', () => {
  for (const owner of ['anna', 'Anna@', 'anna@example.com'])
    assert.deepEqual(
      bring(ONE, { owner }).users.map(({ id, role }) => [id, role]),
      [[1, 'owner']],
    )
  assert.throws(() => bring(ONE, { owner: 'carla' }), /no such user; it has anna/)
})

const identities = [
  { identifier: 'https://a.test/realm/sub-1', issuer: undefined, want: ['https://a.test/realm', 'sub-1'] },
  {
    identifier: 'https://a.test/realm/x/sub-1',
    issuer: 'https://a.test/realm',
    want: ['https://a.test/realm', 'x/sub-1'],
  },
  // Headscale writes one slash where the issuer ends in one.
  { identifier: 'https://a.test/auth0|1', issuer: 'https://a.test/', want: ['https://a.test/', 'auth0|1'] },
  { identifier: 'https://b.test/sub-1', issuer: 'https://a.test', want: ['https://b.test', 'sub-1'] },
  { identifier: 'sub-1', issuer: 'https://a.test', want: undefined },
] as const

test('who people are at their provider', () => {
  for (const { identifier, issuer, want } of identities) {
    const users = [user(1, 'carla', { provider: 'oidc', provider_identifier: identifier })]
    const found = bring({ users }, issuer === undefined ? {} : { issuer }).identities[0]
    assert.deepEqual(found && [found.issuer, found.subject], want, identifier)
  }
})

const nodes = [
  { name: 'as it is', row: {}, want: { name: 'box-1', named: false, tags: [], user: 1, keyExpiryDisabled: true } },
  { name: 'renamed', row: { given_name: 'desk' }, want: { name: 'desk', named: true } },
  { name: 'renamed in capitals', row: { given_name: 'Desk' }, want: { name: 'desk', named: true } },
  { name: 'a name that is a number', row: { given_name: '42' }, want: { name: 'node-42' } },
  { name: 'a name that is none', row: { given_name: 'büro 1' }, want: { name: 'bro-1' } },
  { name: 'untagged, in older databases', row: { tags: '[]' }, want: { tags: [], user: 1 } },
  { name: 'untagged, an empty text', row: { tags: '' }, want: { tags: [], user: 1 } },
  { name: 'untagged, null as text', row: { tags: 'null' }, want: { tags: [], user: 1 } },
  {
    name: 'tagged, nobody’s',
    row: { tags: '["tag:b","tag:a"]', user_id: null },
    want: { tags: ['tag:a', 'tag:b'], user: 2 },
  },
  {
    name: 'tagged, as Headscale 0.27 has it',
    row: { tags: null, forced_tags: '["tag:a"]' },
    want: { tags: ['tag:a'], user: 1 },
  },
  {
    name: 'the year 1 is never',
    row: { expiry: '0001-01-01 00:00:00+00:00' },
    want: { keyExpiry: undefined, keyExpiryDisabled: true },
  },
  {
    name: 'an end',
    row: { expiry: '2099-01-01 00:00:00+00:00' },
    want: { keyExpiry: Date.UTC(2099, 0, 1), keyExpiryDisabled: false },
  },
  {
    name: 'routes',
    row: { approved_routes: '["10.77.0.0/16","::/0","x","::/0"]' },
    want: { approvedRoutes: ['10.77.0.0/16', '::/0'] },
  },
  { name: 'an address elsewhere', row: { ipv4: '10.9.8.7' }, want: { ipv4: '10.9.8.7', ipv6: 'fd7a:115c:a1e0::1' } },
  { name: 'a long IPv6 address', row: { ipv6: 'FD7A:115C:A1E0:0:0:0:0:1' }, want: { ipv6: 'fd7a:115c:a1e0::1' } },
  { name: 'no IPv6 address', row: { ipv6: null }, want: { ipv4: '100.64.0.1', ipv6: 'fd7a:115c:a1e0::40:1' } },
  { name: 'a host that can’t be read', row: { host_info: '{"OS":1}' }, want: { hostinfo: { Hostname: 'box-1' } } },
  { name: 'no disco key', row: { disco_key: `discokey:${hex(0)}` }, want: { discoKey: undefined } },
] as const

test('nodes as they come', () => {
  for (const { name, row, want } of nodes) {
    const [found] = bring({ ...ONE, nodes: [node(1, row)] }).nodes
    const shown = Object.fromEntries(Object.keys(want).map((member) => [member, found?.[member as keyof typeof found]]))
    assert.deepEqual(shown, want, name)
  }
  const [plain] = bring({ ...ONE, nodes: [node(1)] }).nodes
  assert.equal(plain?.stableId, '1')
  assert.deepEqual(plain?.hostinfo, { Hostname: 'box-1', OS: 'linux' }, 'nothing of another server’s relays')
})

test('what two nodes have alike, only the first keeps; a missing IPv4 address is one that nobody has', () => {
  const rows = [
    node(1),
    node(2, { given_name: 'box-1', ipv4: '100.64.0.1', ipv6: 'fd7a:115c:a1e0::1' }),
    node(3, { node_key: `nodekey:${hex(1)}` }),
    node(4, { user_id: 9 }),
    node(5, { machine_key: 'mkey:1' }),
    node(6, { deleted_at: CREATED }),
    node(7, { ipv4: null }),
  ]
  const { nodes: found, notes, presences } = bring({ ...ONE, nodes: rows })
  assert.deepEqual(
    found.map(({ id, name }) => [id, name]),
    [
      [1, 'box-1'],
      [2, 'box-1-1'],
      [7, 'box-7'],
    ],
  )
  const addresses = found.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6])
  assert.equal(new Set(addresses).size, 6)
  assert.match(found[2]?.ipv4 as string, /^100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./)
  assert.deepEqual(
    presences.map(({ node: id }) => id),
    [1, 2, 7],
  )
  for (const id of [3, 4, 5])
    assert.ok(
      notes.some((note) => note.startsWith(`node ${id} `)),
      notes.join('\n'),
    )
  // Whatever a store refuses as written twice would show here.
  const { writes } = writesOf(bring({ ...ONE, nodes: rows }), 1)
  assert.equal(new Set(writes.map((write) => `${write.kind}/${write.id}`)).size, writes.length)
})

const keys = [
  {
    name: 'as it is',
    row: {},
    want: { id: '000000000001', hash: HASH, scheme: 'bcrypt', usedBy: undefined, preauthorized: true },
  },
  { name: 'used by a node that is there', row: { used: 1 }, want: { usedBy: 5 } },
  { name: 'used by one that is gone', row: { id: 2, used: 1 }, want: { usedBy: 0 } },
  { name: 'reusable, and never used up', row: { reusable: 1, used: 1 }, want: { reusable: true, usedBy: undefined } },
  { name: 'without an end', row: { expiration: null }, want: { expires: Date.UTC(9999, 11, 31, 23, 59, 59) } },
  { name: 'revoked', row: { revoked: CREATED }, want: { revoked: Date.parse('2026-11-22T22:09:13.160Z') } },
  {
    name: 'tagged, nobody’s',
    row: { user_id: null, tags: '["tag:b","tag:a"]' },
    want: { user: 0, tags: ['tag:a', 'tag:b'] },
  },
  {
    name: 'from before keys had ids',
    row: { prefix: null, hash: null, key: LEGACY },
    want: { id: `hs${hashOf(sha256, LEGACY).slice(0, 16)}`, hash: hashOf(sha256, LEGACY), scheme: undefined },
  },
  { name: 'nobody’s', row: { user_id: null }, want: undefined },
  { name: 'of somebody who is gone', row: { user_id: 9 }, want: undefined },
  { name: 'with a hash that would take an hour', row: { hash: HASH.replace('$10$', '$31$') }, want: undefined },
  { name: 'with no hash', row: { hash: null }, want: undefined },
  { name: 'of a form that nobody knows', row: { prefix: '', key: 'secret' }, want: undefined },
] as const

test('pre-auth keys as they come', () => {
  for (const { name, row, want } of keys) {
    const rows = { ...ONE, preAuthKeys: [key(1, row)], nodes: [node(5, { auth_key_id: 1 })] }
    const [found] = bring(rows).keys
    if (want === undefined) assert.equal(found, undefined, name)
    else {
      const shown = Object.fromEntries(
        Object.keys(want).map((member) => [member, found?.[member as keyof typeof found]]),
      )
      assert.deepEqual(shown, want, name)
    }
  }
})

test('a node that joined by an ephemeral key is ephemeral, and has not been away since the move', () => {
  const { nodes: found, presences } = bring({
    ...ONE,
    preAuthKeys: [key(1, { ephemeral: 1 })],
    nodes: [node(5, { auth_key_id: 1, last_seen: CREATED }), node(6, { last_seen: CREATED })],
  })
  assert.deepEqual(
    found.map(({ ephemeral }) => ephemeral),
    [true, false],
  )
  assert.deepEqual(
    presences.map(({ lastSeen }) => lastSeen === NOW),
    [true, false],
  )
})

test('the newest policy counts, unless another text is said', () => {
  const policies = [
    { id: 1, data: 'old', deleted_at: null },
    { id: 2, data: '// new\n{}\n', deleted_at: null, created_at: CREATED },
    { id: 3, data: 'deleted', deleted_at: CREATED },
  ]
  assert.equal(bring({ policies }).policy?.text, '// new\n{}\n')
  assert.equal(bring({ policies }, { policy: '{ }' }).policy?.text, '{ }')
  assert.equal(bring({ policies }, { policy: '\n' }).policy, undefined)
  assert.equal(bring({}).policy, undefined)
})
