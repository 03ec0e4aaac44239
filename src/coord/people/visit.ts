/** A browser's request to the pages, and what it is answered; without a word of who it is. */

import { Secret } from '../../base/secret.ts'
import type { By } from '../model/audit.ts'
import type { Page } from './pages/html.ts'
import { messagePage } from './pages/people.ts'
import type { SignedIn } from './sessions.ts'
import { isToken } from '../model/tokens.ts'

/** A request as the shell hands it over. */
export interface Visit {
  readonly method: string
  readonly url: URL
  readonly cookies: ReadonlyMap<string, string>
  readonly origin: string | undefined
  readonly agent: string
  /** Address of the browser. */
  readonly from: string
  /** It came over TLS, or from this machine itself: cookies may be set. */
  readonly secure: boolean
  /** Its body: a form's fields, or the members of a JSON object. */
  body(): Promise<Fields>
}
export type Fields = ReadonlyMap<string, unknown>

export interface Cookie {
  readonly name: string
  /** `undefined`: to be forgotten. */
  readonly value: Secret | undefined
  /** Seconds; absent: until the browser closes. */
  readonly maxAge?: number
}

export type Reply =
  | { readonly kind: 'page'; readonly page: Page; readonly cookies?: readonly Cookie[] }
  | { readonly kind: 'go'; readonly to: string; readonly cookies?: readonly Cookie[] }
  | { readonly kind: 'json'; readonly status: number; readonly value: unknown; readonly cookies?: readonly Cookie[] }

/** Pages that a login may go on to. */
const NEXT =
  /^\/(login\/[A-Za-z0-9_-]{8,64}|ssh-check\/[A-Za-z0-9_-]{8,64}|auth(\/passkey\/add)?|admin(\/[A-Za-z0-9/_.:-]{0,200})?)$/

export function page(it: Page): Reply {
  return { kind: 'page', page: it }
}

export function json(status: number, value: unknown): Reply & { kind: 'json' } {
  return { kind: 'json', status, value }
}

/** What a script is told of what a page would have said. */
export function asJson(reply: Reply): Reply {
  const cookies = reply.cookies === undefined ? {} : { cookies: reply.cookies }
  if (reply.kind === 'go') return { ...json(200, { next: reply.to }), ...cookies }
  if (reply.kind === 'page')
    return { ...json(reply.page.status === 200 ? 403 : reply.page.status, { message: reply.page.title }), ...cookies }
  return reply
}

export const NOT_FOUND: Reply = page(
  messagePage(404, 'There is nothing here', 'The address is mistyped, or the link is over.'),
)

export function nextOf(url: URL): string {
  return safeNext(url.searchParams.get('next'))
}

/** A page of ours, or the account's. Nothing that leads away from here. */
export function safeNext(text: unknown): string {
  return typeof text === 'string' && NEXT.test(text) ? text : '/auth'
}

export function cookieOf({ cookies }: Pick<Visit, 'cookies'>, name: string): Secret | undefined {
  const text = cookies.get(name)
  return text !== undefined && isToken(text) ? new Secret(text, 'cookie') : undefined
}

export function actorOf(user: {
  readonly id: number
  readonly loginName: string
  readonly displayName: string
}): By['actor'] {
  return { id: String(user.id), type: 'USER', loginName: user.loginName, displayName: user.displayName }
}

export function byUser({ user }: SignedIn, visit: Visit): By {
  return { origin: 'ADMIN_CONSOLE', actor: actorOf(user), from: visit.from }
}

/** Nobody yet; what they turn out to be is said with the change that makes them so. */
export function byVisitor(visit: Visit): By {
  return {
    origin: 'IDENTITY_PROVIDER',
    actor: { id: 'login', type: 'AUTOMATED_WORKER', displayName: 'login page' },
    from: visit.from,
  }
}
