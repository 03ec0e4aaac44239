/**
 * Terraform's resources as the calls that they make: create, read back without a difference, change, import by id, delete.
 * (api-v2.md §8.2) Those about DNS are in `dns-terraform.test.ts`, the policy and data sources in `terraform-reads.test.ts`.
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
const CLIENT = { keyType: 'client', scopes: ['auth_keys', 'devices:core'], tags: ['tag:ci'], description: 'ci' }
const FEDERATED = {
  keyType: 'federated',
  scopes: ['auth_keys'],
  tags: ['tag:ci'],
  description: 'actions',
  issuer: 'https://token.actions.example',
  subject: 'repo:sett/*',
  customClaimRules: { environment: 'prod-*' },
}
const SPLUNK = {
  destinationType: 'splunk',
  url: 'https://splunk.example:8088/services/collector/event',
  user: 'user',
  token: 'secret',
  uploadPeriodMinutes: 5,
  compressionFormat: 'none',
}
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
  {
    name: 'tailscale_oauth_client',
    steps: [
      () => [['POST', `${T}/keys`, CLIENT]],
      (_, { id }) => [['PUT', `${T}/keys/${id}`, { ...CLIENT, scopes: ['dns:read'], tags: [] }]],
    ],
    idOf: ({ id, key }) => {
      assert.match(key, /^tskey-client-/)
      return id
    },
    read: (_, { id }) => `${T}/keys/${id}`,
    seen: ({ keyType, scopes, tags = [], description, revoked }) => ({
      keyType,
      scopes,
      tags,
      description,
      gone: revoked !== undefined,
    }),
    wanted: [
      { ...CLIENT, gone: false },
      { ...CLIENT, scopes: ['dns:read'], tags: [], gone: false },
    ],
    remove: (_, { id }) => [['DELETE', `${T}/keys/${id}`]],
    removed: { ...CLIENT, scopes: ['dns:read'], tags: [], gone: true },
  },
  {
    name: 'tailscale_federated_identity gets an audience where none is given',
    steps: [
      () => [['POST', `${T}/keys`, FEDERATED]],
      (_, { id }) => [['PUT', `${T}/keys/${id}`, { ...FEDERATED, subject: 'repo:sett/web', customClaimRules: {} }]],
    ],
    idOf: ({ id }) => id,
    read: (_, { id }) => `${T}/keys/${id}`,
    seen: ({ scopes, tags, issuer, subject, customClaimRules = {}, audience, revoked }) => ({
      gone: revoked !== undefined,
      scopes,
      tags,
      issuer,
      subject,
      customClaimRules,
      audience: typeof audience,
    }),
    wanted: [FEDERATED, { ...FEDERATED, subject: 'repo:sett/web', customClaimRules: {} }].map(
      ({ keyType: _, description: __, ...rest }) => ({ ...rest, audience: 'string', gone: false }),
    ),
    remove: (_, { id }) => [['DELETE', `${T}/keys/${id}`]],
    removed: {
      scopes: ['auth_keys'],
      tags: ['tag:ci'],
      issuer: 'https://token.actions.example',
      subject: 'repo:sett/web',
      customClaimRules: {},
      audience: 'string',
      gone: true,
    },
  },
  {
    name: 'tailscale_webhook has its secret when it is made',
    steps: [
      () => [
        [
          'POST',
          `${T}/webhooks`,
          {
            endpointUrl: 'https://hooks.example/x',
            providerType: 'slack',
            subscriptions: ['nodeCreated', 'userCreated'],
          },
        ],
      ],
      (_, { id }) => [['PATCH', `/webhooks/${id}`, { subscriptions: ['categoryTailnetManagement'] }]],
    ],
    idOf: ({ endpointId, secret }) => {
      assert.match(secret, /^tskey-webhook-/)
      return endpointId
    },
    read: (_, { id }) => `/webhooks/${id}`,
    seen: ({ endpointUrl, providerType, subscriptions }) => [endpointUrl, providerType, sorted(subscriptions)],
    wanted: [['nodeCreated', 'userCreated'], ['categoryTailnetManagement']].map((subscriptions) => [
      'https://hooks.example/x',
      'slack',
      subscriptions,
    ]),
    remove: (_, { id }) => [['DELETE', `/webhooks/${id}`]],
    removed: 404,
  },
  {
    name: 'tailscale_logstream_configuration reads back all but what is secret',
    steps: [SPLUNK, { ...SPLUNK, uploadPeriodMinutes: 1, compressionFormat: 'gzip' }].map((config) => () => [
      ['PUT', `${T}/logging/configuration/stream`, config],
    ]),
    read: () => `${T}/logging/configuration/stream`,
    seen: (config) => config,
    wanted: [{}, { uploadPeriodMinutes: 1, compressionFormat: 'gzip' }].map((change) => {
      const { token: _, ...shown } = SPLUNK
      return { ...shown, ...change, logType: 'configuration' }
    }),
    remove: () => [['DELETE', `${T}/logging/configuration/stream`]],
    removed: 404,
  },
  {
    name: 'tailscale_aws_external_id has an id, and no account to assume it',
    steps: [() => [['POST', `${T}/aws-external-id`, { reusable: false }]]],
    idOf: ({ externalId, tailscaleAwsAccountId }) => {
      assert.deepEqual([externalId.length > 8, typeof tailscaleAwsAccountId], [true, 'string'])
      return externalId
    },
    // The resource reads nothing back.
    read: () => `${T}/settings`,
    seen: () => undefined,
    wanted: [undefined],
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
