/** Custom posture attributes: set, removed, and set for many devices at once. (api-v2.md §4.1) */

import { parseTime } from '../../../base/clock.ts'
import type { Wall } from '../../../base/clock.ts'
import type { AttributeValue, PostureAttributes } from '../../../wire/api/objects.ts'
import type { Plan } from '../../model/ledger.ts'
import type { AttributesRecord, Node, Write } from '../../model/records.ts'
import { commit, DONE, done, refuse, settle } from '../answer.ts'
import type { Answer, Refusal } from '../answer.ts'
import { NO_DEVICE, nodeIn } from '../authorise.ts'
import type { At } from '../call.ts'
import { attributesOf } from '../../model/attributes.ts'

/** So many custom attributes fit on one device. */
const MAX_PER_DEVICE = 64

interface Wanted {
  readonly value: AttributeValue
  readonly expiry?: string | null | undefined
}
type Values = AttributesRecord['values']

export function setAttribute(at: At, node: Node, key: string, wanted: Wanted): Plan<Answer<PostureAttributes>> {
  const values = merge(at, node, { [key]: wanted }, typesIn(at))
  if (isRefusal(values)) return settle(values)
  return commit({ writes: [write(at, node, values)] }, done(attributesOf(node, values, at.now)))
}

export function deleteAttribute(at: At, node: Node, key: string): Plan<Answer<undefined>> {
  const values = merge(at, node, { [key]: null }, typesIn(at))
  return isRefusal(values) ? settle(values) : commit({ writes: [write(at, node, values)] }, DONE)
}

/** All of the patch happens, or none. */
export function patchAttributes(
  at: At,
  patch: Readonly<Record<string, Readonly<Record<string, Wanted | null>>>>,
): Plan<Answer<null>> {
  const types = typesIn(at)
  const writes = new Map<number, Write>()
  for (const [ref, changes] of Object.entries(patch)) {
    const node = nodeIn(at.tailnet, ref)
    if (node === undefined) return settle(refuse(400, `${NO_DEVICE}: ${ref}`))
    if (writes.has(node.id)) return settle(refuse(400, `The device ${node.stableId} is named twice`))
    const values = merge(at, node, changes, types)
    if (isRefusal(values)) return settle(values)
    writes.set(node.id, write(at, node, values))
  }
  return commit({ writes: [...writes.values()] }, done(null))
}

function write(at: At, node: Node, values: Values): Write {
  const id = String(node.id)
  const value = Object.keys(values).length === 0 ? null : { values }
  return { kind: 'attributes', id, expect: at.tailnet.version('attributes', id), value }
}

/** What the device has after the changes; what has run out falls away on the way. */
function merge(
  at: At,
  node: Node,
  changes: Readonly<Record<string, Wanted | null>>,
  types: Map<string, { readonly key: string; readonly type: string }>,
): Values | Refusal {
  const kept = at.tailnet.get('attributes', String(node.id))?.values ?? {}
  const values = Object.fromEntries(Object.entries(kept).filter(([, { expires }]) => !isOver(expires, at.now)))
  for (const [key, wanted] of Object.entries(changes)) {
    if (!/^custom:[A-Za-z0-9_:]+$/.test(key) || key.length > 128)
      return refuse(400, 'An attribute’s key is "custom:" and letters, digits, "_" or ":", at most 128 in all')
    if (wanted === null) {
      delete values[key]
      continue
    }
    const known = types.get(key.toLowerCase())
    if (known !== undefined && known.key !== key)
      return refuse(400, `There is an attribute "${known.key}" already: names that differ only in case are not allowed`)
    if (known !== undefined && known.type !== typeof wanted.value)
      return refuse(400, `The attribute "${key}" is a ${known.type} on other devices: one key, one type`)
    types.set(key.toLowerCase(), { key, type: typeof wanted.value })
    const expires = wanted.expiry === undefined || wanted.expiry === null ? undefined : parseTime(wanted.expiry)
    if (expires === null || isOver(expires, at.now))
      return refuse(400, `The expiry of "${key}" is no RFC 3339 time in the future`)
    values[key] = { value: wanted.value, ...(expires === undefined ? {} : { expires }) }
  }
  if (Object.keys(values).length > MAX_PER_DEVICE)
    return refuse(400, `A device has room for ${MAX_PER_DEVICE} custom attributes`)
  return values
}

function isOver(expires: Wall | undefined, now: Wall): boolean {
  return expires !== undefined && expires <= now
}

/** How each key is spelt and typed in this tailnet, by its lower-case form. */
function typesIn(at: At): Map<string, { readonly key: string; readonly type: string }> {
  const types = new Map<string, { readonly key: string; readonly type: string }>()
  for (const { values } of at.tailnet.all('attributes'))
    for (const [key, { value, expires }] of Object.entries(values))
      if (!isOver(expires, at.now)) types.set(key.toLowerCase(), { key, type: typeof value })
  return types
}

function isRefusal(value: Values | Refusal): value is Refusal {
  return (value as Refusal).kind === 'refused' && typeof (value as Refusal).status === 'number'
}
