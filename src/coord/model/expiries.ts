/**
 * Keys that ran out by the clock. Nobody writes that down when it happens, so the server does it afterwards, once for
 * all servers: up to which time it has done so is a record.
 */

import type { Wall } from '../../base/clock.ts'
import type { TailnetState } from './model.ts'
import type { Key, Node } from './records.ts'

/** Id of the one record. */
export const EXPIRIES_ID = 'seen'

export interface Expired {
  readonly nodes: readonly Node[]
  readonly keys: readonly Key[]
}

/** What ran out after the one time, up to the other. */
export function expiredBetween(state: TailnetState, after: Wall, until: Wall): Expired {
  const isIn = (at: Wall | undefined) => at !== undefined && at > after && at <= until
  return {
    nodes: [...state.all('node')].filter((node) => !node.keyExpiryDisabled && isIn(node.keyExpiry)),
    // Of one that is used up or revoked, nothing ends.
    keys: [...state.all('key')].filter(
      (key) => isIn(key.expires) && key.revoked === undefined && (key.reusable || key.usedBy === undefined),
    ),
  }
}
