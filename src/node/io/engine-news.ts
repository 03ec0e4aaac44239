/** Tells watchers of the bus who want counters how much has gone over the tunnel, while there are such watchers. */

import type { Clocks, Mono } from '../../base/clock.ts'
import { MINUTE_MS } from '../../base/clock.ts'
import type { NetworkMap } from '../control/netmap.ts'
import type { Bus } from '../local/bus.ts'
import type { EngineNotice } from '../local/notice.ts'
import type { TunnelKeeper } from './tunnel-keeper.ts'

/** Official daemons ask their engine as often. */
const EVERY_MS = 2_000
/** A session lives so long at most. (WireGuard paper §6.1: reject after time) */
const SESSION_MS = 3 * MINUTE_MS

export interface EngineNewsOptions {
  readonly bus: Bus
  readonly clocks: Clocks
  readonly tunnel: TunnelKeeper
  readonly netmap: () => NetworkMap | undefined
}

export class EngineNews {
  readonly #options: EngineNewsOptions
  readonly #timer: NodeJS.Timeout
  #told = ''

  constructor(options: EngineNewsOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#tell(), EVERY_MS)
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #tell(): void {
    const { bus, clocks } = this.#options
    if (!bus.wantsEngine) return
    const engine = this.#count()
    const text = JSON.stringify(engine)
    if (text === this.#told) return
    this.#told = text
    bus.publish({ engine }, clocks.mono())
  }

  #count(): EngineNotice {
    const { tunnel, netmap, clocks } = this.#options
    return engineCounts(tunnel, netmap(), clocks.mono())
  }
}

/** What has gone over the tunnel with all peers of the map, since it was opened. */
export function engineCounts(tunnel: TunnelKeeper, map: NetworkMap | undefined, now: Mono): EngineNotice {
  const running = tunnel.tunnel
  let [rxBytes, txBytes, livePeers] = [0, 0, 0]
  for (const { Key } of running === undefined ? [] : (map?.peers.values() ?? [])) {
    const number = running?.engine.numberOf(Key)
    if (running === undefined || number === undefined) continue
    const { receivedBytes, sentBytes } = running.traffic(number)
    rxBytes += receivedBytes
    txBytes += sentBytes
    const handshake = running.engine.lastHandshakeAt(Key)
    if (handshake !== undefined && now - handshake < SESSION_MS) livePeers++
  }
  return { rxBytes, txBytes, livePeers, liveRelays: tunnel.relays.size }
}
