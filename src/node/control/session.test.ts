/** The session in simulated time against a server in memory: joining, staying, leaving (control.md §15, §16.2). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../../base/bytes.ts'
import { nodeKeyOf } from '../../base/keys.ts'
import type { PrivateKey } from '../../base/keys.ts'
import { Secret } from '../../base/secret.ts'
import { nodePrimitives } from '../../crypto/io/node-primitives.ts'
import { generateKey } from '../../crypto/primitives.ts'
import { ControlWorld, firstMap, JOINED, peerNode, START_WALL } from '../../../test/support/fake-control.ts'
import type { Asked, WorldOptions } from '../../../test/support/fake-control.ts'

const ZERO = `nodekey:${'0'.repeat(64)}`
const AUTH = { authKey: new Secret('tskey-auth-one', 'auth key') }
const publicOf = (key: PrivateKey) => nodeKeyOf(nodePrimitives.x25519Public(key))

/** A world whose node has joined and has its map. */
function joined(options: WorldOptions = {}): ControlWorld {
  const world = new ControlWorld({ ...options, session: { ...AUTH, ...options.session } }).start()
  world.until('joined', () => world.session.state.phase === 'joined' && world.session.state.online)
  return world
}

test('joins with a key: one connection, one registration, a report, then the stream', () => {
  const world = joined()
  const [register, ...more] = world.askedFor('/machine/register')
  assert.equal(more.length, 0)
  assert.equal(register?.body['OldNodeKey'], ZERO)
  assert.deepEqual(register?.body['Auth'], { AuthKey: 'tskey-auth-one' })
  assert.equal(register?.body['Expiry'], '0001-01-01T00:00:00Z')
  assert.equal(register?.body['Followup'], '')
  const { NoLogsNoSupport } = (register as Asked).body['Hostinfo'] as { NoLogsNoSupport: boolean }
  assert.equal(NoLogsNoSupport, true)
  const kinds = world.askedFor('/machine/map').map((asked) => asked.body['Stream'] === true)
  assert.deepEqual(kinds, [false, true])
  // §16.2 item 4: everything goes over one connection.
  assert.deepEqual(world.all('dial').length, 1)
  const keys = world.all('keys')
  assert.equal(keys.length, 1)
  assert.equal(publicOf(keys[0]?.nodeKey as PrivateKey), register?.body['NodeKey'])
  assert.equal(keys[0]?.login.loginName, 'alice@example.com')
  assert.deepEqual([...(world.session.netmap?.peers.keys() ?? [])], [2, 3])
})

test('§16.2 item 3: with an early payload and without', () => {
  for (const early of [true, false]) assert.equal(joined({ early }).session.netmap?.peers.size, 2)
})

test('§16.2 item 7: keys are to be kept after success only, and a rotated key names the one before', () => {
  const world = new ControlWorld({ session: AUTH })
  let held: Asked | undefined
  world.onRegister = (asked) => ((held = asked), 'hold')
  world.start()
  assert.equal(world.all('keys').length, 0)
  world.onRegister = () => ({ status: 200, json: JOINED })
  world.answer(held as Asked, { status: 200, json: JOINED })
  const first = world.all('keys')[0]?.nodeKey as PrivateKey
  world.run((session, now) => session.login({ anew: true }, now))
  const last = world.askedFor('/machine/register').at(-1)?.body
  assert.equal(last?.['OldNodeKey'], publicOf(first))
  assert.notEqual(last?.['NodeKey'], publicOf(first))
  assert.equal(world.all('keys').at(-1)?.oldNodeKey, publicOf(first))
  // A restart sends it still, with the key that was accepted.
  const { nodeKey, oldNodeKey } = world.all('keys').at(-1) as { nodeKey: PrivateKey; oldNodeKey: `nodekey:${string}` }
  world.restart({ nodeKey, oldNodeKey })
  world.start()
  const again = world.askedFor('/machine/register').at(-1)?.body
  assert.deepEqual([again?.['NodeKey'], again?.['OldNodeKey']], [publicOf(nodeKey), oldNodeKey])
})

test('§16.2 item 5: a login link, the wait for it, another link, and in', () => {
  const world = new ControlWorld()
  let waiting: Asked | undefined
  world.onRegister = (asked) => {
    if (asked.body['Followup'] === '') return { status: 200, json: { AuthURL: 'http://10.0.0.1:8080/a/1' } }
    waiting = asked
    return 'hold'
  }
  world.start()
  assert.equal(world.session.state.phase, 'needs-login')
  assert.equal(world.asked.length, 0)
  world.run((session, now) => session.login({}, now))
  assert.deepEqual(
    world.all('login-url').map((each) => each.url),
    ['http://10.0.0.1:8080/a/1'],
  )
  assert.deepEqual([world.session.state.phase, world.session.state.url], ['log-in', 'http://10.0.0.1:8080/a/1'])
  const first = waiting as unknown as Asked
  // A person may take an hour, and the server may go away meanwhile.
  world.pass(1_800_000)
  world.cut()
  world.pass(1_800_000)
  assert.equal(
    world.askedFor('/machine/register').every((asked) => asked.body['NodeKey'] === first.body['NodeKey']),
    true,
  )
  const second = waiting as unknown as Asked
  assert.notEqual(second.conn, first.conn)
  world.answer(second, { status: 200, json: { AuthURL: 'http://10.0.0.1:8080/a/2' } })
  const third = waiting as unknown as Asked
  assert.equal(third.body['Followup'], 'http://10.0.0.1:8080/a/2')
  world.answer(third, { status: 200, json: JOINED })
  assert.deepEqual(
    world.all('login-url').map((each) => each.url),
    ['http://10.0.0.1:8080/a/1', 'http://10.0.0.1:8080/a/2'],
  )
  assert.deepEqual(world.session.state, { phase: 'joined', online: true })
})

test('the same link as an answer to the wait is no new link, and is asked again later and later', () => {
  const world = new ControlWorld()
  world.onRegister = () => ({ status: 200, json: { AuthURL: 'http://10.0.0.1:8080/a/1' } })
  world.start()
  world.run((session, now) => session.login({}, now))
  world.pass(60_000)
  assert.equal(world.all('login-url').length, 1)
  const asked = world.askedFor('/machine/register').length
  assert.ok(asked > 5 && asked < 40, `${asked} requests in a minute`)
})

test('§16.2 item 5: what the server says against it is shown, and tried again without hammering', () => {
  const world = new ControlWorld({ session: AUTH })
  world.onRegister = () => ({ status: 200, json: { Error: 'that key is used up', AuthURL: 'http://elsewhere' } })
  world.start()
  assert.deepEqual(world.session.state, { phase: 'refused', online: false, why: 'that key is used up' })
  world.pass(120_000)
  const asked = world.askedFor('/machine/register').length
  assert.ok(asked > 5 && asked < 50, `${asked} requests in two minutes`)
  assert.equal(world.all('keys').length, 0)
  world.onRegister = () => ({ status: 200, json: JOINED })
  world.until('joined', () => world.session.state.phase === 'joined')
})

test('§16.2 item 6: an expired key is replaced once, then a person has to decide', () => {
  const own = generateKey(nodePrimitives.random)
  const world = new ControlWorld({ session: { nodeKey: own } })
  world.onRegister = () => ({ status: 200, json: { NodeKeyExpired: true } })
  world.start()
  world.pass(3_600_000)
  const keys = world.askedFor('/machine/register').map((asked) => [asked.body['NodeKey'], asked.body['OldNodeKey']])
  assert.equal(keys.length, 2)
  assert.deepEqual(keys[0], [publicOf(own), ZERO])
  assert.notEqual(keys[1]?.[0], publicOf(own))
  assert.equal(keys[1]?.[1], publicOf(own))
  assert.equal(world.session.state.phase, 'refused')
  assert.equal(world.all('keys').length, 0)
  world.onRegister = () => ({ status: 200, json: JOINED })
  world.run((session, now) => session.login({}, now))
  assert.equal(world.session.state.phase, 'joined')
})

test('429: Retry-After is kept to; what makes no sense is five to ten seconds', () => {
  for (const { header, least, most } of [
    { header: '120', least: 120_000, most: 120_000 },
    { header: new Date(START_WALL + 90_000).toUTCString(), least: 89_000, most: 91_000 },
    { header: '7200', least: 5000, most: 10_000 },
    { header: 'soon', least: 5000, most: 10_000 },
  ]) {
    const world = new ControlWorld({ session: AUTH })
    world.onRegister = () => ({ status: 429, headers: [['retry-after', header]] })
    world.start()
    const began = world.mono
    world.until('asked again', () => world.askedFor('/machine/register').length === 2)
    assert.ok(world.mono - began >= least && world.mono - began <= most, `${header}: ${world.mono - began} ms`)
  }
})

test('§16.2 item 18: reports hold the disco key, and a type for each endpoint; bursts are one report', () => {
  const world = joined()
  const before = world.maps(false).length
  for (let port = 1; port <= 20; port++)
    world.run((session, now) =>
      session.setEndpoints(
        [
          { address: `192.0.2.1:${port}`, type: 'stun' },
          { address: `10.0.0.2:${port}`, type: 'local' },
        ],
        now,
      ),
    )
  world.run((session, now) => session.setNetInfo({ PreferredDERP: 900 }, now))
  world.pass(3000)
  const reports = world.maps(false).slice(before)
  assert.equal(reports.length, 1)
  const body = reports[0]?.body as {
    Endpoints: string[]
    EndpointTypes: number[]
    DiscoKey: string
    OmitPeers: boolean
    Hostinfo: { NetInfo: object }
  }
  assert.deepEqual(body.Endpoints, ['192.0.2.1:20', '10.0.0.2:20'])
  assert.deepEqual(body.EndpointTypes, [2, 1])
  assert.equal(body.DiscoKey, world.options.discoKey)
  assert.equal(body.OmitPeers, true)
  assert.deepEqual(body.Hostinfo.NetInfo, { PreferredDERP: 900 })
  // Nothing new is no reason for a report.
  world.run((session, now) => session.setNetInfo({ PreferredDERP: 900 }, now))
  world.pass(10_000)
  assert.equal(world.maps(false).length, before + 1)
})

test('a report that is overtaken is given up; one that is refused is tried again', () => {
  const world = joined()
  world.onLite = () => 'hold'
  world.run((session, now) => session.setNetInfo({ PreferredDERP: 1 }, now))
  world.pass(2000)
  const held = world.maps(false).at(-1) as Asked
  world.onLite = () => ({ status: 503 })
  world.run((session, now) => session.setNetInfo({ PreferredDERP: 2 }, now))
  world.pass(2000)
  world.answer(held, { status: 200 })
  const count = world.maps(false).length
  world.onLite = () => ({ status: 200 })
  world.pass(60_000)
  assert.equal(world.maps(false).length, count + 1)
  const last = world.maps(false).at(-1)?.body['Hostinfo'] as { NetInfo: { PreferredDERP: number } }
  assert.equal(last.NetInfo.PreferredDERP, 2)
  assert.equal(world.openStreams, 1)
})

test('§16.2 item 9: a stream that is silent for 120 s is begun again; keep-alives keep it', () => {
  const world = joined()
  for (let i = 0; i < 10; i++) {
    world.pass(55_000)
    world.send({ KeepAlive: true })
  }
  assert.equal(world.maps(true).length, 1)
  const quietSince = world.mono
  world.until('begun again', () => world.maps(true).length === 2)
  // The connection answers probes all the while: it is the stream that is dead.
  assert.ok(world.mono - quietSince >= 119_000 && world.mono - quietSince < 123_000, `${world.mono - quietSince} ms`)
  assert.equal(world.all('dial').length, 2)
})

test('§16.2 item 9: a first message without this node, or one that is malformed, ends the stream', () => {
  for (const first of [{ Peers: [peerNode(2)] }, { Node: { ID: 'one' } }, { Node: peerNode(1, { DiscoKey: '' }) }]) {
    const world = new ControlWorld({ session: AUTH })
    world.first = () => first
    world.start()
    assert.equal(world.session.netmap, undefined)
    assert.equal(world.session.state.online, false)
    assert.ok((world.session.state.why ?? '') !== '')
    world.first = (key) => firstMap(key)
    world.until('online', () => world.session.state.online)
  }
})

test('a keep-alive may come first', () => {
  const world = new ControlWorld({ session: AUTH })
  world.first = () => ({ KeepAlive: true })
  world.start()
  assert.equal(world.session.state.online, false)
  world.send(firstMap(world.maps(true)[0]?.body['NodeKey'] as string))
  assert.equal(world.session.state.online, true)
})

test('§16.2 item 17: a reconnect neither loses nor doubles peers, and tells what has changed meanwhile', () => {
  const world = joined()
  world.send({ PeersChanged: [peerNode(4)] })
  const seen = world.all('netmap-changed').length
  world.first = (key) => firstMap(key, { Peers: [peerNode(3), peerNode(4, { Online: false }), peerNode(5)] })
  world.cut()
  // While the server is away, the node goes on with what it knows.
  assert.deepEqual([...(world.session.netmap?.peers.keys() ?? [])], [2, 3, 4])
  assert.equal(world.session.state.phase, 'joined')
  world.until('online', () => world.session.state.online)
  assert.deepEqual([...(world.session.netmap?.peers.keys() ?? [])], [3, 4, 5])
  const [change, ...more] = world.all('netmap-changed').slice(seen)
  assert.equal(more.length, 0)
  const kinds = change?.changes.peers.map(({ id, was, now }) => [id, was !== undefined, now !== undefined])
  assert.deepEqual(kinds, [
    [2, true, false],
    [4, true, true],
    [5, false, true],
  ])
  assert.equal(change?.changes.parts.size, 0)
  // A registration is for the start of a daemon, not for each connection.
  assert.equal(world.askedFor('/machine/register').length, 1)
})

test('while the server is away it is asked less and less often, 30 s apart at most, and found within that time', () => {
  const world = joined()
  world.network = () => 'refused'
  world.cut()
  world.pass(600_000)
  const dials = world.all('dial').length
  assert.ok(dials > 30 && dials < 90, `${dials} dials in ten minutes`)
  world.network = () => 'open'
  const since = world.mono
  world.until('online', () => world.session.state.online)
  assert.ok(world.mono - since <= 45_000)
})

test('starts from the map that was kept, while the server is away, and goes on from there', () => {
  const world = joined()
  world.send({ PeersChanged: [peerNode(9)], PeersRemoved: [2] })
  const cache: Uint8Array[] = []
  for (const { how, bytes } of world.all('cache')) {
    if (how === 'replace') cache.length = 0
    cache.push(bytes)
  }
  const { nodeKey } = world.all('keys')[0] as { nodeKey: PrivateKey }
  // The last write was torn off by a crash.
  const cached = Buffer.concat([...cache, Uint8Array.of(40, 0, 0, 0, 1, 2)])
  world.restart({ nodeKey, cached })
  world.network = () => 'refused'
  world.start()
  assert.deepEqual([...(world.session.netmap?.peers.keys() ?? [])], [3, 9])
  assert.equal(world.all('netmap-changed').length, 1)
  assert.deepEqual([world.session.state.phase, world.session.state.online], ['joined', false])
  world.network = () => 'open'
  world.first = (key) => firstMap(key, { Peers: [peerNode(3), peerNode(9)] })
  world.until('online', () => world.session.state.online)
  assert.equal(world.all('netmap-changed').length, 1)
  // Somebody else's map is none of ours.
  world.restart({ nodeKey: generateKey(nodePrimitives.random), cached })
  world.network = () => 'refused'
  world.start()
  assert.equal(world.session.netmap, undefined)
})

/** A world of a node that has joined before, and has no key to log in with. */
function rejoined(self: object, more: object = {}): ControlWorld {
  const world = new ControlWorld({ session: { nodeKey: generateKey(nodePrimitives.random) } })
  world.first = (key) => firstMap(key, more, self)
  return world.start()
}

/** An hour with a server that is there. */
function passAlive(world: ControlWorld, ms: number): void {
  for (let passed = 0; passed < ms; passed += 50_000) {
    world.pass(50_000)
    world.send({ KeepAlive: true })
  }
}

const at = (ms: number) => new Date(START_WALL + ms).toISOString()

test('§16.2 item 15: one’s own key is past its time by the server’s clock; prolonged, all goes on', () => {
  const world = rejoined({ KeyExpiry: at(3_600_000) })
  assert.equal(world.session.state.phase, 'joined')
  passAlive(world, 3_500_000)
  assert.equal(world.session.state.phase, 'joined')
  world.pass(100_000)
  assert.deepEqual(world.session.state, { phase: 'expired', online: true })
  const key = world.maps(true)[0]?.body['NodeKey'] as string
  world.send({ Node: peerNode(1, { Key: key, KeyExpiry: at(90_000_000) }) })
  assert.equal(world.session.state.phase, 'joined')
  // The administrator ends it at once; a person logs in, with a new key.
  world.send({ Node: peerNode(1, { Key: key, KeyExpiry: at(-1000) }) })
  assert.equal(world.session.state.phase, 'expired')
  world.first = (key) => firstMap(key)
  world.run((session, now) => session.login({}, now))
  const register = world.askedFor('/machine/register').at(-1)?.body
  assert.notEqual(register?.['NodeKey'], key)
  assert.equal(register?.['OldNodeKey'], key)
  assert.equal(world.session.state.phase, 'joined')
})

test('§16.2 item 15: a clock that is wrong is put right by the server’s', () => {
  for (const { name, skew, expiry = 1, phase } of [
    { name: 'ours is a day behind', skew: 86_400_000, phase: 'expired' },
    { name: 'ours is a day ahead', skew: -86_400_000, expiry: -1000, phase: 'joined' },
    { name: 'the server’s was never set, so ours counts', skew: 0 - START_WALL, expiry: -1000, phase: 'expired' },
    { name: 'ours is half a minute behind, as messages are', skew: 30_000, phase: 'joined' },
    { name: 'the server’s was never set', skew: 0 - START_WALL, phase: 'joined' },
  ])
    assert.equal(rejoined({ KeyExpiry: at(expiry) }, { ControlTime: at(skew) }).session.state.phase, phase, name)
})

test('a node whose key has ended stays out until somebody logs in, whatever it has joined with', () => {
  const world = joined()
  const key = world.maps(true)[0]?.body['NodeKey'] as string
  world.send({ Node: peerNode(1, { Key: key, KeyExpiry: at(-1000) }) })
  passAlive(world, 3_500_000)
  assert.equal(world.askedFor('/machine/register').length, 1)
  assert.equal(world.session.state.phase, 'expired')
  world.run((session, now) => session.login({}, now))
  const register = world.askedFor('/machine/register').at(-1)?.body
  assert.deepEqual([register?.['OldNodeKey'], register?.['Auth']], [key, undefined])
})

test('a node to which the server gives no other key goes on with the one it has', () => {
  const world = joined()
  const key = world.maps(true)[0]?.body['NodeKey'] as string
  world.onRegister = ({ body }) =>
    body['Auth'] === undefined ? { status: 200, json: JOINED } : { status: 200, json: { Error: 'no such key' } }
  world.run((session, now) => session.login({ authKey: new Secret('tskey-x', 'auth key'), anew: true }, now))
  world.until('joined', () => world.session.state.online)
  assert.deepEqual(
    world.all('login-refused').map(({ why }) => why),
    ['no such key'],
  )
  assert.equal(world.maps(true).at(-1)?.body['NodeKey'], key)
  assert.equal(world.askedFor('/machine/register').length, 3)
  assert.deepEqual(world.session.state, { phase: 'joined', online: true })
})

test('peers are marked when their key is past its time, and unmarked when it was the clock', () => {
  const world = joined()
  world.send({ PeersChangedPatch: [{ NodeID: 2, KeyExpiry: at(600_000) }] })
  assert.equal(world.session.netmap?.peers.get(2)?.Expired, undefined)
  passAlive(world, 700_000)
  assert.equal(world.session.netmap?.peers.get(2)?.Expired, true)
  const told = world.all('netmap-changed').at(-1)?.changes.peers[0]
  assert.deepEqual([told?.id, told?.was?.Expired, told?.now?.Expired], [2, undefined, true])
  world.wall = START_WALL
  world.run((session, now) => session.tick(now))
  assert.equal(world.session.netmap?.peers.get(2)?.Expired, undefined)
  world.send({ PeersChangedPatch: [{ NodeID: 2, KeyExpiry: at(-5) }] })
  assert.equal(world.session.netmap?.peers.get(2)?.Expired, true)
})

test('after a sleep, or a change of addresses, a dead connection is found within five seconds', () => {
  for (const wake of [
    (world: ControlWorld) => world.sleep(8 * 3_600_000),
    (world: ControlWorld) => world.run((session, now) => session.networkChanged(now)),
  ]) {
    const world = joined()
    world.pass(20_000)
    // A live one is kept.
    wake(world)
    world.pass(6000)
    assert.equal(world.all('dial').length, 1)
    world.deaf = true
    wake(world)
    world.run((session, now) => session.tick(now))
    const since = world.mono
    world.until('given up', () => world.all('close').length === 1)
    assert.ok(world.mono - since <= 5000)
    world.deaf = false
    world.until('online', () => world.session.state.online)
  }
})

test('after a sleep the server is asked at once, however long the wait had become', () => {
  const world = joined()
  world.network = () => 'refused'
  world.cut()
  world.pass(1_200_000)
  world.network = () => 'open'
  world.run((session, now) => session.networkChanged(now))
  assert.equal(world.session.state.online, true)
})

test('a connection that dies without a word while a login is waited for is found', () => {
  const world = new ControlWorld()
  world.onRegister = (asked) =>
    asked.body['Followup'] === '' ? { status: 200, json: { AuthURL: 'http://10.0.0.1:8080/a/1' } } : 'hold'
  world.start()
  world.run((session, now) => session.login({}, now))
  world.deaf = true
  world.until('given up', () => world.all('close').length === 1)
  assert.ok(world.mono < 90_000)
})

test('the server’s wish for a pause holds the stream, not the node; the watchdog waits as long', () => {
  const world = joined()
  world.send({ Debug: { SleepSeconds: 600 } })
  world.send({ Domain: 'after.example' })
  world.pass(299_000)
  assert.equal(world.session.netmap?.fields.domain, 'example.com')
  world.pass(2000)
  assert.equal(world.session.netmap?.fields.domain, 'after.example')
  assert.equal(world.maps(true).length, 1)
})

test('what a message says aside of the map: links once, versions, a wish to end', () => {
  const world = joined()
  world.send({ PopBrowserURL: 'https://a.example/x' })
  world.send({ KeepAlive: true, PopBrowserURL: 'https://a.example/x' })
  world.send({ PopBrowserURL: 'file:///etc/passwd' })
  assert.deepEqual(
    world.all('browse').map((each) => each.url),
    ['https://a.example/x'],
  )
  world.send({ ClientVersion: { LatestVersion: '9', Notify: true } })
  assert.equal(world.all('client-version')[0]?.version.LatestVersion, '9')
  world.send({ Debug: { Exit: 3 } })
  assert.equal(world.all('exit-asked')[0]?.code, 3)
  assert.equal(world.session.state.online, true)
})

test('a machine that somebody has to approve of, live', () => {
  const world = new ControlWorld({ session: AUTH })
  world.first = (key) => firstMap(key, {}, { MachineAuthorized: false })
  world.start()
  assert.equal(world.session.state.phase, 'needs-approval')
  const key = world.maps(true)[0]?.body['NodeKey']
  world.send({ Node: peerNode(1, { Key: key }) })
  assert.equal(world.session.state.phase, 'joined')
})

test('§16.2 item 19: logging out gives the key back, and nothing of the map stays', () => {
  const world = joined()
  const key = world.askedFor('/machine/register')[0]?.body['NodeKey']
  world.run((session, now) => session.logout(now))
  const last = world.askedFor('/machine/register').at(-1)?.body
  assert.deepEqual([last?.['NodeKey'], last?.['Expiry'], last?.['Auth']], [key, '1970-01-01T00:02:03Z', undefined])
  for (const kind of ['keys-gone', 'netmap-gone', 'cache-gone'] as const) assert.equal(world.all(kind).length, 1, kind)
  assert.deepEqual(world.session.state, { phase: 'logged-out', online: false })
  assert.equal(world.session.netmap, undefined)
  world.pass(600_000)
  assert.equal(world.askedFor('/machine/register').length, 2)
  assert.equal(world.openConnections, 0)
  // A new login is a new node.
  world.run((session, now) => session.login(AUTH, now))
  assert.equal(world.session.state.phase, 'joined')
  assert.notEqual(world.askedFor('/machine/register').at(-1)?.body['NodeKey'], key)
})

test('§16.2 item 19: an ephemeral node takes its leave when it ends, for five seconds at most', () => {
  for (const { answers, waits } of [
    { answers: true, waits: 0 },
    { answers: false, waits: 5000 },
  ]) {
    const world = joined({ session: { ephemeral: true } })
    assert.equal(world.askedFor('/machine/register')[0]?.body['Ephemeral'], true)
    if (!answers) world.onRegister = () => 'hold'
    const since = world.mono
    world.run((session, now) => session.shutdown(now))
    world.until('done', () => world.all('done').length === 1)
    assert.equal(world.mono - since, waits)
    assert.equal(world.askedFor('/machine/register').at(-1)?.body['Expiry'], '1970-01-01T00:02:03Z')
    assert.equal(world.openConnections, 0)
    assert.equal(world.session.deadline(), Infinity)
  }
  const lasting = joined()
  lasting.run((session, now) => session.shutdown(now))
  assert.equal(lasting.askedFor('/machine/register').length, 1)
  assert.equal(lasting.all('done').length, 1)
})

test('§16.2 item 16: HEAD pings and c2n are answered, each once, over Noise where it is said', () => {
  const world = joined()
  const url = 'https://unused/machine/ping-response/7?x=1'
  world.send({ PingRequest: { URL: url, URLIsNoise: true } })
  world.send({ PingRequest: { URL: url, URLIsNoise: true } })
  assert.deepEqual(
    world.asked.slice(-1).map(({ method, path }) => [method, path]),
    [['HEAD', '/machine/ping-response/7?x=1']],
  )
  assert.equal(world.asked.filter((asked) => asked.method === 'HEAD').length, 1)
  world.send({ KeepAlive: true, PingRequest: { URL: 'https://elsewhere.example/p/1' } })
  const fetch = world.all('fetch').at(-1)
  assert.deepEqual([fetch?.method, fetch?.url], ['HEAD', 'https://elsewhere.example/p/1'])
  const request = 'GET /echo HTTP/1.1\r\nHost: x\r\nC2n-Handler-Timeout: 1m30s\r\n\r\n'
  const Payload = Buffer.from(request).toString('base64')
  world.send({ PingRequest: { URL: 'https://unused/machine/ping-response/8', Types: 'c2n', Payload } })
  const c2n = world.all('c2n')[0]
  assert.equal(Buffer.from(c2n?.request ?? []).toString(), request)
  assert.equal(c2n?.timeoutMs, 90_000)
  world.run((session, now) => session.answerC2n(c2n?.id ?? 0, utf8('HTTP/1.1 200 OK\r\n\r\nhello'), now))
  const answer = world.asked.at(-1) as Asked
  assert.deepEqual([answer.method, answer.path], ['POST', '/machine/ping-response/8'])
  assert.match(Buffer.from(answer.bytes).toString(), /hello$/)
  world.send({
    PingRequest: { URL: 'https://unused/p/9', URLIsNoise: true, Types: 'disco,TSMP,strange', IP: '100.64.0.2' },
  })
  const ping = world.all('ping')[0]
  assert.deepEqual([ping?.ip, ping?.types], ['100.64.0.2', ['disco', 'TSMP']])
  world.run((session, now) => session.answerPing(ping?.id ?? 0, { Type: 'disco', LatencySeconds: 0.01 }, now))
  world.run((session, now) => session.answerPing(ping?.id ?? 0, { Type: 'TSMP', LatencySeconds: 0.02 }, now))
  world.run((session, now) => session.answerPing(ping?.id ?? 0, undefined, now))
  assert.equal(world.asked.filter((asked) => asked.path === '/p/9').length, 2)
})

test('a sooner end of the key is asked for once, and what comes of it is told', () => {
  const world = joined()
  const soon = (START_WALL + 60_000) as typeof START_WALL
  const ask = (): string | undefined => {
    world.run((session, now) => session.expireSooner(soon, now))
    return world.all('expiry-answered').at(-1)?.why
  }
  assert.equal(ask(), undefined)
  const { NodeKey, Expiry, Auth } = world.askedFor('/machine/register').at(-1)?.body ?? {}
  assert.deepEqual([NodeKey, Auth], [world.askedFor('/machine/register')[0]?.body['NodeKey'], undefined])
  assert.equal(Date.parse(String(Expiry)), soon)
  assert.equal(world.session.state.phase, 'joined')
  world.onRegister = () => ({ status: 200, json: { Error: 'not today' } })
  assert.equal(ask(), 'not today')
  world.onRegister = () => 'hold'
  world.run((session, now) => session.expireSooner(soon, now))
  world.run((session, now) => session.stop(now))
  assert.match(world.all('expiry-answered').at(-1)?.why ?? '', /connection/)
  assert.match(ask() ?? '', /no connection/)
  assert.equal(world.all('expiry-answered').length, 4)
})

test('§16.2 item 20: a locked tailnet is refused, with nothing of its map', () => {
  const locks: readonly { readonly name: string; readonly lock: (world: ControlWorld) => void }[] = [
    {
      name: 'from the first message',
      lock: (world) =>
        (world.first = (key) =>
          firstMap(key, { TKAInfo: { Head: 'ZKWK6E3R3C7QHNSMVFIMHB6RTGEBGT43UY2NGCVARYGG6U44PSTQ' } })),
    },
    {
      name: 'with a head that is no hash',
      lock: (world) => (world.first = (key) => firstMap(key, { TKAInfo: { Head: 'x' } })),
    },
    {
      name: 'by a signature to renew',
      lock: (world) => (world.onRegister = () => ({ status: 200, json: { NodeKeySignature: 'AQID' } })),
    },
  ]
  for (const { name, lock } of locks) {
    const world = new ControlWorld({ session: AUTH })
    lock(world)
    world.start()
    assert.equal(world.session.state.phase, 'locked', name)
    assert.match(world.session.state.why ?? '', /tailnet lock/, name)
    assert.equal(world.session.netmap, undefined, name)
    assert.equal(world.all('netmap-changed').length, 0, name)
    assert.equal(world.openConnections, 0, name)
    world.pass(3_600_000)
    assert.equal(world.all('dial').length, 1, name)
  }
  const world = joined()
  world.send({ TKAInfo: { Head: 'ZKWK6E3R3C7QHNSMVFIMHB6RTGEBGT43UY2NGCVARYGG6U44PSTQ' } })
  assert.equal(world.session.state.phase, 'locked')
  assert.equal(world.all('netmap-gone').length, 1)
  const unlocked = new ControlWorld({ session: AUTH })
  unlocked.first = (key) => firstMap(key, { TKAInfo: { Head: '', Disabled: true } })
  unlocked.start()
  assert.equal(unlocked.session.state.phase, 'joined')
})
