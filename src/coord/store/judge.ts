/**
 * Decides whether a batch may happen: are records, checks and claims as it expects? The one rule for all engines.
 *
 * Pure: engines look versions and owners up, and write what comes out.
 */

import type { Kind } from '../model/records.ts'
import type { EncodedBatch } from './encode.ts'
import type { Committed } from './store.ts'

/** What a batch is judged against. `undefined`: there is none. */
export interface Present {
  version(kind: Kind, id: string): number | undefined
  owner(space: string, key: string): string | undefined
}

/** A claim as it is to stand afterwards; `owner: undefined`: nobody's. */
export interface ClaimChange {
  readonly space: string
  readonly key: string
  readonly owner: string | undefined
}

export type Verdict =
  | { readonly kind: 'write'; readonly claims: readonly ClaimChange[] }
  | Extract<Committed, { kind: 'conflict' }>

/** Judges writes first, then checks, then claims in their order; the first that is not as expected is named. */
export function judge(batch: EncodedBatch, present: Present): Verdict {
  for (const { kind, id, expect } of batch.writes) {
    if (expect !== 'any' && (present.version(kind, id) ?? 'absent') !== expect)
      return { kind: 'conflict', on: kind, id }
  }
  for (const { kind, id, version } of batch.checks) {
    if ((present.version(kind, id) ?? 'absent') !== version) return { kind: 'conflict', on: kind, id }
  }
  const claims = new Map<string, ClaimChange>()
  for (const { space, key, act, owner } of batch.claims) {
    const name = `${space}/${key}`
    const held = claims.has(name) ? claims.get(name)?.owner : present.owner(space, key)
    if (act === 'take') {
      if (held !== undefined && held !== owner) return { kind: 'conflict', on: 'claim', id: key }
      if (held === undefined) claims.set(name, { space, key, owner })
    } else if (held === owner) claims.set(name, { space, key, owner: undefined })
  }
  return { kind: 'write', claims: [...claims.values()] }
}
