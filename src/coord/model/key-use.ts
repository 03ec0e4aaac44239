/** Keeps when a token was last used: to the minute or so, since a write for every read would be too much. */

import { MINUTE_MS } from '../../base/clock.ts'
import type { By } from './audit.ts'
import type { Ledger } from './ledger.ts'
import type { TailnetState } from './model.ts'

const COARSE_MS = 5 * MINUTE_MS

/** @param id of the key */
export async function noteKeyUse(ledger: Ledger, tailnet: TailnetState, id: string, by: By): Promise<void> {
  const last = tailnet.keyUse(id)?.at
  if (last !== undefined && ledger.now() - last < COARSE_MS) return
  try {
    await ledger.transact(tailnet.num, by, (_model, now) => ({
      batch: { writes: [{ kind: 'key-use', id, expect: 'any', value: { at: now } }] },
      result: undefined,
    }))
  } catch {
    // That a use goes unnoted is no reason to refuse it; what the request is about fails for itself.
  }
}
