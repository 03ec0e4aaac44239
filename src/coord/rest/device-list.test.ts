/** Lists of devices: what is kept of one is never shown once it is another; and whoever asks lets others have their turn. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RestWorld } from '../../../test/support/rest-world.ts'

test('after every change a list shows what each device shows by itself', async () => {
  const world = await RestWorld.make()
  const { laptop, userIds } = world.alpha
  const phone = await world.join(1, Number(userIds.member), 'phone')
  const ids = [laptop.stableId, phone.stableId]

  async function check(what: string): Promise<void> {
    for (const fields of ['default', 'all']) {
      const { devices } = await world.get(`/tailnet/alpha/devices?fields=${fields}`)
      const alone = await Promise.all(ids.map((id) => world.get(`/device/${id}?fields=${fields}`)))
      const listed = ids.map((id) => devices.find(({ nodeId }: { nodeId: string }) => nodeId === id))
      assert.deepEqual(listed, alone, what)
      const byName = await world.get(`/tailnet/alpha/devices?fields=${fields}&name=${alone[0].name}`)
      assert.deepEqual(byName.devices, [alone[0]], what)
    }
  }
  await check('at first')
  const changes: (readonly [string, () => Promise<unknown>])[] = [
    ['renamed', () => world.post(`/device/${laptop.stableId}/name`, { name: 'desk' })],
    ['a tag', () => world.post(`/device/${laptop.stableId}/key`, { keyExpiryDisabled: true })],
    ['a route', () => world.post(`/device/${laptop.stableId}/routes`, { routes: ['10.9.0.0/16'] })],
    ['online', () => Promise.resolve(world.online.add(phone.id))],
    ['offline', () => Promise.resolve(world.online.delete(phone.id))],
    ['the owner gone', () => world.post(`/users/${userIds.admin}/suspend`)],
    ['not approved', () => world.post(`/device/${phone.stableId}/authorized`, { authorized: false })],
  ]
  for (const [what, change] of changes) {
    await change()
    await check(what)
  }
})

test('a long list is written in steps, and what is kept is not written again', async () => {
  const world = await RestWorld.make()
  for (let i = 0; i < 120; i++) await world.join(1, Number(world.alpha.userIds.owner), `host-${i}`)
  let pauses = 0
  const rest = world.restOn(world.ledger, { pause: () => Promise.resolve(void pauses++) })
  const list = async () =>
    (await world.ask('GET', '/tailnet/alpha/devices', { server: true }, rest)).body.devices.length
  const count = world.ledger.model.state(1).nodesById.size
  assert.equal(await list(), count)
  assert.equal(pauses, Math.floor(count / 50))
  assert.equal(await list(), count)
  assert.equal(pauses, Math.floor(count / 50))
})
