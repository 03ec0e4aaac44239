/** Users, their roles, and what each role opens. (api-v2.md §2.5, §4.3, checklist 8 and 23) */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ROLES } from '../model/records.ts'
import type { Role } from '../model/records.ts'
import { RestWorld } from '../../../test/support/rest-world.ts'
import { TESTER } from '../../../test/support/ledger.ts'

let world: RestWorld
function inWorld(name: string, run: () => Promise<void>): void {
  test(name, async () => {
    world = await RestWorld.make()
    await run()
  })
}

const user = (role: Role) => `/users/${world.alpha.userIds[role]}`
const as = (role: Role) => ({ token: world.alpha.tokens[role] })

inWorld('a user shows every member', async () => {
  const online = world.alpha.laptop
  assert.deepEqual(await world.get(user('owner')), {
    id: world.alpha.userIds.owner,
    displayName: 'owner',
    loginName: 'owner',
    profilePicUrl: '',
    tailnetId: world.alpha.id,
    created: '2026-01-02T03:04:05Z',
    type: 'member',
    role: 'owner',
    status: 'active',
    // The printer is tagged: nobody's.
    deviceCount: 1,
    lastSeen: '2026-01-02T03:04:05Z',
    currentlyConnected: false,
  })
  world.online.add(online.id)
  world.clock.advance(60_000)
  const { currentlyConnected, lastSeen } = await world.get(user('owner'))
  assert.deepEqual([currentlyConnected, lastSeen], [true, '2026-01-02T03:05:05Z'])
})

inWorld('the list is filtered by type and role', async () => {
  const rows = [
    { query: '', want: [...ROLES] },
    { query: '?type=all&role=all', want: [...ROLES] },
    { query: '?type=member&role=it-admin', want: ['it-admin'] },
    { query: '?type=shared', want: [] },
  ]
  for (const { query, want } of rows) {
    const { users } = await world.get(`/tailnet/-/users${query}`)
    assert.deepEqual(users.map(({ role }: { role: string }) => role).sort(), want.sort(), query)
  }
  for (const query of ['?type=guest', '?role=king'])
    assert.equal((await world.ask('GET', `/tailnet/-/users${query}`, { server: true })).status, 400)
})

inWorld('users are added under names that are theirs alone', async () => {
  const path = '/sett/tailnet/alpha/users'
  const anna = await world.post(path, { loginName: 'Anna@example.com' })
  assert.deepEqual([anna.role, anna.displayName, anna.status], ['member', 'Anna', 'active'])
  const rows = [
    { body: { loginName: 'anna@EXAMPLE.com' }, status: 409 },
    { body: { loginName: 'bea', role: 'owner' }, status: 400 },
    { body: { loginName: 'bea', role: 'king' }, status: 400 },
    { body: { loginName: 'be a' }, status: 400 },
    { body: { loginName: '' }, status: 400 },
    { body: { loginName: '42' }, status: 400 },
    { body: { loginName: 'bea\u202e' }, status: 400 },
    { body: { loginName: 'a/../b' }, status: 400 },
    { body: {}, status: 400 },
    { body: { loginName: 'bea', displayName: 'Bea\u001b[2J' }, status: 400 },
    { body: { loginName: 'bea', displayName: 'Bea B.', role: 'auditor' }, status: 200 },
  ]
  for (const { body, status } of rows)
    assert.equal((await world.ask('POST', path, { server: true, body })).status, status, JSON.stringify(body))
  // The other tailnet has its own names.
  await world.post('/sett/tailnet/beta/users', { loginName: 'anna@example.com' })
})

inWorld('a name is free again once its user is deleted, and the id is never used again', async () => {
  const { id } = await world.post('/sett/tailnet/alpha/users', { loginName: 'anna' })
  await world.post(`/users/${id}/delete`)
  assert.ok(Number((await world.post('/sett/tailnet/alpha/users', { loginName: 'anna' })).id) > Number(id))
})

inWorld('the first user of a tailnet owns it, and of many that come at once exactly one', async () => {
  await world.post('/sett/tailnets', { name: 'gamma' })
  const path = '/sett/tailnet/gamma/users'
  assert.equal((await world.ask('POST', path, { server: true, body: { loginName: 'a', role: 'member' } })).status, 400)
  const many = Array.from({ length: 16 }, (_, i) => world.post(path, { loginName: `user${i}` }))
  const roles = (await Promise.all(many)).map(({ role }) => role as Role)
  assert.equal(roles.filter((role) => role === 'owner').length, 1)
})

inWorld('one login name, sixteen requests on two servers: one gets it', async () => {
  const { testLedger } = await import('../../../test/support/ledger.ts')
  const other = world.restOn(await testLedger(world.clock, world.database))
  const told = await Promise.all(
    Array.from({ length: 16 }, (_, i) =>
      world.ask(
        'POST',
        '/sett/tailnet/alpha/users',
        { server: true, body: { loginName: 'anna' } },
        i % 2 === 0 ? world.rest : other,
      ),
    ),
  )
  const statuses = told.map(({ status }) => status).sort((a, b) => a - b)
  assert.deepEqual(statuses, [200, ...Array.from({ length: 15 }, () => 409)])
})

inWorld('roles are changed by those who may, never one’s own', async () => {
  const rows: readonly { by: Role | 'server'; of: Role; to: Role; status: number }[] = [
    { by: 'admin', of: 'member', to: 'auditor', status: 200 },
    { by: 'it-admin', of: 'member', to: 'admin', status: 200 },
    { by: 'network-admin', of: 'member', to: 'auditor', status: 403 },
    { by: 'auditor', of: 'member', to: 'auditor', status: 403 },
    { by: 'admin', of: 'admin', to: 'member', status: 403 },
    { by: 'it-admin', of: 'it-admin', to: 'admin', status: 403 },
    { by: 'it-admin', of: 'it-admin', to: 'it-admin', status: 403 },
    { by: 'admin', of: 'admin', to: 'owner', status: 403 },
    { by: 'admin', of: 'member', to: 'owner', status: 403 },
    { by: 'admin', of: 'owner', to: 'member', status: 400 },
    { by: 'owner', of: 'owner', to: 'member', status: 400 },
    { by: 'server', of: 'owner', to: 'member', status: 400 },
    { by: 'owner', of: 'auditor', to: 'owner', status: 200 },
    { by: 'owner', of: 'member', to: 'owner', status: 403 },
    { by: 'auditor', of: 'it-admin', to: 'owner', status: 200 },
  ]
  for (const { by, of, to, status } of rows) {
    const told = await world.ask('POST', `${user(of)}/role`, {
      ...(by === 'server' ? { server: true } : as(by)),
      body: { role: to },
    })
    assert.equal(told.status, status, `${by} makes ${of} ${to}: ${told.text}`)
  }
  const { users } = await world.get('/tailnet/-/users?role=owner')
  assert.deepEqual(
    users.map(({ loginName }: { loginName: string }) => loginName),
    ['it-admin'],
  )
  for (const before of ['owner', 'auditor'] as const) assert.equal((await world.get(user(before))).role, 'admin')
})

inWorld('an owner who hands the tailnet to several at once hands it to one', async () => {
  const heirs: Role[] = ['admin', 'member', 'auditor', 'it-admin', 'network-admin']
  const told = await Promise.all(
    heirs.map((role) => world.ask('POST', `${user(role)}/role`, { ...as('owner'), body: { role: 'owner' } })),
  )
  assert.equal(told.filter(({ status }) => status === 200).length, 1)
  assert.equal((await world.get('/tailnet/-/users?role=owner')).users.length, 1)
})

inWorld('a right that is taken away while a request is under way is gone', async () => {
  // The admin's own rank falls between what the request sees first and its transaction.
  const { ledger } = world
  const transact = ledger.transact.bind(ledger)
  let first = true
  ledger.transact = async (tailnet, by, build) => {
    if (first) {
      first = false
      await world.post(`${user('admin')}/role`, { role: 'member' })
    }
    return transact(tailnet, by, build)
  }
  const told = await world.ask('POST', `${user('member')}/role`, { ...as('admin'), body: { role: 'it-admin' } })
  assert.equal(told.status, 403)
  assert.equal((await world.get(user('member'))).role, 'member')
})

inWorld('on two servers, a token revoked at one can no longer change anything through the other', async () => {
  const { testLedger } = await import('../../../test/support/ledger.ts')
  const behind = await testLedger(world.clock, world.database)
  // This server hears of nothing by itself.
  behind.close()
  const other = world.restOn(behind)
  const token = world.alpha.tokens.admin
  await world.ask('GET', '/tailnet/-/keys', { token }, other)
  await world.ask('DELETE', `/tailnet/-/keys/${token.split('-')[2]}`, { server: true })
  assert.equal((await world.ask('GET', '/tailnet/-/keys', { token }, other)).status, 200, 'it has not heard of it')
  const told = await world.ask('POST', `${user('member')}/role`, { token, body: { role: 'it-admin' } }, other)
  assert.equal(told.status, 401)
  assert.equal((await world.get(user('member'))).role, 'member')
})

inWorld('a suspended user’s devices and credentials stop, and restoring brings back what there was', async () => {
  const id = Number(world.alpha.userIds.member)
  const [phone, tagged, waiting] = [
    await world.join(1, id, 'phone'),
    await world.join(1, id, 'server', { tags: ['tag:web'] }),
    await world.join(1, id, 'waiting', { authorized: false }),
  ]
  const token = await world.token('alpha', { user: 'member' })
  const self = `/tailnet/-/keys/${token.split('-')[2]}`
  const state = async () => {
    const devices = await Promise.all(
      [phone, tagged, waiting].map(async (node) => (await world.get(`/device/${node.id}`)).authorized),
    )
    return [...devices, (await world.ask('GET', self, { token })).status]
  }
  assert.deepEqual(await state(), [true, true, false, 200])
  for (let twice = 0; twice < 2; twice++) await world.post(`${user('member')}/suspend`, undefined, as('it-admin'))
  assert.equal((await world.get(user('member'))).status, 'suspended')
  assert.deepEqual(await state(), [false, true, false, 401])
  const approve = { server: true, body: { authorized: true } } as const
  assert.equal((await world.ask('POST', `/device/${phone.id}/authorized`, approve)).status, 400)
  for (let twice = 0; twice < 2; twice++) await world.post(`${user('member')}/restore`, undefined, as('it-admin'))
  assert.deepEqual(await state(), [true, true, false, 200])
})

inWorld(
  'a suspended user’s device that gets tags is nobody’s, so it works; without them it is cut off again',
  async () => {
    const phone = await world.join(1, Number(world.alpha.userIds.member), 'phone')
    const authorized = async () => (await world.get(`/device/${phone.id}`)).authorized
    await world.post(`${user('member')}/suspend`)
    const seen = [await authorized()]
    for (const tags of [['tag:a'], []]) {
      await world.post(`/device/${phone.id}/tags`, { tags })
      seen.push(await authorized())
    }
    await world.post(`${user('member')}/restore`)
    assert.deepEqual([...seen, await authorized()], [false, true, false, true])
  },
)

inWorld('approval lets in whoever waits for it, and is nothing to others', async () => {
  await world.ledger.transact(1, TESTER, (model) => {
    const id = world.alpha.userIds.member
    const member = model.state(1).usersById.get(Number(id))
    assert.ok(member)
    const expect = model.state(1).version('user', id)
    return {
      batch: { writes: [{ kind: 'user', id, expect, value: { ...member, status: 'needs-approval' } }] },
      result: undefined,
    }
  })
  const self = { token: world.alpha.tokens.member }
  const key = `/tailnet/-/keys/${self.token.split('-')[2]}`
  assert.equal((await world.ask('GET', key, self)).status, 401)
  for (let twice = 0; twice < 2; twice++) await world.post(`${user('member')}/approve`)
  assert.equal((await world.ask('GET', key, self)).status, 200)
  await world.post(`${user('auditor')}/suspend`)
  await world.post(`${user('auditor')}/approve`)
  assert.equal((await world.get(user('auditor'))).status, 'suspended')
})

inWorld('a deleted user’s devices and credentials go with them; what is tagged stays', async () => {
  const id = Number(world.alpha.userIds.member)
  const phone = await world.join(1, id, 'phone')
  const tagged = await world.join(1, id, 'server', { tags: ['tag:web'] })
  const { id: key } = await world.post('/tailnet/-/keys', { user: 'member' })
  await world.post(`${user('member')}/delete`)
  assert.equal((await world.ask('GET', user('member'), { server: true })).status, 404)
  assert.equal((await world.ask('GET', `/device/${phone.id}`, { server: true })).status, 404)
  assert.equal((await world.get(`/device/${tagged.id}`)).user, 'tagged-devices')
  assert.equal((await world.get(`/tailnet/-/keys/${key}`)).invalid, true)
  assert.equal((await world.ask('GET', '/tailnet/-/keys', as('member'))).status, 401)
})

inWorld('nobody suspends or deletes themselves, or the owner', async () => {
  for (const verb of ['suspend', 'delete']) {
    assert.equal((await world.ask('POST', `${user('admin')}/${verb}`, as('admin'))).status, 403)
    for (const by of [as('admin'), as('owner'), { server: true } as const]) {
      const { status } = await world.ask('POST', `${user('owner')}/${verb}`, by)
      assert.ok(status === 400 || status === 403)
    }
  }
  for (const verb of ['approve', 'restore'])
    assert.equal((await world.ask('POST', `${user('admin')}/${verb}`, as('admin'))).status, 403)
  assert.equal((await world.get(user('owner'))).status, 'active')
})

/** One line of §2.5 for each request: who may. */
const MAY: readonly { what: string; method: string; path: () => string; body?: unknown; who: readonly Role[] }[] = [
  {
    what: 'read machines',
    method: 'GET',
    path: () => '/tailnet/-/devices',
    who: ['owner', 'admin', 'network-admin', 'it-admin', 'billing-admin', 'auditor'],
  },
  {
    what: 'read users',
    method: 'GET',
    path: () => '/tailnet/-/users',
    who: ['owner', 'admin', 'network-admin', 'it-admin', 'billing-admin', 'auditor'],
  },
  {
    what: 'read settings',
    method: 'GET',
    path: () => '/tailnet/-/settings',
    who: ['owner', 'admin', 'network-admin', 'it-admin', 'billing-admin', 'auditor'],
  },
  {
    what: 'write machines',
    method: 'POST',
    path: () => `/device/${world.alpha.laptop.id}/authorized`,
    body: { authorized: true },
    who: ['owner', 'admin', 'it-admin'],
  },
  {
    what: 'write routes',
    method: 'POST',
    path: () => `/device/${world.alpha.laptop.id}/routes`,
    body: { routes: [] },
    who: ['owner', 'admin', 'network-admin'],
  },
  {
    what: 'write HTTPS',
    method: 'PATCH',
    path: () => '/tailnet/-/settings',
    body: { httpsEnabled: true },
    who: ['owner', 'admin', 'network-admin'],
  },
  {
    what: 'write features',
    method: 'PATCH',
    path: () => '/tailnet/-/settings',
    body: { devicesApprovalOn: true },
    who: ['owner', 'admin', 'it-admin'],
  },
  {
    what: 'create auth keys',
    method: 'POST',
    path: () => '/tailnet/-/keys',
    body: {},
    who: ['owner', 'admin', 'network-admin', 'it-admin'],
  },
  {
    what: 'create tokens',
    method: 'POST',
    path: () => '/sett/tailnet/-/tokens',
    body: {},
    who: ['owner', 'admin', 'network-admin', 'it-admin'],
  },
  {
    what: 'use any tag',
    method: 'POST',
    path: () => '/tailnet/-/keys',
    body: { capabilities: { devices: { create: { tags: ['tag:a'] } } } },
    who: ['owner', 'admin', 'network-admin'],
  },
]

inWorld('each role may do what its line of the table says, and no more', async () => {
  for (const { what, method, path, body, who } of MAY)
    for (const role of ROLES) {
      const { status } = await world.ask(method, path(), { ...as(role), body })
      assert.equal(status === 200, who.includes(role), `${role}: ${what}: ${status}`)
    }
})
