/** How long a browser stays logged in by itself. */

import { DAY_MS, later } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import type { Session } from './records.ts'

/** A session ends so long after it began, whatever happens. */
export const SESSION_MS = 30 * DAY_MS
/** And so long after it was last used. */
export const IDLE_MS = 7 * DAY_MS

/** Has it ended by itself? */
export function isOver({ used, expires }: Pick<Session, 'used' | 'expires'>, now: Wall): boolean {
  return expires <= now || later(used, IDLE_MS) <= now
}
