/** Describes changes of machines' custom posture attributes. What runs out by its time does so without anybody's doing. */

import { formatTime } from '../../base/clock.ts'
import type { AuditAction, AuditValue } from '../model/audit.ts'
import type { AttributesRecord } from '../model/records.ts'
import { became } from './describer.ts'
import type { Context, RecordChange, Said } from './describer.ts'
import { nodeTarget } from './nodes.ts'

type Values = AttributesRecord['values']

export function describeAttributes(
  { id, before, after }: RecordChange<'attributes'>,
  context: Context,
): readonly Said[] {
  const node = context.after('node', id)
  // They go with it, and it says so itself.
  if (node === undefined) return []
  const target = nodeTarget(node)
  const [old, now] = [before?.values ?? {}, after?.values ?? {}]
  const changes = new Map<AuditAction, string[]>([
    ['CREATE', Object.keys(now).filter((key) => !Object.hasOwn(old, key))],
    ['UPDATE', Object.keys(now).filter((key) => Object.hasOwn(old, key))],
    ['DELETE', Object.keys(old).filter((key) => !Object.hasOwn(now, key) && !isOver(old[key], context))],
  ])
  return [...changes].flatMap(([action, keys]) =>
    keys.flatMap((key) => became(target, 'ATTRIBUTES', one(key, old), one(key, now), action)),
  )
}

function isOver(attribute: Values[string] | undefined, { now }: Context): boolean {
  return attribute?.expires !== undefined && attribute.expires <= now
}

function one(key: string, values: Values): AuditValue | undefined {
  const attribute = Object.hasOwn(values, key) ? values[key] : undefined
  if (attribute === undefined) return undefined
  const { value, expires } = attribute
  return { [key]: expires === undefined ? value : { value, expires: formatTime(expires) } }
}
