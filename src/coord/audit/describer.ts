/**
 * What a describer is: it is told how one record changed and says what that means to people, in the words of the
 * audit log.
 *
 * Pure: what it says follows from the change, the model before it, and the transaction around it.
 */

import type { Wall } from '../../base/clock.ts'
import type { AuditAction, AuditTarget, AuditValue, By } from '../model/audit.ts'
import type { Model } from '../model/model.ts'
import type { Kind, Kinds, TailnetNum } from '../model/records.ts'

export interface RecordChange<K extends Kind> {
  readonly id: string
  readonly before: Kinds[K] | undefined
  readonly after: Kinds[K] | undefined
}

/** The transaction that a change is part of. */
export interface Context {
  /** Its scope; `SERVER` for tailnets' own records and logins. */
  readonly tailnet: TailnetNum
  /** As it was before. */
  readonly model: Model
  readonly by: By
  readonly now: Wall
  /** A record as the transaction leaves it. */
  readonly after: <K extends Kind>(kind: K, id: string) => Kinds[K] | undefined
}

/** One thing to tell a log. Neither `old` nor `new` may hold a secret, or the hash of one. */
export interface Said {
  readonly target: AuditTarget
  readonly action: AuditAction
  readonly old?: AuditValue
  readonly new?: AuditValue
  readonly details?: string
  /** Whose log it belongs in; the transaction's own if not given. */
  readonly log?: TailnetNum
}

export type Describer<K extends Kind> = (change: RecordChange<K>, context: Context) => readonly Said[]

/** For kinds whose records are nobody's configuration, or say only what others say better. */
export const silent = (): readonly Said[] => []

/** A member that was one thing and became another; nothing when it stayed the same. */
export function became(
  target: AuditTarget,
  property: string,
  old: AuditValue | undefined,
  now: AuditValue | undefined,
  action: AuditAction = 'UPDATE',
): readonly Said[] {
  if (JSON.stringify(old) === JSON.stringify(now)) return []
  return [{ target: { ...target, property }, action, ...held('old', old), ...held('new', now) }]
}

/** A switch that was turned. */
export function switched(target: AuditTarget, property: string, old: boolean, now: boolean): readonly Said[] {
  return became(target, property, old, now, now ? 'ENABLE' : 'DISABLE')
}

function held<N extends 'old' | 'new'>(name: N, value: AuditValue | undefined): { readonly [K in N]?: AuditValue } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [K in N]?: AuditValue }
}
