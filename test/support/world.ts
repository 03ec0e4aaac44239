/**
 * A coordination server in memory, with a clock that tests move and machines that talk to it as official clients
 * do, one layer below HTTP/2. Nothing waits for real time.
 */

import { randomBytes, createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { concat } from '../../src/base/bytes.ts'
import { DAY_MS } from '../../src/base/clock.ts'
import type { Clocks, Mono, Wall } from '../../src/base/clock.ts'
import { discoKeyOf, lockKeyOf, machineKeyOf, nodeKeyOf } from '../../src/base/keys.ts'
import type { DiscoKey, LockKey, MachineKey, NodeKey } from '../../src/base/keys.ts'
import { Coord } from '../../src/coord/coord.ts'
import type { ControlReply } from '../../src/coord/control.ts'
import type { Say } from '../../src/coord/journal.ts'
import { firstTailnet } from '../../src/coord/first-start.ts'
import { mintKey } from '../../src/coord/model/credentials.ts'
import { updateNode } from '../../src/coord/model/node-changes.ts'
import type { Key, Node, PendingLogin, Tailnet, User } from '../../src/coord/model/records.ts'
import { SERVER } from '../../src/coord/model/records.ts'
import { newTailnet, tailnetWrites } from '../../src/coord/rest/changes/tailnets.ts'
import { newUser, userWrites } from '../../src/coord/model/people.ts'
import { MemoryStore } from '../../src/coord/store/memory.ts'
import type { Store } from '../../src/coord/store/store.ts'
import type { DerpMap } from '../../src/wire/derp-map.ts'
import { peersAfter } from './peers.ts'
import { TESTER, memoryDatabase } from './ledger.ts'

export const START = Date.UTC(2026, 10, 24, 6, 0, 0) as Wall

const dice = (length: number) => new Uint8Array(randomBytes(length))
const sha256 = (...parts: Uint8Array[]) => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}
const compress = (text: string) => new Uint8Array(zstdCompressSync(text))

export const DERP_MAP: DerpMap = {
  Regions: {
    900: {
      RegionID: 900,
      RegionCode: 'sett',
      RegionName: 'Sett',
      Nodes: [{ Name: '900a', RegionID: 900, HostName: 'relay.example', DERPPort: 8443, STUNPort: 3478 }],
    },
  },
}

/** A map message as JSON; only what tests look at is typed. */
export interface MapMessage {
  KeepAlive?: boolean
  Node?: MapNode
  Peers?: MapNode[]
  PeersChanged?: MapNode[]
  PeersRemoved?: number[]
  PeersChangedPatch?: PeerPatch[]
  OnlineChange?: Record<string, boolean>
  PeerSeenChange?: Record<string, boolean>
  UserProfiles?: { ID: number; LoginName: string; DisplayName: string }[]
  DERPMap?: DerpMap
  DNSConfig?: Record<string, unknown>
  PacketFilters?: Record<string, { SrcIPs: string[]; DstPorts: { IP: string }[] }[]>
  PacketFilter?: unknown
  Domain?: string
  ControlTime?: string
  PingRequest?: { URL: string; URLIsNoise: boolean; Types?: string; Payload?: string }
  [other: string]: unknown
}
/** Other members replace those of the node. */
export interface PeerPatch {
  NodeID: number
  DERPRegion?: number
  Cap?: number
  [other: string]: unknown
}
export interface MapNode {
  ID: number
  StableID: string
  Name: string
  User: number
  Key: string
  KeyExpiry?: string
  DiscoKey?: string
  Addresses: string[]
  AllowedIPs?: string[]
  PrimaryRoutes?: string[]
  Endpoints: string[]
  HomeDERP?: number
  Hostinfo: Record<string, unknown>
  Tags?: string[]
  Online: boolean
  LastSeen?: string | undefined
  MachineAuthorized: boolean
  Expired?: boolean
  [other: string]: unknown
}

/** What one request got back, and for a stream everything since. */
export class Answer implements ControlReply {
  status = 0
  body = ''
  headers: readonly (readonly [string, string])[] = []
  started = false
  ended = false
  /** Raw frames: length and zstd payload. */
  readonly frames: Uint8Array[] = []
  readonly messages: MapMessage[] = []
  /** As long as this is true, nothing that is written is taken. */
  slow = false
  #buffer: Uint8Array = new Uint8Array(0)
  #unread = 0
  readonly #close: (() => void)[] = []
  readonly #drain: (() => void)[] = []

  answer(status: number, body: string | Uint8Array = '', headers: readonly (readonly [string, string])[] = []): void {
    if (this.status !== 0 || this.started) throw new Error('answered twice')
    this.status = status
    this.body = typeof body === 'string' ? body : Buffer.from(body).toString()
    this.headers = headers
    this.ended = true
  }

  start(): void {
    if (this.status !== 0 || this.started) throw new Error('answered twice')
    this.status = 200
    this.started = true
  }

  write(bytes: Uint8Array): void {
    if (this.ended) return
    if (this.slow) this.#unread += bytes.length
    this.#buffer = concat([this.#buffer, bytes])
    for (;;) {
      if (this.#buffer.length < 4) return
      const length = new DataView(this.#buffer.buffer, this.#buffer.byteOffset).getUint32(0, true)
      if (this.#buffer.length < 4 + length) return
      const frame = this.#buffer.slice(0, 4 + length)
      this.#buffer = this.#buffer.slice(4 + length)
      this.frames.push(frame)
      this.messages.push(JSON.parse(zstdDecompressSync(frame.subarray(4)).toString()) as MapMessage)
    }
  }

  end(): void {
    this.ended = true
    for (const callback of this.#close.splice(0)) callback()
  }

  get queued(): number {
    return this.#unread
  }

  onDrain(callback: () => void): void {
    this.#drain.push(callback)
  }

  onClose(callback: () => void): void {
    if (this.ended) callback()
    else this.#close.push(callback)
  }

  /** The client takes everything. */
  drain(): void {
    this.slow = false
    this.#unread = 0
    for (const callback of this.#drain) callback()
  }

  get json(): Record<string, unknown> {
    return JSON.parse(this.body) as Record<string, unknown>
  }
}

export interface WorldOptions {
  readonly store?: Store
  readonly ephemeralMs?: number
  /** How long audit logs keep their entries. */
  readonly auditMs?: number
  /** Name of this server in presence records. */
  readonly server?: string
  readonly say?: Say
  readonly expandedRules?: boolean
}

export class World implements Clocks {
  coord!: Coord
  tailnet!: Tailnet
  readonly store: Store
  readonly failures: unknown[] = []
  readonly #options: WorldOptions
  #mono = 1000 as Mono
  #wall = START
  #woken = false

  private constructor(options: WorldOptions) {
    this.#options = options
    this.store = options.store ?? new MemoryStore(memoryDatabase())
  }

  static async start(options: WorldOptions = {}): Promise<World> {
    const world = new World(options)
    await world.open()
    return world
  }

  /** Starts the server, again if need be, on the store as it is. */
  async open(): Promise<void> {
    this.coord = await Coord.open({
      store: this.store,
      clocks: this,
      dice,
      sha256,
      compress,
      url: 'http://sett.example:8080',
      tailnetDomain: 'sett.internal',
      derpMap: DERP_MAP,
      server: this.#options.server ?? 'one',
      ephemeralMs: this.#options.ephemeralMs ?? 1_800_000,
      auditMs: this.#options.auditMs ?? 90 * DAY_MS,
      wake: () => (this.#woken = true),
      admissionChanged: () => undefined,
      failed: (what, error) => this.failures.push(what, error),
      ...(this.#options.say === undefined ? {} : { say: this.#options.say }),
      ...(this.#options.expandedRules ? { expandedRules: true } : {}),
    })
    this.tailnet = await firstTailnet(this.coord.ledger, dice, 'sett.internal')
  }

  mono(): Mono {
    return this.#mono
  }

  wall(): Wall {
    return this.#wall
  }

  /** Lets everything happen that is due now, however many turns it takes. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3;) {
      await setImmediate()
      if (this.#woken || this.coord.deadline(this.#mono) <= this.#mono) {
        this.#woken = false
        this.coord.tick(this.#mono)
      }
      quiet = this.#woken ? 0 : quiet + 1
    }
    if (this.failures.length > 0) throw this.failures.at(-1)
  }

  /** Moves both clocks on, stopping wherever something is due. */
  async pass(ms: number): Promise<void> {
    const until = (this.#mono + ms) as Mono
    await this.settle()
    while (this.#mono < until) {
      const next = Math.min(until, Math.max(this.coord.deadline(this.#mono), this.#mono + 1)) as Mono
      this.#wall = (this.#wall + next - this.#mono) as Wall
      this.#mono = next
      await this.settle()
    }
  }

  state(tailnet = this.tailnet) {
    return this.coord.ledger.model.state(tailnet.num)
  }

  async user(loginName: string, tailnet = this.tailnet): Promise<User> {
    const id = await this.coord.ledger.nextId('user')
    return await this.coord.ledger.transact(tailnet.num, TESTER, (model, now) => {
      const role = model.state(tailnet.num).count('user') === 0 ? 'owner' : 'member'
      const user = newUser(id, loginName, role, now)
      return { batch: { writes: userWrites(model.state(tailnet.num), user) }, result: user }
    })
  }

  async addTailnet(name: string): Promise<Tailnet> {
    const num = await this.coord.ledger.nextId('tailnet')
    const tailnet = await this.coord.ledger.transact(SERVER, TESTER, (model, now) => {
      const made = newTailnet(num, `T${name}CNTRL`, name, 'sett.internal', now)
      return { batch: { writes: tailnetWrites(model.server, made) ?? [] }, result: made }
    })
    await this.user(`owner@${name}`, tailnet)
    return tailnet
  }

  /** Makes an auth key and returns its text. */
  async key(options: Partial<Key> = {}, tailnet = this.tailnet): Promise<string> {
    const minted = mintKey(dice, sha256, 'auth')
    const owner = [...this.state(tailnet).usersById.values()].find((user) => user.role === 'owner') as User
    const key: Key = {
      id: minted.id,
      type: 'auth',
      hash: minted.hash,
      description: '',
      user: owner.id,
      created: this.#wall,
      expires: (this.#wall + 86_400_000) as Wall,
      reusable: false,
      ephemeral: false,
      preauthorized: false,
      tags: [],
      scopes: [],
      ...options,
    }
    await this.coord.ledger.transact(tailnet.num, TESTER, () => ({
      batch: { writes: [{ kind: 'key', id: key.id, expect: 'absent', value: key }] },
      result: undefined,
    }))
    return minted.text.reveal()
  }

  /** An administrator changes a node. */
  async change(id: number, how: (node: Node, now: Wall) => Partial<Node>, tailnet = this.tailnet): Promise<void> {
    await this.coord.ledger.transact(tailnet.num, TESTER, (model, now) => {
      const state = model.state(tailnet.num)
      const before = state.node(id) as Node
      return { batch: updateNode(state, before, { ...before, ...how(before, now) }, now), result: undefined }
    })
    await this.settle()
  }

  /** A router is found unwell, or well again if it was. */
  async turnUnwell(node: number): Promise<void> {
    await this.coord.ledger.transact(this.tailnet.num, TESTER, (model, now) => {
      const id = String(node)
      const presence = model.state(this.tailnet.num).presence(node)
      if (presence === undefined) return { result: undefined }
      const { unwell, ...rest } = presence
      const value = unwell === undefined ? { ...rest, unwell: now } : rest
      return { batch: { writes: [{ kind: 'presence', id, expect: 'any', value }] }, result: undefined }
    })
    await this.settle()
  }

  async changeTailnet(settings: Partial<Tailnet['settings']>, tailnet = this.tailnet): Promise<void> {
    await this.coord.ledger.transact(SERVER, TESTER, (model) => {
      const id = String(tailnet.num)
      const before = model.tailnet(tailnet.num) as Tailnet
      const value = { ...before, settings: { ...before.settings, ...settings } }
      const write = { kind: 'tailnet', id, expect: model.server.version('tailnet', id), value } as const
      return { batch: { writes: [write] }, result: undefined }
    })
    await this.settle()
  }

  async decideLogin(code: string, outcome: PendingLogin['outcome']): Promise<void> {
    await this.coord.ledger.transact(SERVER, TESTER, (model) => {
      const login = model.login(code) as PendingLogin
      const value = { ...login, ...(outcome === undefined ? {} : { outcome }) }
      return {
        batch: { writes: [{ kind: 'login', id: code, expect: model.server.version('login', code), value }] },
        result: undefined,
      }
    })
    await this.settle()
  }

  /** Hands a machine over to this server, as a load balancer does: its next request comes here. */
  take(machine: Machine): void {
    machine.world = this
  }

  machine(hostname = 'laptop', from = '192.0.2.7'): Machine {
    return new Machine(this, hostname, from)
  }

  /** A machine that has joined with a fresh key and opened its map. */
  async joined(hostname = 'laptop', options: Partial<Key> = {}, tailnet = this.tailnet): Promise<Machine> {
    const machine = this.machine(hostname)
    const answer = await machine.register({ Auth: { AuthKey: await this.key(options, tailnet) } })
    if (answer.status !== 200 || answer.json['Error'])
      throw new Error(`could not join: ${answer.status} ${answer.body}`)
    machine.stream = await machine.map({})
    await this.pass(300)
    return machine
  }
}

export class Machine {
  world: World
  readonly machineKey: MachineKey = machineKeyOf(dice(32))
  nodeKey: NodeKey = nodeKeyOf(dice(32))
  oldNodeKey: NodeKey = nodeKeyOf(new Uint8Array(32))
  discoKey: DiscoKey = discoKeyOf(dice(32))
  readonly lockKey: LockKey = lockKeyOf(dice(32))
  version = 142
  hostinfo: Record<string, unknown>
  endpoints = ['192.0.2.7:41641']
  readonly from: string
  stream: Answer = new Answer()

  constructor(world: World, hostname: string, from: string) {
    this.world = world
    this.from = from
    this.hostinfo = {
      IPNVersion: '1.102.5-t0-g0',
      BackendLogID: 'ab'.repeat(32),
      OS: 'linux',
      Hostname: hostname,
      NetInfo: { PreferredDERP: 900 },
      Services: [{ Proto: 'peerapi4', Port: 1234 }],
    }
  }

  /** Sends a request and returns its answer so far. @param target path and query */
  async send(method: string, target: string, body: unknown): Promise<Answer> {
    const answer = new Answer()
    const [path = '', query = ''] = target.split('?', 2)
    this.world.coord.handle(
      {
        machineKey: this.machineKey,
        version: this.version,
        from: this.from,
        method,
        path,
        query,
        body: typeof body === 'string' ? Buffer.from(body) : Buffer.from(JSON.stringify(body)),
      },
      answer,
    )
    await this.world.settle()
    return answer
  }

  async register(fields: Record<string, unknown> = {}): Promise<Answer> {
    return await this.send('POST', '/machine/register', {
      Version: this.version,
      NodeKey: this.nodeKey,
      OldNodeKey: this.oldNodeKey,
      NLKey: this.lockKey,
      Expiry: '0001-01-01T00:00:00Z',
      Followup: '',
      Hostinfo: this.hostinfo,
      ...fields,
    })
  }

  async map(fields: Record<string, unknown> = {}): Promise<Answer> {
    return await this.send('POST', '/machine/map', {
      Version: this.version,
      Compress: 'zstd',
      KeepAlive: true,
      NodeKey: this.nodeKey,
      DiscoKey: this.discoKey,
      Stream: true,
      Hostinfo: this.hostinfo,
      Endpoints: this.endpoints,
      EndpointTypes: this.endpoints.map(() => 1),
      ...fields,
    })
  }

  async lite(fields: Record<string, unknown> = {}): Promise<Answer> {
    return await this.map({ Stream: false, OmitPeers: true, ...fields })
  }

  /** A new node key, the old one remembered, as a client that logs in again has. */
  rotate(): void {
    this.oldNodeKey = this.nodeKey
    this.nodeKey = nodeKeyOf(dice(32))
  }

  get node(): Node {
    const found = this.world.coord.ledger.model.nodeByKey(this.nodeKey)
    if (found === undefined) throw new Error('this machine is no node')
    return found.node
  }

  /** Messages of the stream since the last call, keepalives left out. */
  #read = 0
  news(): MapMessage[] {
    const news = this.stream.messages.slice(this.#read).filter((message) => !message.KeepAlive)
    this.#read = this.stream.messages.length
    return news
  }

  /** What a client that follows the stream knows of its peers now. (control.md §5.5) */
  peers(): Map<number, MapNode> {
    return peersAfter(this.stream.messages)
  }
}
