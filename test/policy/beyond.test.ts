/**
 * Services, and nodes that are shared to people of other tailnets, by hand from policy.md: nobody has recorded either.
 * Each row cites its paragraph; its flow is asked of the engine and of the filter as a client reads it.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatIp, formatPrefix, prefix, prefixOf } from '../../src/base/ip.ts'
import type { Ip, Prefix } from '../../src/base/ip.ts'
import { Approvals } from '../../src/policy/approvals.ts'
import { Engine } from '../../src/policy/engine.ts'
import type { Policy } from '../../src/policy/policy.ts'
import type { PolicyNode } from '../../src/policy/tailnet.ts'
import { runTests } from '../../src/policy/tests/index.ts'
import { allowing } from '../../src/policy/verdict.ts'
import { acl, addressOf, any, BEYOND, engineOf, grant, NAMES, NODES, OUTSIDE, read, slotOf } from './beyond-mesh.ts'
import { addressesAt, ip } from './generate.ts'
import { isOpened } from './plain.ts'
import { ClientFilter } from './wire-filter.ts'

type Flow = readonly [from: string, to: string, at: string, protocol: number, port: number]

/** Asks both, and has them agree on whatever can come there. */
function isAllowed(policy: Policy, [from, to, at, protocol, port]: Flow): boolean {
  const engine = new Engine(policy, NODES, BEYOND)
  const [source, target] = [addressOf(from), addressOf(to)]
  const flow = { from: source, to: target, protocol, port }
  const receiver = engine.node(slotOf(at))
  const allowed = receiver !== undefined && allowing(engine.access, receiver, flow).length > 0
  const sharee = OUTSIDE[from.split('/')[0] ?? '']
  const passes = new ClientFilter(engine.filter(slotOf(at))).passes([prefixOf(target)], flow)
  if (sharee !== undefined && receiver !== undefined) {
    // Also of somebody who sends what no client of theirs would send.
    if (engine.sharees.of(receiver).some(({ device }) => device.slot === sharee)) assert.equal(passes, allowed)
  } else if (isOpened({ users: [], nodes: NODES, ...BEYOND }, source, target)) assert.equal(passes, allowed)
  return allowed
}

const POSTURED = { postures: { 'posture:linux': ["node:os == 'linux'"] }, defaultSrcPosture: ['posture:linux'] }

const FLOWS: readonly [cite: string, policy: object, flow: Flow, allowed: boolean][] = [
  // Services
  ['§3.1, §15.10 dst is the Service', any('bob@example.com', 'svc:web'), ['bob', 'svc:web', 'web', 6, 443], true],
  ['§15.10 by its IPv6 address too', any('bob@example.com', 'svc:web'), ['bob/6', 'svc:web/6', 'web', 6, 443], true],
  ['§15.10 at every host', any('bob@example.com', 'svc:web'), ['bob', 'svc:web', 'web2', 6, 443], true],
  ['§15.10 hosts are tagged devices only', any('bob@example.com', 'svc:web'), ['bob', 'svc:web', 'ann', 6, 443], false],
  ['§15.10 not where nobody hosts it', any('bob@example.com', 'svc:idle'), ['bob', 'svc:idle', 'web', 6, 443], false],
  ['§15.10 at hosts of others nothing', any('bob@example.com', 'svc:web'), ['bob', 'svc:web', 'db', 6, 443], false],
  ['§15.10 not the host itself', any('bob@example.com', 'svc:web'), ['bob', 'web', 'web', 6, 443], false],
  ['§15.10 not other Services', any('bob@example.com', 'svc:web'), ['bob', 'svc:raw', 'db', 6, 443], false],
  ['§15.10 its ports', any('bob@example.com', 'svc:web'), ['bob', 'svc:web', 'web', 6, 80], true],
  ['§15.10 no other port', any('bob@example.com', 'svc:web'), ['bob', 'svc:web', 'web', 6, 22], false],
  ['§15.10 TCP only', any('bob@example.com', 'svc:web'), ['bob', 'svc:web', 'web', 17, 443], false],
  [
    '§4, §15.10 of the ports those of the rule',
    grant('*', 'svc:web', 'tcp:443'),
    ['bob', 'svc:web', 'web', 6, 80],
    false,
  ],
  ['§4, §15.10 a range over its ports', grant('*', 'svc:web', 'tcp:81-500'), ['bob', 'svc:web', 'web', 6, 443], true],
  ['§4, §15.10 a range over its ports', grant('*', 'svc:web', 'tcp:81-500'), ['bob', 'svc:web', 'web', 6, 81], false],
  ['§4, §15.10 no protocol is TCP too', grant('*', 'svc:web', '443'), ['bob', 'svc:web', 'web', 6, 443], true],
  ['§4, §15.10 UDP leads to none', grant('*', 'svc:web', 'udp:443'), ['bob', 'svc:web', 'web', 17, 443], false],
  ['§15.10 do-not-validate: any port', any('bob@example.com', 'svc:raw'), ['bob', 'svc:raw', 'db', 6, 5432], true],
  ['§15.10 do-not-validate: any protocol', any('*', 'svc:raw'), ['bob', 'svc:raw', 'db', 17, 53], true],
  ['§15.10 do-not-validate: the rule’s ports', grant('*', 'svc:raw', 'tcp:22'), ['bob', 'svc:raw', 'db', 6, 23], false],
  ['§3.1 a tag that the Service carries', any('*', 'tag:front'), ['bob', 'svc:web', 'web', 6, 443], true],
  ['§3.1 with its ports', any('*', 'tag:front'), ['bob', 'svc:web', 'web', 6, 22], false],
  ['§3.1 every Service with the tag', any('*', 'tag:front'), ['bob', 'svc:raw', 'db', 6, 22], true],
  ['§3.1 that is no tag of its hosts', any('*', 'tag:front'), ['bob', 'web', 'web', 6, 443], false],
  ['§3.1 the hosts’ tag is none of the Service', any('*', 'tag:web'), ['bob', 'svc:web', 'web', 6, 443], false],
  ['§3.1 devices and Services with the tag', any('*', 'tag:db'), ['bob', 'db', 'db', 6, 22], true],
  ['§3.1 devices and Services with the tag', any('*', 'tag:db'), ['bob', 'svc:raw', 'db', 6, 22], true],
  ['§3.3 no Service is tagged as devices are', any('*', 'autogroup:tagged'), ['bob', 'svc:web', 'web', 6, 443], false],
  ['§15.2 `*` is any IP', any('*', '*'), ['bob', 'svc:web', 'web', 6, 443], true],
  ['§15.2 an address is literally that', any('*', '100.64.0.51'), ['bob', 'svc:web', 'web', 6, 443], false],
  [
    '§15.2 an address is literally that',
    any('*', formatIp(addressesAt(0x50).ipv4)),
    ['bob', 'svc:web', 'web', 6, 443],
    true,
  ],
  ['§6, §15.10 in ACLs as in grants', acl('*', 'svc:web:443'), ['bob', 'svc:web', 'web', 6, 443], true],
  ['§6, §15.10 in ACLs as in grants', acl('*', 'svc:web:443'), ['bob', 'svc:web', 'web', 6, 80], false],
  ['§15.10 nothing comes from a Service', any('*', '*'), ['svc:web', 'bob', 'bob', 6, 22], false],
  ['§3.1 a tag as a source is devices', any('tag:db', 'bob@example.com'), ['svc:raw', 'bob', 'bob', 6, 22], false],
  ['§15.10 a host does not reach what it hosts', any('*', 'svc:web'), ['web', 'svc:web', 'web2', 6, 443], false],
  ['§15.10 but other Services', any('*', 'svc:raw'), ['web', 'svc:raw', 'db', 6, 443], true],
  ['§15.10 a device without tags is no host', any('*', 'svc:web'), ['ann', 'svc:web', 'web', 6, 443], true],
  [
    '§12 postures are asked for Services too',
    { ...POSTURED, ...any('*', 'svc:web') },
    ['bob', 'svc:web', 'web', 6, 443],
    false,
  ],
  ['§15.7 via: hosts with the tag', any('*', 'svc:web', { via: ['tag:web'] }), ['bob', 'svc:web', 'web', 6, 443], true],
  ['§15.7 via: no others', any('*', 'svc:web', { via: ['tag:db'] }), ['bob', 'svc:web', 'web', 6, 443], false],
  // Sharing
  ['§3.3, §15.11 autogroup:shared', any('autogroup:shared', 'tag:web'), ['gina', 'web', 'web', 6, 22], true],
  ['§15.11 by IPv6 too', any('autogroup:shared', 'tag:web'), ['gina/6', 'web/6', 'web', 6, 22], true],
  ['§15.11 *', any('*', 'tag:web'), ['gina', 'web', 'web', 6, 22], true],
  [
    '§15.11 the sharee’s login, in any letter case',
    any('gina@other.com', 'tag:web'),
    ['gina', 'web', 'web', 6, 22],
    true,
  ],
  ['§15.11 nobody else’s login', any('hal@other.com', 'tag:web'), ['gina', 'web', 'web', 6, 22], false],
  ['§3.3 danger-all is every IP', any('autogroup:danger-all', 'tag:web'), ['gina', 'web', 'web', 6, 22], true],
  ['§3.3 direct users, not sharees', any('autogroup:member', 'tag:web'), ['gina', 'web', 'web', 6, 22], false],
  ['§3.3 nobody of the tailnet is a sharee', any('autogroup:shared', 'tag:web'), ['bob', 'web', 'web', 6, 22], false],
  [
    '§15.11 not through groups',
    { groups: { 'group:g': ['gina@other.com'] }, ...any('group:g', 'tag:web') },
    ['gina', 'web', 'web', 6, 22],
    false,
  ],
  ['§4 the rule’s ports', grant('autogroup:shared', 'tag:web', 'tcp:443'), ['gina', 'web', 'web', 6, 22], false],
  [
    '§3.3 per destination node: only what is shared',
    any('autogroup:shared', '*'),
    ['gina', 'web2', 'web2', 6, 22],
    false,
  ],
  ['§3.3 per destination node: only to whom it is', any('autogroup:shared', '*'), ['hal', 'web', 'web', 6, 22], false],
  ['§3.3 per destination node: only to whom it is', any('autogroup:shared', '*'), ['hal', 'exit', 'exit', 6, 22], true],
  ['§15.11 * opens no more than is shared', any('*', '*'), ['gina', 'db', 'db', 6, 22], false],
  ['§15.11 one way: not to the sharee', any('*', '*'), ['web', 'gina', 'gina', 6, 22], false],
  ['§15.11 one way: not by login either', any('tag:web', 'gina@other.com'), ['web', 'gina', 'gina', 6, 22], false],
  ['§15.11 subnet routes are not shared', any('*', '*'), ['gina', '10.33.1.1', 'router', 6, 22], false],
  [
    '§15.11 subnet routes are not shared',
    any('autogroup:shared', '10.33.0.0/16'),
    ['gina', '10.33.1.1', 'router', 6, 22],
    false,
  ],
  ['§15.11 the router itself is', any('*', '*'), ['gina', 'router', 'router', 6, 22], true],
  [
    '§15.11 an exit node where the invite allows',
    any('autogroup:shared', 'autogroup:internet'),
    ['gina', '9.9.9.9', 'exit', 6, 443],
    true,
  ],
  [
    '§15.11 an exit node where the invite allows',
    any('autogroup:shared', 'autogroup:internet'),
    ['hal', '9.9.9.9', 'exit', 6, 443],
    false,
  ],
  ['§15.11 … and a rule', any('autogroup:shared', 'tag:exit'), ['gina', '9.9.9.9', 'exit', 6, 443], false],
  ['§15.6 … to the internet', any('*', '*'), ['gina', '10.9.9.9', 'exit', 6, 443], false],
  ['§15.6 … by who offers exit routes', any('*', '*'), ['gina', '9.9.9.9', 'router', 6, 443], false],
  [
    '§12, §15.11 postures are not asked of sharees',
    { ...POSTURED, ...any('autogroup:shared', 'tag:web') },
    ['gina', 'web', 'web', 6, 22],
    true,
  ],
  [
    '§12, §15.11 postures are not asked of sharees',
    { ...POSTURED, ...any('*', 'tag:web') },
    ['gina', 'web', 'web', 6, 22],
    true,
  ],
  ['§12 but of everybody else', { ...POSTURED, ...any('*', 'tag:web') }, ['bob', 'web', 'web', 6, 22], false],
  ['§15.11 a Service at a shared node is not shared', any('*', '*'), ['gina', 'svc:web', 'web', 6, 443], false],
  ['§3.1, §15.11 an address names who has it', any('100.64.0.61', 'tag:web'), ['gina', 'web', 'web', 6, 22], true],
  ['§2, §15.11 allow-all lets sharees in', {}, ['gina', 'web', 'web', 6, 22], true],
  ['§2, §15.11 allow-all opens no more than is shared', {}, ['gina', '10.33.1.1', 'router', 6, 22], false],
  ['§6, §15.11 in ACLs as in grants', acl('autogroup:shared', 'tag:web:22'), ['gina', 'web', 'web', 6, 22], true],
]
test('flows to Services, and from devices that others brought', () => {
  for (const [cite, policy, flow, allowed] of FLOWS)
    assert.equal(isAllowed(read(policy), flow), allowed, `${cite}: ${JSON.stringify(policy)} ${flow.join(' ')}`)
})

const seenBy = (engine: Engine, name: string): string[] =>
  [...engine.visible(slotOf(name))].map(
    (slot) => NAMES[slot] ?? Object.keys(OUTSIDE).find((one) => OUTSIDE[one] === slot) ?? '',
  )

const SIGHT: readonly [cite: string, policy: object, viewer: string, seen: readonly string[]][] = [
  ['§15.8, §15.10 who may use a Service sees its hosts', any('bob@example.com', 'svc:web'), 'bob', ['web', 'web2']],
  ['§15.8, §15.10 and they see it', any('bob@example.com', 'svc:web'), 'web', ['bob']],
  ['§15.8 not where no port is left', grant('bob@example.com', 'svc:web', 'tcp:22'), 'bob', []],
  ['§15.8, §15.11 a shared node sees who may come', any('autogroup:shared', 'tag:web'), 'web', ['gina']],
  ['§15.8, §15.11 who sees it', any('autogroup:shared', 'tag:web'), 'gina', ['web']],
  ['§15.11 others do not see sharees', any('*', '*'), 'bob', ['ann', 'web', 'web2', 'db', 'router', 'exit']],
  ['§15.11 sharees see nothing that is not shared', any('*', '*'), 'hal', ['exit']],
  ['§15.11 nor each other', any('*', '*'), 'gina', ['web', 'router', 'exit']],
  ['§15.8, §15.11 not without a rule', any('autogroup:member', '*'), 'web', ['ann', 'bob']],
  ['§15.11 not for a subnet’s sake', any('autogroup:shared', '10.33.0.0/16'), 'gina', []],
]
test('who sees whom', () => {
  for (const [cite, policy, viewer, seen] of SIGHT) {
    const engine = engineOf(policy)
    assert.deepEqual(seenBy(engine, viewer).sort(), [...seen].sort(), cite)
    for (const other of [...NAMES, ...Object.keys(OUTSIDE)])
      assert.equal(engine.connects(slotOf(viewer), slotOf(other)), seen.includes(other), `${cite}: ${other}`)
  }
})

const first = ({ slot }: PolicyNode): boolean => slot !== slotOf('web2')
const TOLD: readonly [cite: string, policy: object, viewer: string, peer: string, vips: readonly string[]][] = [
  ['§15.8, §15.10 VIPs are in the host’s AllowedIPs', any('*', 'svc:web'), 'bob', 'web', ['svc:web', 'svc:web/6']],
  ['§15.8 of two hosts one has them', any('*', 'svc:web'), 'bob', 'web2', []],
  ['§15.8 only for who may send there', any('ann@example.com', 'svc:web'), 'bob', 'web', []],
  ['§15.10 not for a host of the same', any('*', 'svc:web'), 'web2', 'web', []],
  ['§15.2 by `*`', any('*', '*'), 'bob', 'db', ['svc:raw', 'svc:raw/6']],
  ['§15.2 an address is one', any('*', formatIp(addressesAt(0x50).ipv6)), 'bob', 'web', ['svc:web/6']],
  ['§15.11 not for sharees', any('*', '*'), 'gina', 'web', []],
]
test('the addresses of Services, as peers are told of them', () => {
  for (const [cite, policy, viewer, peer, vips] of TOLD)
    assert.deepEqual(
      engineOf(policy).vips(slotOf(viewer), slotOf(peer), first).map(formatPrefix),
      vips.map((name) => formatPrefix(prefixOf(addressOf(name)))),
      cite,
    )
})

test('§15.11 exit routes are told to sharees whose invitation allows it, and subnets to none', () => {
  const engine = engineOf(any('*', '*'))
  const told = (viewer: string, peer: string): string[] =>
    engine.routes(slotOf(viewer), slotOf(peer), () => true).map((route: Prefix) => formatPrefix(route))
  assert.deepEqual(told('gina', 'exit'), ['0.0.0.0/0', '::/0'])
  assert.deepEqual([told('hal', 'exit'), told('gina', 'router'), told('exit', 'gina')], [[], [], []])
  assert.deepEqual(told('bob', 'router'), ['10.33.0.0/16'])
})

test('§15.10 filters of hosts carry the VIPs as destinations, with the ports of the Service', () => {
  const engine = engineOf(grant('bob@example.com', 'svc:web', '*'))
  const bob = Object.values(addressesAt(slotOf('bob'))).map(formatIp)
  const ports = [80, 443].map((port) => ({ First: port, Last: port }))
  const DstPorts = ['svc:web', 'svc:web/6'].flatMap((to) =>
    ports.map((Ports) => ({ IP: formatIp(addressOf(to)), Ports })),
  )
  assert.deepEqual(engine.filter(slotOf('web')), [{ SrcIPs: bob, IPProto: [6], DstPorts }])
  assert.deepEqual(engine.filter(slotOf('web2')), engine.filter(slotOf('web')))
  assert.deepEqual([engine.filter(slotOf('ann')), engine.filter(slotOf('db'))], [[], []])
})

test('§5, §15.10 a capability at a Service is one at its addresses', () => {
  const app = { 'example.com/cap/x': [{ v: 1 }] }
  const engine = engineOf({ grants: [{ src: ['bob@example.com'], dst: ['svc:web'], app }] })
  const client = new ClientFilter(engine.filter(slotOf('web')))
  const at = (to: string): unknown => client.capabilities(addressOf('bob'), addressOf(to)).get('example.com/cap/x')
  assert.deepEqual([at('svc:web'), at('web')], [[{ v: 1 }], undefined])
})

test('§15.11 in the filter of a shared node sharees stand in rules of their own, to the node itself', () => {
  const filter = engineOf(any('*', '*')).filter(slotOf('router'))
  const [router, gina] = [slotOf('router'), 60].map((slot) => Object.values(addressesAt(slot)).map(formatIp))
  assert.deepEqual(filter.at(-1), {
    SrcIPs: gina,
    DstPorts: router?.map((IP) => ({ IP, Ports: { First: 0, Last: 65535 } })),
  })
  const client = new ClientFilter(filter.slice(0, -1))
  const flow = { to: ip('10.33.1.1'), protocol: 6, port: 22 }
  const passes = (from: Ip): boolean => client.passes([prefix('10.33.0.0/16')], { ...flow, from })
  assert.deepEqual(
    [passes(addressOf('gina')), passes(addressOf('bob')), passes(ip('100.64.0.98'))],
    [false, true, true],
  )
})

test('§15.10 hosts are told of what they host, in one value; nobody else is', () => {
  const engine = engineOf(any('*', '*'))
  const hosted = (name: string): unknown => engine.capabilities(slotOf(name), true).get('service-host')
  const addresses = (name: string): string[] => [name, `${name}/6`].map((one) => formatIp(addressOf(one)))
  assert.deepEqual(hosted('web'), [{ 'svc:web': addresses('svc:web') }])
  assert.deepEqual(hosted('db'), [{ 'svc:raw': addresses('svc:raw') }])
  assert.deepEqual([hosted('ann'), hosted('router')], [undefined, undefined])
})

test('§10, item 46: autoApprovers.services by svc: and by tag:, and for tagged devices only', () => {
  const approvals = new Approvals(
    read({ autoApprovers: { services: { 'svc:web': ['tag:web', 'ann@example.com'], 'tag:front': ['tag:db'] } } }),
  )
  const ann = { id: 1, login: 'ann@example.com', role: 'member' } as const
  const approves = (tags: readonly string[], service: string, carried: readonly string[]): boolean =>
    approvals.approvesService({ user: ann, tags }, service, carried)
  const rows: readonly [tags: readonly string[], service: string, carried: readonly string[], approved: boolean][] = [
    [['tag:web'], 'svc:web', [], true],
    [['tag:db'], 'svc:web', [], false],
    [['tag:db'], 'svc:web', ['tag:front'], true],
    [['tag:db'], 'svc:raw', ['tag:front', 'tag:db'], true],
    [['tag:web'], 'svc:raw', ['tag:front'], false],
    [['tag:db'], 'svc:raw', ['tag:db'], false],
    [['tag:exit', 'tag:web'], 'svc:web', [], true],
    // A person may be an approver, and a device of theirs is no host for all that.
    [[], 'svc:web', [], false],
  ]
  for (const [tags, service, carried, approved] of rows)
    assert.equal(approves(tags, service, carried), approved, JSON.stringify([tags, service, carried]))
})

const TESTS: readonly [cite: string, policy: object, src: string, dst: string, holds: 'accept' | 'deny' | 'neither'][] =
  [
    ['§8, §3.1 test dst is a Service', any('*', 'svc:web'), 'bob@example.com', 'svc:web:443', 'accept'],
    ['§8, §15.10 of its ports', any('*', 'svc:web'), 'bob@example.com', 'svc:web:22', 'deny'],
    ['§8 by a tag of the Service', any('*', 'tag:front'), 'bob@example.com', 'svc:web:443', 'accept'],
    ['§8 by `*`', any('*', '*'), 'bob@example.com', 'svc:web:443', 'accept'],
    ['§8 by an address of the Service', any('*', 'svc:web'), 'bob@example.com', '100.64.0.81:443', 'accept'],
    ['§8, §15.10 its hosts do not reach it', any('*', 'svc:web'), 'tag:web', 'svc:web:443', 'deny'],
    ['§8, §15.10 other hosts do', any('*', 'svc:web'), 'tag:db', 'svc:web:443', 'accept'],
    ['§8 before anybody hosts it', any('*', 'svc:idle'), 'bob@example.com', 'svc:idle:443', 'accept'],
    ['§8, §15.11 src is a sharee', any('autogroup:shared', 'tag:web'), 'gina@other.com', 'tag:exit:22', 'deny'],
    ['§8, §15.11 src is a sharee', any('autogroup:shared', 'tag:exit'), 'gina@other.com', 'tag:exit:22', 'accept'],
    ['§8, §15.11 some are not shared', any('autogroup:shared', 'tag:web'), 'gina@other.com', 'tag:web:22', 'neither'],
    [
      '§8, §12 whatever postures ask',
      { ...POSTURED, ...any('*', 'tag:exit') },
      'hal@other.com',
      'tag:exit:22',
      'accept',
    ],
    ['§8, §15.11 all to whom something is shared', any('*', 'tag:exit'), 'autogroup:shared', 'tag:exit:22', 'accept'],
    ['§8, §15.11 one way', any('*', '*'), 'tag:web', 'gina@other.com:22', 'deny'],
  ]
test('tests of a policy that name Services and sharees', () => {
  for (const [cite, policy, src, dst, holds] of TESTS) {
    const passes = (list: string): boolean => {
      const checked = read({ ...policy, tests: [{ src, [list]: [dst] }] })
      return (
        runTests(checked, { users: NODES.slice(0, 2).map(({ user }) => user), nodes: NODES, ...BEYOND }).length === 0
      )
    }
    assert.deepEqual([passes('accept'), passes('deny')], [holds === 'accept', holds === 'deny'], cite)
  }
})
