/**
 * What whoever writes a policy should know of it, beside what is wrong with it. Only `check` tells these: the service
 * whose answers the other routes copy knows no such notes.
 */

import type { DerpRegion } from '../../wire/derp-map.ts'
import type { Policy, PolicyWarning } from '../../policy/policy.ts'

/** @param isOurs is a region one of the server's own? */
export function notesOn({ allowAll, derpMap }: Policy, isOurs: (region: number) => boolean): PolicyWarning[] {
  const notes: PolicyWarning[] = []
  if (allowAll)
    notes.push({
      about: 'grants',
      text: 'there are neither grants nor acls, which allows everything between all devices; "grants": [] allows nothing',
      at: { line: 1, column: 1 },
    })
  if (derpMap !== undefined && !derpMap.omitDefaultRegions && leavesNone([...derpMap.regions], isOurs))
    notes.push({
      about: 'derpMap',
      text: 'derpMap takes a relay of this server away and adds none: see that another is left, since clients do not start without one',
      at: { line: 1, column: 1 },
    })
  return notes
}

function leavesNone(
  regions: readonly (readonly [number, DerpRegion | null])[],
  isOurs: (region: number) => boolean,
): boolean {
  return regions.every(([, region]) => region === null) && regions.some(([id]) => isOurs(id))
}
