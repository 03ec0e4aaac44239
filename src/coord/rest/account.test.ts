/** Contacts, invitations of people and posture integrations. (api-v2.md §4.3, §4.8, §4.9, checklist 24 and 29) */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DAY_MS, MINUTE_MS } from '../../base/clock.ts'
import { utf8, hex } from '../../base/bytes.ts'
import { nodePrimitives } from '../../crypto/io/node-primitives.ts'
import { RestWorld } from '../../../test/support/rest-world.ts'

const T = '/tailnet/-'

/** What the tailnet's audit log says, as texts: whose property it was, what happened, and the rest. */
async function logged(world: RestWorld): Promise<string[]> {
  const { logs } = await world.get(`${T}/logging/configuration?start=2020-01-01T00:00:00Z&end=2030-01-01T00:00:00Z`)
  return logs.map(
    ({ action, target, old, new: now }: any) =>
      `${action} ${target.property ?? target.type} ${JSON.stringify(old) ?? ''} > ${JSON.stringify(now) ?? ''}`,
  )
}

test('contacts are the owner’s until they are set, and setting one twice is no change', async () => {
  const world = await RestWorld.make()
  const token = await world.token('alpha', { user: 'owner', scopes: ['account_settings'] })
  const nobody = { email: '', needsVerification: false }
  assert.deepEqual(await world.get(`${T}/contacts`, { token }), { account: nobody, support: nobody, security: nobody })
  const body = { email: 'help@alpha.example' }
  for (const _ of ['once', 'twice'])
    assert.equal((await world.ask('PATCH', `${T}/contacts/support`, { token, body })).status, 200)
  const { support, security } = await world.get(`${T}/contacts`, { token })
  assert.deepEqual([support, security], [{ ...body, needsVerification: false }, nobody])
  assert.deepEqual(
    (await logged(world)).filter((line) => line.includes('_EMAIL')),
    ['UPDATE SUPPORT_EMAIL null > "help@alpha.example"'],
  )
  assert.deepEqual((await world.get('/tailnet/beta/contacts')).support, nobody)

  await world.post('/sett/tailnets', { name: 'gamma' })
  await world.post('/sett/tailnet/gamma/users', { loginName: 'anna@gamma.example' })
  assert.equal((await world.get('/tailnet/gamma/contacts')).account.email, 'anna@gamma.example')

  for (const [path, email, status] of [
    ['support', 'nobody', 400],
    ['support', 'a@b\u001b[2J', 400],
    ['support', `${'a'.repeat(250)}@b.example`, 400],
    ['support', undefined, 400],
    ['billing', 'a@b.example', 404],
  ] as const)
    assert.equal((await world.ask('PATCH', `${T}/contacts/${path}`, { token, body: { email } })).status, status, path)
  const resent = await world.ask('POST', `${T}/contacts/support/resend-verification-email`, { token })
  assert.deepEqual([resent.status, /sends no mail/.test(resent.text)], [400, true])
})

test('invitations go in and out as arrays; their link is told once, and kept as a hash', async () => {
  const world = await RestWorld.make()
  const { tokens, userIds } = world.alpha
  const token = tokens['it-admin']
  const made = await world.post(`${T}/user-invites`, [{ role: 'admin', email: 'Bea@alpha.example' }, {}], { token })
  const [bea, anyone] = made
  const { inviteUrl, ...shown } = bea
  assert.match(inviteUrl, /^https:\/\/sett\.test\/auth\/ticket\/1\.[\w-]{43}$/)
  assert.deepEqual(shown, {
    id: shown.id,
    role: 'admin',
    tailnetId: 1,
    inviterId: Number(userIds['it-admin']),
    email: 'Bea@alpha.example',
    created: '2026-01-02T03:04:05Z',
    expires: '2026-02-01T03:04:05Z',
  })
  assert.deepEqual([anyone.role, 'email' in anyone], ['member', false])
  assert.deepEqual(await world.get(`${T}/user-invites`), [shown, { ...anyone, inviteUrl: undefined }].map(withoutUrl))
  assert.deepEqual(await world.get(`/user-invites/${bea.id}`, { token }), shown)

  const state = world.ledger.model.state(1)
  const secret = inviteUrl.slice(-43)
  const kept = JSON.stringify([...state.entries('ticket')])
  assert.ok(kept.includes(hex(nodePrimitives.sha256(utf8(secret)))) && !kept.includes(secret))
  // The id of an invitation says nothing about its link.
  assert.ok(!kept.includes(`"${bea.id}",{`) && state.get('ticket', bea.id) === undefined)
  assert.equal((await logged(world)).filter((line) => line.startsWith('CREATE TAILNET_INVITE')).length, 2)

  assert.equal((await world.ask('DELETE', `/user-invites/${anyone.id}`, { token })).status, 200)
  assert.equal((await world.ask('GET', `/user-invites/${anyone.id}`, { token })).status, 404)
  assert.equal((await world.ask('DELETE', `/user-invites/${anyone.id}`, { token })).status, 404)
  world.clock.advance(30 * DAY_MS)
  assert.deepEqual(await world.get(`${T}/user-invites`), [])
  assert.equal((await world.ask('GET', `/user-invites/${bea.id}`, { token })).status, 404)
})

function withoutUrl({ inviteUrl: _, ...invite }: any) {
  return invite
}

test('sending an invitation again makes a new link in place of the one before, once a minute', async () => {
  const world = await RestWorld.make()
  const token = world.alpha.tokens.admin
  const [bea, anyone] = await world.post(`${T}/user-invites`, [{ email: 'bea@alpha.example' }, {}], { token })
  const state = world.ledger.model.state(1)
  const isGood = (url: string) =>
    (state.get('ticket', hex(nodePrimitives.sha256(utf8(url.slice(-43)))))?.expires ?? 0) > world.clock.wall()
  const resend = (id: string) => world.ask('POST', `/user-invites/${id}/resend`, { token })
  assert.equal((await resend(bea.id)).status, 429)
  world.clock.advance(MINUTE_MS)
  const again = await resend(bea.id)
  assert.deepEqual([again.status, again.body.id], [200, bea.id])
  assert.deepEqual([isGood(bea.inviteUrl), isGood(again.body.inviteUrl)], [false, true])
  assert.equal((await resend(bea.id)).status, 429)
  assert.equal((await resend(anyone.id)).status, 400)
  assert.equal((await world.get(`${T}/user-invites`)).length, 2)
  const lines = (await logged(world)).filter((line) => line.includes('TAILNET_INVITE'))
  assert.deepEqual(lines.map((line) => line.split(' ')[0] as string).sort(), ['CREATE', 'CREATE', 'RESEND'])
})

test('people invite people, never as an owner, nobody twice, and with what they may do themselves', async () => {
  const world = await RestWorld.make()
  const path = `${T}/user-invites`
  const { tokens } = world.alpha
  await world.post('/sett/tailnet/alpha/users', { loginName: 'anna@alpha.example' })
  const rows = [
    { body: [{ role: 'owner' }], status: 400 },
    { body: [], status: 400 },
    { body: {}, status: 400 },
    { body: [{ role: 'king' }], status: 400 },
    { body: [{ email: 'no address' }], status: 400 },
    { body: [{ email: 'Anna@alpha.example' }], status: 409 },
    { body: [{ email: 'a@b.example' }, { email: 'A@b.example' }], status: 409 },
    { body: [{ email: 'a@b.example' }, { role: 'owner' }], status: 400 },
    { body: Array.from({ length: 101 }, () => ({})), status: 400 },
  ]
  for (const { body, status } of rows)
    assert.equal((await world.ask('POST', path, { token: tokens.owner, body })).status, status, JSON.stringify(body))
  assert.deepEqual(await world.get(path), [])
  for (const [role, status] of [
    ['owner', 200],
    ['admin', 200],
    ['it-admin', 200],
    ['network-admin', 403],
    ['billing-admin', 403],
    ['auditor', 403],
    ['member', 403],
  ] as const)
    assert.equal((await world.ask('POST', path, { token: tokens[role], body: [{}] })).status, status, role)
  const ofTailnet = await world.token('alpha', { scopes: ['users'] })
  const told = await world.ask('POST', path, { token: ofTailnet, body: [{}] })
  assert.deepEqual([told.status, /belongs to a user/.test(told.text)], [403, true])
  const [{ id }] = await world.get(path)
  for (const [method, at] of [
    ['DELETE', `/user-invites/${id}`],
    ['POST', `/user-invites/${id}/resend`],
  ] as const)
    assert.equal((await world.ask(method, at, { token: ofTailnet })).status, 403)
  assert.equal((await world.ask('GET', `/user-invites/${id}`, { token: world.beta.tokens.owner })).status, 404)
  assert.equal((await world.get(path, { token: ofTailnet })).length, 3)
})

test('with whoever made them, invitations go', async () => {
  const world = await RestWorld.make()
  await world.post(`${T}/user-invites`, [{}], { token: world.alpha.tokens.admin })
  await world.post(`${T}/user-invites`, [{}], { token: world.alpha.tokens.owner })
  await world.post(`/users/${world.alpha.userIds.admin}/delete`)
  const left = await world.get(`${T}/user-invites`)
  assert.deepEqual(
    left.map(({ inviterId }: { inviterId: number }) => inviterId),
    [Number(world.alpha.userIds.owner)],
  )
})

const FALCON = { provider: 'falcon', cloudId: 'us-1', clientId: 'abc', tenantId: '', clientSecret: 'very secret' }

test('a posture integration keeps its secret sealed and unshown, through changes without one', async () => {
  const world = await RestWorld.make()
  const path = `${T}/posture/integrations`
  const made = await world.post(path, FALCON)
  const status = { lastSync: '0001-01-01T00:00:00Z', providerHostCount: 0, matchedCount: 0, possibleMatchedCount: 0 }
  assert.deepEqual(made, {
    id: made.id,
    provider: 'falcon',
    cloudId: 'us-1',
    clientId: 'abc',
    tenantId: '',
    configUpdated: '2026-01-02T03:04:05Z',
    status: { ...status, error: made.status.error },
  })
  assert.deepEqual(await world.get(path), { integrations: [made] })
  assert.deepEqual(await world.get(`/posture/integrations/${made.id}`), made)
  const sealed = () => world.ledger.model.state(1).get('posture-integration', made.id)?.clientSecret
  assert.equal(sealed(), `sealed posture integration ${made.id} ${btoa('very secret')}`)

  const patch = (body: unknown) => world.ask('PATCH', `/posture/integrations/${made.id}`, { server: true, body })
  world.clock.advance(MINUTE_MS)
  const changed = (await patch({ cloudId: 'eu-1', provider: 'kolide', clientSecret: null })).body
  assert.deepEqual(
    [changed.provider, changed.cloudId, changed.clientId, changed.configUpdated],
    ['falcon', 'eu-1', 'abc', '2026-01-02T03:05:05Z'],
  )
  assert.equal(sealed(), `sealed posture integration ${made.id} ${btoa('very secret')}`)
  await patch({ clientSecret: 'another' })
  assert.equal(sealed(), `sealed posture integration ${made.id} ${btoa('another')}`)
  const lines = (await logged(world)).join('\n')
  assert.match(lines, /CREATE POSTURE_INTEGRATION/)
  assert.match(lines, /UPDATE SECRET/)
  assert.ok(!/very secret|another|sealed/.test(lines))

  assert.equal((await world.ask('POST', path, { server: true, body: FALCON })).status, 409)
  assert.equal((await world.ask('POST', path, { server: true, body: { ...FALCON, provider: 'acme' } })).status, 400)
  await world.post('/tailnet/beta/posture/integrations', FALCON)
  const foreign = { token: world.beta.tokens.owner }
  for (const method of ['GET', 'PATCH', 'DELETE'])
    assert.equal(
      (
        await world.ask(method, `/posture/integrations/${made.id}`, {
          ...foreign,
          body: method === 'PATCH' ? {} : undefined,
        })
      ).status,
      404,
    )
  assert.equal((await world.ask('DELETE', `/posture/integrations/${made.id}`, { server: true })).status, 200)
  assert.equal((await world.ask('GET', `/posture/integrations/${made.id}`, { server: true })).status, 404)
  await world.post(path, FALCON)
})

test('of two integrations with one provider that come at once to two servers, one is made', async () => {
  const { testLedger } = await import('../../../test/support/ledger.ts')
  const world = await RestWorld.make()
  const other = world.restOn(await testLedger(world.clock, world.database))
  const ask = (rest = world.rest) =>
    world.ask('POST', `${T}/posture/integrations`, { server: true, body: FALCON }, rest)
  const told = await Promise.all([ask(), ask(other), ask(), ask(other)])
  assert.deepEqual(
    told.map(({ status }) => status).sort((a, b) => a - b),
    [200, 409, 409, 409],
  )
})
