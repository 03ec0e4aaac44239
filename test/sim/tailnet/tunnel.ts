/**
 * What a node is besides its control session: engine, data plane, relay connections, and the looks around it, put
 * together as io/tunnel.ts does, without threads and sockets.
 */

import type { Mono } from '../../../src/base/clock.ts'
import { parseIp } from '../../../src/base/ip.ts'
import type { Ip } from '../../../src/base/ip.ts'
import type { PrivateKey } from '../../../src/base/keys.ts'
import type { NetmapChanges, NetworkMap } from '../../../src/node/control/netmap.ts'
import { Engine } from '../../../src/node/engine.ts'
import {
  addressOf,
  collectEndpoints,
  EndpointMemory,
  endpointOf,
  HomeRelay,
  NO_SOURCES,
  readEndpoint,
  Refresh,
} from '../../../src/node/path/index.ts'
import type { Endpoint } from '../../../src/node/path/index.ts'
import { RelayClients } from '../../../src/node/relay/index.ts'
import type { RelayAction } from '../../../src/node/relay/index.ts'
import { decodeResponse, encodeRequest } from '../../../src/wire/stun.ts'
import type { StreamEnd } from '../net/streams.ts'
import type { SimMachine } from './machine.ts'
import { SimPlane } from './plane.ts'
import { Alarm } from './program.ts'
import type { Program } from './program.ts'

/** As io/stun-look.ts. */
const WAIT_MS = 700
const AGAIN_MS = 200

export class SimTunnel {
  readonly plane: SimPlane
  readonly engine: Engine
  readonly relays: RelayClients
  /** Why the engine dropped things. */
  readonly dropped = new Map<string, number>()
  readonly #program: Program
  readonly #machine: SimMachine
  readonly #conns = new Map<number, StreamEnd>()
  readonly #engineAlarm: Alarm
  readonly #relayAlarm: Alarm
  readonly #refresh: Refresh
  readonly #memory = new EndpointMemory()
  readonly #homeRelay = new HomeRelay()
  #map: NetworkMap | undefined
  #look: Look | undefined
  #ended = false

  constructor(program: Program, nodeKey: PrivateKey) {
    this.#program = program
    const { machine } = program
    this.#machine = machine
    const { primitives } = machine.world
    const soon = (act: () => void): void =>
      program.soon(() => {
        if (!this.#ended) act()
      })
    this.plane = new SimPlane({
      now: () => machine.mono(),
      soon,
      after: (ms, act) =>
        machine.at((machine.mono() + ms) as Mono, () => {
          if (!this.#ended) act()
        }),
      send: (to, bytes) => machine.host.send(to, bytes) === 'sent',
      events: {
        unsealed: (peer, packet) => this.run((engine, now) => engine.unsealed(peer, packet, now)),
        datagram: (bytes, from) => this.run((engine, now) => engine.datagram(bytes, from, now)),
        relay: (peer, message) => this.run((engine) => engine.byRelay(peer, message)),
        forEngine: (peer, packet) => this.run((engine, now) => engine.forEngine(peer, packet, now)),
        activity: (activity, from) => {
          if (activity.sentDataAt !== undefined) this.#refresh.used(machine.mono())
          this.run((engine, now) => engine.activity(activity, from, now))
        },
        toTun: (packet) => machine.world.delivered(machine, packet),
      },
    })
    this.relays = new RelayClients({ primitives, key: nodeKey })
    this.#refresh = new Refresh(() => (primitives.random(1)[0] as number) / 256)
    this.engine = new Engine({
      primitives,
      nodeKey,
      disco: program.disco,
      plane: this.plane,
      settings: {
        isShieldsUp: false,
        acceptsRoutes: false,
        exitNode: undefined,
        routes: [],
        interfaces: [],
        hostAddresses: [],
        peerApi: [],
      },
      now: machine.mono(),
      wall: machine.wall(),
      out: {
        sendRelay: (region, to, bytes) => this.#runRelays((relays, now) => relays.send(region, to, bytes, now)),
        reachesByRelay: (region, peer) => this.relays.reaches(region, peer),
        stun: (_from, bytes, now) => this.#look?.take(bytes, now),
        refreshEndpoints: () => this.lookAround(),
        rebind: () => {},
        established: () => {},
        pinged: () => {},
        rejected: () => {},
        dropped: (why) => void this.dropped.set(why, (this.dropped.get(why) ?? 0) + 1),
      },
    })
    this.#engineAlarm = new Alarm(
      machine,
      'engine',
      () => Math.min(this.engine.deadline(), this.#refresh.deadline()) as Mono,
      (now) => {
        if (this.#refresh.tick(now) !== undefined) this.#lookNow()
        this.run((engine) => engine.tick(now))
      },
    )
    this.#relayAlarm = new Alarm(
      machine,
      'relays',
      () => this.relays.deadline(),
      () => this.#runRelays((relays, now) => relays.tick(now)),
    )
  }

  run(input: (engine: Engine, now: Mono) => void): void {
    if (this.#ended) return
    input(this.engine, this.#machine.mono())
    this.#engineAlarm.set()
  }

  netmap(map: NetworkMap, changes: NetmapChanges): void {
    this.#map = map
    this.run((engine, now) => engine.netmap(map, changes, now))
    this.#setNeeds()
    if (!changes.parts.has('relays')) return
    this.#runRelays((relays, now) => relays.setMap(map.fields.relays?.regions, now))
    this.lookAround()
  }

  networkChanged(): void {
    const usable = new Set(this.#machine.host.attachment.ips)
    this.#runRelays((relays, now) => relays.networkChanged((ip) => usable.has(ip), now))
    this.run((engine, now) => engine.networkChanged(now))
    this.lookAround()
  }

  lookAround(): void {
    if (this.#refresh.want('somebody asked') !== undefined) this.#lookNow()
  }

  end(): void {
    this.#ended = true
    this.#engineAlarm.end()
    this.#relayAlarm.end()
    for (const end of this.#conns.values()) end.close()
  }

  // Relays.

  #runRelays(input: (relays: RelayClients, now: Mono) => readonly RelayAction[]): void {
    if (this.#ended) return
    for (const action of input(this.relays, this.#machine.mono())) this.#doRelay(action)
    this.#relayAlarm.set()
  }

  #doRelay(action: RelayAction): void {
    switch (action.kind) {
      case 'dial':
        return this.#dial(action)
      case 'send':
        return this.#conns.get(action.conn)?.send(action.bytes)
      case 'close':
        this.#conns.get(action.conn)?.close()
        this.#conns.delete(action.conn)
        return
      case 'packet': {
        const { region, from, bytes } = action
        const copy = bytes.slice()
        return this.run((engine, now) => engine.relayed(region, from, copy, now))
      }
      default:
        return
    }
  }

  #dial({ conn, target, region }: RelayAction & { readonly kind: 'dial' }): void {
    const { world, host } = this.#machine
    const localAddress = host.attachment.ips.find((ip) => !ip.includes(':'))
    const end = world.streams.connect(host, `${target.host}:${target.port}`, {
      connected: () => {
        this.#runRelays((relays, now) => relays.opened(conn, localAddress, now))
        this.#runRelays((relays, now) => relays.secured(conn, world.certificateOf(region), now))
      },
      data: (bytes) => this.#runRelays((relays, now) => relays.received(conn, bytes, now)),
      closed: (why) => {
        if (this.#conns.delete(conn)) this.#runRelays((relays, now) => relays.closed(conn, why, now))
      },
    })
    this.#conns.set(conn, end)
  }

  // Where we are.

  #setNeeds(): void {
    this.#refresh.setNeeds({
      networkUp: true,
      hasHome: this.relays.home !== 0,
      hasPeers: (this.#map?.peers.size ?? 0) > 0,
      hasKey: true,
    })
  }

  #lookNow(): void {
    const regions = this.#map?.fields.relays?.regions ?? new Map()
    const servers = new Map<number, Endpoint>()
    for (const { RegionID, Nodes } of regions.values())
      servers.set(RegionID, readEndpoint(`${Nodes[0]?.IPv4}:${Nodes[0]?.STUNPort}`) as Endpoint)
    const look = new Look(this.#machine, servers, this.plane, () => this.#looked(look))
    this.#look = look
    look.begin()
  }

  #looked(look: Look): void {
    if (this.#ended || this.#look !== look) return
    this.#look = undefined
    const now = this.#machine.mono()
    const endpoints = collectEndpoints({
      ...NO_SOURCES,
      interfaces: [
        { name: 'eth0', up: true, addresses: this.#machine.host.attachment.ips.map((ip) => parseIp(ip) as Ip) },
      ],
      localPort: this.#machine.host.port,
      stun4: look.seen,
      remembered: this.#memory.recall(now),
    })
    this.#memory.note(endpoints, now)
    const own = endpoints.map(({ endpoint }) => endpoint)
    this.run((engine) => engine.setOwnEndpoints(own, now))
    const told = endpoints.map(({ endpoint, type }) => ({ address: endpoint, type }))
    this.#program.run((session, at) => session.setEndpoints(told, at))
    const before = this.#homeRelay.home
    const home = this.#homeRelay.choose({ beganAt: look.beganAt, latencies: look.latencies, heardAt: new Map() }, now)
    const first = Math.min(...look.regions)
    const region = home !== 0 ? home : before !== 0 ? before : first === Infinity ? 0 : first
    this.#runRelays((relays, at) => relays.setHome(region, at))
    this.#setNeeds()
    const DERPLatency = Object.fromEntries([...look.latencies].map(([id, ms]) => [`${id}-v4`, ms / 1000]))
    const netInfo = { PreferredDERP: region, WorkingUDP: look.latencies.size > 0, DERPLatency }
    this.#program.run((session, at) => session.setNetInfo(netInfo, at))
    if (this.#refresh.done(now) !== undefined) this.#lookNow()
    this.#engineAlarm.set()
  }
}

/** One look: asks the STUN server of each region, twice where no answer comes. */
class Look {
  readonly beganAt: Mono
  readonly latencies = new Map<number, number>()
  readonly seen: Endpoint[] = []
  readonly #machine: SimMachine
  readonly #servers: ReadonlyMap<number, Endpoint>
  readonly #plane: SimPlane
  readonly #done: () => void
  readonly #asked = new Map<string, { readonly region: number; readonly at: Mono }>()
  #over = false

  constructor(machine: SimMachine, servers: ReadonlyMap<number, Endpoint>, plane: SimPlane, done: () => void) {
    this.#machine = machine
    this.#servers = servers
    this.#plane = plane
    this.#done = done
    this.beganAt = machine.mono()
  }

  get regions(): readonly number[] {
    return [...this.#servers.keys()]
  }

  begin(): void {
    const at = (ms: number, act: () => void): void => this.#machine.at((this.beganAt + ms) as Mono, act)
    at(0, () => this.#ask())
    at(AGAIN_MS, () => this.#ask())
    at(this.#servers.size === 0 ? 0 : WAIT_MS, () => this.#end())
  }

  take(bytes: Uint8Array, now: Mono): void {
    const answer = decodeResponse(bytes)
    const asked = answer && this.#asked.get(answer.tx.toHex())
    if (answer === undefined || asked === undefined) return
    this.#asked.delete(answer.tx.toHex())
    if (!this.latencies.has(asked.region)) this.latencies.set(asked.region, now - asked.at)
    const seen = endpointOf(answer.seen)
    if (!this.seen.includes(seen)) this.seen.push(seen)
    if (this.latencies.size === this.#servers.size) this.#end()
  }

  #ask(): void {
    if (this.#over) return
    for (const [region, server] of this.#servers) {
      if (this.latencies.has(region)) continue
      const tx = this.#machine.world.primitives.random(12)
      this.#asked.set(tx.toHex(), { region, at: this.#machine.mono() })
      this.#plane.sendTo(addressOf(server), encodeRequest(tx))
    }
  }

  #end(): void {
    if (this.#over) return
    this.#over = true
    this.#done()
  }
}
