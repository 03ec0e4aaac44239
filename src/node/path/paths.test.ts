/** The rules of path finding one by one (disco.md §3.1 to §5.11, §14), with a peer whose every word the test chooses. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Mono } from '../../base/clock.ts'
import { nodeKeyOf } from '../../base/keys.ts'
import type { DiscoKey, NodeKey } from '../../base/keys.ts'
import { nodePrimitives as p } from '../../crypto/io/node-primitives.ts'
import { generateKey } from '../../crypto/primitives.ts'
import { decodeDisco } from '../../wire/disco.ts'
import type { DiscoMessage, Ping } from '../../wire/disco.ts'
import { decodeEnvelope } from '../../wire/disco-envelope.ts'
import type { PathAction } from './actions.ts'
import { addressOf, readEndpoint } from './endpoint.ts'
import type { Endpoint } from './endpoint.ts'
import { LIVE_MS } from './liveness.ts'
import { Paths } from './paths.ts'
import type { Peer } from './peer.ts'
import { Seals } from './seals.ts'

const e = (text: string) => readEndpoint(text) as Endpoint
const OURS = nodeKeyOf(p.random(32))
const HERE = e('198.51.100.1:41641')
const FIRST = e('203.0.113.1:1')
const SECOND = e('203.0.113.2:2')
const HOME = 7

/** What was sent, opened: where to and what. */
interface Sent {
  readonly to: Endpoint | number
  readonly message: DiscoMessage
}

/** One machine under test and one peer. */
class Scene {
  now = 1000 as Mono
  readonly paths: Paths
  readonly key: NodeKey = nodeKeyOf(p.random(32))
  hand = new Seals(p, generateKey(p.random))
  actions: PathAction[] = []

  constructor(options: { endpoints?: readonly string[]; udp?: boolean; peer?: Partial<Peer>; fresh?: boolean } = {}) {
    this.paths = new Paths({ primitives: p, disco: generateKey(p.random), nodeKey: OURS, udp: options.udp ?? true })
    if (options.fresh !== false) this.do(this.paths.setOwnEndpoints([HERE], this.now))
    this.do(
      this.paths.setPeer(this.peer({ endpoints: options.endpoints ?? [FIRST, SECOND], ...options.peer }), this.now),
    )
  }

  peer(over: Partial<Peer> = {}): Peer {
    return { key: this.key, disco: this.hand.ownKey, endpoints: [FIRST, SECOND], homeRegion: HOME, ...over }
  }

  do(actions: readonly PathAction[]): void {
    this.actions.push(...actions)
  }

  /** Waits, ticking whenever the machine wants to. */
  wait(ms: number, each: () => void = () => {}): void {
    const until = (this.now + ms) as Mono
    for (let next = this.paths.deadline(); next <= until; next = this.paths.deadline()) {
      this.now = Math.max(next, this.now) as Mono
      this.do(this.paths.tick(this.now))
      each()
    }
    this.now = until
  }

  send(): void {
    this.do(this.paths.sent(this.key, this.now))
  }

  /** A handshake message of the peer's comes from there. */
  met(from: Endpoint): void {
    this.do(this.paths.met(this.key, from, this.now))
  }

  udp(message: DiscoMessage, from: Endpoint, hand = this.hand): void {
    const bytes = hand.seal(this.paths.ownDisco, message) as Uint8Array
    this.do(this.paths.fromUdp(addressOf(from), bytes, this.now))
  }

  relay(message: DiscoMessage, from = this.key, hand = this.hand): void {
    const bytes = hand.seal(this.paths.ownDisco, message) as Uint8Array
    this.do(this.paths.fromRelay(HOME, from, bytes, this.now))
  }

  /** What was sent since the last look. */
  taken(): Sent[] {
    const taken = this.actions
    this.actions = []
    return taken.flatMap((a) => {
      if (a.kind !== 'send-udp' && a.kind !== 'send-relay') return []
      const clear = this.hand.open(decodeEnvelope(a.bytes) as { sender: DiscoKey; sealed: Uint8Array })
      const message = clear && decodeDisco(clear)
      return message === undefined ? [] : [{ to: a.kind === 'send-udp' ? a.to : a.region, message }]
    })
  }

  /** The peer answers all pings to these endpoints, after a while. */
  answer(only: readonly Endpoint[], afterMs = 10): Sent[] {
    const sent = this.taken()
    this.now = (this.now + afterMs) as Mono
    for (const { to, message } of sent)
      if (message.kind === 'ping' && only.includes(to as Endpoint)) this.udp(pongTo(message), to as Endpoint)
    return sent
  }

  /** A trusted direct path to FIRST. */
  direct(afterMs = 2): this {
    this.send()
    this.answer([FIRST], afterMs)
    assert.deepEqual(this.route, { kind: 'direct', endpoint: FIRST })
    this.actions = []
    return this
  }

  get route() {
    return this.paths.route(this.key)
  }

  drops(): Record<string, number> {
    return Object.fromEntries(this.paths.drops)
  }
}

const ping = (nodeKey?: NodeKey): Ping => ({ kind: 'ping', tx: p.random(12), padding: 0, ...(nodeKey && { nodeKey }) })
const pongTo = (m: Ping): DiscoMessage => ({ kind: 'pong', tx: m.tx, src: addressOf(HERE) })
const call = (...endpoints: string[]): DiscoMessage => ({
  kind: 'call-me-maybe',
  endpoints: endpoints.map((t) => addressOf(e(t))),
})
const said = (sent: readonly Sent[]) => sent.map((s) => `${s.message.kind} ${s.to}`)
/** In order, so that they compare. */
const sorted = (targets: readonly (Endpoint | number)[]) => targets.map(String).sort()
const pings = (sent: readonly Sent[]) => sent.filter((s) => s.message.kind === 'ping').map((s) => s.to)

test('the first packet goes by relay, and has all endpoints pinged and the peer called', () => {
  const s = new Scene()
  assert.equal(s.paths.counts.active, 0)
  s.send()
  assert.deepEqual(s.route, { kind: 'relay', region: HOME })
  const sent = s.taken()
  assert.deepEqual(said(sent), [`ping ${FIRST}`, `ping ${SECOND}`, `call-me-maybe ${HOME}`])
  assert.ok(sent[0]?.message.kind === 'ping' && sent[0].message.nodeKey === OURS)
  assert.deepEqual(sent[2]?.message, call(HERE))
  s.send()
  assert.deepEqual(s.taken(), [])
})

test('a call waits until own endpoints are fresh', () => {
  const s = new Scene({ fresh: false })
  s.send()
  assert.equal(s.actions.filter((a) => a.kind === 'refresh-endpoints').length, 1)
  assert.deepEqual(said(s.taken()), [`ping ${FIRST}`, `ping ${SECOND}`])
  s.do(s.paths.setOwnEndpoints([HERE], s.now))
  assert.deepEqual(said(s.taken()), [`call-me-maybe ${HOME}`])
  s.wait(28_000, () => s.send())
  assert.equal(s.actions.filter((a) => a.kind === 'refresh-endpoints').length, 1)
})

const calls = (s: Scene) => s.taken().filter((x) => x.message.kind === 'call-me-maybe').length
test('while there is traffic and no direct path, rounds follow each other within a second', () => {
  const s = new Scene()
  const at: number[] = []
  const begin = s.now
  s.send()
  s.taken()
  s.wait(5000, () => {
    s.send()
    if (pings(s.taken()).includes(FIRST)) at.push(s.now - begin)
  })
  assert.deepEqual(at.slice(0, 4), [100, 250, 500, 1000])
  for (const [i, t] of at.entries()) assert.ok(t - (at[i - 1] ?? 0) <= 650, at.join())
  // Without traffic the heartbeat goes on for 45 s, and then nothing does.
  s.wait(50_000)
  assert.ok(calls(s) > 5)
  s.wait(60_000)
  assert.deepEqual(s.taken(), [])
})

test('receive rules: what is answered, what is ignored, and why', () => {
  const stranger = new Seals(p, generateKey(p.random))
  const rows: { name: string; act: (s: Scene) => void; want: string[]; drop?: string }[] = [
    { name: 'a ping is answered where it came from', act: (s) => s.udp(ping(), SECOND), want: [`pong ${SECOND}`] },
    { name: 'a padded one too', act: (s) => s.udp({ ...ping(s.key), padding: 900 }, SECOND), want: [`pong ${SECOND}`] },
    {
      name: 'the same ping from the same address once',
      act: (s) => {
        const twice = ping()
        s.udp(twice, SECOND)
        s.udp(twice, SECOND)
        s.udp(twice, FIRST)
      },
      want: [`pong ${SECOND}`, `pong ${FIRST}`],
    },
    { name: 'a ping by relay is answered by relay', act: (s) => s.relay(ping()), want: [`pong ${HOME}`] },
    {
      name: 'a stranger gets nothing',
      act: (s) => s.udp(ping(), SECOND, stranger),
      want: [],
      drop: 'unknown sender',
    },
    {
      name: 'nor does whoever only knows the key’s name',
      act: (s) => {
        const bytes = s.hand.seal(s.paths.ownDisco, ping()) as Uint8Array
        bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1
        s.do(s.paths.fromUdp(addressOf(FIRST), bytes, s.now))
      },
      want: [],
      drop: 'box does not open',
    },
    {
      name: 'noise is no envelope',
      act: (s) => s.do(s.paths.fromUdp(addressOf(FIRST), p.random(30), s.now)),
      want: [],
      drop: 'no envelope',
    },
    { name: 'a call by UDP is ignored', act: (s) => s.udp(call(SECOND), FIRST), want: [], drop: 'not from a relay' },
    {
      name: 'a call of a node with another disco key is ignored',
      act: (s) => s.relay(call(SECOND), nodeKeyOf(p.random(32))),
      want: [],
      drop: 'sender is not the peer',
    },
    {
      name: 'a call with a link-local address has only the other pinged',
      act: (s) => {
        s.do(s.paths.setPeer(s.peer({ endpoints: [] }), s.now))
        s.relay(call('[fe80::1]:1', '192.0.2.1:5', '0.0.0.0:1', '224.0.0.1:5', '192.0.2.1:0'))
      },
      want: ['ping 192.0.2.1:5'],
    },
    {
      name: 'a pong to nothing is ignored',
      act: (s) => s.udp(pongTo(ping()), FIRST),
      want: [],
      drop: 'unknown transaction',
    },
    {
      name: 'relay servers’ words have no place here yet',
      act: (s) => s.relay({ kind: 'allocate-request', clients: [s.hand.ownKey, s.hand.ownKey], generation: 1 }),
      want: [],
      drop: 'of no use here',
    },
  ]
  for (const { name, act, want, drop } of rows) {
    const s = new Scene()
    act(s)
    assert.deepEqual(said(s.taken()), want, name)
    assert.deepEqual(s.drops(), drop === undefined ? {} : { [drop]: 1 }, name)
  }
})

test('a pong says what the ping’s source was', () => {
  const s = new Scene()
  s.udp(ping(), SECOND)
  s.relay(ping())
  const [direct, relayed] = s.taken()
  assert.ok(direct?.message.kind === 'pong' && relayed?.message.kind === 'pong')
  assert.deepEqual(direct.message.src, addressOf(SECOND))
  assert.deepEqual(relayed.message.src, addressOf(e(`127.3.3.40:${HOME}`)))
})

test('nodes that share a disco key are all pinged back, and the ping is answered once', () => {
  const s = new Scene()
  const other = nodeKeyOf(p.random(32))
  s.do(s.paths.setPeer(s.peer({ key: other, endpoints: [] }), s.now))
  s.udp(ping(), SECOND)
  assert.deepEqual(said(s.taken()), [`pong ${SECOND}`])
  assert.equal(s.paths.counts.active, 2)
  s.paths.removePeer(other)
  s.udp(ping(), SECOND)
  assert.deepEqual(said(s.taken()), [`pong ${SECOND}`])
  s.paths.removePeer(s.key)
  s.udp(ping(), SECOND)
  assert.deepEqual(s.taken(), [])
})

test('a ping from a new address is returned at once while the session is active', () => {
  const s = new Scene({ endpoints: [] })
  s.udp(ping(), FIRST)
  assert.deepEqual(said(s.taken()), [`pong ${FIRST}`])
  s.send()
  s.taken()
  s.udp(ping(), SECOND)
  assert.deepEqual(said(s.answer([SECOND])), [`ping ${SECOND}`, `pong ${SECOND}`])
  assert.deepEqual(s.route, { kind: 'direct', endpoint: SECOND })
})

test('a later call without an earlier endpoint ends its pings; the map and recent pings keep theirs', () => {
  const s = new Scene({ endpoints: [FIRST] })
  s.udp(ping(), SECOND)
  s.relay(call('192.0.2.1:1', '192.0.2.2:2'))
  assert.deepEqual(sorted(pings(s.taken())), sorted([FIRST, SECOND, e('192.0.2.1:1'), e('192.0.2.2:2')]))
  s.wait(1000)
  s.relay(call('192.0.2.2:2'))
  assert.deepEqual(sorted(pings(s.taken())), sorted([FIRST, SECOND, e('192.0.2.2:2')]))
  s.wait(46_000)
  s.relay(call('192.0.2.2:2'))
  assert.deepEqual(sorted(pings(s.taken())), sorted([FIRST, e('192.0.2.2:2')]))
})

test('a peer can’t make us flood others: calls close together make one round, long ones are cut', () => {
  const s = new Scene({ endpoints: [] })
  const many = Array.from({ length: 500 }, (_, i) => `192.0.2.${i % 250}:${1000 + i}`)
  for (let i = 0; i < 50; i++) s.relay(call(...many))
  assert.equal(pings(s.taken()).length, 64)
  s.wait(1000)
  assert.equal(pings(s.taken()).length, 64)
})

test('a trusted path alone is used; after 6.5 s without a pong the relay gets a copy', () => {
  const s = new Scene().direct()
  s.wait(6400)
  // The heartbeat asks every 3 s, and nobody answers.
  assert.equal(s.route.kind, 'both')
  const quiet = new Scene()
  quiet.relay(call(FIRST))
  quiet.answer([FIRST])
  assert.equal(quiet.route.kind, 'direct')
  quiet.wait(6499)
  assert.equal(quiet.route.kind, 'direct')
  quiet.wait(1)
  assert.deepEqual(quiet.route, { kind: 'both', endpoint: FIRST, region: HOME })
})

test('under traffic a silent path is doubted within 0.75 s, and given up when its pings time out', () => {
  const s = new Scene().direct()
  for (let t = 0; t < 740 && s.route.kind === 'direct'; t += 10) {
    s.send()
    s.wait(10)
  }
  assert.equal(s.route.kind, 'both')
  s.wait(6000)
  assert.deepEqual(s.route, { kind: 'relay', region: HOME })
})

test('a lively path is pinged every LIVE_MS, and one lost ping changes nothing', () => {
  const s = new Scene().direct()
  let asked = 0
  s.wait(1)
  for (let t = 0; t < 6000; t += 10) {
    s.send()
    s.wait(8)
    const sent = s.taken()
    s.now = (s.now + 2) as Mono
    for (const { to, message } of sent)
      if (message.kind === 'ping' && asked++ % 3 !== 0) s.udp(pongTo(message), to as Endpoint)
    assert.equal(s.route.kind, 'direct')
  }
  assert.ok(asked > 6000 / LIVE_MS && asked < 2 * (6000 / LIVE_MS), String(asked))
})

test('pings stop 48 s after the last packet', () => {
  const s = new Scene().direct()
  const last = { at: 0 }
  s.send()
  const begin = s.now
  s.wait(120_000, () => {
    const sent = s.answer([FIRST], 0)
    if (sent.length > 0) last.at = s.now - begin
  })
  assert.ok(last.at > 40_000 && last.at <= 48_000, String(last.at))
})

test('a good path ends the search; a slow one is compared again every minute', () => {
  for (const [latencyMs, want] of [
    [4, 0],
    [20, 2],
  ] as const) {
    const s = new Scene().direct(latencyMs)
    let rounds = 0
    for (let t = 0; t < 130_000; t += 100) {
      s.send()
      if (pings(s.answer([FIRST], latencyMs)).includes(SECOND)) rounds++
      s.wait(100 - latencyMs)
    }
    assert.equal(rounds, want, `${latencyMs} ms`)
  }
})

test('of two answers the better path is used', () => {
  const rows = [
    { first: '203.0.113.1:1', firstMs: 100, second: '[2001:db8::1]:1', secondMs: 105, want: 'second' },
    { first: '203.0.113.1:1', firstMs: 10, second: '10.0.0.1:1', secondMs: 11, want: 'second' },
    { first: '203.0.113.1:1', firstMs: 100, second: '203.0.113.2:1', secondMs: 101, want: 'first' },
  ] as const
  for (const row of rows) {
    const s = new Scene({ endpoints: [row.first, row.second] })
    s.send()
    const [one, two] = s.taken()
    const begin = s.now
    s.now = (begin + row.firstMs) as Mono
    s.udp(pongTo(one?.message as Ping), e(row.first))
    s.now = (begin + row.secondMs) as Mono
    s.udp(pongTo(two?.message as Ping), e(row.second))
    assert.deepEqual(s.route, { kind: 'direct', endpoint: row[row.want] }, row.second)
  }
})

test('what ends a path at once', () => {
  const relay = { kind: 'relay', region: HOME } as const
  const both = { kind: 'both', endpoint: FIRST, region: HOME } as const
  const rows: { name: string; act: (s: Scene) => readonly PathAction[]; route: object; also?: string }[] = [
    { name: 'no way there', act: (s) => s.paths.sendFailed(FIRST, 'unreachable', s.now), route: relay },
    { name: 'no way elsewhere', act: (s) => s.paths.sendFailed(SECOND, 'unreachable', s.now), route: s0('direct') },
    {
      name: 'the machine forbids it',
      act: (s) => s.paths.sendFailed(FIRST, 'forbidden', s.now),
      route: both,
      also: 'rebind',
    },
    { name: 'another network', act: (s) => s.paths.networkChanged(s.now), route: relay },
    { name: 'another disco key of ours', act: (s) => s.paths.rotateDisco(generateKey(p.random), s.now), route: relay },
    {
      name: 'the map drops the address',
      act: (s) => s.paths.setPeer(s.peer({ endpoints: [SECOND] }), s.now),
      route: relay,
    },
    {
      name: 'the peer’s key expires',
      act: (s) => s.paths.setPeer(s.peer({ expired: true }), s.now),
      route: s0('none'),
    },
    {
      name: 'the peer has another disco key',
      act: (s) => s.paths.setPeer(s.peer({ disco: new Seals(p, generateKey(p.random)).ownKey }), s.now),
      route: both,
      also: 'reset-session',
    },
    {
      name: 'the peer says so itself',
      act: (s) => s.paths.learnDisco(s.key, new Seals(p, generateKey(p.random)).ownKey, s.now),
      route: both,
    },
    {
      name: 'the peer has no disco key any more',
      act: (s) => s.paths.setPeer({ key: s.key, endpoints: [FIRST], homeRegion: HOME }, s.now),
      route: relay,
    },
  ]
  for (const { name, act, route, also } of rows) {
    const s = new Scene().direct()
    const actions = act(s)
    assert.deepEqual(s.route, route, name)
    const extra = actions.map((a) => a.kind).filter((kind) => kind === 'rebind' || kind === 'reset-session')
    assert.deepEqual(extra, also === undefined ? [] : [also], name)
  }
})

function s0(kind: 'direct' | 'none'): object {
  return kind === 'none' ? { kind } : { kind, endpoint: FIRST }
}

test('sockets are opened anew at most every 5 s', () => {
  const s = new Scene().direct()
  for (let i = 0; i < 11; i++) {
    s.do(s.paths.sendFailed(FIRST, 'forbidden', s.now))
    s.now = (s.now + 1000) as Mono
  }
  assert.equal(s.actions.filter((a) => a.kind === 'rebind').length, 3)
})

test('a peer’s own word on its disco key stands until the map says something new', () => {
  const s = new Scene()
  const old = s.peer()
  const resets = () => s.actions.filter((a) => a.kind === 'reset-session').length
  s.hand = new Seals(p, generateKey(p.random))
  s.do(s.paths.learnDisco(s.key, s.hand.ownKey, s.now))
  s.do(s.paths.setPeer(old, s.now))
  s.udp(ping(), FIRST)
  assert.equal(s.drops()['unknown sender'], undefined)
  s.do(s.paths.setPeer(s.peer(), s.now))
  assert.equal(resets(), 0)
  s.hand = new Seals(p, generateKey(p.random))
  s.do(s.paths.setPeer(s.peer(), s.now))
  assert.equal(resets(), 1)
})

test('where packets go without any path', () => {
  const rows = [
    { name: 'home relay', peer: {}, want: { kind: 'relay', region: HOME } },
    { name: 'no relay', peer: { homeRegion: 0 }, want: { kind: 'none' } },
    { name: 'expired', peer: { expired: true }, want: { kind: 'none' } },
  ] as const
  for (const { name, peer, want } of rows) {
    const s = new Scene({ peer })
    assert.deepEqual(s.route, want, name)
    s.send()
    assert.deepEqual(s.route, want, name)
    if (name === 'expired') assert.deepEqual(s.taken(), [])
  }
  const s = new Scene({ peer: { homeRegion: 0 } })
  s.do(s.paths.heard(s.key, 9, s.now))
  assert.deepEqual(s.route, { kind: 'relay', region: 9 })
  assert.deepEqual(s.paths.route(nodeKeyOf(p.random(32))), { kind: 'none' })
})

test('where UDP is not allowed, none is sent', () => {
  const s = new Scene({ udp: false })
  s.send()
  s.relay(call('192.0.2.1:1'))
  s.do(s.paths.ping(s.key, 'q', s.now))
  s.wait(10_000, () => s.send())
  assert.ok(s.taken().every((x) => x.to === HOME))
})

test('pings of a person: padded to the size asked for, and no answer is said', () => {
  const s = new Scene({ endpoints: ['203.0.113.1:1', '[2001:db8::1]:1'] })
  s.do(s.paths.ping(s.key, 'q', s.now, 1400))
  const sizes = s.actions.flatMap((a) => (a.kind === 'send-udp' && a.bytes.length > 124 ? [a.bytes.length] : []))
  assert.deepEqual(sizes, [1400 - 28, 1400 - 48])
  s.wait(5000)
  assert.deepEqual(
    s.actions.filter((a) => a.kind.startsWith('ping-')),
    [{ kind: 'ping-unanswered', asked: 'q', peer: s.key }],
  )
  assert.deepEqual(
    s.paths.ping(nodeKeyOf(p.random(32)), 'nobody', s.now).map((a) => a.kind),
    ['ping-unanswered'],
  )
})

test('a ping of a person is put again, by relay too, and answers as soon as there is a way', () => {
  const s = new Scene({ endpoints: [], peer: { homeRegion: 0 } })
  s.do(s.paths.ping(s.key, 'q', s.now))
  s.wait(1000)
  assert.deepEqual(s.taken(), [])
  s.do(s.paths.setPeer(s.peer({ endpoints: [] }), s.now))
  s.wait(600)
  const again = s.taken().find(({ to, message }) => to === HOME && message.kind === 'ping')
  assert.ok(again?.message.kind === 'ping')
  s.relay(pongTo(again.message))
  s.wait(10_000)
  const said = s.actions.filter((a) => a.kind.startsWith('ping-'))
  assert.deepEqual(
    said.map((a) => a.kind === 'ping-answered' && [a.asked, a.via]),
    [['q', { region: HOME }]],
  )
})

const LEARNED = e('203.0.113.9:9')

test('where a handshake came from is a way beside the relay, until disco knows better', () => {
  const met = { kind: 'both', endpoint: LEARNED, region: HOME }
  const rows: readonly { name: string; act: (s: Scene) => void; want: unknown }[] = [
    { name: 'at once', act: () => {}, want: met },
    { name: 'nobody answers pings', act: (s) => s.wait(6000, () => s.send()), want: { kind: 'relay', region: HOME } },
    { name: 'nor when all is silent', act: (s) => s.wait(6000), want: { kind: 'relay', region: HOME } },
    { name: 'it answers', act: (s) => s.answer([LEARNED]), want: { kind: 'direct', endpoint: LEARNED } },
    { name: 'another answers', act: (s) => s.answer([FIRST]), want: { kind: 'direct', endpoint: FIRST } },
    { name: 'a later one from elsewhere', act: (s) => s.met(SECOND), want: { ...met, endpoint: SECOND } },
    {
      name: 'our network changes',
      act: (s) => s.do(s.paths.networkChanged(s.now)),
      want: { kind: 'relay', region: HOME },
    },
  ]
  for (const { name, act, want } of rows) {
    const s = new Scene()
    s.met(LEARNED)
    s.send()
    act(s)
    assert.deepEqual(s.route, want, name)
  }
})

test('where a handshake came from is forgotten when nothing is said for long', () => {
  const s = new Scene()
  s.met(LEARNED)
  s.wait(46_000)
  s.send()
  assert.deepEqual(s.route, { kind: 'relay', region: HOME })
  assert.deepEqual(sorted(pings(s.taken())), sorted([FIRST, SECOND]))
})

test('a handshake from elsewhere does not overrule a trusted path, and is pinged when that is lost', () => {
  const s = new Scene().direct()
  s.met(LEARNED)
  assert.deepEqual(s.route, { kind: 'direct', endpoint: FIRST })
  assert.deepEqual(s.paths.guesses(s.key, s.now), [])
  s.hand = new Seals(p, generateKey(p.random))
  s.do(s.paths.learnDisco(s.key, s.hand.ownKey, s.now))
  assert.deepEqual(s.route, { kind: 'both', endpoint: FIRST, region: HOME })
  assert.deepEqual(sorted(pings(s.taken())), sorted([FIRST, SECOND, LEARNED]))
})

test('no way is taken from a handshake where disco could not judge it', () => {
  const rows = [
    { name: 'without UDP', scene: { udp: false }, want: { kind: 'relay', region: HOME } },
    { name: 'expired', scene: { peer: { expired: true } }, want: { kind: 'none' } },
    {
      name: 'no relay, heard by another',
      scene: { peer: { homeRegion: 0 } },
      want: { kind: 'both', endpoint: LEARNED, region: 9 },
    },
  ] as const
  for (const { name, scene, want } of rows) {
    const s = new Scene(scene)
    s.do(s.paths.heard(s.key, 9, s.now))
    s.met(LEARNED)
    assert.deepEqual(s.route, want, name)
    assert.deepEqual(s.paths.guesses(s.key, s.now).length > 0, want.kind === 'both', name)
  }
})

test('where a peer may be: all that is known, but not without end', () => {
  const s = new Scene()
  assert.deepEqual(s.paths.guesses(s.key, s.now), [])
  s.met(LEARNED)
  assert.deepEqual(s.paths.guesses(s.key, s.now), [FIRST, SECOND, LEARNED])
  s.relay(call(...Array.from({ length: 60 }, (_, i) => `192.0.2.${i + 1}:1`)))
  assert.equal(s.paths.guesses(s.key, s.now).length, 32)
})

test('ten thousand peers are entries in a table', () => {
  const s = new Scene()
  const keys = Array.from({ length: 10_000 }, () => nodeKeyOf(p.random(32)))
  for (const key of keys)
    assert.deepEqual(s.paths.setPeer(s.peer({ key, disco: `discokey:${key.slice(8)}` }), s.now), [])
  assert.deepEqual(s.paths.counts, { known: 10_001, active: 0 })
  assert.equal(s.paths.deadline(), Infinity)
  s.send()
  assert.equal(s.paths.counts.active, 1)
  s.wait(400_000)
  assert.equal(s.paths.counts.active, 0)
  assert.equal(s.paths.deadline(), Infinity)
})

test('routes are told whenever they change, as values that stay as they are', () => {
  const s = new Scene().direct()
  s.do(s.paths.networkChanged(s.now))
  const routes = s.actions.flatMap((a) => (a.kind === 'route' ? [a.route] : []))
  assert.deepEqual(routes, [{ kind: 'relay', region: HOME }])
  for (const route of routes) assert.ok(Object.isFrozen(route))
  assert.deepEqual(structuredClone(routes), routes)
})
