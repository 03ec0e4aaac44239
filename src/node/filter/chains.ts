/**
 * Which targets an address is a source of, as chains that share their ends: a class is one target and the class of the
 * others. However wide ranges hold however many addresses, each is written once. Used by compile.ts.
 */

import type { Openings } from './openings.ts'

/** A chain longer than this costs more to walk than one look-up more is worth. */
const LONG = 4
/** How many doors may be written again so that chains can be short, for each that there is, and on top of that. */
const REPEATS = 4
const REPEATS_FREE = 65_536
const CHAINS_MAX = 2 ** 26

export class Chains {
  /** Target and next by turns; class 0 is the empty chain. */
  readonly #links: number[] = [0, 0]
  readonly #lengths: number[] = [0]
  readonly #known = new Map<number, number>()
  #lastKey = -1
  #last = 0

  /** The class of a target and those of another class. */
  add(target: number, chain: number): number {
    if (this.target(chain) === target) return chain
    const key = target * CHAINS_MAX + chain
    if (key === this.#lastKey) return this.#last
    let known = this.#known.get(key)
    if (known === undefined) {
      known = this.#lengths.length
      this.#links.push(target, chain)
      this.#lengths.push(this.lengthOf(chain) + 1)
      this.#known.set(key, known)
    }
    this.#lastKey = key
    this.#last = known
    return known
  }

  target(chain: number): number {
    return this.#links[2 * chain] as number
  }

  next(chain: number): number {
    return this.#links[2 * chain + 1] as number
  }

  lengthOf(chain: number): number {
    return this.#lengths[chain] as number
  }

  targetsOf(chain: number): number[] {
    const targets = new Set<number>()
    for (let at = chain; at !== 0; at = this.next(at)) targets.add(this.target(at))
    return [...targets].sort((a, b) => a - b)
  }

  /** Makes the class one target that does what all of its targets did together. */
  replace(chain: number, target: number): void {
    this.#links[2 * chain] = target
    this.#links[2 * chain + 1] = 0
  }

  write(): Int32Array {
    return Int32Array.from(this.#links)
  }
}

/**
 * Gives sources that are in many lists at once a target of their own, while there is room: else what a packet costs
 * would grow with the number of rules that its source is in, whatever their destinations.
 *
 * @param used the classes that addresses have
 * @param targets how many targets there are; new ones are numbered behind them
 */
export function shortenChains(chains: Chains, used: Iterable<number>, openings: Openings, targets: number): void {
  const long = [...new Set(used)].filter((chain) => chains.lengthOf(chain) > LONG).sort((a, b) => a - b)
  const known = new Map<string, number>()
  let room = REPEATS * openings.count + REPEATS_FREE
  let last = targets
  // Shorter ones are the ends of longer ones and come first, so what they came to is used again.
  for (const chain of long) {
    const parts = chains.targetsOf(chain)
    const key = parts.join()
    let whole = known.get(key)
    if (whole === undefined) {
      const doors: (readonly [number, number])[] = []
      for (const part of parts) openings.forEachOf(part, (place, door) => doors.push([place, door]))
      room -= doors.length
      if (room < 0) return
      whole = ++last
      for (const [place, door] of doors) openings.add(whole, place, door)
      known.set(key, whole)
    }
    chains.replace(chain, whole)
  }
}
