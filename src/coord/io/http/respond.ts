/** Short answers over plain HTTP: everything the control server says outside Noise and REST. */

import type { ServerResponse } from 'node:http'

export const TEXT = 'text/plain; charset=utf-8'
export const JSON_TEXT = 'application/json'
export const HTML = 'text/html; charset=utf-8'

/** Answers with a whole body; a HEAD request gets the headers alone. */
export function respond(
  res: ServerResponse,
  status: number,
  type: string,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  res.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'x-content-type-options': 'nosniff',
    ...headers,
  })
  res.end(body)
}

/** An error that people or clients read as it stands. */
export function refuse(
  res: ServerResponse,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  respond(res, status, TEXT, `${text}\n`, headers)
}

/** An error in the shape of the REST API (api-v2.md §3). */
export function refuseJson(res: ServerResponse, status: number, message: string): void {
  respond(res, status, JSON_TEXT, JSON.stringify({ message }))
}
