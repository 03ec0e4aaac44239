/** Keeps when the credential of a request was last used. */

import { noteKeyUse } from '../model/key-use.ts'
import type { Ledger } from '../model/ledger.ts'
import { byOf } from './caller.ts'
import type { Caller } from './caller.ts'

export async function noteUse(ledger: Ledger, caller: Caller): Promise<void> {
  if (caller.kind !== 'server') await noteKeyUse(ledger, caller.tailnet, caller.id, byOf(caller, undefined))
}
