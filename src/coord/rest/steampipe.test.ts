/**
 * Steampipe's tables, column by column: what each reads in which answer, and of which kind it must be. Its compliance
 * controls read the same columns. (api-v2.md §8.4, checklist 50 and 51)
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RestWorld } from '../../../test/support/rest-world.ts'

type Kind = 'text' | 'bool' | 'time' | 'json'
type Row = Readonly<Record<string, unknown>>
interface Column {
  readonly kind: Kind
  /** From the row's object. */
  readonly of: (row: any) => unknown
  /** NULL stands for what is empty; the others must have something to show here. */
  readonly empty?: true
}
const text = (name: string): Column => ({ kind: 'text', of: (row) => row[name] })
const bool = (name: string): Column => ({ kind: 'bool', of: (row) => row[name] })
const time = (name: string): Column => ({ kind: 'time', of: (row) => row[name] })
const json = (name: string): Column => ({ kind: 'json', of: (row) => row[name] })

interface Table {
  readonly name: string
  readonly rows: (world: RestWorld) => Promise<readonly Row[]>
  readonly columns: Readonly<Record<string, Column>>
}

const T = '/tailnet/alpha'
const POLICY = `{
  "groups": {"group:dev": ["anna@alpha.example"]},
  "hosts": {"box": "100.64.0.9"},
  "tagOwners": {"tag:office": ["group:dev"]},
  "acls": [{"action": "accept", "proto": "tcp", "src": ["group:dev"], "dst": ["tag:office:22"]}],
  "ssh": [{"action": "check", "checkPeriod": "12h", "src": ["group:dev"], "dst": ["tag:office"], "users": ["root"]}],
  "autoApprovers": {"routes": {"10.0.0.0/8": ["group:dev"]}, "exitNode": ["group:dev"]},
  "derpMap": {"OmitDefaultRegions": false, "Regions": {"901": {"RegionID": 901, "RegionCode": "x", "RegionName": "X", "Nodes": [
    {"Name": "1", "RegionID": 901, "HostName": "derp.example"}]}}},
}`

/** Standard JSON, as the plugin's client asks for it. */
const policy = async (world: RestWorld) =>
  JSON.parse((await world.ask('GET', `${T}/acl`, { server: true, headers: { accept: 'application/json' } })).text)

const tables: readonly Table[] = [
  {
    name: 'tailscale_acl_auto_approver',
    rows: async (world) => [(await policy(world)).autoApprovers],
    columns: { routes: json('routes'), exit_node: json('exitNode') },
  },
  {
    name: 'tailscale_acl_derp_map',
    rows: async (world) => [(await policy(world)).derpMap],
    columns: {
      omit_default_regions: bool('OmitDefaultRegions'),
      regions: {
        kind: 'json',
        // Go reads the keys as integers.
        of: ({ Regions }) => (Object.keys(Regions).every((key) => /^\d+$/.test(key)) ? Regions : undefined),
      },
    },
  },
  {
    name: 'tailscale_acl_entry',
    rows: async (world) => (await policy(world)).acls,
    columns: {
      action: text('action'),
      source: json('src'),
      destination: json('dst'),
      protocol: text('proto'),
      ports: { ...json('ports'), empty: true },
      users: { ...json('users'), empty: true },
    },
  },
  {
    name: 'tailscale_acl_ssh',
    rows: async (world) => (await policy(world)).ssh,
    columns: {
      action: text('action'),
      users: json('users'),
      source: json('src'),
      destination: json('dst'),
      check_period: text('checkPeriod'),
    },
  },
  {
    name: 'tailscale_device',
    rows: async (world) => {
      const { devices } = await world.get(`${T}/devices`)
      return Promise.all(
        devices.map(async (device: any) => ({ ...device, ...(await world.get(`/device/${device.id}/routes`)) })),
      )
    },
    columns: {
      name: text('name'),
      id: { kind: 'text', of: ({ id }) => (/^\d+$/.test(id) ? id : undefined) },
      client_version: text('clientVersion'),
      hostname: text('hostname'),
      machine_key: text('machineKey'),
      node_key: text('nodeKey'),
      os: text('os'),
      user: text('user'),
      authorized: bool('authorized'),
      blocks_incoming_connections: bool('blocksIncomingConnections'),
      is_external: bool('isExternal'),
      key_expiry_disabled: bool('keyExpiryDisabled'),
      update_available: bool('updateAvailable'),
      created: time('created'),
      expires: time('expires'),
      last_seen: time('lastSeen'),
      addresses: json('addresses'),
      tags: { ...json('tags'), empty: true },
      title: text('name'),
      // {Advertised, Enabled}: lists, never null.
      device_subnet_routes: {
        kind: 'json',
        of: ({ advertisedRoutes, enabledRoutes }) =>
          Array.isArray(advertisedRoutes) && Array.isArray(enabledRoutes)
            ? { Advertised: advertisedRoutes, Enabled: enabledRoutes }
            : undefined,
      },
    },
  },
  {
    name: 'tailscale_tailnet',
    rows: async (world) => {
      const { dns } = await world.get(`${T}/dns/nameservers`)
      const { magicDNS } = await world.get(`${T}/dns/preferences`)
      const { searchPaths } = await world.get(`${T}/dns/searchpaths`)
      const { groups, hosts, tagOwners } = await policy(world)
      return [{ dns, preferences: { MagicDNS: magicDNS }, searchPaths, groups, hosts, tagOwners, title: 'alpha' }]
    },
    columns: {
      dns_nameservers: json('dns'),
      dns_preferences: { kind: 'json', of: ({ preferences: { MagicDNS } }) => ({ MagicDNS: MagicDNS === true }) },
      dns_search_paths: json('searchPaths'),
      acl_groups: json('groups'),
      acl_hosts: json('hosts'),
      acl_tag_owners: json('tagOwners'),
      title: text('title'),
    },
  },
  {
    name: 'tailscale_tailnet_key',
    rows: async (world) => {
      const { id } = await world.post(`${T}/keys`, { capabilities: { devices: { create: { reusable: true } } } })
      const key = await world.get(`${T}/keys/${id}`)
      assert.ok(!('key' in key))
      return [key]
    },
    columns: {
      id: text('id'),
      // Shown once, when it is made.
      key: { ...text('key'), empty: true },
      title: { ...text('key'), empty: true },
      created: time('created'),
      expires: time('expires'),
      capabilities: json('capabilities'),
    },
  },
]

const IS: Readonly<Record<Kind, (value: unknown) => boolean>> = {
  text: (value) => typeof value === 'string' && value !== '',
  bool: (value) => typeof value === 'boolean',
  time: (value) => typeof value === 'string' && !Number.isNaN(Date.parse(value)),
  json: (value) => typeof value === 'object' && value !== null,
}

async function office(): Promise<RestWorld> {
  const world = await RestWorld.make()
  await world.post('/sett/tailnet/alpha/users', { loginName: 'anna@alpha.example' })
  await world.post(`${T}/acl`, POLICY)
  await world.ask('PATCH', '/sett/tailnet/alpha/dns', {
    server: true,
    body: { magicDNS: true, nameservers: [{ address: '9.9.9.9' }], searchPaths: ['corp.example'] },
  })
  const { laptop, printer } = world.alpha
  for (const node of [laptop, printer]) await world.ask('DELETE', `/device/${node.id}`, { server: true })
  await world.join(1, Number(world.alpha.userIds.owner), 'laptop')
  await world.join(1, Number(world.alpha.userIds.owner), 'printer', { tags: ['tag:office'] })
  return world
}

test('every column of every table finds what it reads', async () => {
  const world = await office()
  for (const { name, rows, columns } of tables) {
    const found = await rows(world)
    assert.ok(found.length > 0, name)
    for (const row of found)
      for (const [column, { kind, of, empty }] of Object.entries(columns)) {
        const value = of(row)
        if (empty === true && value === undefined) continue
        assert.ok(IS[kind](value), `${name}.${column} is ${JSON.stringify(value)}`)
      }
  }
})

test('the controls of the compliance mod are driven to ok and to alarm', async () => {
  const world = await office()
  const devices = async (): Promise<any[]> => (await world.get(`${T}/devices`)).devices
  const named = async (hostname: string) => (await devices()).find((device) => device.hostname === hostname)
  const { nodeId } = await named('laptop')

  // device_authorization_enabled, device_node_key_expire, tailnet_acl_tags_used: a device without tags has no member.
  for (const authorized of [false, true]) {
    await world.post(`/device/${nodeId}/authorized`, { authorized })
    assert.equal((await named('laptop')).authorized, authorized)
  }
  for (const keyExpiryDisabled of [true, false]) {
    await world.post(`/device/${nodeId}/key`, { keyExpiryDisabled })
    assert.equal((await named('laptop')).keyExpiryDisabled, keyExpiryDisabled)
  }
  for (const tags of [['tag:office'], []]) {
    await world.post(`/device/${nodeId}/tags`, { tags })
    assert.equal('tags' in (await named('laptop')), tags.length > 0)
  }
  assert.ok((await devices()).every(({ updateAvailable }) => updateAvailable === false))

  // acl_ssh_check_mode_enabled, acl_ssh_admin_roles_assigned, tailnet_acl_groups_used.
  const rule = (rule: object) => ({ ssh: [{ src: ['autogroup:member'], dst: ['autogroup:self'], ...rule }] })
  const checked = ({ ssh = [] }: any) =>
    ssh.some(
      ({ action, users, checkPeriod }: any) =>
        action === 'check' && users.includes('root') && /[1-9]/.test(checkPeriod),
    )
  const ROLES = ['group:admin', 'group:itadmin', 'group:networkadmin', 'group:auditor']
  const assigned = ({ ssh = [] }: any) => ROLES.every((role) => ssh.some(({ users }: any) => users.includes(role)))
  const rows: [object, unknown[]][] = [
    [rule({ action: 'check', checkPeriod: '12h', users: ['root'] }), [true, false, false]],
    [rule({ action: 'accept', users: ['root'] }), [false, false, false]],
    [rule({ action: 'accept', users: ROLES }), [false, true, false]],
    [{ groups: { 'group:dev': ['anna@alpha.example'] } }, [false, false, true]],
  ]
  for (const [text, wanted] of rows) {
    await world.post(`${T}/acl`, text)
    const read = await policy(world)
    assert.deepEqual([checked(read), assigned(read), 'groups' in read], wanted, JSON.stringify(text))
  }
})
