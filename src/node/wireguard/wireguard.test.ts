/** Two machines against each other in simulated time: what each timer does, and that nothing but time and luck is lost. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ipPacket, WireGuardWorld } from '../../../test/support/wireguard-world.ts'
import type { Faults, Machine } from '../../../test/support/wireguard-world.ts'
import { seeded } from '../../../test/support/seeded.ts'
import { NEVER } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'
import { kindOf } from './messages.ts'
import { WAITING_MOST } from './peer.ts'
import { REJECT_AFTER_MESSAGES } from './transport.ts'

/** A pair that has just agreed on a session, `a` having asked for it. */
function connected(seed = 1): { net: WireGuardWorld; a: Machine; b: Machine } {
  const net = new WireGuardWorld(seed)
  const [a, b] = net.pair()
  net.send(a, b, 'hello')
  net.run(100)
  return { net, a, b }
}

/** From now on nothing of these kinds gets through. */
function lose(net: WireGuardWorld, ...kinds: ReturnType<typeof kindOf>[]): void {
  net.passes = (_from, _to, bytes) => !kinds.includes(kindOf(bytes))
}

test('the first packet opens a session, and both ways are open then', () => {
  const { net, a, b } = connected()
  assert.deepEqual(b.packets(), ['hello'])
  net.send(b, a, 'and back')
  net.run(100)
  assert.deepEqual(a.packets(), ['and back'])
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const) {
    assert.equal(one.of('established').length, 1)
    assert.deepEqual(one.drops(), {})
    assert.ok(one.wg.lastHandshakeAt(other.key) !== undefined)
  }
  assert.equal(a.sent('initiation').length, 1)
  assert.equal(b.sent('response').length, 1)
})

test('an initiator without anything to say sends a keepalive, for the responder may not speak first', () => {
  const net = new WireGuardWorld(2)
  const [a, b] = net.pair()
  a.wg.setPersistentKeepalive(b.key, 25_000, net.now)
  net.run(100)
  assert.equal(b.of('established').length, 1)
  assert.deepEqual(b.packets(), [])
})

test('the packet that goes first goes before those that wait, once for each session', () => {
  const net = new WireGuardWorld(3)
  const [a, b] = net.pair({ firstPacket: () => ipPacket('first') }, { firstPacket: () => ipPacket('mine first') })
  net.send(a, b, 'waited')
  net.run(100)
  assert.deepEqual(b.packets(), ['first', 'waited'])
  assert.deepEqual(a.packets(), ['mine first'])
})

test('no answer: an initiation every 5 s and a bit, for 90 s; then what waits is dropped', () => {
  const net = new WireGuardWorld(4)
  const [a, b] = net.pair()
  lose(net, 'initiation')
  const start = net.now
  net.send(a, b, 'one')
  net.send(a, b, 'two')
  net.run(300_000)
  const times = a.sent('initiation', start)
  assert.equal(times[0], 0)
  for (let i = 1; i < times.length; i++) {
    const gap = (times[i] as number) - (times[i - 1] as number)
    assert.ok(gap >= 5000 && gap < 5334, `${gap} ms`)
  }
  assert.ok((times.at(-1) as number) < 90_000 && (times.at(-1) as number) > 80_000)
  assert.equal(new Set(times.slice(1).map((t, i) => t - (times[i] as number))).size > 5, true)
  assert.equal(a.of('unanswered').length, 1)
  assert.deepEqual(a.drops(), { unanswered: 2 })
  assert.equal(a.of('forgotten').length, 1)
  assert.equal(a.wg.livePeers, 0)
  assert.equal(a.wg.deadline(), NEVER)
})

test('each new packet begins the 90 s anew, and does not send initiations faster', () => {
  const net = new WireGuardWorld(5)
  const [a, b] = net.pair()
  lose(net, 'initiation')
  const start = net.now
  for (let s = 0; s < 120; s++) {
    net.send(a, b, `${s}`)
    net.run(1000)
  }
  net.run(60_000)
  assert.equal(a.of('unanswered').length, 0)
  const times = a.sent('initiation', start)
  for (let i = 1; i < times.length; i++) assert.ok((times[i] as number) - (times[i - 1] as number) >= 5000)
  assert.ok(times.length > 30)
})

test('more packets than may wait: the oldest go', () => {
  const net = new WireGuardWorld(6)
  const [a, b] = net.pair()
  for (let i = 0; i < WAITING_MOST + 3; i++) net.send(a, b, `${i}`)
  net.run(100)
  assert.deepEqual(a.drops(), { 'too-many-waiting': 3 })
  assert.equal(b.packets().length, WAITING_MOST)
  assert.equal(b.packets()[0], '3')
})

/** What is said on one session, and when the initiation that renews it comes, in ms after the session began. */
const renewals: readonly {
  readonly name: string
  readonly says: 'a' | 'b' | 'both'
  readonly from: number
  readonly to: number
}[] = [
  { name: 'an initiator that sends renews at 120 s', says: 'a', from: 120_000, to: 121_000 },
  { name: 'an initiator that only receives renews at 165 s', says: 'b', from: 165_000, to: 166_000 },
  { name: 'an initiator that does both renews at 120 s', says: 'both', from: 120_000, to: 121_000 },
]

test('sessions are renewed by their initiator, in time, without losing a packet', () => {
  for (const { name, says, from, to } of renewals) {
    const { net, a, b } = connected(7)
    // Keepalives are messages, too: this one only receives, and does not even say that it does.
    if (says === 'b') net.passes = (sender, _to, bytes) => !(sender === a && bytes.length === 32)
    const start = net.now
    for (let s = 0; s < 170; s++) {
      if (says !== 'b') net.send(a, b, `a${s}`)
      if (says !== 'a') net.send(b, a, `b${s}`)
      net.run(1000)
    }
    if (says !== 'b') {
      const first = a.sent('initiation', start)[0] as number
      assert.ok(first >= from - 100 && first <= to, `${name}: ${first}`)
      assert.equal(b.sent('initiation', start).length, 0, name)
      assert.equal(b.packets().length, 171, name)
      assert.deepEqual([a.drops(), b.drops()], [{}, {}], name)
    }
    if (says !== 'a') assert.equal(a.packets().length, 170, name)
  }
})

test('an initiator that only receives, and answers with keepalives, renews by 120 s: a keepalive is sending', () => {
  const { net, a, b } = connected(8)
  const start = net.now
  for (let s = 0; s < 179; s++) {
    net.send(b, a, `b${s}`)
    net.run(1000)
  }
  assert.equal(a.packets().length, 179)
  assert.deepEqual(b.sent('initiation', start), [])
  const renewed = a.sent('initiation', start)
  assert.equal(renewed.length, 1)
  assert.ok((renewed[0] as number) >= 119_900 && (renewed[0] as number) < 131_000)
})

test('whoever only receives says after 10 s that it is there, and is silent when nothing comes', () => {
  const { net, a, b } = connected(9)
  net.run(20_000)
  const start = net.now
  net.send(a, b, 'data')
  net.run(9990)
  assert.deepEqual(b.sent('transport', start), [])
  net.run(60_000)
  assert.deepEqual(b.sent('transport', start), [10_010])
  assert.deepEqual(a.sent('initiation', start), [])
  assert.deepEqual(a.sent('transport', start), [0])
})

test('whoever answers with data sends no keepalive', () => {
  const { net, a, b } = connected(25)
  net.run(20_000)
  const start = net.now
  net.send(a, b, 'data')
  net.run(5000)
  net.send(b, a, 'answer')
  net.run(9000)
  assert.deepEqual(b.sent('transport', start), [5000])
})

test('packets that waited and were not answered ask for a new session as well', () => {
  const net = new WireGuardWorld(26)
  const [a, b] = net.pair()
  net.passes = (from, _to, bytes) => from === a || kindOf(bytes) !== 'transport'
  const start = net.now
  net.send(a, b, 'waited')
  net.run(15_500)
  assert.equal(a.sent('initiation', start).length, 2)
})

test('whoever asks in vain stops when the other has asked with success', () => {
  const net = new WireGuardWorld(27)
  const [a, b] = net.pair()
  let held: Uint8Array | undefined
  net.passes = (from, _to, bytes) => {
    if (from !== a || kindOf(bytes) !== 'initiation') return true
    held = bytes
    return false
  }
  net.send(a, b, 'from a')
  net.run(1000)
  net.send(b, a, 'from b')
  net.run(1000)
  assert.deepEqual([a.packets(), b.packets()], [['from b'], ['from a']])
  net.deliver(b, held as Uint8Array, { host: 'a', port: 1 })
  net.run(9000)
  assert.equal(a.sent('initiation').length, 1)
  assert.deepEqual(a.drops(), { 'unknown-index': 1 })
})

test('packets of the session before are still believed when a new one is in use', () => {
  const { net, a, b } = connected(28)
  let held: Uint8Array | undefined
  net.passes = (_from, _to, bytes) => {
    held = bytes
    return false
  }
  net.send(a, b, 'on its way')
  net.passes = () => true
  net.did(a, a.wg.reset(b.key, net.now))
  net.send(a, b, 'new')
  net.run(100)
  assert.deepEqual(b.packets(), ['hello', 'new'])
  net.deliver(b, held as Uint8Array, { host: 'a', port: 1 })
  assert.deepEqual(b.packets(), ['hello', 'new', 'on its way'])
})

test('an old session is not sent with even where nobody looked at the clock meanwhile', () => {
  const { net, a, b } = connected(29)
  net.now = (net.now + 200_000) as typeof net.now
  const start = net.now
  net.send(a, b, 'after sleep')
  assert.deepEqual([a.sent('transport', start), a.sent('initiation', start)], [[], [0]])
})

test('a session that has sent all that it may is followed by another, and no packet is lost', () => {
  for (const { left, everyMs } of [
    { left: 3, everyMs: 2000 },
    { left: 1, everyMs: 6000 },
  ]) {
    const net = new WireGuardWorld(30)
    const [a, b] = net.pair({ firstCounter: REJECT_AFTER_MESSAGES - left })
    for (let i = 0; i < 9; i++) {
      net.send(a, b, `${i}`)
      net.run(everyMs)
    }
    net.run(6000)
    assert.deepEqual(
      b.packets().sort(),
      Array.from({ length: 9 }, (_, i) => `${i}`),
    )
    assert.ok(a.of('established').length >= 3)
  }
})

test('data that nobody answers for 15 s asks for a new session', () => {
  const { net, a, b } = connected(10)
  net.run(20_000)
  lose(net, 'transport')
  const start = net.now
  net.send(a, b, 'lost')
  net.run(15_000 - 1)
  assert.deepEqual(a.sent('initiation', start), [])
  net.run(335)
  const [first] = a.sent('initiation', start)
  assert.ok(first !== undefined && first >= 15_000 && first < 15_334)
})

test('a peer that restarted is found again within 15 s and a bit, and at once when it is reset', () => {
  for (const isReset of [false, true]) {
    const { net, a, b } = connected(11)
    net.run(6000)
    b.restart()
    const start = net.now
    if (isReset) net.did(a, a.wg.reset(b.key, net.now))
    net.send(a, b, 'again')
    net.run(100)
    assert.equal(b.of('established').length, isReset ? 2 : 1)
    net.run(15_400)
    assert.equal(b.of('established').length, 2)
    assert.equal(a.sent('initiation', start).length, 1)
    net.send(a, b, 'there')
    net.run(100)
    assert.ok(b.packets().includes('there'))
  }
})

test('a session ends at 180 s: it is not sent with, nothing is left of it, and the next packet opens another', () => {
  const { net, a, b } = connected(12)
  const start = net.now
  net.run(179_800)
  assert.equal(a.wg.livePeers, 1)
  net.run(300_000)
  for (const m of [a, b]) {
    assert.equal(m.wg.livePeers, 0)
    assert.equal(m.of('forgotten').length, 1)
    assert.equal(m.wg.deadline(), NEVER)
  }
  net.send(b, a, 'later')
  net.run(100)
  assert.deepEqual(a.packets(), ['later'])
  assert.equal(b.sent('initiation', start).length, 1)
})

test('what is sent near the end of a session arrives: the sender ends it before its peer does', () => {
  // The initiator's session is younger than its peer's by one way of the handshake's answer.
  for (const before of [180_000 - 1, 180_000 - 2000, 180_000 - 4999, 180_000 - 5001])
    for (const [sender, receiver] of [
      [0, 1],
      [1, 0],
    ] as const) {
      const net = new WireGuardWorld(41, { delayMs: 1500 })
      const pair = net.pair()
      const [from, to] = [pair[sender] as Machine, pair[receiver] as Machine]
      net.send(pair[0], pair[1], 'first')
      assert.ok(net.until(() => from.of('established').length === 1, 10_000))
      net.run(before - (net.now - (from.wg.lastHandshakeAt(to.key) as Mono)))
      net.send(from, to, 'near the end')
      net.run(10_000)
      assert.deepEqual(to.packets().at(-1), 'near the end', `${sender} at ${before} ms`)
      assert.deepEqual(to.drops(), {}, `${sender} at ${before} ms`)
    }
})

test('a persistent keepalive goes out after every such silence, whatever else went', () => {
  const net = new WireGuardWorld(13)
  const [a, b] = net.pair()
  const start = net.now
  a.wg.setPersistentKeepalive(b.key, 25_000, net.now)
  net.run(110_000)
  const times = a.sent('transport', start)
  assert.deepEqual(
    times.map((t) => Math.round(t / 1000)),
    [0, 25, 50, 75, 100],
  )
  net.run(400_000)
  assert.equal(a.of('unanswered').length, 0)
  assert.ok(a.of('established').length >= 4)
  a.wg.setPersistentKeepalive(b.key, 0, net.now)
  net.run(400_000)
  assert.equal(a.wg.livePeers, 0)
})

test('a persistent keepalive may be rarer than peers are forgotten', () => {
  const net = new WireGuardWorld(31)
  const [a, b] = net.pair()
  const start = net.now
  a.wg.setPersistentKeepalive(b.key, 600_000, net.now)
  net.run(650_000)
  assert.deepEqual(
    a.sent('initiation', start).map((t) => Math.round(t / 1000)),
    [0, 600],
  )
  assert.equal(a.of('forgotten').length, 0)
})

test('both ask at the same moment: both ways are open without a second round', () => {
  const net = new WireGuardWorld(14)
  const [a, b] = net.pair()
  const start = net.now
  net.send(a, b, 'from a')
  net.send(b, a, 'from b')
  net.run(100)
  assert.deepEqual([a.packets(), b.packets()], [['from b'], ['from a']])
  for (let s = 0; s < 100; s++) {
    net.send(a, b, `a${s}`)
    net.send(b, a, `b${s}`)
    net.run(1000)
  }
  assert.deepEqual([a.packets().length, b.packets().length], [101, 101])
  assert.deepEqual([a.drops(), b.drops()], [{}, {}])
  assert.equal(a.sent('initiation', start).length + b.sent('initiation', start).length, 2)
})

test('a lost response or a lost confirmation is made good by the next round', () => {
  for (const kind of ['response', 'transport'] as const) {
    const net = new WireGuardWorld(15)
    const [a, b] = net.pair()
    lose(net, kind)
    net.send(a, b, 'one')
    net.run(1000)
    net.passes = () => true
    net.send(b, a, 'two')
    assert.ok(
      net.until(() => a.packets().includes('two'), 6000),
      kind,
    )
  }
})

test('messages that come twice or again later are refused', () => {
  const net = new WireGuardWorld(16)
  const [a, b] = net.pair()
  const caught: Uint8Array[] = []
  net.passes = (from, _to, bytes) => {
    if (from === a) caught.push(bytes)
    return true
  }
  net.send(a, b, 'pay')
  net.run(100)
  const before = b.of('packet').length
  assert.deepEqual(caught.map(kindOf), ['initiation', 'transport'])
  for (const bytes of caught) net.deliver(b, bytes, { host: 'mallory', port: 9 })
  assert.deepEqual(b.drops(), { 'old-timestamp': 1, replayed: 1 })
  assert.equal(b.of('packet').length, before)
  assert.equal(
    b.of('authenticated').some(({ from }) => from.host === 'mallory'),
    false,
  )
  net.run(500_000)
  assert.equal(b.wg.livePeers, 0)
  for (const bytes of caught) net.deliver(b, bytes, { host: 'mallory', port: 9 })
  assert.deepEqual(b.drops(), { 'old-timestamp': 2, replayed: 1, 'unknown-index': 1 })
  assert.equal(b.wg.livePeers, 0)
})

test('a peer that moves is said to be where it proved to be, when that is news', () => {
  const { net, a, b } = connected(17)
  const places = () => b.of('authenticated').map(({ from }) => `${from.host}:${from.port}`)
  assert.deepEqual(places(), ['a:1', 'a:1'])
  const caught: Uint8Array[] = []
  net.passes = (_from, _to, bytes) => {
    caught.push(bytes)
    return false
  }
  for (let i = 0; i < 3; i++) net.send(a, b, `${i}`)
  const [one, two, three] = caught as [Uint8Array, Uint8Array, Uint8Array]
  net.deliver(b, one, { host: 'elsewhere', port: 2 })
  net.deliver(b, two, { host: 'elsewhere', port: 2 })
  net.deliver(b, three.slice(0, -1), { host: 'a liar', port: 2 })
  net.deliver(b, three, { host: 'elsewhere', port: 3 })
  assert.deepEqual(places(), ['a:1', 'a:1', 'elsewhere:2', 'elsewhere:3'])
})

test('a packet with the source of somebody else, or that is none, goes no further', () => {
  const net = new WireGuardWorld(18)
  const [a, b] = net.pair({}, { isSourceOf: (_peer, packet) => packet.length !== 20 + 'lie'.length })
  net.send(a, b, 'truth')
  net.send(a, b, 'lie')
  net.did(a, a.wg.seal(b.key, Uint8Array.of(1, 2, 3), net.now))
  net.run(100)
  assert.deepEqual(b.packets(), ['truth'])
  assert.deepEqual(b.drops(), { source: 1, 'not-ip': 1 })
})

test('strangers: nothing is kept of them, nothing goes to them', () => {
  const net = new WireGuardWorld(19)
  const [a, b] = [net.add('a'), net.add('b')]
  a.peers.add(b.key)
  net.send(a, b, 'let me in')
  net.send(b, a, 'who?')
  net.run(100)
  assert.deepEqual(b.drops(), { 'unknown-peer': 2 })
  assert.equal(b.wg.livePeers, 0)
  assert.deepEqual(b.of('send'), [])
  a.peers.add(a.key)
  net.send(a, a, 'myself')
  assert.deepEqual(a.drops(), { 'unknown-peer': 1 })
})

test('a removed peer is gone at once, sessions and all', () => {
  const { net, a, b } = connected(20)
  b.peers.delete(a.key)
  net.did(b, b.wg.remove(a.key))
  assert.equal(b.wg.livePeers, 0)
  assert.equal(b.wg.deadline(), NEVER)
  net.send(a, b, 'still there?')
  net.run(20_000)
  assert.deepEqual(b.packets(), ['hello'])
  assert.deepEqual(b.drops(), { 'unknown-index': 1, 'unknown-peer': 1 })
})

test('under load a cookie is asked for, and who has one gets through', () => {
  let isBusy = true
  const net = new WireGuardWorld(21)
  const [a, b] = net.pair({}, { isBusy: () => isBusy })
  net.send(a, b, 'please')
  net.run(1000)
  assert.deepEqual(
    b.happened.map((h) => h.kind),
    ['reply'],
  )
  net.run(5000)
  assert.deepEqual(b.packets(), ['please'])
  // A cookie is good for two minutes; then it takes another round.
  net.run(181_000 + 120_000)
  net.send(a, b, 'again')
  net.run(1000)
  assert.equal(b.of('reply').length, 2)
  net.run(5000)
  assert.deepEqual(b.packets(), ['please', 'again'])
  isBusy = false
  net.did(a, a.wg.reset(b.key, net.now))
  net.send(a, b, 'quiet')
  net.run(100)
  assert.equal(b.of('reply').length, 2)
  assert.equal(b.packets().length, 3)
})

test('an initiator under load asks for a cookie, too, and its responder gives it with the next response', () => {
  const net = new WireGuardWorld(22)
  const [a, b] = net.pair({ isBusy: () => true })
  net.send(a, b, 'busy')
  net.run(1000)
  assert.equal(a.of('reply').length, 1)
  net.run(5000)
  assert.deepEqual(b.packets(), ['busy'])
  assert.equal(a.of('reply').length, 1)
})

test('a flood of initiations makes a machine ask for cookies by itself, and it still answers who has one', () => {
  const net = new WireGuardWorld(23)
  const [a, b] = net.pair()
  const crowd = Array.from({ length: 300 }, (_, i) => net.add(`m${i}`))
  for (const m of crowd) {
    net.acquaint(m, b)
    net.send(m, b, m.name)
  }
  net.run(11)
  assert.equal(b.of('reply').length, 50)
  net.send(a, b, 'me too')
  net.run(500)
  assert.deepEqual(b.packets().includes('me too'), false)
  net.run(6000)
  assert.ok(b.packets().includes('me too'))
  assert.equal(b.packets().length, 301)
})

test('a clock set back by a day hinders nobody', () => {
  const net = new WireGuardWorld(24)
  const [a, b] = net.pair()
  for (const by of [0, -86_400_000, 86_400_000 * 30, -86_400_000 * 365]) {
    net.setClock(a, by)
    const count = b.packets().length
    net.send(a, b, 'on')
    net.run(100)
    assert.equal(b.packets().length, count + 1)
    // Sessions end, and both forget each other.
    net.run(400_000)
    assert.equal(a.wg.livePeers, 0)
  }
})

const weathers: readonly (Faults & { readonly name: string })[] = [
  { name: 'calm', delayMs: 5 },
  { name: 'loss', loss: 30 },
  { name: 'repetition', twice: 50, jitterMs: 50 },
  { name: 'disorder', jitterMs: 2000 },
  { name: 'all at once', loss: 20, twice: 30, jitterMs: 500 },
]

test('in any weather: nothing comes twice or changed, and all is well again when it clears', () => {
  let arrived = 0
  for (const weather of weathers)
    for (let seed = 1; seed <= 4; seed++) {
      const what = `${weather.name}, seed ${seed}`
      const net = new WireGuardWorld(seed * 1000, weather)
      const below = seeded(seed)
      const [a, b] = net.pair()
      const said = new Map([
        [a, new Set<string>()],
        [b, new Set<string>()],
      ])
      const say = (from: Machine, to: Machine, text: string) => {
        said.get(from)?.add(text)
        net.send(from, to, text)
      }
      for (let i = 0; i < 400; i++) {
        if (below(3) > 0) say(a, b, `a${i}`)
        if (below(4) === 0) say(b, a, `b${i}`)
        if (below(60) === 0) (below(2) === 0 ? a : b).restart()
        if (below(60) === 0) net.setClock(below(2) === 0 ? a : b, below(7200_000) * 1000 - 3600_000_000)
        net.run(below(40) === 0 ? 60_000 : below(1500))
      }
      for (const [from, to] of [
        [a, b],
        [b, a],
      ] as const) {
        const packets = to.packets()
        arrived += packets.length
        assert.equal(new Set(packets).size, packets.length, `${what}: something came twice`)
        assert.ok(
          packets.every((text) => said.get(from)?.has(text) === true),
          what,
        )
        for (const times of [from.sent('initiation')]) assert.ok(times.length < 400, what)
      }
      // A clock that was set back before a restart makes peers refuse until it has caught up: the paper's own limit.
      net.faults = {}
      a.restart()
      b.restart()
      net.wallOff.clear()
      net.setClock(a, 86_400_000 * 365)
      net.setClock(b, 86_400_000 * 365)
      net.send(a, b, 'clear from a')
      net.send(b, a, 'clear from b')
      net.run(6000)
      assert.ok(b.packets().includes('clear from a') && a.packets().includes('clear from b'), what)
    }
  assert.ok(arrived > 3000, `${arrived} packets arrived`)
})
