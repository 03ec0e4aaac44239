/** Answers as HTTP responses: JSON unless they say otherwise, never kept by anybody in between. */

import type { Answer } from './answer.ts'

const HEADERS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' } as const
const JSON_TYPE = 'application/json'

export function respond(answer: Answer<unknown>, more: Readonly<Record<string, string>> = {}): Response {
  if (answer.kind === 'refused') {
    const { status, message } = answer
    const challenge = status === 401 ? { 'www-authenticate': 'Bearer' } : {}
    return send(
      status,
      { type: JSON_TYPE, text: JSON.stringify({ message, ...answer.more }) },
      { ...challenge, ...answer.headers, ...more },
    )
  }
  const { status = 200, etag, body } = answer.as ?? {}
  const headers = { ...(etag === undefined ? {} : { etag }), ...more }
  if (body !== undefined) return send(status, body, headers)
  if (answer.reply === undefined) return new Response(null, { status, headers: { ...HEADERS, ...headers } })
  return send(status, { type: JSON_TYPE, text: JSON.stringify(answer.reply) }, headers)
}

function send(
  status: number,
  body: { readonly type: string; readonly text: string },
  headers: Readonly<Record<string, string>>,
): Response {
  return new Response(body.text, { status, headers: { ...HEADERS, 'content-type': body.type, ...headers } })
}
