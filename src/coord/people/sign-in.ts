/**
 * How somebody proves who they are: to their provider and back, and what that makes them here.
 *
 * Who they are is issuer and subject. A mail address never leads to an account that somebody else may have: it only
 * finds a user whom an administrator named and who never logged in, and that only from a provider that may speak for
 * the address.
 */

import type { Dice } from '../../base/bytes.ts'
import { later, MINUTE_MS } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import type { Secret } from '../../base/secret.ts'
import type { By } from '../model/audit.ts'
import type { Sha256 } from '../model/credentials.ts'
import type { Ledger, Plan } from '../model/ledger.ts'
import type { TailnetState } from '../model/model.ts'
import { findUser, hasWayIn, holderWrite, loginHolder, newUser, userWrite, userWrites } from '../model/people.ts'
import { SERVER } from '../model/records.ts'
import type { IdentityRecord, Provider, SignIn, TailnetNum, Ticket, User, Write } from '../model/records.ts'
import { admits, groupNames, identityId, loginNameOf, speaksFor } from './claims.ts'
import type { Claims } from './claims.ts'
import { isToken, newToken, tokenId } from '../model/tokens.ts'

/** People look for their second factor meanwhile. */
const SIGN_IN_MS = 15 * MINUTE_MS
/** Under way at once on the whole server. */
const SIGN_INS_MAX = 10_000

export interface SignInDeps {
  readonly ledger: Ledger
  readonly dice: Dice
  readonly sha256: Sha256
}

export interface Begin {
  readonly tailnet: TailnetNum
  readonly provider: string
  /** The browser's own cookie. */
  readonly browser: Secret
  /** Path to go on to. */
  readonly next: string
  readonly again?: number
  /** Id of its record. */
  readonly ticket?: string
}

export interface Begun {
  readonly state: Secret
  readonly signIn: SignIn
}

export type Settled =
  | { readonly kind: 'user'; readonly user: User }
  /** A sentence for the person at the browser. */
  | { readonly kind: 'refused'; readonly why: string }

export class SignIns {
  readonly #deps: SignInDeps

  constructor(deps: SignInDeps) {
    this.#deps = deps
  }

  /** Sends somebody off. What comes back is the state, and what is known of it. */
  async begin(ask: Begin, by: By): Promise<Begun | 'busy'> {
    const { ledger, dice, sha256 } = this.#deps
    const [state, nonce, verifier] = [newToken(dice, sha256), newToken(dice, sha256), newToken(dice, sha256)]
    return await ledger.transact(SERVER, by, (model, now): Plan<Begun | 'busy'> => {
      if (model.server.count('sign-in') >= SIGN_INS_MAX) return { result: 'busy' }
      const { browser, ...rest } = ask
      const signIn: SignIn = {
        ...rest,
        browser: tokenId(sha256, browser.reveal()),
        nonce: nonce.text.reveal(),
        verifier: verifier.text.reveal(),
        created: now,
        expires: later(now, SIGN_IN_MS),
      }
      return {
        batch: { writes: [{ kind: 'sign-in', id: state.id, expect: 'absent', value: signIn }] },
        result: { state: state.text, signIn },
      }
    })
  }

  /** Takes a state back: it is good once, for the browser that left with it. */
  async take(state: string, browser: Secret | undefined, by: By): Promise<SignIn | undefined> {
    const { ledger, sha256 } = this.#deps
    if (!isToken(state)) return undefined
    const id = tokenId(sha256, state)
    return await ledger.transact(SERVER, by, (model, now): Plan<SignIn | undefined> => {
      const signIn = model.server.get('sign-in', id)
      if (signIn === undefined || signIn.expires <= now) return { result: undefined }
      // A state that somebody else was given must not log this browser in as them.
      if (browser === undefined || tokenId(sha256, browser.reveal()) !== signIn.browser) return { result: undefined }
      const version = model.server.version('sign-in', id)
      return { batch: { writes: [{ kind: 'sign-in', id, expect: version, value: null }] }, result: signIn }
    })
  }

  /** Makes whom a provider vouches for a user of the tailnet: the one they are, or a new one if the rules say so. */
  async settle(signIn: SignIn, claims: Claims, by: By): Promise<Settled> {
    const { ledger } = this.#deps
    const id = await ledger.nextId('user')
    return await ledger.transact(signIn.tailnet, by, (model, now) => {
      const state = model.state(signIn.tailnet)
      const provider = state.get('provider', signIn.provider)
      if (provider === undefined) return refused('This way of logging in has been removed.')
      return this.#settle({ state, provider, signIn, claims, now, id, approval: asksForApproval(model, state) })
    })
  }

  #settle(at: Settling): Plan<Settled> {
    const { state, provider, signIn, claims } = at
    const key = identityId(this.#deps.sha256, claims)
    const known = state.get('identity', key)
    const user = known === undefined ? undefined : state.usersById.get(known.user)
    if (signIn.again !== undefined && user?.id !== signIn.again)
      return refused('You were asked to log in again as yourself, and this is another account.')
    if (user !== undefined) return this.#welcomeBack(at, key, known as IdentityRecord, user)

    const ticket = signIn.ticket === undefined ? undefined : state.get('ticket', signIn.ticket)
    if (signIn.ticket !== undefined && (ticket === undefined || ticket.expires <= at.now))
      return refused('The link that you came by is over. Ask for a new one.')
    if (ticket?.purpose === 'owner') return this.#becomeOwner(at, key, ticket)
    if (ticket?.purpose === 'passkey') return this.#oneMoreWay(at, key, ticket)
    const named = this.#namedByAdministrator(at)
    if (named !== undefined) return this.#firstTime(at, key, named, [])
    if (ticket === undefined && !admits(provider, claims))
      return refused(
        `${loginNameOf(provider, claims)} is not let into this tailnet. Ask an administrator to invite you, or log in with another account.`,
      )
    const loginName = loginNameOf(provider, claims)
    if (findUser(state, loginName) !== undefined)
      return refused(
        `There is a user ${loginName} already who logs in another way. Ask an administrator for a link that adds this one.`,
      )
    const fresh: User = {
      ...newUser(at.id, loginName, ticket?.role ?? 'member', at.now, claims.displayName),
      ...(at.approval && ticket === undefined ? { status: 'needs-approval' as const } : {}),
    }
    const profile = withProfile(fresh, at)
    const writes = [...userWrites(state, profile), ...this.#identityWrites(at, key, profile.id, undefined)]
    return { batch: { writes: [...writes, ...used(at, ticket)] }, result: { kind: 'user', user: profile } }
  }

  #welcomeBack(at: Settling, key: string, known: IdentityRecord, user: User): Plan<Settled> {
    if (user.status === 'suspended') return refused('Your account is suspended. Ask an administrator.')
    const after = withProfile(user, at)
    const writes = [userWrite(at.state, after), ...this.#identityWrites(at, key, user.id, known)]
    return { batch: { writes }, result: { kind: 'user', user: after } }
  }

  /** A user whom an administrator named by this address, and who has no way in yet. */
  #namedByAdministrator({ state, provider, claims }: Settling): User | undefined {
    const pushed = inDirectory(state, provider, claims)
    if (pushed !== undefined) return hasWayIn(state, pushed.id) ? undefined : pushed
    if (claims.email === undefined || !speaksFor(provider, claims.email)) return undefined
    const user = findUser(state, claims.email)
    // Whom a directory made a user, comes by the provider whose directory it is.
    if (user === undefined || state.get('directory-user', String(user.id)) !== undefined) return undefined
    return user.loginName.includes('@') && !hasWayIn(state, user.id) ? user : undefined
  }

  /** By a link for a user who is there already: what they log in with now is theirs from now on. */
  #oneMoreWay(at: Settling, key: string, ticket: Ticket): Plan<Settled> {
    const user = at.state.usersById.get(ticket.user ?? 0)
    return user === undefined
      ? refused('The user of this link is gone. Ask for a new one.')
      : this.#firstTime(at, key, user, used(at, ticket))
  }

  #firstTime(at: Settling, key: string, user: User, more: readonly Write[]): Plan<Settled> {
    if (user.status === 'suspended') return refused('Your account is suspended. Ask an administrator.')
    const after = withProfile(user, at)
    const writes = [userWrite(at.state, after), ...this.#identityWrites(at, key, user.id, undefined), ...more]
    return { batch: { writes }, result: { kind: 'user', user: after } }
  }

  /** The owner of a new tailnet is nobody yet, and is called after it; now they get a name. */
  #becomeOwner(at: Settling, key: string, ticket: Ticket): Plan<Settled> {
    const { state, provider, claims } = at
    const owner = state.usersById.get(ticket.user ?? 0)
    if (owner?.role !== 'owner' || hasWayIn(state, owner.id)) return refused('This tailnet has an owner already.')
    const loginName = loginNameOf(provider, claims)
    const holder = findUser(state, loginName)
    if (holder !== undefined && holder.id !== owner.id)
      return refused(`There is a user ${loginName} already: an administrator can make them the owner.`)
    const renamed: User = {
      ...owner,
      loginName,
      displayName: claims.displayName ?? (loginName.split('@', 1)[0] as string),
    }
    const names =
      loginHolder(loginName) === loginHolder(owner.loginName)
        ? []
        : [holderWrite(state, loginHolder(owner.loginName), null), holderWrite(state, loginHolder(loginName), owner.id)]
    return this.#firstTime(at, key, renamed, [...names, ...used(at, ticket)])
  }

  #identityWrites(at: Settling, id: string, user: number, known: IdentityRecord | undefined): Write[] {
    const { state, provider, claims, now } = at
    const { issuer, subject, email, groups } = claims
    const value: IdentityRecord = {
      user,
      provider: provider.id,
      issuer,
      subject,
      ...(email === undefined ? {} : { email }),
      groups,
      created: known?.created ?? now,
      used: now,
    }
    return [{ kind: 'identity', id, expect: state.version('identity', id), value }]
  }
}

interface Settling {
  readonly state: TailnetState
  readonly provider: Provider
  readonly signIn: SignIn
  readonly claims: Claims
  readonly now: Wall
  /** Of a user who is new. */
  readonly id: number
  /** New users wait for approval. */
  readonly approval: boolean
}

function withProfile(user: User, { provider, claims, now }: Settling): User {
  const { groups: _old, ...rest } = user
  const groups = groupNames(provider, claims)
  return {
    ...rest,
    ...(claims.displayName === undefined ? {} : { displayName: claims.displayName }),
    ...(claims.pictureUrl === undefined ? {} : { profilePicUrl: claims.pictureUrl }),
    authenticated: { at: now, method: provider.id },
    ...(groups.length === 0 ? {} : { groups }),
  }
}

/** Whom the provider's own directory made a user: known there by this subject, or by this address. */
function inDirectory(state: TailnetState, provider: Provider, { subject, email }: Claims): User | undefined {
  const named = email === undefined ? undefined : findUser(state, email)
  if (named !== undefined && state.get('directory-user', String(named.id))?.provider === provider.id) return named
  for (const { user, provider: of, externalId } of state.all('directory-user'))
    if (of === provider.id && externalId === subject) return state.usersById.get(user)
  return undefined
}

function used({ state, signIn }: Settling, ticket: Ticket | undefined): Write[] {
  if (ticket === undefined || signIn.ticket === undefined) return []
  return [{ kind: 'ticket', id: signIn.ticket, expect: state.version('ticket', signIn.ticket), value: null }]
}

function asksForApproval(model: Ledger['model'], state: TailnetState): boolean {
  return model.tailnet(state.num)?.settings.usersApprovalOn === true
}

function refused(why: string): Plan<Settled> {
  return { result: { kind: 'refused', why } }
}
