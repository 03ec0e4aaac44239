/** Directories at work: what they push, what comes of it for people, devices and policies, and whom they cannot reach. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RestWorld } from '../../../test/support/rest-world.ts'
import { TESTER } from '../../../test/support/ledger.ts'
import { nodePrimitives } from '../../crypto/io/node-primitives.ts'
import { eventName } from '../../wire/audit-filter.ts'
import type { AuditEntry } from '../model/audit.ts'
import { groupsOf } from '../model/groups.ts'
import { userWrites, newUser } from '../model/people.ts'
import type { IdentityRecord, User, Write } from '../model/records.ts'
import { MemoryStore } from '../store/memory.ts'
import { Scim } from './scim.ts'

interface Told {
  readonly status: number
  readonly body: any
  readonly headers: Headers
}

class Pushing {
  readonly world: RestWorld
  readonly scim: Scim
  readonly errors: unknown[] = []
  token = ''

  constructor(world: RestWorld) {
    this.world = world
    this.scim = new Scim({
      ledger: world.ledger,
      dice: nodePrimitives.random,
      sha256: (...parts) => nodePrimitives.sha256(...parts),
      url: 'https://sett.test',
      onError: (error) => this.errors.push(error),
    })
  }

  static async make(): Promise<Pushing> {
    const at = new Pushing(await RestWorld.make())
    await at.provider('okta', { groupDomain: 'example.com', admits: { domains: ['example.com'] } })
    at.token = await at.tokenFor('okta')
    return at
  }

  async provider(id: string, more: object = {}, tailnet = 'alpha'): Promise<void> {
    const settings = { kind: 'oidc', issuer: `https://${id}.example`, clientId: 'x' }
    const body = { title: id, settings, ...more }
    const { status } = await this.world.ask('PUT', `/sett/tailnet/${tailnet}/identity-providers/${id}`, {
      server: true,
      body,
    })
    assert.equal(status, 200)
  }

  async tokenFor(provider: string, tailnet = 'alpha'): Promise<string> {
    const made = await this.world.post(`/sett/tailnet/${tailnet}/identity-providers/${provider}/scim-tokens`, {})
    assert.equal(made.url, 'https://sett.test/scim/v2')
    return made.token.key
  }

  async ask(method: string, path: string, body?: unknown, token: string | undefined = this.token): Promise<Told> {
    const response = await this.scim.fetch(
      new Request(`https://sett.test/scim/v2${path}`, {
        method,
        ...(token === '' ? {} : { headers: { authorization: `Bearer ${token}` } }),
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      }),
      '192.0.2.9',
    )
    const text = await response.text()
    if (text !== '') assert.equal(response.headers.get('content-type'), 'application/scim+json; charset=utf-8')
    const told = {
      status: response.status,
      body: text === '' ? undefined : JSON.parse(text),
      headers: response.headers,
    }
    if (told.status >= 400) {
      const { schemas, status, detail, ...rest } = told.body
      assert.deepEqual(schemas, ['urn:ietf:params:scim:api:messages:2.0:Error'])
      assert.deepEqual([status, typeof detail], [String(told.status), 'string'])
      assert.ok(Object.keys(rest).every((name) => name === 'scimType'))
    }
    return told
  }

  /** Asks, and wants this status. */
  async want(status: number, method: string, path: string, body?: unknown): Promise<any> {
    const told = await this.ask(method, path, body)
    assert.equal(told.status, status, `${method} ${path}: ${JSON.stringify(told.body)}`)
    return told.body
  }

  async person(userName: string, more: object = {}): Promise<string> {
    return (await this.want(201, 'POST', '/Users', { schemas: ['x'], userName, active: true, ...more })).id
  }

  async group(displayName: string, ...members: string[]): Promise<string> {
    return (await this.want(201, 'POST', '/Groups', { displayName, members: members.map((value) => ({ value })) })).id
  }

  patch(path: string, ...Operations: object[]): Promise<any> {
    return this.want(200, 'PATCH', path, { schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], Operations })
  }

  user(id: string): User | undefined {
    return this.state.usersById.get(Number(id))
  }

  get state() {
    return this.world.ledger.model.state(this.world.alpha.num)
  }

  groups(id: string): readonly string[] {
    const user = this.user(id)
    return user === undefined ? [] : groupsOf(user)
  }

  async write(...writes: Write[]): Promise<void> {
    await this.world.ledger.transact(this.world.alpha.num, TESTER, () => ({ batch: { writes }, result: undefined }))
  }
}

const at = await Pushing.make()

test('only a directory’s own token opens anything, and only as long as it is good', async () => {
  const { world } = at
  const other = new Pushing(world)
  await other.provider('gone')
  const [revoked, orphan] = [await other.tokenFor('okta'), await other.tokenFor('gone')]
  await world.ask('DELETE', `/tailnet/alpha/keys/${revoked.split('-')[2]}`, { server: true })
  await world.ask('DELETE', '/sett/tailnet/alpha/identity-providers/gone', { server: true })
  const last = at.token.at(-1) === '2' ? '3' : '2'
  for (const token of ['', 'x', revoked, orphan, at.token.slice(0, -1) + last, world.alpha.tokens.owner])
    for (const path of ['/Users', '/ServiceProviderConfig', '/nowhere']) {
      const { status, headers } = await at.ask('GET', path, undefined, token)
      assert.deepEqual([status, headers.get('www-authenticate')], [401, 'Bearer'])
    }
  // Nor does it open the API, or let a device in.
  assert.equal((await world.ask('GET', '/tailnet/-/devices', { token: at.token })).status, 401)
  const texts = [...world.database.scopes.values()].flatMap((scope) =>
    [...scope.records.values()].map(({ json }) => json),
  )
  assert.ok(
    texts.every((text) => !text.includes(at.token.split('-')[3] as string)),
    'kept as a hash',
  )
})

test('who makes such a token may change users', async () => {
  const { world } = at
  const path = '/sett/tailnet/alpha/identity-providers/okta/scim-tokens'
  const status = async (token: string) => (await world.ask('POST', path, { token, body: {} })).status
  const weak = await world.token('alpha', { scopes: ['feature_settings'], user: 'admin' })
  const { tokens } = world.alpha
  assert.deepEqual(
    await Promise.all([tokens.admin, tokens['network-admin'], tokens.member, weak].map(status)),
    [200, 403, 403, 403],
  )
  assert.equal((await world.ask('POST', path.replace('okta', 'nope'), { server: true, body: {} })).status, 404)
  // What an OAuth client makes is good as long as the client is.
  const client = await world.post('/tailnet/alpha/keys', { keyType: 'client', scopes: ['users'] })
  const form = { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: `client_secret=${client.key}` }
  const { access_token } = (await world.ask('POST', '/oauth/token', form)).body
  const { body } = await world.ask('POST', path, { token: access_token, body: {} })
  assert.equal((await at.ask('GET', '/Users', undefined, body.token.key)).status, 200)
  await world.ask('DELETE', `/tailnet/alpha/keys/${client.id}`, { server: true })
  assert.equal((await at.ask('GET', '/Users', undefined, body.token.key)).status, 401)
  const listed = await world.get('/tailnet/alpha/keys?all=true')
  assert.ok(listed.keys.some(({ keyType, provider }: any) => keyType === 'scim' && provider === 'okta'))
})

test('Okta’s life of a user: asked for, made, renamed, suspended, restored, deleted', async () => {
  const list = (filter: string) =>
    at.want(200, 'GET', `/Users?filter=${encodeURIComponent(filter)}&startIndex=1&count=100`)
  const none = await list('userName eq "ann@example.com"')
  assert.deepEqual([none.totalResults, none.Resources], [0, []])
  const made = await at.ask('POST', '/Users', {
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
    userName: 'ann@example.com',
    name: { givenName: 'Ann', familyName: 'Lee' },
    emails: [{ primary: true, value: 'ann@example.com', type: 'work' }],
    displayName: 'Ann Lee',
    locale: 'en-US',
    externalId: '00ujl29u0le5T6Aj10h7',
    groups: [],
    password: '1mz050nq',
    active: true,
  })
  const { id, meta } = made.body
  assert.deepEqual([made.status, made.headers.get('location')], [201, `https://sett.test/scim/v2/Users/${id}`])
  assert.deepEqual(made.body, {
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
    id,
    externalId: '00ujl29u0le5T6Aj10h7',
    userName: 'ann@example.com',
    name: { givenName: 'Ann', familyName: 'Lee' },
    displayName: 'Ann Lee',
    emails: [{ primary: true, value: 'ann@example.com', type: 'work' }],
    active: true,
    meta: { ...meta, resourceType: 'User', location: `https://sett.test/scim/v2/Users/${id}` },
  })
  const { loginName, displayName, role, status } = at.user(id) as User
  assert.deepEqual([loginName, displayName, role, status], ['ann@example.com', 'Ann Lee', 'member', 'active'])
  assert.equal((await list('userName eq "ANN@example.com"')).Resources[0].id, id)
  assert.equal((await list('externalId eq "00ujl29u0le5T6Aj10h7"')).totalResults, 1)

  const { userName, active, name } = await at.want(200, 'PUT', `/Users/${id}`, {
    id,
    userName: 'ann.lee@example.com',
    name: { givenName: 'Anna', familyName: 'Lee' },
    active: true,
  })
  assert.deepEqual([userName, active, name.givenName], ['ann.lee@example.com', true, 'Anna'])
  assert.equal(at.user(id)?.loginName, 'ann.lee@example.com')

  const laptop = await at.world.join(at.world.alpha.num, Number(id), 'anns')
  await at.patch(`/Users/${id}`, { op: 'replace', value: { active: false } })
  assert.deepEqual([at.user(id)?.status, at.state.node(laptop.id)?.authorized], ['suspended', false])
  await at.patch(`/Users/${id}`, { op: 'replace', value: { active: true } })
  assert.deepEqual([at.user(id)?.status, at.state.node(laptop.id)?.authorized], ['active', true])
  assert.equal((await at.ask('DELETE', `/Users/${id}`)).status, 204)
  assert.deepEqual([at.user(id), at.state.node(laptop.id)], [undefined, undefined])
  assert.equal((await at.ask('GET', `/Users/${id}`)).status, 404)
})

test('who has no address is called as somebody who logs in without one', async () => {
  for (const [more, login] of [
    [{ userName: 'joe' }, 'joe@okta'],
    [{ userName: 'joe2@github' }, 'joe2-github@okta'],
    [{ userName: 'joe3', emails: [{ value: 'x' }, { value: 'joe3@example.com', primary: true }] }, 'joe3@example.com'],
  ] as const)
    assert.equal(at.user(await at.person(more.userName, more))?.loginName, login)
  const { status, body } = await at.ask('POST', '/Users', { userName: 'joe2-github' })
  assert.deepEqual([status, body.scimType], [409, 'uniqueness'])
})

test('whom an administrator suspended, a directory does not restore', async () => {
  const id = await at.person('sus@example.com')
  await at.world.post(`/users/${id}/suspend`)
  await at.want(200, 'PUT', `/Users/${id}`, { userName: 'sus@example.com', active: true })
  await at.patch(`/Users/${id}`, { op: 'Replace', path: 'active', value: 'False' })
  await at.patch(`/Users/${id}`, { op: 'Replace', path: 'active', value: 'True' })
  assert.equal(at.user(id)?.status, 'suspended')
})

test('who comes and goes in a group is in it for policies, at once; claims of a login are kept apart', async () => {
  const [ann, ben] = [await at.person('ann@example.com'), await at.person('ben@example.com')]
  const ops = await at.group('Ops Team', ann)
  assert.deepEqual([at.groups(ann), at.groups(ben)], [['ops-team@example.com'], []])
  assert.deepEqual((await at.want(200, 'GET', `/Users/${ann}`)).groups, [
    { value: ops, $ref: `https://sett.test/scim/v2/Groups/${ops}`, display: 'Ops Team', type: 'direct' },
  ])
  await at.patch(`/Groups/${ops}`, { op: 'add', path: 'members', value: [{ value: ben, display: 'ben' }] })
  await at.patch(`/Groups/${ops}`, { op: 'remove', path: `members[value eq "${ann}"]` })
  assert.deepEqual([at.groups(ann), at.groups(ben)], [[], ['ops-team@example.com']])
  // A login says other groups, and says them anew the next time.
  const login = (groups?: string[]) => {
    const { groups: _, ...rest } = at.user(ben) as User
    const value = { ...rest, ...(groups === undefined ? {} : { groups }) }
    return at.write({ kind: 'user', id: ben, expect: 'any', value })
  }
  await login(['dev@example.com'])
  assert.deepEqual(at.groups(ben), ['dev@example.com', 'ops-team@example.com'])
  await at.patch(`/Groups/${ops}`, { op: 'replace', value: { id: ops, displayName: 'Operations' } })
  assert.deepEqual(at.groups(ben), ['dev@example.com', 'operations@example.com'])
  await login()
  assert.deepEqual(at.groups(ben), ['operations@example.com'])
  const second = await at.group('second', ben, ann, ben, '999999', 'x')
  assert.deepEqual(
    (await at.want(200, 'GET', `/Groups/${second}`)).members.map((m: any) => m.value),
    [ann, ben],
  )
  await at.provider('okta', { groupDomain: 'corp.example', admits: { domains: ['example.com'] } })
  assert.deepEqual(at.groups(ben), ['operations@corp.example', 'second@corp.example'])
  await at.provider('okta', { groupDomain: 'example.com', admits: { domains: ['example.com'] } })
  await at.want(200, 'PUT', `/Groups/${second}`, { displayName: 'second', members: [{ value: ann }] })
  await at.want(204, 'DELETE', `/Groups/${ops}`)
  assert.deepEqual([at.groups(ann), at.groups(ben)], [['second@example.com'], []])
  // Whoever is deleted, by whomever, is in no group.
  await at.world.post(`/users/${ann}/delete`)
  assert.equal((await at.want(200, 'GET', `/Groups/${second}`)).members, undefined)
  await at.want(204, 'DELETE', `/Groups/${second}`)
  await at.want(204, 'DELETE', `/Users/${ben}`)
})

test('a policy is checked with the groups there are', async () => {
  const text =
    '{"acls": [{"action": "accept", "src": ["group:empty@example.com", "group:none@example.com"], "dst": ["*:22"]}]}'
  const warned = async () => {
    const { body } = await at.world.ask('POST', '/tailnet/alpha/acl/validate', { server: true, body: text })
    return body.data?.map(({ user }: any) => user)
  }
  assert.deepEqual(await warned(), ['group:empty@example.com', 'group:none@example.com'])
  const id = await at.group('empty')
  assert.deepEqual(await warned(), ['group:none@example.com'])
  await at.want(204, 'DELETE', `/Groups/${id}`)
})

const identity = (user: number, provider: string, email: string): IdentityRecord => {
  const when = { created: at.world.clock.wall(), used: at.world.clock.wall() }
  return { user, provider, issuer: `https://${provider}.example`, subject: email, email, groups: [], ...when }
}
test('a directory takes over nobody but who logs in by its own provider alone', async () => {
  const stranger = async (login: string, ...providers: string[]) => {
    const id = await at.world.ledger.nextId('user')
    const user = newUser(id, login, 'member', at.world.clock.wall())
    const ways = providers.map((provider): Write => ({
      kind: 'identity',
      id: `${provider}-${id}`,
      expect: 'absent',
      value: identity(id, provider, login),
    }))
    await at.write(...userWrites(at.state, user), ...ways)
    return String(id)
  }
  const push = async (userName: string) => at.ask('POST', '/Users', { userName, active: false })
  for (const [login, providers] of [
    ['named@example.com', []],
    ['other@example.com', ['github']],
    ['both@example.com', ['github', 'okta']],
  ] as const) {
    const id = await stranger(login, ...providers)
    const { status, body } = await push(login)
    assert.deepEqual([status, body.scimType, at.user(id)?.status], [409, 'uniqueness', 'active'], login)
    assert.equal((await at.ask('GET', `/Users/${id}`)).status, 404)
    assert.equal((await at.ask('DELETE', `/Users/${id}`)).status, 404)
  }
  const own = await stranger('own@example.com', 'okta')
  const { status, body } = await push('own@example.com')
  assert.deepEqual([status, body.id, at.user(own)?.status], [201, own, 'suspended'])
  // By renaming one of its own, neither.
  const mover = await at.person('mover@example.com')
  const moved = await at.ask('PUT', `/Users/${mover}`, { userName: 'other@example.com' })
  assert.deepEqual(
    [moved.status, moved.body.scimType, at.user(mover)?.loginName],
    [409, 'uniqueness', 'mover@example.com'],
  )
  await at.provider('second', { admits: { domains: ['second.example'] } })
  assert.equal((await at.ask('POST', '/Users', { userName: 'eve@second.example' })).status, 400)
  assert.equal((await at.ask('PUT', `/Users/${mover}`, { userName: 'eve@second.example' })).status, 400)
  const second = await at.tokenFor('second')
  assert.equal((await at.ask('GET', `/Users/${mover}`, undefined, second)).status, 404)
  assert.equal((await at.ask('DELETE', `/Users/${mover}`, undefined, second)).status, 404)
  assert.equal((await at.ask('POST', '/Users', { userName: 'mover@example.com' }, second)).status, 400)
  const owner = await at.world.ledger.transact(at.world.alpha.num, TESTER, (model) => {
    const found = model.state(at.world.alpha.num).usersById.get(Number(at.world.alpha.userIds.owner)) as User
    const renamed = { ...found, loginName: 'boss@example.com' }
    const writes: Write[] = [
      { kind: 'user', id: String(found.id), expect: 'any', value: renamed },
      { kind: 'holder', id: 'login-name/boss@example.com', expect: 'absent', value: { holder: found.id } },
      { kind: 'identity', id: 'boss', expect: 'absent', value: identity(found.id, 'okta', 'boss@example.com') },
    ]
    return { batch: { writes }, result: found }
  })
  assert.equal((await at.ask('POST', '/Users', { userName: 'boss@example.com', active: false })).status, 403)
  assert.equal((await at.ask('POST', '/Users', { userName: 'boss@example.com' })).status, 201)
  assert.equal((await at.ask('DELETE', `/Users/${owner.id}`)).status, 403)
  assert.equal(at.user(String(owner.id))?.status, 'active')
})

test('lists come in pages that fit together, with what was asked for', async () => {
  const many = await Promise.all([1, 2, 3, 4, 5].map((n) => at.person(`page${n}@example.com`)))
  const page = (query: string) =>
    at.want(200, 'GET', `/Users?filter=${encodeURIComponent('userName sw "page"')}&${query}`)
  const ids = async (query: string) => (await page(query)).Resources.map(({ id }: any) => Number(id))
  const sorted = many.map(Number).sort((a, b) => a - b)
  assert.deepEqual([...(await ids('startIndex=1&count=2')), ...(await ids('startIndex=3&count=9'))], sorted)
  const { totalResults, itemsPerPage, startIndex } = await page('startIndex=-3&count=0')
  assert.deepEqual([totalResults, itemsPerPage, startIndex], [5, 0, 1])
  assert.deepEqual(Object.keys((await page('attributes=userName,emails.value')).Resources[0]), [
    'schemas',
    'id',
    'userName',
  ])
  const search = {
    schemas: ['urn:ietf:params:scim:api:messages:2.0:SearchRequest'],
    filter: 'userName sw "page"',
    count: 2,
  }
  const searched = await at.want(200, 'POST', '/Users/.search', { ...search, startIndex: 2, attributes: ['userName'] })
  assert.deepEqual(
    searched.Resources.map(({ id }: any) => Number(id)),
    sorted.slice(1, 3),
  )
  const both = await at.want(200, 'POST', '/.search', {
    filter: 'userName eq "page1@example.com" or displayName eq "paged"',
  })
  assert.equal(both.totalResults, 1)
  const group = await at.group('paged', ...many)
  const [found] = (
    await at.want(
      200,
      'GET',
      `/Groups?excludedAttributes=members&filter=${encodeURIComponent('displayName eq "Paged"')}`,
    )
  ).Resources
  assert.deepEqual([found.id, found.members], [group, undefined])
  const holding = `members[value eq "${many[0]}"]`
  assert.equal(
    (await at.want(200, 'GET', `/Groups?filter=${encodeURIComponent(holding)}&attributes=id`)).totalResults,
    1,
  )
  assert.equal(
    (await at.want(200, 'GET', `/Users?filter=${encodeURIComponent(`groups.value eq "${group}"`)}`)).totalResults,
    5,
  )
})

test('what is wrong is refused in SCIM’s words', async () => {
  const id = await at.person('wrong@example.com')
  await at.group('taken')
  for (const [method, path, body, status, scimType] of [
    ['GET', '/Nothing', undefined, 404, undefined],
    ['GET', '/Users/1/2', undefined, 404, undefined],
    ['GET', `/Users/${encodeURIComponent('../1')}`, undefined, 404, undefined],
    ['DELETE', '/Users', undefined, 405, undefined],
    ['GET', '/Users?filter=nonsense', undefined, 400, 'invalidFilter'],
    ['GET', '/Users?count=many', undefined, 400, 'invalidValue'],
    ['GET', '/Schemas?filter=id%20pr', undefined, 403, undefined],
    ['POST', '/Users', 'no json', 400, 'invalidSyntax'],
    ['POST', '/Users', '[]', 400, 'invalidSyntax'],
    ['POST', '/Users', {}, 400, 'invalidValue'],
    ['POST', '/Users', { userName: ' ' }, 400, 'invalidValue'],
    ['POST', '/Users/.search', { filter: 'nonsense' }, 400, 'invalidFilter'],
    ['GET', '/Users/.search', undefined, 405, undefined],
    ['POST', '/Users', { userName: 'a\u0000@example.com' }, 400, 'invalidValue'],
    ['POST', '/Users', { userName: 'wrong@example.com' }, 409, 'uniqueness'],
    ['POST', '/Users', { userName: 'x@example.com', emails: [7] }, 400, 'invalidValue'],
    ['POST', '/Users', { userName: 'x@example.com', active: 'maybe' }, 400, 'invalidValue'],
    ['POST', '/Users', `"${'x'.repeat(5 * 1024 * 1024)}"`, 413, undefined],
    ['PATCH', `/Users/${id}`, { Operations: [{ op: 'replace', path: 'id', value: '1' }] }, 400, 'mutability'],
    ['POST', '/Groups', {}, 400, 'invalidValue'],
    ['POST', '/Groups', { displayName: '/TAKEN ' }, 409, 'uniqueness'],
    ['GET', '/Groups/nothing', undefined, 404, undefined],
  ] as const) {
    const told = await at.ask(method, path, body)
    assert.deepEqual(
      [told.status, told.body.scimType],
      [status, scimType],
      `${method} ${path} ${JSON.stringify(told.body)}`,
    )
  }
  assert.deepEqual(at.errors, [])
})

test('a directory is told what this server takes', async () => {
  const config = await at.want(200, 'GET', '/ServiceProviderConfig')
  assert.deepEqual([config.patch.supported, config.bulk.supported, config.filter.supported], [true, false, true])
  assert.deepEqual(
    (await at.want(200, 'GET', '/ResourceTypes')).Resources.map(({ id }: any) => id),
    ['User', 'Group'],
  )
  assert.equal((await at.want(200, 'GET', '/ResourceTypes/User')).endpoint, '/Users')
  const urn = 'urn:ietf:params:scim:schemas:core:2.0:Group'
  assert.equal((await at.want(200, 'GET', `/Schemas/${urn}`)).id, urn)
  assert.equal((await at.want(200, 'GET', '/Schemas/')).totalResults, 2)
})

test('the audit log says which directory pushed what', async () => {
  const store = new MemoryStore(at.world.database)
  const before = (await store.auditEnds(at.world.alpha.num)).newest.number
  const id = await at.person('log@example.com')
  const group = await at.group('logged', id)
  await at.patch(`/Users/${id}`, { op: 'replace', path: 'active', value: false })
  await at.want(204, 'DELETE', `/Groups/${group}`)
  const entries = (await store.audit(at.world.alpha.num, before, 100)).map(
    ({ entry }) => JSON.parse(entry) as AuditEntry,
  )
  assert.deepEqual(entries.map(eventName).sort(), [
    'GROUP.PUSH_GROUP',
    'GROUP.PUSH_GROUP',
    'USER.CREATE',
    'USER.PUSH_USER',
    'USER.PUSH_USER',
    'USER.SUSPEND',
  ])
  for (const { actor, origin, from } of entries)
    assert.deepEqual(
      [actor.type, actor.displayName, origin, from],
      ['SCIM', 'directory of okta (okta)', 'IDENTITY_PROVIDER', '192.0.2.9'],
    )
  const pushed = entries.find((entry) => eventName(entry) === 'GROUP.PUSH_GROUP')
  assert.deepEqual(pushed?.new, { provider: 'okta', displayName: 'logged', added: ['log@example.com'] })
})

test('a provider that goes takes its directory along, and leaves its people', async () => {
  const id = await at.person('stays@example.com')
  await at.group('goes', id)
  assert.deepEqual(at.groups(id), ['goes@example.com'])
  await at.world.ask('DELETE', '/sett/tailnet/alpha/identity-providers/okta', { server: true })
  assert.deepEqual([at.groups(id), at.user(id)?.status], [[], 'active'])
  assert.deepEqual([at.state.count('directory-group'), (await at.ask('GET', '/Users')).status], [0, 401])
})
