/**
 * Registering a node: which key goes into a request, and what an answer means (control.md §4.1 to §4.7). When to ask
 * is session.ts's matter.
 */

import type { Bytes } from '../../base/bytes.ts'
import { HOUR_MS, parseTime } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import { MeshError } from '../../base/errors.ts'
import { readRegisterResponse } from '../../wire/control-requests.ts'
import type { LoginProfile, RegisterAnswer } from '../../wire/control-requests.ts'
import type { ServerAddress } from './dial.ts'

/** What an answer to a registration comes to. */
export type RegisterOutcome =
  | { readonly kind: 'joined'; readonly login: LoginProfile }
  /** A person has to open the link; ask again with it to wait for them. */
  | { readonly kind: 'log-in'; readonly url: string }
  /** The key is worn out: a new one is wanted. */
  | { readonly kind: 'key-expired' }
  /** The server wants a signature that only a tailnet lock needs. */
  | { readonly kind: 'locked' }
  /** For the person's eyes, as the server says it. */
  | { readonly kind: 'refused'; readonly message: string }
  /** Too many ask; absent: the server does not say for how long. */
  | { readonly kind: 'wait'; readonly ms?: number }
  | { readonly kind: 'failed'; readonly message: string }

/** The expiry that says "log out": Unix time 123. (control.md §4.3) */
export const LOG_OUT_EXPIRY = 123_000 as Wall

export interface RegisterHttpAnswer {
  readonly status: number
  readonly headers: readonly (readonly [string, string])[]
  readonly body: Bytes
}

const lax = new TextDecoder()

/** Reads an answer in the order in which official clients look at it. (control.md §4.2) */
export function readOutcome(answer: RegisterHttpAnswer, server: ServerAddress, wall: Wall): RegisterOutcome {
  const { status, headers, body } = answer
  if (status === 429) {
    const ms = retryAfterMs(headers.find(([name]) => name === 'retry-after')?.[1] ?? '', wall)
    return { kind: 'wait', ...(ms === undefined ? {} : { ms }) }
  }
  if (status !== 200) return { kind: 'failed', message: `http ${status}: ${lax.decode(body.subarray(0, 200)).trim()}` }
  let read: RegisterAnswer
  try {
    read = readRegisterResponse(body)
  } catch (error) {
    if (error instanceof MeshError) return { kind: 'failed', message: error.message }
    throw error
  }
  if (read.error !== '') return { kind: 'refused', message: read.error }
  if (read.nodeKeySignature.length > 0) return { kind: 'locked' }
  if (read.nodeKeyExpired) return { kind: 'key-expired' }
  if (read.authUrl === '') return { kind: 'joined', login: read.login }
  if (!isUsableLink(read.authUrl, server))
    return { kind: 'refused', message: 'the server gave a login link that leads elsewhere, or is not safe to open' }
  return { kind: 'log-in', url: read.authUrl }
}

const HOSTED_HOST = 'controlplane.tailscale.com'

/** May a person be sent to this link? (control.md §4.5) */
export function isUsableLink(url: string, server: ServerAddress): boolean {
  const m = /^(https?):\/\/(?:\[[0-9a-f:.]+\]|([a-z0-9._-]+))(?::\d{1,5})?(?:[/?#][\x21-\x7e]*)?$/i.exec(url)
  if (m === null || ((m[1] as string).toLowerCase() === 'http' && server.secure)) return false
  const host = (m[2] ?? '').toLowerCase()
  return server.host !== HOSTED_HOST || host === 'tailscale.com' || host.endsWith('.tailscale.com')
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** Seconds or a date; `undefined` when it makes no sense, is past, or more than an hour away. (control.md §4.2) */
export function retryAfterMs(text: string, wall: Wall): number | undefined {
  const date = /^[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d:\d\d:\d\d) GMT$/.exec(text.trim())
  const month = String(MONTHS.indexOf(date?.[2] ?? '') + 1).padStart(2, '0')
  const at = date === null ? undefined : parseTime(`${date[3]}-${month}-${date[1]}T${date[4]}Z`)
  const ms = /^\d{1,9}$/.test(text.trim()) ? Number(text) * 1000 : (at ?? 0) - wall
  return ms > 0 && ms <= HOUR_MS ? ms : undefined
}
