/** Watches a daemon for what grows: its memory, its descriptors and its threads, and says when one has. */

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import type { Machine } from '../lab/machine.ts'

const MB = 1024 * 1024
/** A heap breathes by that much. */
const BREATH_MB = 24
/** More than that in a minute, over the later half, is growth. Short runs say nothing of it. */
const SLOPE_MB_A_MINUTE = 1.5
const SLOPE_FROM_S = 240
/** Connections come and go; a leak does not stop at that. */
const DESCRIPTORS = 6

interface Look {
  readonly at: number
  readonly mb: number
  readonly descriptors: number
  readonly threads: number
}

export class Watch {
  readonly #machine: Machine
  readonly #looks: Look[] = []

  constructor(machine: Machine) {
    this.#machine = machine
  }

  look(): void {
    const { pid } = this.#machine
    this.#looks.push({
      at: performance.now() / 1000,
      mb: this.#machine.memory() / MB,
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
      threads: readdirSync(`/proc/${pid}/task`).length,
    })
  }

  /** Holds the end against the middle. @returns what was seen, in a line */
  end(): string {
    this.look()
    const looks = this.#looks
    const { name } = this.#machine
    const seconds = (looks.at(-1)?.at ?? 0) - (looks[0]?.at ?? 0)
    // The first quarter is for the heap to find its size.
    const later = looks.slice(Math.floor(looks.length / 4))
    const half = later.slice(Math.floor(later.length / 2))
    const slope = 60 * slopeOf(half.map(({ at, mb }) => [at, mb] as const))
    const [most, before] = [
      Math.max(...half.map(({ mb }) => mb)),
      Math.max(...later.slice(0, half.length).map(({ mb }) => mb)),
    ]
    const said =
      `${name}: ${Math.round(seconds)} s, memory at most ${most.toFixed(1)} MB, ${before.toFixed(1)} MB in the half before, ` +
      `${slope.toFixed(2)} MB a minute at last; descriptors ${looks[0]?.descriptors} to ${looks.at(-1)?.descriptors}, ` +
      `threads ${looks[0]?.threads} to ${looks.at(-1)?.threads}`
    assert.ok(most <= before + BREATH_MB, said)
    if (seconds >= SLOPE_FROM_S) assert.ok(slope <= SLOPE_MB_A_MINUTE, said)
    for (const what of ['descriptors', 'threads'] as const)
      assert.ok((looks.at(-1)?.[what] ?? 0) <= (looks[0]?.[what] ?? 0) + DESCRIPTORS, said)
    return said
  }
}

/** Of the straight line through these points that is nearest to all. */
function slopeOf(points: readonly (readonly [x: number, y: number])[]): number {
  const [x, y] = [0, 1].map((i) => points.reduce((sum, point) => sum + (point[i] as number), 0) / points.length) as [
    number,
    number,
  ]
  const [over, under] = points.reduce(
    ([above, below], [px, py]) => [above + (px - x) * (py - y), below + (px - x) ** 2],
    [0, 0],
  )
  return under === 0 ? 0 : over / under
}
