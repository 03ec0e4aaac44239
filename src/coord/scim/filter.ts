/**
 * Filters of SCIM: read from text, and asked of a resource. The whole grammar of RFC 7644 §3.4.2.2, since PATCH uses it
 * as well; names and operators count in any case.
 *
 *   filter = and *("or" and)      and = term *("and" term)      term = "not" "(" filter ")" | "(" filter ")" | test
 *   test   = path "pr" | path operator value | path "[" filter "]"
 */

import { invalid, quoted } from './refusal.ts'
import { isObject } from './schema.ts'

const COMPARISONS = ['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le'] as const
type Comparison = (typeof COMPARISONS)[number]
type Scalar = string | number | boolean | null

export type Filter =
  | { readonly kind: 'and' | 'or'; readonly left: Filter; readonly right: Filter }
  | { readonly kind: 'not'; readonly of: Filter }
  | { readonly kind: 'present'; readonly path: Path }
  | { readonly kind: 'compare'; readonly path: Path; readonly by: Comparison; readonly value: Scalar }
  /** Some value of the attribute meets the filter. */
  | { readonly kind: 'has'; readonly path: Path; readonly of: Filter }

/** An attribute and perhaps one of its own: `name.givenName`. A schema before it is not kept. */
export interface Path {
  /** URN of the schema that was written before it. */
  readonly schema?: string
  readonly attribute: string
  readonly sub?: string
}

/** `emails[type eq "work"].value`, as PATCH writes it. */
export interface Target extends Path {
  readonly filter?: Filter
}

const TEXT_MAX = 2048
const DEPTH_MAX = 16
/** Attributes whose values count as they are written. (RFC 7643 §3.1, §7) */
const EXACT: ReadonlySet<string> = new Set(['id', 'externalid'])

type Token = { readonly kind: 'word' | 'text' | 'sign'; readonly text: string }

/** @throws ScimRefusal `invalidFilter` */
export function parseFilter(text: string): Filter {
  const reader = new Reader(text, 'invalidFilter')
  const filter = reader.filter(0)
  reader.end()
  return filter
}

/** @throws ScimRefusal `invalidPath` */
export function parseTarget(text: string): Target {
  const reader = new Reader(text, 'invalidPath')
  const target = reader.target()
  reader.end()
  return target
}

export function parsePath(text: string): Path | undefined {
  // The attribute is what stands behind the last colon: a version such as 2.0 is part of the schema.
  const colon = text.lastIndexOf(':')
  const [attribute = '', sub, ...more] = text.slice(colon + 1).split('.')
  const isName = (name: string): boolean => /^[$A-Za-z][\w$-]{0,63}$/.test(name)
  if (!isName(attribute) || (sub !== undefined && !isName(sub)) || more.length > 0) return undefined
  return {
    ...(colon < 0 ? {} : { schema: text.slice(0, colon) }),
    attribute,
    ...(sub === undefined ? {} : { sub }),
  }
}

class Reader {
  readonly #tokens: readonly Token[]
  readonly #as: 'invalidFilter' | 'invalidPath'
  #at = 0

  constructor(text: string, as: 'invalidFilter' | 'invalidPath') {
    this.#as = as
    if (text.length > TEXT_MAX) throw invalid(`Cannot read it: it is longer than ${TEXT_MAX} characters`, as)
    const tokens: Token[] = []
    const scanner = /\s*(?:("(?:[^"\\]|\\.)*")|([()[\]])|([^\s()[\]"]+))/gy
    let end = 0
    for (const m of text.matchAll(scanner)) {
      end = m.index + m[0].length
      if (m[1] !== undefined) tokens.push({ kind: 'text', text: m[1] })
      else if (m[2] !== undefined) tokens.push({ kind: 'sign', text: m[2] })
      else tokens.push({ kind: 'word', text: m[3] as string })
    }
    if (text.slice(end).trim() !== '') throw invalid(`Cannot read ${quoted(text.slice(end))}`, as)
    this.#tokens = tokens
  }

  filter(depth: number): Filter {
    if (depth > DEPTH_MAX) throw invalid(`Cannot read it: it is nested deeper than ${DEPTH_MAX}`, this.#as)
    let left = this.#all(depth)
    while (this.#takeWord('or')) left = { kind: 'or', left, right: this.#all(depth) }
    return left
  }

  target(): Target {
    const path = this.#path()
    if (!this.#takeSign('[')) return path
    const filter = this.filter(0)
    this.#want(']')
    const rest = this.#next()
    if (rest === undefined) return { ...path, filter }
    const sub = /^\.([$A-Za-z][\w$-]{0,63})$/.exec(rest.text)?.[1]
    if (sub === undefined || path.sub !== undefined) throw this.#stray(rest)
    return { ...path, filter, sub }
  }

  end(): void {
    const rest = this.#next()
    if (rest !== undefined) throw this.#stray(rest)
  }

  #all(depth: number): Filter {
    let left = this.#term(depth)
    while (this.#takeWord('and')) left = { kind: 'and', left, right: this.#term(depth) }
    return left
  }

  #term(depth: number): Filter {
    const isNot = this.#takeWord('not')
    if (this.#takeSign('(')) {
      const of = this.filter(depth + 1)
      this.#want(')')
      return isNot ? { kind: 'not', of } : of
    }
    if (isNot) throw invalid('Cannot read it: want "(" after "not"', this.#as)
    const path = this.#path()
    if (this.#takeSign('[')) {
      const of = this.filter(depth + 1)
      this.#want(']')
      return { kind: 'has', path, of }
    }
    const word = this.#next()
    const operator = word?.text.toLowerCase()
    if (operator === 'pr') return { kind: 'present', path }
    const by = COMPARISONS.find((one) => one === operator)
    if (by === undefined) throw this.#stray(word)
    return { kind: 'compare', path, by, value: this.#value() }
  }

  #path(): Path {
    const token = this.#next()
    const path = token?.kind === 'word' ? parsePath(token.text) : undefined
    if (path === undefined) throw this.#stray(token)
    return path
  }

  #value(): Scalar {
    const token = this.#next()
    if (token === undefined || token.kind === 'sign') throw this.#stray(token)
    try {
      // Words are those of JSON, but for the case that Entra ID writes booleans in.
      const text = token.kind === 'word' ? token.text.toLowerCase() : token.text
      const value: unknown = JSON.parse(text)
      if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return value as Scalar
    } catch {
      // Told below.
    }
    throw this.#stray(token)
  }

  #next(): Token | undefined {
    return this.#tokens[this.#at++]
  }

  #takeWord(word: string): boolean {
    const token = this.#tokens[this.#at]
    if (token?.kind !== 'word' || token.text.toLowerCase() !== word) return false
    this.#at++
    return true
  }

  #takeSign(sign: string): boolean {
    const token = this.#tokens[this.#at]
    if (token?.kind !== 'sign' || token.text !== sign) return false
    this.#at++
    return true
  }

  #want(sign: string): void {
    if (!this.#takeSign(sign)) throw this.#stray(this.#tokens[this.#at], sign)
  }

  #stray(token: Token | undefined, want?: string) {
    const wanted = want === undefined ? '' : `, want ${quoted(want)}`
    return invalid(
      token === undefined ? `Cannot read it: it ends too early${wanted}` : `Cannot read ${quoted(token.text)}${wanted}`,
      this.#as,
    )
  }
}

/** Does a resource, or one value of an attribute, meet the filter? */
export function matches(filter: Filter, value: unknown): boolean {
  switch (filter.kind) {
    case 'and':
      return matches(filter.left, value) && matches(filter.right, value)
    case 'or':
      return matches(filter.left, value) || matches(filter.right, value)
    case 'not':
      return !matches(filter.of, value)
    case 'present':
      return valuesAt(value, filter.path).some(isPresent)
    case 'has':
      return valuesAt(value, filter.path).some((one) => matches(filter.of, one))
    case 'compare': {
      const { path, by, value: wanted } = filter
      const isExact = EXACT.has((path.sub ?? path.attribute).toLowerCase())
      const values = valuesAt(value, path).map((one) => (isObject(one) ? memberOf(one, 'value') : one))
      if (by === 'ne') return !values.some((one) => compares('eq', one, wanted, isExact))
      return values.some((one) => compares(by, one, wanted, isExact))
    }
  }
}

function valuesAt(value: unknown, { attribute, sub }: Path): unknown[] {
  const values = listOf(isObject(value) ? memberOf(value, attribute) : undefined)
  return sub === undefined ? values : values.flatMap((one) => listOf(isObject(one) ? memberOf(one, sub) : undefined))
}

function listOf(value: unknown): unknown[] {
  return value === undefined || value === null ? [] : Array.isArray(value) ? (value as unknown[]) : [value]
}

function memberOf(value: { readonly [name: string]: unknown }, name: string): unknown {
  if (Object.hasOwn(value, name)) return value[name]
  const lower = name.toLowerCase()
  const key = Object.keys(value).find((one) => one.toLowerCase() === lower)
  return key === undefined ? undefined : value[key]
}

function isPresent(value: unknown): boolean {
  return value !== '' && !(isObject(value) && Object.keys(value).length === 0)
}

function compares(by: Comparison, value: unknown, wanted: Scalar, isExact: boolean): boolean {
  if (typeof value !== typeof wanted) return false
  const [a, b] =
    typeof value === 'string' && !isExact ? [value.toLowerCase(), (wanted as string).toLowerCase()] : [value, wanted]
  if (by === 'eq') return a === b
  if (typeof a === 'string' && typeof b === 'string') {
    if (by === 'co') return a.includes(b)
    if (by === 'sw') return a.startsWith(b)
    if (by === 'ew') return a.endsWith(b)
  }
  if (typeof a === 'boolean' || a === null || b === null) return false
  const [x, y] = [a as string | number, b as string | number]
  return by === 'gt' ? x > y : by === 'ge' ? x >= y : by === 'lt' ? x < y : by === 'le' ? x <= y : false
}
