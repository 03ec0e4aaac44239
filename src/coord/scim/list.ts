/** Lists of resources: filtered, page by page, with the attributes that were asked for. (RFC 7644 §3.4.2, §3.9) */

import { matches, parseFilter, parsePath } from './filter.ts'
import type { Filter, Path } from './filter.ts'
import { invalid } from './refusal.ts'
import { isObject } from './schema.ts'
import type { Draft } from './schema.ts'

export const LIST_URN = 'urn:ietf:params:scim:api:messages:2.0:ListResponse'
/** Okta asks for 100 at once, and Entra ID takes what it is given. */
const PAGE = 100
export const PAGE_MAX = 1000
const ATTRIBUTES_MAX = 50
/** What every answer has. (RFC 7643 §7, `returned`) */
const ALWAYS: ReadonlySet<string> = new Set(['schemas', 'id'])

export interface Asked {
  readonly filter: Filter | undefined
  readonly start: number
  readonly count: number
  readonly shown: Shown
}

/** Which attributes of a resource are answered. */
export interface Shown {
  readonly only?: readonly Path[]
  readonly but?: readonly Path[]
}

export function readAsked(query: URLSearchParams): Asked {
  const filter = query.get('filter') ?? ''
  return {
    filter: filter.trim() === '' ? undefined : parseFilter(filter),
    // Less than one is taken for one, and less than none for none. (RFC 7644 §3.4.2.4)
    start: Math.max(1, readNumber(query, 'startIndex', 1)),
    count: Math.min(PAGE_MAX, Math.max(0, readNumber(query, 'count', PAGE))),
    shown: readShown(query),
  }
}

/** A search is a query that comes as a body. (RFC 7644 §3.4.3) */
export function searchQuery(body: unknown): URLSearchParams {
  if (!isObject(body)) throw invalid('Want a JSON object', 'invalidSyntax')
  const query = new URLSearchParams()
  for (const name of ['filter', 'startIndex', 'count', 'attributes', 'excludedAttributes']) {
    const value = body[name]
    if (typeof value === 'string' || typeof value === 'number') query.set(name, String(value))
    else if (Array.isArray(value) && value.every((one) => typeof one === 'string')) query.set(name, value.join())
    else if (value !== undefined && value !== null) throw invalid(`${name}: want a text, a number or a list of texts`)
  }
  return query
}

export function readShown(query: URLSearchParams): Shown {
  const only = readPaths(query.get('attributes'))
  const but = readPaths(query.get('excludedAttributes'))
  return { ...(only.length === 0 ? {} : { only }), ...(but.length === 0 ? {} : { but }) }
}

function readNumber(query: URLSearchParams, name: string, otherwise: number): number {
  const text = query.get(name)
  if (text === null || text === '') return otherwise
  if (!/^-?\d{1,9}$/.test(text)) throw invalid(`${name}: want a number`)
  return Number(text)
}

function readPaths(text: string | null): Path[] {
  const names = (text ?? '').split(',').filter((name) => name.trim() !== '')
  if (names.length > ATTRIBUTES_MAX) throw invalid(`want at most ${ATTRIBUTES_MAX} attributes`)
  return names.map((name) => {
    const path = parsePath(name.trim())
    if (path === undefined) throw invalid('attributes: want names of attributes', 'invalidPath')
    return path
  })
}

/** Does the filter ask for this attribute, or might it? */
export function asksFor(filter: Filter | undefined, attribute: string): boolean {
  if (filter === undefined) return false
  switch (filter.kind) {
    case 'and':
    case 'or':
      return asksFor(filter.left, attribute) || asksFor(filter.right, attribute)
    case 'not':
      return asksFor(filter.of, attribute)
    default:
      return filter.path.attribute.toLowerCase() === attribute
  }
}

export function isShown({ only, but }: Shown, attribute: string): boolean {
  const names = (path: Path): boolean => path.attribute.toLowerCase() === attribute
  return only === undefined ? but?.some((path) => names(path) && path.sub === undefined) !== true : only.some(names)
}

/**
 * @param view makes the resource to look at, and later the one to answer
 */
export function listPage<T>(all: readonly T[], { filter, start, count, shown }: Asked, views: Views<T>): object {
  const found = filter === undefined ? all : all.filter((one) => matches(filter, views.toMatch(one)))
  const page = found.slice(start - 1, start - 1 + count)
  return {
    schemas: [LIST_URN],
    totalResults: found.length,
    startIndex: start,
    itemsPerPage: page.length,
    Resources: views.toShow(page).map((resource) => show(resource, shown)),
  }
}

export interface Views<T> {
  /** As far as the filter asks. */
  toMatch(one: T): Draft
  toShow(page: readonly T[]): readonly Draft[]
}

/** The resource with the attributes that were asked for. */
export function show(resource: Draft, { only, but }: Shown): Draft {
  if (only === undefined && but === undefined) return resource
  const shown: Draft = {}
  for (const [name, value] of Object.entries(resource)) {
    const mine = (only ?? but ?? []).filter((path) => path.attribute.toLowerCase() === name.toLowerCase())
    const subs = mine.map(({ sub }) => sub?.toLowerCase())
    const isWhole = subs.includes(undefined)
    if (ALWAYS.has(name)) shown[name] = value
    else if (only === undefined) {
      if (!isWhole) shown[name] = subs.length === 0 ? value : parts(value, (sub) => !subs.includes(sub))
    } else if (mine.length > 0) shown[name] = isWhole ? value : parts(value, (sub) => subs.includes(sub))
  }
  return shown
}

function parts(value: unknown, keeps: (sub: string) => boolean): unknown {
  if (Array.isArray(value)) return value.map((one) => parts(one, keeps))
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).filter(([name]) => keeps(name.toLowerCase())))
}
