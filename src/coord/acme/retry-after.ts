/** How long an answer asks to wait (RFC 9110, 10.2.3): seconds, or a moment on the calendar of whoever answers. */

import { SECOND_MS } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'

/**
 * Milliseconds from now on, never negative; `undefined` when nothing readable was said.
 *
 * @param date The answer's own `Date`: a moment is counted from it, since our calendar may be wrong
 */
export function retryAfterMs(header: string | undefined, date: string | undefined, now: Wall): number | undefined {
  if (header === undefined) return undefined
  const text = header.trim()
  if (/^\d{1,9}$/.test(text)) return Number(text) * SECOND_MS
  const until = readDate(text)
  if (until === undefined) return undefined
  return Math.max(0, until - (date === undefined ? now : (readDate(date.trim()) ?? now)))
}

/** `Tue, 24 Nov 2026 19:00:00 GMT`, the one form that may be written. */
function readDate(text: string): number | undefined {
  if (!/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text)) return undefined
  const at = Date.parse(text)
  return Number.isNaN(at) ? undefined : at
}
