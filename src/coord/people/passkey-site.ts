/** The pages of passkeys: logging in by one, making one by a link, adding one to an account. */

import { MINUTE_MS } from '../../base/clock.ts'
import type { Ledger } from '../model/ledger.ts'
import type { Door } from './door.ts'
import type { Authenticators } from './identity-providers.ts'
import { passkeyPage, whichTailnetPage } from './pages/people.ts'
import { PASSKEY, Passkeys } from './passkeys.ts'
import { asJson, byVisitor, json, nextOf, NOT_FOUND, page } from './visit.ts'
import type { Fields, Reply, Visit } from './visit.ts'

/** Adding a passkey asks for a login not older than this: whoever finds a browser open must not leave one behind. */
const FRESH_MS = 15 * MINUTE_MS
/** What a login under way is for. A state for the one is no good for the other; no provider is called like this. */
const ADDING = 'passkey/add'

export class PasskeySite {
  readonly #door: Door
  readonly #ledger: Ledger
  readonly #passkeys: Passkeys

  constructor(door: Door, ledger: Ledger, authenticators: Authenticators) {
    this.#door = door
    this.#ledger = ledger
    this.#passkeys = new Passkeys(ledger, authenticators)
  }

  /** @param act what stands after `/auth/passkey/` */
  async visit(visit: Visit, act: string | undefined): Promise<Reply> {
    if (visit.method === 'GET') {
      if (act === undefined) return this.#page(visit)
      return act === 'add' ? this.#addPage(visit) : NOT_FOUND
    }
    if (!this.#door.isSameOrigin(visit)) return NOT_FOUND
    switch (act) {
      case 'options':
        return await this.#options(visit)
      case 'verify':
        return await this.#verify(visit)
      case 'add-options':
        return await this.#addOptions(visit)
      case 'add-verify':
        return await this.#addVerify(visit)
    }
    return NOT_FOUND
  }

  #page(visit: Visit): Reply {
    const next = nextOf(visit.url)
    const tailnet = this.#door.tailnetIn(visit.url)
    return page(
      tailnet === undefined ? whichTailnetPage(next) : passkeyPage(next, false, '', `Log in to ${tailnet.name}`),
    )
  }

  #addPage(visit: Visit): Reply {
    if (this.#ticketOf(visit) !== undefined) return page(passkeyPage(nextOf(visit.url), true, '', 'Make a passkey'))
    const signedIn = this.#door.who(visit)
    if (signedIn === undefined) return { kind: 'go', to: '/auth?next=/auth/passkey/add' }
    if (!this.#door.isFresh(signedIn, FRESH_MS)) return this.#door.again(signedIn, '/auth/passkey/add')
    return page(passkeyPage('/auth', true, this.#door.csrf(signedIn), 'Make a passkey'))
  }

  async #options(visit: Visit): Promise<Reply> {
    const tailnet = this.#door.tailnetIn(visit.url)
    if (tailnet === undefined) return json(404, { message: 'There is no such network here' })
    const again = visit.url.searchParams.has('again') ? this.#door.who(visit)?.user.id : undefined
    const begun = await this.#door.begin(visit, {
      tailnet: tailnet.num,
      provider: PASSKEY,
      next: nextOf(visit.url),
      again,
    })
    if (begun === 'busy') return BUSY
    const { state, signIn, cookies } = begun
    return { ...json(200, { state: state.reveal(), options: await this.#passkeys.toLogIn(signIn) }), cookies }
  }

  async #verify(visit: Visit): Promise<Reply> {
    const body = await visit.body()
    const signIn = await this.#taken(visit, body, PASSKEY)
    if (signIn === undefined) return OVER
    const settled = await this.#passkeys.logIn(signIn, body.get('answer'), byVisitor(visit))
    return asJson(await this.#door.enter(visit, signIn.tailnet, PASSKEY, settled, signIn.next))
  }

  async #addOptions(visit: Visit): Promise<Reply> {
    const body = await visit.body()
    const ticket = this.#ticketOf(visit)
    const signedIn = ticket === undefined ? this.#door.who(visit) : undefined
    const mayAdd =
      signedIn !== undefined && this.#door.isOurs(visit, body, signedIn) && this.#door.isFresh(signedIn, FRESH_MS)
    if (ticket === undefined && !mayAdd) return json(403, { message: 'Log in again, then add a passkey' })
    const tailnet = ticket?.tailnet.num ?? signedIn?.tailnet.num ?? 0
    const again = signedIn?.user.id
    const next = nextOf(visit.url)
    const begun = await this.#door.begin(visit, { tailnet, provider: ADDING, next, again, ticket })
    if (begun === 'busy') return BUSY
    const { state, signIn, cookies } = begun
    const loginName = ticket?.ticket.email ?? 'you'
    const user = signedIn?.user ??
      this.#ledger.model.state(tailnet).usersById.get(ticket?.ticket.user ?? 0) ?? {
        id: 0,
        loginName,
        displayName: loginName,
      }
    return { ...json(200, { state: state.reveal(), options: await this.#passkeys.toAdd(signIn, user) }), cookies }
  }

  async #addVerify(visit: Visit): Promise<Reply> {
    const body = await visit.body()
    const signIn = await this.#taken(visit, body, ADDING)
    if (signIn === undefined) return OVER
    const settled = await this.#passkeys.add(signIn, body.get('answer'), visit.agent, byVisitor(visit))
    return asJson(await this.#door.enter(visit, signIn.tailnet, PASSKEY, settled, signIn.next))
  }

  #ticketOf({ url }: Visit) {
    return this.#door.ticketIn(url.searchParams.get('ticket') ?? '')
  }

  async #taken(visit: Visit, body: Fields, what: string) {
    const state = body.get('state')
    const signIn = typeof state === 'string' ? await this.#door.take(visit, state) : undefined
    return signIn?.provider === what ? signIn : undefined
  }
}

const BUSY = json(503, { message: 'Too many logins at once: try again in some minutes' })
const OVER = json(403, { message: 'This login is over: try again' })
