/** A configuration leaves in the system what the reference's router was seen to ask for. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { difference, keyOfRoute, keyOfRule, union } from './difference.ts'
import type { Chain, FirewallRule, NetfilterMode } from './firewall.ts'
import { emptyPlan, familyOf, hostPlan } from './host-plan.ts'
import type { HostPlan, HostRoute, HostRule } from './host-plan.ts'

interface Case {
  readonly name: string
  readonly addresses: readonly string[] | null
  readonly routes: readonly string[] | null
  readonly local_routes: readonly string[] | null
  readonly masquerade: boolean
  readonly stateful: boolean
  readonly netfilter: NetfilterMode
  readonly system: readonly string[]
}

const VECTORS = new URL('../../../test/vectors/router.json', import.meta.url)
const { cases } = JSON.parse(readFileSync(VECTORS, 'utf8')) as { readonly cases: readonly Case[] }
const DEVICE = 'tailscale0'

const planOf = (c: Case): HostPlan =>
  hostPlan({
    device: DEVICE,
    addresses: c.addresses ?? [],
    routes: c.routes ?? [],
    localRoutes: c.local_routes ?? [],
    netfilter: c.netfilter,
    masquerade: c.masquerade,
    stateful: c.stateful,
    ipv6: 'full',
    udpPort: 41641,
  })

/** A plan in the recording's words. What its runner leaves out is left out: our guard against leaks, two accepts. */
function linesOf(plan: HostPlan): string[] {
  const mark = 'fwmark 0x80000/0xff0000 '
  const ruleLine = ({ family, priority, bypass, to }: HostRule): string =>
    `ip rule add -${family} pref ${priority} ${bypass ? mark : ''}${to === 'unreachable' ? 'type unreachable' : `table ${to}`}`
  const routeLine = ({ prefix, to }: HostRoute): string[] => {
    if (to === 'unreachable') return []
    return [to === 'throw' ? `ip route add throw ${prefix} table 52` : `ip route add ${prefix} dev ${DEVICE} table 52`]
  }
  return [
    'up',
    ...plan.addresses.map((address) => `ip addr add ${address} dev ${DEVICE}`),
    ...plan.routes.flatMap(routeLine),
    ...plan.rules.map(ruleLine),
    ...plan.firewall.chains.flatMap((chain) => chain.rules.flatMap((rule) => firewallLine(chain, rule))),
    ...(plan.firewall.diverts ? JUMPS : []),
  ]
}

const JUMPS = ['v4', 'v6'].flatMap((family) => [
  `${family}/filter/INPUT -j ts-input`,
  `${family}/filter/FORWARD -j ts-forward`,
  `${family}/nat/POSTROUTING -j ts-postrouting`,
])

const DEEDS = {
  accept: '-j ACCEPT',
  drop: '-j DROP',
  return: '-j RETURN',
  masquerade: '-j MASQUERADE',
  'mark-forwarded': '-j MARK --set-mark 0x40000/0xff0000',
  'save-mark':
    '-m conntrack --ctstate NEW -m mark ! --mark 0x0/0xff0000 -j CONNMARK --save-mark --nfmask 0xff0000 --ctmask 0xff0000',
  'restore-mark':
    '-m conntrack --ctstate ESTABLISHED,RELATED -j CONNMARK --restore-mark --nfmask 0xff0000 --ctmask 0xff0000',
  'clamp-mss': 'never in the recording',
} as const

function firewallLine({ family, table, name }: Chain, { match, deed }: FirewallRule): string[] {
  if (name === 'ts-input' && deed === 'accept' && match.source === undefined) return []
  const words = [
    ...(match.in === undefined ? [] : [`-i ${match.in}`]),
    ...(match.notIn === undefined ? [] : [`! -i ${match.notIn}`]),
    ...(match.out === undefined ? [] : [`-o ${match.out}`]),
    ...(match.source === undefined ? [] : [`-s ${match.source}`]),
    ...(match.forwarded === undefined ? [] : ['-m mark --mark 0x40000/0xff0000']),
    ...(match.unknownFlow === undefined ? [] : ['-m conntrack ! --ctstate ESTABLISHED,RELATED']),
  ]
  return [`v${family}/${table}/${name} ${[...words, DEEDS[deed]].join(' ')}`]
}

/** Lines of one chain keep their order, all else is a set. */
const inOrder = (lines: readonly string[]): string[] => {
  const placeOf = (line: string): string => (line.startsWith('v') ? (line.split(' ')[0] as string) : line)
  return [...lines].sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : placeOf(a) > placeOf(b) ? 1 : 0))
}

test('plans say what the recorded router left in the system', () => {
  assert.equal(cases.length, 30)
  for (const c of cases) assert.deepEqual(inOrder(linesOf(planOf(c))), inOrder(c.system), c.name)
})

test('from case to case, removing and adding what differs leads from one system to the next', () => {
  let plan: HostPlan = { ...emptyPlan(DEVICE), udpPort: 41641 }
  const system = new Set<string>()
  for (const c of cases) {
    const next = planOf(c)
    const change = difference(plan, next)
    const both = union(plan, next)
    const remove = [
      ...change.removeAddresses,
      ...change.removeRoutes.map(keyOfRoute),
      ...change.removeRules.map(keyOfRule),
    ]
    const add = [...change.addAddresses, ...change.addRoutes.map(keyOfRoute), ...change.addRules.map(keyOfRule)]
    for (const line of remove) assert.ok(system.delete(line), `${c.name}: ${line} was not there`)
    for (const line of add) {
      assert.ok(!system.has(line), `${c.name}: ${line} is there already`)
      system.add(line)
    }
    const all = [...next.addresses, ...next.routes.map(keyOfRoute), ...next.rules.map(keyOfRule)]
    assert.deepEqual([...system].sort(), all.sort(), c.name)
    assert.equal(change.firewall === undefined, JSON.stringify(plan.firewall) === JSON.stringify(next.firewall), c.name)
    assert.equal(both.routes.length, new Set([...plan.routes, ...next.routes].map(keyOfRoute)).size, c.name)
    plan = next
  }
})

test('whoever uses an exit node has no other way when the device is gone, in either family', () => {
  const exit = cases.filter(({ name }) => name.startsWith('exit node'))
  assert.equal(exit.length, 6)
  for (const c of cases) {
    const guards = planOf(c).routes.filter(({ to }) => to === 'unreachable')
    const want = exit.includes(c) ? ['0.0.0.0/0', '::/0'] : []
    assert.deepEqual(
      guards.map(({ prefix }) => prefix),
      want,
      c.name,
    )
  }
  const config = { device: DEVICE, netfilter: 'on', masquerade: false, stateful: false } as const
  const lists = {
    addresses: ['100.64.0.1/32', 'fd7a:115c:a1e0::1/128'],
    routes: ['0.0.0.0/0', '::/0'],
    localRoutes: [],
  }
  const v6 = (ipv6: 'blocking' | 'none') => {
    const { addresses, routes, rules, firewall } = hostPlan({ ...config, ...lists, ipv6 })
    return {
      addresses: addresses.length,
      routes: routes.filter(({ prefix }) => familyOf(prefix) === 6).map(({ to }) => to),
      rules: rules.filter(({ family }) => family === 6).length,
      chains: firewall.chains.filter(({ family }) => family === 6).length,
    }
  }
  assert.deepEqual(v6('blocking'), { addresses: 1, routes: ['unreachable'], rules: 4, chains: 5 })
  assert.deepEqual(v6('none'), { addresses: 1, routes: [], rules: 0, chains: 0 })
})
