/**
 * The node on one screen: how the network map, disco, handshakes, relays and the data plane meet.
 *
 * The stages do not know of each other; here each one's actions become the next one's input. The engine lives as long
 * as the node key. Sockets, relay connections, the control session and the machine's own routes are the shell's
 * (`EngineOut`); packets are the data plane's.
 */

import type { Bytes } from '../base/bytes.ts'
import type { Mono, Wall } from '../base/clock.ts'
import { formatIp, parsePrefix } from '../base/ip.ts'
import type { AddressPort, Ip, Prefix } from '../base/ip.ts'
import type { DiscoKey, NodeKey, PrivateKey } from '../base/keys.ts'
import { nodeKeyFor } from '../crypto/primitives.ts'
import type { Primitives } from '../crypto/primitives.ts'
import { classify, isDisco } from '../wire/classify.ts'
import type { MapNode } from '../wire/map-node.ts'
import type { NetmapChanges, NetworkMap } from './control/netmap.ts'
import type { DataPlane, PlaneActivity, PlaneEvents, PlanePeer, Via } from './data-plane.ts'
import { localNets } from './filter/local-nets.ts'
import type { PeerApiAddress } from './filter/compile.ts'
import { filterSet, forgetsFlows } from './filter/settings.ts'
import type { FilterInputs } from './filter/settings.ts'
import { addressOf, endpointOf, Paths } from './path/index.ts'
import type { Endpoint, PathAction, Route } from './path/index.ts'
import { Device } from './wireguard/device.ts'
import type { DeviceAction, Source } from './wireguard/actions.ts'

/** What the engine has its shell do. */
export interface EngineOut {
  sendUdp(to: AddressPort, bytes: Bytes): void
  sendRelay(region: number, to: NodeKey, bytes: Bytes): void
  /** An answer of a STUN server. */
  stun(from: AddressPort, bytes: Bytes, now: Mono): void
  /** Find our endpoints anew, then `setOwnEndpoints`. */
  refreshEndpoints(): void
  rebind(): void
  pinged(asked: string, answer: PingAnswer | undefined): void
  /** Something was dropped here, and why. */
  dropped(why: string): void
}

export interface PingAnswer {
  readonly latencyMs: number
  readonly via: { readonly endpoint: Endpoint } | { readonly region: number }
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

/** Where a handshake message came from. */
type From = Source & { readonly via: Via }

export class Engine implements PlaneEvents {
  readonly #plane: DataPlane
  readonly #out: EngineOut
  readonly #device: Device<From>
  readonly #paths: Paths
  #settings: EngineSettings
  #map: NetworkMap | undefined
  /** The keys of peers as the map names them, by ID: what has changed about one may be its key. */
  readonly #keys = new Map<number, NodeKey>()
  readonly #byKey = new Map<NodeKey, MapNode>()
  #filterInputs: FilterInputs | undefined

  constructor({ primitives, nodeKey, disco, plane, out, settings, withoutUdp = false, now, wall }: EngineOptions) {
    this.#plane = plane
    this.#out = out
    this.#settings = settings
    const isPeer = (key: NodeKey) => this.#byKey.get(key)?.Expired !== true && this.#byKey.has(key)
    this.#device = new Device({ primitives, privateKey: nodeKey, isPeer, wall, now })
    this.#paths = new Paths({ primitives, disco, nodeKey: nodeKeyFor(primitives, nodeKey), udp: !withoutUdp })
  }

  /** The key that peers must know us by. */
  get disco(): DiscoKey {
    return this.#paths.ownDisco
  }

  // From the control session.

  /** The network map is new, or has changed. */
  netmap(map: NetworkMap, changes: NetmapChanges | 'all', now: Mono): void {
    this.#map = map
    const peers: readonly Change[] = changes === 'all' ? this.#differences(map) : changes.peers
    for (const { id, now: node } of peers) this.#peer(id, node, now)
    const parts = changes === 'all' ? undefined : changes.parts
    // Most of what changes is where a peer is, which costs neither table.
    if (peers.some(leadsElsewhere)) this.#plane.setPeers(this.#planePeers())
    if (parts === undefined || parts.has('filter') || parts.has('self') || peers.some(mayElse)) this.#setFilter()
  }

  /** The node is in no tailnet any more: nothing goes anywhere. */
  netmapGone(now: Mono): void {
    this.#map = undefined
    for (const id of this.#keys.keys()) this.#peer(id, undefined, now)
    this.#plane.setPeers([])
    this.#setFilter()
  }

  setSettings(settings: EngineSettings): void {
    this.#settings = settings
    this.#plane.setPeers(this.#planePeers())
    this.#setFilter()
  }

  setOwnEndpoints(endpoints: readonly Endpoint[], now: Mono): void {
    this.#follow(this.#paths.setOwnEndpoints(endpoints, now), now)
  }

  networkChanged(now: Mono): void {
    this.#follow(this.#paths.networkChanged(now), now)
  }

  setWall(wall: Wall, now: Mono): void {
    this.#device.setWall(wall, now)
  }

  // From sockets, relays and the data plane.

  datagram(from: AddressPort, bytes: Bytes, now: Mono): void {
    const kind = classify(bytes)
    if (kind === 'disco') this.#follow(this.#paths.fromUdp(from, bytes, now), now)
    else if (kind === 'stun') this.#out.stun(from, bytes, now)
    else if (kind === 'wireguard') this.#handshake(bytes, udpSource(from), now)
    else this.#out.dropped('by a relay that we did not ask for')
  }

  /** A packet that a relay brought. */
  relayed(region: number, from: NodeKey, bytes: Bytes, now: Mono): void {
    if (isDisco(bytes, 0)) return this.#follow(this.#paths.fromRelay(region, from, bytes, now), now)
    const via = { kind: 'relay', region, from } as const
    if (bytes[0] === TRANSPORT) this.#plane.open(bytes, via)
    else this.#handshake(bytes, { host: `${region} ${from}`, port: 0, via }, now)
  }

  unsent(peer: NodeKey, packet: Bytes, now: Mono): void {
    this.#follow(this.#paths.sent(peer, now), now)
    this.#do(this.#device.stage(peer, packet, now), now)
  }

  byRelay(region: number, to: NodeKey, bytes: Bytes): void {
    this.#out.sendRelay(region, to, bytes)
  }

  active(reports: readonly PlaneActivity[], now: Mono): void {
    for (const { peer, via, ...report } of reports) {
      if (report.sentAt !== undefined) this.#follow(this.#paths.sent(peer, now), now)
      if (via !== undefined && report.receivedAt !== undefined) this.#heard(peer, via, now)
      this.#do(this.#device.report(report, now), now)
    }
  }

  // From people.

  /** One `EngineOut.pinged` follows. */
  ping(peer: NodeKey, asked: string, size: number, now: Mono): void {
    this.#follow(this.#paths.ping(peer, asked, now, size), now)
  }

  route(peer: NodeKey): Route {
    return this.#paths.route(peer)
  }

  lastHandshakeAt(peer: NodeKey): Mono | undefined {
    return this.#device.lastHandshakeAt(peer)
  }

  // Time.

  tick(now: Mono): void {
    this.#follow(this.#paths.tick(now), now)
    this.#do(this.#device.tick(now), now)
  }

  deadline(): Mono {
    return Math.min(this.#paths.deadline(), this.#device.deadline()) as Mono
  }

  // What stages ask for.

  #handshake(bytes: Bytes, from: From, now: Mono): void {
    this.#do(this.#device.receive(bytes, from, now), now)
  }

  #do(actions: readonly DeviceAction<From>[], now: Mono): void {
    for (const action of actions) {
      switch (action.kind) {
        case 'send':
          this.#send(action.peer, action.bytes, now)
          break
        case 'reply':
          this.#reply(action.to.via, action.bytes)
          break
        case 'authenticated':
          this.#heard(action.peer, action.from.via, now)
          break
        case 'sessions':
          this.#plane.setSessions(action.peer, action.sending, action.receiving)
          break
        case 'seal':
          this.#plane.seal(action.peer, action.keypair, action.packet)
          break
        case 'forgotten':
          this.#plane.setSessions(action.peer, undefined, [])
          break
        case 'dropped':
          this.#out.dropped(action.why)
          break
        case 'established':
        case 'unanswered':
          break
      }
    }
  }

  #follow(actions: readonly PathAction[], now: Mono): void {
    for (const action of actions) {
      switch (action.kind) {
        case 'send-udp':
          this.#out.sendUdp(addressOf(action.to), action.bytes)
          break
        case 'send-relay':
          this.#out.sendRelay(action.region, action.to, action.bytes)
          break
        case 'route':
          this.#plane.setRoute(action.peer, action.route)
          break
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

  /** A handshake message, by whatever way there is. */
  #send(peer: NodeKey, bytes: Bytes, now: Mono): void {
    this.#follow(this.#paths.sent(peer, now), now)
    const route = this.#paths.route(peer)
    if ('endpoint' in route) this.#out.sendUdp(addressOf(route.endpoint), bytes)
    if ('region' in route) this.#out.sendRelay(route.region, peer, bytes)
    if (route.kind === 'none') this.#out.dropped('no path')
  }

  #reply(via: Via, bytes: Bytes): void {
    if (via.kind === 'udp') this.#out.sendUdp(via.at, bytes)
    else this.#out.sendRelay(via.region, via.from, bytes)
  }

  #heard(peer: NodeKey, via: Via, now: Mono): void {
    this.#follow(this.#paths.heard(peer, via.kind === 'udp' ? endpointOf(via.at) : via.region, now), now)
  }

  // The map.

  #differences(map: NetworkMap): Change[] {
    const gone = [...this.#keys.keys()].filter((id) => !map.peers.has(id)).map((id) => ({ id }))
    return [...gone, ...[...map.peers].map(([id, now]) => ({ id, now }))]
  }

  /** A peer is new, has changed or is gone. */
  #peer(id: number, node: MapNode | undefined, now: Mono): void {
    const before = this.#keys.get(id)
    if (before !== undefined && before !== node?.Key) {
      this.#keys.delete(id)
      this.#byKey.delete(before)
      this.#paths.removePeer(before)
      this.#do(this.#device.remove(before), now)
    }
    if (node === undefined) return
    this.#keys.set(id, node.Key)
    this.#byKey.set(node.Key, node)
    if (node.Expired === true) this.#do(this.#device.remove(node.Key), now)
    const { Key: key, DiscoKey: disco, Endpoints: endpoints = [], HomeDERP: homeRegion = 0, Expired: expired } = node
    const peer = { key, endpoints, homeRegion, ...(disco && { disco }), ...(expired && { expired }) }
    this.#follow(this.#paths.setPeer(peer, now), now)
    this.#plane.setRoute(key, this.#paths.route(key))
  }

  #planePeers(): PlanePeer[] {
    const peers: PlanePeer[] = []
    for (const node of this.#map?.peers.values() ?? []) {
      if (!isReachable(node)) continue
      peers.push({ key: node.Key, prefixes: this.#usable(node), isJailed: node.IsJailed === true })
    }
    return peers
  }

  /** Of what a peer carries, what the owner of this machine wants to use (node.md §3.1). */
  #usable(node: MapNode): readonly string[] {
    const { acceptsRoutes, exitNode } = this.#settings
    return node.AllowedIPs.filter((text) => {
      if (text === '') return false
      if (text === '0.0.0.0/0' || text === '::/0') return node.ID === exitNode
      return acceptsRoutes || node.Addresses.includes(text)
    })
  }

  #setFilter(): void {
    const fields = this.#map?.fields
    const { isShieldsUp, routes, interfaces, hostAddresses, peerApi } = this.#settings
    const addresses = (fields?.self.Addresses ?? []).flatMap((text) => parsePrefix(text)?.ip ?? [])
    const inputs: FilterInputs = {
      rules: fields?.filter,
      localNets: localNets({ addresses, services: [], routes, interfaces, hostAddresses, isAppConnector: false }),
      peers: [...this.#byKey.values()].map((node) => ({
        addresses: node.Addresses.flatMap((text) => parsePrefix(text)?.ip ?? []),
        capabilities: [...(node.CapMap?.keys() ?? [])],
      })),
      limitedPeers: [],
      isShieldsUp,
      peerApi,
    }
    this.#plane.setFilter(filterSet(inputs), forgetsFlows(this.#filterInputs, inputs))
    this.#filterInputs = inputs
  }
}

/** What a peer was and is. */
interface Change {
  readonly id: number
  readonly was?: MapNode
  readonly now?: MapNode
}

/** Do other addresses lead to it, or none any more? */
function leadsElsewhere({ was, now }: Change): boolean {
  if (was === undefined || now === undefined) return true
  return (
    was.Key !== now.Key ||
    was.Expired !== now.Expired ||
    was.IsJailed !== now.IsJailed ||
    isReachable(was) !== isReachable(now) ||
    was.AllowedIPs.join() !== now.AllowedIPs.join()
  )
}

/** Has it other capabilities, or other addresses? */
function mayElse({ was, now }: Change): boolean {
  if (was === undefined || now === undefined) return true
  return was.CapMap !== now.CapMap || was.Addresses.join() !== now.Addresses.join()
}

/** Without a disco key and a relay there is no way to it. */
function isReachable({ Expired, DiscoKey, HomeDERP = 0 }: MapNode): boolean {
  return Expired !== true && (DiscoKey !== undefined || HomeDERP !== 0)
}

/** The first byte of a transport message. */
const TRANSPORT = 4

function udpSource(at: AddressPort): From {
  const { ip, port } = at
  // Whoever has one IPv6 address has its whole network.
  const host = ip.family === 4 ? formatIp(ip) : String(ip.value >> 64n)
  return { host, port, via: { kind: 'udp', at } }
}
