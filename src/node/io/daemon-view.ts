/** What a running node shows of itself (local/node-view.ts), put together from its parts when somebody asks. */

import type { Mono, Wall } from '../../base/clock.ts'
import { parseIp } from '../../base/ip.ts'
import type { AddressPort } from '../../base/ip.ts'
import type { NodeKey } from '../../base/keys.ts'
import { addressesOf } from '../filter-keeper.ts'
import { CapabilityGrants } from '../filter/grants.ts'
import type { NodeView, PeerTraffic } from '../local/node-view.ts'
import type { LiveNode } from './live-node.ts'
import { ownName } from './own-hostinfo.ts'

/** A peer is in use if we sent it something so lately. */
const ACTIVE_MS = 45_000

export function viewOf(node: LiveNode): NodeView {
  const { clocks, version, profiles, health } = node.options
  const { nodeKey, lockKey } = profiles.login
  const { exitNode, clientVersion } = node
  // A node that is stopped still says which addresses it has.
  const netmap = node.netmap ?? (node.state === 'Stopped' ? node.login.lastMap : undefined)
  return {
    now: clocks.wall(),
    version,
    tun: true,
    state: node.state,
    hasNodeKey: nodeKey !== undefined,
    online: node.login.state.online,
    ...(lockKey === undefined ? {} : { lockKey: lockKey.publicKey }),
    authUrl: node.authUrl,
    hostname: ownName(node.prefs),
    os: 'linux',
    netmap,
    relays: node.relayMap?.regions,
    ...(node.relayMap === undefined ? {} : { relayScores: node.relayMap.scores }),
    homeRelay: node.tunnel.home,
    endpoints: node.tunnel.endpoints.map(({ endpoint }) => endpoint),
    peerApi: portsOf(node.tunnel.peerApi),
    health: [...health.texts(clocks.mono()), ...node.tunnel.problems.map(({ text }) => text)],
    ...(exitNode === undefined ? {} : { exitNode }),
    ...(clientVersion === undefined ? {} : { clientVersion }),
    traffic: (peer) => trafficWith(node, peer),
    capabilitiesOf: (ip) => capabilitiesOf(node, ip),
  }
}

function portsOf(places: readonly AddressPort[]): NodeView['peerApi'] {
  const [v4, v6] = [4, 6].map((family) => places.find(({ ip }) => ip.family === family)?.port)
  return { ...(v4 === undefined ? {} : { v4 }), ...(v6 === undefined ? {} : { v6 }) }
}

function trafficWith(node: LiveNode, peer: NodeKey): PeerTraffic | undefined {
  const { tunnel } = node.tunnel
  const number = tunnel?.engine.numberOf(peer)
  if (tunnel === undefined || number === undefined) return undefined
  const { engine } = tunnel
  const { clocks } = node.options
  const mono = clocks.mono()
  const atWall = (at: Mono): Wall => (clocks.wall() - (mono - at)) as Wall
  const { receivedBytes: rxBytes, sentBytes: txBytes } = tunnel.traffic(number)
  const [handshake, used, route] = [engine.lastHandshakeAt(peer), engine.lastUsedAt(peer), engine.route(peer)]
  return {
    rxBytes,
    txBytes,
    ...(used === undefined ? {} : { lastWrite: atWall(used) }),
    ...(handshake === undefined ? {} : { lastHandshake: atWall(handshake) }),
    ...(route.kind === 'direct' ? { direct: route.endpoint } : {}),
    active: used !== undefined && mono - used < ACTIVE_MS,
    inPaths: true,
    inWireguard: handshake !== undefined,
  }
}

function capabilitiesOf(node: LiveNode, ip: string): ReturnType<NodeView['capabilitiesOf']> {
  const fields = node.netmap?.fields
  const from = parseIp(ip)
  if (fields === undefined || from === undefined) return new Map()
  const own = addressesOf(fields.self).find(({ family }) => family === from.family)
  if (own === undefined) return new Map()
  const found = new CapabilityGrants(fields.filter ?? []).between(from, own)
  return new Map([...found].map(([name, values]) => [name, [...(values ?? [])]])) as ReturnType<
    NodeView['capabilitiesOf']
  >
}
