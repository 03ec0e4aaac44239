/**
 * Keeps every open map in step: changes of the model become effects (netmap), effects become messages to the
 * streams they concern (stream), and streams that come and go become presence.
 */

import type { Dice } from '../base/bytes.ts'
import { later } from '../base/clock.ts'
import type { Clocks, Mono, Wall } from '../base/clock.ts'
import type { SshRule } from '../policy/policy.ts'
import type { DerpMap } from '../wire/derp-map.ts'
import { worker } from './model/actors.ts'
import { nothingTold } from './model/following.ts'
import type { Effect } from './model/following.ts'
import type { Ledger } from './model/ledger.ts'
import type { Changed, Model } from './model/model.ts'
import type { Policies } from './model/policies.ts'
import type { Presence, TailnetNum, Write } from './model/records.ts'
import { SERVER } from './model/records.ts'
import { MapWriter } from './netmap/map-writer.ts'
import { TailnetMap } from './netmap/tailnet-map.ts'
import { GRACE_MS, Leavers, RESTART_GRACE_MS } from './stream/presence.ts'
import { Streams } from './stream/streams.ts'
import type { MapStream, Sink, StreamCounts } from './stream/streams.ts'

const PRESENCE = worker('presence')

export interface MapsOptions {
  readonly model: Model
  readonly policies: Policies
  /** Rules are written out in full, as the recorded service does; for replays. */
  readonly expandedRules?: boolean
  readonly clocks: Clocks
  readonly dice: Dice
  readonly derpMap: DerpMap
  readonly compress: (text: string) => Uint8Array
  /** This server, as presence records name it. */
  readonly server: string
  /** Asks for `tick` soon. */
  readonly wake: () => void
  /** Node keys have run out by the clock. */
  readonly keysExpired: () => void
}

export class Maps {
  readonly #options: MapsOptions
  readonly #writer: MapWriter
  readonly #streams: Streams
  readonly #tailnets = new Map<TailnetNum, TailnetMap>()
  /** Tailnets whose policy is being compiled. */
  readonly #compiling = new Set<TailnetMap>()
  readonly #leavers = new Leavers()

  constructor(options: MapsOptions) {
    this.#options = options
    const { clocks, dice } = options
    const writer = new MapWriter(options)
    this.#writer = writer
    this.#streams = new Streams(
      {
        keepalive: writer.keepalive,
        first: (tailnet, node, told) => writer.first(this.#map(tailnet), node, told, clocks.wall()),
        delta: (tailnet, node, pending, told, round) =>
          writer.delta(this.#map(tailnet), node, pending, told, clocks.wall(), round),
      },
      dice,
    )
  }

  get counts(): StreamCounts {
    return this.#streams.counts
  }

  get open(): number {
    return this.#streams.size
  }

  get queued(): number {
    return this.#streams.queued
  }

  /** Nodes that were online when the server last stopped get time to come back. */
  expectBack(now: Mono): void {
    const { model, server, clocks } = this.#options
    for (const { num } of model.tailnets())
      for (const presence of model.state(num).all('presence'))
        if (presence.online && presence.server === server)
          this.#leavers.add({ tailnet: num, node: presence.node, at: clocks.wall() }, later(now, RESTART_GRACE_MS))
  }

  /** Takes in changes of the model, in order. */
  changed(changes: readonly Changed[]): void {
    const now = this.#options.clocks.wall()
    for (const change of changes) {
      const effects: Effect[] = []
      const num = change.tailnet === SERVER ? Number(change.id) : change.tailnet
      const map = this.#tailnets.get(num)
      if (map === undefined) continue
      if (change.kind === 'tailnet' && change.after !== undefined) map.replaceTailnet(change.after, effects)
      else if (change.kind === 'policy') this.#beginPolicy(map, now)
      else map.apply(change, now, effects)
      this.#note(map, effects)
    }
    this.#options.wake()
  }

  /** The write that says a node is online, unless that is known already. */
  onlineWrite(tailnet: TailnetNum, node: number): Write[] {
    const { model, server, clocks } = this.#options
    const state = model.state(tailnet)
    const known = state.presence(node)
    if (known?.online && known.server === server) return []
    const value: Presence = { node, online: true, lastSeen: clocks.wall(), server }
    return [{ kind: 'presence', id: String(node), expect: state.version('presence', String(node)), value }]
  }

  /** Opens a node's stream, ending the one it had. The first map follows at once. */
  openStream(tailnet: TailnetNum, node: number, sink: Sink): MapStream {
    this.#map(tailnet)
    this.#leavers.cancel(tailnet, node)
    const { stream } = this.#streams.open(tailnet, node, sink, this.#options.clocks.mono())
    this.#options.wake()
    return stream
  }

  /** A stream has ended, from either side. */
  closed(stream: MapStream): void {
    const { clocks, wake } = this.#options
    if (!this.#streams.close(stream)) return
    this.#leavers.add({ tailnet: stream.tailnet, node: stream.node, at: clocks.wall() }, later(clocks.mono(), GRACE_MS))
    wake()
  }

  drained(stream: MapStream): void {
    if (this.#streams.drained(stream)) this.#options.wake()
  }

  /** The whole map in one message, for a request that does not stay. */
  oneShot(tailnet: TailnetNum, node: number, withPeers: boolean): Uint8Array[] {
    return this.#writer.first(this.#map(tailnet), node, nothingTold(), this.#options.clocks.wall(), withPeers)
  }

  /** The rule by which one node of a tailnet logs in by SSH to another as this local account. */
  sshRule(tailnet: TailnetNum, from: number, to: number, account: string): SshRule | undefined {
    return this.#map(tailnet).sshRule(from, to, account, this.#options.clocks.wall())
  }

  /** Sends a message out of turn. False: the node holds no stream here. */
  push(tailnet: TailnetNum, node: number, fields: Readonly<Record<string, unknown>>): boolean {
    return this.#streams.push(tailnet, node, this.#writer.note(fields), this.#options.clocks.mono())
  }

  /** The maps that have been made. */
  tailnets(): Iterable<TailnetMap> {
    return this.#tailnets.values()
  }

  /** The stream that a node holds here. */
  streamOf(tailnet: TailnetNum, node: number): MapStream | undefined {
    return this.#streams.get(tailnet, node)
  }

  isConnected(tailnet: TailnetNum, node: number): boolean {
    return this.#streams.get(tailnet, node) !== undefined
  }

  /** Sends what is due, and lets keys run out whose time has come. */
  tick(now: Mono): void {
    const wall = this.#options.clocks.wall()
    for (const map of this.#tailnets.values()) {
      const next = map.nextExpiry(wall)
      if (next === undefined || next > wall) continue
      const effects: Effect[] = []
      map.expire(wall, effects)
      this.#options.keysExpired()
      this.#note(map, effects)
    }
    for (const map of this.#compiling) {
      const effects: Effect[] = []
      if (!map.stepPolicy(wall, effects)) this.#compiling.delete(map)
      this.#note(map, effects)
    }
    this.#streams.flush(now)
  }

  deadline(now: Mono): Mono {
    if (this.#compiling.size > 0) return now
    const wall = this.#options.clocks.wall()
    let next = Math.min(this.#streams.deadline(now), this.#leavers.deadline())
    for (const map of this.#tailnets.values()) {
      const expiry = map.nextExpiry(wall)
      if (expiry !== undefined) next = Math.min(next, later(now, Math.max(0, expiry - wall)))
    }
    return next as Mono
  }

  /** Writes down who has gone offline, once their time to come back is over. */
  async writeOffline(ledger: Ledger, now: Mono): Promise<void> {
    for (const [tailnet, leaving] of this.#leavers.due(now)) {
      await ledger.transact(tailnet, PRESENCE, (model) => {
        const state = model.state(tailnet)
        const writes: Write[] = []
        for (const { node, at } of leaving) {
          if (this.isConnected(tailnet, node)) continue
          const presence = state.presence(node)
          // Another server may hold its stream by now.
          if (presence === undefined || !presence.online || presence.server !== this.#options.server) continue
          const id = String(node)
          const value: Presence = { ...presence, online: false, lastSeen: at }
          writes.push({ kind: 'presence', id, expect: state.version('presence', id), value })
        }
        return writes.length === 0 ? { result: undefined } : { batch: { writes }, result: undefined }
      })
      for (const { node } of leaving) this.#leavers.cancel(tailnet, node)
    }
  }

  /** Ends every stream. Nodes stay online on record: they come back to the next process. */
  endAll(): void {
    for (const stream of this.#streams.all()) stream.sink.end()
  }

  /** Tells a tailnet's streams; those whose node is gone get their farewell and end. */
  #note(map: TailnetMap, effects: readonly Effect[]): void {
    if (effects.length === 0) return
    const { num } = map.tailnet
    this.#streams.note(num, effects)
    for (const effect of effects) {
      if (effect.kind !== 'gone') continue
      this.#leavers.cancel(num, effect.node)
      this.#streams.dismiss(num, effect.node, this.#writer.farewell(map, effect.was, this.#options.clocks.wall()))
    }
  }

  /** Compiles the policy that is in force now, a step at every tick. */
  #beginPolicy(map: TailnetMap, now: Wall): void {
    const { policies, expandedRules } = this.#options
    map.beginPolicy(policies.of(map.state), now, !expandedRules)
    this.#compiling.add(map)
  }

  /** The map of a tailnet, made when its first stream opens. */
  #map(num: TailnetNum): TailnetMap {
    let map = this.#tailnets.get(num)
    if (map === undefined) {
      const { model, compress, clocks, policies, expandedRules } = this.#options
      const tailnet = model.tailnet(num)
      if (tailnet === undefined) throw new RangeError(`tailnet ${num} does not exist`)
      this.#tailnets.set(num, (map = new TailnetMap(model.state(num), tailnet, compress)))
      map.setPolicy(policies.of(map.state), clocks.wall(), [], !expandedRules)
    }
    return map
  }
}
