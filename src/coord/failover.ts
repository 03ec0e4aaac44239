/**
 * Keeps subnets with several routers going: asks the routers for signs of life over their map streams, writes down who
 * is unwell, and keeps the order in which routers are preferred. Everything goes through the store, so that all servers
 * on it agree; each asks only the routers whose streams it holds.
 *
 *   router-probes --verdict--> presence --feed--> netmap --order--> route-order
 */

import { later, NEVER, SECOND_MS } from '../base/clock.ts'
import type { Mono, Wall } from '../base/clock.ts'
import type { Maps } from './maps.ts'
import { worker } from './model/actors.ts'
import type { Ledger } from './model/ledger.ts'
import type { Presence, TailnetNum, Write } from './model/records.ts'
import { isUsable } from './model/routes.ts'
import type { TailnetMap } from './netmap/tailnet-map.ts'
import type { Pings } from './pings.ts'
import { RouterProbes } from './stream/router-probes.ts'

const FAILOVER = worker('failover')
/** After the store would not take something. */
const AGAIN_MS = SECOND_MS

export interface FailoverOptions {
  readonly ledger: Ledger
  readonly maps: Maps
  readonly pings: Pings
  /** This server, as presence records name it. */
  readonly server: string
  readonly mono: () => Mono
  readonly wake: () => void
  readonly failed: (error: unknown) => void
}

interface Watched {
  readonly probes: RouterProbes
  /** The version of its map's `primaries` that is being watched. */
  version: number
  /** Something is being written; it is looked at again when that is done. */
  writing: boolean
  /** Nothing is written before: the store would not take it. */
  writeAt: Mono
}

export class Failover {
  readonly #options: FailoverOptions
  readonly #watched = new Map<TailnetNum, Watched>()

  constructor(options: FailoverOptions) {
    this.#options = options
  }

  /** Does what is due. Costs nothing for tailnets without a subnet that has several routers. */
  tick(now: Mono): void {
    for (const map of this.#options.maps.tailnets()) {
      const { primaries, tailnet } = map
      let watched = this.#watched.get(tailnet.num)
      if (watched === undefined) {
        if (primaries.version === 0) continue
        watched = { probes: new RouterProbes(this.#known(map)), version: 0, writing: false, writeAt: now }
        this.#watched.set(tailnet.num, watched)
      }
      if (watched.version !== primaries.version) {
        watched.version = primaries.version
        watched.probes.watch(primaries.contested.values(), now)
      }
      this.#probe(map, watched, now)
    }
  }

  deadline(): Mono {
    let next = NEVER
    const now = this.#options.mono()
    for (const { probes, writeAt } of this.#watched.values())
      next = Math.min(next, probes.deadline(), writeAt > now ? writeAt : NEVER) as Mono
    return next
  }

  #probe(map: TailnetMap, watched: Watched, now: Mono): void {
    const verdicts = new Map<number, 'well' | 'unwell'>()
    for (const { kind, node } of watched.probes.tick(now))
      if (kind === 'ask') this.#ask(map, watched.probes, node)
      else verdicts.set(node, kind)
    if (watched.writing || watched.writeAt > now) return
    if (verdicts.size === 0 && map.primaries.unrecorded().size === 0) return
    watched.writing = true
    const { failed, mono, wake } = this.#options
    this.#write(map, verdicts)
      .catch((error: unknown) => {
        watched.writeAt = later(mono(), AGAIN_MS)
        failed(error)
      })
      .finally(() => {
        watched.writing = false
        wake()
      })
  }

  #ask({ state, tailnet }: TailnetMap, probes: RouterProbes, node: number): void {
    const { pings, mono, failed } = this.#options
    const record = state.node(node)
    if (record === undefined) return
    const ping = async (): Promise<void> => {
      const { kind } = await pings.ping({ tailnet: state, node: record })
      if (kind === 'answered') probes.heard(node, mono())
    }
    ping().catch((cause: unknown) => failed(new Error(`asking router ${node} of tailnet ${tailnet.num}`, { cause })))
  }

  async #write(map: TailnetMap, verdicts: ReadonlyMap<number, 'well' | 'unwell'>): Promise<void> {
    const { ledger } = this.#options
    const { num } = map.tailnet
    // First who is unwell, which is what peers wait for; the order follows from it, and keeps it that way.
    if (verdicts.size > 0)
      await ledger.transact(num, FAILOVER, (_, now) => planned(this.#presences(map, verdicts, now)))
    await ledger.transact(num, FAILOVER, (_, now) => planned(orders(map, now)))
  }

  #presences({ state }: TailnetMap, verdicts: ReadonlyMap<number, 'well' | 'unwell'>, now: Wall): Write[] {
    return [...verdicts].flatMap(([node, verdict]) => {
      const presence = state.presence(node)
      // Another server may hold its stream by now, or it is known to be gone.
      if (presence === undefined || !presence.online || presence.server !== this.#options.server) return []
      if ((presence.unwell !== undefined) === (verdict === 'unwell')) return []
      const { unwell: _, ...rest } = presence
      const value: Presence = verdict === 'unwell' ? { ...rest, unwell: now } : rest
      return [{ kind: 'presence', id: String(node), expect: state.version('presence', String(node)), value }]
    })
  }

  #known({ state, tailnet }: TailnetMap) {
    const { ledger, maps, server } = this.#options
    return {
      streamOf: (node: number) => maps.streamOf(tailnet.num, node),
      isOurs: (node: number) => {
        const presence = state.presence(node)
        return presence?.online === true && presence.server === server
      },
      isUsable: (id: number) => {
        const node = state.node(id)
        return node !== undefined && isUsable(node, state.presence(id), ledger.now())
      },
      isUnwell: (node: number) => state.presence(node)?.unwell !== undefined,
    }
  }
}

/** The orders that the store does not have yet. Asked anew for every attempt: another server may have written them. */
function orders({ primaries, state }: TailnetMap, now: Wall): Write[] {
  return [...primaries.unrecorded()].map(([prefix, nodes]) => {
    const before = state.get('route-order', prefix)
    const since = before !== undefined && before.nodes[0] === nodes?.[0] ? before.since : now
    const value = nodes === undefined ? null : { nodes, since }
    return { kind: 'route-order', id: prefix, expect: state.version('route-order', prefix), value }
  })
}

function planned(writes: readonly Write[]) {
  return writes.length === 0 ? { result: undefined } : { batch: { writes }, result: undefined }
}
