/** Differences of two policies against asking both about every flow, login, pair and route. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { formatPrefix, parseIp, parsePrefix, prefixContains, prefixOf } from '../../src/base/ip.ts'
import type { Ip, Prefix } from '../../src/base/ip.ts'
import { diff, diffLines } from '../../src/policy/diff/index.ts'
import type { Party, Sides } from '../../src/policy/diff/index.ts'
import { Engine } from '../../src/policy/engine.ts'
import type { Policy } from '../../src/policy/policy.ts'
import { isUsefulRoute } from '../../src/policy/selection.ts'
import type { PolicyNode, PolicyTailnet } from '../../src/policy/tailnet.ts'
import { allowing } from '../../src/policy/verdict.ts'
import { policies } from './generate-policy.ts'
import { FIRST_OUTSIDE, PLACES, tailnets } from './generate.ts'
import { isHost } from './plain-beyond.ts'
import { mayLogIn } from './plain-ssh.ts'
import * as plain from './plain.ts'
import { runs } from './runs.ts'
import { say } from './say.ts'
import { isThroughExit } from './wire-filter.ts'

const TRAFFIC = [
  { protocol: 6, port: 22 },
  { protocol: 6, port: 80 },
  { protocol: 6, port: 0 },
  { protocol: 17, port: 443 },
  { protocol: 17, port: 1000 },
  { protocol: 132, port: 22 },
  { protocol: 1, port: 0 },
  { protocol: 47, port: 0 },
]
const ACCOUNTS = ['root', 'ubuntu', 'ann', 'bob', 'cy', 'dee']

/** Mostly alike, as an edited policy is; sometimes another one altogether. */
type Two = readonly [Policy, Policy]
const pairs: fc.Arbitrary<Two> = fc.oneof<fc.Arbitrary<Two>[]>(
  fc.tuple(policies(4), policies(4)).map((two): Two => two),
  fc.tuple(policies(4), policies(2)).map(([one, other]): Two => [
    one,
    {
      ...one,
      rules: [...one.rules.slice(1), ...other.rules].map((rule, index) => ({ ...rule, index })),
      ssh: [...one.ssh.slice(1), ...other.ssh].map((rule, index) => ({ ...rule, index })),
    },
  ]),
  fc
    .tuple(policies(4), policies(1))
    .map(([one, other]) => [one, { ...one, groups: other.groups, ipsets: other.ipsets }]),
)

function isNode(parties: readonly Party[], node: PolicyNode): boolean {
  return parties.some((party) => {
    if (party.kind === 'everybody') return node.slot < FIRST_OUTSIDE
    if (party.kind !== 'user' && party.kind !== 'tags') return false
    if (party.nodes !== undefined && !party.nodes.includes(node.id)) return false
    if (party.kind === 'tags') return node.tags.length > 0 && [...node.tags].sort().join() === party.tags.join()
    return node.tags.length === 0 && node.user.login === party.login
  })
}

function isIn(ranges: readonly string[], ip: Ip): boolean {
  return ranges.some((text) => {
    const [first, last] = text.split('-').map(parseIp)
    if (last !== undefined && first !== undefined)
      return first.family === ip.family && first.value <= ip.value && ip.value <= last.value
    const net = parsePrefix(text) ?? (first && prefixOf(first))
    return net !== undefined && prefixContains(net, ip)
  })
}

/** A node, or an address behind one. */
interface End {
  readonly ip: Ip
  readonly node?: PolicyNode
  readonly behind?: PolicyNode
  readonly service?: string
}

function isParty(parties: readonly Party[], { ip, node, behind, service }: End): boolean {
  if (node !== undefined) return isNode(parties, node)
  return parties.some((party) => {
    if (party.kind === 'service') return party.node === behind?.id && party.service === service
    // A Service's address in a router's subnet is still the Service's.
    if (service !== undefined) return false
    if (party.kind === 'addresses') return isIn(party.ranges, ip)
    return party.kind === 'behind' && party.node === behind?.id && isIn(party.ranges, ip)
  })
}

function isBetween({ from, to, between }: Sides, a: End, b: End): boolean {
  if (!isParty(from, a) || !isParty(to, b)) return false
  const own = a.node !== undefined && b.node !== undefined && plain.sameUser(a.node, b.node)
  return between === 'all' || (between === 'own') === own
}

const outsiders = ({ sharees = [] }: PolicyTailnet): PolicyNode[] => sharees.flatMap(({ devices }) => devices)

function* flows(tailnet: PolicyTailnet): Generator<{ readonly from: End; readonly to: End; readonly at: PolicyNode }> {
  const { nodes, services = [] } = tailnet
  const isCarried = (route: Prefix, ip: Ip): boolean =>
    prefixContains(route, ip) && (route.bits > 0 || isThroughExit(ip))
  for (const family of [4, 6] as const) {
    const own: End[] = nodes.map((node) => ({ node, ip: family === 4 ? node.ipv4 : node.ipv6 }))
    const places = PLACES.filter((ip) => ip.family === family)
    const senders = places.filter((ip) =>
      nodes.some(({ routes }) => routes.some((r) => isUsefulRoute(r) && isCarried(r, ip))),
    )
    const hosted: End[] = services.flatMap((service) =>
      nodes
        .filter((behind) => isHost(service, behind))
        .map((behind) => ({ ip: family === 4 ? service.ipv4 : service.ipv6, behind, service: service.name })),
    )
    const others: End[] = outsiders(tailnet).map((node) => ({ node, ip: family === 4 ? node.ipv4 : node.ipv6 }))
    const routed: End[] = places.flatMap((ip) =>
      nodes.filter(({ routes }) => routes.some((r) => isCarried(r, ip))).map((behind) => ({ ip, behind })),
    )
    for (const from of [...own, ...others, ...senders.map((ip): End => ({ ip }))])
      for (const to of [...own, ...others, ...routed, ...hosted]) {
        const at = to.node ?? to.behind
        if (at !== undefined && (from.node !== at || to.node === undefined)) yield { from, to, at }
      }
  }
}

test('flows: what opens and closes is what one filter lets pass and the other does not', () => {
  let [opened, closed] = [0, 0]
  fc.assert(
    fc.property(pairs, tailnets(5), ([before, after], tailnet) => {
      const [was, is] = [new Engine(before, tailnet.nodes, tailnet), new Engine(after, tailnet.nodes, tailnet)]
      const found = diff(was, is)
      assert.ok(found.complete)
      assert.ok(diffLines(found, String).length > 0)
      for (const { from, to, at } of flows(tailnet)) {
        const changes = found.flows.filter(
          (change) => change.families.includes(to.ip.family) && isBetween(change, from, to),
        )
        for (const traffic of TRAFFIC) {
          const flow = {
            from: from.ip,
            to: to.ip,
            ...traffic,
            protocol: traffic.protocol === 1 && to.ip.family === 6 ? 58 : traffic.protocol,
          }
          const has = (list: typeof changes, side: 'opens' | 'closes'): boolean =>
            list.some((change) =>
              change[side].some(
                ({ protocol, ports }) =>
                  protocol === traffic.protocol &&
                  ports.some(({ first, last }) => first <= traffic.port && traffic.port <= last),
              ),
            )
          const [passed, passes] = [was, is].map((engine) => allowing(engine.access, at, flow).length > 0)
          const want = { opens: !passed && passes, closes: passed && !passes }
          const got = { opens: has(changes, 'opens'), closes: has(changes, 'closes') }
          if (want.opens) opened++
          if (want.closes) closed++
          if (want.opens !== got.opens || want.closes !== got.closes)
            assert.fail(say(before, tailnet, after.rules, { want, got, flow, at: at.slot, changes, all: found.flows }))
        }
      }
    }),
    runs(60),
  )
  assert.ok(opened > 0 && closed > 0)
})

test('logins: every account of every pair', () => {
  let changed = 0
  fc.assert(
    fc.property(pairs, tailnets(6), ([before, after], tailnet) => {
      const found = diff(new Engine(before, tailnet.nodes, tailnet), new Engine(after, tailnet.nodes, tailnet)).logins
      for (const a of tailnet.nodes)
        for (const b of tailnet.nodes) {
          if (a === b) continue
          const ends = [
            { node: a, ip: a.ipv4 },
            { node: b, ip: b.ipv4 },
          ] as const
          const told = found.filter((change) => isBetween(change, ...ends)).flatMap(({ accounts }) => accounts)
          for (const account of ACCOUNTS) {
            const was = mayLogIn(before, a, b, account)
            const is = mayLogIn(after, a, b, account)
            const named = told.filter((change) => change.account === account)
            const others = told.filter(
              (t) => t.account === '*' && account !== 'root' && !(t.except ?? []).includes(account),
            )
            const got = (named.length > 0 ? named : others).map((t) => [t.before ?? 'refuse', t.after ?? 'refuse'])
            const want = was === is ? [] : [[was, is]]
            if (was !== is) changed++
            if (JSON.stringify(got) !== JSON.stringify(want))
              assert.fail(say(before, tailnet, after.ssh, { want, got, account, told, a: a.slot, b: b.slot }))
          }
        }
    }),
    runs(150),
  )
  assert.ok(changed > 0)
})

test('sight: every pair that sees each other anew or no more, and no other', () => {
  fc.assert(
    fc.property(pairs, tailnets(6), ([before, after], tailnet) => {
      const found = diff(new Engine(before, tailnet.nodes, tailnet), new Engine(after, tailnet.nodes, tailnet)).sight
      for (const a of [...tailnet.nodes, ...outsiders(tailnet)])
        for (const b of [...tailnet.nodes, ...outsiders(tailnet)]) {
          if (a === b) continue
          const [was, is] = [before, after].map((policy) => plain.sees(policy, tailnet, a, b))
          const [x, y] = [
            { node: a, ip: a.ipv4 },
            { node: b, ip: b.ipv4 },
          ]
          const told = found.filter((change) => isBetween(change, x, y) || isBetween(change, y, x))
          const want = was === is ? [] : [is]
          const got = [...new Set(told.map(({ sees }) => sees))]
          if (got.join() !== want.join())
            assert.fail(say(before, tailnet, after.rules, { want, got, a: a.slot, b: b.slot }))
        }
    }),
    runs(100),
  )
})

test('routes: everybody who is told of one anew or no more', () => {
  fc.assert(
    fc.property(pairs, tailnets(6), ([before, after], tailnet) => {
      const found = diff(new Engine(before, tailnet.nodes, tailnet), new Engine(after, tailnet.nodes, tailnet)).routes
      for (const viewer of [...tailnet.nodes, ...outsiders(tailnet)])
        for (const peer of tailnet.nodes) {
          if (viewer === peer) continue
          const [was, is] = [before, after].map((policy) => plain.routesOf(policy, tailnet, viewer, peer))
          for (const route of peer.routes.map(formatPrefix)) {
            const want = was?.includes(route) === is?.includes(route) ? [] : [is?.includes(route)]
            const got = found
              .filter((change) => change.node === peer.id && change.route === route && isNode(change.viewers, viewer))
              .map(({ told }) => told)
            if (got.join() !== want.join())
              assert.fail(say(before, tailnet, after.rules, { want, got, route, viewer: viewer.slot, peer: peer.slot }))
          }
        }
    }),
    runs(100),
  )
})
