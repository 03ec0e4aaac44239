/**
 * HTTP/1 as text: the requests that the server sends inside of its messages, and the answers that go back inside of ours
 * (control.md §11.2). One request, whole, of a size that the message around it has bounded.
 */

import { concat, textOf, utf8 } from '../../base/bytes.ts'
import type { Bytes } from '../../base/bytes.ts'

export interface RawRequest {
  readonly method: string
  /** From the first slash on, without the query, percent signs as they came. */
  readonly path: string
  /** Decoded; of several values the first. */
  readonly query: ReadonlyMap<string, string>
  /** By lower-case name; of several the first. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: Bytes
}

export interface RawResponse {
  readonly status: number
  /** Empty: there is no body. */
  readonly type: string
  readonly body: Bytes
}

const HEAD_MAX = 16_384
const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  204: 'No Content',
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  500: 'Internal Server Error',
  501: 'Not Implemented',
}

/** `undefined` for what is no request, or not all of one. */
export function readRequest(raw: Bytes): RawRequest | undefined {
  const end = headEnd(raw)
  const head = end < 0 ? undefined : textOf(raw.subarray(0, end))
  if (head === undefined) return undefined
  const [first = '', ...lines] = head.split('\r\n')
  const [, method, target] = /^([A-Z]{1,16}) (\/[!-~]*) HTTP\/1\.[01]$/.exec(first) ?? []
  if (method === undefined || target === undefined) return undefined
  const headers = new Map<string, string>()
  for (const line of lines) {
    const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*$/.exec(line) ?? []
    if (name === undefined || value === undefined) return undefined
    const key = name.toLowerCase()
    if (!headers.has(key)) headers.set(key, value)
  }
  const body = bodyOf(raw.subarray(end + 4), headers)
  if (body === undefined) return undefined
  const at = target.indexOf('?')
  return {
    method,
    path: at < 0 ? target : target.slice(0, at),
    query: queryOf(at < 0 ? '' : target.slice(at + 1)),
    headers,
    body,
  }
}

export function writeResponse({ status, type, body }: RawResponse): Uint8Array {
  const lines = [
    `HTTP/1.1 ${status} ${REASONS[status] ?? 'Unknown'}`,
    ...(type === '' ? [] : [`Content-Type: ${type}`]),
    ...(status === 204 ? [] : [`Content-Length: ${body.length}`]),
    'Connection: close',
  ]
  return concat([utf8(`${lines.join('\r\n')}\r\n\r\n`), status === 204 ? new Uint8Array(0) : body])
}

function headEnd(raw: Bytes): number {
  for (let i = 0; i + 3 < raw.length && i < HEAD_MAX; i++)
    if (raw[i] === 13 && raw[i + 1] === 10 && raw[i + 2] === 13 && raw[i + 3] === 10) return i
  return -1
}

/** By its length, or in chunks: Go writes those when it does not know the length beforehand. */
function bodyOf(rest: Bytes, headers: ReadonlyMap<string, string>): Bytes | undefined {
  const coding = headers.get('transfer-encoding')
  if (coding !== undefined) return coding.toLowerCase() === 'chunked' ? chunksOf(rest) : undefined
  const length = headers.get('content-length') ?? '0'
  if (!/^\d{1,9}$/.test(length) || Number(length) > rest.length) return undefined
  return rest.subarray(0, Number(length))
}

function chunksOf(bytes: Bytes): Bytes | undefined {
  const parts: Bytes[] = []
  for (let at = 0; ;) {
    const line = textOf(bytes.subarray(at, at + 10)) ?? ''
    const [head, size] = /^([0-9a-fA-F]{1,6})\r\n/.exec(line) ?? []
    if (head === undefined || size === undefined) return undefined
    const length = Number.parseInt(size, 16)
    at += head.length
    if (length === 0) return concat(parts)
    if (at + length + 2 > bytes.length) return undefined
    parts.push(bytes.subarray(at, at + length))
    at += length + 2
  }
}

function queryOf(text: string): Map<string, string> {
  const query = new Map<string, string>()
  for (const part of text.split('&')) {
    const at = part.indexOf('=')
    const [name, value] = at < 0 ? [part, ''] : [part.slice(0, at), part.slice(at + 1)]
    const [key, decoded] = [decode(name), decode(value)]
    if (key !== undefined && key !== '' && decoded !== undefined && !query.has(key)) query.set(key, decoded)
  }
  return query
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}
