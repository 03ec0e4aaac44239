/**
 * Filters that admit nodes by name against the same filters by address: for every packet that can reach a client,
 * both give the same verdict; and who joins a group has nobody's filter written anew.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { prefixContains, prefixOf } from '../../src/base/ip.ts'
import type { Ip, Prefix } from '../../src/base/ip.ts'
import { SourceNames } from '../../src/policy/capability-sources.ts'
import { Engine } from '../../src/policy/engine.ts'
import type { FilterRule } from '../../src/policy/filter.ts'
import type { Destination, Policy, Selector, Traffic } from '../../src/policy/policy.ts'
import { addressesOf } from '../../src/policy/services.ts'
import type { PolicyNode } from '../../src/policy/tailnet.ts'
import { autogroup, EMPTY, policies, selector, tag, user } from './generate-policy.ts'
import { addressesAt, changes, ip, PLACES, Story, tailnets } from './generate.ts'
import { hostedBy } from './plain-beyond.ts'
import { runs } from './runs.ts'
import { say } from './say.ts'
import { ClientFilter, isThroughExit } from './wire-filter.ts'
import type { HasCapability } from './wire-filter.ts'

/** Ports on the edges of what policies name; both kinds of ICMP; protocols without ports. */
const TRAFFIC = [
  ...[6, 17, 132].flatMap((protocol) => [22, 80, 443, 1000].map((port) => ({ protocol, port }))),
  ...[1, 58, 47, 4].map((protocol) => ({ protocol, port: 0 })),
]

/** What the client of a node asks of its peers: those that it sees, with what their entries in its map say. */
function peersOf(engine: Engine, at: number): HasCapability {
  const visible = engine.visible(at)
  return (address, name) => {
    const peer = engine.selection.at(address)
    return peer !== undefined && visible.has(peer.slot) && engine.sourceNames(peer.slot).includes(name)
  }
}

function localNets(node: PolicyNode, to: Ip): Prefix[] {
  const routes = node.routes.filter(
    ({ bits, ip: { family } }) => bits > 0 || (family === to.family && isThroughExit(to)),
  )
  return [prefixOf(node.ipv4), prefixOf(node.ipv6), ...routes]
}

const isNamed = ({ SrcIPs }: FilterRule): boolean => SrcIPs.some((text) => text.startsWith('cap:'))

test('by name and by address, the same packets pass: before and after changes, whatever the protocol', () => {
  let [named, icmp, mixed] = [0, 0, 0]
  fc.assert(
    fc.property(policies(4), tailnets(4), changes(5, 3), (policy, tailnet, list) => {
      const story = new Story(tailnet)
      const engine = new Engine(policy, tailnet.nodes, { ...tailnet, names: new SourceNames() })
      const check = (): void => {
        const { nodes } = story.tailnet
        const plain = new Engine(policy, nodes, tailnet)
        for (const at of nodes) {
          const [short, long] = [engine.filter(at.slot), plain.filter(at.slot)]
          if (short.some(isNamed)) named++
          if (short.some(isNamed) && !short.every(isNamed)) mixed++
          const [byName, byAddress] = [new ClientFilter(short, peersOf(engine, at.slot)), new ClientFilter(long)]
          const hosted = hostedBy(tailnet, at).flatMap(addressesOf)
          for (const to of [at.ipv4, at.ipv6, ...hosted, ...PLACES])
            for (const from of [...nodes.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]), ...PLACES]) {
              // Its own packets no client lets in through the tunnel.
              if (from.family !== to.family || from.value === at.ipv4.value || from.value === at.ipv6.value) continue
              const nets = [...localNets(at, to), ...hosted.map((vip) => prefixOf(vip))]
              for (const traffic of TRAFFIC) {
                const flow = { from, to, ...traffic }
                const [got, want] = [byName.passes(nets, flow), byAddress.passes(nets, flow)]
                if (got && short.some(isNamed) && (traffic.protocol === 1 || traffic.protocol === 58)) icmp++
                if (got !== want) assert.fail(say(policy, story.tailnet, { got, want, flow, at: at.slot, short, long }))
              }
              const caps = [byName, byAddress].map((client) => JSON.stringify([...client.capabilities(from, to)]))
              if (caps[0] !== caps[1]) assert.fail(say(policy, story.tailnet, { caps, from, to, at: at.slot, short }))
            }
        }
      }
      check()
      for (const change of list) for (const slot of story.apply(change)) engine.set(slot, story.nodes.get(slot))
      check()
    }),
    runs(80),
  )
  assert.ok(named > 0 && icmp > 0 && mixed > 0, `filters with names: ${named}, with both: ${mixed}; ICMP: ${icmp}`)
})

const at = { line: 1, column: 1 }
const PORT_22: Traffic = { protocol: 6, ports: [{ first: 22, last: 22 }] }
const group = selector({ kind: 'group', group: 'group:x' })
const address = selector({ kind: 'prefix', prefix: prefixOf(ip('100.64.0.1')) })
const net = selector({ kind: 'prefix', prefix: { ip: ip('10.33.0.0'), bits: 16 } })

function policyOf(sources: readonly Selector[], targets: readonly Selector[], more: Partial<Rule> = {}): Policy {
  const { traffic = [PORT_22], app = new Map(), postures = [] } = more
  const destinations = targets.map((target): Destination => ({ target, traffic }))
  return {
    ...EMPTY,
    rules: [{ kind: 'grant', index: 0, at, sources, destinations, app, via: [], postures }],
    groups: new Map([
      ['group:x', { name: 'group:x', at, members: ['ann', 'bob'].map((n) => user(`${n}@example.com`)) }],
    ]),
    postures: new Map([
      ['posture:p', { name: 'posture:p', at, assertions: [{ at, text: '', attribute: 'node:os', op: 'IS SET' }] }],
    ]),
  }
}
interface Rule {
  readonly traffic: readonly Traffic[]
  readonly app: ReadonlyMap<string, readonly unknown[]>
  readonly postures: readonly string[]
}

function node(slot: number, who: string, more: Partial<PolicyNode> = {}): PolicyNode {
  const [tags, login] = who.startsWith('tag:') ? [[who], 'ann@example.com'] : [[], `${who}@example.com`]
  const user = { id: login.charCodeAt(0), login, role: 'member' } as const
  const own = addressesAt(slot)
  return {
    slot,
    id: slot + 1,
    user,
    tags,
    ...own,
    routes: [],
    online: true,
    attributes: new Map(),
    readsSourceNames: true,
    ...more,
  }
}

/** A server at slot 0, and machines of Ann, Bob and Cy. */
const machines = (server: Partial<PolicyNode> = {}): PolicyNode[] => [
  node(0, 'tag:a', server),
  node(1, 'ann', { attributes: new Map([['node:os', 'linux']]) }),
  node(2, 'bob'),
  node(3, 'cy'),
]
const NAME = 'cap:sett/src/1'
const rows: readonly { name: string; policy: Policy; server?: Partial<PolicyNode>; want: readonly string[][] }[] = [
  { name: 'a group', policy: policyOf([group], [tag('tag:a')]), want: [[NAME]] },
  { name: 'a tag', policy: policyOf([tag('tag:b')], [tag('tag:a')]), want: [[NAME]] },
  { name: 'a role', policy: policyOf([autogroup('member')], [tag('tag:a')]), want: [[NAME]] },
  {
    name: 'a rule without a protocol',
    policy: policyOf([group], [tag('tag:a')], { traffic: [{ ports: PORT_22.ports }] }),
    want: [[NAME]],
  },
  { name: 'towards everything', policy: policyOf([group], [selector({ kind: 'any' })]), want: [[NAME]] },
  {
    name: 'beside addresses',
    policy: policyOf([group, net, autogroup('tagged')], [tag('tag:a')]),
    want: [[NAME, 'cap:sett/src/2', '10.33.0.0/16']],
  },
  {
    name: 'only those who meet a posture',
    policy: policyOf([group], [tag('tag:a')], { postures: ['posture:p'] }),
    want: [[NAME]],
  },
  {
    name: 'everything that meets a posture',
    policy: policyOf([selector({ kind: 'any' })], [tag('tag:a')], { postures: ['posture:p'] }),
    want: [[NAME]],
  },
  {
    name: 'a client that does not read names',
    policy: policyOf([group], [tag('tag:a')]),
    server: { readsSourceNames: false },
    want: [['100.64.0.2', 'fd7a:115c:a1e0::2', '100.64.0.3', 'fd7a:115c:a1e0::3']],
  },
  {
    name: 'a router, whose ICMP names would open',
    policy: policyOf([group], [tag('tag:a')]),
    server: { routes: [{ ip: ip('10.33.0.0'), bits: 16 }] },
    want: [['100.64.0.2', 'fd7a:115c:a1e0::2', '100.64.0.3', 'fd7a:115c:a1e0::3']],
  },
  {
    name: 'one of two addresses, to the other of which a name would open ICMP',
    policy: policyOf([group], [address]),
    want: [['100.64.0.2', 'fd7a:115c:a1e0::2', '100.64.0.3', 'fd7a:115c:a1e0::3']],
  },
  {
    name: 'a protocol for which clients overlook names',
    policy: policyOf([group], [tag('tag:a')], { traffic: [{ protocol: 47, ports: [{ first: 0, last: 65535 }] }] }),
    want: [['100.64.0.2', 'fd7a:115c:a1e0::2', '100.64.0.3', 'fd7a:115c:a1e0::3']],
  },
  {
    name: 'capability grants, beside what is by name',
    policy: policyOf([group], [tag('tag:a')], { app: new Map([['example.com/x', []]]) }),
    want: [[NAME], ['100.64.0.2', 'fd7a:115c:a1e0::2', '100.64.0.3', 'fd7a:115c:a1e0::3']],
  },
  {
    name: 'everything there is: two ranges and a prefix say it',
    policy: policyOf([selector({ kind: 'any' })], [tag('tag:a')]),
    want: [['100.64.0.0-100.115.91.255', '100.115.94.0-100.127.255.255', 'fd7a:115c:a1e0::/48']],
  },
]

test('what is by name, and what is by address', () => {
  for (const { name, policy, server, want } of rows) {
    const engine = new Engine(policy, machines(server), { names: new SourceNames() })
    assert.deepEqual(
      engine.filter(0).map(({ SrcIPs }) => [...SrcIPs]),
      want,
      name,
    )
  }
})

test('who enters or leaves a group carries a name or none, and no filter by name is written anew', () => {
  const policy = policyOf([group], [tag('tag:a')])
  const nodes = [...machines(), node(4, 'tag:a'), node(5, 'tag:a', { readsSourceNames: false })]
  const engine = new Engine(policy, nodes, { names: new SourceNames() })
  const carries = (slot: number): boolean => engine.sourceNames(slot).length > 0
  assert.deepEqual([0, 1, 2, 3].map(carries), [false, true, true, false])
  const before = JSON.stringify(engine.filter(4))
  // Only who reads addresses is told, and the newcomer.
  assert.deepEqual([...engine.set(6, node(6, 'bob')).rules], [5, 6])
  assert.ok(carries(6) && engine.connects(6, 4))
  assert.deepEqual([...engine.set(6, node(6, 'cy')).rules], [5, 6])
  assert.ok(!carries(6) && !engine.connects(6, 4))
  assert.deepEqual([...engine.set(1, undefined).rules], [1, 5])
  assert.equal(JSON.stringify(engine.filter(4)), before)
})

test('who meets a posture carries a name of its own for that', () => {
  const one = policyOf([group], [tag('tag:a')])
  const [rule] = one.rules as [Policy['rules'][0]]
  const policy: Policy = {
    ...policyOf([group], [tag('tag:a')]),
    rules: [rule, { ...rule, index: 1, postures: ['posture:p'] }],
  }
  const engine = new Engine(policy, machines(), { names: new SourceNames() })
  const carried = (): string[] => [1, 2, 3].map((slot) => engine.sourceNames(slot).join())
  assert.deepEqual(carried(), ['sett/src/1,sett/src/2', 'sett/src/1', ''])
  assert.deepEqual(
    engine.filter(0).map(({ SrcIPs }) => SrcIPs.join()),
    ['cap:sett/src/1', 'cap:sett/src/2'],
  )
  engine.set(1, node(1, 'ann'))
  engine.set(2, node(2, 'bob', { attributes: new Map([['node:os', 'linux']]) }))
  assert.deepEqual(carried(), ['sett/src/1', 'sett/src/1,sett/src/2', ''])
})

test('rules of two groups that have the same members stay two', () => {
  const one = policyOf([group], [tag('tag:a')])
  const [rule] = one.rules as [Policy['rules'][0]]
  const both: Policy = {
    ...one,
    rules: [rule, { ...rule, sources: [user('ann@example.com'), user('bob@example.com')] }, { ...rule, index: 2 }],
  }
  const sources = (names: SourceNames | undefined): number[] =>
    new Engine(both, machines(), { names })
      .filter(0)
      .map(({ SrcIPs, DstPorts }) => SrcIPs.length * 100 + (DstPorts?.length ?? 0))
  assert.deepEqual(sources(undefined), [406], 'by address they are one')
  assert.deepEqual(sources(new SourceNames()), [104, 202])
})

test('names stay what they are from policy to policy, and say nothing of what they stand for', () => {
  const names = new SourceNames()
  const carried = (policy: Policy): string => new Engine(policy, machines(), { names }).sourceNames(2).join()
  const [first] = [carried(policyOf([group], [tag('tag:a')]))]
  assert.equal(carried(policyOf([autogroup('member')], [tag('tag:a')])), 'sett/src/2')
  assert.equal(carried(policyOf([tag('tag:z'), group], [tag('tag:a')])), first)
  assert.match(first, /^sett\/src\/\d+$/)
})

test('a person in many groups carries some names, and is admitted by address through the others', () => {
  const many = Array.from({ length: 40 }, (_, n) => `group:${n}`)
  const [rule] = policyOf([group], [tag('tag:a')]).rules as [Policy['rules'][0]]
  const policy: Policy = {
    ...EMPTY,
    rules: many.map((name, index) => ({ ...rule, index, sources: [selector({ kind: 'group', group: name })] })),
    groups: new Map(many.map((name) => [name, { name, at, members: [user('ann@example.com')] }])),
  }
  const engine = new Engine(policy, machines(), { names: new SourceNames() })
  assert.equal(engine.sourceNames(1).length, 16)
  const texts = engine.filter(0).map(({ SrcIPs }) => SrcIPs.join())
  assert.equal(texts.filter((text) => text.startsWith('cap:')).length, 16)
  assert.ok(texts.includes('100.64.0.2,fd7a:115c:a1e0::2'))
  // The names don't tell of the device that comes now; the addresses do.
  assert.deepEqual([...engine.set(7, node(7, 'ann')).rules], [0, 7])
  assert.ok(prefixContains(prefixOf(addressesAt(7).ipv4), ip('100.64.0.8')))
})
