/** Services: what is kept of them, their addresses and names, and who may host them. (api-v2.md §4.11, checklist 37 to 39) */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DAY_MS } from '../../base/clock.ts'
import { ipv6For } from '../model/addressing.ts'
import { RestWorld } from '../../../test/support/rest-world.ts'

const T = '/tailnet/-'
const WEB = {
  name: 'svc:web',
  tags: ['tag:z', 'tag:a'],
  ports: ['tcp:8443', 'tcp:443', 'tcp:8000-8100'],
  comment: 'managed',
  annotations: { 'z/last': '{"ownerRefs":[{"operatorID":"n1CNTRL"}]}', 'a/first': '' },
}

let world: RestWorld
function inWorld(name: string, run: () => Promise<void>): void {
  test(name, async () => {
    world = await RestWorld.make()
    await run()
  })
}

const put = (path: string, body: unknown, more: object = { server: true }) => world.ask('PUT', path, { ...more, body })

inWorld('one collection under two names; what was sent comes back as it was, in its order', async () => {
  const made = await put(`${T}/vip-services/svc:web`, WEB)
  assert.equal(made.status, 200, made.text)
  const { addrs, ...rest } = made.body
  assert.deepEqual(rest, WEB)
  assert.deepEqual(Object.keys(rest.annotations), ['z/last', 'a/first'])
  assert.deepEqual(addrs, [addrs[0], ipv6For(addrs[0])])
  for (const at of ['services', 'vip-services']) {
    assert.deepEqual(await world.get(`${T}/${at}`), { vipServices: [made.body] })
    for (const name of ['svc:web', 'svc%3Aweb']) assert.deepEqual(await world.get(`${T}/${at}/${name}`), made.body)
  }
  assert.deepEqual(await world.get('/tailnet/beta/services'), { vipServices: [] })
  assert.equal((await world.ask('GET', '/tailnet/beta/services/svc:web', { server: true })).status, 404)
})

inWorld(
  'a replacement replaces all but the addresses; another name in the body is a new name for the same',
  async () => {
    const { addrs } = (await put(`${T}/services/svc:web`, WEB)).body
    const same = await put(`${T}/services/svc:web`, { name: 'svc:web', addrs, ports: ['do-not-validate'] })
    assert.deepEqual(same.body, { name: 'svc:web', addrs, ports: ['do-not-validate'], tags: [], comment: '' })
    assert.equal((await put(`${T}/services/svc:web`, { name: 'svc:web', addrs: ['100.99.1.1'] })).status, 400)
    const renamed = await put(`${T}/services/svc:web`, { name: 'svc:shop', addrs, displayName: 'Shop' })
    assert.deepEqual([renamed.body.addrs, renamed.body.displayName], [addrs, 'Shop'])
    assert.equal((await world.ask('GET', `${T}/services/svc:web`, { server: true })).status, 404)
    assert.deepEqual(await world.get(`${T}/services/svc:shop`), renamed.body)
    await put(`${T}/services/svc:web`, WEB)
    assert.equal((await put(`${T}/services/svc:web`, { name: 'svc:shop' })).status, 409)
    assert.equal((await world.ask('DELETE', `${T}/vip-services/svc:shop`, { server: true })).status, 200)
    assert.equal((await world.ask('DELETE', `${T}/services/svc:shop`, { server: true })).status, 404)
  },
)

inWorld('addresses and names are never given twice, to Services or devices', async () => {
  const { laptop } = world.alpha
  const wanted = ['100.70.1.2', ipv6For('100.70.1.2')]
  assert.deepEqual((await put(`${T}/services/svc:web`, { ...WEB, addrs: [wanted[0]] })).body.addrs, wanted)
  const rows = [
    { body: { name: 'svc:b', addrs: ['100.70.1.2'] }, status: 409 },
    { body: { name: 'svc:b', addrs: [laptop.ipv4] }, status: 409 },
    { body: { name: 'svc:b', addrs: ['100.100.100.100'] }, status: 400 },
    { body: { name: 'svc:b', addrs: ['10.0.0.1'] }, status: 400 },
    { body: { name: 'svc:b', addrs: ['100.70.1.3', 'fd7a:115c:a1e0::1'] }, status: 400 },
    { body: { name: 'svc:laptop' }, path: 'svc:laptop', status: 409 },
  ]
  for (const { body, path = 'svc:b', status } of rows)
    assert.equal((await put(`${T}/services/${path}`, body)).status, status, JSON.stringify(body))
  const ip = (ipv4: string) => world.ask('POST', `/device/${laptop.id}/ip`, { server: true, body: { ipv4 } })
  assert.equal((await ip('100.70.1.2')).status, 409)
  const name = (text: string) => world.ask('POST', `/device/${laptop.id}/name`, { server: true, body: { name: text } })
  assert.equal((await name('web')).status, 409)
  const record = { name: 'web', value: '192.0.2.1' }
  const told = await world.ask('POST', `/sett${T}/dns/records`, { server: true, body: record })
  assert.deepEqual([told.status, /a Service is called "web"/.test(told.body.message)], [409, true])
  const joined = await world.join(1, Number(world.alpha.userIds.owner), 'web')
  assert.equal(joined.name, 'web-1')

  const { addresses } = await world.get(`/sett${T}/addresses?address=100.70.1.2`)
  assert.deepEqual(
    addresses[0].holds.map(({ id, name, until }: any) => [id, name, until]),
    [['svc:web', 'svc:web', undefined]],
  )
  // Deleted, its address rests for everybody but the Service that comes back.
  await world.ask('DELETE', `${T}/services/svc:web`, { server: true })
  assert.equal((await name('web')).status, 200)
  assert.equal((await ip('100.70.1.2')).status, 409)
  assert.equal((await put(`${T}/services/svc:b`, { addrs: ['100.70.1.2'] })).status, 409)
  await name('laptop')
  assert.equal((await put(`${T}/services/svc:web`, { addrs: ['100.70.1.2'] })).status, 200)
  await world.ask('DELETE', `${T}/services/svc:web`, { server: true })
  world.clock.advance(91 * DAY_MS)
  assert.equal((await ip('100.70.1.2')).status, 200)
})

inWorld('what is no Service is refused, and nothing is kept', async () => {
  const rows: [string, unknown, number][] = [
    ['svc:web', { name: 'web' }, 400],
    ['web', {}, 400],
    ['svc:Web', {}, 400],
    ['svc:-web', {}, 400],
    ['svc:a.b', {}, 400],
    ['svc:web', { ports: ['443'] }, 400],
    ['svc:web', { ports: ['udp:53'] }, 400],
    ['svc:web', { ports: ['tcp:0'] }, 400],
    ['svc:web', { ports: ['tcp:90-80'] }, 400],
    ['svc:web', { ports: ['tcp:70000'] }, 400],
    ['svc:web', { displayName: 'x'.repeat(65) }, 400],
    ['svc:web', { tags: ['web'] }, 400],
    ['svc:web', { annotations: { a: 'x'.repeat(32_000), b: 'x'.repeat(32_000), c: 'x'.repeat(2000) } }, 400],
    // Only one that is there has a name to change.
    ['svc:web', { name: 'svc:shop' }, 404],
  ]
  for (const [path, body, status] of rows)
    assert.equal(
      (await put(`${T}/services/${path}`, body)).status,
      status,
      `${path} ${JSON.stringify(body).slice(0, 80)}`,
    )
  assert.deepEqual(await world.get(`${T}/services`), { vipServices: [] })
})

inWorld('hosts: by hand before by policy, tagged devices alone, and devices:core beside services', async () => {
  const policy = `{
    "tagOwners": {"tag:office": [], "tag:web": []},
    "autoApprovers": {"services": {"svc:web": ["tag:office"], "tag:web": ["tag:office"]}},
  }`
  await world.post(`${T}/acl`, policy)
  await put(`${T}/services/svc:web`, { ports: ['tcp:443'] })
  await put(`${T}/services/svc:mail`, { ports: ['tcp:25'], tags: ['tag:web'] })
  await put(`${T}/services/svc:db`, { ports: ['tcp:5432'] })
  const { laptop, printer } = world.alpha
  const at = (name: string, { stableId } = printer) => `${T}/services/${name}/device/${stableId}/approved`
  const auto = { approved: true, autoApproved: true }
  const no = { approved: false, autoApproved: false }
  const byHand = { approved: true, autoApproved: false }
  assert.deepEqual(await world.get(at('svc:web')), auto)
  assert.deepEqual(await world.get(at('svc:mail')), auto)
  assert.deepEqual(await world.get(at('svc:db')), no)
  assert.deepEqual(await world.get(at('svc:web', laptop)), no)
  assert.deepEqual(await world.get(`${T}/services/svc:db/devices`), { hosts: [] })

  assert.deepEqual(await world.post(at('svc:db'), { approved: true }), byHand)
  assert.deepEqual(await world.post(at('svc:web'), { approved: false }), no)
  assert.deepEqual(await world.get(at('svc:web')), no)
  const told = await world.ask('POST', at('svc:db', laptop), { server: true, body: { approved: true } })
  assert.deepEqual([told.status, /Only a device with tags/.test(told.text)], [400, true])
  const host = { stableNodeID: printer.stableId, configured: '' }
  const hosts = async (name: string) => (await world.get(`${T}/vip-services/${name}/devices`)).hosts
  assert.deepEqual(await hosts('svc:db'), [{ ...host, approvalLevel: 'approved:manual' }])
  assert.deepEqual(await hosts('svc:web'), [{ ...host, approvalLevel: 'not-approved' }])

  // A new name keeps what was decided; without tags nothing is hosted.
  await put(`${T}/services/svc:db`, { name: 'svc:sql' })
  assert.deepEqual(await world.get(at('svc:sql')), byHand)
  await world.post(`/device/${printer.id}/tags`, { tags: [] })
  assert.deepEqual(await world.get(at('svc:sql')), no)

  const narrow = await world.token('alpha', { user: 'owner', scopes: ['services'] })
  const wide = await world.token('alpha', { user: 'owner', scopes: ['services', 'devices:core'] })
  for (const [method, path, body] of [
    ['GET', at('svc:web'), undefined],
    ['POST', at('svc:web'), { approved: false }],
    ['GET', `${T}/services/svc:web/devices`, undefined],
  ] as const) {
    assert.equal((await world.ask(method, path, { token: narrow, body })).status, 403, path)
    assert.equal((await world.ask(method, path, { token: wide, body })).status, 200, path)
  }
  assert.equal(
    (await world.ask('GET', `${T}/services/svc:web/device/nNobodyCNTRL/approved`, { server: true })).status,
    404,
  )
})

inWorld('an operator’s client gives the tags that its own tag owns, and no others', async () => {
  await world.post(`${T}/acl`, '{"tagOwners": {"tag:op": [], "tag:k8s": ["tag:op"], "tag:prod": []}}')
  const client = await world.post(`${T}/keys`, { keyType: 'client', scopes: ['services'], tags: ['tag:op'] })
  const body = new URLSearchParams({ client_secret: client.key }).toString()
  const token = (await world.post('/oauth/token', body, {})).access_token
  assert.equal((await put(`${T}/vip-services/svc:a`, { tags: ['tag:k8s'] }, { token })).status, 200)
  assert.equal((await put(`${T}/vip-services/svc:b`, { tags: ['tag:prod'] }, { token })).status, 400)
  // What an administrator gave stays when the operator repeats it.
  await put(`${T}/services/svc:a`, { tags: ['tag:k8s', 'tag:prod'] })
  assert.equal((await put(`${T}/vip-services/svc:a`, { tags: ['tag:k8s', 'tag:prod'] }, { token })).status, 200)
})
