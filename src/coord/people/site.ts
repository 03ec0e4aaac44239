/**
 * The pages of the server: what happens to a browser's request, from its path to its page.
 *
 *   path -> session (who is this?) -> act -> page or redirect
 *
 * A request that changes anything carries the token of its session's pages, and an Origin that is ours.
 */

import { later, MINUTE_MS } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import { MeshError } from '../../base/errors.ts'
import { Secret } from '../../base/secret.ts'
import { sameSecret, utf8 } from '../../base/bytes.ts'
import type { Dice } from '../../base/bytes.ts'
import type { By } from '../model/audit.ts'
import type { Sha256 } from '../model/credentials.ts'
import type { Ledger } from '../model/ledger.ts'
import type { PendingLogin, SignIn, Tailnet, Ticket } from '../model/records.ts'
import { decideLogin } from './device-login.ts'
import type { Authenticators, IdentityProviders, Journey } from './identity-providers.ts'
import { connectPage, decidedPage, facts, UNKNOWN_LOGIN, waitingPage } from './pages/device.ts'
import { html } from './pages/html.ts'
import type { Page } from './pages/html.ts'
import { accountPage, handOnPage, messagePage, passkeyPage, signInPage, whichTailnetPage } from './pages/people.ts'
import { PASSKEY, Passkeys } from './passkeys.ts'
import { Sessions } from './sessions.ts'
import type { SignedIn } from './sessions.ts'
import { SignIns } from './sign-in.ts'
import type { Settled } from './sign-in.ts'
import { csrfToken, isToken, newToken, tokenId } from './tokens.ts'

export interface SiteDeps {
  readonly ledger: Ledger
  readonly dice: Dice
  readonly sha256: Sha256
  readonly providers: IdentityProviders
  readonly authenticators: Authenticators
  /** The origin that browsers use. */
  readonly url: string
  /** Told of what a person is told in fewer words. */
  readonly onFault: (what: string, fault: string, from: string) => void
}

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
  body(): Promise<ReadonlyMap<string, unknown>>
}

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

export const SESSION_COOKIE = '__Host-sett-session'
/** Ties a login under way to the browser that began it. */
export const BROWSER_COOKIE = '__Host-sett-browser'
const SESSION_COOKIE_S = 30 * 86_400
const BROWSER_COOKIE_S = 3600
/** What is done with a passkey or to one's account asks for a login not older than this. */
const FRESH_MS = 15 * MINUTE_MS
/** Pages that a login may go on to. */
const NEXT =
  /^\/(login\/[A-Za-z0-9_-]{8,64}|ssh-check\/[A-Za-z0-9_-]{8,64}|auth(\/passkey\/add)?|admin(\/[A-Za-z0-9/_.:-]{0,200})?)$/
const LOGIN_CODE = /^[A-Za-z0-9_-]{8,64}$/

export class Site {
  readonly #deps: SiteDeps
  readonly sessions: Sessions
  readonly #signIns: SignIns
  readonly #passkeys: Passkeys

  constructor(deps: SiteDeps) {
    this.#deps = deps
    this.sessions = new Sessions(deps)
    this.#signIns = new SignIns(deps)
    this.#passkeys = new Passkeys(deps.ledger, deps.authenticators)
  }

  async visit(visit: Visit): Promise<Reply> {
    const { method } = visit
    const [first, second, third, ...rest] = visit.url.pathname.slice(1).split('/')
    if (rest.length > 0 || (method !== 'GET' && method !== 'POST')) return NOT_FOUND
    const at = `${method} ${first ?? ''}${second === undefined ? '' : `/${second}`}`
    if (first === 'login' && second !== undefined && third === undefined && LOGIN_CODE.test(second))
      return method === 'GET' ? this.#device(visit, second) : await this.#decide(visit, second)
    if (at === 'GET auth') return this.#account(visit)
    if (!visit.secure) return page(messagePage(403, 'Not over this connection', UNSAFE))
    if (at === 'GET auth/start' && third !== undefined) return await this.#start(visit, third)
    if (at === 'GET auth/callback') return await this.#callback(visit, visit.url.searchParams)
    if (at === 'POST auth/callback') return await this.#postedCallback(visit)
    if (at === 'POST auth/saml') return handOn(await visit.body())
    if (at === 'GET auth/ticket' && third !== undefined) return this.#ticket(third)
    if (at === 'POST auth/sign-out') return await this.#signOut(visit)
    if (first === 'auth' && second === 'passkey') return await this.#passkey(visit, method, third)
    return NOT_FOUND
  }

  /** Who the browser's session makes it. */
  who(visit: Pick<Visit, 'cookies'>): SignedIn | undefined {
    return this.sessions.of(secretOf(visit.cookies.get(SESSION_COOKIE)))
  }

  #device(visit: Visit, code: string): Reply {
    const { ledger } = this.#deps
    const login = this.#openLogin(code)
    if (login === undefined) return page(UNKNOWN_LOGIN)
    if (login.outcome !== undefined) return page(decidedPage(login))
    const signedIn = visit.secure ? this.who(visit) : undefined
    if (signedIn !== undefined)
      return page(connectPage(login, signedIn.user, this.#tailnetOf(signedIn).name, this.#csrf(signedIn)))
    const ways = visit.secure ? this.#ways(visit.url, `/login/${code}`) : undefined
    if (ways === 'which') return page(whichTailnetPage(`/login/${code}`))
    if (ways === undefined) return page(waitingPage(login, ledger.now()))
    return page(
      signInPage(
        ways,
        'A device asks to join',
        html`${facts(login)}
          <p>If it is yours, log in to connect it.</p>`,
      ),
    )
  }

  async #decide(visit: Visit, code: string): Promise<Reply> {
    const signedIn = this.who(visit)
    const body = await visit.body()
    if (signedIn === undefined || !this.#isOurs(visit, body, signedIn)) return STALE
    const decision = body.get('decision')
    if (decision !== 'connect' && decision !== 'refuse') return STALE
    const decided = await decideLogin(this.#deps.ledger, code, decision, signedIn, byUser(signedIn, visit))
    if (decided.kind === 'gone') return page(UNKNOWN_LOGIN)
    await this.sessions.touch(signedIn, byUser(signedIn, visit))
    return page(decidedPage(decided.login))
  }

  #account(visit: Visit): Reply {
    const next = nextOf(visit.url)
    const signedIn = visit.secure ? this.who(visit) : undefined
    if (signedIn !== undefined) {
      if (next !== '/auth') return { kind: 'go', to: next }
      const sessions = [...this.#deps.ledger.model.server.entries('session')].filter(
        ([, { tailnet, user }]) => tailnet === signedIn.tailnet.num && user === signedIn.user.id,
      )
      return page(accountPage(signedIn.user, this.#tailnetOf(signedIn), sessions, this.#csrf(signedIn)))
    }
    if (!visit.secure) return page(messagePage(403, 'Not over this connection', UNSAFE))
    const ways = this.#ways(visit.url, next)
    if (ways === 'which') return page(whichTailnetPage(next, visit.url.searchParams.get('tailnet') ?? undefined))
    if (ways === undefined) return page(messagePage(200, 'Nobody can log in yet', NO_WAY_IN))
    return page(signInPage(ways, `Log in to ${ways.tailnet.name}`, html``))
  }

  async #start(visit: Visit, provider: string): Promise<Reply> {
    const { ledger, providers } = this.#deps
    const ticket = this.#ticketIn(visit.url.searchParams.get('ticket') ?? '')
    const tailnet = ticket?.tailnet ?? this.#tailnetIn(visit.url)
    const record = tailnet && ledger.model.state(tailnet.num).get('provider', provider)
    if (tailnet === undefined || record === undefined) return NOT_FOUND
    const browser = this.#browser(visit)
    const next = nextOf(visit.url)
    const again = visit.url.searchParams.has('again') ? this.who(visit)?.user.id : undefined
    const begun = await this.#signIns.begin(
      {
        tailnet: tailnet.num,
        provider,
        browser: browser.secret,
        next,
        ...(again === undefined ? {} : { again }),
        ...(ticket === undefined ? {} : { ticket: ticket.id }),
      },
      byVisitor(visit),
    )
    if (begun === 'busy') return page(messagePage(503, 'Too many logins at once', 'Try again in some minutes.', next))
    try {
      const to = await providers.begin(record, this.#journey(begun.state.reveal(), begun.signIn))
      return { kind: 'go', to, cookies: browser.cookies }
    } catch (error) {
      this.#deps.onFault('login', error instanceof MeshError ? error.message : String(error), visit.from)
      return page(
        messagePage(502, `${record.title} does not answer`, 'Try again; if it goes on, tell an administrator.', next),
      )
    }
  }

  async #callback(visit: Visit, answer: URLSearchParams): Promise<Reply> {
    const { ledger, providers } = this.#deps
    const state = answer.get('state') ?? ''
    const signIn = await this.#signIns.take(state, secretOf(visit.cookies.get(BROWSER_COOKIE)), byVisitor(visit))
    if (signIn === undefined) return page(STALE_LOGIN)
    const provider = ledger.model.state(signIn.tailnet).get('provider', signIn.provider)
    if (provider === undefined) return page(STALE_LOGIN)
    const proved = await providers.finish(provider, this.#journey(state, signIn), answer)
    if (proved.kind === 'refused') {
      this.#deps.onFault(`login by ${provider.id}`, proved.fault, visit.from)
      return page(messagePage(403, 'You could not be logged in', proved.why, signIn.next))
    }
    const settled = await this.#signIns.settle(signIn, proved.claims, byVisitor(visit))
    return await this.#enter(visit, signIn.tailnet, provider.id, settled, signIn.next)
  }

  /** An answer by SAML, as our own page hands it on. */
  async #postedCallback(visit: Visit): Promise<Reply> {
    if (!this.#isSameOrigin(visit)) return page(STALE_LOGIN)
    const body = await visit.body()
    const [state, answer] = [body.get('state'), body.get('SAMLResponse')]
    if (typeof state !== 'string' || typeof answer !== 'string') return page(STALE_LOGIN)
    return await this.#callback(visit, new URLSearchParams({ state, SAMLResponse: answer }))
  }

  /** Opens the session of somebody who has proved who they are. */
  async #enter(visit: Visit, tailnet: number, method: string, settled: Settled, next: string): Promise<Reply> {
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
    const before = secretOf(visit.cookies.get(SESSION_COOKIE))
    const by: By = { origin: 'ADMIN_CONSOLE', actor: actorOf(user), from: visit.from, details: method }
    const cookie = await this.sessions.open(
      { tailnet, user: user.id, authenticated: user.authenticated ?? { at: this.#deps.ledger.now(), method } },
      { from: visit.from, agent: visit.agent, ...(before === undefined ? {} : { before }) },
      by,
    )
    return { kind: 'go', to: next, cookies: [{ name: SESSION_COOKIE, value: cookie, maxAge: SESSION_COOKIE_S }] }
  }

  #ticket(text: string): Reply {
    const ticket = this.#ticketIn(text)
    if (ticket === undefined)
      return page(messagePage(404, 'This link is over', 'It is mistyped, has been used, or its time is over.'))
    const { tailnet } = ticket
    const providers = [...this.#deps.ledger.model.state(tailnet.num).all('provider')]
    const to = (path: string) => `${path}?${new URLSearchParams({ ticket: text, next: '/auth' }).toString()}`
    return page({
      status: 200,
      title: TICKET_TITLES[ticket.ticket.purpose](tailnet.name),
      body: html`<p>Choose how you will log in from now on. This link is good once.</p>
        <ul class="ways">
          ${ticket.ticket.purpose === 'passkey' ? undefined : providers.map(({ id, title }) => html`<li><a href="${to(`/auth/start/${id}`)}">Log in with ${title}</a></li>`)}
          ${ticket.ticket.purpose === 'invite' && ticket.ticket.email === undefined ? undefined : html`<li><a href="${to('/auth/passkey/add')}">Make a passkey</a></li>`}
        </ul>`,
    })
  }

  async #signOut(visit: Visit): Promise<Reply> {
    const signedIn = this.who(visit)
    const body = await visit.body()
    const next = safeNext(body.get('next'))
    const forget: Cookie[] = [{ name: SESSION_COOKIE, value: undefined }]
    if (signedIn === undefined) return { kind: 'go', to: next, cookies: forget }
    if (!this.#isOurs(visit, body, signedIn)) return STALE
    const by = byUser(signedIn, visit)
    if (body.get('everywhere') === 'yes') await this.sessions.endAll(signedIn.tailnet.num, signedIn.user.id, by)
    else await this.sessions.end(signedIn, by)
    return { kind: 'go', to: next, cookies: forget }
  }

  async #passkey(visit: Visit, method: string, act: string | undefined): Promise<Reply> {
    const next = nextOf(visit.url)
    const ticketText = visit.url.searchParams.get('ticket') ?? ''
    if (method === 'GET' && act === undefined) {
      const tailnet = this.#tailnetIn(visit.url)
      return tailnet === undefined
        ? page(whichTailnetPage(next))
        : page(passkeyPage(next, false, '', `Log in to ${tailnet.name}`))
    }
    if (method === 'GET' && act === 'add') {
      if (this.#ticketIn(ticketText) !== undefined) return page(passkeyPage(next, true, '', 'Make a passkey'))
      const signedIn = this.who(visit)
      if (signedIn === undefined) return { kind: 'go', to: '/auth?next=/auth/passkey/add' }
      if (!this.isFresh(signedIn, FRESH_MS)) return this.again(signedIn, '/auth/passkey/add')
      return page(passkeyPage('/auth', true, this.#csrf(signedIn), 'Make a passkey'))
    }
    if (method !== 'POST' || !this.#isSameOrigin(visit)) return NOT_FOUND
    const body = await visit.body()
    switch (act) {
      case 'options':
        return await this.#passkeyOptions(visit, next)
      case 'verify':
        return await this.#passkeyVerify(visit, body)
      case 'add-options':
        return await this.#passkeyAddOptions(visit, body, ticketText, next)
      case 'add-verify':
        return await this.#passkeyAddVerify(visit, body)
    }
    return NOT_FOUND
  }

  async #passkeyOptions(visit: Visit, next: string): Promise<Reply> {
    const tailnet = this.#tailnetIn(visit.url)
    if (tailnet === undefined) return json(404, { message: 'There is no such network here' })
    const again = visit.url.searchParams.has('again') ? this.who(visit)?.user.id : undefined
    const browser = this.#browser(visit)
    const ask = { tailnet: tailnet.num, provider: PASSKEY, browser: browser.secret, next }
    const begun = await this.#signIns.begin({ ...ask, ...(again === undefined ? {} : { again }) }, byVisitor(visit))
    if (begun === 'busy') return json(503, { message: 'Too many logins at once: try again in some minutes' })
    const options = await this.#passkeys.toLogIn(begun.signIn)
    return { ...json(200, { state: begun.state.reveal(), options }), cookies: browser.cookies }
  }

  async #passkeyVerify(visit: Visit, body: ReadonlyMap<string, unknown>): Promise<Reply> {
    const signIn = await this.#taken(visit, body)
    if (signIn === undefined) return json(403, { message: 'This login is over: try again' })
    const settled = await this.#passkeys.logIn(signIn, body.get('answer'), byVisitor(visit))
    return asJson(await this.#enter(visit, signIn.tailnet, PASSKEY, settled, signIn.next))
  }

  async #passkeyAddOptions(
    visit: Visit,
    body: ReadonlyMap<string, unknown>,
    ticketText: string,
    next: string,
  ): Promise<Reply> {
    const ticket = this.#ticketIn(ticketText)
    const signedIn = ticket === undefined ? this.who(visit) : undefined
    if (
      ticket === undefined &&
      (signedIn === undefined || !this.#isOurs(visit, body, signedIn) || !this.isFresh(signedIn, FRESH_MS))
    )
      return json(403, { message: 'Log in again, then add a passkey' })
    const tailnet = ticket?.tailnet.num ?? signedIn?.tailnet.num ?? 0
    const browser = this.#browser(visit)
    const begun = await this.#signIns.begin(
      {
        tailnet,
        provider: PASSKEY,
        browser: browser.secret,
        next,
        ...(signedIn === undefined ? {} : { again: signedIn.user.id }),
        ...(ticket === undefined ? {} : { ticket: ticket.id }),
      },
      byVisitor(visit),
    )
    if (begun === 'busy') return json(503, { message: 'Too many logins at once: try again in some minutes' })
    const state = this.#deps.ledger.model.state(tailnet)
    const loginName = ticket?.ticket.email ?? 'you'
    const user = signedIn?.user ??
      state.usersById.get(ticket?.ticket.user ?? 0) ?? { id: 0, loginName, displayName: loginName }
    const options = await this.#passkeys.toAdd(begun.signIn, user)
    return { ...json(200, { state: begun.state.reveal(), options }), cookies: browser.cookies }
  }

  async #passkeyAddVerify(visit: Visit, body: ReadonlyMap<string, unknown>): Promise<Reply> {
    const signIn = await this.#taken(visit, body)
    if (signIn === undefined) return json(403, { message: 'This login is over: try again' })
    const settled = await this.#passkeys.add(signIn, body.get('answer'), visit.agent, byVisitor(visit))
    return asJson(await this.#enter(visit, signIn.tailnet, PASSKEY, settled, signIn.next))
  }

  async #taken(visit: Visit, body: ReadonlyMap<string, unknown>) {
    const state = body.get('state')
    const browser = secretOf(visit.cookies.get(BROWSER_COOKIE))
    const signIn = typeof state === 'string' ? await this.#signIns.take(state, browser, byVisitor(visit)) : undefined
    return signIn?.provider === PASSKEY ? signIn : undefined
  }

  /** Has whoever it is proved it within so long? */
  isFresh({ session }: SignedIn, ms: number): boolean {
    return later(session.authenticated.at, ms) > this.#deps.ledger.now()
  }

  /** Sends somebody to prove once more who they are, by what they proved it with before. */
  again({ session, tailnet }: SignedIn, next: string): Reply {
    const record = this.#deps.ledger.model.tailnet(session.tailnet) as Tailnet
    const query = new URLSearchParams({ tailnet: record.stableId, next, again: 'yes' })
    const { method } = session.authenticated
    const known = method !== PASSKEY && tailnet.get('provider', method) !== undefined
    return { kind: 'go', to: known ? `/auth/start/${method}?${query.toString()}` : `/auth/passkey?${query.toString()}` }
  }

  #openLogin(code: string): PendingLogin | undefined {
    const { ledger } = this.#deps
    const login = ledger.model.login(code)
    return login === undefined || (login.outcome === undefined && login.expires <= ledger.now()) ? undefined : login
  }

  /** How people get into the tailnet that is meant; `which`: several are, `undefined`: nobody can. */
  #ways(url: URL, next: string) {
    const { model } = this.#deps.ledger
    const tailnet = this.#tailnetIn(url)
    if (tailnet === undefined) return 'which' as const
    const state = model.state(tailnet.num)
    const providers = [...state.all('provider')].sort((a, b) => a.title.localeCompare(b.title, 'en'))
    const passkeys = state.count('passkey') > 0
    return providers.length === 0 && !passkeys ? undefined : { tailnet, providers, passkeys, next }
  }

  #tailnetIn(url: URL): Tailnet | undefined {
    const { model } = this.#deps.ledger
    const named = url.searchParams.get('tailnet')
    if (named !== null) return model.tailnetNamed(named)
    const all = model.tailnets()
    return all.length === 1 ? all[0] : undefined
  }

  #ticketIn(text: string): { readonly tailnet: Tailnet; readonly id: string; readonly ticket: Ticket } | undefined {
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

  #tailnetOf(signedIn: SignedIn): Tailnet {
    return this.#deps.ledger.model.tailnet(signedIn.session.tailnet) as Tailnet
  }

  #browser(visit: Visit): { readonly secret: Secret; readonly cookies: readonly Cookie[] } {
    const known = secretOf(visit.cookies.get(BROWSER_COOKIE))
    const secret = known ?? newToken(this.#deps.dice, this.#deps.sha256).text
    return { secret, cookies: [{ name: BROWSER_COOKIE, value: secret, maxAge: BROWSER_COOKIE_S }] }
  }

  #journey(state: string, signIn: SignIn): Journey {
    return {
      state,
      begun: signIn.created,
      nonce: signIn.nonce,
      verifier: signIn.verifier,
      redirectUri: `${this.#deps.url}/auth/callback`,
      again: signIn.again !== undefined,
    }
  }

  #csrf(signedIn: SignedIn): string {
    return csrfToken(this.#deps.sha256, signedIn.cookie)
  }

  #isOurs(visit: Visit, body: ReadonlyMap<string, unknown>, signedIn: SignedIn): boolean {
    const sent = body.get('csrf')
    return this.#isSameOrigin(visit) && typeof sent === 'string' && sameSecret(utf8(sent), utf8(this.#csrf(signedIn)))
  }

  /** Browsers say where a request that changes something comes from. */
  #isSameOrigin(visit: Visit): boolean {
    return (
      visit.origin === undefined || visit.origin === visit.url.origin || visit.origin === new URL(this.#deps.url).origin
    )
  }
}

const UNSAFE =
  'This server is reached without TLS here, so nobody can log in by a browser: what they send could be read on the way.'
const NO_WAY_IN =
  'This network has no identity provider and nobody has a passkey. An administrator sets one up on the server: sett admin providers add, or sett admin users link NAME.'
const STALE: Reply = page(
  messagePage(403, 'This page is out of date', 'Load it again, then try once more. Nothing was changed.'),
)
const STALE_LOGIN: Page = messagePage(
  403,
  'This login is over',
  'It has been used, was begun in another browser, or took too long. Go back to where you came from and begin again.',
)
const NOT_FOUND: Reply = page(
  messagePage(404, 'There is nothing here', 'The address is mistyped, or the link is over.'),
)

const TICKET_TITLES: Readonly<Record<Ticket['purpose'], (tailnet: string) => string>> = {
  owner: (tailnet) => `Become the owner of ${tailnet}`,
  invite: (tailnet) => `You are invited to ${tailnet}`,
  passkey: (tailnet) => `Your way into ${tailnet}`,
}

/**
 * A provider's SAML answer is posted by its own page, and browsers send no cookies of ours with that. So ours is shown,
 * which posts the same once more; nothing is believed before that.
 */
function handOn(body: ReadonlyMap<string, unknown>): Reply {
  const [state, answer] = [body.get('RelayState'), body.get('SAMLResponse')]
  const isAnswer = typeof answer === 'string' && /^[A-Za-z0-9+/=\r\n]{1,200000}$/.test(answer)
  if (!isAnswer || typeof state !== 'string' || !isToken(state))
    return page(messagePage(400, 'Begin here', 'This server did not ask for that login: begin it here.', '/auth'))
  return page(handOnPage(state, answer.replace(/[\r\n]/g, '')))
}

function page(it: Page): Reply {
  return { kind: 'page', page: it }
}

function json(status: number, value: unknown): Reply & { kind: 'json' } {
  return { kind: 'json', status, value }
}

/** What a script is told of what a page would have said. */
function asJson(reply: Reply): Reply {
  const cookies = reply.cookies === undefined ? {} : { cookies: reply.cookies }
  if (reply.kind === 'go') return { ...json(200, { next: reply.to }), ...cookies }
  if (reply.kind === 'page')
    return { ...json(reply.page.status === 200 ? 403 : reply.page.status, { message: reply.page.title }), ...cookies }
  return reply
}

function nextOf(url: URL): string {
  return safeNext(url.searchParams.get('next'))
}

/** A page of ours, or the account's. Nothing that leads away from here. */
function safeNext(text: unknown): string {
  return typeof text === 'string' && NEXT.test(text) ? text : '/auth'
}

function secretOf(text: string | undefined): Secret | undefined {
  return text !== undefined && isToken(text) ? new Secret(text, 'cookie') : undefined
}

function actorOf(user: { readonly id: number; readonly loginName: string; readonly displayName: string }): By['actor'] {
  return { id: String(user.id), type: 'USER', loginName: user.loginName, displayName: user.displayName }
}

function byUser({ user }: SignedIn, visit: Visit): By {
  return { origin: 'ADMIN_CONSOLE', actor: actorOf(user), from: visit.from }
}

/** Nobody yet; what they turn out to be is said with the change that makes them so. */
function byVisitor(visit: Visit): By {
  return {
    origin: 'IDENTITY_PROVIDER',
    actor: { id: 'login', type: 'AUTOMATED_WORKER', displayName: 'login page' },
    from: visit.from,
  }
}

/** The moment until which a ticket made now is good. */
export function ticketExpiry(now: Wall, minutes: number): Wall {
  return later(now, minutes * MINUTE_MS)
}
