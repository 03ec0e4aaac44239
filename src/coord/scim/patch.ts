/**
 * Applies the operations of a PATCH to a resource (RFC 7644 §3.5.2), in the dialects of Okta and Entra ID too: operators
 * in any case, values without a path, paths as names of members, members to remove as a value, and values that are
 * made by being given something.
 */

import { matches, parseTarget } from './filter.ts'
import type { Filter, Target } from './filter.ts'
import { invalid, quoted } from './refusal.ts'
import { attributeOf, isObject, named, readOne, readValue, VALUES_MAX } from './schema.ts'
import type { Attribute, Draft, Schema } from './schema.ts'

type Op = 'add' | 'replace' | 'remove'
type Value = { [name: string]: unknown }

/** Okta sends up to a thousand members at once, some clients one operation for each. */
const OPERATIONS_MAX = 2000
/** Operations times values: some tenths of a second. */
const WORK_MAX = 2_000_000

/** Members of every resource that a directory may send along, and that nobody writes. */
const COMMON: ReadonlySet<string> = new Set(['schemas', 'id', 'meta'])
/** Attributes of RFC 7643 §4.1 that are not kept: whatever becomes of them, nothing does. */
const NOT_KEPT: ReadonlySet<string> = new Set(
  'nickname profileurl title usertype preferredlanguage locale timezone password phonenumbers ims photos addresses entitlements roles x509certificates'.split(
    ' ',
  ),
)

/** @param draft the resource as it is; changed in place */
export function applyPatch(schema: Schema, draft: Draft, body: unknown): void {
  const operations = isObject(body) ? (body['Operations'] ?? body['operations']) : undefined
  if (!Array.isArray(operations) || operations.length === 0)
    throw invalid('Operations: want a list of operations', 'invalidSyntax')
  if (operations.length > OPERATIONS_MAX) throw invalid(`Operations: want at most ${OPERATIONS_MAX}`, 'tooMany')
  const read = gathered(schema, (operations as unknown[]).map(readOperation))
  const values = Object.values(draft).reduce<number>((sum, one) => sum + (Array.isArray(one) ? one.length : 0), 0)
  if (read.length * values > WORK_MAX)
    throw invalid('Operations: so many on so many values take too long: send them in several requests', 'tooMany')
  for (const { op, path, value } of read) {
    if (path === '') applyAll(schema, draft, op, value)
    else applyAt(schema, draft, op, path, value)
  }
}

interface Operation {
  readonly op: Op
  /** Empty: none. */
  readonly path: string
  readonly value: unknown
}

function readOperation(operation: unknown): Operation {
  if (!isObject(operation)) throw invalid('Operations: want objects', 'invalidSyntax')
  const { op: said, path = '', value } = operation
  const op = typeof said === 'string' ? said.toLowerCase() : ''
  if (op !== 'add' && op !== 'replace' && op !== 'remove')
    throw invalid('op: want "add", "replace" or "remove"', 'invalidSyntax')
  if (path !== null && typeof path !== 'string') throw invalid('path: want a text', 'invalidPath')
  return { op, path: path ?? '', value }
}

/** A thousand members that come or go one by one are gone through once, and not a thousand times. */
function gathered(schema: Schema, operations: readonly Operation[]): readonly Operation[] {
  const all: { op: Op; path: string; value: unknown }[] = []
  for (const operation of operations) {
    const { op, path, value } = removalByValue(schema, operation)
    const last = all.at(-1)
    const isMore = last !== undefined && op !== 'replace' && last.op === op && last.path === path
    if (isMore && Array.isArray(last.value) && Array.isArray(value))
      (last.value as unknown[]).push(...(value as unknown[]))
    else all.push({ op, path, value: Array.isArray(value) ? [...(value as unknown[])] : value })
  }
  return all
}

/** `members[value eq "1"]` is taken away as a member that is named by its value. */
function removalByValue(schema: Schema, operation: Operation): Operation {
  if (operation.op !== 'remove' || !operation.path.endsWith(']')) return operation
  const { attribute, schema: urn, filter, sub } = parseTarget(operation.path)
  const isPlain = urn === undefined && sub === undefined && filter?.kind === 'compare' && filter.by === 'eq'
  if (!isPlain || filter.path.sub !== undefined || filter.path.attribute.toLowerCase() !== 'value') return operation
  if (attributeOf(schema, attribute)?.multiValued !== true || typeof filter.value !== 'string') return operation
  return { op: 'remove', path: attribute, value: [{ value: filter.value }] }
}

/** Without a path, the members of the value are what to change. */
function applyAll(schema: Schema, draft: Draft, op: Op, value: unknown): void {
  if (op === 'remove') throw invalid('Cannot remove: want a path', 'noTarget')
  if (!isObject(value)) throw invalid('value: want an object where there is no path')
  for (const [name, member] of Object.entries(value)) {
    // Members of other schemas are kept by none of ours.
    if (COMMON.has(name.toLowerCase()) || (isObject(member) && name.includes(':'))) continue
    if (attributeOf(schema, name)?.mutability === 'readOnly') continue
    applyAt(schema, draft, op, name, member)
  }
}

function applyAt(schema: Schema, draft: Draft, op: Op, path: string, value: unknown): void {
  const target = parseTarget(path)
  if (target.schema !== undefined && target.schema.toLowerCase() !== schema.urn.toLowerCase()) return
  const attribute = attributeOf(schema, target.attribute)
  if (attribute === undefined) {
    const name = target.attribute.toLowerCase()
    if (NOT_KEPT.has(name) && schema.name === 'User') return
    if (COMMON.has(name)) throw invalid(`${target.attribute} cannot be changed`, 'mutability')
    throw invalid(`There is no attribute ${quoted(target.attribute)}`, 'invalidPath')
  }
  if (attribute.mutability === 'readOnly') throw invalid(`${attribute.name} cannot be changed`, 'mutability')
  const sub = target.sub === undefined ? undefined : named(attribute.subAttributes, target.sub)
  if (target.sub !== undefined && sub === undefined) {
    if (attribute.type === 'complex') return
    throw invalid(`${attribute.name} has no parts`, 'invalidPath')
  }
  if (sub?.mutability === 'readOnly') throw invalid(`${attribute.name}.${sub.name} cannot be changed`, 'mutability')
  if (attribute.multiValued) return applyToValues(draft, op, attribute, target, sub, value)
  if (target.filter !== undefined) throw invalid(`${attribute.name} has one value, and takes no filter`, 'invalidPath')
  if (op === 'remove' && attribute.required && sub === undefined)
    throw invalid(`${attribute.name} is needed`, 'mutability')
  if (attribute.type !== 'complex') return set(draft, attribute, op === 'remove' ? undefined : value)
  const held: Value = { ...(draft[attribute.name] as Value | undefined) }
  if (sub !== undefined) set(held, sub, op === 'remove' ? undefined : value)
  else if (op === 'remove') return void delete draft[attribute.name]
  else Object.assign(held, readOne(attribute, value))
  if (Object.keys(held).length === 0) delete draft[attribute.name]
  else draft[attribute.name] = held
}

function set(into: Value, attribute: Attribute, value: unknown): void {
  const read = readValue(attribute, value)
  if (read === undefined) delete into[attribute.name]
  else into[attribute.name] = read
}

function applyToValues(
  draft: Draft,
  op: Op,
  attribute: Attribute,
  { filter }: Target,
  sub: Attribute | undefined,
  value: unknown,
): void {
  const before = (draft[attribute.name] ?? []) as readonly Value[]
  const keep = (after: readonly Value[]): void => {
    if (after.length > VALUES_MAX) throw invalid(`${attribute.name}: want at most ${VALUES_MAX} values`, 'tooMany')
    draft[attribute.name] = after
  }
  if (filter === undefined && sub === undefined) {
    if (op === 'remove' && (value === undefined || value === null)) return keep([])
    const values = (readValue(attribute, value) ?? []) as readonly Value[]
    if (op === 'replace') return keep(values)
    if (op === 'add') return keep(joined(before, values))
    const gone = new Set(values.map((one) => one['value']))
    return keep(before.filter((one) => !gone.has(one['value'])))
  }
  const isMeant = (one: Value): boolean => filter === undefined || matches(filter, one)
  if (op === 'remove') {
    if (sub === undefined) return keep(before.filter((one) => !isMeant(one)))
    return keep(
      before.map((one) => (isMeant(one) ? without(one, sub.name) : one)).filter((one) => Object.keys(one).length > 0),
    )
  }
  const given: Value = {}
  if (sub === undefined) Object.assign(given, readOne(attribute, value))
  else set(given, sub, value)
  if (before.some(isMeant)) return keep(before.map((one) => (isMeant(one) ? { ...one, ...given } : one)))
  // Entra ID writes a work address this way, whether or not there is one.
  const made = filter === undefined ? {} : saidBy(filter, attribute)
  if (made === undefined) throw invalid(`No value of ${attribute.name} is meant by the path`, 'noTarget')
  keep(joined(before, [{ ...made, ...given }]))
}

/** What comes later is the primary value; what is there already is not there twice. */
function joined(before: readonly Value[], values: readonly Value[]): readonly Value[] {
  const hasPrimary = values.some((one) => one['primary'] === true)
  const after = new Map<string, Value>()
  const keyOf = (one: Value): string => `${String(one['value'])}\n${String(one['type'])}`
  for (const one of before)
    after.set(keyOf(one), hasPrimary && one['primary'] === true ? { ...one, primary: false } : one)
  for (const one of values) after.set(keyOf(one), { ...after.get(keyOf(one)), ...one })
  return [...after.values()]
}

/** `type eq "work"` says what a value would have to be; other filters don't. */
function saidBy(filter: Filter, attribute: Attribute): Value | undefined {
  if (filter.kind === 'and') {
    const [left, right] = [saidBy(filter.left, attribute), saidBy(filter.right, attribute)]
    return left === undefined || right === undefined ? undefined : { ...left, ...right }
  }
  if (filter.kind !== 'compare' || filter.by !== 'eq' || filter.path.sub !== undefined) return undefined
  const sub = named(attribute.subAttributes, filter.path.attribute)
  // Whose id is asked for and who is not there, is not made by being asked for.
  if (sub === undefined || sub.mutability !== 'readWrite') return undefined
  return { [sub.name]: readOne(sub, filter.value) }
}

function without(value: Value, name: string): Value {
  const { [name]: _gone, ...rest } = value
  return rest
}
