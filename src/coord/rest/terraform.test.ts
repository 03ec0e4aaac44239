/**
 * Terraform's resources and data sources as the calls that they make: create, read back without a difference, change,
 * import by id, delete. (api-v2.md §8.2) Those about DNS are in `dns-terraform.test.ts`.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RestWorld } from '../../../test/support/rest-world.ts'

const T = '/tailnet/-'

type Call = readonly [method: string, path: string, body?: unknown]

interface Made {
  /** What the path of reading names, where creating says it. */
  readonly id?: string
}

interface Resource {
  readonly name: string
  /** The calls of creation, then those of each change; `create` is called once more by a second apply of some. */
  readonly steps: readonly ((world: RestWorld, made: Made) => readonly Call[])[]
  /** Where the id of the resource stands in the answer to its creation. */
  readonly idOf?: (answer: any) => string
  readonly read: (world: RestWorld, made: Made) => string
  /** What the resource looks at in an answer to reading, after each step. */
  readonly seen: (answer: any) => unknown
  readonly wanted: readonly unknown[]
  readonly remove?: (world: RestWorld, made: Made) => readonly Call[]
  /** After it is removed: what is seen then, or 404, by which Terraform forgets the resource. */
  readonly removed?: unknown
}

const device = ({ alpha }: RestWorld) => `/device/${alpha.laptop.stableId}`
const sorted = (list: readonly string[] | undefined) => [...(list ?? [])].sort()
const FALCON = { provider: 'falcon', cloudId: 'us-1', clientId: 'abc', clientSecret: 'secret' }
const WEB = { name: 'svc:web', comment: 'shop', ports: ['tcp:443', 'tcp:80'], tags: ['tag:web'] }
const CAPABILITIES = {
  devices: { create: { reusable: true, ephemeral: false, preauthorized: true, tags: ['tag:ci'] } },
}

const resources: readonly Resource[] = [
  {
    name: 'tailscale_contacts sends every contact twice',
    steps: ['a@alpha.example', 'b@alpha.example'].map((email) => () => {
      const all = ['account', 'support', 'security'].map((type): Call => ['PATCH', `${T}/contacts/${type}`, { email }])
      return [...all, ...all]
    }),
    read: () => `${T}/contacts`,
    seen: ({ account, support, security }) => [account.email, support.email, security.email],
    wanted: [Array(3).fill('a@alpha.example'), Array(3).fill('b@alpha.example')],
  },
  {
    name: 'tailscale_device_authorization',
    steps: [false, true].map((authorized) => (world) => [['POST', `${device(world)}/authorized`, { authorized }]]),
    read: device,
    seen: ({ authorized }) => authorized,
    wanted: [false, true],
  },
  {
    name: 'tailscale_device_key',
    steps: [true, false, true].map((keyExpiryDisabled) => (world) => [
      ['POST', `${device(world)}/key`, { keyExpiryDisabled }],
    ]),
    read: device,
    seen: ({ keyExpiryDisabled }) => keyExpiryDisabled,
    wanted: [true, false, true],
    remove: (world) => [['POST', `${device(world)}/key`, { keyExpiryDisabled: false }]],
    removed: false,
  },
  {
    name: 'tailscale_device_subnet_routes enables what is not offered yet as well',
    steps: [
      ['10.0.0.0/8', '192.0.2.0/24'],
      ['0.0.0.0/0', '::/0'],
    ].map((routes) => (world) => [['POST', `${device(world)}/routes`, { routes }]]),
    read: (world) => `${device(world)}/routes`,
    seen: ({ enabledRoutes }) => sorted(enabledRoutes),
    wanted: [
      ['10.0.0.0/8', '192.0.2.0/24'],
      ['0.0.0.0/0', '::/0'],
    ],
    remove: (world) => [['POST', `${device(world)}/routes`, { routes: [] }]],
    removed: [],
  },
  {
    name: 'tailscale_device_tags',
    steps: [['tag:b', 'tag:a'], ['tag:c']].map((tags) => (world) => [['POST', `${device(world)}/tags`, { tags }]]),
    read: device,
    seen: ({ tags }) => sorted(tags),
    wanted: [['tag:a', 'tag:b'], ['tag:c']],
    remove: (world) => [['POST', `${device(world)}/tags`, { tags: [] }]],
    removed: [],
  },
  {
    name: 'tailscale_posture_integration',
    steps: [
      () => [['POST', `${T}/posture/integrations`, FALCON]],
      (_, { id }) => [
        ['PATCH', `/posture/integrations/${id}`, { cloudId: 'eu-1', clientId: 'abc', clientSecret: 'new' }],
      ],
    ],
    idOf: ({ id }) => id,
    read: (_, { id }) => `/posture/integrations/${id}`,
    seen: ({ provider, cloudId, clientId, tenantId }) => ({ provider, cloudId, clientId, tenantId }),
    wanted: ['us-1', 'eu-1'].map((cloudId) => ({ provider: 'falcon', cloudId, clientId: 'abc', tenantId: '' })),
    remove: (_, { id }) => [['DELETE', `/posture/integrations/${id}`]],
    removed: 404,
  },
  {
    name: 'tailscale_service',
    steps: [
      () => [['PUT', `${T}/vip-services/svc:web`, WEB]],
      () => [['PUT', `${T}/vip-services/svc:web`, { ...WEB, comment: 'more', ports: ['do-not-validate'] }]],
    ],
    read: () => `${T}/vip-services/svc:web`,
    seen: ({ addrs, ports, tags, ...rest }) => ({ ...rest, ports: sorted(ports), tags, addrs: addrs.length }),
    wanted: [
      { ...WEB, addrs: 2 },
      { ...WEB, comment: 'more', ports: ['do-not-validate'], addrs: 2 },
    ],
    remove: () => [['DELETE', `${T}/vip-services/svc:web`]],
    removed: 404,
  },
  {
    name: 'tailscale_tailnet_settings sends what changed',
    steps: [
      () => [
        ['PATCH', `${T}/settings`, { aclsExternallyManagedOn: true, aclsExternalLink: 'https://git.example/acl' }],
        ['PATCH', `${T}/settings`, { devicesKeyDurationDays: 30, httpsEnabled: true, aclsExternalLink: null }],
      ],
      () => [['PATCH', `${T}/settings`, { devicesKeyDurationDays: 5, usersApprovalOn: true }]],
    ],
    read: () => `${T}/settings`,
    seen: ({ policyApprovalOn: _, routeSelection: __, ...settings }) => settings,
    wanted: [
      [30, false],
      [5, true],
    ].map(([devicesKeyDurationDays, usersApprovalOn]) => ({
      aclsExternallyManagedOn: true,
      aclsExternalLink: 'https://git.example/acl',
      devicesApprovalOn: false,
      devicesAutoUpdatesOn: false,
      devicesKeyDurationDays,
      usersApprovalOn,
      usersRoleAllowedToJoinExternalTailnets: 'none',
      networkFlowLoggingOn: false,
      regionalRoutingOn: false,
      postureIdentityCollectionOn: false,
      httpsEnabled: true,
    })),
  },
  {
    name: 'tailscale_tailnet_key',
    steps: [() => [['POST', `${T}/keys`, { capabilities: CAPABILITIES, expirySeconds: 3600, description: 'ci' }]]],
    idOf: ({ id, key }) => {
      assert.match(key, /^tskey-auth-/)
      return id
    },
    read: (_, { id }) => `${T}/keys/${id}`,
    seen: ({ keyType, capabilities, description, expirySeconds, invalid = false }) => ({
      keyType,
      capabilities,
      description,
      expirySeconds,
      invalid,
    }),
    wanted: [{ keyType: 'auth', capabilities: CAPABILITIES, description: 'ci', expirySeconds: 3600, invalid: false }],
    remove: (_, { id }) => [['DELETE', `${T}/keys/${id}`]],
    removed: { keyType: 'auth', capabilities: CAPABILITIES, description: 'ci', expirySeconds: 3600, invalid: true },
  },
]

for (const { name, steps, idOf, read, seen, wanted, remove, removed } of resources)
  test(`${name}: created, read without a difference, changed, imported, removed`, async () => {
    const world = await RestWorld.make()
    const token = world.alpha.tokens.owner
    let made: Made = {}
    const perform = async (calls: readonly Call[]) => {
      const answers: unknown[] = []
      for (const [method, path, body] of calls) {
        const told = await world.ask(method, path, { token, body })
        assert.equal(told.status, 200, `${method} ${path}: ${told.text}`)
        answers.push(told.body)
      }
      return answers
    }
    let addrs: unknown
    for (const [i, step] of steps.entries()) {
      const [answer] = await perform(step(world, made))
      if (i === 0 && idOf !== undefined) made = { id: idOf(answer) }
      // The plan after it, and an import, which read the same.
      for (const _ of ['planned', 'imported']) {
        const state = await world.get(read(world, made), { token })
        assert.deepEqual(seen(state), wanted[i], name)
        // What the server has chosen stays.
        addrs ??= state.addrs
        assert.deepEqual(state.addrs, addrs)
      }
    }
    if (remove === undefined) return
    await perform(remove(world, made))
    const told = await world.ask('GET', read(world, made), { token })
    if (removed === 404) assert.deepEqual([told.status, typeof told.body.message], [404, 'string'])
    else assert.deepEqual(seen(told.body), removed)
  })

test('tailscale_acl: validated at each plan, created over the default only, applied, and reset', async () => {
  const world = await RestWorld.make()
  const token = world.alpha.tokens.owner
  const hujson = { accept: 'application/hujson' }
  const raw = async () => (await world.ask('GET', `${T}/acl`, { token, headers: hujson })).text
  const apply = (body: string, headers: Record<string, string> = {}) =>
    world.ask('POST', `${T}/acl`, { token, body, headers: { 'content-type': 'application/hujson', ...headers } })
  const first = '// ours\n{"acls": [{"action": "accept", "src": ["*"], "dst": ["*:22"]}]}'
  const plan = async (body: string) => (await world.ask('POST', `${T}/acl/validate`, { token, body })).body
  assert.deepEqual(await plan(first), {})
  assert.match((await plan('{"acls": [{"action": "refuse"}]}')).message, /./)
  assert.equal((await apply(first, { 'if-match': '"ts-default"' })).status, 200)
  assert.match(await raw(), /^\/\/ ours\n\{/)
  // Another one that does not know of the first is kept from overwriting it.
  const second = await apply('{"acls": []}', { 'if-match': '"ts-default"' })
  assert.deepEqual([second.status, second.body.message], [412, 'precondition failed, invalid old hash'])
  assert.equal((await apply('{"acls": []}')).status, 200)
  const kept = await raw()
  assert.equal((await apply(kept)).status, 200)
  assert.equal(await raw(), kept)
  assert.equal((await apply('')).status, 200)
  assert.equal((await apply(first, { 'if-match': '"ts-default"' })).status, 200)
})

test('a device that is gone is forgotten: every path of it answers 404 with a message', async () => {
  const world = await RestWorld.make()
  const { stableId } = world.alpha.laptop
  await world.ask('DELETE', `/device/${stableId}`, { server: true })
  for (const path of ['', '/routes']) {
    const told = await world.ask('GET', `/device/${stableId}${path}`, { server: true })
    assert.deepEqual([told.status, told.body], [404, { message: 'device not found' }])
  }
})

/** Members of a device that the data sources read, and of what kind they are. */
const DEVICE = {
  name: 'string',
  hostname: 'string',
  user: 'string',
  nodeId: 'string',
  id: 'string',
  addresses: 'object',
  authorized: 'boolean',
  keyExpiryDisabled: 'boolean',
  blocksIncomingConnections: 'boolean',
  clientVersion: 'string',
  created: 'string',
  expires: 'string',
  isExternal: 'boolean',
  lastSeen: 'string',
  machineKey: 'string',
  nodeKey: 'string',
  os: 'string',
  tailnetLockError: 'string',
  tailnetLockKey: 'string',
  updateAvailable: 'boolean',
} as const

test('data sources find devices, users and Services by what they are asked for', async () => {
  const world = await RestWorld.make()
  const devices = async (query: string) => (await world.get(`${T}/devices?${query}`)).devices
  for (const query of ['name=laptop.alpha.sett.internal', 'hostname=laptop']) {
    const [found, ...more] = await devices(query)
    assert.equal(more.length, 0)
    assert.equal(found.nodeId, world.alpha.laptop.stableId)
    for (const [member, kind] of Object.entries(DEVICE)) assert.equal(typeof found[member], kind, member)
  }
  assert.deepEqual(await devices('name=nobody.alpha.sett.internal'), [])
  assert.equal((await devices('tags=tag%3Aoffice&isEphemeral=false')).length, 1)

  const { users } = await world.get(`${T}/users?type=member&role=admin`)
  assert.deepEqual(
    users.map(({ loginName }: { loginName: string }) => loginName),
    ['admin'],
  )
  assert.deepEqual(await world.get(`/users/${users[0].id}`), users[0])
  const all = (await world.get(`${T}/users`)).users
  assert.ok(all.some(({ loginName }: { loginName: string }) => loginName === 'auditor'))
})
