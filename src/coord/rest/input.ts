/**
 * Reads what a request carries against its route's schemas. What comes out has the schema's type; what does not
 * fit is refused with the place and what was wanted there, and never with what stood there.
 */

import * as z from 'zod'
import { textOf } from '../../base/bytes.ts'
import { Gathered } from '../../base/gather.ts'
import { DEFAULT_MAX_BODY } from '../../wire/api/route.ts'
import type { RouteShape } from '../../wire/api/route.ts'
import { routes } from '../../wire/api/routes.ts'
import type { RouteId } from '../../wire/api/routes.ts'
import { done, refuse } from './answer.ts'
import type { Answer } from './answer.ts'

export interface AnyInput {
  readonly params: Record<string, unknown>
  readonly query: unknown
  readonly headers: unknown
  readonly body: unknown
}

/** An id that cannot be one is simply not found. */
export function readParams(id: RouteId, raw: Readonly<Record<string, string>>): Answer<Record<string, unknown>> {
  const parsed = (routes[id] as RouteShape).params.safeParse(raw)
  return parsed.success ? done(parsed.data) : refuse(404, `Not found: ${explain(parsed.error)}`)
}

export async function readInput(
  id: RouteId,
  params: Record<string, unknown>,
  url: URL,
  request: Request,
): Promise<Answer<AnyInput>> {
  const shape: RouteShape = routes[id]
  const query = shape.query?.safeParse(queryOf(url))
  if (query?.success === false) return refuse(400, `Cannot read the query: ${explain(query.error)}`)
  const headers = shape.headers?.safeParse(Object.fromEntries(request.headers))
  if (headers?.success === false) return refuse(400, `Cannot read the headers: ${explain(headers.error)}`)
  const head = { params, query: query?.data ?? {}, headers: headers?.data ?? {} }
  if (shape.body === undefined) return done({ ...head, body: undefined })

  const max = shape.maxBody ?? DEFAULT_MAX_BODY
  const bytes = await readBody(request, max)
  if (bytes === 'cut-off') return refuse(400, 'Cannot read the request: it ended before its body did')
  if (bytes === 'too-long') return refuse(413, `The request is larger than ${max} bytes`)
  const text = textOf(bytes)
  if (text === undefined) return refuse(400, 'Cannot read the request: its body is not UTF-8')
  const value = READ[shape.takes ?? 'json'](text)
  if (value === undefined)
    return refuse(400, `Cannot read the request: its body is not ${WANTED[shape.takes ?? 'json']}`)
  const body = shape.body.safeParse(value.value)
  if (!body.success) return refuse(400, `Cannot read the request: ${explain(body.error)}`)
  return done({ ...head, body: body.data })
}

/** Each member once as a text, or several times as a list. */
function queryOf(url: URL): Record<string, string | string[]> {
  const query = new Map<string, string | string[]>()
  for (const key of new Set(url.searchParams.keys())) {
    const values = url.searchParams.getAll(key)
    query.set(key, values.length === 1 ? (values[0] as string) : values)
  }
  return Object.fromEntries(query)
}

/** The whole body; `too-long` as soon as that is known, `cut-off` when the caller goes before it has sent all. */
async function readBody(request: Request, max: number): Promise<Uint8Array | 'too-long' | 'cut-off'> {
  if (Number(request.headers.get('content-length') ?? 0) > max) return 'too-long'
  const body = new Gathered()
  try {
    for await (const part of request.body ?? []) {
      if (body.length + part.length > max) return 'too-long'
      body.add(part)
    }
  } catch {
    return 'cut-off'
  }
  return body.bytes()
}

const READ = { json: parseJson, hujson: (text: string) => ({ value: text }), form: parseForm } as const
const WANTED = { json: 'JSON', hujson: 'a text', form: 'a form in which each field stands once' } as const

/** RFC 6749 §3.2: no field may stand twice, since somebody on the way may have read the other one. */
function parseForm(text: string): { readonly value: unknown } | undefined {
  const fields = new URLSearchParams(text)
  const value = Object.fromEntries(fields)
  return Object.keys(value).length === fields.size ? { value } : undefined
}

/** An empty body says nothing, which is what an empty object says. */
function parseJson(text: string): { readonly value: unknown } | undefined {
  if (text.trim() === '') return { value: {} }
  try {
    return { value: JSON.parse(text) as unknown }
  } catch {
    return undefined
  }
}

/** The first thing that is wrong, and where. */
function explain(error: z.ZodError): string {
  const [issue] = error.issues
  if (issue === undefined) return 'not as wanted'
  // Names of members come from the request; long ones say nothing to anybody.
  const place = issue.path.map((part) => String(part).slice(0, 64)).join('.')
  const wanted = wantedOf(issue)
  return place === '' ? wanted : `${place}: ${wanted}`
}

/** Lengths and limits in words of our own; the rest as the schema says it. */
function wantedOf(issue: z.core.$ZodIssue): string {
  if (issue.code !== 'too_big' && issue.code !== 'too_small') return issue.message
  const [limit, end] = issue.code === 'too_big' ? [issue.maximum, 'at most'] : [issue.minimum, 'at least']
  const of = { string: 'character', array: 'item', set: 'item' }[issue.origin as string]
  return `want ${end} ${limit}${of === undefined ? '' : ` ${of}${Number(limit) === 1 ? '' : 's'}`}`
}
