/** Keeps when a token was last used: to the minute or so, since a write for every read would be too much. */

import { MINUTE_MS } from '../../base/clock.ts'
import type { Ledger } from '../model/ledger.ts'
import { byOf } from './caller.ts'
import type { Caller } from './caller.ts'

const COARSE_MS = 5 * MINUTE_MS

export async function noteUse(ledger: Ledger, caller: Caller): Promise<void> {
  if (caller.kind === 'server') return
  const { tailnet, id } = caller
  const last = tailnet.keyUse(id)?.at
  if (last !== undefined && ledger.now() - last < COARSE_MS) return
  try {
    await ledger.transact(tailnet.num, byOf(caller, undefined), (_model, now) => ({
      batch: { writes: [{ kind: 'key-use', id, expect: 'any', value: { at: now } }] },
      result: undefined,
    }))
  } catch {
    // That a use goes unnoted is no reason to refuse it; what the request is about fails for itself.
  }
}
