/** Values that a policy hands on unread, such as those of application capabilities: as JSON has them. */

import type { HuValue } from '../hujson/index.ts'
import { isString, unquote } from '../hujson/literal.ts'
import { childAt } from '../hujson/walk.ts'
import type { Pace, Steps } from '../steps.ts'
import type { PolicyRefusal } from './refusal.ts'

/** They are no deeper than this, so that whoever walks them may recurse. */
const MAX_DEPTH = 100

interface Open {
  readonly value: HuValue
  readonly holder: unknown[] | Record<string, unknown>
  next: number
}

/**
 * Builds the value without recursion, first to last. Of members of one name the last counts, as for any JSON reader,
 * and names such as `__proto__` are names like others.
 *
 * @param refusal of a fact about the value
 */
export function* readOpaque(root: HuValue, pace: Pace, refusal: (fact: string) => PolicyRefusal): Steps<unknown> {
  const opened: Open[] = []
  const make = (value: HuValue): unknown => {
    const { node } = value
    if (node.kind === 'literal') return scalar(node.text, refusal)
    if (opened.length === MAX_DEPTH) throw refusal(`must not be nested deeper than ${MAX_DEPTH} levels`)
    const holder: Open['holder'] = node.kind === 'array' ? [] : {}
    opened.push({ value, holder, next: 0 })
    return holder
  }
  const made = make(root)
  for (let inside = opened.at(-1); inside !== undefined; inside = opened.at(-1)) {
    if (pace.spent()) yield
    const { holder } = inside
    const { node } = inside.value
    const child = childAt(node, inside.next++)
    if (child === undefined) opened.pop()
    else if (Array.isArray(holder)) holder.push(make(child))
    else put(holder, nameOf(child), make(childAt(node, inside.next++) as HuValue))
  }
  return made
}

function put(holder: Record<string, unknown>, name: string, value: unknown): void {
  // An assignment would set the prototype instead.
  if (name === '__proto__')
    Object.defineProperty(holder, name, { value, writable: true, enumerable: true, configurable: true })
  else holder[name] = value
}

function scalar(literal: string, refusal: (fact: string) => PolicyRefusal): unknown {
  if (literal === 'null') return null
  if (literal === 'true' || literal === 'false') return literal === 'true'
  return isString(literal) ? textOf(literal) : finite(literal, refusal)
}

/** A number that JSON can hand on: a larger one would come out as null. */
export function finite(literal: string, refusal: (fact: string) => PolicyRefusal): number {
  const number = Number(literal)
  if (!Number.isFinite(number)) throw refusal(`${literal} is too large a number`)
  return number
}

function nameOf({ node }: HuValue): string {
  return node.kind === 'literal' ? textOf(node.text) : ''
}

/** Half a surrogate pair that is written as an escape is handed on as one. */
function textOf(literal: string): string {
  return literal.includes('\\u') ? (JSON.parse(literal.toWellFormed()) as string) : unquote(literal)
}
