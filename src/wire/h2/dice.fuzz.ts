/** What the fuzzers of this folder share: seeds, cases, and broken promises. */

import { MeshError } from '../../base/errors.ts'

export type Fuzzer = {
  readonly name: string
  /** Runs cases while `more` says so; returns how many. Throws `MeshError` `internal` for the first that fails. */
  readonly run: (seed: number, more: () => boolean) => number
}

/** A random number below `n`. */
export type Below = (n: number) => number

function seeded(seed: number): Below {
  let state = seed >>> 0
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) % n
  }
}

/** A fuzzer that runs `one` case after another, each from a seed of its own. */
export function fuzzer(name: string, one: (below: Below) => void): Fuzzer {
  const run = (seed: number, more: () => boolean) => {
    let cases = 0
    for (; more(); cases++) {
      try {
        one(seeded(seed + cases * 0x9e3779b1))
      } catch (cause) {
        throw new MeshError('internal', `Fuzzing "${name}" failed: seed ${seed}, case ${cases}`, { cause })
      }
    }
    return cases
  }
  return { name, run }
}

/** Throws unless a promise was kept. */
export function promise(kept: boolean, what: string): void {
  if (!kept) throw new MeshError('internal', `Broken: ${what}`)
}

export function pick<T>(below: Below, of: readonly T[]): T {
  return of[below(of.length)] as T
}

/** Random bytes, fewer than `most`. */
export function noise(below: Below, most: number): Uint8Array {
  return Uint8Array.from({ length: below(most) }, () => below(256))
}
