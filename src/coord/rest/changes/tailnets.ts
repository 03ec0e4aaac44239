/** Adding a tailnet to the server. */

import { DEFAULT_SETTINGS } from '../../model/records.ts'
import type { Tailnet, TailnetNum, Write } from '../../model/records.ts'
import type { TailnetState } from '../../model/model.ts'
import type { Wall } from '../../../base/clock.ts'

export function newTailnet(num: TailnetNum, stableId: string, name: string, parent: string, now: Wall): Tailnet {
  return { num, stableId, name, domain: `${name}.${parent}`, created: now, settings: DEFAULT_SETTINGS }
}

/**
 * The writes, in the server's scope, by which a tailnet comes to be: for the API, and for the server at its first
 * start. `undefined` when the name is taken.
 */
export function tailnetWrites(scope: TailnetState, tailnet: Tailnet): Write[] | undefined {
  const holder = `tailnet-name/${tailnet.name}`
  if (scope.get('holder', holder) !== undefined) return undefined
  return [
    { kind: 'tailnet', id: String(tailnet.num), expect: 'absent', value: tailnet },
    { kind: 'holder', id: holder, expect: 'absent', value: { holder: tailnet.num } },
  ]
}
