/** What lists say of keys, tokens and devices whose time is over. */

import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { AdminWorld } from '../../../test/support/admin-world.ts'
import { DAY_MS } from '../../base/clock.ts'
import { TESTER } from '../../../test/support/ledger.ts'

suite('states in lists', () => {
  let at: AdminWorld
  before(async () => {
    at = await AdminWorld.make()
  })
  after(() => at.close())

  /** The cells of the row that holds `mark`, by heading. */
  async function rowWith(mark: string, ...args: string[]): Promise<Record<string, string>> {
    const [head = '', ...rows] = (await at.admin(...args)).split('\n')
    const row = rows.find((line) => line.includes(mark))
    assert.ok(row !== undefined, `${args.join(' ')} has no ${mark}`)
    const starts = [...head.matchAll(/\S+(?: \S+)*/g)].map(({ 0: name, index }) => ({ name, index }))
    return Object.fromEntries(starts.map(({ name, index }, i) => [name, row.slice(index, starts[i + 1]?.index).trim()]))
  }

  test('a key is valid, revoked, used, expired, or its owner is suspended', async () => {
    const { world } = at
    const make = async (...more: string[]) => (await at.adminJson('keys', 'create', ...more)).id as string
    const keys = {
      valid: await make(),
      revoked: await make(),
      expired: await make('--expiry', '1h'),
      used: await make(),
      'owner suspended': await make('--user', 'auditor', '--reusable'),
    }
    await at.admin('keys', 'revoke', keys.revoked)
    await at.admin('users', 'suspend', 'auditor')
    const used = world.ledger.model.state(1).key(keys.used)
    assert.ok(used !== undefined)
    await world.ledger.transact(1, TESTER, () => ({
      batch: {
        writes: [{ kind: 'key', id: used.id, expect: 'any', value: { ...used, usedBy: world.alpha.laptop.id } }],
      },
      result: undefined,
    }))
    assert.equal((await rowWith(keys.expired, 'keys', 'list'))['STATE'], 'valid')
    world.clock.advance(DAY_MS)
    for (const [state, id] of Object.entries(keys)) assert.equal((await rowWith(id, 'keys', 'list'))['STATE'], state)
  })

  test('keys of a deleted user are still theirs, and one that was used is no less used', async () => {
    const { world } = at
    await at.admin('users', 'create', 'gone@example.com')
    const make = async (...more: string[]) => (await at.adminJson('keys', 'create', ...more)).id as string
    const [spent, unused] = [await make('--user', 'gone@example.com'), await make('--user', 'gone@example.com')]
    const key = world.ledger.model.state(1).key(spent)
    assert.ok(key !== undefined)
    await world.ledger.transact(1, TESTER, () => ({
      batch: { writes: [{ kind: 'key', id: spent, expect: 'any', value: { ...key, usedBy: world.alpha.laptop.id } }] },
      result: undefined,
    }))
    await at.admin('users', 'delete', 'gone@example.com')
    for (const [id, state] of [
      [spent, 'used'],
      [unused, 'revoked'],
    ] as const) {
      const row = await rowWith(id, 'keys', 'list')
      assert.deepEqual([row['CREATOR'], row['STATE']], ['gone@example.com', state])
    }
    const { keys } = await at.adminJson('keys', 'list')
    assert.equal(keys.find((each: { id: string }) => each.id === spent).creator, 'gone@example.com')
  })

  test('a token has the same states, and no nodes', async () => {
    const { id } = await at.adminJson('tokens', 'create', '--expiry', '1h', '--description', 'short')
    assert.equal((await rowWith(id, 'tokens', 'list'))['STATE'], 'valid')
    at.world.clock.advance(DAY_MS)
    const row = await rowWith(id, 'tokens', 'list')
    assert.deepEqual(Object.keys(row), [
      'ID',
      'SCOPES',
      'CREATOR',
      'CREATED',
      'LAST USED',
      'EXPIRES',
      'STATE',
      'DESCRIPTION',
    ])
    assert.deepEqual([row['STATE'], row['DESCRIPTION']], ['expired', 'short'])
  })

  test('a device whose key has expired has a note, until its key never expires', async () => {
    const notes = async () => (await rowWith('laptop', 'nodes', 'list'))['NOTES']
    assert.equal(await notes(), 'routes to approve')
    assert.doesNotMatch(await at.admin('nodes', 'show', 'laptop'), /expired/)
    await at.admin('nodes', 'expire', 'laptop')
    assert.equal(await notes(), 'expired, routes to approve')
    assert.match(await at.admin('nodes', 'show', 'laptop'), /Key expires: +2026-\S+ \d\d:\d\d \(expired\)/)
    await at.admin('nodes', 'expire', 'laptop', '--never')
    assert.equal(await notes(), 'routes to approve')
  })
})
