/** What the audit log says of machines and of the clock: who did it, once for all servers, and for how long it is kept. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { START, World } from '../../../test/support/world.ts'
import type { Machine } from '../../../test/support/world.ts'
import { memoryDatabase } from '../../../test/support/ledger.ts'
import { HOUR_MS, later, MINUTE_MS } from '../../base/clock.ts'
import { eventName } from '../../wire/audit-filter.ts'
import type { AuditEntry } from '../model/audit.ts'
import type { Node } from '../model/records.ts'
import { MemoryStore } from '../store/memory.ts'

const ALL = 10_000

/** Entries since the last call. */
function reader(world: World): () => Promise<AuditEntry[]> {
  let after = 0
  return async () => {
    const rows = await world.store.audit(world.tailnet.num, after, ALL)
    after = rows.at(-1)?.number ?? after
    return rows.map(({ entry }) => JSON.parse(entry) as AuditEntry)
  }
}

function nodeOf(world: World, machine: Machine): Node {
  const found = world.coord.ledger.model.nodeByKey(machine.nodeKey)
  assert.ok(found !== undefined)
  return found.node
}

const said = (entries: readonly AuditEntry[]) => entries.map((entry) => `${entry.actor.type} ${eventName(entry)}`)

test('a machine that joins by a key speaks for itself, and says by whose key', async () => {
  const world = await World.start({})
  const read = reader(world)
  const laptop = await world.joined('laptop')
  await world.settle()
  const entries = await read()
  const node = nodeOf(world, laptop)
  assert.deepEqual(said(entries).slice(-6), [
    'AUTOMATED_WORKER API_KEY.CREATE',
    'NODE NODE.UPDATE.MACHINE_NAME',
    'NODE NODE.CREATE',
    'NODE NODE.UPDATE.KEY_EXPIRY_TIME',
    'NODE NODE.LOGIN',
    'NODE NODE.APPROVE',
  ])
  const created = entries.find((entry) => eventName(entry) === 'NODE.CREATE')
  assert.equal(created?.actor.id, node.stableId)
  assert.equal(created?.origin, 'NODE')
  assert.equal(created?.from, '192.0.2.7')
  assert.equal(created?.actionDetails, `auth key ${node.authKey} of admin@home.sett.internal`)

  // Being connected, being reached elsewhere, and asking again are no configuration.
  laptop.endpoints = ['198.51.100.1:1']
  await laptop.lite()
  await laptop.register()
  laptop.stream?.end()
  await world.pass(5 * MINUTE_MS)
  assert.deepEqual(said(await read()), [])

  await laptop.register({ Expiry: '2020-01-01T00:00:00Z' })
  assert.deepEqual(said(await read()), ['NODE NODE.LOGOUT'])
  world.coord.close()
})

test('a machine whose login somebody approves was let in by that person', async () => {
  const world = await World.start({})
  const anna = await world.user('anna@example.com')
  const read = reader(world)
  await read()
  const phone = world.machine('phone')
  const url = (await phone.register()).json['AuthURL'] as string
  assert.deepEqual(said(await read()), [])
  await world.decideLogin(url.split('/').at(-1) as string, {
    kind: 'approved',
    tailnet: world.tailnet.num,
    user: anna.id,
  })
  const [decided, ...more] = await read()
  assert.equal(eventName(decided as AuditEntry), 'NODE.ACCEPT')
  assert.deepEqual(more, [])
  assert.ok(!JSON.stringify(decided).includes(url.split('/').at(-1) as string), 'the code lets whoever has it decide')
  await phone.register({ Followup: url })
  const joined = await read()
  assert.ok(joined.length > 3)
  for (const { actor } of joined) assert.deepEqual([actor.type, actor.loginName], ['USER', 'anna@example.com'])
  world.coord.close()
})

test('what the server does by itself is done by a part of it that has a name, once for all servers', async () => {
  const database = memoryDatabase()
  const one = await World.start({ store: new MemoryStore(database), server: 'one' })
  const two = await World.start({ store: new MemoryStore(database), server: 'two' })
  const read = reader(one)
  const laptop = await one.joined('laptop')
  const never = await one.joined('never')
  const gone = await one.joined('gone', { ephemeral: true })
  const at = later(START, HOUR_MS)
  await one.change(nodeOf(one, laptop).id, () => ({ keyExpiry: at }))
  await one.change(nodeOf(one, never).id, () => ({ keyExpiry: at, keyExpiryDisabled: true }))
  gone.stream?.end()
  await one.settle()
  await read()
  for (let i = 0; i < 3; i++) for (const world of [one, two]) await world.pass(HOUR_MS)
  const entries = await read()
  const about = (name: string) => entries.filter(({ target }) => target.name === name)
  assert.deepEqual(said(about('gone')), ['AUTOMATED_WORKER NODE.DELETE'])
  assert.deepEqual(said(about('laptop')), ['AUTOMATED_WORKER NODE.EXPIRED.KEY_EXPIRY_TIME'])
  assert.deepEqual(said(about('never')), [])
  for (const { actor, origin } of entries) assert.deepEqual([actor.id, origin], ['housekeeping', 'CONTROL'])
  one.coord.close()
  two.coord.close()
})

test('an auth key that runs out unused is told of; one that is used up or revoked is not', async () => {
  const world = await World.start({})
  await world.pass(2 * MINUTE_MS)
  const read = reader(world)
  await world.key({ description: 'unused', expires: later(START, HOUR_MS) })
  await world.key({ description: 'revoked', expires: later(START, HOUR_MS), revoked: START })
  await world.joined('laptop', { description: 'used', expires: later(START, HOUR_MS) })
  await read()
  await world.pass(HOUR_MS)
  assert.deepEqual(
    (await read()).map((entry) => [eventName(entry), entry.target.name]),
    [['API_KEY.EXPIRED', 'unused']],
  )
  world.coord.close()
})

test('entries are kept for as long as the server is told to, and no longer', async () => {
  const world = await World.start({ auditMs: 3 * HOUR_MS })
  await world.joined('laptop')
  const { newest } = await world.store.auditEnds(world.tailnet.num)
  await world.pass(2 * HOUR_MS)
  assert.equal((await world.store.audit(world.tailnet.num, 0, ALL)).length, newest.number)
  await world.pass(2 * HOUR_MS + MINUTE_MS)
  assert.deepEqual(await world.store.audit(world.tailnet.num, 0, ALL), [])
  assert.equal((await world.store.auditEnds(world.tailnet.num)).trimmed.hash, newest.hash)
  world.coord.close()
})
