/**
 * The messages by which two nodes find a path to each other, in the clear. (disco.md §3)
 *
 *   0      1         2
 *   | type | version | body            big-endian; an address is 16 bytes (IPv4 as ::ffff:a.b.c.d) and a port
 *
 *   01 ping               tx 12 | node key 32, if the sender says it | zeros, as many as wanted
 *   02 pong               tx 12 | the ping's source as its receiver saw it, 18
 *   03 call-me-maybe      k × address 18
 *   04 bind               vni u32 | generation u32 | the other client's disco key 32 | challenge 32
 *   05 bind-challenge     the same
 *   06 bind-answer        the same
 *   07 call-me-maybe-via  relay endpoint
 *   08 allocate-request   2 × client's disco key 32 | generation u32
 *   09 allocate-response  generation u32 | relay endpoint
 *
 *   relay endpoint: server's disco key 32 | 2 × client's disco key 32 | lamport id u64 | vni u32
 *                   | bind lifetime u64 ns | steady lifetime u64 ns | k × address 18, k > 0
 *
 * Pings, pongs, the three binds and the request may grow at the end. Of another version than 0, call-me-maybe and types
 * 7 to 9 read as empty, so that an old node ignores what it does not understand. Sealing is disco-envelope.ts.
 */

import { concat, EMPTY } from '../base/bytes.ts'
import type { Bytes } from '../base/bytes.ts'
import { unmapIp } from '../base/ip.ts'
import type { AddressPort } from '../base/ip.ts'
import { discoKeyOf, isZeroKey, nodeKeyOf, rawKey, ZERO_DISCO_KEY } from '../base/keys.ts'
import type { DiscoKey, NodeKey } from '../base/keys.ts'
import { ipBytesMapped, ipOfBytes } from './ip-bytes.ts'

export const TX_BYTES = 12
const HEADER_BYTES = 2
const KEY_BYTES = 32
const ADDRESS_BYTES = 18
const BIND_BYTES = 72
const REQUEST_BYTES = 68
const ENDPOINT_BYTES = 124

const TYPE = {
  ping: 1,
  pong: 2,
  'call-me-maybe': 3,
  bind: 4,
  'bind-challenge': 5,
  'bind-answer': 6,
  'call-me-maybe-via': 7,
  'allocate-request': 8,
  'allocate-response': 9,
} as const

export interface Ping {
  readonly kind: 'ping'
  /** 12 random bytes. */
  readonly tx: Bytes
  readonly nodeKey?: NodeKey
  /** How many zero bytes follow, to try how large a packet may be. */
  readonly padding: number
}

export interface Pong {
  readonly kind: 'pong'
  readonly tx: Bytes
  readonly src: AddressPort
}

export interface CallMeMaybe {
  readonly kind: 'call-me-maybe'
  readonly endpoints: readonly AddressPort[]
}

/** A client proves to a peer relay that it is at an address. */
export interface Bind {
  readonly kind: 'bind' | 'bind-challenge' | 'bind-answer'
  readonly vni: number
  readonly generation: number
  /** The client at the other end. */
  readonly remote: DiscoKey
  /** 32 bytes, whose meaning only the relay knows. */
  readonly challenge: Bytes
}

/** What a peer relay has set apart for two clients. */
export interface RelayEndpoint {
  readonly server: DiscoKey
  readonly clients: readonly [DiscoKey, DiscoKey]
  readonly lamportId: bigint
  readonly vni: number
  readonly bindLifetimeNs: bigint
  readonly steadyLifetimeNs: bigint
  readonly addresses: readonly AddressPort[]
}

export type DiscoMessage =
  | Ping
  | Pong
  | CallMeMaybe
  | Bind
  | { readonly kind: 'call-me-maybe-via'; readonly endpoint: RelayEndpoint }
  | {
      readonly kind: 'allocate-request'
      readonly clients: readonly [DiscoKey, DiscoKey]
      readonly generation: number
    }
  | { readonly kind: 'allocate-response'; readonly generation: number; readonly endpoint: RelayEndpoint }

export function encodeDisco(m: DiscoMessage): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array([TYPE[m.kind], 0])
  switch (m.kind) {
    case 'ping':
      return concat([header, m.tx, m.nodeKey === undefined ? EMPTY : rawKey(m.nodeKey), new Uint8Array(m.padding)])
    case 'pong':
      return concat([header, m.tx, addressBytes(m.src)])
    case 'call-me-maybe':
      return concat([header, ...m.endpoints.map(addressBytes)])
    case 'bind':
    case 'bind-challenge':
    case 'bind-answer':
      return concat([header, u32(m.vni), u32(m.generation), rawKey(m.remote), m.challenge])
    case 'call-me-maybe-via':
      return concat([header, endpointBytes(m.endpoint)])
    case 'allocate-request':
      return concat([header, rawKey(m.clients[0]), rawKey(m.clients[1]), u32(m.generation)])
    case 'allocate-response':
      return concat([header, u32(m.generation), endpointBytes(m.endpoint)])
  }
}

/** The message, or `undefined` for one that is too short or of a kind unknown here. */
export function decodeDisco(b: Bytes): DiscoMessage | undefined {
  if (b.length < HEADER_BYTES) return undefined
  const body = b.subarray(HEADER_BYTES)
  const readable = b[1] === 0
  switch (b[0]) {
    case TYPE.ping:
      return readPing(body)
    case TYPE.pong:
      if (body.length < TX_BYTES + ADDRESS_BYTES) return undefined
      return { kind: 'pong', tx: body.slice(0, TX_BYTES), src: readAddress(body, TX_BYTES) }
    case TYPE['call-me-maybe']:
      return { kind: 'call-me-maybe', endpoints: (readable ? readAddresses(body) : undefined) ?? [] }
    case TYPE.bind:
      return readBind('bind', body)
    case TYPE['bind-challenge']:
      return readBind('bind-challenge', body)
    case TYPE['bind-answer']:
      return readBind('bind-answer', body)
    case TYPE['call-me-maybe-via']: {
      const endpoint = readable ? readEndpoint(body) : NO_ENDPOINT
      return endpoint && { kind: 'call-me-maybe-via', endpoint }
    }
    case TYPE['allocate-request']:
      if (!readable) return { kind: 'allocate-request', clients: NO_ENDPOINT.clients, generation: 0 }
      if (body.length < REQUEST_BYTES) return undefined
      return { kind: 'allocate-request', clients: readClients(body, 0), generation: viewOf(body).getUint32(64) }
    case TYPE['allocate-response']: {
      if (!readable) return { kind: 'allocate-response', generation: 0, endpoint: NO_ENDPOINT }
      const endpoint = readEndpoint(body.subarray(4))
      return endpoint && { kind: 'allocate-response', generation: viewOf(body).getUint32(0), endpoint }
    }
    default:
      return undefined
  }
}

/** What types 7 to 9 say in a version that is not read here. */
const NO_ENDPOINT: RelayEndpoint = {
  server: ZERO_DISCO_KEY,
  clients: [ZERO_DISCO_KEY, ZERO_DISCO_KEY],
  lamportId: 0n,
  vni: 0,
  bindLifetimeNs: 0n,
  steadyLifetimeNs: 0n,
  addresses: [],
}

function readPing(body: Bytes): Ping | undefined {
  if (body.length < TX_BYTES) return undefined
  const tx = body.slice(0, TX_BYTES)
  const rest = body.length - TX_BYTES
  if (rest < KEY_BYTES) return { kind: 'ping', tx, padding: rest }
  const nodeKey = nodeKeyOf(body.subarray(TX_BYTES, TX_BYTES + KEY_BYTES))
  // 32 zeros may be padding of a ping without a key: either way nobody is named.
  return { kind: 'ping', tx, padding: rest - KEY_BYTES, ...(isZeroKey(nodeKey) ? {} : { nodeKey }) }
}

function readBind(kind: Bind['kind'], body: Bytes): Bind | undefined {
  if (body.length < BIND_BYTES) return undefined
  const view = viewOf(body)
  const remote = discoKeyOf(body.subarray(8, 40))
  return { kind, vni: view.getUint32(0), generation: view.getUint32(4), remote, challenge: body.slice(40, BIND_BYTES) }
}

function readEndpoint(b: Bytes): RelayEndpoint | undefined {
  if (b.length <= ENDPOINT_BYTES) return undefined
  const addresses = readAddresses(b.subarray(ENDPOINT_BYTES))
  if (addresses === undefined) return undefined
  const view = viewOf(b)
  return {
    server: discoKeyOf(b.subarray(0, KEY_BYTES)),
    clients: readClients(b, KEY_BYTES),
    lamportId: view.getBigUint64(96),
    vni: view.getUint32(104),
    bindLifetimeNs: view.getBigUint64(108),
    steadyLifetimeNs: view.getBigUint64(116),
    addresses,
  }
}

function endpointBytes(e: RelayEndpoint): Uint8Array<ArrayBuffer> {
  return concat([
    rawKey(e.server),
    rawKey(e.clients[0]),
    rawKey(e.clients[1]),
    u64(e.lamportId),
    u32(e.vni),
    u64(e.bindLifetimeNs),
    u64(e.steadyLifetimeNs),
    ...e.addresses.map(addressBytes),
  ])
}

function readClients(b: Bytes, at: number): [DiscoKey, DiscoKey] {
  return [discoKeyOf(b.subarray(at, at + KEY_BYTES)), discoKeyOf(b.subarray(at + KEY_BYTES, at + 2 * KEY_BYTES))]
}

/** Addresses that fill the bytes exactly; `undefined` when they don't. */
function readAddresses(b: Bytes): AddressPort[] | undefined {
  if (b.length % ADDRESS_BYTES !== 0) return undefined
  return Array.from({ length: b.length / ADDRESS_BYTES }, (_, i) => readAddress(b, i * ADDRESS_BYTES))
}

function readAddress(b: Bytes, at: number): AddressPort {
  return { ip: unmapIp(ipOfBytes(b.subarray(at, at + 16))), port: viewOf(b).getUint16(at + 16) }
}

function addressBytes({ ip, port }: AddressPort): Uint8Array<ArrayBuffer> {
  return concat([ipBytesMapped(ip), new Uint8Array([port >> 8, port & 0xff])])
}

function u32(value: number): Uint8Array<ArrayBuffer> {
  const b = new Uint8Array(4)
  viewOf(b).setUint32(0, value)
  return b
}

function u64(value: bigint): Uint8Array<ArrayBuffer> {
  const b = new Uint8Array(8)
  viewOf(b).setBigUint64(0, value)
  return b
}

function viewOf(b: Bytes): DataView {
  return new DataView(b.buffer, b.byteOffset, b.byteLength)
}
