/** The configuration audit log over the API: what each change says, who it names, and what the filters find. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DAY_MS, formatTime } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import type { AuditPage, AuditRecord } from '../../wire/api/audit-objects.ts'
import { eventName } from '../../wire/audit-filter.ts'
import { auditHash, emptyAuditHead } from '../../wire/audit-chain.ts'
import { nodePrimitives } from '../../crypto/io/node-primitives.ts'
import { TESTER } from '../../../test/support/ledger.ts'
import { RestWorld } from '../../../test/support/rest-world.ts'
import type { AuditEvent } from '../model/audit.ts'
import type { Asking } from '../../../test/support/rest-world.ts'

const world = await RestWorld.make()
const LOG = '/tailnet/alpha/logging/configuration'
const alice: Asking = { token: world.alpha.tokens.owner }

/** What was logged since a moment that this makes the present one. */
async function logged(work: () => Promise<unknown>): Promise<AuditRecord[]> {
  world.clock.advance(60_000)
  const start = formatTime(world.clock.wall())
  await work()
  return await logs(`start=${start}&end=${formatTime(world.clock.wall())}`)
}

async function logs(query: string, asking: Asking = alice): Promise<AuditRecord[]> {
  return (await world.get(`${LOG}?${query}`, asking)).logs
}

function always(): string {
  return `start=2026-01-01T00:00:00Z&end=${formatTime((world.clock.wall() + DAY_MS) as Wall)}`
}

async function done(method: string, path: string, body?: unknown, asking: Asking = alice): Promise<void> {
  const told = await world.ask(method, path, { ...asking, body })
  assert.equal(told.status, 200, `${method} ${path}: ${told.text}`)
}

const device = `/device/${world.alpha.laptop.stableId}`
const member = `/users/${world.alpha.userIds.member}`

const changes: readonly { does: [string, string, unknown?]; says: readonly string[]; old?: unknown; new?: unknown }[] =
  [
    {
      does: ['POST', `${device}/name`, { name: 'desk' }],
      says: ['NODE.UPDATE.MACHINE_NAME'],
      old: 'laptop',
      new: 'desk',
    },
    {
      does: ['POST', `${device}/routes`, { routes: ['10.0.0.0/8'] }],
      says: ['NODE.UPDATE.ALLOWED_IPS'],
      old: [],
      new: ['10.0.0.0/8'],
    },
    {
      does: ['POST', `${device}/routes`, { routes: ['10.0.0.0/8', '0.0.0.0/0', '::/0'] }],
      says: ['NODE.UPDATE.EXIT_NODE'],
      old: ['10.0.0.0/8'],
      new: ['10.0.0.0/8', '0.0.0.0/0', '::/0'],
    },
    {
      does: ['POST', `${device}/key`, { keyExpiryDisabled: true }],
      says: ['NODE.DISABLE.KEY_EXPIRY'],
      old: true,
      new: false,
    },
    {
      does: ['POST', `${device}/key`, { keyExpiryDisabled: false }],
      says: ['NODE.ENABLE.KEY_EXPIRY'],
      old: false,
      new: true,
    },
    { does: ['POST', `${device}/authorized`, { authorized: false }], says: ['NODE.REVOKE'], old: true, new: false },
    { does: ['POST', `${device}/authorized`, { authorized: true }], says: ['NODE.APPROVE'], old: false, new: true },
    // Nothing changes, and nothing is said.
    { does: ['POST', `${device}/authorized`, { authorized: true }], says: [] },
    {
      does: ['POST', `${device}/attributes/custom:colour`, { value: 'red' }],
      says: ['NODE.CREATE.ATTRIBUTES'],
      new: { 'custom:colour': 'red' },
    },
    {
      does: ['POST', `${device}/attributes/custom:colour`, { value: 'blue' }],
      says: ['NODE.UPDATE.ATTRIBUTES'],
      old: { 'custom:colour': 'red' },
      new: { 'custom:colour': 'blue' },
    },
    {
      does: ['DELETE', `${device}/attributes/custom:colour`],
      says: ['NODE.DELETE.ATTRIBUTES'],
      old: { 'custom:colour': 'blue' },
    },
    {
      does: ['POST', `${member}/role`, { role: 'auditor' }],
      says: ['USER.UPDATE.USER_ROLE'],
      old: 'member',
      new: 'auditor',
    },
    { does: ['POST', `${member}/suspend`], says: ['USER.SUSPEND'], old: 'active', new: 'suspended' },
    { does: ['POST', `${member}/restore`], says: ['USER.RESTORE'], old: 'suspended', new: 'active' },
    {
      does: ['PATCH', '/tailnet/alpha/settings', { devicesApprovalOn: true }],
      says: ['TAILNET.ENABLE.MACHINE_APPROVAL_NEEDED'],
      old: false,
      new: true,
    },
    {
      does: ['PATCH', '/tailnet/alpha/settings', { devicesKeyDurationDays: 30 }],
      says: ['TAILNET.UPDATE.MAX_KEY_DURATION'],
      old: 180,
      new: 30,
    },
    { does: ['PATCH', '/tailnet/alpha/settings', { policyApprovalOn: false }], says: [] },
    {
      does: ['POST', '/tailnet/alpha/acl', '{"grants": []}'],
      says: ['TAILNET.UPDATE.ACL'],
      old: '',
      new: '{"grants": []}\n',
    },
    { does: ['POST', `${member}/delete`], says: ['USER.DELETE'] },
  ]

test('each change says what it was, and what it became, by the name that filters know it by', async () => {
  for (const { does, says, old = null, new: now = null } of changes) {
    const [method, path, body] = does
    const found = await logged(() => done(method, path, body))
    const events = found.filter(({ target }) => target.type !== 'API_KEY')
    assert.deepEqual(events.map(eventName), says, `${method} ${path}`)
    const [first] = events
    if (first === undefined || says[0] === 'USER.DELETE') continue
    assert.deepEqual([first.old, first.new], [old, now], `${method} ${path}`)
    assert.equal(first.type, 'CONFIG')
    assert.equal(first.origin, 'CONFIG_API')
    assert.deepEqual(first.actor, {
      id: world.alpha.userIds.owner,
      type: 'USER',
      loginName: 'owner',
      displayName: 'owner',
    })
    assert.match(first.actionDetails ?? '', /^token k\w+CNTRL$/)
  }
})

test('what one operation changes is one group; a machine that joins says all that came with it', async () => {
  const events = await logged(() => world.join(world.alpha.num, Number(world.alpha.userIds.owner), 'fresh'))
  assert.deepEqual(events.map(eventName), [
    'NODE.UPDATE.MACHINE_NAME',
    'NODE.CREATE',
    'NODE.UPDATE.KEY_EXPIRY_TIME',
    'NODE.LOGIN',
    'NODE.APPROVE',
  ])
  assert.equal(new Set(events.map((event) => event.eventGroupID)).size, 1)
  assert.equal(new Set((await logs(always())).map((event) => event.eventGroupID)).size > 5, true)
})

test('a key’s secret is in no log, and neither is its hash', async () => {
  const path = '/tailnet/alpha/keys'
  const body = { capabilities: { devices: { create: { reusable: true } } }, description: 'robots' }
  let key = ''
  const events = await logged(async () => {
    const made = await world.post(path, body, alice)
    key = made.key
    await done('DELETE', `${path}/${made.id}`)
  })
  assert.deepEqual(events.map(eventName), ['API_KEY.CREATE', 'API_KEY.REVOKE'])
  const everything = JSON.stringify(await logs(always()))
  const secret = key.split('-').at(-1) as string
  assert.ok(!everything.includes(secret))
  const hashes = [...world.ledger.model.state(world.alpha.num).all('key')].map(({ hash }) => hash)
  assert.ok(hashes.length > 5 && hashes.every((hash) => !everything.includes(hash)))
})

test('who it was is a person, a client or a part of the server, and never merely "admin"', async () => {
  const [onServer] = await logged(() =>
    done('PATCH', '/tailnet/alpha/settings', { httpsEnabled: true }, { server: true }),
  )
  assert.deepEqual(onServer?.actor, {
    id: 'unix:0',
    type: 'USER',
    loginName: 'root@sett',
    displayName: "root@sett (server's socket)",
  })
  const nobodys = await world.token('alpha', {})
  const [byClient] = await logged(() =>
    done('PATCH', '/tailnet/alpha/settings', { httpsEnabled: false }, { token: nobodys }),
  )
  assert.equal(byClient?.actor.type, 'OAUTH_CLIENT')
  assert.match(byClient?.actor.id ?? '', /^k\w+CNTRL$/)
  const request = new Request(`http://sett.test/api/v2/tailnet/alpha/settings`, {
    method: 'PATCH',
    headers: { authorization: `Bearer ${alice.token}` },
    body: '{"httpsEnabled": true}',
  })
  const [fromWhere] = await logged(() => world.rest.fetch(request, undefined, '192.0.2.9'))
  assert.equal(fromWhere?.from, '192.0.2.9')
})

test('filters find by id, by part of a name, and by event; several of a kind are alternatives', async () => {
  const owner = world.alpha.userIds.owner
  const all = await logs(always())
  const id = world.alpha.laptop.stableId
  const count = (test: (event: AuditRecord) => boolean) => all.filter(test).length
  const rows: readonly { query: string; want: number }[] = [
    { query: `actor=${owner}`, want: count(({ actor }) => actor.id === owner) },
    { query: 'actor=~OWN', want: count(({ actor }) => actor.loginName === 'owner') },
    { query: 'actor=own', want: 0 },
    { query: `target=${id}`, want: count(({ target }) => target.id === id) },
    { query: 'target=~desk', want: count(({ target }) => target.name === 'desk') },
    { query: 'event=NODE.CREATE', want: count((event) => eventName(event) === 'NODE.CREATE') },
    {
      query: 'event=NODE.CREATE&event=USER.SUSPEND',
      want: count((e) => ['NODE.CREATE', 'USER.SUSPEND'].includes(eventName(e))),
    },
    { query: `event=NODE.UPDATE.MACHINE_NAME&target=${id}&actor=${owner}`, want: 1 },
    { query: 'event=NODE', want: 0 },
  ]
  for (const { query, want } of rows) {
    assert.equal((await logs(`${always()}&${query}`)).length, want, query)
    assert.ok(want > 0 || /=own$|=NODE$/.test(query), query)
  }
})

test('a period that is none is refused, and one without events is empty', async () => {
  const rows = [
    { query: '', says: /start/ },
    { query: '?start=2026-01-01T00:00:00Z', says: /end/ },
    { query: '?start=yesterday&end=2026-01-01T00:00:00Z', says: /start is no RFC 3339 time/ },
    { query: '?start=2026-01-02T00:00:00Z&end=2026-01-01T00:00:00Z', says: /start is after end/ },
  ]
  for (const { query, says } of rows) {
    const told = await world.ask('GET', `${LOG}${query}`, alice)
    assert.equal(told.status, 400, query)
    assert.match(told.body.message, says)
  }
  const reply = await world.get(`${LOG}?start=2020-01-01T00:00:00Z&end=2020-01-02T00:00:00Z`, alice)
  assert.deepEqual(reply, { version: '1.1', tailnet: 'alpha', tailnetId: world.alpha.id, logs: [] })
})

test('another tailnet’s changes, its settings included, are in its own log only', async () => {
  await done('PATCH', '/tailnet/beta/settings', { regionalRoutingOn: true }, { token: world.beta.tokens.owner })
  const theirs = (
    await world.get(`/tailnet/beta/logging/configuration?${always()}`, { token: world.beta.tokens.owner })
  ).logs
  assert.ok((theirs as AuditRecord[]).some((event) => eventName(event) === 'TAILNET.ENABLE.GEOSTEERING'))
  assert.equal(eventName(theirs[0]), 'TAILNET.CREATE')
  assert.ok(!(await logs(always())).some((event) => eventName(event) === 'TAILNET.ENABLE.GEOSTEERING'))
  const told = await world.ask('GET', `/tailnet/beta/logging/configuration?${always()}`, alice)
  assert.equal(told.status, 404)
})

test('calls that lack permission are logged, ten a minute for each credential, and the rest is counted', async () => {
  const token = world.alpha.tokens.auditor
  const refusedBy = async (times: number) => {
    for (let i = 0; i < times; i++)
      assert.equal((await world.ask('POST', `${device}/name`, { token, body: { name: 'mine' } })).status, 403)
  }
  const events = await logged(() => refusedBy(14))
  assert.equal(events.length, 10)
  assert.equal(eventName(events[0] as AuditRecord), 'FAILED_REQUEST.UPDATE')
  assert.equal(events[0]?.target.name, 'POST /device/{deviceId}/name')
  assert.equal(events[0]?.actor.loginName, 'auditor')
  assert.match(events[0]?.error ?? '', /devices:core/)
  const [next] = await logged(() => refusedBy(1))
  assert.match(next?.actionDetails ?? '', /4 more were refused before/)
})

test('the log is read by number, with the hashes that chain it', async () => {
  const read = async (after: number, path = '/sett/tailnet/alpha/log'): Promise<AuditPage> =>
    await world.get(`${path}?after=${after}`)
  const { log, trimmed, newest, entries } = await read(0)
  assert.deepEqual(
    trimmed,
    emptyAuditHead((...parts) => nodePrimitives.sha256(...parts), log),
  )
  let { hash } = trimmed
  for (const entry of entries) {
    hash = auditHash((...parts) => nodePrimitives.sha256(...parts), hash, entry)
    assert.equal(hash, entry.hash)
  }
  assert.deepEqual(newest, { number: entries.length, hash })
  assert.deepEqual((await read(entries.length - 2)).entries, entries.slice(-2))
  assert.equal((await world.ask('GET', '/sett/tailnet/alpha/log?after=x', { server: true })).status, 400)
  assert.equal((await read(0, '/sett/log')).log, 0)
})

test('entries as large as policies come in smaller pages, and all of them', async () => {
  const token = { token: world.beta.tokens.owner }
  const before = (await world.get('/sett/tailnet/beta/log?after=999999')).newest.number as number
  const log = world.beta.num
  const large = (i: number): AuditEvent => ({
    log,
    entry: {
      ...TESTER,
      target: { id: String(i), name: 'beta', type: 'TAILNET', property: 'ACL' },
      action: 'UPDATE',
      new: 'x'.repeat(400_000),
    },
  })
  await world.ledger.transact(log, TESTER, () => ({
    batch: { writes: [], events: Array.from({ length: 36 }, (_, i) => large(i)) },
    result: undefined,
  }))
  let after = before
  let pages = 0
  for (;;) {
    const { entries } = (await world.get(`/sett/tailnet/beta/log?after=${after}`)) as AuditPage
    if (entries.length === 0) break
    assert.deepEqual(
      entries.map(({ number }) => number),
      entries.map((_, i) => after + 1 + i),
    )
    assert.ok(entries.length <= 33)
    after += entries.length
    pages++
  }
  assert.equal(after, before + 36)
  assert.ok(pages > 1)
  const reply = await world.get(`/tailnet/beta/logging/configuration?${always()}&event=TAILNET.UPDATE.ACL`, token)
  assert.equal(reply.logs.length, 36)
})
