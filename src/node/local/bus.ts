/**
 * The notification bus: watchers are told what changes, each of what it asked for (node.md §9.2).
 *
 * A watcher gets one line of JSON for each change. What can be said is notice.ts, how it is written notify-json.ts.
 */

import type { Mono } from '../../base/clock.ts'
import { WATCH } from './notice.ts'
import type { BusStart, Notice, WatcherOptions } from './notice.ts'
import { firstLine, notifyLine } from './notify-json.ts'

/** Engine updates go to watchers who want few of them this often. */
const FEW_MS = 3_000

interface Watcher {
  readonly options: WatcherOptions
  engineAt: Mono
}

/** Why a mask is not to be had; `undefined`: it is. */
export function maskRefusal(mask: number): string | undefined {
  if (!Number.isSafeInteger(mask) || mask < 0) return 'mask is no number'
  if (mask & WATCH.inProcess) return 'this mask is for watchers within the daemon'
  const everyChange = WATCH.peerChanges | WATCH.noNetmap | WATCH.initialStatus | WATCH.peerPatches
  if (mask & WATCH.rateLimit && mask & everyChange) return 'rate limiting would lose changes of peers'
  return undefined
}

export class Bus {
  readonly #version: string
  readonly #watchers = new Set<Watcher>()

  /** @param version the long text, which stands in every line */
  constructor(version: string) {
    this.#version = version
  }

  /** Nobody listens: what would be costly to say need not be said. */
  get isQuiet(): boolean {
    return this.#watchers.size === 0
  }

  /** Does anybody want to hear of peers one by one? */
  get wantsPeers(): boolean {
    return [...this.#watchers].some(({ options }) => (options.mask & (WATCH.peerChanges | WATCH.peerPatches)) !== 0)
  }

  /** Does anybody want counters? */
  get wantsEngine(): boolean {
    return [...this.#watchers].some(({ options }) => (options.mask & WATCH.engineUpdates) !== 0)
  }

  /**
   * Adds a watcher, and tells it how things stand if its mask asks for that. The mask must have passed `maskRefusal`.
   *
   * @returns removes it again
   */
  watch(options: WatcherOptions, start: BusStart): () => void {
    const watcher: Watcher = { options, engineAt: -Infinity as Mono }
    this.#watchers.add(watcher)
    const first = firstLine(this.#version, options, start)
    if (first !== undefined) this.#send(watcher, first)
    return () => void this.#watchers.delete(watcher)
  }

  /** Tells those who want to know. */
  publish(notice: Notice, now: Mono): void {
    for (const watcher of this.#watchers) {
      const { mask } = watcher.options
      const wanted = wantedOf(notice, mask)
      if (wanted.engine !== undefined && mask & WATCH.rateLimit) {
        if (now - watcher.engineAt < FEW_MS) delete wanted.engine
        else watcher.engineAt = now
      }
      if (Object.keys(wanted).length > 0) this.#send(watcher, notifyLine(this.#version, wanted))
    }
  }

  #send(watcher: Watcher, line: string): void {
    if (!watcher.options.send(line)) this.#watchers.delete(watcher)
  }
}

/** What of a notice a mask lets through. What every watcher must know to bring a node up is never held back. */
function wantedOf(notice: Notice, mask: number): { -readonly [Name in keyof Notice]: Notice[Name] } {
  const wanted = { ...notice }
  if (!(mask & WATCH.engineUpdates)) delete wanted.engine
  if (!(mask & WATCH.initialHealth)) delete wanted.health
  if (!(mask & WATCH.initialClientVersion)) delete wanted.clientVersion
  if (!(mask & (WATCH.peerChanges | WATCH.peerPatches))) {
    delete wanted.peersChanged
    delete wanted.peersRemoved
  }
  if (wanted.peersChanged === undefined) delete wanted.suffix
  return wanted
}
