/**
 * A tailnet whose policy changes while machines come, change hands, move, and go: whoever followed its stream must
 * have exactly the peers, routes, filter, SSH rules and own entry that a fresh map gives.
 *
 * SETT_SIM_SEED replays one run; SETT_SIM_RUNS sets how many.
 */

import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { Wall } from '../../src/base/clock.ts'
import { deleteNode } from '../../src/coord/model/node-changes.ts'
import { CURRENT_POLICY, Policies } from '../../src/coord/model/policies.ts'
import type { User } from '../../src/coord/model/records.ts'
import { TailnetMap } from '../../src/coord/netmap/tailnet-map.ts'
import type { FilterRule } from '../../src/policy/filter.ts'
import { formatIp, formatPrefix, parseIp, prefix, prefixOf } from '../../src/base/ip.ts'
import type { Ip } from '../../src/base/ip.ts'
import { ClientFilter } from '../policy/wire-filter.ts'
import { peersAfter } from '../support/peers.ts'
import { seeded } from '../support/seeded.ts'
import type { Machine, MapMessage, MapNode } from '../support/world.ts'
import { World } from '../support/world.ts'
import { TESTER } from '../support/ledger.ts'

const NAMES = `"groups": {"group:g": ["ann@example.com", "bob@example.org"]},
  "tagOwners": {"tag:a": [], "tag:b": ["tag:a"], "tag:r": []},
  "hosts": {"net": "10.1.0.0/16", "deep": "10.1.2.3"},
  "postures": {"posture:linux": ["node:os == 'linux'"], "posture:set": ["custom:tier IS SET"]},
  "autoApprovers": {"routes": {"10.0.0.0/8": ["tag:r"]}, "exitNode": ["tag:r"]},`
const POLICIES = [
  '"acls": []',
  '"acls": [], "derpMap": {"omitDefaultRegions": true, "regions": {"910": {"regionID": 910, "regionCode": "l", "regionName": "L", "nodes": [{"name": "l", "regionID": 910, "hostName": "l.example.com"}]}}}',
  '"grants": [{"src": ["*"], "dst": ["*"], "ip": ["*"]}]',
  '"acls": [{"action": "accept", "src": ["*"], "dst": ["autogroup:self:*"]}]',
  '"grants": [{"src": ["group:g"], "dst": ["tag:a", "tag:b"], "ip": ["tcp:22", "icmp:*"]}]',
  '"grants": [{"src": ["group:g", "tag:b"], "dst": ["*"], "ip": ["tcp:22", "udp:53"]}, {"src": ["autogroup:admin"], "dst": ["tag:a"], "ip": ["*"]}]',
  '"grants": [{"src": ["tag:a"], "dst": ["net"], "ip": ["*"]}, {"src": ["autogroup:member"], "dst": ["autogroup:internet"], "ip": ["*"]}]',
  '"grants": [{"src": ["tag:a"], "dst": ["net"], "ip": ["*"], "via": ["tag:r"]}, {"src": ["tag:b"], "dst": ["net"], "ip": ["443"]}]',
  '"grants": [{"src": ["autogroup:member"], "dst": ["tag:a"], "ip": ["*"], "srcPosture": ["posture:linux"]}, {"src": ["*"], "dst": ["tag:b"], "ip": ["80"], "srcPosture": ["posture:set"]}]',
  '"grants": [{"src": ["autogroup:admin", "deep"], "dst": ["*"], "app": {"tailscale.com/cap/drive": [{}], "example.com/x": []}}]',
  '"acls": [{"action": "accept", "src": ["net"], "dst": ["autogroup:member:*"]}, {"action": "accept", "src": ["user:*@example.com"], "dst": ["autogroup:tagged:1-9"]}]',
  '"acls": [], "ssh": [{"action": "accept", "src": ["autogroup:member"], "dst": ["autogroup:self", "tag:a"], "users": ["autogroup:nonroot", "localpart:*@example.com"]}]',
  '"acls": [], "ssh": [{"action": "check", "src": ["group:g", "tag:b"], "dst": ["tag:a"], "users": ["root"]}], "nodeAttrs": [{"target": ["tag:a"], "attr": ["funnel"]}, {"target": ["tag:b"], "attr": ["disable-ipv4"]}]',
]

async function save(world: World, n: number): Promise<void> {
  await saveText(world, n, `{${NAMES} ${POLICIES[n]}}`)
}

async function saveText(world: World, n: number, text: string): Promise<void> {
  await world.coord.ledger.transact(world.tailnet.num, TESTER, (model, at) => {
    const expect = model.state(world.tailnet.num).version('policy', CURRENT_POLICY)
    const value = {
      version: n + 1,
      text,
      at,
      by: 'test',
      comment: '',
      domains: ['example.com'],
    }
    return { batch: { writes: [{ kind: 'policy', id: CURRENT_POLICY, expect, value }] }, result: undefined }
  })
}

async function hand(world: World, machine: Machine, name: string, value: string, expires?: Wall): Promise<void> {
  await world.coord.ledger.transact(world.tailnet.num, TESTER, (model) => {
    const id = String(machine.node.id)
    const expect = model.state(world.tailnet.num).version('attributes', id)
    const values = { [name]: { value, ...(expires === undefined ? {} : { expires }) } }
    return { batch: { writes: [{ kind: 'attributes', id, expect, value: { values } }] }, result: undefined }
  })
}

async function promote(world: World, user: User, role: User['role']): Promise<void> {
  await world.coord.ledger.transact(world.tailnet.num, TESTER, (model) => {
    const state = model.state(world.tailnet.num)
    const value = { ...(state.usersById.get(user.id) as User), role }
    const id = String(user.id)
    return { batch: { writes: [{ kind: 'user', id, expect: state.version('user', id), value }] }, result: undefined }
  })
}

/** The last that was said of each field, and the peers. */
function known(messages: readonly MapMessage[]): Record<string, unknown> {
  const last: MapMessage = {}
  for (const message of messages) Object.assign(last, message)
  const peers = [...peersAfter(messages).values()]
    .map(({ LastSeen, ...peer }) => (peer.Online ? peer : { ...peer, LastSeen }))
    .sort((a, b) => a['ID'] - b['ID'])
  const { Hostinfo: _hostinfo, Endpoints: _endpoints, HomeDERP: _home, ...self } = last.Node as MapNode
  return { peers, self, filters: last.PacketFilters, ssh: last['SSHPolicy'], relays: last.DERPMap }
}

type Act = (
  world: World,
  machine: Machine,
  random: (below: number) => number,
  all: Machine[],
  users: User[],
) => Promise<void>

const TAG_SETS = [[], ['tag:a'], ['tag:b'], ['tag:a', 'tag:b'], ['tag:r'], ['tag:a', 'tag:r']]
const ROUTES = [[], ['10.1.0.0/16'], ['10.0.0.0/8'], ['10.1.0.0/16', '0.0.0.0/0', '::/0'], ['10.1.2.0/24']]

const acts: readonly Act[] = [
  async (world, _, random) => await save(world, random(POLICIES.length)),
  async (world, _, random) => await save(world, random(POLICIES.length)),
  async (world, _, random, all, users) => {
    if (all.length > 11) return
    const machine = await world.joined(`host-${random(9)}`)
    all.push(machine)
    await world.change(machine.node.id, () => ({ user: (users[random(users.length)] as User).id }))
  },
  async (world, machine, random) =>
    await world.change(machine.node.id, () => ({ tags: TAG_SETS[random(TAG_SETS.length)] as string[] })),
  async (world, machine, random, _, users) =>
    await world.change(machine.node.id, () => ({ user: (users[random(users.length)] as User).id })),
  async (world, _, random, __, users) =>
    await promote(
      world,
      users[1 + random(users.length - 1)] as User,
      (['member', 'admin', 'auditor'] as const)[random(3)] as User['role'],
    ),
  async (_, machine, random) => {
    machine.hostinfo = { ...machine.hostinfo, RoutableIPs: ROUTES[random(ROUTES.length)] }
    await machine.lite()
  },
  async (world, machine) => await world.turnUnwell(machine.node.id),
  async (world, machine, random) =>
    await world.change(machine.node.id, () => ({ approvedRoutes: ROUTES[random(ROUTES.length)] as string[] })),
  async (_, machine, random) => {
    machine.hostinfo = { ...machine.hostinfo, OS: ['linux', 'windows'][random(2)] }
    await machine.lite()
  },
  async (world, machine, random) =>
    await hand(world, machine, 'custom:tier', 'one', random(2) ? ((world.wall() + 900) as Wall) : undefined),
  async (world, machine) => await world.change(machine.node.id, (node) => ({ authorized: !node.authorized })),
  async (world, machine, random) => {
    const ipv4 = `100.65.${random(200)}.${machine.node.id % 250}`
    await world.change(machine.node.id, () => ({
      ipv4,
      ipv6: `fd7a:115c:a1e0::${random(60_000).toString(16)}:${machine.node.id.toString(16)}`,
    }))
  },
  async (_, machine) => machine.stream.end(),
  async (_, machine) => {
    machine.stream.end()
    machine.stream = await machine.map()
  },
  async (_, machine) => {
    machine.stream.slow = true
  },
  async (_, machine) => machine.stream.drain(),
  async (world, machine, _, all) => {
    await world.coord.ledger.transact(world.tailnet.num, TESTER, (model, now) => ({
      batch: deleteNode(model.state(world.tailnet.num), machine.node, now),
      result: undefined,
    }))
    all.splice(all.indexOf(machine), 1)
  },
]

async function live(seed: number): Promise<void> {
  const random = seeded(seed)
  const world = await World.start()
  const owner = [...world.state().usersById.values()][0] as User
  const users = [owner, await world.user('ann@example.com'), await world.user('bob@example.org')]
  const all: Machine[] = [await world.joined('first'), await world.joined('second'), await world.joined('third')]
  for (let step = 0; step < 60; step++) {
    if (all.length === 0) all.push(await world.joined('again'))
    const machine = all[random(all.length)] as Machine
    await (acts[random(acts.length)] as Act)(world, machine, random, all, users)
    await world.pass([0, 10, 300, 2000, 15_000][random(5)] as number)
  }
  for (const machine of all) {
    if (machine.stream.ended) machine.stream = await machine.map()
    machine.stream.drain()
  }
  await world.pass(1000)
  for (const machine of all) {
    const fresh = await machine.map({ Stream: false })
    assert.deepEqual(known(machine.stream.messages), known(fresh.messages), `seed ${seed}: ${machine.node.name}`)
  }
  compareByAddress(world, all, seed)
  world.coord.close()
}

const FLOWS = [
  { protocol: 6, port: 22 },
  { protocol: 17, port: 53 },
  { protocol: 6, port: 443 },
  { protocol: 1, port: 0 },
  { protocol: 58, port: 0 },
  { protocol: 47, port: 0 },
]
/** Also behind no approved route, where a client that offers it lets in what its filter does. */
const ELSEWHERE = ['10.1.2.3', '10.9.9.9', '8.8.8.8'].map((text) => parseIp(text) as Ip)

/** Whom each client lets in by what its stream told it, against a filter that has nothing but addresses. */
function compareByAddress(world: World, all: readonly Machine[], seed: number): void {
  const plain = new TailnetMap(world.state(), world.tailnet, () => new Uint8Array(0))
  plain.setPolicy(new Policies().of(world.state()), world.wall(), [], false)
  for (const machine of all) {
    const { peers, filters, self } = known(machine.stream.messages) as {
      peers: MapNode[]
      filters: Record<string, FilterRule[]>
      self: MapNode
    }
    const owner = new Map(peers.flatMap((peer) => peer.Addresses.map((own) => [own, peer] as const)))
    const entry = plain.entries.get(machine.node.id)
    if (entry === undefined) continue
    const byName = new ClientFilter(Object.values(filters).flat(), (from, name) => {
      const caps = owner.get(formatPrefix(prefixOf(from)))?.['CapMap'] as Record<string, null> | undefined
      return Object.hasOwn(caps ?? {}, name)
    })
    const byAddress = new ClientFilter(Object.values(plain.reach.filters(entry)).flat())
    const offered = (machine.hostinfo['RoutableIPs'] ?? []) as string[]
    const nets = [...self.Addresses, ...offered].map(prefix)
    const sources = [...owner.keys()].map((own) => prefix(own).ip)
    for (const from of [...sources, ...ELSEWHERE])
      for (const to of [...self.Addresses.map((own) => prefix(own).ip), ...ELSEWHERE])
        for (const traffic of from.family === to.family ? FLOWS : []) {
          const [got, want] = [byName, byAddress].map((client) => client.passes(nets, { from, to, ...traffic }))
          const flow = `${formatIp(from)} to ${formatIp(to)}, ${JSON.stringify(traffic)}`
          assert.equal(got, want, `seed ${seed}: ${machine.node.name}: ${flow}`)
        }
  }
}

const runs = Number(process.env['SETT_SIM_RUNS'] ?? 12)
const base = process.env['SETT_SIM_SEED'] === undefined ? Date.now() % 1_000_000 : Number(process.env['SETT_SIM_SEED'])
test(`streams tell what a policy says now, ${runs} tailnets from seed ${base}`, async () => {
  for (let run = 0; run < runs; run++) await live(base + run)
})

const MEMBERS = 40
/** A group that may reach servers, in two ways to write it. */
const GROUP_POLICY = `{"groups": {"group:g": ["ann@example.com"]}, "tagOwners": {"tag:a": []},
  "grants": [{"src": ["group:g"], "dst": ["tag:a"], "ip": ["tcp:22"]}]}`

/** What a server and a router hear when one more machine joins the group: messages, and their bytes. */
async function oneMore(
  expandedRules: boolean,
): Promise<{ messages: MapMessage[]; bytes: number; router: MapMessage[] }> {
  const world = await World.start({ expandedRules })
  await saveText(world, 0, GROUP_POLICY)
  const ann = await world.user('ann@example.com')
  const server = await world.joined('server', { tags: ['tag:a'] })
  const router = await world.joined('router', { tags: ['tag:a'] })
  // It offers what nobody has approved: all the same its client would let in ICMP to it.
  router.hostinfo = { ...router.hostinfo, RoutableIPs: ['10.1.0.0/16'] }
  await router.lite()
  for (let n = 0; n < MEMBERS; n++) await world.joined(`host-${n}`, { user: ann.id })
  await world.pass(5000)
  const [frames, routed] = [server.stream.frames.length, router.stream.messages.length]
  await world.joined('one-more', { user: ann.id })
  await world.pass(5000)
  world.coord.close()
  return {
    messages: server.stream.messages.slice(frames),
    bytes: server.stream.frames.slice(frames).reduce((sum, frame) => sum + frame.length, 0),
    router: router.stream.messages.slice(routed),
  }
}

test('a machine that joins a large group is shown to others, and has no filter sent again', async () => {
  const [byName, byAddress] = [await oneMore(false), await oneMore(true)]
  const saysFilters = (messages: readonly MapMessage[]): number[] =>
    messages.flatMap(({ PacketFilters }) =>
      Object.values(PacketFilters ?? {}).map(([rule]) => rule?.SrcIPs.length ?? 0),
    )
  const names = (messages: readonly MapMessage[]): unknown[] =>
    messages.flatMap(({ PeersChanged = [] }) => PeersChanged.map(({ CapMap }) => CapMap))
  assert.deepEqual(saysFilters(byName.messages), [])
  assert.deepEqual([...new Set(names(byName.messages).map((caps) => JSON.stringify(caps)))], ['{"sett/src/1":null}'])
  assert.deepEqual(saysFilters(byAddress.messages), [2 * (MEMBERS + 1)])
  assert.ok(names(byAddress.messages).every((caps) => caps === undefined))
  assert.ok(byName.bytes < byAddress.bytes, `${byName.bytes} bytes by name, ${byAddress.bytes} by address`)
  assert.deepEqual(saysFilters(byName.router), [2 * (MEMBERS + 1)], 'a machine that offers routes has addresses')
})
