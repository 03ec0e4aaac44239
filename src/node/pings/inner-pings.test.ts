import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NEVER } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'
import { parseAddressPort, parseIp } from '../../base/ip.ts'
import type { AddressPort, Ip } from '../../base/ip.ts'
import { PacketHeader } from '../../wire/ip-packet.ts'
import { decodeTsmp, encodeDiscoKey, encodePing, encodePong, encodeReject } from '../../wire/tsmp.ts'
import { ANSWER_MS, InnerPings } from './inner-pings.ts'
import type { AskedPing, InnerPingAction } from './inner-pings.ts'

const ip = (text: string): Ip => parseIp(text) as Ip
const place = (text: string): AddressPort => parseAddressPort(text) as AddressPort
const [OURS, THEIRS, OURS6, THEIRS6] = ['100.64.0.1', '100.64.0.2', 'fd7a:115c:a1e0::1', 'fd7a:115c:a1e0::2'].map(
  ip,
) as [Ip, Ip, Ip, Ip]
const PEER = 7

let dice = 0
const pings = (): InnerPings => new InnerPings((length) => new Uint8Array(length).fill(++dice & 255))
const at = (ms: number): Mono => ms as Mono

function ask(own: InnerPings, part: Partial<AskedPing> = {}, now = at(0)): Uint8Array {
  const [action] = own.ask({ kind: 'TSMP', asked: 'a', peer: PEER, src: OURS, dst: THEIRS, ...part }, now)
  assert.equal(action?.kind, 'send')
  return (action as InnerPingAction & { readonly kind: 'send' }).packet
}

/** What a kernel says to an echo request: addresses and type exchanged, the rest as it came, sums adjusted. */
function echoed(request: Uint8Array): Uint8Array {
  const reply = request.slice()
  const [size, from] = (reply[0] as number) >> 4 === 4 ? [4, 12] : [16, 8]
  reply.copyWithin(from, from + size, from + 2 * size)
  reply.set(request.subarray(from, from + size), from + size)
  reply[size === 4 ? 20 : 40] = size === 4 ? 0 : 129
  return reply
}

test('a peer’s ping is answered with its own bytes, and with the port of our PeerAPI at that address', () => {
  const own = pings()
  own.peerApi = [place('100.64.0.1:36467'), place('[fd7a:115c:a1e0::1]:49496')]
  const data = Uint8Array.fromHex('0102030405060708')
  const rows = [
    { src: THEIRS, dst: OURS, port: 36467 },
    { src: THEIRS6, dst: OURS6, port: 49496 },
    { src: THEIRS, dst: ip('10.7.0.1'), port: 0 },
  ]
  for (const { src, dst, port } of rows)
    assert.deepEqual(own.take(PEER, encodePing(src, dst, data), at(0)), [
      { kind: 'send', peer: PEER, packet: encodePong(dst, src, data, port) },
    ])
})

test('a ping of ours is answered once, by whom it was sent to', () => {
  for (const [src, dst] of [
    [OURS, THEIRS],
    [OURS6, THEIRS6],
  ] as const) {
    const own = pings()
    const h = new PacketHeader()
    const packet = ask(own, { src, dst })
    h.read(packet)
    const message = decodeTsmp(packet, h)
    assert.equal(message?.kind, 'ping')
    const { data } = message as { readonly data: Uint8Array }
    const pong = encodePong(dst, src, data, 36467)
    assert.deepEqual(own.take(PEER + 1, pong, at(3)), [], 'from another peer')
    assert.deepEqual(own.take(PEER, encodePong(dst, src, new Uint8Array(8), 1), at(3)), [], 'with other bytes')
    assert.deepEqual(own.take(PEER, pong, at(5)), [{ kind: 'answered', asked: 'a', latencyMs: 5, peerApiPort: 36467 }])
    assert.deepEqual(own.take(PEER, pong, at(6)), [], 'a second time')
    assert.equal(own.deadline(), NEVER)
  }
})

test('an echo request of ours is a right one, and its answer is known among others', () => {
  for (const [src, dst] of [
    [OURS, THEIRS],
    [OURS6, THEIRS6],
  ] as const) {
    const own = pings()
    const request = ask(own, { kind: 'ICMP', src, dst })
    const h = new PacketHeader()
    h.read(request)
    assert.deepEqual([h.isEchoRequest, h.total, sumOf(request)], [true, request.length, 0xffff])
    assert.deepEqual(own.take(PEER, request, at(1)), [], 'itself')
    const foreign = echoed(request)
    foreign.set([1], foreign.length - 1)
    assert.deepEqual(own.take(PEER, foreign, at(1)), [], 'with another token')
    assert.deepEqual(own.take(PEER, echoed(request), at(2)), [{ kind: 'answered', asked: 'a', latencyMs: 2 }])
  }
})

test('what stays unanswered is said after ten seconds, and no sooner', () => {
  const own = pings()
  ask(own, { asked: 'first' }, at(0))
  ask(own, { asked: 'second', kind: 'ICMP' }, at(100))
  assert.equal(own.deadline(), ANSWER_MS)
  assert.deepEqual(own.tick(at(ANSWER_MS - 1)), [])
  assert.deepEqual(own.tick(at(ANSWER_MS)), [{ kind: 'unanswered', asked: 'first' }])
  assert.equal(own.deadline(), ANSWER_MS + 100)
  assert.deepEqual(own.tick(at(ANSWER_MS + 100)), [{ kind: 'unanswered', asked: 'second' }])
  assert.equal(own.deadline(), NEVER)
})

test('of more pings than anybody needs at once, the rest is not sent', () => {
  const own = new InnerPings(() => Uint8Array.from({ length: 8 }, (_, i) => (++dice >> (i * 3)) & 255))
  let refused = 0
  for (let i = 0; i < 1000; i++) {
    const [action] = own.ask({ kind: 'TSMP', asked: String(i), peer: PEER, src: OURS, dst: THEIRS }, at(0))
    if (action?.kind === 'unanswered') refused++
  }
  assert.equal(refused, 1000 - 256)
})

test('disco keys and refusals are passed on', () => {
  const own = pings()
  const key = new Uint8Array(32).fill(5)
  assert.deepEqual(own.take(PEER, encodeDiscoKey(THEIRS, OURS, key), at(0)), [
    { kind: 'disco-key', peer: PEER, key: `discokey:${key.toHex()}` },
  ])
  const flow = { protocol: 6, src: place('100.64.0.1:40000'), dst: place('100.64.0.2:22') }
  assert.deepEqual(own.take(PEER, encodeReject(flow, 'acl'), at(0)), [
    { kind: 'rejected', peer: PEER, flow, reason: 'acl' },
  ])
})

test('bytes of any kind and length are taken in peace', () => {
  const own = pings()
  const whole = [encodePing(THEIRS, OURS, new Uint8Array(8)), encodeDiscoKey(THEIRS6, OURS6, new Uint8Array(32))]
  for (const packet of whole)
    for (let length = 0; length < packet.length; length++)
      assert.deepEqual(own.take(PEER, packet.subarray(0, length), at(0)), [], String(length))
})

/** The sum over an ICMP message and what it covers: all ones when its checksum is right. */
function sumOf(packet: Uint8Array): number {
  const isV4 = (packet[0] as number) >> 4 === 4
  const from = isV4 ? 20 : 40
  let sum = isV4 ? 0 : packet.length - from + 58
  for (let i = isV4 ? from : 8; i < packet.length; i += 2) sum += ((packet[i] as number) << 8) | (packet[i + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return sum
}
