import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rawKey, readDiscoKey } from '../base/keys.ts'
import type { DiscoKey } from '../base/keys.ts'
import { formatAddressPort, parseAddressPort, parseIp } from '../base/ip.ts'
import type { AddressPort, Ip } from '../base/ip.ts'
import { bytes, golden } from '../../test/support/golden.ts'
import type { GoldenCase } from '../../test/support/golden.ts'
import { PacketHeader, TSMP } from './ip-packet.ts'
import { decodeTsmp, encodeDiscoKey, encodePing, encodePong, encodeReject, REJECT_REASONS } from './tsmp.ts'
import type { TsmpMessage } from './tsmp.ts'

function read(packet: Uint8Array): { h: PacketHeader; message: TsmpMessage | undefined } {
  const h = new PacketHeader()
  h.read(packet)
  return { h, message: decodeTsmp(packet, h) }
}

/** A message as the golden file has it. */
function said(message: TsmpMessage): object {
  switch (message.kind) {
    case 'ping':
      return { data: message.data.toHex() }
    case 'pong':
      return { data: message.data.toHex(), peerapi_port: message.peerApiPort }
    case 'disco-key':
      return { key: message.key }
    case 'reject': {
      const { flow, reason, isMaybeTransient } = message
      const byte = reason in REJECT_REASONS ? REJECT_REASONS[reason as keyof typeof REJECT_REASONS] : Number(reason)
      return {
        flow_src: formatAddressPort(flow.src),
        flow_dst: formatAddressPort(flow.dst),
        proto: flow.protocol,
        reason: String.fromCharCode(byte),
        reason_name: reason,
        maybe_broken: isMaybeTransient,
      }
    }
  }
}

test('messages in the tunnel are read as official clients read them', () => {
  interface Case extends GoldenCase {
    readonly packet: string
    readonly is: string
    readonly fields: object
  }
  for (const c of golden<Case>('filter.json.gz', 'tsmp')) {
    const { h, message } = read(bytes(c.packet))
    assert.equal(h.protocol === TSMP, c.is !== 'unknown protocol', c.name)
    assert.equal(message?.kind ?? 'nothing', c.is === 'unknown protocol' ? 'nothing' : c.is, c.name)
    if (message !== undefined) assert.deepEqual(said(message), c.fields, c.name)
  }
})

test('rejects are written as official clients write them, and read back', () => {
  interface Case extends GoldenCase {
    readonly flow_src: string
    readonly flow_dst: string
    readonly proto: number
    readonly reason: string
    readonly reason_name: keyof typeof REJECT_REASONS
    readonly maybe_broken: boolean
    readonly packet: string
  }
  for (const c of golden<Case>('filter.json.gz', 'tsmp-reject')) {
    const [src, dst] = [parseAddressPort(c.flow_src) as AddressPort, parseAddressPort(c.flow_dst) as AddressPort]
    const packet = encodeReject({ protocol: c.proto, src, dst }, c.reason_name, c.maybe_broken)
    assert.equal(packet.toHex(), c.packet, c.name)
    const { flow_src, flow_dst, proto, reason, reason_name, maybe_broken } = c
    const want = { flow_src, flow_dst, proto, reason, reason_name, maybe_broken }
    assert.deepEqual(said(read(packet).message as TsmpMessage), want, c.name)
  }
})

test('pongs are written as official clients write them', () => {
  interface Case extends GoldenCase {
    readonly src: string
    readonly dst: string
    readonly data: string
    readonly peerapi_port: number
    readonly packet: string
  }
  for (const c of golden<Case>('filter.json.gz', 'tsmp-make')) {
    const [src, dst] = [parseIp(c.src) as Ip, parseIp(c.dst) as Ip]
    assert.equal(encodePong(src, dst, bytes(c.data), c.peerapi_port).toHex(), c.packet, c.name)
  }
})

test('a ping and a disco key come out as they went in, in both families', () => {
  const key = readDiscoKey(`discokey:${'0a'.repeat(32)}`) as DiscoKey
  for (const [src, dst] of [
    ['100.64.0.1', '100.64.0.2'],
    ['fd7a:115c:a1e0::1', 'fd7a:115c:a1e0::2'],
  ] as const) {
    const [from, to] = [parseIp(src) as Ip, parseIp(dst) as Ip]
    const data = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
    assert.deepEqual(read(encodePing(from, to, data)).message, { kind: 'ping', data })
    assert.deepEqual(read(encodeDiscoKey(from, to, rawKey(key))).message, { kind: 'disco-key', key })
  }
})
