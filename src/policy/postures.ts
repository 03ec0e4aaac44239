/** Does a device meet a posture? (policy.md §12) */

import type { Assertion, AttributeValue, Policy } from './policy.ts'

export type Attributes = ReadonlyMap<string, AttributeValue>

/** Attributes that are compared part by part, as versions. */
const VERSIONS: ReadonlySet<string> = new Set(['node:osVersion', 'node:tsVersion'])

/** One of the postures is enough; a posture is met when all of its assertions hold. None asked for: met. */
export function meetsOne(policy: Policy, postures: readonly string[], attributes: Attributes): boolean {
  return (
    postures.length === 0 ||
    postures.some((name) => policy.postures.get(name)?.assertions.every((a) => holds(a, attributes)) ?? false)
  )
}

/** Does a rule ask for a posture that asserts something of this attribute? */
export function asksAbout(policy: Policy, attribute: string): boolean {
  return assertionsOf(policy, attribute).length > 0
}

/** The numbers that rules compare this attribute with. */
export function comparedWith(policy: Policy, attribute: string): number[] {
  return assertionsOf(policy, attribute).flatMap((assertion) =>
    'value' in assertion && typeof assertion.value === 'number' ? [assertion.value] : [],
  )
}

function assertionsOf({ rules, ssh, postures }: Policy, attribute: string): readonly Assertion[] {
  const names = new Set([...rules, ...ssh].flatMap((rule) => rule.postures))
  return [...names].flatMap(
    (name) => postures.get(name)?.assertions.filter((assertion) => assertion.attribute === attribute) ?? [],
  )
}

/** An attribute that is not set satisfies `NOT SET` only. */
export function holds(assertion: Assertion, attributes: Attributes): boolean {
  const value = attributes.get(assertion.attribute)
  if (assertion.op === 'NOT SET') return value === undefined
  if (value === undefined) return false
  switch (assertion.op) {
    case 'IS SET':
      return true
    case 'IN':
      return assertion.values.some((wanted) => equal(assertion.attribute, value, wanted))
    case 'NOT IN':
      return !assertion.values.some((wanted) => equal(assertion.attribute, value, wanted))
    case '==':
      return equal(assertion.attribute, value, assertion.value)
    case '!=':
      return !equal(assertion.attribute, value, assertion.value)
    case '<':
    case '<=':
    case '>':
    case '>=': {
      const order = compare(assertion.attribute, value, assertion.value)
      if (order === undefined) return false
      if (assertion.op === '<') return order < 0
      if (assertion.op === '<=') return order <= 0
      return assertion.op === '>' ? order > 0 : order >= 0
    }
    default:
      return false
  }
}

function equal(attribute: string, value: AttributeValue, wanted: AttributeValue): boolean {
  if (VERSIONS.has(attribute)) return compare(attribute, value, wanted) === 0
  return value === wanted
}

/** `undefined`: the two have no order. */
function compare(attribute: string, value: AttributeValue, wanted: AttributeValue): number | undefined {
  if (VERSIONS.has(attribute)) return compareVersions(String(value), String(wanted))
  return typeof value === 'number' && typeof wanted === 'number' ? value - wanted : undefined
}

/** Numbers by value, other text by its letters; what one version leaves out counts as 0. `1.30` is below `1.102`. */
function compareVersions(a: string, b: string): number {
  const [x, y] = [parts(a), parts(b)]
  for (let i = 0; i < Math.max(x.length, y.length); i++) {
    const [left, right] = [x[i] ?? '0', y[i] ?? '0']
    const order =
      /^\d+$/.test(left) && /^\d+$/.test(right)
        ? left.replace(/^0+/, '').length - right.replace(/^0+/, '').length || Number(left) - Number(right)
        : left === right
          ? 0
          : left < right
            ? -1
            : 1
    if (order !== 0) return order
  }
  return 0
}

/** What follows the numbers, such as `-t1234abc`, is a build and not part of the version. */
function parts(version: string): string[] {
  return version.replace(/^v/, '').split('-')[0]?.split('.') ?? []
}
