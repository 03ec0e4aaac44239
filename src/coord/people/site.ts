/**
 * The pages of the server: what happens to a browser's request, from its path to its page.
 *
 *   path -> session (who is this?) -> act -> page or redirect
 *
 * A request that changes anything carries the token of its session's pages, and an Origin that is ours.
 */

import { MeshError } from '../../base/errors.ts'
import type { PendingLogin, SignIn, Tailnet } from '../model/records.ts'
import { decideLogin } from './device-login.ts'
import { Door, SESSION_COOKIE } from './door.ts'
import type { DoorDeps } from './door.ts'
import type { Authenticators, IdentityProviders, Journey } from './identity-providers.ts'
import { connectPage, decidedPage, facts, UNKNOWN_LOGIN, waitingPage } from './pages/device.ts'
import { html } from './pages/html.ts'
import type { Page } from './pages/html.ts'
import { accountPage, handOnPage, messagePage, signInPage, ticketPage, whichTailnetPage } from './pages/people.ts'
import { PasskeySite } from './passkey-site.ts'
import type { SignedIn } from './sessions.ts'
import { SshCheckSite } from './ssh-check-site.ts'
import { isToken } from '../model/tokens.ts'
import { waysInto } from './ways.ts'
import { byUser, byVisitor, nextOf, NOT_FOUND, page, safeNext } from './visit.ts'
import type { Cookie, Fields, Reply, Visit } from './visit.ts'

export interface SiteDeps extends DoorDeps {
  readonly providers: IdentityProviders
  readonly authenticators: Authenticators
}

const LOGIN_CODE = /^[A-Za-z0-9_-]{8,64}$/

export class Site {
  readonly #deps: SiteDeps
  readonly #door: Door
  readonly #passkeys: PasskeySite
  readonly #sshChecks: SshCheckSite

  constructor(deps: SiteDeps) {
    this.#deps = deps
    this.#door = new Door(deps)
    this.#passkeys = new PasskeySite(this.#door, deps.ledger, deps.authenticators)
    this.#sshChecks = new SshCheckSite(this.#door, deps.ledger)
  }

  async visit(visit: Visit): Promise<Reply> {
    const reply = await this.#answer(visit)
    // Whoever looks at a page uses their session.
    const signedIn = visit.secure ? this.#door.who(visit) : undefined
    if (signedIn !== undefined) await this.#door.sessions.touch(signedIn, byUser(signedIn, visit))
    return reply
  }

  async #answer(visit: Visit): Promise<Reply> {
    const { method } = visit
    const [first, second, third, ...rest] = visit.url.pathname.slice(1).split('/')
    if (rest.length > 0 || (method !== 'GET' && method !== 'POST')) return NOT_FOUND
    const at = `${method} ${first ?? ''}${second === undefined ? '' : `/${second}`}`
    if (first === 'login' && second !== undefined && third === undefined && LOGIN_CODE.test(second))
      return method === 'GET' ? this.#device(visit, second) : await this.#decide(visit, second)
    if (at === 'GET auth') return this.#account(visit)
    if (!visit.secure) return page(UNSAFE)
    if (at === 'GET auth/start' && third !== undefined) return await this.#start(visit, third)
    if (at === 'GET auth/callback') return await this.#callback(visit, visit.url.searchParams)
    if (at === 'POST auth/callback') return await this.#postedCallback(visit)
    if (at === 'POST auth/saml') return handOn(await visit.body())
    if (at === 'GET auth/ticket' && third !== undefined) return this.#ticket(third)
    if (at === 'POST auth/sign-out') return await this.#signOut(visit)
    if (first === 'ssh-check' && second !== undefined && third === undefined && LOGIN_CODE.test(second))
      return await this.#sshChecks.visit(visit, second)
    if (first === 'auth' && second === 'passkey') return await this.#passkeys.visit(visit, third)
    return NOT_FOUND
  }

  #device(visit: Visit, code: string): Reply {
    const login = this.#openLogin(code)
    if (login === undefined) return page(UNKNOWN_LOGIN)
    if (login.outcome !== undefined) return page(decidedPage(login))
    const signedIn = visit.secure ? this.#door.who(visit) : undefined
    if (signedIn !== undefined)
      return page(connectPage(login, signedIn.user, this.#door.tailnetOf(signedIn).name, this.#door.csrf(signedIn)))
    const ways = visit.secure ? this.#ways(visit.url, `/login/${code}`) : undefined
    if (ways === 'which') return page(whichTailnetPage(`/login/${code}`))
    if (ways === undefined) return page(waitingPage(login, this.#deps.ledger.now()))
    const intro = html`${facts(login)}
      <p>If it is yours, log in to connect it.</p>`
    return page(signInPage(ways, 'A device asks to join', intro))
  }

  async #decide(visit: Visit, code: string): Promise<Reply> {
    const signedIn = visit.secure ? this.#door.who(visit) : undefined
    const body = await visit.body()
    if (signedIn === undefined || !this.#door.isOurs(visit, body, signedIn)) return STALE
    const decision = body.get('decision')
    if (decision !== 'connect' && decision !== 'refuse') return STALE
    const decided = await decideLogin(this.#deps.ledger, code, decision, signedIn, byUser(signedIn, visit))
    if (decided.kind === 'gone') return page(UNKNOWN_LOGIN)
    return page(decidedPage(decided.login))
  }

  #account(visit: Visit): Reply {
    const next = nextOf(visit.url)
    const signedIn = visit.secure ? this.#door.who(visit) : undefined
    if (signedIn !== undefined) return next === '/auth' ? this.#accountOf(signedIn) : { kind: 'go', to: next }
    if (!visit.secure) return page(UNSAFE)
    const ways = this.#ways(visit.url, next)
    if (ways === 'which') return page(whichTailnetPage(next, visit.url.searchParams.get('tailnet') ?? undefined))
    if (ways === undefined) return page(NO_WAY_IN)
    return page(signInPage(ways, `Log in to ${ways.tailnet.name}`, html``))
  }

  #accountOf(signedIn: SignedIn): Reply {
    const sessions = [...this.#deps.ledger.model.server.entries('session')].filter(
      ([, { tailnet, user }]) => tailnet === signedIn.tailnet.num && user === signedIn.user.id,
    )
    return page(accountPage(signedIn.user, this.#door.tailnetOf(signedIn), sessions, this.#door.csrf(signedIn)))
  }

  async #start(visit: Visit, provider: string): Promise<Reply> {
    const { ledger, providers } = this.#deps
    const ticket = this.#door.ticketIn(visit.url.searchParams.get('ticket') ?? '')
    const tailnet = ticket?.tailnet ?? this.#door.tailnetIn(visit.url)
    const record = tailnet && ledger.model.state(tailnet.num).get('provider', provider)
    if (tailnet === undefined || record === undefined) return NOT_FOUND
    const next = nextOf(visit.url)
    const again = visit.url.searchParams.has('again') ? this.#door.who(visit)?.user.id : undefined
    const begun = await this.#door.begin(visit, { tailnet: tailnet.num, provider, next, again, ticket })
    if (begun === 'busy') return page(messagePage(503, 'Too many logins at once', 'Try again in some minutes.', next))
    try {
      const to = await providers.begin(record, this.#journey(begun.state.reveal(), begun.signIn))
      return { kind: 'go', to, cookies: begun.cookies }
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
    const signIn = await this.#door.take(visit, state)
    if (signIn === undefined) return page(STALE_LOGIN)
    const provider = ledger.model.state(signIn.tailnet).get('provider', signIn.provider)
    if (provider === undefined) return page(STALE_LOGIN)
    const proved = await providers.finish(provider, this.#journey(state, signIn), answer)
    if (proved.kind === 'refused') {
      this.#deps.onFault(`login by ${provider.id}`, proved.fault, visit.from)
      return page(messagePage(403, 'You could not be logged in', proved.why, signIn.next))
    }
    const settled = await this.#door.signIns.settle(signIn, proved.claims, byVisitor(visit))
    return await this.#door.enter(visit, signIn.tailnet, provider.id, settled, signIn.next)
  }

  /** An answer by SAML, as our own page hands it on. */
  async #postedCallback(visit: Visit): Promise<Reply> {
    if (!this.#door.isSameOrigin(visit)) return page(STALE_LOGIN)
    const body = await visit.body()
    const [state, answer] = [body.get('state'), body.get('SAMLResponse')]
    if (typeof state !== 'string' || typeof answer !== 'string') return page(STALE_LOGIN)
    return await this.#callback(visit, new URLSearchParams({ state, SAMLResponse: answer }))
  }

  #ticket(text: string): Reply {
    const open = this.#door.ticketIn(text)
    if (open === undefined) return page(OVER)
    const { tailnet, ticket } = open
    const providers = [...this.#deps.ledger.model.state(tailnet.num).all('provider')]
    return page(ticketPage(ticket, text, tailnet, providers))
  }

  async #signOut(visit: Visit): Promise<Reply> {
    const signedIn = this.#door.who(visit)
    const body = await visit.body()
    const next = safeNext(body.get('next'))
    const forget: Cookie[] = [{ name: SESSION_COOKIE, value: undefined }]
    if (signedIn === undefined) return { kind: 'go', to: next, cookies: forget }
    if (!this.#door.isOurs(visit, body, signedIn)) return STALE
    const { sessions } = this.#door
    const by = byUser(signedIn, visit)
    if (body.get('everywhere') === 'yes') await sessions.endAll(signedIn.tailnet.num, signedIn.user.id, by)
    else await sessions.end(signedIn, by)
    return { kind: 'go', to: next, cookies: forget }
  }

  #openLogin(code: string): PendingLogin | undefined {
    const { ledger } = this.#deps
    const login = ledger.model.login(code)
    return login === undefined || (login.outcome === undefined && login.expires <= ledger.now()) ? undefined : login
  }

  /** How people get into the tailnet that is meant; `which`: several are, `undefined`: nobody can. */
  #ways(url: URL, next: string) {
    const tailnet: Tailnet | undefined = this.#door.tailnetIn(url)
    if (tailnet === undefined) return 'which' as const
    return waysInto(this.#deps.ledger.model, tailnet, next)
  }

  #journey(state: string, { created, nonce, verifier, again }: SignIn): Journey {
    const redirectUri = `${this.#deps.url}/auth/callback`
    return { state, begun: created, nonce, verifier, redirectUri, again: again !== undefined }
  }
}

const UNSAFE = messagePage(
  403,
  'Not over this connection',
  'This server is reached without TLS here, so nobody can log in by a browser: what they send could be read on the way.',
)
const NO_WAY_IN = messagePage(
  200,
  'Nobody can log in yet',
  'This network has no identity provider and nobody has a passkey. An administrator sets one up on the server: sett admin providers add, or sett admin users link NAME.',
)
const OVER = messagePage(404, 'This link is over', 'It is mistyped, has been used, or its time is over.')
const STALE: Reply = page(
  messagePage(403, 'This page is out of date', 'Load it again, then try once more. Nothing was changed.'),
)
const STALE_LOGIN: Page = messagePage(
  403,
  'This login is over',
  'It has been used, was begun in another browser, or took too long. Go back to where you came from and begin again.',
)

/**
 * A provider's SAML answer is posted by its own page, and browsers send no cookies of ours with that. So ours is shown,
 * which posts the same once more; nothing is believed before that.
 */
function handOn(body: Fields): Reply {
  const [state, answer] = [body.get('RelayState'), body.get('SAMLResponse')]
  const isAnswer = typeof answer === 'string' && /^[A-Za-z0-9+/=\r\n]{1,200000}$/.test(answer)
  if (!isAnswer || typeof state !== 'string' || !isToken(state))
    return page(messagePage(400, 'Begin here', 'This server did not ask for that login: begin it here.', '/auth'))
  return page(handOnPage(state, answer.replace(/[\r\n]/g, '')))
}
