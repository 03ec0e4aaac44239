/**
 * The engine against a plain reading of the policy, and its filters as clients read them: whatever policy and tailnet
 * chance brings, everybody gives the same answer about every flow, pair, route, capability and login.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { formatIp, formatPrefix, prefixContains, prefixOf } from '../../src/base/ip.ts'
import type { Ip, Prefix } from '../../src/base/ip.ts'
import { Engine } from '../../src/policy/engine.ts'
import { addressesOf } from '../../src/policy/services.ts'
import type { PolicyNode, PolicyTailnet } from '../../src/policy/tailnet.ts'
import { allowing } from '../../src/policy/verdict.ts'
import { policies } from './generate-policy.ts'
import { PLACES, tailnets } from './generate.ts'
import { mayLogIn } from './plain-ssh.ts'
import { hostedBy } from './plain-beyond.ts'
import * as plain from './plain.ts'
import { runs } from './runs.ts'
import { say } from './say.ts'
import { ClientFilter, isThroughExit, sshAnswer } from './wire-filter.ts'

/** Ports on the edges of what policies name; ICMP by family; a protocol without ports. */
const TRAFFIC = [
  { protocol: 6, port: 22 },
  { protocol: 6, port: 80 },
  { protocol: 17, port: 443 },
  { protocol: 17, port: 1000 },
  { protocol: 132, port: 22 },
  { protocol: 1, port: 0 },
  { protocol: 58, port: 0 },
  { protocol: 47, port: 0 },
]
const ACCOUNTS = ['root', 'ubuntu', 'ann', 'bob', 'cy']

/** Where packets may arrive at this node: it, and what is behind it. */
function arriving(tailnet: PolicyTailnet, node: PolicyNode): Ip[] {
  return [
    node.ipv4,
    node.ipv6,
    ...vips(tailnet).filter((vip) => localNets(tailnet, node, vip).some((n) => prefixContains(n, vip))),
    ...PLACES.filter((place) => localNets(tailnet, node, place).some((n) => prefixContains(n, place))),
  ]
}

const vips = ({ services = [] }: PolicyTailnet): Ip[] => services.flatMap(addressesOf)
const outsiders = ({ sharees = [] }: PolicyTailnet): PolicyNode[] => sharees.flatMap(({ devices }) => devices)

/** What the network brings there at all: of devices of others to nodes that know them, and not what is sent by nobody. */
function isBrought(engine: Engine, tailnet: PolicyTailnet, from: Ip, at: PolicyNode, to: Ip): boolean {
  const device = outsiders(tailnet).find(({ ipv4, ipv6 }) => [ipv4, ipv6].some((own) => own.value === from.value))
  if (device !== undefined) return engine.connects(at.slot, device.slot)
  return plain.isOpened(tailnet, from, to)
}

function localNets(tailnet: PolicyTailnet, node: PolicyNode, to: Ip): Prefix[] {
  const routes = node.routes.filter(
    ({ bits, ip: { family } }) => bits > 0 || (family === to.family && isThroughExit(to)),
  )
  const hosted = hostedBy(tailnet, node).flatMap(addressesOf)
  return [...[node.ipv4, node.ipv6, ...hosted].map((own) => prefixOf(own)), ...routes]
}

const everyone = (tailnet: PolicyTailnet): Ip[] => [
  ...[...tailnet.nodes, ...outsiders(tailnet)].flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]),
  ...vips(tailnet),
  ...PLACES,
]
const worlds = (nodes: number, rules: number) => [policies(rules), tailnets(nodes)] as const

test('every flow: as the policy says, as the engine explains, and as the filter lets it pass', () => {
  fc.assert(
    fc.property(...worlds(4, 4), (policy, tailnet) => {
      const engine = new Engine(policy, tailnet.nodes, tailnet)
      for (const at of tailnet.nodes) {
        const filter = engine.filter(at.slot)
        const client = new ClientFilter(filter)
        for (const to of arriving(tailnet, at))
          for (const from of everyone(tailnet)) {
            if (from.family !== to.family) continue
            for (const traffic of TRAFFIC) {
              if (traffic.protocol === (to.family === 4 ? 58 : 1)) continue
              const flow = { from, to, ...traffic }
              const want = plain.mayPass(policy, tailnet, { ...flow, at })
              const explained = allowing(engine.access, at, flow).length > 0
              const passed = isBrought(engine, tailnet, from, at, to) && client.passes(localNets(tailnet, at, to), flow)
              if (want !== explained || want !== passed)
                assert.fail(say(policy, tailnet, { want, explained, passed, flow, at: at.slot, filter }))
            }
          }
      }
    }),
    runs(60),
  )
})

test('every pair: who sees whom, either way, and by which routes', () => {
  fc.assert(
    fc.property(...worlds(6, 4), (policy, tailnet) => {
      const engine = new Engine(policy, tailnet.nodes, tailnet)
      const isPrimary = (node: PolicyNode, route: Prefix): boolean =>
        plain.firstOf(
          tailnet.nodes.filter(({ routes }) => routes.some((r) => formatPrefix(r) === formatPrefix(route))),
        ) === node
      for (const a of [...tailnet.nodes, ...outsiders(tailnet)])
        for (const b of [...tailnet.nodes, ...outsiders(tailnet)]) {
          const want = plain.sees(policy, tailnet, a, b)
          const got = [
            engine.visible(a.slot).has(b.slot),
            engine.visible(b.slot).has(a.slot),
            engine.connects(a.slot, b.slot),
          ]
          if (got.some((is) => is !== want)) assert.fail(say(policy, tailnet, { want, got, a: a.slot, b: b.slot }))
          if (a === b) continue
          const routes = engine.routes(a.slot, b.slot, isPrimary).map(formatPrefix)
          const told = plain.routesOf(policy, tailnet, a, b)
          const isFirst = (node: PolicyNode, vip: Prefix): boolean =>
            plain.firstOf(
              tailnet.nodes.filter((one) =>
                hostedBy(tailnet, one).some((s) => addressesOf(s).some((ip) => prefixContains(vip, ip))),
              ),
            ) === node
          const services = engine.vips(a.slot, b.slot, isFirst).map(formatPrefix)
          const toldOf = plain.vipsOf(policy, tailnet, a, b)
          if (services.join() !== toldOf.join())
            assert.fail(say(policy, tailnet, { toldOf, services, a: a.slot, b: b.slot }))
          if (routes.join() !== told.join()) assert.fail(say(policy, tailnet, { told, routes, a: a.slot, b: b.slot }))
        }
    }),
    runs(150),
  )
})

test('who may pass is seen: nothing is allowed between nodes that do not know each other', () => {
  fc.assert(
    fc.property(...worlds(5, 4), (policy, tailnet) => {
      const engine = new Engine(policy, tailnet.nodes, tailnet)
      for (const a of tailnet.nodes)
        for (const b of tailnet.nodes) {
          const flow = { from: a.ipv4, to: b.ipv4, protocol: 1, port: 0 }
          if (a !== b && allowing(engine.access, b, flow).length > 0)
            assert.ok(engine.connects(a.slot, b.slot), say(policy, tailnet, { a: a.slot, b: b.slot }))
        }
    }),
    runs(100),
  )
})

/** In any order, each value once: an entry that leads to a node in two ways gives what it gives twice. */
function sorted(caps: ReadonlyMap<string, readonly unknown[] | null>): string {
  const line = ([name, list]: [string, readonly unknown[] | null]): string =>
    `${name} ${[...new Set((list ?? ['null']).map((value) => JSON.stringify(value)))].sort().join(' ')}`
  return [...caps].map(line).sort().join('\n')
}

test('every capability: who may use what where, companions included', () => {
  fc.assert(
    fc.property(...worlds(4, 4), (policy, tailnet) => {
      const engine = new Engine(policy, tailnet.nodes, tailnet)
      for (const at of tailnet.nodes) {
        const filter = engine.filter(at.slot)
        const client = new ClientFilter(filter)
        for (const to of arriving(tailnet, at))
          for (const from of everyone(tailnet)) {
            if (from.family !== to.family) continue
            // A host is told of nothing that it hosts itself, and nothing comes from a Service.
            const isSent = isBrought(engine, tailnet, from, at, to)
            const want = isSent ? sorted(plain.capabilities(policy, tailnet, from, at, to)) : ''
            const got = isSent ? sorted(client.capabilities(from, to)) : ''
            if (want !== got) assert.fail(say(policy, tailnet, { want, got, from, to, at: at.slot, filter }))
          }
      }
    }),
    runs(100),
  )
})

test('every login: from whom, where, as whom, and whether a check is asked for, however rules are written', () => {
  fc.assert(
    fc.property(...worlds(6, 1), fc.boolean(), (policy, tailnet, compact) => {
      const engine = new Engine(policy, tailnet.nodes, { ...tailnet, compact })
      for (const to of tailnet.nodes) {
        const rules = engine.sshRules(to.slot)
        for (const from of tailnet.nodes)
          for (const account of ACCOUNTS) {
            const want = mayLogIn(policy, from, to, account)
            const login = from.tags.length > 0 ? undefined : from.user.login
            const got = [from.ipv4, from.ipv6].map((own) => sshAnswer(rules, formatIp(own), account, login))
            if (got.some((answer) => answer !== want))
              assert.fail(say(policy, tailnet, { want, got, from: from.slot, to: to.slot, account, rules }))
          }
      }
    }),
    runs(150),
  )
})

test('every attribute: whom an entry targets, and nobody else', () => {
  fc.assert(
    fc.property(...worlds(6, 1), (policy, tailnet) => {
      const engine = new Engine(policy, tailnet.nodes, tailnet)
      for (const node of tailnet.nodes)
        for (const name of ['x', 'drive:share', 'example.com/cap/x']) {
          const want = policy.nodeAttrs.some(
            ({ targets, attrs, app }) =>
              (attrs.includes(name) || app.has(name)) &&
              targets.some(
                (target) =>
                  plain.isNamed(policy, target, node) ||
                  (target.kind === 'prefix' &&
                    [node.ipv4, node.ipv6].some((own) => prefixContains(target.prefix, own))),
              ),
          )
          if (engine.capabilities(node.slot, true).has(name) !== want)
            assert.fail(say(policy, tailnet, { want, name, node: node.slot, attrs: policy.nodeAttrs }))
        }
    }),
    runs(100),
  )
})
