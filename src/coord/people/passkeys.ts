/**
 * Passkeys: how people log in where there is no identity provider. A challenge is good once, for the browser that it
 * was made for; a passkey's counter never goes back.
 */

import { utf8 } from '../../base/bytes.ts'
import type { Wall } from '../../base/clock.ts'
import type { By } from '../model/audit.ts'
import type { Ledger, Plan } from '../model/ledger.ts'
import { hasWayIn, newUser, userWrite, userWrites } from '../model/people.ts'
import type { Authentication, Passkey, SignIn, TailnetNum, User, Write } from '../model/records.ts'
import type { Authenticators, NewPasskey } from './identity-providers.ts'
import type { Settled } from './sign-in.ts'

/** What a sign-in record and a user's last authentication call it. */
export const PASSKEY = 'passkey'
/** Passkeys of one user. */
const PASSKEYS_MAX = 20

/** The user and their tailnet as an authenticator keeps them; at most 64 bytes. */
export function userHandle(tailnet: TailnetNum, user: number): string {
  return utf8(`${tailnet}/${user}`).toBase64({ alphabet: 'base64url', omitPadding: true })
}

export class Passkeys {
  readonly #ledger: Ledger
  readonly #authenticators: Authenticators

  constructor(ledger: Ledger, authenticators: Authenticators) {
    this.#ledger = ledger
    this.#authenticators = authenticators
  }

  /** What a browser is to ask its authenticator for: any passkey of this server. */
  async toLogIn(signIn: SignIn): Promise<unknown> {
    return await this.#authenticators.authenticationOptions(signIn.nonce)
  }

  /** What a browser is to ask for so that this user gets a passkey. */
  async toAdd(signIn: SignIn, user: Pick<User, 'id' | 'loginName' | 'displayName'>): Promise<unknown> {
    const state = this.#ledger.model.state(signIn.tailnet)
    const existing = [...state.entries('passkey')].filter(([, passkey]) => passkey.user === user.id).map(([id]) => id)
    return await this.#authenticators.registrationOptions({
      challenge: signIn.nonce,
      userHandle: userHandle(signIn.tailnet, user.id),
      loginName: user.loginName,
      displayName: user.displayName,
      existing,
    })
  }

  /** Whose passkey answered, if it did. */
  async logIn(signIn: SignIn, answer: unknown, by: By): Promise<Settled> {
    const id = this.#authenticators.credentialIdOf(answer)
    const passkey = id === undefined ? undefined : this.#ledger.model.state(signIn.tailnet).get('passkey', id)
    if (id === undefined || passkey === undefined) return NO_PASSKEY
    const counter = await this.#authenticators.verifyAuthentication(answer, signIn.nonce, id, passkey)
    if (counter === undefined) return NO_PASSKEY
    if (signIn.again !== undefined && passkey.user !== signIn.again)
      return refused('You were asked to log in again as yourself, and this is another account’s passkey.')
    return await this.#ledger.transact(signIn.tailnet, by, (model, now): Plan<Settled> => {
      const state = model.state(signIn.tailnet)
      const known = state.get('passkey', id)
      const user = state.usersById.get(passkey.user)
      // A copy of it may have been used meanwhile; authenticators without a counter say 0.
      const went = known !== undefined && (counter > known.counter || (counter === 0 && known.counter === 0))
      if (!went || user === undefined) return { result: NO_PASSKEY }
      if (user.status === 'suspended') return { result: refused('Your account is suspended. Ask an administrator.') }
      const after: User = { ...user, authenticated: authenticated(now) }
      const value: Passkey = { ...known, counter, used: now }
      const writes: Write[] = [
        userWrite(state, after),
        { kind: 'passkey', id, expect: state.version('passkey', id), value },
      ]
      return { batch: { writes }, result: { kind: 'user', user: after } }
    })
  }

  /** Gives a passkey to the user who asked for one; or, by a ticket, to whoever holds it. */
  async add(signIn: SignIn, answer: unknown, name: string, by: By): Promise<Settled> {
    const made = await this.#authenticators.verifyRegistration(answer, signIn.nonce)
    if (made === undefined) return refused('That passkey could not be verified. Try again.')
    const id = await this.#ledger.nextId('user')
    return await this.#ledger.transact(signIn.tailnet, by, (model, now): Plan<Settled> => {
      const state = model.state(signIn.tailnet)
      if (state.get('passkey', made.credentialId) !== undefined)
        return { result: refused('You have that passkey already.') }
      const whose = signIn.ticket === undefined ? userAsking(model, signIn) : this.#ticketUser(model, signIn, id, now)
      if ('kind' in whose) return { result: whose }
      const { user, writes, isNew } = whose
      if ([...state.all('passkey')].filter((passkey) => passkey.user === user.id).length >= PASSKEYS_MAX)
        return { result: refused(`You have ${PASSKEYS_MAX} passkeys: remove one first.`) }
      const after: User = { ...user, authenticated: authenticated(now) }
      const users = isNew ? userWrites(state, after) : [userWrite(state, after)]
      return {
        batch: { writes: [...users, ...writes, passkeyWrite(made, user.id, name, now)] },
        result: { kind: 'user', user: after },
      }
    })
  }

  #ticketUser(model: Ledger['model'], signIn: SignIn, id: number, now: Wall): Whose {
    const state = model.state(signIn.tailnet)
    const ticketId = signIn.ticket ?? ''
    const ticket = state.get('ticket', ticketId)
    if (ticket === undefined || ticket.expires <= now)
      return refused('The link that you came by is over. Ask for a new one.')
    const writes: Write[] = [{ kind: 'ticket', id: ticketId, expect: state.version('ticket', ticketId), value: null }]
    if (ticket.purpose === 'invite') {
      const loginName = ticket.email
      if (loginName === undefined || state.usersByLogin.has(loginName))
        return refused('This invitation is for an identity provider: log in with one of those.')
      return { user: newUser(id, loginName, ticket.role ?? 'member', now), writes, isNew: true }
    }
    const user = state.usersById.get(ticket.user ?? 0)
    if (user === undefined || user.status !== 'active') return refused('The user of this link is gone or suspended.')
    if (ticket.purpose === 'owner' && hasWayIn(state, user.id)) return refused('This tailnet has an owner already.')
    return { user, writes, isNew: false }
  }
}

type Whose =
  | (Settled & { kind: 'refused' })
  | { readonly user: User; readonly writes: readonly Write[]; readonly isNew: boolean }

function userAsking(model: Ledger['model'], signIn: SignIn): Whose {
  const user = model.state(signIn.tailnet).usersById.get(signIn.again ?? 0)
  return user?.status === 'active' ? { user, writes: [], isNew: false } : refused('You are not logged in any more.')
}

function passkeyWrite(made: NewPasskey, user: number, name: string, now: Wall): Write {
  const { credentialId, publicKey, counter, transports } = made
  const value: Passkey = { user, publicKey, counter, transports, name: name.slice(0, 64), created: now }
  return { kind: 'passkey', id: credentialId, expect: 'absent', value }
}

function authenticated(now: Wall): Authentication {
  return { at: now, method: PASSKEY }
}

function refused(why: string): Settled & { kind: 'refused' } {
  return { kind: 'refused', why }
}
const NO_PASSKEY = refused('That passkey is not known here.')
