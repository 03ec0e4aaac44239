/**
 * Nodes that start while their server and all relays are away: they have their last map, and a disco key that no peer
 * knows. Whoever writes is heard, and the way is direct again, by handshakes alone.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SimMachine } from './tailnet/machine.ts'
import { SimTailnet } from './tailnet/tailnet.ts'
import type { Place } from './net/internet.ts'

const LINE_MS = 10
/** A handshake and a packet, three ways, where the first message arrives. */
const FIRST_MS = 5 * LINE_MS
/** Pings each way once the peer has said its disco key. */
const DIRECT_MS = 1000
/** The pause between two initiations. */
const REPEAT_MS = 5500

interface World extends AsyncDisposable {
  readonly net: SimTailnet
  readonly a: SimMachine
  readonly b: SimMachine
}

/** Two machines that know of each other and have spoken directly, and then lost server and relays. */
async function alone(places: readonly [Place, Place] = [{}, {}]): Promise<World> {
  const world = await together(places)
  const { net, a, b } = world
  await talk(net, a, b)
  await isDirect(net, a, b)
  net.server.stop()
  for (const relay of net.relays) relay.stop()
  await net.run(500)
  return world
}

async function together(places: readonly [Place, Place] = [{}, {}]): Promise<World> {
  const net = await SimTailnet.start({ seed: 3, regions: 1, line: { delayMs: LINE_MS } })
  const [a, b] = places.map((place) => net.join(place)) as [SimMachine, SimMachine]
  await net.until(() => [a, b].every(({ program }) => program?.session.netmap?.peers.size === 1), 20_000, 'they meet')
  await net.run(2000)
  return {
    net,
    a,
    b,
    [Symbol.asyncDispose]: async () => {
      for (const { program } of net.machines) program?.end()
    },
  }
}

/** One packet each way. Gives what the slower took. */
async function talk(net: SimTailnet, a: SimMachine, b: SimMachine, withinMs = 5000): Promise<number> {
  const there = net.say(a, b)
  await net.until(() => net.hasArrived(there), withinMs, `${a.name} is heard by ${b.name}`)
  const back = net.say(b, a)
  await net.until(() => net.hasArrived(back), withinMs, `${b.name} is heard by ${a.name}`)
  return Math.max(net.tookMs(there), net.tookMs(back))
}

const routeOf = (net: SimTailnet, from: SimMachine, to: SimMachine) => {
  const key = net.keyOf(to)
  return key && from.program?.tunnel?.engine.route(key)
}

/** Packets go back and forth until both ways are direct. */
async function isDirect(net: SimTailnet, a: SimMachine, b: SimMachine): Promise<number> {
  const begin = net.now
  const both = () => routeOf(net, a, b)?.kind === 'direct' && routeOf(net, b, a)?.kind === 'direct'
  while (!both()) {
    assert.ok(net.now - begin < 20_000, JSON.stringify([routeOf(net, a, b), routeOf(net, b, a)]))
    await talk(net, a, b)
    await net.run(20)
  }
  return net.now - begin
}

const restart = (machine: SimMachine): void => {
  machine.kill()
  machine.start()
}

const PLACES: readonly (readonly [name: string, a: Place, b: Place])[] = [
  ['on the internet itself', {}, {}],
  ['behind a router', { nat: 'port-restricted' }, {}],
  ['with a peer behind a router', {}, { nat: 'port-restricted' }],
  ['by IPv6', { ipv6: true }, { ipv6: true }],
]

for (const [name, placeA, placeB] of PLACES)
  test(`${name}: who has started is heard and answered at once, and soon directly`, async () => {
    await using world = await alone([placeA, placeB])
    const { net, a, b } = world
    restart(a)
    await net.run(100)
    const took = await talk(net, a, b)
    assert.ok(took <= FIRST_MS, `${took} ms`)
    const direct = await isDirect(net, a, b)
    assert.ok(direct <= DIRECT_MS, `${direct} ms`)
  })

test('both have started: whoever writes first is heard and answered at once', async () => {
  await using world = await alone()
  const { net, a, b } = world
  for (const machine of [a, b]) restart(machine)
  await net.run(100)
  const took = await talk(net, b, a)
  assert.ok(took <= FIRST_MS, `${took} ms`)
  assert.ok((await isDirect(net, a, b)) <= DIRECT_MS)
})

test('both have started and write at once: both are heard', async () => {
  await using world = await alone()
  const { net, a, b } = world
  for (const machine of [a, b]) restart(machine)
  await net.run(100)
  const said = [net.say(a, b), net.say(b, a)]
  await net.until(() => said.every((number) => net.hasArrived(number)), 1000, 'both are heard')
  assert.ok((await isDirect(net, a, b)) <= DIRECT_MS)
})

test('a peer that still has a session with the run before is heard with its second word', async () => {
  await using world = await alone()
  const { net, a, b } = world
  restart(a)
  await net.run(100)
  net.say(b, a)
  await net.run(FIRST_MS)
  const took = await talk(net, b, a)
  assert.ok(took <= FIRST_MS, `${took} ms`)
  assert.ok((await isDirect(net, a, b)) <= DIRECT_MS)
})

test('over a relay, too, which says whose messages it brings', async () => {
  await using world = await together([{ nat: 'symmetric' }, { nat: 'symmetric' }])
  const { net, a, b } = world
  await talk(net, a, b)
  net.server.stop()
  restart(a)
  // Until its relay has taken it.
  await net.run(2000)
  assert.equal(routeOf(net, b, a)?.kind, 'relay')
  net.say(b, a)
  await net.run(2 * FIRST_MS)
  const took = await talk(net, b, a)
  assert.ok(took <= 2 * FIRST_MS, `${took} ms`)
})

test('at another address, while its peer still trusts the way to the one before', async () => {
  await using world = await alone()
  const { net, a, b } = world
  await isDirect(net, a, b)
  const before = routeOf(net, b, a)
  a.kill()
  a.moveTo({})
  a.start()
  await net.run(100)
  assert.equal(routeOf(net, b, a)?.kind, 'direct')
  const number = net.say(a, b)
  await net.until(() => net.hasArrived(number), FIRST_MS, 'it is heard')
  // A way that is trusted is not left for a handshake alone, so what is said at once is lost.
  await net.run(DIRECT_MS)
  const took = await talk(net, a, b)
  assert.ok(took <= FIRST_MS, `${took} ms`)
  assert.ok((await isDirect(net, a, b)) <= DIRECT_MS)
  assert.notDeepEqual(routeOf(net, b, a), before)
})

test('a connection with the relay that is dead without having ended: the second initiation goes everywhere', async () => {
  await using world = await together()
  const { net, a, b } = world
  for (const { host } of [net.server, ...net.relays]) host.isOnline = false
  restart(b)
  await net.run(100)
  const number = net.say(a, b)
  await net.until(() => net.hasArrived(number), REPEAT_MS, 'it is heard')
  assert.ok(net.tookMs(number) > 1000, 'the relay was not asked first')
  assert.ok((await isDirect(net, a, b)) <= DIRECT_MS)
})
