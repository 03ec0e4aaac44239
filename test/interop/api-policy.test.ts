/**
 * The policy, DNS and what this server does not offer through the official client of API v2: every call of these
 * resources, and what it reads back. (api-v2.md §4.5, §5, §8.1, checklist 45)
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { Lab } from '../lab/lab.ts'
import { labMissing } from '../lab/available.ts'
import { TestServer } from '../support/server.ts'
import { ApiClient, type Auth } from './driver/apiclient.ts'
import { goMissing } from './driver/build.ts'

const skip = labMissing() || goMissing()

let lab: Lab
let api: ApiClient
let admin: Auth

type Row = Record<string, any>

before(async () => {
  if (skip !== false) return
  lab = await Lab.open()
  const where = await lab.namespace('server')
  const server = await TestServer.start({ dir: `${where.dir}/data`, namespace: where })
  api = await ApiClient.start(where, server.url)
  await server.admin('users', 'create', 'anna@example.com', '--role', 'admin')
  admin = { key: (await server.admin('tokens', 'create', '--user', 'anna@example.com')).trim() }
})
after(async () => {
  if (skip === false) await lab?.close()
})

const call = <T = Row>(name: string, args: object = {}) => api.call<T>(admin, name, args)

test('DNS: lists, split DNS, preferences and the whole configuration', { skip }, async () => {
  await call('dns.SetNameservers', { list: ['9.9.9.9', '1.1.1.1'] })
  assert.deepEqual(await call('dns.Nameservers'), ['9.9.9.9', '1.1.1.1'])
  await call('dns.SetSearchPaths', { list: ['z.example', 'a.example'] })
  assert.deepEqual(await call('dns.SearchPaths'), ['z.example', 'a.example'])
  for (const magicDNS of [false, true]) {
    await call('dns.SetPreferences', { magicDNS })
    assert.deepEqual(await call('dns.Preferences'), { magicDNS })
  }
  await call('dns.SetSplitDNS', { 'a.example': ['10.0.0.1'], 'b.example': ['10.0.0.2'] })
  const patched = await call('dns.UpdateSplitDNS', { 'a.example': null, 'c.example': ['10.0.0.3'] })
  assert.deepEqual(patched, { 'b.example': ['10.0.0.2'], 'c.example': ['10.0.0.3'] })
  assert.deepEqual(await call('dns.SplitDNS'), patched)
  const all = await call('dns.Configuration')
  assert.deepEqual(
    [all['nameservers'].map(({ address }: Row) => address), all['searchPaths'], all['preferences'].magicDNS],
    [['1.1.1.1', '9.9.9.9'], ['z.example', 'a.example'], true],
  )
  await call('dns.SetConfiguration', { ...all, searchPaths: ['b.example'] })
  assert.deepEqual(await call('dns.Configuration'), { ...all, searchPaths: ['b.example'] })
  await call('dns.SetNameservers', { list: [] })
  assert.deepEqual(await call('dns.Preferences'), { magicDNS: false })
  await call('dns.SetSplitDNS', {})
  assert.deepEqual(await call('dns.SplitDNS'), {})
  assert.equal((await api.failure(admin, 'dns.SetNameservers', { list: ['nobody'] })).status, 400)
})

test(
  'the policy: as a text, as the client’s own type, by its ETag; validated without being saved',
  { skip },
  async () => {
    const text = '// ours\n{\n\t"acls": [{"action": "accept", "src": ["*"], "dst": ["*:22"]}],\n}\n'
    await call('policy.SetText', { hujson: text, etag: 'ts-default' })
    const raw = await call('policy.Raw')
    assert.match(raw['hujson'], /^\/\/ ours\n/)
    assert.match(raw['etag'], /^"[0-9a-f]{64}"$/)
    const got = await call('policy.Get')
    assert.deepEqual(got['etag'], raw['etag'])
    assert.deepEqual(
      [got['acl'].acls[0].action, got['acl'].acls[0].src, got['acl'].acls[0].dst],
      ['accept', ['*'], ['*:22']],
    )
    const stale = await api.failure(admin, 'policy.SetText', { hujson: text, etag: 'ts-default' })
    assert.deepEqual([stale.status, /precondition failed, invalid old hash/.test(stale.message)], [412, true])
    const acl = {
      acls: [{ action: 'accept', src: ['*'], dst: ['*:443'] }],
      groups: { 'group:dev': ['anna@example.com'] },
      tests: [{ src: 'anna@example.com', accept: ['100.64.0.9:443'], deny: ['100.64.0.9:22'] }],
    }
    const set = await call('policy.SetAndGet', { acl, etag: raw['etag'] })
    assert.deepEqual(set['acl'].groups, acl.groups)
    assert.notEqual(set['etag'], raw['etag'])
    await call('policy.SetObject', { acl })
    assert.equal((await call('policy.Get'))['etag'], set['etag'])

    await call('policy.ValidateText', { hujson: text })
    await call('policy.ValidateObject', { acl })
    await call('policy.ValidateTests', { tests: acl.tests })
    const failing = [{ src: 'anna@example.com', accept: ['100.64.0.9:22'] }]
    for (const [name, args] of [
      ['policy.ValidateTests', { tests: failing }],
      ['policy.ValidateObject', { acl: { ...acl, tests: failing } }],
    ] as const) {
      // The client writes what failed for whom behind the message.
      const { message } = await api.failure(admin, name, args)
      assert.match(message, /test\(s\) failed; \[\{anna@example\.com \[.*100\.64\.0\.9:22/)
    }
    assert.notEqual((await api.failure(admin, 'policy.ValidateText', { hujson: '{"acls": 1}' })).message, '')
    const refused = await api.failure(admin, 'policy.SetObject', { acl: { ...acl, tests: failing } })
    assert.deepEqual([refused.status, (refused.data as Row[])[0]?.['user']], [400, 'anna@example.com'])
    assert.equal((await call('policy.Get'))['etag'], set['etag'])
  },
)

test('tailnets of an organization are not offered, and not said to be gone', { skip }, async () => {
  for (const name of ['tailnets.Create', 'tailnets.List', 'tailnets.Delete']) {
    const { status, notFound } = await api.failure(admin, name, { displayName: 'x' })
    assert.deepEqual([status, notFound ?? false], [501, false], name)
  }
})
