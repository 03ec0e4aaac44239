/**
 * A real Headscale, brought over by `sett coord import headscale`: every user, node, key and address as Headscale itself
 * had said, and what is refused leaves nothing behind. That official clients go on is test/interop/headscale.test.ts.
 */

import assert from 'node:assert/strict'
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Wall } from '../../../base/clock.ts'
import { Secret } from '../../../base/secret.ts'
import { nodePrimitives } from '../../../crypto/io/node-primitives.ts'
import { machineKeyFor } from '../../../crypto/primitives.ts'
import { findKey, whyUnusable } from '../../enroll/auth-key.ts'
import { StoreLedger } from '../../ledger.ts'
import { main } from '../../main.ts'
import { fqdn } from '../../model/naming.ts'
import { dnsOf } from '../../model/dns.ts'
import type { Model } from '../../model/model.ts'
import { BcryptThread } from '../bcrypt.ts'
import { mono, wall } from '../clocks.ts'
import { loadKey, openFolder } from '../folder.ts'
import { openStore } from '../store/open.ts'

interface Expected {
  readonly server: { readonly base_domain: string; readonly noise_public_key: string }
  readonly users: readonly {
    readonly id: string
    readonly name: string
    readonly display_name: string
    readonly email: string
    readonly provider_identifier: string | null
    readonly profile_pic_url: string
    readonly created: string
  }[]
  readonly nodes: readonly {
    readonly id: string
    readonly hostname: string
    readonly given_name: string
    readonly dns_name: string
    readonly owner: string | null
    readonly tags: readonly string[]
    readonly addresses: readonly string[]
    readonly machine_key: string
    readonly node_key: string
    readonly disco_key: string
    readonly expiry: string | null
    readonly ephemeral: boolean
    readonly auth_key_id: string
    readonly routes: { readonly advertised: readonly string[]; readonly approved: readonly string[] }
    readonly created: string
  }[]
  readonly pre_auth_keys: readonly {
    readonly id: string
    readonly name: string
    readonly secret: string
    readonly user: string | null
    readonly tags: readonly string[]
    readonly reusable: boolean
    readonly ephemeral: boolean
    readonly used: boolean
    readonly expiration: string
    readonly created: string
    readonly usable: boolean
  }[]
  readonly policy: { readonly text: string }
}

const FROM = fileURLToPath(new URL('../../../../test/vectors/headscale-import/', import.meta.url))
const DATABASE = join(FROM, 'headscale.sqlite')
const expected = JSON.parse(readFileSync(join(FROM, 'expected.json'), 'utf8')) as Expected
const top = mkdtempSync(join(tmpdir(), 'sett-headscale-'))
after(() => rmSync(top, { recursive: true, force: true }))

let folders = 0
function fresh(): string {
  return join(top, String(folders++))
}

async function run(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' }
  const sink = (name: 'out' | 'err') => ({ write: (text: string) => void (said[name] += text) })
  const code = await main(['import', 'headscale', ...args], { out: sink('out'), err: sink('err'), env: {} })
  return { code, ...said }
}

const settings = ['--config', join(FROM, 'config.yaml')]
const bare = ['--database', DATABASE, '--noise-key', join(FROM, 'noise_private.key'), '--domain', 'import.example']

/** What a server would know that is started on the folder. */
async function withModel<T>(data: string, look: (model: Model) => T | Promise<T>): Promise<T> {
  const store = await openStore(`sqlite:${join(data, 'sett.db')}`)
  const ledger = new StoreLedger(store, { mono, wall }, () => undefined)
  try {
    await ledger.open((error) => assert.fail(error as Error))
    return await look(ledger.model)
  } finally {
    ledger.close()
    await store.close()
  }
}

const at = (text: string | null) =>
  text === null ? undefined : Math.trunc(Date.parse(text.replace(/(\.\d{3})\d+/, '$1')))
/** As the numbers of Headscale's rows go. */
const keyIds = new Map(expected.pre_auth_keys.map(({ id, secret }) => [id, secret.split('-')[2] as string]))
const userIds = new Map(expected.users.map(({ name, id }) => [name, Number(id)]))

test('everything that Headscale said of itself is there after the move', async (t) => {
  const data = fresh()
  const { code, out, err } = await run(...settings, '--data', data)
  assert.deepEqual([code, err], [0, ''])
  for (const line of [
    /tailnet +import, .* import\.example;/,
    /users +3,/,
    /nodes +6, .*1 has to log in/,
    /keys +9, of which 4 /,
  ])
    assert.match(out, line)
  assert.match(out, new RegExp(`server key +${expected.server.noise_public_key}`))
  assert.match(out, /--url http:\/\/127\.0\.0\.1:18090\n$/)
  assert.doesNotMatch(out, /privkey|hskey|\$2a\$/)
  assert.deepEqual(readdirSync(data).sort(), ['noise.key', 'sett.db', 'sett.db.lock'])
  for (const file of ['noise.key', 'sett.db']) assert.equal(statSync(join(data, file)).mode & 0o777, 0o600)
  const key = loadKey(openFolder(data), 'noise.key', nodePrimitives)
  assert.equal(machineKeyFor(nodePrimitives, key), expected.server.noise_public_key)

  await withModel(data, async (model) => {
    const tailnet = model.tailnets()[0]!
    const state = model.state(tailnet.num)
    assert.equal(model.tailnets().length, 1)

    assert.deepEqual(
      [...state.usersById.values()].filter(({ role }) => role !== 'owner'),
      expected.users.map((user) => ({
        id: Number(user.id),
        loginName: user.email,
        displayName: user.display_name || user.name,
        profilePicUrl: user.profile_pic_url,
        role: 'member',
        status: 'active',
        created: at(user.created),
        alias: `${user.name}@`,
      })),
    )
    assert.deepEqual(
      [...state.all('identity')].map(({ user, issuer, subject }) => [String(user), `${issuer}/${subject}`]),
      expected.users.flatMap(({ id, provider_identifier: who }) => (who === null ? [] : [[id, who]])),
    )

    assert.equal(state.nodesById.size, expected.nodes.length)
    for (const want of expected.nodes) {
      const node = state.node(Number(want.id))!
      assert.deepEqual(
        {
          id: String(node.id),
          stableId: node.stableId,
          hostname: node.hostinfo.Hostname,
          name: node.name,
          dnsName: fqdn(tailnet, node),
          owner: node.tags.length === 0 ? node.user : undefined,
          tags: node.tags,
          addresses: [node.ipv4, node.ipv6],
          keys: [node.machineKey, node.nodeKey, node.discoKey],
          expiry: node.keyExpiry,
          keyExpiryDisabled: node.keyExpiryDisabled,
          ephemeral: node.ephemeral,
          authKey: node.authKey,
          advertised: [...(node.hostinfo.RoutableIPs ?? [])].sort(),
          approved: node.approvedRoutes,
          created: node.created,
          authorized: node.authorized,
        },
        {
          id: want.id,
          stableId: want.id,
          hostname: want.hostname,
          name: want.given_name,
          dnsName: want.dns_name,
          owner: want.owner === null ? undefined : userIds.get(want.owner),
          tags: want.tags,
          addresses: want.addresses,
          keys: [want.machine_key, want.node_key, want.disco_key],
          expiry: at(want.expiry),
          keyExpiryDisabled: want.expiry === null,
          ephemeral: want.ephemeral,
          authKey: keyIds.get(want.auth_key_id),
          advertised: want.routes.advertised,
          approved: want.routes.approved,
          created: at(want.created),
          authorized: true,
        },
      )
      for (const address of want.addresses) assert.equal(state.address(address)?.holds.at(-1)?.node, node.id)
      assert.equal(state.get('name', want.given_name)?.node, node.id)
      assert.equal(model.nodeByKey(node.nodeKey)?.node, node)
    }

    const bcrypt = new BcryptThread(() => mono())
    t.after(() => bcrypt.close())
    for (const want of expected.pre_auth_keys) {
      const comparing = {
        sha256: (...parts: Uint8Array[]) => nodePrimitives.sha256(...parts),
        bcrypt: bcrypt.compare,
        from: '',
      }
      const found = await findKey(model, new Secret(want.secret), { ...comparing, from: want.name })
      assert.equal(found.kind, 'found', want.name)
      if (found.kind !== 'found') continue
      const { key: record } = found
      assert.deepEqual(
        [record.reusable, record.ephemeral, record.tags, record.user, record.expires, record.created],
        [
          want.reusable,
          want.ephemeral,
          want.tags,
          userIds.get(want.user ?? '') ?? 0,
          at(want.expiration),
          at(want.created),
        ],
        want.name,
      )
      const why = whyUnusable(state, record, Date.parse('2026-11-24T00:00:00Z') as Wall)
      assert.equal(why === undefined, want.usable, `${want.name}: ${why}`)
      const wrong = new Secret(want.secret.replace(/.$/, (digit) => (digit === '0' ? '1' : '0')))
      assert.equal((await findKey(model, wrong, { ...comparing, from: `${want.name}, wrong` })).kind, 'bad')
    }

    assert.equal(state.get('policy', 'current')?.text, expected.policy.text)
    assert.equal(state.count('policy-version'), 1)
    const { magicDNS, overrideLocalDNS, nameservers } = dnsOf(state)
    assert.deepEqual(
      [magicDNS, overrideLocalDNS, nameservers.map(({ address }) => address)],
      [true, true, ['192.0.2.53']],
    )
  })
})

test('what comes later gets numbers that Headscale had never given', async () => {
  const data = fresh()
  assert.equal((await run(...bare, '--data', data)).code, 0)
  const store = await openStore(`sqlite:${join(data, 'sett.db')}`)
  assert.ok((await store.reserve('node', 1)) > 6)
  assert.ok((await store.reserve('user', 1)) > 4)
  assert.ok((await store.reserve('tailnet', 1)) > 1)
  await store.close()
})

test('a dry run tells the same and changes nothing', async () => {
  const data = fresh()
  const { code, out } = await run(...settings, '--data', data, '--dry-run')
  assert.equal(code, 0)
  assert.match(out, /^Would bring over [^]*nodes +6,[^]*Nothing was changed/)
  assert.equal(existsSync(data), false)
})

test('a second import is refused, and so is one into a server that was started already', async () => {
  const data = fresh()
  assert.equal((await run(...settings, '--data', data)).code, 0)
  const before = readFileSync(join(data, 'sett.db'))
  const again = await run(...settings, '--data', data)
  assert.deepEqual([again.code, again.out], [2, ''])
  assert.match(again.err, /Cannot import: the database of this server holds data already/)
  assert.deepEqual(readFileSync(join(data, 'sett.db')), before)

  const other = fresh()
  const key = loadKey(openFolder(other), 'noise.key', nodePrimitives).revealText()
  const refused = await run(...settings, '--data', other)
  assert.equal(refused.code, 2)
  assert.match(refused.err, /a server was started there, and .*noise\.key is its key/)
  assert.equal(readFileSync(join(other, 'noise.key'), 'utf8').trim(), key)
  assert.deepEqual(readdirSync(other), ['noise.key'])
})

test('an import that was cut off after the key goes on; one that fails after it takes the key away again', async () => {
  const data = fresh()
  openFolder(data)
  copyFileSync(join(FROM, 'noise_private.key'), join(data, 'noise.key'))
  assert.equal((await run(...settings, '--data', data)).code, 0)

  const [full, failing] = [`sqlite:${join(data, 'sett.db')}`, fresh()]
  assert.equal((await run(...settings, '--data', failing, '--into', full)).code, 2)
  assert.deepEqual(readdirSync(failing), [])
})

test('the owner may be one of the users, and what is still only in the journal of the database comes along', async (t) => {
  const [data, copy] = [fresh(), `${fresh()}.sqlite`]
  copyFileSync(DATABASE, copy)
  const db = new DatabaseSync(copy)
  t.after(() => db.close())
  db.exec("PRAGMA wal_autocheckpoint = 0; UPDATE nodes SET given_name = 'late' WHERE id = 4")
  assert.ok(statSync(`${copy}-wal`).size > 0)
  assert.equal((await run(...bare, '--database', copy, '--owner', 'ben', '--data', data)).code, 0)
  await withModel(data, (model) => {
    const state = model.state(1)
    assert.equal(state.node(4)?.name, 'late')
    assert.deepEqual(
      [...state.usersById.values()].map(({ id, role }) => [id, role]),
      [
        [1, 'member'],
        [2, 'owner'],
        [3, 'member'],
      ],
    )
  })
})

function variant(change: string): string {
  const copy = `${fresh()}.sqlite`
  copyFileSync(DATABASE, copy)
  const db = new DatabaseSync(copy)
  db.exec(change)
  db.close()
  return copy
}

function written(name: string, text: string): string {
  const file = `${fresh()}-${name}`
  writeFileSync(file, text)
  return file
}

test('what is refused says why, and leaves nothing behind', async () => {
  const cut = written('cut.sqlite', '')
  writeFileSync(cut, readFileSync(DATABASE).subarray(0, 20_000))
  const failing = expected.policy.text.replace('"deny": ["tag:web:22"]', '"deny": ["tag:web:443"]')
  const rows: readonly (readonly [name: string, args: readonly string[], why: RegExp])[] = [
    ['nothing said', [], /say where its SQLite file is, with --database FILE/],
    ['no key', ['--database', DATABASE], /say where its Noise key is, with --noise-key FILE/],
    ['no domain', bare.slice(0, 4), /say the base domain of its names, with --config FILE .* or with --domain NAME/],
    ['no domain name', [...bare, '--domain', 'a b'], /"a b" is no DNS name/],
    [
      'PostgreSQL',
      [...bare, '--database', 'postgres://h/d'],
      /only its databases in SQLite are read, not those in PostgreSQL/,
    ],
    ['PostgreSQL in the settings', ['--config', written('pg.yaml', 'database: {type: postgres}')], /names PostgreSQL/],
    ['settings that are none', ['--config', written('bad.yaml', 'a: [')], /Cannot read Headscale's settings/],
    ['no such file', [...bare, '--database', join(top, 'none')], /there is no such file/],
    ['a folder', [...bare, '--database', FROM], /is a folder|EISDIR/],
    ['no database', [...bare, '--database', join(FROM, 'config.yaml')], /it is no SQLite database/],
    ['half a database', [...bare, '--database', cut], /it is damaged/],
    [
      'somebody else’s',
      [...bare, '--database', variant('DROP TABLE nodes')],
      /no table "nodes", so it is none of Headscale/,
    ],
    [
      'an old one',
      [...bare, '--database', variant('ALTER TABLE nodes DROP COLUMN approved_routes')],
      /Headscale 0\.26 or newer/,
    ],
    ['no Noise key', [...bare, '--noise-key', join(FROM, 'config.yaml')], /want "privkey:" and 64 hex digits/],
    ['nobody to own it', [...bare, '--owner', 'dora'], /Headscale has no such user; it has anna, ben, carla/],
    [
      'a policy that is none',
      [...bare, '--policy', written('p.hujson', '{"acls": 1}')],
      /Cannot bring the policy over: line 1/,
    ],
    [
      'a policy whose tests fail',
      [...bare, '--policy', written('t.hujson', failing)],
      /its tests fail here: line \d+, anna@: address "tag:web:443"/,
    ],
    ['a policy that is not there', [...bare, '--policy', join(top, 'none')], /Cannot read the policy/],
    ['one word too many', [...bare, 'now'], /too many arguments/],
  ]
  for (const [name, args, why] of rows) {
    const data = fresh()
    const { code, out, err } = await run(...args, '--data', data)
    assert.deepEqual([code, out], [2, ''], `${name}: ${err}`)
    assert.match(err, why, name)
    assert.doesNotMatch(err, /^ +at |privkey:[0-9a-f]|hskey/m, name)
    assert.equal(existsSync(data), false, name)
  }
})

test('a policy from a file, and an empty one for the default policy', async () => {
  const mine = '{\n\t// mine\n}\n'
  const file = written('policy.hujson', mine)
  const texts = [
    [['--policy', file], mine],
    [['--policy', written('empty', '')], undefined],
    [['--config', written('file.yaml', `policy: {mode: file, path: ${file}}`)], mine],
    // Headscale without a policy allows everything, whatever its database has from before.
    [['--config', written('none.yaml', 'policy: {mode: file}')], undefined],
  ] as const
  for (const [args, want] of texts) {
    const data = fresh()
    assert.equal((await run(...bare, ...args, '--data', data)).code, 0)
    await withModel(data, (model) => assert.equal(model.state(1).get('policy', 'current')?.text, want))
  }
})

test('a Headscale that is newer than what is known here is brought over, and that is said', async () => {
  const copy = variant("INSERT INTO migrations VALUES ('203001010000-news'); ALTER TABLE nodes ADD COLUMN news text")
  const { code, out } = await run(...bare, '--database', copy, '--data', fresh())
  assert.equal(code, 0)
  assert.match(out, /not known here has changed the database \(203001010000-news\)/)
})
