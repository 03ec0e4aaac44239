/**
 * What must hold of a simulated tailnet once nothing happens to it any more: whoever may speak is heard, soon and by
 * the shortest way there is; nobody else is; all know the same; nothing is busy, and no table has grown.
 */

import assert from 'node:assert/strict'
import type { Mono } from '../../../src/base/clock.ts'
import { concat } from '../../../src/base/bytes.ts'
import { differences, NetworkMap } from '../../../src/node/control/netmap.ts'
import { MapStream } from '../../../src/node/control/map-stream.ts'
import { unzstd } from '../../../src/node/io/control-zstd.ts'
import type { MapNode } from '../../../src/wire/map-node.ts'
import type { MapResponse } from '../../../src/wire/map-response.ts'
import type { SimMachine, TickCounts } from './machine.ts'
import type { SimTailnet } from './tailnet.ts'

/** Both backoffs end below this, and a server that went away without a word is noticed by then (control.md §15). */
const BACK_MS = 130_000
/** A relay's longest backoff, a stale way given up, and a handshake repeated once. */
const SETTLE_MS = 25_000
/** From nothing to the first packet over a good line: a handshake by relay, at 10 ms a hop. */
const FIRST_MS = 500
/**
 * A packet is lost when it is under way as its session ends, three minutes old: one end made it a little before the
 * other. So rarely that one in a world may be.
 */
const AGAIN_MOST = 1
const DIRECT_MS = 3000
/** WireGuard's own 15 s, and a handshake. */
const SILENCE_MS = 20_000

export interface CalmOptions {
  /** So many peers of each machine are spoken to; all when left out. */
  readonly pairsEach?: number
}

/** Checks it all. The world must have been healed. */
export async function checkCalm(world: SimTailnet, { pairsEach = Infinity }: CalmOptions = {}): Promise<void> {
  const { members } = world
  const isBack = ({ program }: SimMachine): boolean => program?.session.state.online === true
  await world.until(
    () => members.every(isBack),
    BACK_MS,
    'everybody is back at the server',
    () => JSON.stringify(members.filter((m) => !isBack(m)).map((m) => [m.name, m.program?.session.state])),
  )
  await world.run(SETTLE_MS)
  world.policy.isCalm = true
  checkMaps(world)
  const pairs = chosenPairs(world, pairsEach)
  await awaken(world, pairs)
  await checkSpeech(world, pairs)
  await checkWays(world, pairs)
  await checkRest(world)
  checkTables(world)
}

type Pair = readonly [from: SimMachine, to: SimMachine]

function chosenPairs(world: SimTailnet, each: number): Pair[] {
  const { members } = world
  return members.flatMap((from, i) => {
    const others = members.filter((to) => to !== from)
    if (others.length <= each) return others.map((to): Pair => [from, to])
    return Array.from({ length: each }, (_, k): Pair => [
      from,
      members[(i + 1 + k * 7) % members.length] as SimMachine,
    ]).filter(([a, b]) => a !== b)
  })
}

// What is known.

function checkMaps(world: SimTailnet): void {
  const nodes = world.server.nodes()
  const addresses = nodes.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6])
  assert.equal(new Set(addresses).size, addresses.length, 'two nodes share an address')
  for (const machine of world.members) {
    const live = machine.program?.session.netmap as NetworkMap
    const fresh = freshMap(world, machine)
    const { parts, peers } = differences(fresh, live)
    // Profiles of people who are gone may stay.
    for (const part of parts)
      if (part === 'self') assert.deepEqual(told(live.fields.self), told(fresh.fields.self), `${machine.name}: itself`)
      else if (part !== 'profiles')
        assert.deepEqual(live.fields[part], fresh.fields[part], `${machine.name}: ${part} of the map`)
    for (const { id, was, now } of peers) assert.deepEqual(shown(now), shown(was), `${machine.name}: its peer ${id}`)
    const known = new Set([...live.peers.values()].map(({ Key }) => Key))
    const want = world.members.filter((other) => other !== machine && world.maySee(machine, other))
    assert.deepEqual(known, new Set(want.map((other) => world.keyOf(other))), `${machine.name}: whom it sees`)
    const all = [live.fields.self, ...live.peers.values()].flatMap((node) => node.Addresses)
    assert.equal(new Set(all).size, all.length, `${machine.name}: two of its map share an address`)
  }
}

/** What a node has reported of itself, nobody tells it. */
function told({ Endpoints: _, HomeDERP: __, Hostinfo: ___, DiscoKey: ____, ...rest }: MapNode): unknown {
  return rest
}

/** When it was last seen means something only while it is offline. */
function shown(node: MapNode | undefined): unknown {
  if (node === undefined) return undefined
  const { LastSeen: _, CapMap, ...rest } = node
  // That there are none any more is told, that there never were any is not.
  return CapMap === undefined || CapMap.size === 0 ? rest : { ...rest, CapMap }
}

/** As the server would tell it to somebody who asks for the first time. */
function freshMap(world: SimTailnet, machine: SimMachine): NetworkMap {
  const { coord, tailnet } = world.server
  const key = world.keyOf(machine)
  const node = key && world.server.nodeOf(key)
  assert.ok(node !== undefined, `${machine.name} is no node`)
  const stream = new MapStream(unzstd, 0 as Mono)
  const { messages } = stream.push(concat([...coord.maps.oneShot(tailnet.num, node.id, true)]), 0 as Mono)
  const [first, ...more] = messages
  const map = new NetworkMap(first?.message as MapResponse & { readonly Node: MapNode }, machine.wall())
  for (const { message } of more) map.apply(message, machine.wall())
  return map
}

// What is said.

/**
 * Whoever has slept still has sessions that its peers have ended, since its clock stood; WireGuard notices by silence.
 */
async function awaken(world: SimTailnet, pairs: readonly Pair[]): Promise<void> {
  const sleepers = pairs.filter(([a, b]) => a.hasSlept || b.hasSlept)
  if (sleepers.length === 0) return
  for (const [from, to] of sleepers) world.say(from, to)
  await world.run(SILENCE_MS)
}

async function checkSpeech(world: SimTailnet, pairs: readonly Pair[]): Promise<void> {
  const late = await speak(world, pairs)
  assert.ok(late.length <= AGAIN_MOST, `${late.length} of ${pairs.length} packets lost: ${late.join('; ')}`)
  const stillLate = await speak(world, pairs)
  assert.deepEqual(stillLate, [])
}

/** Everybody says something to everybody. Gives what did not arrive, or late. */
async function speak(world: SimTailnet, pairs: readonly Pair[]): Promise<string[]> {
  const said = pairs.map(([from, to]) => [from, to, world.say(from, to)] as const)
  await world.run(4 * FIRST_MS)
  const late: string[] = []
  for (const [from, to, number] of said) {
    const what = `packet ${number}: ${from.name} (${from.tag}) to ${to.name} (${to.tag})`
    if (!world.policy.allows(from.tag, to.tag)) assert.equal(world.hasArrived(number), false, what)
    else if (world.tookMs(number) > FIRST_MS)
      late.push(`${what} took ${world.tookMs(number)} ms ${state(world, from, to)}`)
  }
  return late
}

async function checkWays(world: SimTailnet, pairs: readonly Pair[]): Promise<void> {
  const both = pairs.filter(([a, b]) => world.policy.allows(a.tag, b.tag) && world.policy.allows(b.tag, a.tag))
  for (let ms = 0; ms < DIRECT_MS; ms += 200) {
    for (const [from, to] of both) {
      world.say(from, to, 20)
      world.say(to, from, 20)
    }
    await world.run(200)
  }
  for (const [from, to] of both) {
    if (!mayBeDirect(from, to)) continue
    assert.equal(routeOf(world, from, to)?.kind, 'direct', `${from.name} to ${to.name}: ${state(world, from, to)}`)
  }
}

/** Do their routers let them through to each other (nat.ts)? */
export function mayBeDirect(a: SimMachine, b: SimMachine): boolean {
  const isSix = ({ host }: SimMachine): boolean => host.attachment.ips.some((ip) => ip.includes(':'))
  if (isSix(a) && isSix(b)) return true
  const kinds = [a.natKind, b.natKind]
  return (
    !kinds.includes('symmetric') ||
    !kinds.some((kind, i) => (kind !== 'symmetric' ? kind === 'port-restricted' : kinds[1 - i] === 'symmetric'))
  )
}

function routeOf(world: SimTailnet, from: SimMachine, to: SimMachine) {
  const key = world.keyOf(to)
  return key && from.program?.tunnel?.engine.route(key)
}

function state(world: SimTailnet, from: SimMachine, to: SimMachine): string {
  const [there, back] = [routeOf(world, from, to), routeOf(world, to, from)]
  return JSON.stringify({
    there,
    back,
    nats: [from.natKind, to.natKind],
    drops: [...(from.program?.tunnel?.dropped ?? [])],
  })
}

// What it costs.

/** Of somebody with a handful of peers that nobody speaks to: a look around, keepalives, reports, and nothing else. */
const REST_TICKS = 60
const REST_DATAGRAMS_EACH = 60

async function checkRest(world: SimTailnet): Promise<void> {
  // Sessions renew themselves and ways are compared for a while after the last packet.
  await world.run(60_000)
  const before = world.members.map(({ ticks }) => ({ ...ticks }))
  const { sent } = world.internet.counts
  await world.run(60_000)
  for (const [i, { ticks, name }] of world.members.entries())
    for (const what of ['session', 'engine', 'relays'] as const) {
      const count = ticks[what] - ((before[i] as TickCounts)[what] ?? 0)
      assert.ok(count <= REST_TICKS, `${name}: ${what} ticked ${count} times in a minute of rest`)
    }
  const datagrams = world.internet.counts.sent - sent
  assert.ok(datagrams <= REST_DATAGRAMS_EACH * world.members.length, `${datagrams} datagrams in a minute of rest`)
}

function checkTables(world: SimTailnet): void {
  for (const { program, name } of world.members) {
    const peers = program?.session.netmap?.peers.size ?? 0
    const { plane, relays } = program?.tunnel ?? {}
    assert.ok(plane !== undefined && relays !== undefined, name)
    const { routes, sessions, heard } = plane.size
    assert.ok(routes <= peers, `${name}: ways to ${routes} of ${peers} peers`)
    assert.ok(sessions <= 3 * peers && heard <= sessions, `${name}: ${sessions} sessions with ${peers} peers`)
    assert.ok(relays.connections <= world.relays.length, `${name}: ${relays.connections} connections to relays`)
  }
  assert.equal(world.server.connections, world.members.length, 'connections at the server')
  const clients = world.relays.reduce((sum, relay) => sum + relay.clients, 0)
  assert.ok(clients <= world.members.length * world.relays.length, `${clients} clients at the relays`)
}
