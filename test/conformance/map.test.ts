/** Conformance of map streams: control.md §16.1, items 22 to 35, 37, 39, 40 and 42, each a test named after it. */

import { test } from 'node:test'
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { zstdDecompressSync } from 'node:zlib'
import { DAY_MS, MINUTE_MS } from '../../src/base/clock.ts'
import type { Wall } from '../../src/base/clock.ts'
import { discoKeyOf } from '../../src/base/keys.ts'
import { responseBody } from '../../src/coord/pings.ts'
import type { Answer, Machine, MapMessage, MapNode } from '../support/world.ts'
import { START, World } from '../support/world.ts'
import { TESTER } from '../support/ledger.ts'

/** Every node object in some messages, own and peers. */
function nodesIn(messages: readonly MapMessage[]): MapNode[] {
  return messages.flatMap((m) => [...(m.Node ? [m.Node] : []), ...(m.Peers ?? []), ...(m.PeersChanged ?? [])])
}
const textsOf = (answer: Answer) => answer.frames.map((f) => zstdDecompressSync(f.subarray(4)).toString())

test('22. every message is a little-endian length and zstd, whatever Compress says', async () => {
  const world = await World.start()
  const a = await world.joined('a')
  for (const Compress of ['zstd', '', 'gzip', undefined]) {
    const answer = await a.map({ Compress })
    const frame = answer.frames[0] as Uint8Array
    assert.equal(new DataView(frame.buffer, frame.byteOffset).getUint32(0, true), frame.length - 4)
    assert.equal(Buffer.from(frame.subarray(4, 8)).toString('hex'), '28b52ffd')
    assert.equal(answer.headers.length, 0)
  }
})

test('23. the first message has node, relays, filter, DNS, profiles and peers', async () => {
  const world = await World.start()
  const a = await world.joined('a')
  const b = await world.joined('b')
  const first = b.stream.messages[0] as MapMessage
  assert.equal(first.Node?.Name, 'b.home.sett.internal.')
  const region = Object.values(first.DERPMap?.Regions ?? {})[0]
  assert.ok(region?.Nodes.some((node) => !node.STUNOnly))
  assert.ok((first.PacketFilters?.['base']?.length ?? 0) > 0)
  assert.deepEqual(first.DNSConfig?.['Domains'], ['home.sett.internal'])
  assert.deepEqual(
    first.Peers?.map((peer) => peer.ID),
    [a.node.id],
  )
  assert.ok(first.UserProfiles?.some((profile) => profile.ID === first.Node?.User))
  assert.equal(first.Domain, 'home')
})

test('24. keepalives are at most 60 s apart and alike, and no other frame has their length', async () => {
  const world = await World.start()
  const a = await world.joined('a')
  const b = await world.joined('b')
  const seen: { at: number; frame: string }[] = []
  let read = a.stream.frames.length
  let last = world.mono()
  for (let t = 0; t < 300; t++) {
    await world.pass(1000)
    for (; read < a.stream.frames.length; read++) {
      assert.ok(world.mono() - last <= 60_000, `${world.mono() - last} ms of silence`)
      last = world.mono()
      if (a.stream.messages[read]?.KeepAlive)
        seen.push({ at: last, frame: Buffer.from(a.stream.frames[read] as Uint8Array).toString('hex') })
    }
  }
  assert.ok(seen.length >= 4, `${seen.length} keepalives in five minutes`)
  assert.equal(new Set(seen.map((k) => k.frame)).size, 1)
  assert.equal(textsOf(a.stream).filter((t) => t === '{"KeepAlive":true}').length, seen.length)
  // Many different small messages: none may be as long as the keepalive.
  const length = (seen[0] as { frame: string }).frame.length / 2
  for (let i = 0; i < 120; i++) {
    b.endpoints = Array.from({ length: i % 3 }, (_, k) => `1.1.1.${i}:${1 + k * i}`)
    await b.lite()
    world.coord.maps.push(world.tailnet.num, a.node.id, { D: 'x'.repeat(i % 24) })
    await world.pass(250)
  }
  for (const [i, frame] of a.stream.frames.entries())
    if (!a.stream.messages[i]?.KeepAlive) assert.notEqual(frame.length, length, textsOf(a.stream)[i] ?? '')
})

test('25. a lite update answers 200, leaves the stream alone and reaches peers as a patch', async () => {
  const world = await World.start()
  const a = await world.joined('a')
  const b = await world.joined('b')
  a.news()
  b.news()
  b.endpoints = ['198.51.100.1:7', '[2001:db8::1]:7', '[fe80::1%eth0]:7', '[fe80::1]:7', '198.51.100.1:7']
  b.hostinfo = { ...b.hostinfo, NetInfo: { PreferredDERP: 901 } }
  b.discoKey = discoKeyOf(new Uint8Array(32).fill(7))
  const answer = await b.lite()
  assert.equal(answer.status, 200)
  assert.equal(answer.body, '')
  await world.pass(300)
  assert.equal(b.stream.ended, false)
  assert.deepEqual(b.news(), [])
  assert.deepEqual(a.news(), [
    {
      PeersChangedPatch: [
        {
          NodeID: b.node.id,
          DERPRegion: 901,
          Endpoints: ['198.51.100.1:7', '[2001:db8::1]:7'],
          DiscoKey: b.discoKey,
          Online: true,
        },
      ],
    },
  ])
})

test('26. a second stream ends the first, and the node stays online', async () => {
  const world = await World.start()
  const a = await world.joined('a')
  const b = await world.joined('b')
  const first = b.stream
  a.news()
  b.stream = await b.map()
  assert.equal(first.ended, true)
  await world.pass(MINUTE_MS)
  assert.equal(b.stream.ended, false)
  assert.equal(a.peers().get(b.node.id)?.Online, true)
  assert.deepEqual(a.news(), [])
})

test('27. a report without network information keeps the home relay', async () => {
  const world = await World.start()
  const a = await world.joined('a')
  const b = await world.joined('b')
  const { NetInfo: _, ...without } = b.hostinfo
  b.hostinfo = without
  await b.lite()
  b.hostinfo = { ...without, NetInfo: { PreferredDERP: 0 } }
  await b.lite()
  b.stream = await b.map()
  await world.pass(300)
  assert.equal(a.peers().get(b.node.id)?.HomeDERP, 900)
  assert.equal(b.stream.messages[0]?.Node?.HomeDERP, 900)
})

test('28. removing the last peer uses PeersRemoved', async () => {
  const world = await World.start()
  const a = await world.joined('a')
  const b = await world.joined('b', { ephemeral: true })
  const id = b.node.id
  a.news()
  await b.register({ Expiry: '1970-01-01T00:02:03Z' })
  await world.pass(300)
  assert.deepEqual(a.news(), [{ PeersRemoved: [id] }])
  assert.equal(a.peers().size, 0)
})

test('29. filters are arrays, without SrcBits or Bits', async () => {
  const world = await World.start()
  const a = await world.joined('a')
  const text = textsOf(a.stream).join()
  assert.ok(Array.isArray(a.stream.messages[0]?.PacketFilters?.['base']))
  assert.doesNotMatch(text, /"(SrcBits|Bits)"/)
})

test('30. peers say whether they are online, have endpoints as an array, and a Hostinfo', async () => {
  const world = await World.start()
  const a = await world.joined('a')
  const never = world.machine('never')
  await never.register({ Auth: { AuthKey: await world.key() } })
  const bare = world.machine('bare')
  bare.hostinfo = {}
  bare.endpoints = []
  await bare.register({ Auth: { AuthKey: await world.key() } })
  bare.stream = await bare.map({ Hostinfo: undefined, Endpoints: undefined })
  await world.pass(300)
  const peers = nodesIn(a.stream.messages).filter((node) => node.ID !== a.node.id)
  assert.ok(peers.length > 0)
  for (const peer of peers) {
    assert.equal(typeof peer.Online, 'boolean')
    assert.ok(Array.isArray(peer.Endpoints))
    assert.equal(typeof peer.Hostinfo, 'object')
    assert.ok(peer.DiscoKey !== undefined)
    assert.notEqual(peer.ID, never.node.id, 'a node that never opened a map is not shown')
  }
})

test('31. a deleted node is shown its key as expired, its stream ends, and later polls are errors', async () => {
  const world = await World.start()
  const a = await world.joined('a')
  const b = await world.joined('b')
  const { id } = b.node
  b.news()
  const { deleteNode } = await import('../../src/coord/model/node-changes.ts')
  await world.coord.ledger.transact(world.tailnet.num, TESTER, (model, now) => {
    const state = model.state(world.tailnet.num)
    return { batch: deleteNode(state, b.node, now), result: undefined }
  })
  await world.settle()
  const [farewell, ...more] = b.news()
  assert.ok(Date.parse(farewell?.Node?.KeyExpiry as string) < world.wall())
  assert.equal(farewell?.Node?.ID, id)
  assert.deepEqual(more, [])
  assert.equal(b.stream.ended, true)
  await world.pass(300)
  assert.equal(a.peers().size, 0)
  assert.equal((await b.map()).status, 404)
  assert.equal((await b.lite()).status, 404)
  // Registering without a key needs a login again.
  assert.match((await b.register()).json['AuthURL'] as string, /login/)
})

test('32. expiring and extending a key reach the node and its peers live', async () => {
  const world = await World.start()
  const a = await world.joined('a')
  const b = await world.joined('b')
  b.news()
  await world.change(b.node.id, (_, now) => ({ keyExpiry: now }))
  await world.pass(300)
  const expired = b.news()
  assert.ok(Date.parse(expired[0]?.Node?.KeyExpiry as string) <= world.wall())
  assert.deepEqual(expired[0]?.PeersRemoved, [a.node.id], 'an expired node sees nobody')
  assert.equal(b.stream.ended, false)
  const seen = a.peers().get(b.node.id) as MapNode
  assert.ok(Date.parse(seen.KeyExpiry as string) <= world.wall())
  await world.change(b.node.id, (_, now) => ({ keyExpiry: (now + DAY_MS) as Wall }))
  await world.pass(300)
  const extended = b.news()
  assert.ok(Date.parse(extended[0]?.Node?.KeyExpiry as string) > world.wall())
  assert.deepEqual(
    extended[0]?.PeersChanged?.map((peer) => peer.ID),
    [a.node.id],
  )
})

test('32a. a key that runs out by the clock does the same, without anybody asking', async () => {
  const world = await World.start()
  const a = await world.joined('a')
  const b = await world.joined('b')
  await world.change(b.node.id, (_, now) => ({ keyExpiry: (now + 5000) as Wall }))
  await world.pass(4000)
  assert.equal(a.peers().get(b.node.id)?.Expired, undefined)
  await world.pass(2000)
  assert.equal(a.peers().get(b.node.id)?.Expired, true)
  assert.equal(b.peers().size, 0)
})

test('33. device approval holds a node back, and lets it in live', async () => {
  const world = await World.start()
  const a = await world.joined('a')
  await world.changeTailnet({ devicesApprovalOn: true })
  const b = await world.joined('b')
  assert.equal(b.stream.messages[0]?.Node?.MachineAuthorized, false)
  assert.deepEqual(b.stream.messages[0]?.Peers, [])
  assert.equal(a.peers().size, 0)
  b.news()
  await world.change(b.node.id, () => ({ authorized: true }))
  await world.pass(300)
  const [approved] = b.news()
  assert.equal(approved?.Node?.MachineAuthorized, true)
  assert.deepEqual(
    approved?.PeersChanged?.map((peer) => peer.ID),
    [a.node.id],
  )
  assert.equal(a.peers().get(b.node.id)?.Name, 'b.home.sett.internal.')
  const pre = await world.joined('pre', { preauthorized: true })
  assert.equal(pre.stream.messages[0]?.Node?.MachineAuthorized, true)
})

test('34. a profile comes no later than the first node that names it, tagged devices included', async () => {
  const world = await World.start()
  const a = await world.joined('a')
  const bob = await world.user('bob@example.com')
  await world.joined('b', { user: bob.id })
  await world.joined('t', { tags: ['tag:ci'] })
  const known = new Set<number>()
  for (const message of a.stream.messages) {
    for (const profile of message.UserProfiles ?? []) known.add(profile.ID)
    for (const node of nodesIn([message])) assert.ok(known.has(node.User), `${node.Name} before its profile`)
  }
  assert.equal(known.size, 3)
})

test('35. no empty keys, no null regions, positive ids, names with a dot, single addresses', async () => {
  const world = await World.start()
  const a = await world.joined('a')
  await world.joined('b', { tags: ['tag:x'] })
  await a.lite()
  const all = [...a.stream.messages, ...(await a.map({ Stream: false })).messages]
  for (const node of nodesIn(all)) {
    assert.ok(Number.isSafeInteger(node.ID) && node.ID > 0)
    assert.match(node.Name, /^[a-z0-9-]+(\.[a-z0-9-]+)+\.$/)
    assert.match(node.Key, /^nodekey:[0-9a-f]{64}$/)
    for (const address of node.Addresses) assert.match(address, /(\/32|:.*\/128)$/)
  }
  for (const message of all) {
    // A capability without values is one that says it all by its name.
    const text = JSON.stringify(message, (name, value: unknown) => (name === 'CapMap' ? {} : value))
    assert.doesNotMatch(text, /Key":""|:null|undefined|NaN/)
    for (const region of Object.values(message.DERPMap?.Regions ?? {})) assert.ok(region)
  }
})

test('37. log tailing is never switched off together with audit logs', async () => {
  const world = await World.start()
  const a = await world.joined('a')
  assert.doesNotMatch(textsOf(a.stream).join(), /DisableLogTail|data-plane-audit-logs/)
})

test('39. the first message has the server’s time', async () => {
  const world = await World.start()
  const a = await world.joined('a')
  assert.equal(a.stream.messages[0]?.ControlTime, new Date(START).toISOString().replace('.000', ''))
})

test('40. HEAD pings and c2n echo go round trip, each at its own path', async () => {
  const world = await World.start()
  const a = await world.joined('a')
  const at = () => ({ tailnet: world.state(), node: a.node })
  a.news()
  const ping = world.coord.pings.ping(at())
  const echo = world.coord.pings.c2n(at(), 'POST', '/echo', 'hello')
  const asked = a.news().map((message) => message.PingRequest as NonNullable<MapMessage['PingRequest']>)
  assert.equal(asked.length, 2)
  const [head, c2n] = asked.map(({ URL: url }) => new URL(url).pathname) as [string, string]
  assert.notEqual(head, c2n)
  assert.ok(asked.every((p) => p.URLIsNoise))
  assert.equal(
    Buffer.from(asked[1]?.Payload as string, 'base64')
      .toString()
      .split('\r\n')[0],
    'POST /echo HTTP/1.1',
  )
  const mallory = world.machine('m')
  assert.equal((await mallory.send('HEAD', head, '')).status, 404, 'another machine answers for nobody')
  assert.equal((await a.send('HEAD', head, '')).status, 204)
  assert.equal((await ping).kind, 'answered')
  assert.equal((await a.send('HEAD', head, '')).status, 404, 'answered once')
  await a.send('POST', c2n, 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello')
  const answer = await echo
  assert.equal(answer.kind === 'answered' ? responseBody(answer.body) : '', 'hello')
  const silent = world.coord.pings.ping(at())
  await world.pass(16_000)
  assert.equal((await silent).kind, 'no-answer')
  a.stream.end()
  assert.equal((await world.coord.pings.ping(at())).kind, 'not-connected')
})

test('42. set-dns checks that the name is the node’s own; what is not offered is refused at once', async () => {
  const world = await World.start()
  const a = await world.joined('a')
  const setDns = (Name: string, Type = 'TXT') =>
    a.send('POST', '/machine/set-dns', { Version: 142, NodeKey: a.nodeKey, Name, Type, Value: 'v' })
  assert.equal((await setDns('_acme-challenge.other.home.sett.internal')).status, 403)
  assert.equal((await setDns('a.home.sett.internal')).status, 403)
  assert.equal((await setDns('_acme-challenge.a.home.sett.internal', 'A')).status, 403)
  assert.equal((await setDns('_acme-challenge.a.home.sett.internal')).status, 501)
  for (const [method, path] of [
    ['POST', '/machine/feature/query'],
    ['POST', '/machine/id-token'],
    ['PATCH', '/machine/set-device-attr'],
    ['POST', '/machine/audit-log'],
    ['POST', '/machine/update-health'],
    ['GET', '/machine/tka/bootstrap'],
  ] as const)
    assert.equal((await a.send(method, path, { NodeKey: a.nodeKey })).status, 501, path)
  assert.equal((await a.send('GET', '/machine/nothing', '')).status, 404)
})

test('a node that goes offline has ten seconds to come back before its peers hear of it', async () => {
  const world = await World.start()
  const a = await world.joined('a')
  const b = await world.joined('b')
  a.news()
  b.stream.end()
  await world.pass(8000)
  b.stream = await b.map()
  await world.pass(20_000)
  assert.deepEqual(a.news(), [], 'it came back in time')
  b.stream.end()
  const left = world.wall()
  await world.pass(11_000)
  assert.deepEqual(a.news(), [
    {
      PeersChangedPatch: [
        // To the second, as all times in maps.
        {
          NodeID: b.node.id,
          Online: false,
          LastSeen: new Date(left - (left % 1000)).toISOString().replace('.000', ''),
        },
      ],
    },
  ])
})

test('a restart of the server does not make the tailnet blink', async () => {
  const world = await World.start()
  const a = await world.joined('a')
  const b = await world.joined('b')
  await world.open()
  a.stream = await a.map()
  await world.pass(30_000)
  assert.equal(a.peers().get(b.node.id)?.Online, true, 'given time to come back')
  await world.pass(40_000)
  assert.equal(a.peers().get(b.node.id)?.Online, false)
})

test('an ephemeral node is removed when it has been away for its time', async () => {
  const world = await World.start({ ephemeralMs: 60_000 })
  const a = await world.joined('a')
  const e = await world.joined('e', { ephemeral: true })
  const { id } = e.node
  await world.pass(5 * MINUTE_MS)
  assert.ok(world.state().node(id), 'as long as it is there it stays')
  e.stream.end()
  await world.pass(50_000)
  assert.ok(world.state().node(id))
  await world.pass(60_000)
  assert.equal(world.state().node(id), undefined)
  assert.equal(a.peers().size, 0)
})

test('changes for a client that is slow coalesce into one message, and cost nobody else', async () => {
  const world = await World.start()
  const a = await world.joined('a')
  const b = await world.joined('b')
  const c = await world.joined('c')
  a.news()
  a.stream.slow = true
  // More than a stream may have unread, and not compressible.
  world.coord.maps.push(world.tailnet.num, a.node.id, { Filler: randomBytes(60_000).toString('base64') })
  for (let i = 1; i <= 40; i++) {
    b.endpoints = [`198.51.100.${i}:1`]
    await b.lite()
    await world.pass(300)
  }
  const busy = c.news().length
  assert.ok(busy >= 40, `${busy} messages to the one that reads`)
  const before = a.stream.messages.length
  a.stream.drain()
  await world.pass(1000)
  const late = a.stream.messages.slice(before)
  assert.ok(late.length <= 2, `${late.length} messages after draining`)
  assert.deepEqual(a.peers().get(b.node.id)?.Endpoints, ['198.51.100.40:1'])
})

test('a quiet tailnet sends three messages right after each other, a busy one each stream one in 200 ms', async () => {
  const world = await World.start()
  const a = await world.joined('a')
  const b = await world.joined('b')
  await world.pass(1000)
  a.news()
  b.endpoints = ['198.51.100.1:1']
  await b.lite()
  await world.pass(50)
  await b.lite({ Endpoints: ['198.51.100.1:2'] })
  await world.pass(50)
  await b.lite({ Endpoints: ['198.51.100.1:3'] })
  await world.pass(50)
  assert.equal(a.news().length, 3, 'with as much time between them as clients need')
  for (let i = 2; i <= 101; i++) {
    b.endpoints = [`198.51.100.${i}:1`]
    await b.lite()
    await world.pass(10)
  }
  await world.pass(250)
  assert.ok(a.news().length <= 6)
  assert.deepEqual(a.peers().get(b.node.id)?.Endpoints, ['198.51.100.101:1'])
})

test('a subnet router’s routes reach its peers once approved, and move when it goes offline', async () => {
  const world = await World.start()
  const a = await world.joined('a')
  const routers: Machine[] = []
  for (const name of ['r1', 'r2']) {
    const r = await world.joined(name)
    r.hostinfo = { ...r.hostinfo, RoutableIPs: ['10.1.0.0/16', '0.0.0.0/0', '::/0'] }
    await r.lite()
    routers.push(r)
  }
  await world.pass(300)
  const allowed = (i: number) => a.peers().get(routers[i]!.node.id)?.AllowedIPs?.slice(2)
  assert.equal(allowed(0), undefined, 'not before approval')
  for (const r of routers)
    await world.change(r.node.id, () => ({ approvedRoutes: ['10.1.0.0/16', '0.0.0.0/0', '::/0'] }))
  await world.pass(300)
  assert.deepEqual(allowed(0), ['0.0.0.0/0', '10.1.0.0/16', '::/0'])
  assert.deepEqual(allowed(1), ['0.0.0.0/0', '::/0'])
  assert.deepEqual(a.peers().get(routers[0]!.node.id)?.PrimaryRoutes, ['10.1.0.0/16'])
  routers[0]!.stream.end()
  await world.pass(12_000)
  assert.deepEqual(allowed(0), ['0.0.0.0/0', '::/0'])
  assert.deepEqual(allowed(1), ['0.0.0.0/0', '10.1.0.0/16', '::/0'])
})

test('two tailnets see nothing of each other', async () => {
  const world = await World.start()
  const other = await world.addTailnet('other')
  const a = await world.joined('a')
  const x = await world.joined('a', {}, other)
  assert.equal(x.node.name, 'a', 'names are the tailnet’s own')
  await a.lite({ Endpoints: ['198.51.100.3:3'] })
  await world.pass(1000)
  assert.equal(a.peers().size, 0)
  assert.equal(x.peers().size, 0)
  assert.doesNotMatch(textsOf(x.stream).join(), /home|198\.51\.100\.3/)
  assert.doesNotMatch(textsOf(a.stream).join(), /other/)
})
