/**
 * A running node without its control session: device, sockets, pumps, relays and the engine between them. It lives as
 * long as a node key; what the map says comes in, our endpoints and home relay come out.
 */

import { networkInterfaces } from 'node:os'
import type { Clocks, Mono } from '../../base/clock.ts'
import { NEVER } from '../../base/clock.ts'
import { formatIp, parseIp } from '../../base/ip.ts'
import type { PrivateKey } from '../../base/keys.ts'
import type { Primitives } from '../../crypto/primitives.ts'
import type { RejectedFlow, RejectReason } from '../../wire/tsmp.ts'
import type { NetmapChanges, NetworkMap } from '../control/netmap.ts'
import { Engine } from '../engine.ts'
import type { EngineSettings, PingAnswer } from '../engine.ts'
import { collectEndpoints, EndpointMemory, HomeRelay, NO_SOURCES, Refresh } from '../path/index.ts'
import type { Interface, OwnEndpoint } from '../path/index.ts'
import { RelayClients } from '../relay/index.ts'
import { Pumps } from './pump/pumps.ts'
import { RelayShell } from './relay-shell.ts'
import { StunLook } from './stun-look.ts'
import { timerMs } from './timer-ms.ts'
import type { TunDevice } from './tun.ts'
import { openUdp } from './udp.ts'
import type { UdpSocket } from './udp.ts'

export interface TunnelEvents {
  /** How peers and the server are to be told to reach us, the likeliest first. */
  endpoints(endpoints: readonly OwnEndpoint[]): void
  /** The region of our home relay; `latencies` in ms. */
  home(region: number, latencies: ReadonlyMap<number, number>): void
  pinged(asked: string, answer: PingAnswer | undefined): void
  /** Regions whose relay has taken our connection. */
  relays(connected: ReadonlySet<number>): void
  /** A peer has proved itself, and packets may flow. */
  established(): void
  /** A peer has refused a connection of this machine's. */
  rejected(flow: RejectedFlow, reason: RejectReason): void
  /** The sockets may not send any more: they should be opened anew. */
  rebind(): void
  /** Something has ended that can't go on. */
  failed(error: Error): void
}

export interface TunnelOptions {
  readonly primitives: Primitives
  readonly clocks: Clocks
  readonly nodeKey: PrivateKey
  readonly disco: PrivateKey
  readonly tun: TunDevice
  /** Of the sockets; 0: any. */
  readonly port: number
  readonly mtu: number
  /** What our own packets are marked with, so that they stay out of the tunnel. */
  readonly mark: number
  readonly settings: EngineSettings
  /** Without raw memory's fast ways. */
  readonly plain?: boolean
  readonly events: TunnelEvents
}

/** By so much the calendar must have got ahead of our clock: less is somebody who sets it. */
const SLEEP_MS = 10_000
interface PreferredRelay {
  readonly region: number
  readonly how: 'once' | 'always'
}
const NONE_PREFERRED: PreferredRelay = { region: 0, how: 'always' }

export class Tunnel {
  readonly engine: Engine
  readonly #options: TunnelOptions
  readonly #sockets: readonly UdpSocket[]
  readonly #pumps: Pumps
  readonly #relays: RelayShell
  readonly #look: StunLook
  readonly #refresh: Refresh
  readonly #memory = new EndpointMemory()
  readonly #homeRelay = new HomeRelay()
  #hasHome = false
  /** Regions whose relay has taken our connection. */
  readonly #connected = new Set<number>()
  readonly #relayed = { received: 0, sent: 0 }
  #preferred: PreferredRelay = NONE_PREFERRED
  #map: NetworkMap | undefined
  #timer: NodeJS.Timeout | undefined
  /** By how much the calendar is ahead of our clock, as of the last look. */
  #wallAhead: number
  #closed = false

  /** @throws MeshError `system/refused` where sockets or pumps are not to be had */
  constructor(options: TunnelOptions) {
    this.#options = options
    this.#wallAhead = options.clocks.wall() - options.clocks.mono()
    const { primitives, clocks, nodeKey, disco, tun, mark, mtu, settings, plain = false } = options
    this.#sockets = openSockets(options)
    const run = (input: (engine: Engine, now: Mono) => void): void => this.run(input)
    this.#pumps = new Pumps({
      pairs: [{ tun, sockets: this.#sockets }],
      mtu,
      clock: () => clocks.mono(),
      plain,
      events: {
        unsealed: (peer, packet) => run((engine, now) => engine.unsealed(peer, packet, now)),
        datagram: (bytes, from) => run((engine, now) => engine.datagram(bytes, from, now)),
        relay: (peer, message) => run((engine) => engine.byRelay(peer, message)),
        activity: (activity, from) => {
          if (activity.sentDataAt !== undefined) this.#refresh.used(clocks.mono())
          run((engine, now) => engine.activity(activity, from, now))
        },
        toEngine: () => {},
        forEngine: (peer, packet) => run((engine, now) => engine.forEngine(peer, packet, now)),
        failed: (error) => options.events.failed(error),
      },
    })
    const relays = new RelayClients({ primitives, key: nodeKey })
    this.#relays = new RelayShell(relays, {
      clocks,
      mark,
      on: (action) => {
        if (action.kind === 'packet') {
          this.#relayed.received += action.bytes.length
          run((engine, now) => engine.relayed(action.region, action.from, action.bytes.slice(), now))
        } else if (action.kind === 'state') {
          if (action.state.phase === 'connected') this.#connected.add(action.region)
          else this.#connected.delete(action.region)
          options.events.relays(this.#connected)
        }
      },
    })
    this.#look = new StunLook({
      send: (to, bytes) => this.#pumps.sendTo(to, bytes),
      dice: primitives.random,
      mono: () => clocks.mono(),
    })
    this.#refresh = new Refresh(() => (primitives.random(1)[0] as number) / 256)
    this.engine = new Engine({
      primitives,
      nodeKey,
      disco,
      plane: this.#pumps,
      settings,
      now: clocks.mono(),
      wall: clocks.wall(),
      out: {
        sendRelay: (region, to, bytes) => {
          this.#relayed.sent += bytes.length
          this.#relays.run((relays, now) => relays.send(region, to, bytes, now))
        },
        reachesByRelay: (region, peer) => relays.reaches(region, peer),
        stun: (_from, bytes, now) => this.#look.take(bytes, now),
        refreshEndpoints: () => this.lookAround('somebody asked'),
        rebind: () => options.events.rebind(),
        established: () => options.events.established(),
        pinged: (asked, answer) => options.events.pinged(asked, answer),
        rejected: (flow, reason) => options.events.rejected(flow, reason),
        dropped: () => {},
      },
    })
  }

  /** Where our sockets listen. */
  get port(): number {
    return this.#sockets[0]?.port ?? 0
  }

  /** Gives the engine an input, and keeps its timer. */
  run(input: (engine: Engine, now: Mono) => void): void {
    if (this.#closed) return
    const now = this.#options.clocks.mono()
    this.#noteSleep(now)
    input(this.engine, now)
    this.#setTimer()
  }

  netmap(map: NetworkMap, changes: NetmapChanges): void {
    this.#map = map
    this.run((engine, now) => engine.netmap(map, changes, now))
    this.#setNeeds()
    if (!changes.parts.has('relays')) return
    this.#relays.run((relays, now) => relays.setMap(map.fields.relays?.regions, now))
    this.lookAround('relays have changed')
  }

  /** Addresses or routes of the machine are others than before. */
  networkChanged(): void {
    const usable = new Set(interfaces().flatMap(({ addresses }) => addresses.map(formatIp)))
    this.#relays.run((relays, now) => relays.networkChanged((ip) => usable.has(ip), now))
    this.run((engine, now) => engine.networkChanged(now))
    this.lookAround('the network has changed')
  }

  /** Has every connection with a relay end; they come back by themselves. */
  breakRelays(): void {
    this.#relays.breakConnections()
  }

  /** Makes a region home if its relay can be reached: in the next look around only, or as long as this lives. 0: none. */
  preferRelay(region: number, how: 'once' | 'always'): void {
    this.#preferred = { region, how }
    this.lookAround('another relay is wanted')
  }

  /** Finds out anew where we are seen, and which relay is near. */
  lookAround(why: string): void {
    if (this.#refresh.want(why) !== undefined) void this.#lookNow()
  }

  traffic(peer: number): ReturnType<Pumps['traffic']> {
    return this.#pumps.traffic(peer)
  }

  /** Bytes that relays have carried from peers and to them. */
  get relayed(): { readonly received: number; readonly sent: number } {
    return this.#relayed
  }

  counts(): ReturnType<Pumps['counts']> {
    return this.#pumps.counts()
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#relays.close()
    await this.#pumps.close()
    for (const socket of this.#sockets) socket.close()
  }

  /** While the machine sleeps the calendar goes on, and the clock of timers stands. */
  #noteSleep(now: Mono): void {
    const wall = this.#options.clocks.wall()
    const ahead = wall - now
    const slept = ahead - this.#wallAhead
    this.#wallAhead = ahead
    if (slept < SLEEP_MS) return
    this.engine.wake(wall, now)
    this.#relays.run((relays) => relays.networkChanged(() => true, now))
    this.lookAround('the machine has slept')
  }

  async #lookNow(): Promise<void> {
    const { clocks, events } = this.#options
    const regions = this.#map?.fields.relays?.regions ?? new Map()
    const report = await this.#look.look(regions)
    if (this.#closed) return
    const now = clocks.mono()
    const endpoints = collectEndpoints({
      ...NO_SOURCES,
      interfaces: interfaces(),
      localPort: this.#sockets[0]?.port ?? 0,
      stun4: report.seen4,
      stun6: report.seen6,
      remembered: this.#memory.recall(now),
    })
    this.#memory.note(endpoints, now)
    this.run((engine, now) =>
      engine.setOwnEndpoints(
        endpoints.map(({ endpoint }) => endpoint),
        now,
      ),
    )
    events.endpoints(endpoints)
    const before = this.#homeRelay.home
    const scores = this.#map?.fields.relays?.scores
    const { region: forced, how } = this.#preferred
    if (how === 'once') this.#preferred = NONE_PREFERRED
    const { beganAt, latencies } = report
    const home = this.#homeRelay.choose(
      { beganAt, latencies, heardAt: new Map(), forced, ...(scores && { scores }) },
      now,
    )
    // Without an answer over UDP, any relay is better than none.
    const region = home !== 0 ? home : before !== 0 ? before : firstOf(regions)
    this.#relays.run((relays, now) => relays.setHome(region, now))
    events.home(region, report.latencies)
    this.#hasHome = region !== 0
    this.#setNeeds()
    const isAnswered = report.latencies.size > 0 || regions.size === 0
    if (this.#refresh.done(now, isAnswered) !== undefined) void this.#lookNow()
    this.#setTimer()
  }

  /** While there is somebody to speak to, we look around again and again: routers forget. */
  #setNeeds(): void {
    const hasHome = this.#hasHome
    const hasPeers = (this.#map?.peers.size ?? 0) > 0
    this.#refresh.setNeeds({ networkUp: true, hasHome, hasPeers, hasKey: true })
  }

  #setTimer(): void {
    clearTimeout(this.#timer)
    const at = Math.min(this.engine.deadline(), this.#refresh.deadline()) as Mono
    if (at === NEVER || this.#closed) return
    const ms = timerMs(at, this.#options.clocks.mono())
    this.#timer = setTimeout(() => {
      if (this.#refresh.tick(this.#options.clocks.mono()) !== undefined) void this.#lookNow()
      this.run((engine, now) => engine.tick(now))
    }, ms)
  }
}

function firstOf(regions: ReadonlyMap<number, unknown>): number {
  return Math.min(...regions.keys(), Infinity) === Infinity ? 0 : Math.min(...regions.keys())
}

/** One for each family that there is; the same port for both where it can be had. */
function openSockets({ port, mark, plain = false }: TunnelOptions): UdpSocket[] {
  const options = { mark, plain }
  const first = openUdp({ family: 4, port, ...options })
  try {
    return [first, openUdp({ family: 6, port: first.port, ...options })]
  } catch {
    return [first]
  }
}

function interfaces(): Interface[] {
  return Object.entries(networkInterfaces()).map(([name, addresses = []]) => ({
    name,
    up: true,
    addresses: addresses.flatMap(({ address }) => parseIp(address.split('%', 1)[0] as string) ?? []),
  }))
}
