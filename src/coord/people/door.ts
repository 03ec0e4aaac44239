/**
 * What all pages ask at the door: who a browser is by its cookies, whether a request is its own wish, which tailnet
 * and which link it means, and how somebody comes in who has proved who they are.
 */

import { later } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import { sameSecret, utf8 } from '../../base/bytes.ts'
import type { Dice } from '../../base/bytes.ts'
import type { Secret } from '../../base/secret.ts'
import type { By } from '../model/audit.ts'
import type { Sha256 } from '../model/credentials.ts'
import type { Ledger } from '../model/ledger.ts'
import type { SignIn, Tailnet, TailnetNum, Ticket } from '../model/records.ts'
import { messagePage } from './pages/people.ts'
import { PASSKEY } from './passkeys.ts'
import { Sessions } from './sessions.ts'
import type { SignedIn } from './sessions.ts'
import { SignIns } from './sign-in.ts'
import type { Begun, Settled } from './sign-in.ts'
import { csrfToken, isToken, newToken, tokenId } from '../model/tokens.ts'
import { actorOf, byVisitor, cookieOf, page } from './visit.ts'
import type { Cookie, Fields, Reply, Visit } from './visit.ts'

export interface DoorDeps {
  readonly ledger: Ledger
  readonly dice: Dice
  readonly sha256: Sha256
  /** The origin that browsers use. */
  readonly url: string
  /** Told of what a person is told in fewer words. */
  readonly onFault: (what: string, fault: string, from: string) => void
}

export const SESSION_COOKIE = '__Host-sett-session'
/** Ties a login under way to the browser that began it. */
export const BROWSER_COOKIE = '__Host-sett-browser'
const SESSION_COOKIE_S = 30 * 86_400
const BROWSER_COOKIE_S = 3600

/** A link that is good, and where. */
export interface OpenTicket {
  readonly tailnet: Tailnet
  /** Of its record. */
  readonly id: string
  readonly ticket: Ticket
}

export class Door {
  readonly #deps: DoorDeps
  readonly sessions: Sessions
  readonly signIns: SignIns

  constructor(deps: DoorDeps) {
    this.#deps = deps
    this.sessions = new Sessions(deps)
    this.signIns = new SignIns(deps)
  }

  /** Who the browser's session makes it. */
  who(visit: Pick<Visit, 'cookies'>): SignedIn | undefined {
    return this.sessions.of(cookieOf(visit, SESSION_COOKIE))
  }

  tailnetOf(signedIn: SignedIn): Tailnet {
    return this.#deps.ledger.model.tailnet(signedIn.session.tailnet) as Tailnet
  }

  /** What a page of this session sends back with each form. */
  csrf({ cookie }: SignedIn): string {
    return csrfToken(this.#deps.sha256, cookie)
  }

  /** Comes this from a page of this session? */
  isOurs(visit: Visit, body: Fields, signedIn: SignedIn): boolean {
    const sent = body.get('csrf')
    return this.isSameOrigin(visit) && typeof sent === 'string' && sameSecret(utf8(sent), utf8(this.csrf(signedIn)))
  }

  /** Browsers say where a request that changes something comes from; who says nothing is none. */
  isSameOrigin({ origin }: Visit): boolean {
    return origin === undefined || origin === new URL(this.#deps.url).origin
  }

  /** The tailnet that an address names, or the only one there is. */
  tailnetIn(url: URL): Tailnet | undefined {
    const { model } = this.#deps.ledger
    const named = url.searchParams.get('tailnet')
    if (named !== null) return model.tailnetNamed(named)
    const all = model.tailnets()
    return all.length === 1 ? all[0] : undefined
  }

  /** @param text what a link ends with */
  ticketIn(text: string): OpenTicket | undefined {
    const { ledger, sha256 } = this.#deps
    const [num = '', token = ''] = text.split('.', 2)
    if (!/^\d{1,9}$/.test(num) || !isToken(token)) return undefined
    const tailnet = ledger.model.tailnet(Number(num))
    const id = tokenId(sha256, token)
    const ticket = tailnet && ledger.model.state(tailnet.num).get('ticket', id)
    return tailnet === undefined || ticket === undefined || ticket.expires <= ledger.now()
      ? undefined
      : { tailnet, id, ticket }
  }

  /** Begins a login of this browser, which gets a cookie to come back with. */
  async begin(
    visit: Visit,
    ask: {
      readonly tailnet: TailnetNum
      readonly provider: string
      readonly next: string
      readonly again?: number | undefined
      readonly ticket?: OpenTicket | undefined
    },
  ): Promise<(Begun & { readonly cookies: readonly Cookie[] }) | 'busy'> {
    const { dice, sha256 } = this.#deps
    const browser = cookieOf(visit, BROWSER_COOKIE) ?? newToken(dice, sha256).text
    const { tailnet, provider, next, again, ticket } = ask
    const begun = await this.signIns.begin(
      {
        tailnet,
        provider,
        next,
        browser,
        ...(again === undefined ? {} : { again }),
        ...(ticket === undefined ? {} : { ticket: ticket.id }),
      },
      byVisitor(visit),
    )
    if (begun === 'busy') return begun
    return { ...begun, cookies: [{ name: BROWSER_COOKIE, value: browser, maxAge: BROWSER_COOKIE_S }] }
  }

  /** The login under way that this browser comes back to. It is good once. */
  async take(visit: Visit, state: string): Promise<SignIn | undefined> {
    return await this.signIns.take(state, cookieOf(visit, BROWSER_COOKIE), byVisitor(visit))
  }

  /** Opens the session of somebody who has proved who they are. */
  async enter(visit: Visit, tailnet: TailnetNum, method: string, settled: Settled, next: string): Promise<Reply> {
    if (settled.kind === 'refused') {
      this.#deps.onFault(`login by ${method}`, settled.why, visit.from)
      return page(messagePage(403, 'You could not be logged in', settled.why, next))
    }
    const { user } = settled
    if (user.status === 'needs-approval')
      return page(
        messagePage(
          200,
          'You are waiting for approval',
          `${user.loginName} is known now. An administrator has to let you in; then log in again.`,
          next,
        ),
      )
    const before: Secret | undefined = cookieOf(visit, SESSION_COOKIE)
    const by: By = { origin: 'ADMIN_CONSOLE', actor: actorOf(user), from: visit.from, details: method }
    const cookie = await this.sessions.open(
      { tailnet, user: user.id, authenticated: user.authenticated ?? { at: this.#now(), method } },
      { from: visit.from, agent: visit.agent, ...(before === undefined ? {} : { before }) },
      by,
    )
    return { kind: 'go', to: next, cookies: [{ name: SESSION_COOKIE, value: cookie, maxAge: SESSION_COOKIE_S }] }
  }

  /** Has whoever it is proved it within so long? */
  isFresh({ session }: SignedIn, ms: number): boolean {
    return later(session.authenticated.at, ms) > this.#now()
  }

  /** Sends somebody to prove once more who they are, by what they proved it with before. */
  again(signedIn: SignedIn, next: string): Reply & { kind: 'go' } {
    const query = new URLSearchParams({ tailnet: this.tailnetOf(signedIn).stableId, next, again: 'yes' })
    const { method } = signedIn.session.authenticated
    const known = method !== PASSKEY && signedIn.tailnet.get('provider', method) !== undefined
    return { kind: 'go', to: known ? `/auth/start/${method}?${query.toString()}` : `/auth/passkey?${query.toString()}` }
  }

  #now(): Wall {
    return this.#deps.ledger.now()
  }
}
