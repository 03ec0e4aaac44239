/**
 * Suggests an exit node to whoever wants the best one, whichever that is (node.md §3.4). Measuring relays, and doing as
 * suggested, are the caller's matters.
 */

import { utf8 } from '../../base/bytes.ts'

/** A peer that the server recommends, that leads everywhere, and that is online. */
export interface ExitCandidate {
  /** Stable ID. */
  readonly id: string
  /** Region of its home relay; 0: none. */
  readonly home: number
  readonly location?: Place & { readonly Priority?: number }
}

/** Degrees. */
export interface Place {
  readonly Latitude?: number
  readonly Longitude?: number
}

export interface ExitInputs {
  readonly candidates: readonly ExitCandidate[]
  /** The server steers by priorities, wherever candidates are. */
  readonly isSteered: boolean
  /** Stable ID of this node: equals are told apart by it, the same way each time. */
  readonly self: string
  /** Region of our own home relay, and where it is. */
  readonly home?: Place
  /** In ms, of the relays that have answered lately. */
  readonly latencies: ReadonlyMap<number, number>
  /** What was suggested before; kept as long as it is as good as any. */
  readonly previous: string
  /** A number from 0 up to 1. */
  readonly chance: () => number
}

/** How much farther away counts as equally near. */
const TOLERANCE_KM = 100
const EARTH_KM = 6_371

/** Stable ID of the suggestion; `undefined`: there is nothing to suggest. */
export function suggestExitNode(inputs: ExitInputs): string | undefined {
  const { candidates, isSteered, latencies } = inputs
  if (isSteered) return steered(inputs)
  const homed = candidates.filter(({ home }) => home !== 0)
  if (homed.length === 0) return oneOf(nearest(inputs), inputs)
  const measured = homed.filter(({ home }) => latencies.has(home))
  if (measured.length === 0) return oneOf(homed, inputs)
  const ms = ({ home }: ExitCandidate): number => latencies.get(home) ?? Infinity
  const least = Math.min(...measured.map(ms))
  const region = measured.find((each) => ms(each) === least)?.home
  const near = measured.filter(({ home }) => home === region)
  return oneOf(near, inputs)
}

function steered({ candidates, self }: ExitInputs): string | undefined {
  const most = Math.max(...candidates.map(priorityOf))
  const best = candidates.filter((each) => priorityOf(each) === most)
  let chosen: { readonly id: string; readonly mark: number } | undefined
  for (const { id } of best) {
    const mark = markOf(`${self} ${id}`)
    if (chosen === undefined || mark > chosen.mark || (mark === chosen.mark && id < chosen.id)) chosen = { id, mark }
  }
  return chosen?.id
}

/** Those that are about as near as the nearest, and of these the ones that the server likes best. */
function nearest({ candidates, home }: ExitInputs): readonly ExitCandidate[] {
  const placed = candidates.map((candidate) => ({ candidate, km: distanceKm(candidate.location, home) }))
  const least = Math.min(...placed.map(({ km }) => km))
  const near = placed.filter(({ km }) => km <= least + TOLERANCE_KM).map(({ candidate }) => candidate)
  const most = Math.max(...near.map(priorityOf))
  return near.filter((each) => priorityOf(each) === most)
}

function oneOf(all: readonly ExitCandidate[], { previous, chance }: ExitInputs): string | undefined {
  if (all.some(({ id }) => id === previous)) return previous
  return all[Math.floor(chance() * all.length)]?.id
}

function priorityOf({ location }: ExitCandidate): number {
  return location?.Priority ?? 0
}

/** Along the ground; what has no place is farther than all that has. */
function distanceKm(a: Place | undefined, b: Place | undefined): number {
  const radians = (degrees: number): number => (degrees * Math.PI) / 180
  const [lat1, lon1, lat2, lon2] = [a?.Latitude, a?.Longitude, b?.Latitude, b?.Longitude]
  if (lat1 === undefined || lon1 === undefined || lat2 === undefined || lon2 === undefined) return Number.MAX_VALUE
  const [dLat, dLon] = [radians(lat2 - lat1), radians(lon2 - lon1)]
  const h = Math.sin(dLat / 2) ** 2 + Math.cos(radians(lat1)) * Math.cos(radians(lat2)) * Math.sin(dLon / 2) ** 2
  return 2 * EARTH_KM * Math.asin(Math.min(1, Math.sqrt(h)))
}

/** FNV-1a: spreads clients over equals, and is the same for each every time. */
function markOf(text: string): number {
  let mark = 0x811c9dc5
  for (const byte of utf8(text)) mark = Math.imul(mark ^ byte, 0x01000193) >>> 0
  return mark
}
