/**
 * Tests against what nodes are sent: whatever policy, tailnet and test chance brings, a test holds exactly where the
 * filters and SSH rules, as clients read them, let pass what it wants to pass and nothing that it denies.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { formatIp, isPrivate, prefixContains } from '../../base/ip.ts'
import type { Ip } from '../../base/ip.ts'
import { Engine } from '../engine.ts'
import type { AccessTest, AttributeValue, Policy, SshTest } from '../policy.ts'
import { isUsefulRoute } from '../selection.ts'
import type { PolicyNode, PolicyTailnet } from '../tailnet.ts'
import { policies } from '../../../test/policy/generate-policy.ts'
import {
  addressesAt,
  FIRST_OUTSIDE,
  LOGINS,
  OUTSIDERS,
  PLACES,
  SERVICES,
  TAGS,
  tailnets,
} from '../../../test/policy/generate.ts'
import { isHost, serviceAt, shareeAt } from '../../../test/policy/plain-beyond.ts'
import { isOpened } from '../../../test/policy/plain.ts'
import { IS_THOROUGH, runs } from '../../../test/policy/runs.ts'
import { say } from '../../../test/policy/say.ts'
import { ClientFilter, isThroughExit, sshAnswer } from '../../../test/policy/wire-filter.ts'
import { runTests } from './run.ts'

const at = { line: 1, column: 1 }
const ACCOUNTS = ['root', 'ubuntu', 'ann', 'bob', 'cy']
const ADDRESSES = [0, 1, 3, 180 + FIRST_OUTSIDE, 200].flatMap((n) => Object.values(addressesAt(n)))
const GROUPS = ['group:x', 'group:y']
const SOURCES = [
  ...LOGINS,
  ...TAGS,
  ...GROUPS,
  'autogroup:member',
  'autogroup:tagged',
  'autogroup:shared',
  ...OUTSIDERS,
  ...[...ADDRESSES, ...PLACES].map(formatIp),
]
const TARGETS = [
  ...OUTSIDERS,
  ...SERVICES,
  ...SERVICES,
  ...LOGINS,
  ...TAGS,
  ...GROUPS,
  ...[...ADDRESSES, ...PLACES].map(bracketed),
]
const FLOWS = [
  { proto: 'tcp', protocol: 6, port: 22 },
  { proto: 'udp', protocol: 17, port: 100 },
  { proto: 'icmp', protocol: 1, port: 0 },
  { proto: 'gre', protocol: 47, port: 0 },
]
const pretended: fc.Arbitrary<ReadonlyMap<string, AttributeValue> | undefined> = fc.oneof(
  { weight: 2, arbitrary: fc.constant(undefined) },
  fc
    .record(
      { 'node:os': fc.constantFrom('linux', 'macos'), 'custom:tier': fc.constantFrom(1, 3) },
      { requiredKeys: [] },
    )
    .map((attributes) => new Map<string, AttributeValue>(Object.entries(attributes))),
)

/** What one test asks: from whom, to whom, and what is pretended. */
interface Case {
  readonly src: string
  readonly dst: string
  readonly attributes: ReadonlyMap<string, AttributeValue> | undefined
}
function cases<T extends object>(targets: readonly string[], more: { [K in keyof T]: fc.Arbitrary<T[K]> }) {
  const one = fc.record({
    src: fc.constantFrom(...SOURCES),
    dst: fc.constantFrom(...targets),
    attributes: pretended,
    ...more,
  })
  return fc.array(one, { minLength: 60, maxLength: 60 }) as fc.Arbitrary<(Case & T)[]>
}

/** Runs all the tests at once; each says by its place which case it is of, and what it wants. */
function run(
  policy: Policy,
  tailnet: PolicyTailnet,
  lists: readonly string[],
  all: readonly (readonly string[])[],
): void {
  const failed = new Set(runTests(policy, tailnet).map(({ at: { line, column } }) => `${line} ${lists[column - 1]}`))
  for (const [line, holding] of all.entries()) {
    const got = lists.filter((list) => !failed.has(`${line + 1} ${list}`))
    if (got.join() !== holding.join())
      assert.fail(say(policy, tailnet, { got, want: holding }, policy.tests[line * 2], policy.sshTests[line * 3]))
  }
}

test('a test of access holds where every filter agrees', () => {
  const held: Record<string, number> = { accept: 0, deny: 0, '': 0 }
  fc.assert(
    fc.property(
      policies(4),
      tailnets(5),
      cases(TARGETS, { flow: fc.constantFrom(...FLOWS) }),
      (policy, tailnet, drawn) => {
        const known = drawn.flatMap((one) => {
          const want = accessWanted(policy, tailnet, one, one.flow)
          if (want === undefined) return []
          held[want.join()] = (held[want.join()] ?? 0) + 1
          return [{ ...one, want }]
        })
        const tests = known.flatMap(({ src, dst, flow: { proto, port }, attributes }, i) =>
          ['accept', 'deny'].map((list, j): AccessTest => {
            const target = [{ text: `${dst}:${port}`, at }]
            const place = { line: i + 1, column: j + 1 }
            return { at: place, src, proto, accept: [], deny: [], [list]: target, ...(attributes && { attributes }) }
          }),
        )
        run(
          { ...policy, tests },
          tailnet,
          ['accept', 'deny'],
          known.map(({ want }) => want),
        )
      },
    ),
    runs(60),
  )
  assert.ok(!IS_THOROUGH || Math.min(...Object.values(held)) > 0, `Chance brought too little: ${JSON.stringify(held)}`)
})

test('an SSH test holds where the rules of every node agree', () => {
  const held: Record<string, number> = { accept: 0, check: 0, deny: 0, '': 0 }
  const lists = ['accept', 'check', 'deny'] as const
  const targets = [...LOGINS, ...TAGS, ...GROUPS]
  fc.assert(
    fc.property(
      policies(6),
      tailnets(5),
      cases(targets, { account: fc.constantFrom(...ACCOUNTS) }),
      (policy, tailnet, drawn) => {
        const known = drawn.flatMap((one) => {
          const want = sshWanted(policy, tailnet, one, one.account)
          if (want === undefined) return []
          held[want.join()] = (held[want.join()] ?? 0) + 1
          return [{ ...one, want }]
        })
        const sshTests = known.flatMap(({ src, dst, account, attributes }, i) =>
          lists.map((list, j): SshTest => {
            const place = { line: i + 1, column: j + 1 }
            const none = { accept: [], check: [], deny: [] }
            return {
              at: place,
              src,
              dst: [{ text: dst, at }],
              ...none,
              [list]: [account],
              ...(attributes && { attributes }),
            }
          }),
        )
        run(
          { ...policy, sshTests },
          tailnet,
          lists,
          known.map(({ want }) => want),
        )
      },
    ),
    runs(60),
  )
  assert.ok(!IS_THOROUGH || Math.min(...Object.values(held)) > 0, `Chance brought too little: ${JSON.stringify(held)}`)
})

/** The lists in which the flow may stand; `undefined` where only the engine could say. */
function accessWanted(
  policy: Policy,
  tailnet: PolicyTailnet,
  { src, dst, attributes }: Case,
  { protocol, port }: (typeof FLOWS)[number],
): string[] | undefined {
  const senders = meant(policy, tailnet, src)
  const receivers = meant(policy, tailnet, dst.replace(/^\[(.*)\]$/, '$1'))
  if (senders === undefined || receivers === undefined) return undefined
  // Of what is nowhere it is taken that a device has the address, and what is pretended with it.
  const nowhere = senders.some(({ node, addresses: [ip] }) => !node && ip && subnetRouters(tailnet, ip).length === 0)
  if (attributes !== undefined && nowhere) return undefined
  const engine = new Engine(policy, posed(tailnet, senders, attributes), tailnet)
  const filters = new Map<number, ClientFilter>()
  const answers: boolean[] = []
  for (const from of senders.flatMap((end) => end.addresses))
    for (const { node, addresses } of receivers)
      for (const to of addresses) {
        if (to.family !== from.family) continue
        const places = node === undefined ? carriers(tailnet, to) : [node]
        if (places.length === 0) return undefined
        for (const { slot } of places) if (!filters.has(slot)) filters.set(slot, new ClientFilter(engine.filter(slot)))
        const flow = { from, to, protocol, port }
        const isSent = (slot: number): boolean =>
          isOpened(tailnet, from, to) && (sharee === undefined || engine.connects(sharee.device.slot, slot))
        const sharee = shareeAt(tailnet, from)
        answers.push(places.some(({ slot }) => isSent(slot) && filters.get(slot)?.passes(EVERYWHERE, flow)))
      }
  // The other family of a device that was named by one address is in access.test.ts.
  if (answers.length === 0) return undefined
  return answers.every(Boolean) ? ['accept'] : answers.some(Boolean) ? [] : ['deny']
}

/** The lists in which the account may stand. */
function sshWanted(
  policy: Policy,
  tailnet: PolicyTailnet,
  { src, dst, attributes }: Case,
  account: string,
): string[] | undefined {
  const senders = meant(policy, tailnet, src)
  const receivers = meant(policy, tailnet, dst)
  if (senders === undefined || receivers === undefined) return undefined
  // What a receiver has counts where people may log in to the machines of their own that a rule starts from.
  const both = receivers.some(({ node }) => senders.some((end) => end.node === node))
  if (attributes !== undefined && both) return undefined
  const engine = new Engine(policy, posed(tailnet, senders, attributes), tailnet)
  const answers = new Set<string>()
  for (const { node } of receivers) {
    const rules = node === undefined ? [] : engine.sshRules(node.slot)
    for (const { addresses } of senders)
      for (const from of addresses) answers.add(sshAnswer(rules, formatIp(from), account))
  }
  if (answers.size > 1) return []
  return [...answers].map((answer) => (answer === 'refuse' ? 'deny' : answer))
}

const EVERYWHERE = [
  { ip: { family: 4, value: 0n }, bits: 0 },
  { ip: { family: 6, value: 0n }, bits: 0 },
] as const

interface End {
  readonly node: PolicyNode | undefined
  readonly addresses: readonly Ip[]
}

/** Whom a test names, read as a person would; `undefined`: somebody who has no device. */
function meant(policy: Policy, tailnet: PolicyTailnet, name: string): End[] | undefined {
  const { nodes } = tailnet
  const address = [...ADDRESSES, ...PLACES].find((ip) => formatIp(ip) === name)
  const sharees = tailnet.sharees?.flatMap(({ login, devices }) =>
    devices
      .filter(
        ({ ipv4, ipv6 }) =>
          name === 'autogroup:shared' ||
          name.toLowerCase() === login.toLowerCase() ||
          [ipv4, ipv6].some((ip) => formatIp(ip) === name),
      )
      .map((device) => ({ node: device, addresses: address === undefined ? [device.ipv4, device.ipv6] : [address] })),
  )
  if (sharees !== undefined && sharees.length > 0) return sharees
  const service = tailnet.services?.find((one) => one.name === name)
  if (service !== undefined) return [{ node: undefined, addresses: [service.ipv4, service.ipv6] }]
  if (address !== undefined) {
    const node = nodes.find(({ ipv4, ipv6 }) => [ipv4, ipv6].some((ip) => formatIp(ip) === name))
    return [{ node, addresses: [address] }]
  }
  const logins = new Set<string>()
  if (name.startsWith('group:'))
    for (const member of policy.groups.get(name)?.members ?? []) {
      if (member.kind === 'user') logins.add(member.login.toLowerCase())
      if (member.kind === 'domain')
        for (const login of LOGINS)
          if (login.toLowerCase().endsWith(`@${member.domain.toLowerCase()}`)) logins.add(login.toLowerCase())
    }
  else logins.add(name.toLowerCase())
  const devices = nodes.filter(({ tags, user }) => {
    if (name.startsWith('tag:')) return tags.includes(name)
    if (name === 'autogroup:tagged') return tags.length > 0
    return tags.length === 0 && (name === 'autogroup:member' || logins.has(user.login.toLowerCase()))
  })
  return devices.length === 0 ? undefined : devices.map((node) => ({ node, addresses: [node.ipv4, node.ipv6] }))
}

function posed(
  { nodes }: PolicyTailnet,
  senders: readonly End[],
  attributes: PolicyNode['attributes'] | undefined,
): PolicyNode[] {
  return nodes.map((node) =>
    attributes !== undefined && senders.some((end) => end.node === node) ? { ...node, attributes } : node,
  )
}

/** Where packets for an address arrive that no node has: at routers of its subnet, or else at exit nodes. */
function carriers(tailnet: PolicyTailnet, ip: Ip): PolicyNode[] {
  const service = serviceAt(tailnet, ip)
  if (service !== undefined) return tailnet.nodes.filter((node) => isHost(service, node))
  const routers = subnetRouters(tailnet, ip)
  if (routers.length > 0 || !isThroughExit(ip) || isPrivate(ip)) return routers
  return tailnet.nodes.filter(({ routes }) => routes.some((route) => route.bits === 0 && prefixContains(route, ip)))
}

function subnetRouters({ nodes }: PolicyTailnet, ip: Ip): PolicyNode[] {
  return nodes.filter(({ routes }) => routes.some((route) => isUsefulRoute(route) && prefixContains(route, ip)))
}

function bracketed(ip: Ip): string {
  return ip.family === 6 ? `[${formatIp(ip)}]` : formatIp(ip)
}
