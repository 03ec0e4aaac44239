/**
 * The REST API as functions: one for each route, typed by the same schemas that the server checks with.
 *
 *   const sett = createClient({ url: 'https://sett.example.com', token })
 *   const { devices } = await sett.listDevices({ tailnet: '-', fields: 'all' })
 *   await sett.setDeviceName({ deviceId: devices[0].nodeId, body: { name: 'web' } })
 *
 * Members of path and query go in by name, a request's body as `body`, headers that count as `headers`. A policy is a
 * text on its way in, and on its way out a text and its ETag.
 */

import { utf8 } from '../base/bytes.ts'
import { MeshError } from '../base/errors.ts'
import { Secret } from '../base/secret.ts'
import type { Problem } from '../wire/api/objects.ts'
import { BASE_PATH, DEFAULT_MAX_BODY, FORM, HUJSON } from '../wire/api/route.ts'
import type { RouteShape } from '../wire/api/route.ts'
import { ROUTE_IDS, routes } from '../wire/api/routes.ts'
import type { BodyInput, HeadersInput, Params, QueryInput, Reply, RouteId } from '../wire/api/routes.ts'

/** As much of `fetch` as the client needs; what carries requests elsewhere than over the network looks like this. */
export type Fetch = (
  url: string,
  request: { readonly method: string; readonly headers: Record<string, string>; readonly body?: string },
) => Promise<FetchAnswer>
export interface FetchAnswer {
  readonly status: number
  readonly headers: { get(name: string): string | null }
  text(): Promise<string>
}

export interface ClientOptions {
  /** Where the server is, without `/api/v2`; a path before that is kept. */
  readonly url: string
  /** Absent where the transport itself says who is calling. */
  readonly token?: Secret | string
  readonly fetch?: Fetch
}

type Given<Id extends RouteId> = Params<Id> &
  QueryInput<Id> &
  (BodyInput<Id> extends undefined ? object : { readonly body: BodyInput<Id> }) &
  (keyof HeadersInput<Id> extends never ? object : { readonly headers?: HeadersInput<Id> })
type Arguments<Id extends RouteId> = object extends Given<Id> ? [given?: Given<Id>] : [given: Given<Id>]

/** Each function resolves with the answer's body, and rejects with `Refused`, or `api/unreachable`. */
export type Client = { readonly [Id in RouteId]: (...args: Arguments<Id>) => Promise<Reply<Id>> }

/** The server's answer was no. */
export class Refused extends MeshError {
  readonly status: number
  readonly problem: Problem

  constructor(status: number, problem: Problem) {
    super('api/refused', problem.message)
    this.status = status
    this.problem = problem
  }
}

export function createClient(options: ClientOptions): Client {
  const call = (id: RouteId) => (given?: Readonly<Record<string, unknown>>) => send(options, id, given ?? {})
  return Object.fromEntries(ROUTE_IDS.map((id) => [id, call(id)])) as unknown as Client
}

async function send(options: ClientOptions, id: RouteId, given: Readonly<Record<string, unknown>>): Promise<unknown> {
  const shape: RouteShape = routes[id]
  const token = options.token instanceof Secret ? options.token.reveal() : options.token
  const base = options.url.replace(/\/+$/, '')
  const body = bodyOf(shape, given['body'])
  checkSize(shape, body)
  const carry: Fetch = options.fetch ?? ((url, request) => fetch(url, request))
  let answer: { readonly status: number; readonly text: string; readonly type: string; readonly etag: string }
  try {
    const got = await carry(`${base}${BASE_PATH}${pathOf(shape, given)}${queryOf(shape, given)}`, {
      method: shape.method,
      headers: {
        accept: shape.gives === undefined ? 'application/json' : HUJSON,
        ...(given['headers'] as Record<string, string> | undefined),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': TYPES[shape.takes ?? 'json'] }),
      },
      ...(body === undefined ? {} : { body }),
    })
    const { status, headers } = got
    const [type, etag] = [headers.get('content-type') ?? '', headers.get('etag') ?? '']
    answer = { status, type, etag, text: await got.text() }
  } catch (cause) {
    if (cause instanceof MeshError) throw cause
    throw new MeshError('api/unreachable', `Cannot reach the server at ${base}: ${reasonOf(cause)}`, { cause })
  }
  const isText = answer.status < 400 && shape.gives !== undefined && answer.type.startsWith(HUJSON)
  const reply = isText ? { text: answer.text, etag: answer.etag } : answer.text === '' ? undefined : parse(answer.text)
  if (answer.status >= 400) throw new Refused(answer.status, problemOf(reply, answer.status))
  if (shape.reply === undefined) return undefined
  if (reply === undefined && !(answer.text === '' && shape.reply.safeParse(undefined).success))
    throw new MeshError('api/unreachable', `What answers at ${base} is no Sett server: it sent no JSON`)
  const fits = shape.reply.safeParse(reply)
  if (!fits.success) {
    const { path = [], message } = fits.error.issues[0] ?? { message: 'not as wanted' }
    throw new MeshError(
      'api/unreachable',
      `What answers at ${base} is no Sett server that this program understands: ${['its answer', ...path].join('.')}: ${message}`,
    )
  }
  // As it came: members that only a newer server knows are passed on.
  return reply
}

function bodyOf(shape: RouteShape, given: unknown): string | undefined {
  if (shape.body === undefined) return undefined
  if (shape.takes === 'hujson') return given as string
  return shape.takes === 'form'
    ? new URLSearchParams(given as Record<string, string>).toString()
    : JSON.stringify(given ?? {})
}
const TYPES = { json: 'application/json', hujson: HUJSON, form: FORM } as const

/** Servers close the connection on what is too large while it is still being sent, so that their answer may be lost. */
function checkSize({ maxBody = DEFAULT_MAX_BODY, takes }: RouteShape, body = ''): void {
  // No character has more bytes than this.
  const size = body.length * 3 <= maxBody ? 0 : utf8(body).length
  if (size <= maxBody) return
  const what = takes === 'hujson' ? 'The policy' : 'The request'
  const remedy =
    takes !== 'hujson'
      ? ''
      : '. Put people into groups and addresses into hosts or ipsets, or take rules and comments out'
  throw new Refused(413, {
    message: `${what} is ${size} bytes, and ${maxBody} is the most that a server takes: it was not sent${remedy}`,
  })
}

function pathOf(shape: RouteShape, given: Readonly<Record<string, unknown>>): string {
  return shape.path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(given[name] as string))
}

function queryOf(shape: RouteShape, given: Readonly<Record<string, unknown>>): string {
  if (shape.query === undefined) return ''
  const inPath = new Set(Object.keys(shape.params.shape))
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(given)) {
    if (name === 'body' || name === 'headers' || inPath.has(name)) continue
    for (const text of [value ?? []].flat()) query.append(name, text as string)
  }
  return query.size === 0 ? '' : `?${query.toString()}`
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function problemOf(reply: unknown, status: number): Problem {
  const { message } = (reply ?? {}) as Partial<Problem>
  return typeof message === 'string' ? (reply as Problem) : { message: `The server answered with status ${status}` }
}

/** `fetch` says only that it failed; why stands in the cause. */
function reasonOf(error: unknown): string {
  const { cause, message } = error as Error
  return cause instanceof Error && cause.message !== '' ? cause.message : message
}
