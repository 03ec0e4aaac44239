/** One node of the simulated tailnet: the real path finding, with a host for its sockets, and traffic to show what it does. */

import type { Mono } from '../../../src/base/clock.ts'
import { parseIp } from '../../../src/base/ip.ts'
import type { Ip } from '../../../src/base/ip.ts'
import { rawKey } from '../../../src/base/keys.ts'
import type { NodeKey } from '../../../src/base/keys.ts'
import { generateKey } from '../../../src/crypto/primitives.ts'
import { collectEndpoints, endpointOf, NO_SOURCES, Paths, readEndpoint } from '../../../src/node/path/index.ts'
import type { Endpoint, PathAction, Peer, Route } from '../../../src/node/path/index.ts'
import { addressOf } from '../../../src/node/path/endpoint.ts'
import { classify, isDisco } from '../../../src/wire/classify.ts'
import { decodeResponse, encodeRequest } from '../../../src/wire/stun.ts'
import type { Host, Place } from './internet.ts'
import type { Mesh, NodeOptions } from './mesh.ts'

/** How long a look for own endpoints waits for STUN. */
const LOOK_MS = 100
const HEADER_BYTES = 40

/** What one node got of another's traffic. */
export interface Inbox {
  /** When each packet came in first, by its number. */
  readonly at: Map<number, number>
  direct: number
  relayed: number
}

export class MeshNode {
  readonly key: NodeKey
  readonly host: Host
  readonly home: number
  readonly inboxes = new Map<NodeKey, Inbox>()
  /** Bytes of traffic sent, both ways of a route counted. */
  readonly sentBytes = { direct: 0, relayed: 0, lost: 0 }
  /** Everything that path finding told, for whoever wants to look. */
  readonly told: PathAction[] = []
  paths: Paths
  readonly #mesh: Mesh
  readonly #known = new Map<NodeKey, Peer>()
  #alarm = Infinity
  #run = 0
  #number = 0
  #endpoints: readonly Endpoint[] = []
  #looking = false
  #stunSeen = new Map<string, Endpoint>()
  #stopped = new Set<symbol>()

  constructor(mesh: Mesh, key: NodeKey, { home = 1, ...place }: NodeOptions) {
    this.#mesh = mesh
    this.key = key
    this.home = home
    this.host = mesh.internet.host({ datagram: (from, _to, bytes) => this.#datagram(from, bytes) }, place)
    this.paths = this.#start()
  }

  get now(): Mono {
    return this.#mesh.internet.clock.now
  }

  /** What control hears of this node. */
  record(): Peer {
    return { key: this.key, disco: this.paths.ownDisco, endpoints: this.#endpoints, homeRegion: this.home }
  }

  /** Has a peer in the map from the beginning. */
  learn(other: MeshNode): void {
    this.hear(other.record())
  }

  hear(peer: Peer): void {
    this.#known.set(peer.key, peer)
    this.#do(this.paths.setPeer(peer, this.now))
  }

  routeTo(other: MeshNode): Route {
    return this.paths.route(other.key)
  }

  pathTo(other: MeshNode): Route['kind'] {
    return this.routeTo(other).kind
  }

  /** Sends one packet as WireGuard would. */
  send(to: MeshNode, bytes = 200): number {
    const number = ++this.#number
    const packet = new Uint8Array(Math.max(bytes, HEADER_BYTES))
    packet[0] = 4
    packet.set(rawKey(this.key), 4)
    new DataView(packet.buffer).setUint32(36, number)
    this.#do(this.paths.sent(to.key, this.now))
    const route = this.routeTo(to)
    if (route.kind === 'none') this.sentBytes.lost += packet.length
    if (route.kind === 'direct' || route.kind === 'both') {
      this.sentBytes.direct += packet.length
      this.#sendUdp(route.endpoint, packet)
    }
    if (route.kind === 'relay' || route.kind === 'both') {
      this.sentBytes.relayed += packet.length
      this.#mesh.relay(route.region).send(this.key, to.key, packet)
    }
    return number
  }

  /** Sends packets evenly until stopped. */
  flow(to: MeshNode, everyMs = 20, bytes = 200): { stop(): void } {
    const name = Symbol('flow')
    const next = (): void => {
      if (this.#stopped.has(name)) return
      this.send(to, bytes)
      this.#mesh.internet.clock.after(everyMs, next)
    }
    next()
    return { stop: () => this.#stopped.add(name) }
  }

  inboxOf(from: MeshNode): Inbox {
    let inbox = this.inboxes.get(from.key)
    if (inbox === undefined) {
      inbox = { at: new Map(), direct: 0, relayed: 0 }
      this.inboxes.set(from.key, inbox)
    }
    return inbox
  }

  /** The longest time since `since` without a packet from there. */
  longestSilence(from: MeshNode, since: number): number {
    let longest = 0
    let last = since
    for (const at of [...this.inboxOf(from).at.values()].filter((t) => t >= since).sort((a, b) => a - b)) {
      longest = Math.max(longest, at - last)
      last = at
    }
    return Math.max(longest, this.now - last)
  }

  /** Another network: other addresses, and the node is told so. */
  moveTo(place: Place): void {
    this.host.moveTo(place)
    this.#stunSeen = new Map()
    this.#do(this.paths.networkChanged(this.now))
    this.look()
  }

  /** The program ends and starts again: nothing is remembered, and there is a new disco key. */
  restart(): void {
    this.paths = this.#start()
    for (const peer of this.#known.values()) this.#do(this.paths.setPeer(peer, this.now))
    this.#mesh.publish(this)
  }

  rotateDisco(): void {
    this.#do(this.paths.rotateDisco(generateKey(this.#mesh.primitives.random), this.now))
    this.#mesh.publish(this)
  }

  ping(to: MeshNode, asked: string): void {
    this.#do(this.paths.ping(to.key, asked, this.now))
  }

  /** Finds own endpoints: addresses of the host, and what STUN servers see. */
  look(): void {
    if (this.#looking) return
    this.#looking = true
    for (const server of this.#mesh.stun) this.#sendUdp(server, encodeRequest(this.#mesh.primitives.random(12)))
    this.#mesh.internet.clock.after(LOOK_MS, () => this.#looked())
  }

  #start(): Paths {
    this.#run++
    this.#alarm = Infinity
    this.#mesh.relay(this.home).join(this.key, (from, bytes) => this.#relayed(this.home, from as NodeKey, bytes))
    this.#mesh.internet.clock.after(0, () => this.look())
    const { primitives } = this.#mesh
    return new Paths({ primitives, disco: generateKey(primitives.random), nodeKey: this.key })
  }

  #looked(): void {
    this.#looking = false
    const seen = [...this.#stunSeen.values()]
    const own = collectEndpoints({
      ...NO_SOURCES,
      localPort: this.host.port,
      stun4: seen.slice(0, 1),
      interfaces: [{ name: 'eth0', up: true, addresses: this.host.attachment.ips.map((ip) => parseIp(ip) as Ip) }],
    }).map((e) => e.endpoint)
    const isNew = own.join() !== this.#endpoints.join()
    this.#endpoints = own
    this.#do(this.paths.setOwnEndpoints(own, this.now))
    if (isNew) this.#mesh.publish(this)
  }

  #datagram(from: string, bytes: Uint8Array): void {
    const source = addressOf(readEndpoint(from) as Endpoint)
    switch (classify(bytes)) {
      case 'stun': {
        const seen = decodeResponse(bytes)?.seen
        if (seen !== undefined) this.#stunSeen.set(from, endpointOf(seen))
        return
      }
      case 'disco':
        return this.#do(this.paths.fromUdp(source, bytes, this.now))
      case 'wireguard':
        return this.#traffic(bytes, endpointOf(source))
      default:
        throw new Error('Nobody sends that here')
    }
  }

  #relayed(region: number, from: NodeKey, bytes: Uint8Array): void {
    if (isDisco(bytes, 0)) this.#do(this.paths.fromRelay(region, from, bytes, this.now))
    else this.#traffic(bytes, region)
  }

  #traffic(packet: Uint8Array, from: Endpoint | number): void {
    const sender = this.#mesh.nodeOf(`nodekey:${packet.subarray(4, 36).toHex()}`)
    const inbox = this.inboxOf(sender)
    if (typeof from === 'number') inbox.relayed++
    else inbox.direct++
    const number = new DataView(packet.buffer).getUint32(36)
    if (!inbox.at.has(number)) inbox.at.set(number, this.now)
    this.#do(this.paths.heard(sender.key, from, this.now))
  }

  #do(actions: readonly PathAction[]): void {
    for (const action of actions) {
      this.told.push(action)
      switch (action.kind) {
        case 'send-udp':
          this.#sendUdp(action.to, action.bytes)
          break
        case 'send-relay':
          this.#mesh.relay(action.region).send(this.key, action.to, action.bytes)
          break
        case 'refresh-endpoints':
          this.look()
          break
        default:
          break
      }
    }
    this.#setAlarm()
  }

  #sendUdp(to: Endpoint, bytes: Uint8Array): void {
    if (this.host.send(to, bytes) === 'unreachable') this.#do(this.paths.sendFailed(to, 'unreachable', this.now))
  }

  #setAlarm(): void {
    const at = this.paths.deadline()
    if (at >= this.#alarm || at === Infinity) return
    this.#alarm = at
    const run = this.#run
    this.#mesh.internet.clock.at(at, () => {
      if (run !== this.#run || this.#alarm !== at) return
      this.#alarm = Infinity
      this.#do(this.paths.tick(this.now))
    })
  }
}
