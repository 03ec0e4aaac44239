import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RestWorld } from '../../../test/support/rest-world.ts'
import { ownerIn } from './owner.ts'

test('a tailnet has no owner without users, then its first user, then whoever is made it', async () => {
  const world = await RestWorld.make()
  const { id } = await world.post('/sett/tailnets', { name: 'gamma' })
  const num = world.ledger.model.tailnetNamed(id)?.num
  assert.ok(num !== undefined)
  const owner = () => ownerIn(world.ledger.model.state(num))?.loginName
  assert.equal(owner(), undefined)
  await world.post('/sett/tailnet/gamma/users', { loginName: 'anna' })
  assert.equal(owner(), 'anna')
  const bob = await world.post('/sett/tailnet/gamma/users', { loginName: 'bob' })
  assert.equal(owner(), 'anna')
  await world.post(`/users/${bob.id}/role`, { role: 'owner' })
  assert.equal(owner(), 'bob')
})
