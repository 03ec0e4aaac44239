/**
 * A tailnet that lives: machines join, change, leave, expire, lag behind and come back, in an order drawn from a
 * seed. Whoever followed its stream must know exactly what a fresh map says.
 *
 * SETT_SIM_SEED replays one run; SETT_SIM_RUNS sets how many.
 */

import { test } from 'node:test'
import assert from 'node:assert/strict'
import { DAY_MS } from '../../src/base/clock.ts'
import type { Wall } from '../../src/base/clock.ts'
import { deleteNode } from '../../src/coord/model/node-changes.ts'
import { peersAfter } from '../support/peers.ts'
import { seeded } from '../support/seeded.ts'
import type { Machine, MapMessage, MapNode } from '../support/world.ts'
import { World } from '../support/world.ts'
import { apiOf } from '../support/world-api.ts'
import { TESTER } from '../support/ledger.ts'

/** As a client shows it: when it was last seen means something only while it is offline. */
function shown(peers: Iterable<MapNode>): Record<string, unknown>[] {
  return [...peers]
    .map(({ LastSeen, ...peer }) => (peer.Online ? peer : { ...peer, LastSeen }))
    .sort((a, b) => (a['ID'] as number) - (b['ID'] as number))
}

/** The newest of what the messages say. */
function dnsAfter(messages: readonly MapMessage[]): unknown {
  return messages.findLast(({ DNSConfig }) => DNSConfig !== undefined)?.DNSConfig
}

const acts: readonly ((
  world: World,
  machine: Machine,
  random: (below: number) => number,
  all: Machine[],
) => Promise<void>)[] = [
  async (world, _, random, all) => {
    if (all.length < 14) all.push(await world.joined(`host-${random(4)}`, random(3) === 0 ? { tags: ['tag:x'] } : {}))
  },
  async (_, machine, random) => {
    machine.endpoints = Array.from({ length: random(3) }, () => `198.51.100.${random(250)}:${1 + random(60_000)}`)
    await machine.lite()
  },
  async (_, machine, random) => {
    machine.hostinfo = {
      ...machine.hostinfo,
      NetInfo: { PreferredDERP: 900 + random(3) },
      OS: ['linux', 'iOS'][random(2)],
    }
    await machine.lite()
  },
  async (_, machine, random) => {
    machine.hostinfo = {
      ...machine.hostinfo,
      RoutableIPs: [['10.0.0.0/8'], ['10.1.0.0/16', '0.0.0.0/0', '::/0'], []][random(3)],
    }
    await machine.lite()
  },
  async (world, machine) =>
    await world.change(machine.node.id, () => ({ approvedRoutes: ['10.0.0.0/8', '10.1.0.0/16', '0.0.0.0/0', '::/0'] })),
  async (world, machine) => await world.turnUnwell(machine.node.id),
  async (world, machine) =>
    await world.change(machine.node.id, (_, now) => ({ keyExpiry: now, keyExpiryDisabled: false })),
  async (world, machine, random) =>
    await world.change(machine.node.id, (_, now) => ({
      keyExpiry: (now + (random(2) ? DAY_MS : 500)) as Wall,
      keyExpiryDisabled: false,
    })),
  async (world, machine) => await world.change(machine.node.id, (node) => ({ authorized: !node.authorized })),
  async (world, machine, random) => {
    const name = `name-${random(1000)}-${machine.node.id}`
    await world.change(machine.node.id, () => ({ name, named: true }))
  },
  async (world, _, random) => {
    const body = [
      { magicDNS: random(2) === 0 },
      { nameservers: Array.from({ length: random(3) }, (_, i) => ({ address: `192.0.2.${i}` })) },
      { overrideLocalDNS: random(2) === 0 },
      { splitDNS: { [`d${random(3)}.example`]: random(2) === 0 ? null : [{ address: `10.0.0.${random(3)}` }] } },
      { searchPaths: [[], ['d1.example'], ['d2.example', 'home.sett.internal']][random(3)] },
      { zones: [[], ['lan.example']][random(2)] },
      { records: Array.from({ length: random(3) }, (_, i) => ({ name: `r${i}`, value: `192.0.2.${random(5)}` })) },
    ][random(7)]
    await apiOf(world)('PATCH', '/sett/tailnet/-/dns', body)
  },
  async (world, _, random) => world.changeTailnet({ httpsEnabled: random(2) === 0 }),
  async (_, machine) => {
    machine.stream.end()
    machine.stream = await machine.map()
  },
  async (_, machine) => machine.stream.end(),
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
  async (world, machine, _, all) => {
    world.coord.close()
    await world.open()
    for (const other of all) if (other !== machine) other.stream = await other.map()
  },
]

async function live(seed: number): Promise<void> {
  const random = seeded(seed)
  const world = await World.start()
  const all: Machine[] = [await world.joined('first'), await world.joined('second')]
  for (let step = 0; step < 80; step++) {
    if (all.length === 0) all.push(await world.joined('again'))
    const machine = all[random(all.length)] as Machine
    await (acts[random(acts.length)] as (typeof acts)[number])(world, machine, random, all)
    await world.pass([0, 10, 300, 2000, 15_000][random(5)] as number)
  }
  for (const machine of all) {
    if (machine.stream.ended) machine.stream = await machine.map()
    machine.stream.drain()
  }
  await world.pass(1000)
  for (const machine of all) {
    const fresh = await machine.map({ Stream: false })
    const want = shown(fresh.messages[0]?.Peers ?? [])
    assert.deepEqual(
      shown(peersAfter(machine.stream.messages).values()),
      want,
      `seed ${seed}: peers of ${machine.node.name}`,
    )
    assert.deepEqual(
      dnsAfter(machine.stream.messages),
      dnsAfter(fresh.messages),
      `seed ${seed}: DNS of ${machine.node.name}`,
    )
    const routed = want.flatMap((peer) =>
      ((peer['AllowedIPs'] as string[] | undefined) ?? []).filter((p) => !p.endsWith('/0')),
    )
    assert.equal(new Set(routed).size, routed.length, `seed ${seed}: two peers share a prefix`)
  }
}

const runs = Number(process.env['SETT_SIM_RUNS'] ?? 12)
const base = process.env['SETT_SIM_SEED'] === undefined ? Date.now() % 1_000_000 : Number(process.env['SETT_SIM_SEED'])
test(`streams tell what a fresh map tells, ${runs} tailnets from seed ${base}`, async () => {
  for (let run = 0; run < runs; run++) await live(base + run)
})
