/**
 * The two clocks, as types that can't be mixed: `Mono` for timers, `Wall` for the calendar.
 *
 * Pure code never asks for either; shells hand them in.
 */

declare const mono: unique symbol
declare const wall: unique symbol

/** Milliseconds on a clock that never jumps; its zero means nothing. */
export type Mono = number & { readonly [mono]: true }
/** Milliseconds since 1970 UTC, as the calendar says. */
export type Wall = number & { readonly [wall]: true }

export const SECOND_MS = 1000
export const MINUTE_MS = 60_000
export const HOUR_MS = 3_600_000
export const DAY_MS = 86_400_000

/** A deadline that never comes. */
export const NEVER = Infinity as Mono

export function later<T extends Mono | Wall>(t: T, ms: number): T {
  return (t + ms) as T
}

/** RFC 3339 in UTC, as the wire wants it. Whole seconds are written without a fraction. */
export function formatTime(t: Wall): string {
  return t % 1000 === 0 ? `${new Date(t).toISOString().slice(0, 19)}Z` : new Date(t).toISOString()
}

/** What Go writes for "not set"; readers take any time in year 1 as that (control.md §0.3). */
export const ZERO_TIME = '0001-01-01T00:00:00Z'

/** The last time that RFC 3339 can say in UTC. */
const LAST = Date.UTC(9999, 11, 31, 23, 59, 59, 999)

/**
 * RFC 3339 text to a time; `undefined` for "not set" (year 1) and `null` for text that is no time, or that an offset
 * puts into a year which can't be written. Finer parts than milliseconds are cut.
 */
export function parseTime(text: string): Wall | undefined | null {
  const m = /^(\d{4}-\d\d-(\d\d))[Tt]([01]\d|2[0-3]):\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/.exec(text)
  if (m === null) return null
  // Date.parse takes 30 February for 2 March.
  if (new Date(`${m[1]}T00:00:00Z`).getUTCDate() !== Number(m[2])) return null
  const ms = Date.parse(text.replace(/(\.\d{3})\d+/, '$1').toUpperCase())
  if (Number.isNaN(ms) || ms > LAST) return null
  return text.startsWith('0001') || text.startsWith('0000') ? undefined : (ms as Wall)
}

export interface Clocks {
  mono(): Mono
  wall(): Wall
}
