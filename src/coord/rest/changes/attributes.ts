/** Custom posture attributes: set, removed, and set for many devices at once. (api-v2.md §4.1) */

import { parseTime } from '../../../base/clock.ts'
import type { Wall } from '../../../base/clock.ts'
import type { AttributeValue, PostureAttributes } from '../../../wire/api/objects.ts'
import type { AttributeConfig } from '../../../policy/policy.ts'
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
type Mutable<T> = { -readonly [K in keyof T]: T[K] }
/** By key; `null` removes. */
type Changes = Readonly<Record<string, Wanted | null>>

export function setAttribute(at: At, node: Node, key: string, wanted: Wanted): Plan<Answer<PostureAttributes>> {
  const merged = merge(at, new Map([[node, { [key]: wanted }]]))
  if (isRefusal(merged)) return settle(merged)
  const values = merged.get(node) ?? {}
  return commit(
    { writes: [write(at, node, values)] },
    done(attributesOf(node, at.tailnet.usersById.get(node.user), values, at.now)),
  )
}

export function deleteAttribute(at: At, node: Node, key: string): Plan<Answer<undefined>> {
  const merged = merge(at, new Map([[node, { [key]: null }]]))
  return isRefusal(merged) ? settle(merged) : commit({ writes: writes(at, merged) }, DONE)
}

/** All of the patch happens, or none. */
export function patchAttributes(
  at: At,
  patch: Readonly<Record<string, Readonly<Record<string, Wanted | null>>>>,
): Plan<Answer<null>> {
  const changes = new Map<Node, Changes>()
  for (const [ref, wanted] of Object.entries(patch)) {
    const node = nodeIn(at.tailnet, ref)
    if (node === undefined) return settle(refuse(400, `${NO_DEVICE}: ${ref}`))
    if (changes.has(node)) return settle(refuse(400, `The device ${node.stableId} is named twice`))
    changes.set(node, wanted)
  }
  const merged = merge(at, changes)
  return isRefusal(merged) ? settle(merged) : commit({ writes: writes(at, merged) }, done(null))
}

function writes(at: At, merged: ReadonlyMap<Node, Values>): Write[] {
  return [...merged].map(([node, values]) => write(at, node, values))
}

function write(at: At, node: Node, values: Values): Write {
  const id = String(node.id)
  const value = Object.keys(values).length === 0 ? null : { values }
  return { kind: 'attributes', id, expect: at.tailnet.version('attributes', id), value }
}

/** What the devices have after the changes; what has run out falls away on the way. */
function merge(at: At, changes: ReadonlyMap<Node, Changes>): ReadonlyMap<Node, Values> | Refusal {
  const types = typesBeside(at, changes)
  const merged = new Map<Node, Values>()
  for (const [node, wanted] of changes) {
    const values: Mutable<Values> = {}
    for (const [key, kept] of Object.entries(at.tailnet.get('attributes', String(node.id))?.values ?? {}))
      if (!Object.hasOwn(wanted, key) && !isOver(kept.expires, at.now)) values[key] = kept
    for (const [key, change] of Object.entries(wanted)) {
      const refused = isKey(key) ? put(values, key, change, at, types) : refuse(400, NO_KEY)
      if (refused !== undefined) return refused
    }
    if (Object.keys(values).length > MAX_PER_DEVICE)
      return refuse(400, `A device has room for ${MAX_PER_DEVICE} custom attributes`)
    merged.set(node, values)
  }
  return merged
}

function put(values: Mutable<Values>, key: string, wanted: Wanted | null, at: At, types: Types): Refusal | undefined {
  if (wanted === null) return undefined
  const { value } = wanted
  const known = types.get(key.toLowerCase())
  if (known !== undefined && known.key !== key)
    return refuse(400, `There is an attribute "${known.key}" already: names that differ only in case are not allowed`)
  if (known !== undefined && known.type !== typeOf(value)) return refuse(400, typeFault(key, known))
  if (known === undefined) types.set(key.toLowerCase(), { key, type: typeOf(value), from: 'request' })
  const expires = wanted.expiry === undefined || wanted.expiry === null ? undefined : parseTime(wanted.expiry)
  if (expires === null || isOver(expires, at.now))
    return refuse(400, `The expiry of "${key}" is no RFC 3339 time in the future`)
  values[key] = { value, ...(expires === undefined ? {} : { expires }) }
  return undefined
}

const NO_KEY = 'An attribute’s key is "custom:" and letters, digits, "_" or ":", at most 128 in all'

function isKey(key: string): boolean {
  return /^custom:[A-Za-z0-9_:]+$/.test(key) && key.length <= 128
}

function typeFault(key: string, { type, from }: Known): string {
  if (from === 'policy') return `The policy’s attrConfig says that "${key}" is a ${type}`
  const where = from === 'request' ? 'elsewhere in this request' : 'on other devices'
  return `The attribute "${key}" is a ${type} ${where}: one key, one type`
}

function isOver(expires: Wall | undefined, now: Wall): boolean {
  return expires !== undefined && expires <= now
}

/** How a key is spelt and typed, and who says so. */
interface Known {
  readonly key: string
  readonly type: AttributeConfig['type']
  readonly from: 'policy' | 'device' | 'request'
}
/** By keys in lower case. */
type Types = Map<string, Known>

/** What binds the changes: the policy's `attrConfig`, and whatever is not being changed. */
function typesBeside(at: At, changes: ReadonlyMap<Node, Changes>): Types {
  const changed = new Map([...changes].map(([node, wanted]) => [String(node.id), wanted]))
  const types: Types = new Map()
  for (const [id, { values }] of at.tailnet.entries('attributes'))
    for (const [key, { value, expires }] of Object.entries(values)) {
      if (isOver(expires, at.now) || Object.hasOwn(changed.get(id) ?? {}, key)) continue
      types.set(key.toLowerCase(), { key, type: typeOf(value), from: 'device' })
    }
  // Whatever was set before the policy said so is to be set anew as it says.
  for (const [key, { type }] of at.policies.of(at.tailnet).attrConfig)
    types.set(key.toLowerCase(), { key, type, from: 'policy' })
  return types
}

function typeOf(value: AttributeValue): AttributeConfig['type'] {
  return typeof value === 'boolean' ? 'bool' : typeof value === 'number' ? 'number' : 'string'
}

function isRefusal(value: ReadonlyMap<Node, Values> | Refusal): value is Refusal {
  return 'kind' in value
}
