/**
 * What a saved policy does to official clients: who reaches whom changes within two seconds, under traffic; flows that
 * run meanwhile; and clients that a change does not concern, which hear nothing. What a policy lets a machine have when
 * it joins is policy-machines.test.ts.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { bytesFrom } from './driver/control-bytes.ts'
import { type Fetched, meet, type TsClients, type TsNode, until } from './driver/tsclient.ts'
import { interopMissing, SERVER_HOST, World } from './driver/world.ts'

const skip = interopMissing()

/** The bound on how long a saved policy may take to be in force everywhere. */
const IN_FORCE_MS = 2000

const GROUPS = { 'group:dev': ['anna@example.com'], 'group:ops': ['ben@example.com'] }
const TAG_OWNERS = { 'tag:web': [], 'tag:alone': [], 'tag:router': [], 'tag:east': [], 'tag:west': [] }

type Name = 'anna' | 'anna-too' | 'ben' | 'web'

let world: World
let clients: TsClients
let nodes: Record<Name, TsNode>
let ips: Record<Name, string>
const keys = new Map<string, string>()

before(async () => {
  if (skip !== false) return
  world = await World.open()
  for (const user of ['anna@example.com', 'ben@example.com']) await world.server.admin('users', 'create', user)
  await save({ grants: [{ src: ['*'], dst: ['*'], ip: ['*'] }] })
  clients = await world.clients('machine')
  const of = {
    anna: 'anna@example.com',
    'anna-too': 'anna@example.com',
    ben: 'ben@example.com',
    web: 'tag:web',
  } as const
  const made = await Promise.all(
    Object.entries(of).map(async ([name, owner]) => [name, await join(name, owner)] as const),
  )
  nodes = Object.fromEntries(made) as typeof nodes
  ips = Object.fromEntries(
    await Promise.all(made.map(async ([name, node]) => [name, await node.ip()] as const)),
  ) as typeof ips
  for (const node of Object.values(nodes)) for (const port of [80, 81]) await node.serve(port)
  for (const [one, other] of [
    ['anna', 'web'],
    ['anna', 'anna-too'],
    ['anna', 'ben'],
    ['ben', 'web'],
  ] as const) {
    await meet(nodes[one], nodes[other])
    await nodes[one].finds(`${ips[other]}:80`, 'open')
  }
})
after(async () => {
  if (skip === false) await world?.close()
})

/** Lets a node join for a user or with a tag. */
async function join(name: string, owner: string, at = clients): Promise<TsNode> {
  let key = keys.get(owner)
  if (key === undefined) {
    const options = owner.startsWith('tag:') ? { tags: [owner] } : { user: owner }
    key = (await world.server.createKey({ reusable: true, ...options })).key
    keys.set(owner, key)
  }
  return at.join(name, { control: world.control, authKey: key })
}

/** Saves a policy with the groups and tags of these tests, and returns when it was sent, as `Date.now()` counts. */
async function save(policy: object): Promise<number> {
  const began = Date.now()
  await world.server.api('POST', '/api/v2/tailnet/-/acl', { groups: GROUPS, tagOwners: TAG_OWNERS, ...policy })
  return began
}

const grant = (src: string, dst: string, ...ip: string[]): object => ({ src: [src], dst: [dst], ip })

/** Lets the node fetch so many bytes from web, at 400,000 a second; resolves once some have come. */
async function startTransfer(
  node: TsNode,
  n: number,
  timeoutMs = 20_000,
): Promise<{ bytes(): number; ended: Promise<Fetched> }> {
  let bytes = 0
  const url = `http://${ips.web}/bytes?n=${n}&bps=400000`
  const ended = node.get(url, { timeoutMs, onBytes: (now) => (bytes = now) })
  ended.catch(() => {})
  await until('the transfer is under way', async () => bytes > 0)
  return { bytes: () => bytes, ended }
}

test('a port opens and closes within two seconds of a save, while a transfer goes on', { skip }, async (t) => {
  const shut = { grants: [grant('group:dev', 'tag:web', '80')] }
  const open = { grants: [grant('group:dev', 'tag:web', '80-81')] }
  await save(shut)
  await nodes.anna.finds(`${ips.web}:81`, 'closed')
  const transfer = await startTransfer(nodes.anna, 2_500_000)
  for (const [policy, wanted] of [
    [open, 'open'],
    [shut, 'closed'],
    [open, 'open'],
    [shut, 'closed'],
  ] as const) {
    const knocking = await nodes.anna.knock(`${ips.web}:81`, wanted)
    const saved = await save(policy)
    const { since, others } = await knocking.seen
    t.diagnostic(`${wanted} ${since - saved} ms after the save was sent; ${others} connections before found otherwise`)
    assert.ok(others > 0 && since - saved <= IN_FORCE_MS, `${since - saved} ms`)
  }
  const got = await transfer.ended
  assert.ok(got.intact)
  t.diagnostic(`the transfer's longest pause: ${got.maxGapMs} ms`)
})

type Flow = readonly [from: Name, to: Name, port: number]
const rows: readonly { name: string; policy: () => object; open: readonly Flow[]; closed: readonly Flow[] }[] = [
  {
    name: 'a user: all devices of hers, and nobody else',
    policy: () => ({ grants: [grant('anna@example.com', 'tag:web', '80')] }),
    open: [
      ['anna', 'web', 80],
      ['anna-too', 'web', 80],
    ],
    closed: [
      ['anna', 'web', 81],
      ['ben', 'web', 80],
      ['web', 'anna', 80],
      ['anna', 'anna-too', 80],
    ],
  },
  {
    name: 'a group',
    policy: () => ({ grants: [grant('group:ops', 'tag:web', 'tcp:80')] }),
    open: [['ben', 'web', 80]],
    closed: [
      ['anna', 'web', 80],
      ['ben', 'web', 81],
    ],
  },
  {
    name: 'a tag as source, and all members as destination',
    policy: () => ({ grants: [grant('tag:web', 'autogroup:member', '80-81')] }),
    open: [
      ['web', 'anna', 81],
      ['web', 'ben', 80],
    ],
    closed: [
      ['anna', 'web', 80],
      ['ben', 'anna', 80],
    ],
  },
  {
    name: "autogroup:self: a user's own devices among themselves",
    policy: () => ({ grants: [grant('autogroup:member', 'autogroup:self', '*')] }),
    open: [
      ['anna', 'anna-too', 80],
      ['anna-too', 'anna', 81],
    ],
    closed: [
      ['anna', 'ben', 80],
      ['ben', 'anna', 80],
      ['web', 'anna', 80],
    ],
  },
  {
    name: 'an acl from a host to an address',
    policy: () => ({
      hosts: { bens: ips.ben },
      acls: [{ action: 'accept', src: ['bens'], dst: [`${ips.anna}:81`] }],
    }),
    open: [['ben', 'anna', 81]],
    closed: [
      ['ben', 'anna', 80],
      ['anna', 'ben', 81],
      ['anna', 'anna-too', 80],
    ],
  },
]
for (const row of rows) {
  test(`who reaches what, by ${row.name}`, { skip }, async () => {
    await save(row.policy())
    const find = async ([from, to, port]: Flow, wanted: 'open' | 'closed'): Promise<void> => {
      if (wanted === 'open') await meet(nodes[from], nodes[to])
      await nodes[from].finds(`${ips[to]}:${port}`, wanted)
    }
    // One after the other: two that begin a handshake with each other at the same moment both have to try again.
    for (const flow of row.open) await find(flow, 'open')
    await Promise.all(row.closed.map(async (flow) => find(flow, 'closed')))
  })
}

test('by a name alone: who joins a group is let in where it is, and nobody else is', { skip }, async () => {
  await save({ grants: [grant('group:dev', 'tag:web', 'tcp:80'), grant('group:ops', 'tag:web', '81')] })
  const rules = async (): Promise<readonly { readonly SrcIPs: readonly string[] }[]> =>
    (await nodes.web.netmap()).rules ?? []
  const before = await until('the filter has names and nothing else', async () => {
    const now = await rules()
    return now.length === 2 && now.every(({ SrcIPs }) => SrcIPs.every((text) => text.startsWith('cap:'))) && now
  })
  const newcomer = await join('anna-third', 'anna@example.com')
  await meet(newcomer, nodes.web)
  await newcomer.finds(`${ips.web}:80`, 'open')
  const closed: readonly (readonly [TsNode, number])[] = [
    [newcomer, 81],
    [nodes.ben, 80],
  ]
  await Promise.all(closed.map(async ([from, port]) => from.finds(`${ips.web}:${port}`, 'closed')))
  await nodes.ben.finds(`${ips.web}:81`, 'open')
  assert.equal((await newcomer.ping(ips.web, 'ICMP')).Err, '')
  assert.deepEqual(await rules(), before)
  await newcomer.close()
})

test('a pair that may not see each other any more loses its flows at once', { skip }, async (t) => {
  await save({ grants: [grant('group:dev', 'tag:web', '80')] })
  await meet(nodes.anna, nodes.web)
  await nodes.anna.finds(`${ips.web}:80`, 'open')
  const transfer = await startTransfer(nodes.anna, 100_000_000, 3000)
  const saved = await save({ grants: [grant('group:ops', 'tag:web', '80')] })
  const gone = async (node: TsNode, name: Name): Promise<number> => {
    await node.sees(`${name} gone`, name, (peer) => peer === undefined)
    return Date.now() - saved
  }
  const [anna, web] = await Promise.all([gone(nodes.anna, 'web'), gone(nodes.web, 'anna')])
  t.diagnostic(`gone from the sight of anna after ${anna} ms, of web after ${web} ms`)
  assert.ok(Math.max(anna, web) <= IN_FORCE_MS)
  const { since } = await nodes.anna.finds(`${ips.web}:80`, 'closed')
  assert.ok(since - saved <= IN_FORCE_MS)
  const bytes = transfer.bytes()
  await nodes.anna.finds(`${ips.web}:80`, 'closed')
  assert.equal(transfer.bytes(), bytes, 'not one byte comes any more')
  await assert.rejects(transfer.ended)
})

test('a pair that may see each other from now on does so at once', { skip }, async (t) => {
  await save({ grants: [grant('group:ops', 'tag:web', '80')] })
  const see = async (wanted: boolean): Promise<unknown> =>
    Promise.all([
      nodes.anna.sees('web', 'web', (peer) => (peer !== undefined) === wanted),
      nodes.web.sees('anna', 'anna', (peer) => (peer !== undefined) === wanted),
    ])
  await see(false)
  const knocking = await nodes.anna.knock(`${ips.web}:80`, 'open')
  const saved = await save({ grants: [grant('group:dev', 'tag:web', '80')] })
  await see(true)
  assert.ok(Date.now() - saved <= IN_FORCE_MS)
  const { since, others } = await knocking.seen
  assert.ok(others > 0)
  // A handshake that reaches a client a moment before it has heard of the other is lost, and sent again after 5 s.
  t.diagnostic(`the first connection ${since - saved} ms after the save was sent`)
})

test('access follows the role of a user and the tags of a machine', { skip }, async (t) => {
  await save({ grants: [grant('*', 'tag:web', '81'), grant('autogroup:admin', 'tag:web', '80')] })
  await meet(nodes.ben, nodes.web)
  await nodes.ben.finds(`${ips.web}:81`, 'open')
  await nodes.ben.finds(`${ips.web}:80`, 'closed')
  const { users } = await world.server.api<{ users: { id: string; loginName: string }[] }>(
    'GET',
    '/api/v2/tailnet/-/users',
  )
  const ben = users.find(({ loginName }) => loginName === 'ben@example.com')?.id
  const { nodeId: web } = await world.server.device('web')
  const role = (name: string) => (): Promise<unknown> =>
    world.server.api('POST', `/api/v2/users/${ben}/role`, { role: name })
  const tags =
    (...names: string[]) =>
    (): Promise<unknown> =>
      world.server.api('POST', `/api/v2/device/${web}/tags`, { tags: names })
  const changes = [
    { name: 'an administrator', make: role('admin'), wanted: 'open' },
    { name: 'a machine without the tag', make: tags('tag:east'), wanted: 'closed' },
    { name: 'a machine with the tag again', make: tags('tag:web', 'tag:east'), wanted: 'open' },
    { name: 'an administrator no more', make: role('member'), wanted: 'closed' },
  ] as const
  for (const { name, make, wanted } of changes) {
    const knocking = await nodes.ben.knock(`${ips.web}:80`, wanted)
    const began = Date.now()
    await make()
    const { since, others } = await knocking.seen
    t.diagnostic(`${name}: ${wanted} after ${since - began} ms`)
    assert.ok(others > 0 && since - began <= IN_FORCE_MS)
  }
  await tags('tag:web')()
})

test('where only a port is withdrawn, its connections go on, and new ones are refused', { skip }, async (t) => {
  await save({ grants: [grant('group:dev', 'tag:web', '80-81')] })
  await meet(nodes.anna, nodes.web)
  await nodes.anna.finds(`${ips.web}:80`, 'open')
  const transfer = await startTransfer(nodes.anna, 1_200_000)
  const saved = await save({ grants: [grant('group:dev', 'tag:web', '81')] })
  const { since } = await nodes.anna.finds(`${ips.web}:80`, 'closed')
  assert.ok(since - saved <= IN_FORCE_MS)
  const bytes = transfer.bytes()
  assert.ok(bytes < 1_200_000, 'the transfer is under way')
  const got = await transfer.ended
  assert.ok(got.intact && got.bytes === 1_200_000)
  t.diagnostic(`closed to new connections ${since - saved} ms after the save; the one that was open went on to its end`)
  await nodes.anna.finds(`${ips.web}:80`, 'closed')
  await nodes.anna.finds(`${ips.web}:81`, 'open')
})

test('postures: access comes and goes with the attributes of a device', { skip, timeout: 60_000 }, async (t) => {
  const attribute = 'custom:tier'
  const { nodeId } = await world.server.device('anna')
  const path = `/api/v2/device/${nodeId}/attributes/${attribute}`
  const needing = (posture: string, port: string): object => ({
    ...grant('group:dev', 'tag:web', port),
    srcPosture: [posture],
  })
  await save({
    postures: {
      'posture:gold': [`${attribute} == 'gold'`],
      'posture:linux': ["node:os == 'linux'", "node:tsVersion >= '1.60'"],
      'posture:windows': ["node:os == 'windows'"],
    },
    grants: [needing('posture:gold', '80'), needing('posture:linux', '81'), needing('posture:windows', '82')],
  })
  const target = `${ips.web}:80`
  await nodes.web.serve(82)
  await meet(nodes.anna, nodes.web)
  await nodes.anna.finds(`${ips.web}:81`, 'open')
  await Promise.all([nodes.anna.finds(`${ips.web}:82`, 'closed'), nodes.anna.finds(target, 'closed')])
  /** Makes the change while the port is tried, and returns after how long it was seen. */
  const after = async (change: () => Promise<unknown>, wanted: 'open' | 'closed', from?: number): Promise<void> => {
    const knocking = await nodes.anna.knock(target, wanted)
    const began = from ?? Date.now()
    await change()
    const late = (await knocking.seen).since - began
    t.diagnostic(`${wanted} after ${late} ms`)
    assert.ok(late <= IN_FORCE_MS)
  }
  await world.server.api('POST', path, { value: 'silver' })
  await nodes.anna.finds(target, 'closed')
  await after(() => world.server.api('POST', path, { value: 'gold' }), 'open')
  await nodes['anna-too'].finds(target, 'closed')
  await after(() => world.server.api('DELETE', path), 'closed')
  const expires = Date.now() + 2500
  await after(() => world.server.api('POST', path, { value: 'gold', expiry: new Date(expires).toISOString() }), 'open')
  await after(async () => undefined, 'closed', expires)
  assert.ok(Date.now() >= expires, 'not before its time')
})

test('via: who is led by which router to the same subnet', { skip }, async (t) => {
  const route = '10.99.0.0/24'
  const led = (group: string, tag: string): object => ({ ...grant(group, route, '*'), via: [tag] })
  const policy = (dev: string, ops: string): object => ({
    autoApprovers: { routes: { '10.0.0.0/8': ['tag:east', 'tag:west'] } },
    grants: [led('group:dev', dev), led('group:ops', ops)],
  })
  await save(policy('tag:east', 'tag:west'))
  const routers = await Promise.all([join('east', 'tag:east'), join('west', 'tag:west')])
  for (const router of routers) await router.advertise(route)
  /** The routers that this viewer may send to the subnet through. */
  const carriers = async (viewer: TsNode): Promise<string> => {
    const peers = Object.values((await viewer.status()).Peer ?? {})
    const carrying = peers.filter((peer) => peer.AllowedIPs?.includes(route))
    for (const peer of carrying) assert.deepEqual(peer.PrimaryRoutes, [route])
    return carrying.map((peer) => peer.DNSName.split('.')[0]).join()
  }
  const isLed = async (viewer: TsNode, by: string, since: number): Promise<void> => {
    await until(`${viewer.name} is led by ${by}`, async () => (await carriers(viewer)) === by, 10_000)
    t.diagnostic(`${viewer.name} is led by ${by} after ${Date.now() - since} ms`)
  }
  const offered = Date.now()
  await Promise.all([isLed(nodes.anna, 'east', offered), isLed(nodes.ben, 'west', offered)])
  const saved = await save(policy('tag:west', 'tag:east'))
  await Promise.all([isLed(nodes.anna, 'west', saved), isLed(nodes.ben, 'east', saved)])
  assert.ok(Date.now() - saved <= IN_FORCE_MS)
})

test('a client that a change does not concern receives nothing', { skip }, async (t) => {
  const elsewhere = await world.clients('elsewhere')
  const port81 = (ip: string): object => ({
    grants: [grant('group:dev', 'tag:web', ip), grant('tag:alone', 'tag:alone', '*')],
  })
  await save(port81('80'))
  const alone = await join('alone', 'tag:alone', elsewhere)
  const { nodeId } = await world.server.device('ben')
  const changes: readonly { name: string; make: () => Promise<unknown>; seen: () => Promise<unknown> }[] = [
    {
      name: 'a policy with one more port for others',
      make: () => save(port81('80-81')),
      seen: () => nodes.anna.finds(`${ips.web}:81`, 'open'),
    },
    {
      name: 'a policy with that port less',
      make: () => save(port81('80')),
      seen: () => nodes.anna.finds(`${ips.web}:81`, 'closed'),
    },
    {
      name: 'tags of another node',
      make: () => world.server.api('POST', `/api/v2/device/${nodeId}/tags`, { tags: ['tag:web'] }),
      seen: () => nodes.anna.sees('ben as tag:web', 'ben', (peer) => peer?.Tags?.includes('tag:web') === true),
    },
    {
      name: 'another node by another name',
      make: () => world.server.api('POST', `/api/v2/device/${nodeId}/name`, { name: 'benny' }),
      seen: () => nodes.anna.sees('ben as benny', 'benny', (peer) => peer?.Online === true),
    },
  ]
  await meet(nodes.anna, nodes.web)
  const received = async (): Promise<number> => bytesFrom(elsewhere.namespace, SERVER_HOST, 8080)
  // A client that has just joined tells the server of its addresses, and is answered, for a moment yet.
  let calm = 0
  let since = 0
  await until('what concerns the client itself has come', async () => {
    const now = await received()
    if (now !== calm) since = Date.now()
    calm = now
    return calm > 0 && Date.now() - since > 1500
  })
  for (const change of changes) {
    await change.make()
    await change.seen()
    const now = await received()
    t.diagnostic(`${change.name}: ${now - calm} bytes`)
    assert.equal(now, calm)
  }
  const { nodeId: own } = await world.server.device('alone')
  await world.server.api('POST', `/api/v2/device/${own}/name`, { name: 'lonely' })
  await until('it hears of its own new name', async () => (await alone.status()).Self.DNSName.startsWith('lonely.'))
  assert.ok((await received()) > calm, 'what concerns it is counted')
})
