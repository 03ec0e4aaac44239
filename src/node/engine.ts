/**
 * The node on one screen: how the network map, disco, handshakes, relays and the data plane meet.
 *
 * The stages do not know of each other; here each one's actions become the next one's input. The engine lives as long
 * as the node key. Sockets, relay connections, the control session and the machine's own routes are the shell's
 * (`EngineOut`); packets are the data plane's.
 */

import type { Bytes } from '../base/bytes.ts'
import { later } from '../base/clock.ts'
import type { Mono, Wall } from '../base/clock.ts'
import type { AddressPort, Family, Ip, Prefix } from '../base/ip.ts'
import type { NodeKey, PrivateKey } from '../base/keys.ts'
import { nodeKeyFor } from '../crypto/primitives.ts'
import type { Primitives } from '../crypto/primitives.ts'
import { classify, isDisco } from '../wire/classify.ts'
import { PacketHeader } from '../wire/ip-packet.ts'
import type { MapNode } from '../wire/map-node.ts'
import { encodeDiscoKey } from '../wire/tsmp.ts'
import type { RejectedFlow, RejectReason } from '../wire/tsmp.ts'
import type { NetmapChanges, NetworkMap } from './control/netmap.ts'
import type { PeerDelta } from './control/peers.ts'
import { isSame } from './control/same.ts'
import type { DataPlane, PlaneActivity, PlaneSource } from './data-plane.ts'
import type { PeerApiAddress } from './filter/compile.ts'
import { rejectFor } from './filter/reject.ts'
import { endpointOf, Paths } from './path/index.ts'
import type { Endpoint, PathAction, Route } from './path/index.ts'
import { addressesOf, FilterKeeper } from './filter-keeper.ts'
import { directSource, HandshakeWays, relaySource } from './handshake-ways.ts'
import type { From } from './handshake-ways.ts'
import { KnownPeers } from './known-peers.ts'
import type { Known } from './known-peers.ts'
import { InnerPings } from './pings/inner-pings.ts'
import type { InnerPingAction } from './pings/inner-pings.ts'
import { RouteKeeper } from './routes/peer-routes.ts'
import type { DeviceAction } from './wireguard/actions.ts'
import { Device } from './wireguard/device.ts'
import { TRANSPORT_MIN_LENGTH } from './wireguard/messages.ts'

/** What the engine has its shell do. */
export interface EngineOut {
  sendRelay(region: number, to: NodeKey, bytes: Bytes): void
  /** Does a connection with a relay stand that `sendRelay` would use? Else what is sent waits for one, or is lost. */
  reachesByRelay(region: number, peer: NodeKey): boolean
  /** An answer of a STUN server. */
  stun(from: AddressPort, bytes: Bytes, now: Mono): void
  /** Find our endpoints anew, then `setOwnEndpoints`. */
  refreshEndpoints(): void
  rebind(): void
  /** A peer has proved itself, and packets may flow. */
  established(): void
  pinged(asked: string, answer: PingAnswer | undefined): void
  /** A peer has refused a connection of this machine's. */
  rejected(flow: RejectedFlow, reason: RejectReason): void
  /** Something was dropped here, and why. */
  dropped(why: string): void
}

export interface PingAnswer {
  readonly latencyMs: number
  /** Absent for pings inside the tunnel, which look at no path. */
  readonly via?: { readonly endpoint: Endpoint } | { readonly region: number }
  /** Where the peer's PeerAPI listens, as a TSMP ping tells. */
  readonly peerApiPort?: number
}

/** What the owner of the machine has chosen, as far as packets are concerned. */
export interface EngineSettings {
  readonly isShieldsUp: boolean
  /** Routes of others are used. */
  readonly acceptsRoutes: boolean
  /** The node that everything else goes through. */
  readonly exitNode: number | undefined
  /** Routes that we offer to others. */
  readonly routes: readonly Prefix[]
  readonly interfaces: readonly Prefix[]
  readonly hostAddresses: readonly Ip[]
  readonly peerApi: readonly PeerApiAddress[]
}

export interface EngineOptions {
  readonly primitives: Primitives
  readonly nodeKey: PrivateKey
  readonly disco: PrivateKey
  readonly plane: DataPlane
  readonly out: EngineOut
  readonly settings: EngineSettings
  /** Only TCP may leave the machine. */
  readonly withoutUdp?: boolean
  readonly now: Mono
  readonly wall: Wall
}

export class Engine {
  readonly #plane: DataPlane
  readonly #out: EngineOut
  readonly #device: Device<From>
  readonly #paths: Paths
  readonly #ways: HandshakeWays
  readonly #pings: InnerPings
  readonly #routes = new RouteKeeper()
  readonly #filter: FilterKeeper
  readonly #peers = new KnownPeers()
  /** Whose session an index is. */
  readonly #byIndex = new Map<number, NodeKey>()
  /** When whoever uses an unknown session was looked for last. */
  #lostAt = -Infinity as Mono
  /** When a packet of this machine's last went to a peer. */
  readonly #usedAt = new Map<NodeKey, Mono>()
  /** Where packets for each peer go, as the data plane knows. */
  readonly #endpointsTold = new Map<number, Route>()
  /** The table that the data plane has. */
  #routesTold: unknown
  #settings: EngineSettings
  #map: NetworkMap | undefined

  constructor({ primitives, nodeKey, disco, plane, out, settings, withoutUdp = false, now, wall }: EngineOptions) {
    this.#plane = plane
    this.#filter = new FilterKeeper(plane)
    this.#out = out
    this.#settings = settings
    const isPeer = (key: NodeKey): boolean => {
      const known = this.#peers.withKey(key)
      return known !== undefined && known.node.Expired !== true
    }
    const discoBytes = primitives.x25519Public(disco)
    const firstPacket = (key: NodeKey): Bytes | undefined => {
      const [src, dst] = this.#innerAddresses(key)
      return src && dst && encodeDiscoKey(src, dst, discoBytes)
    }
    this.#device = new Device({ primitives, privateKey: nodeKey, isPeer, firstPacket, wall, now })
    this.#pings = new InnerPings(primitives.random)
    this.#paths = new Paths({ primitives, disco, nodeKey: nodeKeyFor(primitives, nodeKey), udp: !withoutUdp })
    this.#ways = new HandshakeWays(this.#paths, plane, out)
    this.setSettings(settings)
  }

  /** Why the server's rules are not in force as it sent them. */
  get filterProblem(): FilterKeeper['problem'] {
    return this.#filter.problem
  }

  /** What is to lead into the tunnel. */
  installed(): ReturnType<RouteKeeper['installed']> {
    return this.#routes.installed()
  }

  // From the control session.

  /** The network map is new, or has changed. */
  netmap(map: NetworkMap, { parts, peers }: NetmapChanges, now: Mono): void {
    this.#map = map
    for (const { id, now: node } of peers) this.#peer(id, node, now)
    // Most of what changes is where a peer is, which costs neither table.
    if (peers.length > 0) this.#setRoutes()
    if (parts.has('filter') || parts.has('self') || peers.some(mayElse)) this.#setFilter()
  }

  setSettings(settings: EngineSettings): void {
    this.#settings = settings
    this.#pings.peerApi = settings.peerApi
    const { acceptsRoutes: acceptsSubnets, exitNode } = settings
    this.#routes.choose({ acceptsSubnets, ...(exitNode === undefined ? {} : { exitNode }) })
    this.#setRoutes()
    this.#setFilter()
  }

  setOwnEndpoints(endpoints: readonly Endpoint[], now: Mono): void {
    this.#follow(this.#paths.setOwnEndpoints(endpoints, now), now)
  }

  networkChanged(now: Mono): void {
    this.#follow(this.#paths.networkChanged(now), now)
  }

  /** The machine has slept, while `now` stood still: no path and no session need be what it was. */
  wake(wall: Wall, now: Mono): void {
    this.#do(this.#device.wake(wall, now), now)
    this.networkChanged(now)
  }

  // From relays and the data plane.

  /** A datagram that is no transport message, or the header of one whose session the data plane does not know. */
  datagram(bytes: Bytes, from: PlaneSource, now: Mono): void {
    if (from.kind === 'relay') return this.#out.dropped('malformed')
    const { address } = from
    const kind = classify(bytes)
    if (kind === 'disco') this.#follow(this.#paths.fromUdp(address, bytes, now), now)
    else if (kind === 'stun') this.#out.stun(address, bytes, now)
    else if (kind !== 'wireguard') this.#out.dropped('by a peer relay')
    else if (bytes[0] === TRANSPORT) this.#lost(() => this.#peers.at(endpointOf(address))?.key, now)
    else this.#handshake(bytes, directSource(address), now)
  }

  /** A packet that a relay brought. */
  relayed(region: number, from: NodeKey, bytes: Bytes, now: Mono): void {
    if (isDisco(bytes, 0)) return this.#follow(this.#paths.fromRelay(region, from, bytes, now), now)
    if (bytes[0] === TRANSPORT) {
      if (bytes.length >= TRANSPORT_MIN_LENGTH && !this.#byIndex.has(receiverOf(bytes)))
        return this.#lost(() => from, now)
      return this.#plane.receiveRelayed(bytes, region)
    }
    this.#handshake(bytes, relaySource(region, from), now)
  }

  /** A packet of this machine's for a peer with which there is no session. */
  unsealed(peer: number, packet: Bytes, now: Mono): void {
    const known = this.#peers.withNumber(peer)
    if (known === undefined) return this.#out.dropped('unknown-peer')
    this.#follow(this.#paths.sent(known.key, now), now)
    this.#do(this.#device.stage(known.key, packet, now), now)
  }

  /** A packet of a peer's that is not for the device: TSMP, an answer to our echo, or a refused connection. */
  forEngine(peer: number, packet: Bytes, now: Mono): void {
    const h = new PacketHeader()
    h.read(packet)
    const isJailed = this.#peers.withNumber(peer)?.node.IsJailed === true
    const reject = rejectFor(packet, h, this.#settings.isShieldsUp || isJailed)
    if (reject === undefined) this.#talk(this.#pings.take(peer, packet, now), now)
    else this.unsealed(peer, reject, now)
  }

  /** A sealed message that is to go by relay. */
  byRelay(peer: number, message: Bytes): void {
    const known = this.#peers.withNumber(peer)
    const route = known && this.#paths.route(known.key)
    if (known === undefined || route === undefined || !('region' in route)) return this.#out.dropped('no path')
    this.#out.sendRelay(route.region, known.key, message)
  }

  /** What went over a session; `from` where that is news. */
  activity(activity: PlaneActivity, from: PlaneSource | undefined, now: Mono): void {
    const peer = this.#byIndex.get(activity.localIndex)
    if (peer === undefined) return
    if (activity.sentDataAt !== undefined) this.#usedAt.set(peer, activity.sentDataAt)
    if (activity.sentAt !== undefined) this.#follow(this.#paths.sent(peer, now), now)
    if (from !== undefined) this.#heard(peer, from, now)
    this.#do(this.#device.report(activity, now), now)
  }

  // From people.

  /** One `EngineOut.pinged` follows. */
  ping(peer: NodeKey, asked: string, size: number, now: Mono): void {
    this.#follow(this.#paths.ping(peer, asked, now, size), now)
  }

  /** The same through the tunnel, to an address that leads to the peer: answered by its daemon, or by its kernel. */
  pingInside(kind: 'TSMP' | 'ICMP', peer: NodeKey, dst: Ip, asked: string, now: Mono): void {
    const [number, src] = [this.numberOf(peer), this.#ownAddress(dst.family)]
    if (number === undefined || src === undefined) return this.#out.pinged(asked, undefined)
    this.#talk(this.#pings.ask({ kind, asked, peer: number, src, dst }, now), now)
  }

  route(peer: NodeKey): Route {
    return this.#paths.route(peer)
  }

  /** The number that the data plane knows a peer by. */
  numberOf(peer: NodeKey): number | undefined {
    return this.#peers.withKey(peer)?.number
  }

  lastUsedAt(peer: NodeKey): Mono | undefined {
    return this.#usedAt.get(peer)
  }

  lastHandshakeAt(peer: NodeKey): Mono | undefined {
    return this.#device.lastHandshakeAt(peer)
  }

  // Time.

  tick(now: Mono): void {
    this.#follow(this.#paths.tick(now), now)
    this.#do(this.#device.tick(now), now)
    this.#talk(this.#pings.tick(now), now)
  }

  deadline(): Mono {
    return Math.min(this.#paths.deadline(), this.#device.deadline(), this.#pings.deadline()) as Mono
  }

  // What stages ask for.

  #handshake(bytes: Bytes, from: From, now: Mono): void {
    this.#do(this.#device.receive(bytes, from, now), now)
  }

  /** Somebody uses a session that is not known: who that seems to be is looked for once in a while. */
  #lost(sender: () => NodeKey | undefined, now: Mono): void {
    this.#out.dropped('unknown-index')
    if (now < later(this.#lostAt, LOST_MS)) return
    this.#lostAt = now
    const peer = sender()
    if (peer !== undefined) this.#do(this.#device.lost(peer, now), now)
  }

  #do(actions: readonly DeviceAction<From>[], now: Mono): void {
    for (const action of actions) {
      switch (action.kind) {
        case 'send':
          this.#follow(this.#paths.sent(action.peer, now), now)
          this.#ways.send(action, now)
          break
        case 'reply':
          this.#ways.reply(action.to, action.bytes)
          break
        case 'authenticated':
          this.#met(action.peer, action.from, now)
          break
        case 'sessions': {
          const number = this.numberOf(action.peer)
          for (const { localIndex } of action.receiving) this.#byIndex.set(localIndex, action.peer)
          if (number !== undefined) this.#plane.setSessions(number, action.sending, action.receiving)
          break
        }
        case 'seal': {
          const number = this.numberOf(action.peer)
          if (number !== undefined) this.#plane.seal(number, action.keypair, action.packet)
          break
        }
        case 'forgotten':
          for (const [index, peer] of this.#byIndex) if (peer === action.peer) this.#byIndex.delete(index)
          break
        case 'dropped':
          this.#out.dropped(action.why)
          break
        case 'established':
          this.#out.established()
          break
        case 'unanswered':
          break
      }
    }
  }

  #follow(actions: readonly PathAction[], now: Mono): void {
    for (const action of actions) {
      switch (action.kind) {
        case 'send-udp':
          this.#ways.sendUdp(action.to, action.bytes)
          break
        case 'send-relay':
          this.#out.sendRelay(action.region, action.to, action.bytes)
          break
        case 'route': {
          const number = this.numberOf(action.peer)
          if (number !== undefined) this.#setEndpoint(number, action.route)
          // A handshake that went nowhere, or the way that was lost, is not to wait for its next turn.
          if (action.route.kind !== 'none') this.#do(this.#device.retry(action.peer, now), now)
          break
        }
        case 'refresh-endpoints':
          this.#out.refreshEndpoints()
          break
        case 'rebind':
          this.#out.rebind()
          break
        case 'reset-session':
          this.#do(this.#device.reset(action.peer, now), now)
          break
        case 'ping-answered':
          this.#out.pinged(action.asked, { latencyMs: action.latencyMs, via: action.via })
          break
        case 'ping-unanswered':
          this.#out.pinged(action.asked, undefined)
          break
      }
    }
  }

  #talk(actions: readonly InnerPingAction[], now: Mono): void {
    for (const action of actions) {
      switch (action.kind) {
        case 'send':
          this.unsealed(action.peer, action.packet, now)
          break
        case 'answered': {
          const { asked, kind: _, ...answer } = action
          this.#out.pinged(asked, answer)
          break
        }
        case 'unanswered':
          this.#out.pinged(action.asked, undefined)
          break
        case 'disco-key': {
          const known = this.#peers.withNumber(action.peer)
          if (known !== undefined) this.#follow(this.#paths.learnDisco(known.key, action.key, now), now)
          break
        }
        case 'rejected':
          this.#out.rejected(action.flow, action.reason)
          break
      }
    }
  }

  /** A handshake message was genuine. */
  #met(peer: NodeKey, { via }: From, now: Mono): void {
    if (via.kind === 'direct') this.#follow(this.#paths.met(peer, endpointOf(via.address), now), now)
    else this.#heard(peer, via, now)
  }

  #heard(peer: NodeKey, from: PlaneSource, now: Mono): void {
    const where = from.kind === 'direct' ? endpointOf(from.address) : from.region
    this.#follow(this.#paths.heard(peer, where, now), now)
  }

  // The map.

  /** A peer is new, has changed or is gone. Another key makes it another peer. */
  #peer(id: number, node: MapNode | undefined, now: Mono): void {
    const before = this.#peers.withId(id)
    if (before !== undefined && before.key !== node?.Key) this.#forget(id, before, now)
    if (node === undefined) return
    const { number } = this.#peers.put(id, node)
    this.#routes.put(number, node)
    if (node.Expired === true) this.#do(this.#device.remove(node.Key), now)
    const { Key: key, DiscoKey: disco, Endpoints: endpoints = [], HomeDERP: homeRegion = 0, Expired: expired } = node
    const peer = { key, endpoints, homeRegion, ...(disco && { disco }), ...(expired && { expired }) }
    this.#follow(this.#paths.setPeer(peer, now), now)
    this.#setEndpoint(number, this.#paths.route(key))
  }

  /** Telling the pumps wakes them, so they are told what is new to them. */
  #setEndpoint(number: number, route: Route): void {
    if (isSame(this.#endpointsTold.get(number), route)) return
    this.#endpointsTold.set(number, route)
    this.#plane.setEndpoint(number, route)
  }

  #forget(id: number, { number, key }: Known, now: Mono): void {
    this.#paths.removePeer(key)
    this.#do(this.#device.remove(key), now)
    this.#routes.remove(number)
    this.#plane.removePeer(number)
    this.#endpointsTold.delete(number)
    this.#usedAt.delete(key)
    this.#peers.remove(id)
  }

  #ownAddress(family: Family): Ip | undefined {
    return addressesOf(this.#map?.fields.self).find((ip) => ip.family === family)
  }

  /** An address of ours and one of the peer's, of one family. */
  #innerAddresses(key: NodeKey): readonly [Ip | undefined, Ip | undefined] {
    const theirs = addressesOf(this.#peers.withKey(key)?.node).find(
      ({ family }) => this.#ownAddress(family) !== undefined,
    )
    return [theirs && this.#ownAddress(theirs.family), theirs]
  }

  #setRoutes(): void {
    const peers = this.#routes.routes()
    if (peers === this.#routesTold) return
    this.#routesTold = peers
    this.#plane.setRoutes({ peers })
  }

  #setFilter(): void {
    this.#filter.set(this.#settings, this.#map?.fields, [...this.#peers.all])
  }
}

/** Has it other capabilities, or other addresses? */
function mayElse({ was, now }: PeerDelta): boolean {
  if (was === undefined || now === undefined) return true
  return (
    !isSame(was.CapMap, now.CapMap) || was.IsJailed !== now.IsJailed || was.Addresses.join() !== now.Addresses.join()
  )
}

/** The first byte of a transport message. */
const TRANSPORT = 4
/** So often at most somebody is looked for: anybody can send what looks like a message, and there may be many peers. */
const LOST_MS = 20

/** The session that a transport message is of, as its receiver numbers it. */
function receiverOf(message: Bytes): number {
  return new DataView(message.buffer, message.byteOffset).getUint32(4, true)
}
