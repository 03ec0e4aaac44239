/** Answers as HTTP responses: JSON, never kept by anybody in between. */

import type { Answer } from './answer.ts'

const HEADERS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' } as const
const JSON_HEADERS = { ...HEADERS, 'content-type': 'application/json' } as const

export function respond(answer: Answer<unknown>, more: Readonly<Record<string, string>> = {}): Response {
  if (answer.kind === 'refused') {
    const { status, message } = answer
    const challenge = status === 401 ? { 'www-authenticate': 'Bearer' } : {}
    return new Response(JSON.stringify({ message }), { status, headers: { ...JSON_HEADERS, ...challenge, ...more } })
  }
  if (answer.reply === undefined) return new Response(null, { status: 200, headers: { ...HEADERS, ...more } })
  return new Response(JSON.stringify(answer.reply), { status: 200, headers: { ...JSON_HEADERS, ...more } })
}
