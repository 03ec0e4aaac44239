/**
 * What a policy lets official clients have and be told: tags at login, routes and exit routes approved as they are
 * offered, attributes, addresses of a pool, SSH rules, application capabilities. Who reaches whom is policy.test.ts.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { chosenClient } from './driver/build.ts'
import { meet, type TsClients, type TsNode, until } from './driver/tsclient.ts'
import { interopMissing, World } from './driver/world.ts'

const skip = interopMissing()

/** The bound on how long a saved policy may take to be in force everywhere. */
const IN_FORCE_MS = 2000

const ANNA = 'anna@example.com'
const BEN = 'ben@example.com'
const EVERYTHING = { src: ['*'], dst: ['*'], ip: ['*'] }

let world: World
let clients: TsClients
/** Anna's, and a tagged one. */
let anna: TsNode
let web: TsNode
let ips: { anna: string; web: string }

/** Saves a policy with the groups and tags of these tests, in which everybody reaches everybody. */
async function save(policy: {
  readonly grants?: readonly object[]
  readonly [section: string]: unknown
}): Promise<void> {
  await world.server.api('POST', '/api/v2/tailnet/-/acl', {
    groups: { 'group:ops': [BEN] },
    tagOwners: { 'tag:web': [ANNA], 'tag:ci': ['group:ops', 'tag:web'], 'tag:exit': [] },
    ...policy,
    grants: [EVERYTHING, ...(policy.grants ?? [])],
  })
}

before(async () => {
  if (skip !== false) return
  world = await World.open()
  for (const user of [ANNA, BEN]) await world.server.admin('users', 'create', user)
  await save({})
  clients = await world.clients('machine')
  const join = async (name: string, options: object): Promise<TsNode> =>
    clients.join(name, { control: world.control, authKey: (await world.server.createKey(options)).key })
  ;[anna, web] = await Promise.all([join('anna', { user: ANNA }), join('web', { tags: ['tag:web'] })])
  await meet(anna, web)
  ips = { anna: await anna.ip(), web: await web.ip() }
})
after(async () => {
  if (skip === false) await world?.close()
})

/** Saves, and resolves once `look` finds what it looks for; that must be soon. */
async function savedAndSeen(
  policy: Parameters<typeof save>[0],
  look: () => Promise<boolean>,
  say: (text: string) => void,
): Promise<void> {
  const began = Date.now()
  await save(policy)
  await until('the policy shows', look, 10_000)
  const late = Date.now() - began
  say(`seen ${late} ms after the save was sent`)
  assert.ok(late <= IN_FORCE_MS)
}

const NOT_PERMITTED = (tag: string): RegExp => new RegExp(`requested tags \\[${tag}\\] are invalid or not permitted`)
const logins = [
  { name: 'an owner of the tag', by: ANNA, tag: 'tag:web', granted: true },
  { name: "a member of the owners' group", by: BEN, tag: 'tag:ci', granted: true },
  { name: 'somebody else', by: BEN, tag: 'tag:web', granted: false },
  { name: 'anybody, for a tag that is not declared', by: ANNA, tag: 'tag:none', granted: false },
] as const
const askSkip = skip || (chosenClient() === 'v1.80' && 'clients of 1.80 cannot ask for tags through the library')
for (const [n, { name, by, tag, granted }] of logins.entries()) {
  test(
    `a login that asks for ${tag}, by ${name}, is ${granted ? 'granted' : 'refused'}`,
    { skip: askSkip },
    async (t) => {
      await save({})
      const node = await clients.start(`login-${n}`, { control: world.control, tags: [tag] })
      await world.server.approveLogin(await node.loginUrl(), by)
      if (granted) {
        await node.running()
        assert.deepEqual((await node.status()).Self.Tags, [tag])
        const device = await world.server.device(`login-${n}`)
        assert.deepEqual([device.tags, device.keyExpiryDisabled], [[tag], true])
      } else {
        const said = await node.refusal()
        t.diagnostic(`the client shows: ${said}`)
        assert.match(said, NOT_PERMITTED(tag))
        assert.ok(!(await world.server.devices()).some((device) => device.hostname === `login-${n}`))
      }
      await node.close()
    },
  )
}

test('a machine that logs in anew and asks for a tag stays what it was', { skip: askSkip }, async (t) => {
  await save({})
  const first = await clients.start('turns', { control: world.control })
  await world.server.approveLogin(await first.loginUrl(), ANNA)
  await first.running()
  const [ip, { nodeId }] = [await first.ip(), await world.server.device('turns')]
  await first.close()
  const node = await clients.join('turns', { control: world.control, tags: ['tag:web'] })
  assert.equal((await node.status()).Self.Tags, undefined, 'to ask is not to have')
  const asked = node.events.length
  await node.login()
  await world.server.approveLogin(await node.loginUrl(20_000, asked), ANNA)
  await until('it is tagged', async () => (await node.status()).Self.Tags?.join() === 'tag:web')
  assert.equal(await node.ip(), ip)
  const device = await world.server.device('turns')
  assert.deepEqual([device.nodeId, device.tags, device.keyExpiryDisabled], [nodeId, ['tag:web'], true])
  t.diagnostic(`it keeps ${ip}`)
  await node.close()
})

test(
  'with a key, a client gets tags that the owner of the key or the tags of the key may give',
  { skip: askSkip },
  async () => {
    await save({})
    const rows = [
      { name: 'key-of-owner', options: { user: ANNA }, tags: ['tag:web'], granted: true },
      { name: 'key-of-other', options: { user: BEN }, tags: ['tag:web'], granted: false },
      { name: 'key-of-tag', options: { tags: ['tag:web'] }, tags: ['tag:web', 'tag:ci'], granted: true },
    ] as const
    for (const { name, options, tags, granted } of rows) {
      const { key } = await world.server.createKey(options)
      const node = await clients.start(name, { control: world.control, authKey: key, tags })
      if (granted) {
        await node.running()
        assert.deepEqual([...((await node.status()).Self.Tags ?? [])].sort(), [...tags].sort())
      } else assert.match(await node.refusal(), NOT_PERMITTED(tags[0]))
      await node.close()
    }
  },
)

test('routes and exit routes are approved as they are offered, by whom the policy names', { skip }, async (t) => {
  await save({ autoApprovers: { routes: { '10.0.0.0/8': ['tag:ci', BEN] }, exitNode: ['tag:exit'] } })
  const exits = ['0.0.0.0/0', '::/0']
  const rows = [
    {
      name: 'ci-router',
      options: { tags: ['tag:ci'] },
      offers: ['10.7.0.0/16', '192.168.5.0/24'],
      gets: ['10.7.0.0/16'],
    },
    { name: 'bens-router', options: { user: BEN }, offers: ['10.8.0.0/16', ...exits], gets: ['10.8.0.0/16'] },
    { name: 'annas-router', options: { user: ANNA }, offers: ['10.9.0.0/16'], gets: [] },
    { name: 'exit', options: { tags: ['tag:exit'] }, offers: exits, gets: exits },
  ]
  await Promise.all(
    rows.map(async ({ name, options, offers, gets }) => {
      const { key } = await world.server.createKey(options)
      const node = await clients.join(name, { control: world.control, authKey: key })
      await node.advertise(...offers)
      const { nodeId } = await world.server.device(name)
      const began = Date.now()
      const { enabledRoutes } = await until(`the offer of ${name}`, async () => {
        const routes = await world.server.api<{ advertisedRoutes: string[]; enabledRoutes: string[] }>(
          'GET',
          `/api/v2/device/${nodeId}/routes`,
        )
        return routes.advertisedRoutes.length === offers.length && routes
      })
      assert.deepEqual([...enabledRoutes].sort(), [...gets].sort(), name)
      await anna.sees(`the routes of ${name}`, name, (peer) => {
        const shown = (peer?.AllowedIPs ?? []).filter((prefix) => offers.includes(prefix))
        return peer !== undefined && shown.sort().join() === [...gets].sort().join()
      })
      t.diagnostic(`${name}: seen by a peer ${Date.now() - began} ms after the offer`)
    }),
  )
})

test(
  'an approver that is added later approves what is offered anew, and nothing that was offered before',
  { skip },
  async () => {
    await save({})
    const { key } = await world.server.createKey({ user: BEN })
    const node = await clients.join('later-router', { control: world.control, authKey: key })
    const { nodeId } = await world.server.device('later-router')
    type Routes = { readonly advertisedRoutes: readonly string[]; readonly enabledRoutes: readonly string[] }
    const offer = async (...routes: string[]): Promise<readonly string[]> => {
      await node.advertise(...routes)
      const path = `/api/v2/device/${nodeId}/routes`
      const { enabledRoutes } = await until('the server hears of the offer', async () => {
        const now = await world.server.api<Routes>('GET', path)
        return [...now.advertisedRoutes].sort().join() === [...routes].sort().join() && now
      })
      return enabledRoutes
    }
    assert.deepEqual(await offer('10.20.0.0/16'), [])
    await save({ autoApprovers: { routes: { '10.0.0.0/8': [BEN] } } })
    assert.deepEqual(await offer('10.20.0.0/16', '10.21.0.0/16'), ['10.21.0.0/16'])
    await offer()
    assert.deepEqual([...(await offer('10.20.0.0/16', '10.21.0.0/16'))].sort(), ['10.20.0.0/16', '10.21.0.0/16'])
    await node.close()
  },
)

test('attributes reach the client they are for, and leave it', { skip }, async (t) => {
  const attrs = ['example-attribute', 'https://example.com/cap/thing?level=3']
  const has = async (node: TsNode): Promise<string[]> =>
    Object.keys((await node.netmap()).self.CapMap ?? {}).filter((name) => attrs.includes(name))
  const nodeAttrs = [{ target: ['tag:web'], attr: attrs }]
  await savedAndSeen({ nodeAttrs }, async () => (await has(web)).length === 2, t.diagnostic.bind(t))
  assert.deepEqual(await has(anna), [])
  const shown = Object.keys((await web.status()).Self.CapMap ?? {})
  assert.ok(
    attrs.every((name) => shown.includes(name)),
    '`tailscale status` shows them',
  )
  await savedAndSeen({}, async () => (await has(web)).length === 0, t.diagnostic.bind(t))
  const connector = { name: 'wiki', connectors: ['tag:web'], domains: ['wiki.example.com'] }
  const app = { 'tailscale.com/app-connectors': [connector] }
  const values = async (): Promise<unknown> => (await web.netmap()).self.CapMap?.['tailscale.com/app-connectors']
  await savedAndSeen({ nodeAttrs: [{ target: ['*'], app }] }, async () => !!(await values()), t.diagnostic.bind(t))
  assert.deepEqual(await values(), [connector], 'with what an application has to know')
})

test('randomizeClientPort is told to every client', { skip }, async (t) => {
  const told = async (): Promise<boolean[]> =>
    Promise.all([anna, web].map(async (node) => 'randomize-client-port' in ((await node.netmap()).self.CapMap ?? {})))
  const all = (wanted: boolean) => async () => (await told()).every((each) => each === wanted)
  await savedAndSeen({ randomizeClientPort: true }, all(true), t.diagnostic.bind(t))
  await savedAndSeen({}, all(false), t.diagnostic.bind(t))
})

test(
  'disable-ipv4 takes the IPv4 address from a node and from what peers know of it, and gives it back',
  { skip },
  async (t) => {
    const families = async (): Promise<string> => {
      const own = (await web.status()).TailscaleIPs?.length
      const seen = (await anna.peer('web'))?.TailscaleIPs
      return `${own} ${seen?.map((ip) => (ip.includes(':') ? 6 : 4)).join('')}`
    }
    const nodeAttrs = [{ target: ['tag:web'], attr: ['disable-ipv4'] }]
    await savedAndSeen({ nodeAttrs }, async () => (await families()) === '1 6', t.diagnostic.bind(t))
    await savedAndSeen({}, async () => (await families()) === '2 46', t.diagnostic.bind(t))
    assert.equal(await web.ip(), ips.web, 'the address that it had')
  },
)

test('a new device gets its address from the pool of its user', { skip }, async () => {
  await save({ nodeAttrs: [{ target: [ANNA], ipPool: ['100.81.7.0/28'] }] })
  for (const [name, user, pooled] of [
    ['pooled', ANNA, true],
    ['elsewhere', BEN, false],
  ] as const) {
    const { key } = await world.server.createKey({ user })
    const node = await clients.join(name, { control: world.control, authKey: key })
    const ip = await node.ip()
    assert.equal(/^100\.81\.7\.(\d|1[0-5])$/.test(ip), pooled, ip)
    await node.close()
  }
})

test('SSH rules arrive at the machines that people may log in to', { skip }, async (t) => {
  const ssh = [
    { action: 'accept', src: ['autogroup:member'], dst: ['tag:web'], users: ['ubuntu'] },
    { action: 'check', src: [ANNA], dst: ['tag:web'], users: ['root', 'autogroup:nonroot'], checkPeriod: '1h' },
  ]
  await savedAndSeen({ ssh }, async () => (await web.netmap()).ssh?.rules?.length === 2, t.diagnostic.bind(t))
  const rules = (await web.netmap()).ssh?.rules ?? []
  assert.deepEqual(
    rules.map(({ sshUsers, action }) => [sshUsers, action.accept === true, action.holdAndDelegate !== undefined]),
    [
      [{ root: 'root', '*': '=' }, false, true],
      [{ ubuntu: 'ubuntu', root: '' }, true, false],
    ],
    'checks come first',
  )
  const annas = [ANNA, ips.anna]
  for (const { principals } of rules)
    assert.ok(principals.some(({ nodeIP, userLogin }) => annas.includes(nodeIP ?? userLogin ?? '')))
  assert.deepEqual((await anna.netmap()).ssh?.rules ?? [], [], 'nobody may log in to her machine')
  await savedAndSeen({}, async () => ((await web.netmap()).ssh?.rules ?? []).length === 0, t.diagnostic.bind(t))
})

test(
  'application capabilities show in `tailscale whois`, with their companions at the other end',
  { skip },
  async (t) => {
    const caps = async (at: TsNode, of: string): Promise<Record<string, unknown>> => ({
      ...(await at.whois(`${of}:1`)).CapMap,
    })
    const files = [{ paths: ['/a', '/b'] }]
    const grants = [
      {
        src: [ANNA],
        dst: ['tag:web'],
        app: {
          'example.com/cap/files': files,
          'tailscale.com/cap/drive': [{ shares: ['*'], access: 'rw' }],
          'tailscale.com/cap/relay': [],
        },
      },
    ]
    const has = async (): Promise<boolean> => 'example.com/cap/files' in (await caps(web, ips.anna))
    await savedAndSeen({ grants }, has, t.diagnostic.bind(t))
    const atWeb = await caps(web, ips.anna)
    assert.deepEqual(atWeb['example.com/cap/files'], files)
    assert.deepEqual(Object.keys(atWeb).sort(), [
      'example.com/cap/files',
      'tailscale.com/cap/drive',
      'tailscale.com/cap/relay',
    ])
    const sixth = (await anna.status()).TailscaleIPs?.[1] ?? ''
    assert.deepEqual(await caps(web, sixth.includes(':') ? `[${sixth}]` : sixth), atWeb, 'from both her addresses')
    assert.deepEqual(Object.keys(await caps(anna, ips.web)).sort(), [
      'tailscale.com/cap/drive-sharer',
      'tailscale.com/cap/relay-target',
    ])
    // Each end is told by itself.
    const isGone = async (): Promise<boolean> => !(await has()) && Object.keys(await caps(anna, ips.web)).length === 0
    await savedAndSeen({}, isGone, t.diagnostic.bind(t))
  },
)
