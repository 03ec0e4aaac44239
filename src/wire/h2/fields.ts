/** What a header list must be to be a request, a response or trailers; and what we may send. (RFC 9113 §8.2, §8.3) */

import { MeshError } from '../../base/errors.ts'
import type { Field } from './hpack.ts'

export type RequestHead = {
  readonly method: string
  /** Empty for CONNECT only. */
  readonly path: string
  readonly scheme: string
  /** From `:authority`, else from `host`, else empty. Anything may stand here. */
  readonly authority: string
  /** Without the pseudo-headers, in the order of arrival; a name may repeat. */
  readonly headers: readonly Field[]
  /** From `content-length`. */
  readonly length: number | undefined
}

export type ResponseHead = {
  readonly status: number
  readonly headers: readonly Field[]
  readonly length: number | undefined
}

/** Fields that speak of an HTTP/1.1 connection. (RFC 9113 §8.2.2) */
const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
])

/** RFC 9110 §5.6.2 `token`, lowercase only. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/
const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
// oxlint-disable-next-line no-control-regex
const BAD_VALUE = /[\0\r\n]|^[ \t]|[ \t]$/
// oxlint-disable-next-line no-control-regex
const BAD_PATH = /[\0- \x7f]/

/** The request in a header list, or why it is none. */
export function readRequest(fields: readonly Field[]): RequestHead | string {
  const list = split(fields, REQUEST_PSEUDO)
  if (typeof list === 'string') return list
  const { pseudo, headers, length } = list
  const method = pseudo.get(':method')
  const path = pseudo.get(':path')
  const scheme = pseudo.get(':scheme')
  const authority = pseudo.get(':authority') ?? headers.find(([name]) => name === 'host')?.[1] ?? ''
  if (method === undefined || !METHOD.test(method)) return 'no method'
  if (method === 'CONNECT') {
    if (path !== undefined || scheme !== undefined || !pseudo.has(':authority'))
      return 'CONNECT wants an authority only'
    return { method, path: '', scheme: '', authority, headers, length }
  }
  if (scheme === undefined || scheme === '') return 'no scheme'
  if (path === undefined || BAD_PATH.test(path)) return 'no path'
  if (!path.startsWith('/') && !(path === '*' && method === 'OPTIONS')) return 'path is not absolute'
  return { method, path, scheme, authority, headers, length }
}

/** The response in a header list, or why it is none. */
export function readResponse(fields: readonly Field[]): ResponseHead | string {
  const list = split(fields, RESPONSE_PSEUDO)
  if (typeof list === 'string') return list
  const status = list.pseudo.get(':status')
  // 101 has no meaning in HTTP/2. (RFC 9113 §8.6)
  if (status === undefined || !/^[1-9]\d\d$/.test(status) || status === '101') return 'no status'
  return { status: Number(status), headers: list.headers, length: list.length }
}

/** Why these fields can't be trailers, or `undefined` when they can. */
export function checkTrailers(fields: readonly Field[]): string | undefined {
  const list = split(fields, NO_PSEUDO)
  return typeof list === 'string' ? list : undefined
}

/**
 * Checks fields that we are about to send: a value with a line break in it is a mistake that must not reach a peer.
 *
 * @throws MeshError `h2/protocol`
 */
export function checkOwn(fields: readonly Field[]): void {
  for (const [name, value] of fields) {
    const wrong = fieldFault(name, value)
    if (wrong !== undefined || /[^\0-\xff]/.test(value))
      throw new MeshError('h2/protocol', `Cannot send header "${name}": ${wrong ?? 'value is beyond latin1'}`)
  }
}

const REQUEST_PSEUDO: readonly string[] = [':method', ':scheme', ':authority', ':path']
const RESPONSE_PSEUDO: readonly string[] = [':status']
const NO_PSEUDO: readonly string[] = []

type Split = {
  readonly pseudo: ReadonlyMap<string, string>
  readonly headers: readonly Field[]
  readonly length: number | undefined
}

function split(fields: readonly Field[], allowed: readonly string[]): Split | string {
  const pseudo = new Map<string, string>()
  let length: number | undefined
  let i = 0
  for (; i < fields.length; i++) {
    const [name, value] = fields[i] as Field
    if (!name.startsWith(':')) break
    if (!allowed.includes(name)) return 'unknown pseudo-header'
    if (pseudo.has(name)) return 'repeated pseudo-header'
    if (BAD_VALUE.test(value)) return 'malformed pseudo-header'
    pseudo.set(name, value)
  }
  const headers = fields.slice(i)
  for (const [name, value] of headers) {
    const wrong = fieldFault(name, value)
    if (wrong !== undefined) return wrong
    if (name !== 'content-length') continue
    if (!/^\d{1,15}$/.test(value) || (length !== undefined && length !== Number(value))) return 'bad content-length'
    length = Number(value)
  }
  return { pseudo, headers, length }
}

function fieldFault(name: string, value: string): string | undefined {
  if (name.startsWith(':')) return 'pseudo-header after a header'
  if (!NAME.test(name)) return 'malformed header name'
  if (BAD_VALUE.test(value)) return 'malformed header value'
  if (CONNECTION_FIELDS.has(name)) return 'connection-specific header'
  if (name === 'te' && value !== 'trailers') return 'te other than trailers'
  return undefined
}
