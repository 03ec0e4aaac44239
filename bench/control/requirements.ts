/**
 * What is asked of the control plane, beside what was measured and what Headscale needed for the same on the same
 * kind of machine (two cores shared with the generator, 650 nodes that all see each other).
 */

import type { Enrolment, Figures } from './measure.ts'
import { TAGS } from './sight.ts'

/** The size at which limits are given in numbers, and the one at which costs must have grown no faster than edges. */
export const REFERENCE_NODES = 650
/** How much more an edge may cost in a larger tailnet. */
const GROWTH_MAX = 1.3

export interface Row {
  readonly what: string
  readonly unit: string
  readonly limit: number
  /** `undefined`: there is no such figure. */
  readonly headscale: number | undefined
  readonly measured: number
  /** The middle of several, where the worst is what counts. */
  readonly median?: number
  readonly passed: boolean
}

/** The rows at 650 nodes. Where something was repeated, the worst counts. */
export function compare(figures: Figures, plan: { readonly joinsPerSecond: number }): Row[] {
  const rows: Row[] = []
  const most = (what: string, unit: string, limit: number, headscale: number | undefined, values: readonly number[]) =>
    rows.push({
      what,
      unit,
      limit,
      headscale,
      measured: Math.max(...values),
      ...(values.length > 1 ? { median: quantile(values, 0.5) } : {}),
      passed: Math.max(...values) < limit,
    })
  const rate = figures.joinsPerSecond
  rows.push({
    what: 'joins begun',
    unit: '/s',
    limit: plan.joinsPerSecond,
    headscale: 2.3,
    measured: rate,
    // A thousandth for the time of the last one.
    passed: rate >= plan.joinsPerSecond * 0.99,
  })
  most('register to map, p99', 's', 0.7, 20.8, [quantile(figures.registerToMap, 0.99) / 1000])
  most('server CPU to enrol all', 's', 20, 413, [figures.enrolCpuMs / 1000])
  most('one endpoint change: last peer knows', 'ms', 150, 1200, figures.changeLast)
  most('one endpoint change: bytes, all nodes', 'kB', 130, 596, figures.changeBytes.map(thousandth))
  most('one more node: last peer knows', 'ms', 300, 11_000, figures.joinLast)
  most('one more node: bytes until quiet', 'kB', 700, 65_000, figures.joinBytes.map(thousandth))
  most('20 changes a second: lag p99', 'ms', 300, 44_000, [quantile(figures.streamLags, 0.99)])
  most('restart: all have a map again', 's', 3, 19, [figures.restartMs / 1000])
  most('peak memory', 'MB', 300, 734, [figures.peakBytes / 1e6])
  return rows
}

/** Fewer edges must cost less, whatever it takes to find out which there are. */
export function compareTags(everybody: Enrolment, tags: Enrolment): Row[] {
  const ratio = tags.enrolCpuMs / everybody.enrolCpuMs
  return [
    {
      what: `with ${TAGS} tags: server CPU to enrol all, against where all see all`,
      unit: '×',
      limit: 1,
      headscale: undefined,
      measured: ratio,
      passed: ratio < 1,
    },
  ]
}

/** What one affected edge costs in a larger tailnet, as a multiple of what it costs in the smaller one. */
export function growth(small: Figures, large: Figures): Row[] {
  return Object.entries(edgeCosts(large)).map(([what, cost]) => {
    const ratio = cost / (edgeCosts(small)[what] as number)
    return { what, unit: '×', limit: GROWTH_MAX, headscale: undefined, measured: ratio, passed: ratio <= GROWTH_MAX }
  })
}

/** Bytes and microseconds of CPU per edge: per peer that has to hear of a node's change, or of a node. */
export function edgeCosts(figures: Figures): Record<string, number> {
  const others = figures.nodes - 1
  const all = figures.nodes * others
  const middle = (values: readonly number[]) => quantile(values, 0.5)
  return {
    'enrolling: bytes an edge': figures.enrolBytes / all,
    'enrolling: CPU µs an edge': (figures.enrolCpuMs * 1000) / all,
    'one change: bytes an edge': middle(figures.changeBytes) / others,
    'one change: CPU µs an edge': (middle(figures.changeCpuMs) * 1000) / others,
    // It learns of all others, and all others learn of it.
    'one more node: bytes an edge': middle(figures.joinBytes) / (2 * others),
    'one more node: CPU µs an edge': (middle(figures.joinCpuMs) * 1000) / (2 * others),
    '20 changes a second: bytes an edge': figures.streamBytesPerChange / others,
    '20 changes a second: CPU µs an edge': (figures.streamCpuPerChangeMs * 1000) / others,
  }
}

export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN
}

function thousandth(value: number): number {
  return value / 1000
}
