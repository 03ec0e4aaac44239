/**
 * A coordination server and a network in memory, for tests of the control session in simulated time: the session's
 * actions are carried out here, and a test says what the server answers and which addresses can be reached.
 */

import { zstdCompressSync } from 'node:zlib'
import { concat, EMPTY, textOf, utf8 } from '../../src/base/bytes.ts'
import type { Bytes } from '../../src/base/bytes.ts'
import type { Mono, Wall } from '../../src/base/clock.ts'
import { discoKeyOf, lockKeyOf, machineKeyOf } from '../../src/base/keys.ts'
import type { PrivateKey } from '../../src/base/keys.ts'
import { nodePrimitives } from '../../src/crypto/io/node-primitives.ts'
import { acceptInitiation } from '../../src/crypto/noise.ts'
import type { AcceptedSession } from '../../src/crypto/noise.ts'
import { generateKey } from '../../src/crypto/primitives.ts'
import { encodeEarlyPayload } from '../../src/wire/early-payload.ts'
import { H2Server } from '../../src/wire/h2/index.ts'
import { encodeMapFrame } from '../../src/wire/map-frame.ts'
import { decodeInitiation, encodeResponse, RecordReader, sealRecords } from '../../src/wire/noise-frame.ts'
import { challengeKeyFor } from '../../src/crypto/primitives.ts'
import type { ControlAction, Fetched, SessionOptions } from '../../src/node/control/actions.ts'
import { ControlSession } from '../../src/node/control/session.ts'
import { unzstd, zstd } from '../../src/node/io/control-zstd.ts'

export interface Asked {
  readonly method: string
  readonly path: string
  readonly body: Record<string, unknown>
  readonly bytes: Bytes
  readonly conn: number
  readonly stream: number
}

/** What a test makes the server answer; 'hold' leaves the request open. */
export type Reply =
  | {
      readonly status: number
      readonly headers?: readonly (readonly [string, string])[]
      readonly json?: unknown
      readonly text?: string
    }
  | 'hold'

interface Conn {
  readonly id: number
  readonly host: string
  readonly port: number
  readonly tls: boolean
  held: Bytes
  session: AcceptedSession | undefined
  records: RecordReader | undefined
  readonly h2: H2Server
  readonly bodies: Map<number, { method: string; path: string; parts: Bytes[] }>
  streaming: number | undefined
}

export const START_WALL = Date.UTC(2026, 6, 1) as Wall

export interface WorldOptions {
  readonly server?: string
  readonly session?: Partial<SessionOptions>
  readonly early?: boolean
}

export class ControlWorld {
  mono = 1000 as Mono
  wall = START_WALL
  readonly serverKey: PrivateKey = generateKey(nodePrimitives.random)
  readonly machineKey: PrivateKey
  session: ControlSession
  /** All that the session has asked for. */
  readonly actions: ControlAction[] = []
  readonly asked: Asked[] = []
  /** Which dials come through; the others are refused or left hanging. */
  network: (dial: { host: string; port: number; tls: boolean; address?: string }) => 'open' | 'refused' | 'hangs' =
    () => 'open'
  /** Nothing gets through any more, and nobody is told. */
  deaf = false
  /** What answers an upgrade instead of the server. */
  upgradeAnswer: string | undefined
  /** Puts other bytes in the place of the answer to the handshake. */
  tamper: ((bytes: Bytes) => Bytes) | undefined
  onKey: () => Fetched
  onRegister: (asked: Asked) => Reply = () => ({ status: 200, json: JOINED })
  onLite: (asked: Asked) => Reply = () => ({ status: 200 })
  onMap: (asked: Asked) => Reply = () => ({ status: 200 })
  onOther: (asked: Asked) => Reply = () => ({ status: 200 })
  /** The first message of each stream; none is sent for `undefined`. */
  first: (nodeKey: string) => object | undefined = (nodeKey) => firstMap(nodeKey)
  readonly options: SessionOptions
  readonly #early: boolean
  readonly #conns = new Map<number, Conn>()
  #queue: (() => void)[] = []
  #busy = false

  constructor(options: WorldOptions = {}) {
    this.machineKey = generateKey(nodePrimitives.random)
    this.#early = options.early ?? false
    const publicKey = machineKeyOf(nodePrimitives.x25519Public(this.serverKey))
    this.onKey = () => ({
      status: 200,
      body: utf8(JSON.stringify({ legacyPublicKey: `mkey:${'0'.repeat(64)}`, publicKey })),
    })
    this.options = {
      server: options.server ?? 'http://10.0.0.1:8080',
      primitives: nodePrimitives,
      unzstd,
      zstd,
      machineKey: this.machineKey,
      lockKey: lockKeyOf(nodePrimitives.random(32)),
      discoKey: discoKeyOf(nodePrimitives.random(32)),
      hostinfo: { OS: 'linux', Hostname: 'node', BackendLogID: 'ab'.repeat(32) },
      ...options.session,
    }
    this.session = new ControlSession(this.options)
  }

  /** Another daemon on the same machine, with what the last one kept. */
  restart(more: Partial<SessionOptions>): void {
    for (const conn of this.#conns.keys()) this.#conns.delete(conn)
    this.#queue = []
    this.actions.length = 0
    this.session = new ControlSession({ ...this.options, ...more })
  }

  get now(): { readonly mono: Mono; readonly wall: Wall } {
    return { mono: this.mono, wall: this.wall }
  }

  /** Gives the session an input and lets everything happen that follows from it at this moment. */
  run(
    input: (session: ControlSession, now: { readonly mono: Mono; readonly wall: Wall }) => readonly ControlAction[],
  ): void {
    this.#do(input(this.session, this.now))
    this.#drain()
  }

  start(): this {
    this.run((session, now) => session.start(now))
    return this
  }

  /** Lets time pass; the session is woken whenever it wants to be. */
  pass(ms: number): void {
    const end = this.mono + ms
    for (let turns = 0; ; turns++) {
      if (turns > 20_000) throw new Error('the session wants to be woken without end')
      const at = this.session.deadline()
      if (at > end) break
      this.#moveTo(Math.max(at, this.mono))
      this.run((session, now) => session.tick(now))
      if (at <= this.mono && this.session.deadline() <= this.mono)
        throw new Error('the session does nothing at its deadline')
    }
    this.#moveTo(end)
  }

  /** Lets time pass until something holds, ten minutes at most. */
  until(what: string, holds: () => boolean): void {
    const end = this.mono + 600_000
    while (!holds()) {
      const at = Math.max(this.mono, this.session.deadline())
      if (at > end) throw new Error(`never: ${what}; the session is ${JSON.stringify(this.session.state)}`)
      this.#moveTo(at)
      this.run((session, now) => session.tick(now))
    }
  }

  /** The machine sleeps: the calendar goes on, the clock of its timers stands. */
  sleep(ms: number): void {
    this.wall = (this.wall + ms) as Wall
  }

  #moveTo(at: number): void {
    this.wall = (this.wall + at - this.mono) as Wall
    this.mono = at as Mono
  }

  all<K extends ControlAction['kind']>(kind: K): (ControlAction & { readonly kind: K })[] {
    return this.actions.filter((action): action is ControlAction & { readonly kind: K } => action.kind === kind)
  }

  askedFor(path: string): Asked[] {
    return this.asked.filter((asked) => asked.path === path)
  }

  /** Requests for map streams, or reports. */
  maps(stream: boolean): Asked[] {
    return this.askedFor('/machine/map').filter((asked) => (asked.body['Stream'] === true) === stream)
  }

  get openConnections(): number {
    return this.#conns.size
  }

  /** The server goes away; what was connected to it is closed. */
  cut(): void {
    const ids = [...this.#conns.keys()]
    for (const id of ids) this.closeConn(id)
  }

  closeConn(id: number): void {
    this.#conns.delete(id)
    this.run((session, now) => session.closed(id, 'closed by the server', now))
  }

  /** Sends a message on every open stream. */
  send(message: object): void {
    this.sendRaw(concat(encodeMapFrame([zstdCompressSync(utf8(JSON.stringify(message)))])))
  }

  /** Sends bytes on every open stream. */
  sendRaw(bytes: Bytes): void {
    for (const conn of this.#conns.values()) {
      if (conn.streaming === undefined) continue
      conn.h2.write(conn.streaming, bytes)
      this.#flush(conn)
    }
    this.#drain()
  }

  /** Ends every open stream. */
  endStreams(): void {
    for (const conn of this.#conns.values()) {
      if (conn.streaming === undefined) continue
      conn.h2.write(conn.streaming, EMPTY, { end: true })
      conn.streaming = undefined
      this.#flush(conn)
    }
    this.#drain()
  }

  get openStreams(): number {
    return [...this.#conns.values()].filter((conn) => conn.streaming !== undefined).length
  }

  /** Answers a request that was held. */
  answer(asked: Asked, reply: Reply): void {
    const conn = this.#conns.get(asked.conn)
    if (conn === undefined) return
    this.#reply(conn, asked.stream, reply)
    this.#drain()
  }

  // The network.

  #drain(): void {
    if (this.#busy) return
    this.#busy = true
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) next()
    this.#busy = false
  }

  #tell(input: (session: ControlSession) => readonly ControlAction[]): void {
    this.#queue.push(() => this.#do(input(this.session)))
  }

  #do(actions: readonly ControlAction[]): void {
    for (const action of actions) {
      this.actions.push(action)
      if (action.kind === 'fetch') {
        const { id } = action
        const result = action.url.includes('/key?') ? this.onKey() : { status: 200, body: EMPTY }
        this.#tell((session) => session.fetched(id, result, this.now))
      } else if (action.kind === 'dial') this.#dial(action)
      else if (action.kind === 'close') this.#conns.delete(action.conn)
      else if (action.kind === 'send') {
        const conn = this.#conns.get(action.conn)
        if (conn !== undefined) this.#queue.push(() => this.#receive(conn, action.bytes))
      }
    }
  }

  #dial(action: ControlAction & { readonly kind: 'dial' }): void {
    const { conn: id, host, port, tls } = action
    const how = this.network(action)
    if (how === 'hangs') return
    if (how === 'refused') return this.#tell((session) => session.closed(id, 'refused', this.now))
    const h2 = new H2Server()
    this.#conns.set(id, {
      id,
      host,
      port,
      tls,
      held: EMPTY,
      session: undefined,
      records: undefined,
      h2,
      bodies: new Map(),
      streaming: undefined,
    })
    this.#tell((session) => session.connected(id, this.now))
  }

  #say(conn: Conn, bytes: Bytes): void {
    if (this.#conns.has(conn.id)) this.#tell((session) => session.received(conn.id, bytes, this.now))
  }

  #receive(conn: Conn, bytes: Bytes): void {
    if (this.deaf || !this.#conns.has(conn.id)) return
    if (conn.records === undefined) return this.#begin(conn, bytes)
    for (const clear of conn.records.push(bytes))
      for (const event of conn.h2.receive(clear, this.mono)) {
        if (event.kind === 'request')
          conn.bodies.set(event.stream, { method: event.method, path: event.path, parts: [] })
        if (event.kind === 'data') {
          conn.bodies.get(event.stream)?.parts.push(event.bytes.slice())
          conn.h2.consumed(event.stream, event.bytes.length)
        }
        if (event.kind === 'reset' && conn.streaming === event.stream) conn.streaming = undefined
        if ((event.kind === 'request' || event.kind === 'data') && event.endStream) this.#request(conn, event.stream)
      }
    this.#flush(conn)
  }

  #begin(conn: Conn, bytes: Bytes): void {
    conn.held = concat([conn.held, bytes])
    const head = textOf(conn.held) ?? ''
    if (!head.includes('\r\n\r\n')) return
    if (this.upgradeAnswer !== undefined) return this.#say(conn, utf8(this.upgradeAnswer))
    const handshake = /X-Tailscale-Handshake: (\S+)/.exec(head)?.[1] ?? ''
    const initiation = decodeInitiation(Uint8Array.fromBase64(handshake))
    if (initiation.kind === 'refused') throw new Error(initiation.why)
    const session = acceptInitiation(nodePrimitives, this.serverKey, initiation.version, initiation.message)
    if (session === undefined) throw new Error('the handshake is not for this server')
    conn.session = session
    conn.records = new RecordReader(session.receiver)
    const upgraded =
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: tailscale-control-protocol\r\nConnection: upgrade\r\n\r\n'
    const early = this.#early
      ? sealRecords(session.sender, [
          encodeEarlyPayload(challengeKeyFor(nodePrimitives, generateKey(nodePrimitives.random))),
        ])
      : EMPTY
    const answer = concat([utf8(upgraded), encodeResponse(session.response), early])
    this.#say(conn, this.tamper?.(answer) ?? answer)
    this.#flush(conn)
  }

  #request(conn: Conn, stream: number): void {
    const { method, path, parts } = conn.bodies.get(stream) as { method: string; path: string; parts: Bytes[] }
    conn.bodies.delete(stream)
    const bytes = concat(parts)
    const body =
      path.startsWith('/machine/') && bytes.length > 0 && bytes[0] === 0x7b
        ? (JSON.parse(textOf(bytes) ?? '') as Record<string, unknown>)
        : {}
    const asked: Asked = { method, path, body, bytes, conn: conn.id, stream }
    this.asked.push(asked)
    if (path === '/machine/register') this.#reply(conn, stream, this.onRegister(asked))
    else if (path !== '/machine/map') this.#reply(conn, stream, this.onOther(asked))
    else if (body['Stream'] === true) this.#openStream(conn, asked)
    else this.#reply(conn, stream, this.onLite(asked))
  }

  #openStream(conn: Conn, asked: Asked): void {
    const reply = this.onMap(asked)
    if (reply === 'hold' || reply.status !== 200) return this.#reply(conn, asked.stream, reply)
    conn.h2.respond(asked.stream, 200, [])
    conn.streaming = asked.stream
    const first = this.first(asked.body['NodeKey'] as string)
    if (first !== undefined)
      conn.h2.write(asked.stream, concat(encodeMapFrame([zstdCompressSync(utf8(JSON.stringify(first)))])))
    this.#flush(conn)
  }

  #reply(conn: Conn, stream: number, reply: Reply): void {
    if (reply === 'hold') return
    const { status, headers = [], json, text } = reply
    const body = utf8(text ?? (json === undefined ? '' : JSON.stringify(json)))
    if (conn.h2.respond(stream, status, headers)) conn.h2.write(stream, body, { end: true })
    this.#flush(conn)
  }

  #flush(conn: Conn): void {
    if (conn.session !== undefined && conn.h2.due)
      this.#say(conn, sealRecords(conn.session.sender, conn.h2.take(1 << 24)))
  }
}

export const JOINED = {
  User: { ID: 1, DisplayName: 'alice' },
  Login: { ID: 1, Provider: 'oidc', LoginName: 'alice@example.com', DisplayName: 'Alice' },
  MachineAuthorized: true,
}

const keyText = (kind: string, n: number): string => `${kind}:${n.toString(16).padStart(64, '0')}`

/** A peer as a server writes it. */
export function peerNode(id: number, more: object = {}): Record<string, unknown> {
  const address = `100.64.${id >> 8}.${id & 255}`
  return {
    ID: id,
    StableID: `n${id}`,
    Name: `host${id}.tail.example.`,
    User: 1,
    Key: keyText('nodekey', id),
    DiscoKey: keyText('discokey', id),
    Addresses: [`${address}/32`],
    AllowedIPs: [`${address}/32`],
    Endpoints: [`192.0.2.${id & 255}:41641`],
    HomeDERP: 900,
    Hostinfo: { OS: 'linux', Hostname: `host${id}`, Services: [{ Proto: 'peerapi4', Port: 38621 }] },
    Created: '2026-01-01T00:00:00Z',
    Cap: 130,
    Online: true,
    MachineAuthorized: true,
    ...more,
  }
}

/** A first message: this node, and two peers. */
export function firstMap(nodeKey: string, more: object = {}, self: object = {}): Record<string, unknown> {
  return {
    Node: peerNode(1, { Key: nodeKey, Name: 'node.tail.example.', ...self }),
    Peers: [peerNode(2), peerNode(3)],
    DERPMap: {
      Regions: {
        900: {
          RegionID: 900,
          RegionCode: 'home',
          RegionName: 'Home',
          Nodes: [{ Name: '900a', RegionID: 900, HostName: 'relay.example' }],
        },
      },
    },
    DNSConfig: { Domains: ['tail.example'], Proxied: true },
    Domain: 'example.com',
    PacketFilters: { base: [{ SrcIPs: ['*'], DstPorts: [{ IP: '*', Ports: { First: 0, Last: 65_535 } }] }] },
    UserProfiles: [{ ID: 1, LoginName: 'alice@example.com', DisplayName: 'Alice' }],
    ControlTime: new Date(START_WALL).toISOString(),
    ...more,
  }
}
