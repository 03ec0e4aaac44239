/**
 * Two tailnets on one real server: whatever of one is tried from the other, over any of its sockets, nothing is seen,
 * reached or changed.
 *
 * What must not be seen is not listed by hand: it is every text in the records of the first tailnet that the second
 * one does not have as well.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { sealBox } from '../../src/crypto/box.ts'
import { nodePrimitives as p } from '../../src/crypto/io/node-primitives.ts'
import { encodeClientInfo } from '../../src/wire/derp/info.ts'
import { encodeClientMessage } from '../../src/wire/derp/messages.ts'
import type { ClientMessage, ServerMessage } from '../../src/wire/derp/messages.ts'
import type { RouteShape } from '../../src/wire/api/route.ts'
import { ROUTE_IDS, routes } from '../../src/wire/api/routes.ts'
import type { RouteId } from '../../src/wire/api/routes.ts'
import { ControlClient, registerBody } from '../support/control-client.ts'
import { DerpClient, openTls } from '../support/derp-client.ts'
import { Coord } from './coord.ts'
import type { DumpedRecord } from './coord.ts'
import { drawKey, Node, publicNodeKey } from './node.ts'
import { run, SETT } from './program.ts'

/** Those whose bodies prove who asks look at no token. */
const TOKEN_ROUTES = ROUTE_IDS.filter((id) => (routes[id] as RouteShape).access.kind !== 'self')

interface Tailnet {
  readonly name: string
  readonly id: string
  readonly num: number
  readonly domain: string
  readonly token: string
  readonly keyText: string
  readonly keyId: string
  readonly userId: string
  readonly laptop: Node
  readonly printer: Node
}

let coord: Coord
let alpha: Tailnet
let beta: Tailnet
/** The code of a login that alpha has approved. */
let code: string
/** Ids of what alpha keeps, by the parameters of the routes that name it without its tailnet. */
let kept: Readonly<Record<'endpointId' | 'integrationId' | 'userInviteId', string>>
/** Texts that are alpha's alone. */
let marks: Set<string>

before(async () => {
  coord = await Coord.start({ level: 'trace' })
  alpha = await makeTailnet('alphanet', '203.0.113.77:41641', '10.77.0.0/16')
  beta = await makeTailnet('betanet', '198.51.100.5:41641', '10.55.0.0/16')
  for (const [node, colour] of [
    [alpha.laptop, 'ultramarine'],
    [beta.laptop, 'vermilion'],
  ] as const)
    await coord.admin('POST', `/device/${idOfNode(node)}/attributes/custom:colour`, { value: colour })
  code = await approveLogin('alphanet', 'alphanet-ann@alphanet.example')
  // Both keep the same, so that only what they call it tells them apart.
  await keep(beta)
  kept = await keep(alpha)
  await Promise.all([alpha, beta].flatMap(({ laptop, printer }) => [laptop.sees(1), printer.sees(1)]))
  marks = marksOf(alpha)
})
after(async () => {
  for (const { laptop, printer } of [alpha, beta].filter(Boolean)) {
    laptop.close()
    printer.close()
  }
  await coord?.remove()
})

async function makeTailnet(name: string, endpoint: string, route: string): Promise<Tailnet> {
  const { code, err } = await run(SETT, ['admin', '--socket', coord.socket, 'tailnets', 'create', name])
  assert.deepEqual([code, err], [0, ''])
  const { tailnets } = await coord.admin<{ tailnets: { name: string; id: string; domain: string }[] }>(
    'GET',
    '/sett/tailnets',
  )
  const { id, domain } = tailnets.find((each) => each.name === name) as (typeof tailnets)[number]
  const loginName = `${name}-ann@${name}.example`
  const user = await coord.admin<{ id: string }>('POST', `/sett/tailnet/${name}/users`, { loginName, role: 'owner' })
  const create = { reusable: true, tags: [`tag:${name}-tag`] }
  const keyText = await coord.createKey(name, create, { description: `of ${name}` })
  const authKey = await coord.createKey(name, { reusable: true }, { user: loginName })
  const token = await coord.createToken(name, { user: loginName, description: `token of ${name}` })
  const laptop = await Node.join(coord, {
    authKey,
    hostname: `${name}-laptop`,
    endpoints: [endpoint],
    routes: [route],
  })
  const printer = await Node.join(coord, { authKey: keyText, hostname: `${name}-printer` })
  await laptop.update()
  const num = coord.dump().find((each) => each.kind === 'node' && each.value.includes(laptop.nodeKey))?.tailnet ?? 0
  return { name, id, num, domain, token, keyText, keyId: idOf(keyText), userId: user.id, laptop, printer }
}

async function keep({ name, token }: Tailnet): Promise<typeof kept> {
  async function make<T>(path: string, body: unknown): Promise<T> {
    const { status, text } = await coord.http('POST', `/api/v2/tailnet/-/${path}`, { token, body })
    assert.equal(status, 200, text)
    return JSON.parse(text) as T
  }
  const subscriptions = ['exitNodeIPForwardingNotEnabled']
  const { endpointId } = await make<{ endpointId: string }>('webhooks', {
    endpointUrl: `https://${name}.invalid/hook`,
    subscriptions,
  })
  const { id: integrationId } = await make<{ id: string }>('posture/integrations', {
    provider: 'falcon',
    cloudId: 'us-1',
    clientId: `${name}-client`,
    clientSecret: `${name}-secret`,
  })
  const [invite] = await make<{ id: string }[]>('user-invites', [
    { role: 'member', email: `${name}-eve@${name}.example` },
  ])
  return { endpointId, integrationId, userInviteId: invite?.id ?? '' }
}

async function approveLogin(tailnet: string, user: string): Promise<string> {
  const client = await ControlClient.connect({ url: coord.url })
  const nodeKey = publicNodeKey(drawKey())
  const { text } = await client.register(registerBody({ nodeKey, hostname: `${tailnet}-phone` }))
  const { AuthURL } = JSON.parse(text) as { AuthURL: string }
  const code = AuthURL.split('/').at(-1) as string
  const args = ['admin', '--socket', coord.socket, '--tailnet', tailnet, 'login', 'approve', code, '--user', user]
  assert.equal((await run(SETT, args)).code, 0)
  const joined = await client.register(registerBody({ nodeKey, hostname: `${tailnet}-phone`, followup: AuthURL }))
  assert.match(joined.text, /"MachineAuthorized":true/)
  client.close()
  return code
}

const idOf = (keyText: string) => keyText.split('-')[2] as string

const idOfNode = (node: Node): string => node.self?.StableID ?? ''

/** What the database holds of a tailnet: its own records, and those in the server's scope that are about it. */
function recordsOf(tailnet: Pick<Tailnet, 'num' | 'id'>): DumpedRecord[] {
  return coord.dump().filter((each) => {
    if (each.tailnet === tailnet.num) return true
    return each.tailnet === 0 && (each.value.includes(tailnet.id) || each.value.includes(`"tailnet":${tailnet.num},`))
  })
}

function textsIn(records: readonly DumpedRecord[]): Set<string> {
  const texts = new Set<string>()
  const walk = (value: unknown): void => {
    if (typeof value === 'string') texts.add(value)
    else if (Array.isArray(value)) value.forEach(walk)
    else if (typeof value === 'object' && value !== null)
      for (const [key, each] of Object.entries(value)) {
        texts.add(key)
        walk(each)
      }
  }
  for (const { kind, id, value } of records) {
    if (kind !== 'user' && kind !== 'node') texts.add(id)
    walk(JSON.parse(value))
  }
  return texts
}

function marksOf(tailnet: Tailnet): Set<string> {
  const own = textsIn(recordsOf(tailnet))
  const others = textsIn(
    coord.dump().filter((each) => each.tailnet !== tailnet.num && !each.value.includes(tailnet.id)),
  )
  const marks = new Set([...own].filter((text) => text.length > 4 && !others.has(text)))
  // Keys are also written without their prefix, and addresses inside longer texts.
  for (const text of marks) if (/^\w+key:/.test(text)) marks.add(text.slice(text.indexOf(':') + 1))
  return marks
}

/** Fails when a text gives away anything of alpha's, other than what was said in the question itself. */
function assertSilent(text: string, about: string, question = ''): void {
  for (const mark of marks)
    if (!question.includes(mark)) assert.ok(!text.includes(mark), `${about} says ${mark}: ${text.slice(0, 2000)}`)
}

/** Runs `attempts` and wants every record of alpha, and the number of its last change, as they were. */
async function unchanged(attempts: () => Promise<void>): Promise<void> {
  const before = [recordsOf(alpha), coord.head(alpha.num)]
  await attempts()
  assert.deepEqual([recordsOf(alpha), coord.head(alpha.num)], before)
}

test('there is something to give away', () => {
  for (const mark of [
    'alphanet',
    'alphanet.sett.internal',
    'alphanet-ann@alphanet.example',
    'alphanet-laptop',
    'tag:alphanet-tag',
    '203.0.113.77:41641',
    '10.77.0.0/16',
    'ultramarine',
    alpha.id,
    alpha.keyId,
    alpha.laptop.nodeKey,
    alpha.laptop.nodeKey.slice(8),
    idOfNode(alpha.laptop),
    alpha.laptop.self?.Addresses[0]?.replace('/32', '') ?? '',
  ])
    assert.ok(marks.has(mark), mark)
  assert.notEqual(alpha.num, beta.num)
})

describe('the REST API', () => {
  /** What to write, where a route takes something; `{}` for the others. */
  const bodies = (node: string): Partial<Record<RouteId, unknown>> => ({
    setDeviceRoutes: { routes: ['10.66.0.0/16'] },
    setDeviceAuthorized: { authorized: false },
    setDeviceName: { name: 'stolen' },
    setDeviceTags: { tags: ['tag:stolen'] },
    setDeviceKey: { keyExpiryDisabled: true },
    setDeviceIp: { ipv4: '100.70.1.2' },
    setDeviceAttribute: { value: 'stolen' },
    patchDeviceAttributes: { nodes: { [node]: { 'custom:a': { value: 'stolen' } } } },
    createKey: { description: 'stolen' },
    createToken: { description: 'stolen' },
    setUserRole: { role: 'admin' },
    createUser: { loginName: 'stranger', role: 'member' },
    patchSettings: { devicesKeyDurationDays: 30 },
    createTailnet: { name: 'stolen' },
    approveLogin: { user: 'betanet-ann@betanet.example' },
    refuseLogin: { reason: 'stolen' },
  })
  const bodyOf = (id: RouteId, node = idOfNode(alpha.laptop)): unknown =>
    /GET|DELETE/.test(routes[id].method) ? undefined : (bodies(node)[id] ?? {})
  const NOBODYS_NODE = 'nNobodyHas1tCNTRL'

  /** What of alpha's may stand in each parameter, and beside it something of the same form that nobody has. */
  function tries(name: string): (readonly [alphas: string, nobodys: string])[] {
    const node = alpha.laptop.self
    const tagged = alpha.printer.self
    switch (name) {
      case 'tailnet':
        return [
          ['alphanet', 'gammanet'],
          [alpha.id, 'TNobodyHas1tCNTRL'],
          [alpha.domain, 'gammanet.sett.internal'],
          ['-', '-'],
          ['betanet', 'betanet'],
        ]
      case 'deviceId':
        return [
          [node?.StableID ?? '', NOBODYS_NODE],
          [String(node?.ID), '999999'],
          [tagged?.StableID ?? '', NOBODYS_NODE],
          [alpha.laptop.nodeKey.slice(8), '0'.repeat(64)],
        ]
      case 'userId':
        return [[alpha.userId, '999999']]
      case 'keyId':
        return [
          [alpha.keyId, 'kNobodyHas1tCNTRL'],
          [idOf(alpha.token), 'kNobodyHas1tCNTRL'],
        ]
      case 'code':
        return [[code, 'abcdefgh23456789']]
      case 'key':
        return [['custom:colour', 'custom:colour']]
      case 'hostId':
        return [[node?.StableID ?? '', NOBODYS_NODE]]
      case 'endpointId':
        return [[kept.endpointId, 'wNobodyHas1tCNTRL']]
      case 'integrationId':
        return [[kept.integrationId, 'pNobodyHas1tCNTRL']]
      case 'userInviteId':
        return [[kept.userInviteId, '999999']]
      // Each tailnet counts and names its own.
      case 'version':
      case 'proposal':
        return [['1', '1']]
      case 'provider':
        return [['google', 'google']]
      case 'session':
        return [['0123456789abcdef', '0123456789abcdef']]
      case 'service':
        return [['svc:web', 'svc:web']]
      case 'logType':
        return [['configuration', 'configuration']]
      case 'contactType':
        return [['support', 'support']]
      case 'externalId':
        return [['external-1', 'external-1']]
      default:
        return assert.fail(`a route has a parameter {${name}}: say here what of another tailnet could stand in it`)
    }
  }

  interface Attempt {
    readonly id: RouteId
    readonly method: string
    readonly alphas: string
    readonly nobodys: string
    /** The path itself names something of alpha's. */
    readonly foreign: boolean
  }

  function attempts(): Attempt[] {
    return TOKEN_ROUTES.flatMap((id) => {
      const { path, method }: RouteShape = routes[id]
      let made: Attempt[] = [{ id, method, alphas: `/api/v2${path}`, nobodys: `/api/v2${path}`, foreign: false }]
      for (const [placeholder, name = ''] of path.matchAll(/\{(\w+)\}/g))
        made = made.flatMap((each) =>
          tries(name).map(([alphas, nobodys]) => ({
            ...each,
            alphas: each.alphas.replace(placeholder, () => encodeURIComponent(alphas)),
            nobodys: each.nobodys.replace(placeholder, () => encodeURIComponent(nobodys)),
            foreign: each.foreign || alphas !== nobodys,
          })),
        )
      return made
    })
  }

  const queries: Partial<Record<RouteId, () => string[]>> = {
    listDevices: () => ['?fields=all', `?nodeId=${alpha.laptop.self?.StableID}`, '?hostname=alphanet-laptop'],
    listKeys: () => ['?all=true'],
    listAddresses: () => [`?address=${alpha.laptop.self?.Addresses[0]?.split('/')[0]}`],
    listUsers: () => ['?type=all&role=all'],
  }

  test('every route, with every name and id of the other tailnet, by a token of an owner and one of the tailnet', async () => {
    const tokens = [beta.token, await coord.createToken('betanet')]
    await unchanged(async () => {
      for (const token of tokens)
        for (const { id, method, alphas, nobodys, foreign } of attempts()) {
          const body = bodyOf(id)
          for (const query of ['', ...(queries[id]?.() ?? [])]) {
            const told = await coord.http(method, alphas + query, { token, body })
            const about = `${method} ${alphas}${query}: ${told.status}`
            const question = alphas + query + JSON.stringify(body)
            assertSilent(told.text + JSON.stringify(told.headers), about, question)
            if (!foreign && id !== 'patchDeviceAttributes') continue
            assert.ok([400, 403, 404].includes(told.status), `${about} ${told.text}`)
            // No oracle: what another tailnet has answers like what nobody has.
            const other = await coord.http(method, nobodys + query, { token, body: bodyOf(id, NOBODYS_NODE) })
            const said = told.text.replaceAll(idOfNode(alpha.laptop), NOBODYS_NODE)
            assert.deepEqual([other.status, other.text], [told.status, said], about)
          }
        }
    })
  })

  test('every route, with keys of the other tailnet as credentials that are cut, mixed or of the wrong kind', async () => {
    const secretOf = (text: string) => text.split('-')[3] as string
    const credentials = [
      alpha.keyText,
      alpha.keyText.replace('auth', 'api'),
      `tskey-api-${idOf(alpha.token)}-${secretOf(beta.token)}`,
      `tskey-api-${idOf(beta.token)}-${secretOf(alpha.token)}`,
      `tskey-api-${idOf(alpha.token)}-${secretOf(alpha.keyText)}`,
      alpha.token.slice(0, -1),
      alpha.token.replace('api', 'auth'),
      alpha.laptop.nodeKey,
    ]
    await unchanged(async () => {
      for (const token of credentials)
        for (const id of TOKEN_ROUTES) {
          const { path, method }: RouteShape = routes[id]
          const whole = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(tries(name)[0]?.[0] ?? ''))
          const told = await coord.http(method, `/api/v2${whole}`, { token, body: bodyOf(id) })
          assert.equal(told.status, 401, `${method} ${whole}`)
          assert.deepEqual(JSON.parse(told.text), { message: 'API token invalid' })
        }
    })
  })

  test('a decided login is known to its own tailnet only, and no code opens a page about it with more than its state', async () => {
    const { text } = await coord.http('GET', `/login/${code}`)
    assertSilent(text.replaceAll('alphanet-phone', ''), 'the login page', code)
    const own = await coord.http('GET', `/api/v2/sett/tailnet/-/logins/${code}`, { token: alpha.token })
    assert.equal(own.status, 200)
  })
})

describe('the control protocol', () => {
  const foreign = (node: Node): (readonly [string, string, object])[] => [
    ['register', '/machine/register', registerBody({ nodeKey: node.nodeKey })],
    ['register by own auth key', '/machine/register', registerBody({ nodeKey: node.nodeKey, authKey: beta.keyText })],
    [
      'log out',
      '/machine/register',
      { ...registerBody({ nodeKey: node.nodeKey }), Expiry: new Date(1000).toISOString() },
    ],
    ['stream a map', '/machine/map', { ...node.mapBody({ Stream: true }), Hostinfo: { Hostname: 'stolen' } }],
    ['update', '/machine/map', { ...node.mapBody(), Endpoints: ['192.0.2.9:9'] }],
    ['read a map', '/machine/map', { ...node.mapBody({ Stream: false }), ReadOnly: true }],
    [
      'set DNS',
      '/machine/set-dns',
      { Version: 131, NodeKey: node.nodeKey, Name: `_acme-challenge.${node.self?.Name}`, Type: 'TXT', Value: 'x' },
    ],
  ]

  test('a node of the other tailnet gets 401 for each node key of this one, and not a byte more', async () => {
    await unchanged(async () => {
      for (const node of [alpha.laptop, alpha.printer])
        for (const [what, path, body] of foreign(node)) {
          const { status, text } = await beta.laptop.client.request('POST', path, body)
          assert.deepEqual([status, text], [401, 'this node key belongs to another machine'], what)
        }
    })
  })

  test('an old key that was somebody else’s gives nothing of them', async () => {
    await unchanged(async () => {
      const fresh = new Node(coord, { authKey: beta.keyText, hostname: 'betanet-new' })
      await fresh.connect()
      const { text } = await fresh.register({ OldNodeKey: alpha.laptop.nodeKey })
      assert.match(text, /"MachineAuthorized":true/)
      assertSilent(text, 'the answer')
      await fresh.openMap()
      assertSilent(fresh.told, 'the map')
      fresh.close()
    })
  })

  const refused: readonly (readonly [string, () => object])[] = [
    ['the id of an auth key with a wrong secret', () => ({ Auth: { AuthKey: `${alpha.keyText}x` } })],
    ['the id of an auth key alone', () => ({ Auth: { AuthKey: `tskey-auth-${alpha.keyId}` } })],
    ['an API token', () => ({ Auth: { AuthKey: alpha.token } })],
    ['own key, tailnet demanded by name', () => ({ Auth: { AuthKey: beta.keyText }, Tailnet: 'required:alphanet' })],
  ]
  for (const [what, more] of refused)
    test(`${what} does not let a machine in`, () =>
      unchanged(async () => {
        const client = await ControlClient.connect({ url: coord.url })
        const body = { ...registerBody({ nodeKey: publicNodeKey(drawKey()) }), ...more() }
        const { text } = await client.register(body)
        const { Error: why = '', ...rest } = JSON.parse(text) as { Error?: string }
        assert.notEqual(why, '')
        assert.deepEqual(rest, {})
        assertSilent(text, 'the refusal', JSON.stringify(body))
        client.close()
      }))

  test('a ping of one tailnet is not answered from the other', () =>
    unchanged(async () => {
      const asked = coord.admin<{ outcome: string }>('POST', `/sett/device/${idOfNode(alpha.laptop)}/ping`, {})
      const request = () => alpha.laptop.messages.find((message) => message.PingRequest !== undefined)?.PingRequest
      await alpha.laptop.until(() => request() !== undefined, 'a ping')
      const { pathname } = new URL(request()?.URL ?? '')
      for (const path of [pathname, pathname.slice(0, -1)]) {
        const { status, text } = await beta.laptop.client.request('POST', path, {})
        assert.deepEqual([status, text], [404, ''])
      }
      assert.equal((await alpha.laptop.client.request('POST', pathname)).status, 204)
      assert.equal((await asked).outcome, 'answered')
      assert.ok(!beta.laptop.messages.some((message) => message.PingRequest !== undefined))
    }))

  test('the code of a login that was another machine’s is a new login to whoever brings it', () =>
    unchanged(async () => {
      const body = registerBody({ nodeKey: publicNodeKey(drawKey()), followup: `${coord.url}/login/${code}` })
      const client = await ControlClient.connect({ url: coord.url })
      const { text } = await client.register(body)
      const { AuthURL = '' } = JSON.parse(text) as { AuthURL?: string }
      assert.match(AuthURL, /\/login\//)
      assert.ok(!AuthURL.includes(code))
      client.close()
    }))
})

describe('the relay', () => {
  const kinds = [
    ['WireGuard', new Uint8Array([4, 0, 0, 0, ...new Uint8Array(60)])],
    ['disco', new Uint8Array([...Buffer.from('TS💬'), ...new Uint8Array(32).fill(7), ...new Uint8Array(40)])],
  ] as const
  const withoutKeys = (messages: readonly ServerMessage[]) =>
    messages
      .filter((m) => m.kind !== 'pong')
      .map((m) => ('peer' in m ? { kind: m.kind, reason: 'reason' in m && m.reason } : m.kind))

  /** What a node hears that sends to a key. */
  async function heard(from: Node, to: Uint8Array, packet: Uint8Array): Promise<unknown[]> {
    const client = await from.relay()
    for (let i = 0; i < 5; i++) client.packet(to, packet)
    await client.flush()
    client.close()
    return withoutKeys(client.messages)
  }

  for (const [kind, packet] of kinds)
    test(`${kind} packets to a key of the other tailnet go nowhere, as to a key that nobody has`, async () => {
      const here = await alpha.laptop.relay()
      const known = await heard(beta.laptop, here.raw, packet)
      const nobody = await heard(beta.laptop, p.random(32), packet)
      const away = await heard(beta.laptop, p.x25519Public(alpha.printer.privateKey), packet)
      assert.deepEqual(known, nobody)
      assert.deepEqual(away, nobody)
      // Within the tailnet it does arrive: what came before, if anything had, would be here by now.
      const friend = await alpha.printer.relay()
      friend.packet(here.raw, packet)
      await here.until((m) => m.kind === 'packet')
      const packets = here.messages.filter((m) => m.kind === 'packet')
      assert.deepEqual(
        packets.map((m) => Buffer.from(m.from).toString('hex')),
        [alpha.printer.nodeKey.slice(8)],
      )
      assert.ok(!here.messages.some((m) => m.kind === 'peer-gone' || m.kind === 'peer-present'))
      for (const client of [here, friend]) client.close()
    })

  test('that a key of the other tailnet leaves is told to nobody else', async () => {
    const watcher = await beta.laptop.relay()
    const leaving = await alpha.laptop.relay()
    watcher.packet(leaving.raw, kinds[0][1])
    leaving.packet(watcher.raw, kinds[0][1])
    await watcher.flush()
    leaving.close()
    await leaving.untilClosed()
    await watcher.flush()
    assert.deepEqual(withoutKeys(watcher.messages), ['server-info', 'server-info'])
    watcher.close()
  })

  test('a key is used by whoever has its private half: a greeting under a foreign name is closed without a word', async () => {
    const probe = await beta.laptop.relay()
    const clear = encodeClientInfo({ version: 2, canAckPings: true, isProber: false, appName: '' })
    const sealed = sealBox(p, beta.laptop.privateKey, probe.relay, p.random(24), clear)
    const frame = encodeClientMessage({ kind: 'client-info', key: p.x25519Public(alpha.laptop.privateKey), sealed })
    const socket = await openTls(coord.relayPort, coord.certificate)
    let bytes = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => (bytes = Buffer.concat([bytes, chunk])))
    socket.write('GET /derp HTTP/1.1\r\nHost: x\r\nUpgrade: DERP\r\nConnection: Upgrade\r\nDerp-Fast-Start: 1\r\n\r\n')
    socket.write(frame)
    await new Promise((resolve) => socket.once('close', resolve))
    // The relay's own key, which it tells everybody, and nothing behind it.
    assert.equal(bytes.length, 5 + 8 + 32)
    await assert.rejects(
      DerpClient.connect({ port: coord.relayPort, ca: coord.certificate }, probe.relay),
      'a key of no tailnet is not admitted',
    )
    probe.close()
  })

  const raw = (node: Node) => p.x25519Public(node.privateKey)
  const meshWords: readonly (readonly [string, () => ClientMessage])[] = [
    [
      'forwards in another’s name',
      () => ({ kind: 'forward', from: raw(alpha.printer), to: raw(alpha.laptop), packet: kinds[0][1] }),
    ],
    ['asks who is there', () => ({ kind: 'watch' })],
    ['closes a peer', () => ({ kind: 'close-peer', peer: raw(alpha.laptop) })],
  ]
  for (const [what, message] of meshWords)
    test(`who ${what}, as relays of a mesh do, is closed, and nobody else notices`, async () => {
      const here = await alpha.laptop.relay()
      const other = await beta.laptop.relay()
      other.send(message())
      await other.untilClosed()
      assert.deepEqual(withoutKeys(other.messages), ['server-info', 'server-info'])
      await here.flush()
      assert.ok(!here.closed && withoutKeys(here.messages).length === 2)
      here.close()
    })
})

test('maps: whatever happens in one tailnet, the streams of the other never say a word of it', async () => {
  const nodeId = idOfNode(alpha.printer)
  const heard = [beta.laptop.messages.length, beta.printer.messages.length]
  const renamed = alpha.laptop.until(() => alpha.laptop.peerNamed('alphanet-renamed') !== undefined, 'the new name')
  await coord.admin('POST', `/device/${nodeId}/name`, { name: 'alphanet-renamed' })
  await renamed
  await coord.admin('POST', `/device/${nodeId}/tags`, { tags: ['tag:alphanet-tag', 'tag:alphanet-more'] })
  await coord.admin('POST', `/device/${nodeId}/routes`, { routes: ['10.88.0.0/16'] })
  await alpha.printer.update({ Endpoints: ['203.0.113.78:1'] })
  await coord.admin('PATCH', '/tailnet/alphanet/settings', { devicesKeyDurationDays: 7 })
  const { id } = await coord.admin<{ id: string }>('POST', '/sett/tailnet/alphanet/users', {
    loginName: 'alphanet-bob@alphanet.example',
  })
  await coord.admin('POST', `/users/${id}/delete`)
  const extra = await Node.join(coord, { authKey: alpha.keyText, hostname: 'alphanet-extra' })
  await alpha.laptop.until(() => alpha.laptop.peerNamed('alphanet-extra') !== undefined, 'a new peer')
  await coord.admin('DELETE', `/device/${extra.self?.StableID}`)
  await alpha.laptop.until(() => alpha.laptop.peerNamed('alphanet-extra') === undefined, 'its end')
  extra.close()
  for (const mark of marksOf(alpha)) marks.add(mark)

  // A change of beta's own comes through at once: what alpha's changes had caused would have come before it.
  await beta.printer.update({ Endpoints: ['198.51.100.6:1'] })
  await beta.laptop.until(() => beta.laptop.told.includes('198.51.100.6:1'), 'an update of its own')
  const own = new Set(
    coord
      .dump()
      .filter((each) => each.tailnet === beta.num && each.kind === 'node')
      .map(({ id }) => id),
  )
  for (const [i, node] of [beta.laptop, beta.printer].entries()) {
    assertSilent(node.told, 'a map')
    const later = node.messages.slice(heard[i])
    assert.ok(later.length <= 2, `${node.hostname} was told something: ${JSON.stringify(later)}`)
    for (const { Peers = [], PeersChanged = [], PeersRemoved = [], PeersChangedPatch = [] } of node.messages) {
      const ids = [...Peers, ...PeersChanged].map(({ ID }) => ID)
      for (const id of [...ids, ...PeersRemoved, ...PeersChangedPatch.map(({ NodeID }) => NodeID)])
        assert.ok(own.has(String(id)), `${node.hostname} was told of ${String(id)}`)
    }
  }
})

test('a device may have the address and the name that the other tailnet has too, and neither hears of it', async () => {
  const address = alpha.laptop.self?.Addresses[0]?.split('/')[0] as string
  const nodeId = idOfNode(beta.printer)
  await unchanged(async () => {
    for (const [what, body] of [
      ['ip', { ipv4: address }],
      ['name', { name: 'alphanet-laptop' }],
    ] as const) {
      const told = await coord.http('POST', `/api/v2/device/${nodeId}/${what}`, { token: beta.token, body })
      assert.equal(told.status, 200, told.text)
    }
    await beta.laptop.until(() => beta.laptop.peerNamed('alphanet-laptop') !== undefined, 'the new name')
  })
})

test('nothing went wrong inside', () => assert.doesNotMatch(coord.log, /"level":"error"/))
