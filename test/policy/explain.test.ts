/**
 * Explanations against the plain reading of the policy: the verdict is that of the filter for every flow, and every
 * remedy that an explanation of a refusal names, carried out, does allow the flow.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { formatPrefix, parseIp, prefixContains, prefixOf } from '../../src/base/ip.ts'
import type { Ip, Prefix } from '../../src/base/ip.ts'
import { Engine } from '../../src/policy/engine.ts'
import { explain, explanationLines } from '../../src/policy/explain/index.ts'
import type { Edit, RuleRef } from '../../src/policy/explain/index.ts'
import type { AccessRule, Policy, Selector } from '../../src/policy/policy.ts'
import { isUsefulRoute } from '../../src/policy/selection.ts'
import type { PolicyNode, PolicyTailnet } from '../../src/policy/tailnet.ts'
import { autogroup, policies, selector, tag, user } from './generate-policy.ts'
import { PLACES, tailnets } from './generate.ts'
import { isHost, serviceAt, shareeAt } from './plain-beyond.ts'
import * as plain from './plain.ts'
import { IS_THOROUGH, runs } from './runs.ts'
import { say } from './say.ts'
import { isThroughExit } from './wire-filter.ts'

const TRAFFIC = [
  { protocol: 6, port: 22 },
  { protocol: 6, port: 100 },
  { protocol: 17, port: 443 },
  { protocol: 132, port: 22 },
  { protocol: 1, port: 0 },
  { protocol: 47, port: 0 },
]

/** A source and a destination of one family, and what is asked. */
function* questions({ nodes, services = [], sharees = [] }: PolicyTailnet) {
  const ends = [...nodes, ...services, ...sharees.flatMap(({ devices }) => devices)]
  for (const family of [4, 6] as const) {
    const own = ends.map(({ ipv4, ipv6 }) => (family === 4 ? ipv4 : ipv6))
    const all = [...own, ...PLACES.filter((place) => place.family === family)]
    for (const from of all)
      for (const to of all)
        for (const traffic of TRAFFIC)
          if (from !== to)
            yield { from, to, ...traffic, protocol: traffic.protocol === 1 && family === 6 ? 58 : traffic.protocol }
  }
}

const ownerOf = ({ nodes }: PolicyTailnet, ip: Ip): PolicyNode | undefined =>
  nodes.find(({ ipv4, ipv6 }) => [ipv4, ipv6].some((own) => own.value === ip.value && own.family === ip.family))

const leadsTo = (route: Prefix, ip: Ip): boolean => prefixContains(route, ip) && (route.bits > 0 || isThroughExit(ip))

/** As a person would find it out: the narrowest route that the sender is told of, and what the router there lets in. */
function wanted(policy: Policy, tailnet: PolicyTailnet, flow: { from: Ip; to: Ip; protocol: number; port: number }) {
  const owner = ownerOf(tailnet, flow.to)
  if (owner !== undefined) return plain.mayPass(policy, tailnet, { ...flow, at: owner })
  const service = serviceAt(tailnet, flow.to)
  if (service !== undefined && shareeAt(tailnet, flow.from) === undefined)
    return tailnet.nodes.some((at) => isHost(service, at) && plain.mayPass(policy, tailnet, { ...flow, at }))
  if (shareeAt(tailnet, flow.from) !== undefined)
    return tailnet.nodes.some((at) => plain.mayPass(policy, tailnet, { ...flow, at }))
  if (serviceAt(tailnet, flow.from) !== undefined || shareeAt(tailnet, flow.to) !== undefined) return false
  const own = ownerOf(tailnet, flow.from)
  const viewers =
    own === undefined
      ? tailnet.nodes.filter(({ routes }) => routes.some((r) => r.bits > 0 && prefixContains(r, flow.from)))
      : [own]
  let ways = tailnet.nodes.flatMap((node) =>
    node.routes
      .filter((route) => leadsTo(route, flow.to))
      .map((route) => ({
        node,
        bits: route.bits,
        told: viewers.some(
          (viewer) => viewer !== node && plain.routesOf(policy, tailnet, viewer, node).includes(formatPrefix(route)),
        ),
      })),
  )
  const others = ways.filter(({ node, told: is }) => is && !viewers.includes(node))
  const itself = ways.filter(({ node }) => viewers.includes(node))
  if (others.length > 0) ways = others
  // What it carries itself it sends out itself.
  else if (itself.length > 0) ways = itself
  const most = Math.max(...ways.map(({ bits }) => bits))
  return ways
    .filter(({ bits }) => bits === most)
    .some(
      ({ node, told }) =>
        (told || viewers.length === 0 || viewers.includes(node)) &&
        plain.mayPass(policy, tailnet, { ...flow, at: node }),
    )
}

test('every flow: the verdict is that of the filter, with a rule for what is allowed and none for what is not', () => {
  fc.assert(
    fc.property(policies(4), tailnets(4), (policy, tailnet) => {
      const engine = new Engine(policy, tailnet.nodes, tailnet)
      for (const flow of questions(tailnet)) {
        const { from, to, protocol, port } = flow
        const explained = explain(engine, {
          src: { kind: 'address', ip: from },
          dst: { kind: 'address', ip: to },
          protocol,
          port,
        })
        const want = wanted(policy, tailnet, flow)
        const [only] = explained.flows
        if ((explained.verdict === 'allowed') !== want || only?.allowed !== want)
          assert.fail(say(policy, tailnet, { want, flow, explained }))
        if (want && only.by.length === 0) assert.fail(say(policy, tailnet, { flow, explained }))
        if (want && only.by.some(({ source }) => source.length === 0))
          assert.fail(say(policy, tailnet, { flow, explained }))
        assert.ok(explanationLines(explained, String).length > 0)
      }
    }),
    runs(20),
  )
})

function entry(text: string): Selector {
  if (text.startsWith('tag:')) return tag(text)
  if (text.startsWith('svc:')) return selector({ kind: 'service', service: text })
  if (text === 'autogroup:internet') return autogroup('internet')
  const ip = parseIp(text)
  return ip === undefined ? user(text) : selector({ kind: 'prefix', prefix: prefixOf(ip) })
}

function edited(policy: Policy, edit: Edit): Policy | undefined {
  const change = (ref: RuleRef, by: (rule: AccessRule) => AccessRule): Policy => ({
    ...policy,
    rules: policy.rules.map((rule) => (rule.kind === ref.kind && rule.index === ref.index ? by(rule) : rule)),
  })
  /** `tcp:22`, as one more thing to be let through. */
  const traffic = (text: string) => {
    const [name = '', port = ''] = text.split(':')
    const numbers: Record<string, number> = { tcp: 6, udp: 17, sctp: 132, icmp: 1, 'ipv6-icmp': 58, gre: 47 }
    const [first, last] = port === '*' ? [0, 65535] : [Number(port), Number(port)]
    return { protocol: numbers[name] ?? Number(name), ports: [{ first, last }] }
  }
  switch (edit.kind) {
    case 'add to group': {
      const group = policy.groups.get(edit.group)
      if (group === undefined) return undefined
      const members = [...group.members, user(edit.login)]
      return { ...policy, groups: new Map([...policy.groups, [edit.group, { ...group, members }]]) }
    }
    case 'add source':
      return change(edit.rule, (rule) => ({ ...rule, sources: [...rule.sources, entry(edit.text)] }))
    case 'add destination':
      return change(edit.rule, (rule) => {
        const first = rule.destinations[0]?.traffic ?? []
        if (rule.kind === 'grant')
          return { ...rule, destinations: [...rule.destinations, { target: entry(edit.text), traffic: first }] }
        const [, host = '', port = ''] = /^(.*):([^:]*)$/.exec(edit.text) ?? []
        const ports = port === '*' ? [{ first: 0, last: 65535 }] : [{ first: Number(port), last: Number(port) }]
        const target = entry(host.replace(/^\[|\]$/g, ''))
        return {
          ...rule,
          destinations: [...rule.destinations, { target, traffic: first.map((t) => ({ ...t, ports })) }],
        }
      })
    case 'add port':
      return change(edit.rule, (rule) => ({
        ...rule,
        destinations: rule.destinations.map((d) => {
          if (d.target.text !== edit.destination) return d
          const added =
            edit.port === '*' ? { first: 0, last: 65535 } : { first: Number(edit.port), last: Number(edit.port) }
          return { ...d, traffic: d.traffic.map((t) => ({ ...t, ports: [...t.ports, added] })) }
        }),
      }))
    case 'add ip':
      return change(edit.rule, (rule) => ({
        ...rule,
        destinations: rule.destinations.map((d) => ({ ...d, traffic: [...d.traffic, traffic(edit.text)] })),
      }))
    case 'add grant': {
      const rule: AccessRule = {
        kind: 'grant',
        index: 100,
        at: { line: 1, column: 1 },
        sources: edit.src.map(entry),
        destinations: [{ target: entry(edit.dst), traffic: [traffic(edit.ip)] }],
        app: new Map(),
        via: [],
        postures: [],
      }
      return { ...policy, allowAll: false, rules: [...policy.rules, rule] }
    }
    default:
      return undefined
  }
}

test('every remedy that is an edit of the policy allows the flow', () => {
  const seen = new Map<string, number>()
  fc.assert(
    fc.property(policies(4), tailnets(4), fc.nat(), (policy, tailnet, pick) => {
      const engine = new Engine(policy, tailnet.nodes, tailnet)
      const all = [...questions(tailnet)]
      for (let i = 0; i < 12; i++) {
        const flow = all[(pick + i * 37) % all.length]
        if (flow === undefined) return
        const { from, to, protocol, port } = flow
        const question = {
          src: { kind: 'address', ip: from },
          dst: { kind: 'address', ip: to },
          protocol,
          port,
        } as const
        const [refused] = explain(engine, question).flows
        for (const { edits } of refused?.remedies ?? []) {
          let changed: Policy | undefined = policy
          for (const edit of edits) changed = changed && edited(changed, edit)
          if (changed === undefined) continue
          for (const { kind } of edits) seen.set(kind, (seen.get(kind) ?? 0) + 1)
          const after = explain(new Engine(changed, tailnet.nodes, tailnet), question)
          if (after.verdict !== 'allowed') assert.fail(say(policy, tailnet, { flow, edits, refused, after }))
        }
      }
    }),
    runs(150),
  )
  for (const kind of ['add to group', 'add source', 'add destination', 'add port', 'add ip', 'add grant'])
    assert.ok(!IS_THOROUGH || (seen.get(kind) ?? 0) > 0, `no remedy was tried that is: ${kind}`)
})

test('a route that waits is the remedy, with what else is needed', () => {
  fc.assert(
    fc.property(policies(3), tailnets(4), fc.nat(), (policy, tailnet, pick) => {
      const router = tailnet.nodes.find(({ routes }) => routes.some(isUsefulRoute))
      const [sender] = tailnet.nodes
      const route = router?.routes.find(isUsefulRoute)
      if (router === undefined || route === undefined || sender === undefined || sender === router) return
      const to = PLACES[pick % PLACES.length] as Ip
      if (!prefixContains(route, to)) return
      const without = tailnet.nodes.map((node) => ({
        ...node,
        routes: node.routes.filter((one) => !prefixContains(one, to)),
      }))
      const before = new Engine(policy, without, tailnet)
      const offering = before.selection.node(router.slot) as PolicyNode
      const question = { src: { kind: 'node', node: sender }, dst: { kind: 'address', ip: to }, port: 22 } as const
      const [flow] = explain(before, question, { offered: [{ node: offering, route }] }).flows
      assert.equal(flow?.allowed, false)
      assert.ok(flow.obstacles.some(({ kind }) => kind === 'not approved'))
      assert.ok(policy.allowAll || flow.remedies.length > 0)
      const approved = without.map((node) =>
        node.slot === router.slot ? { ...node, routes: [...node.routes, route] } : node,
      )
      for (const { edits } of flow.remedies) {
        const [first, ...others] = edits
        assert.equal(first?.kind, 'approve route')
        let changed: Policy | undefined = policy
        for (const edit of others) changed = changed && edited(changed, edit)
        if (changed === undefined) continue
        const after = explain(new Engine(changed, approved, tailnet), question)
        if (after.verdict !== 'allowed') assert.fail(say(policy, tailnet, { edits, flow, after }))
      }
    }),
    runs(200),
  )
})
