/**
 * How a machine becomes a node and stays one: registration by auth key or login, refresh, key rotation, logout.
 * (control.md §4.4, whose order of cases this follows)
 *
 * Decides and writes; holding requests open until a login is decided is the caller's matter.
 */

import type { Dice } from '../../base/bytes.ts'
import { DAY_MS, later, MINUTE_MS } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import type { MachineKey } from '../../base/keys.ts'
import type { RegisterRequest } from '../../wire/register.ts'
import { byNode, userActor } from '../model/actors.ts'
import { drawAddresses } from '../model/addressing.ts'
import type { By } from '../model/audit.ts'
import { randomStableId, rehashed } from '../model/credentials.ts'
import type { Bcrypt, Sha256 } from '../model/credentials.ts'
import { newCode } from '../model/codes.ts'
import type { Ledger, Plan } from '../model/ledger.ts'
import { isExpired } from '../model/model.ts'
import type { Located, Model, TailnetState } from '../model/model.ts'
import { freeName, labelFor } from '../model/naming.ts'
import { createNode, deleteNode, updateNode } from '../model/node-changes.ts'
import { ownerIn } from '../model/owner.ts'
import { SERVER } from '../model/records.ts'
import type { Batch, Check, Key, Node, PendingLogin, Tailnet, User, Write } from '../model/records.ts'
import { findKey, whyUnusable } from './auth-key.ts'
import { mergedHost, nameAfter, sameNode } from './host.ts'
import { applicantOf } from './permits.ts'
import type { Permits } from './permits.ts'

/** A login link is good for so long. */
export const LOGIN_MS = 15 * MINUTE_MS
/** Logins that one address may have open at a time; more get an answer to come back later. */
const LOGINS_PER_ADDRESS = 64

export interface Registration {
  /** Proved by the Noise handshake. */
  readonly machineKey: MachineKey
  readonly request: RegisterRequest
  /** IP address it comes from. */
  readonly from: string
}

export type Outcome =
  | { readonly kind: 'joined'; readonly tailnet: Tailnet; readonly node: Node; readonly user: User | undefined }
  /** Somebody must log in: show the link of this code. */
  | { readonly kind: 'log-in'; readonly code: string }
  /** The login of this code is not decided yet: ask again when it is, or has expired. */
  | { readonly kind: 'wait'; readonly code: string; readonly until: Wall }
  /** The node's own key has run out; a new one is wanted. */
  | { readonly kind: 'key-expired' }
  | { readonly kind: 'logged-out' }
  /** Said to the user as it is. */
  | { readonly kind: 'refused'; readonly why: string }
  /** Somebody else's node key. */
  | { readonly kind: 'foreign' }
  | { readonly kind: 'busy' }

export interface EnrollOptions {
  readonly ledger: Ledger
  readonly dice: Dice
  readonly sha256: Sha256
  /** For keys that came from Headscale; absent: they let nobody in. */
  readonly bcrypt?: Bcrypt
  readonly permits: Permits
}

/** How a node joins: whose it is and on what terms. */
interface Terms {
  readonly state: TailnetState
  readonly tailnet: Tailnet
  readonly user: User
  readonly tags: readonly string[]
  readonly ephemeral: boolean
  readonly authorized: boolean
  /** With the hash that it is to have from now on. */
  readonly authKey?: Key
}

export class Enroll {
  readonly #ledger: Ledger
  readonly #dice: Dice
  readonly #sha256: Sha256
  readonly #bcrypt: Bcrypt | undefined
  readonly #permits: Permits

  constructor(options: EnrollOptions) {
    this.#ledger = options.ledger
    this.#dice = options.dice
    this.#sha256 = options.sha256
    this.#bcrypt = options.bcrypt
    this.#permits = options.permits
  }

  async register(registration: Registration): Promise<Outcome> {
    const { machineKey, request } = registration
    const { model } = this.#ledger
    const now = this.#ledger.now()
    const known = model.nodeByKey(request.nodeKey)
    if (known !== undefined && known.node.machineKey !== machineKey) return { kind: 'foreign' }
    // Before auth keys: clients log out with their key still in hand.
    if (request.expiry !== undefined && request.expiry <= now) return await this.#logOut(registration, known)
    if (request.followup !== '') {
      const outcome = await this.#followUp(registration)
      if (outcome !== undefined) return outcome
    }
    // Also with an auth key that has been used or has run out since: containers restart with the one they had.
    if (known !== undefined && !isExpired(known.node, now)) return await this.#refresh(registration, known)
    if (request.authKey !== undefined) return await this.#joinByKey(registration)
    if (known !== undefined) return { kind: 'key-expired' }
    return await this.#beginLogin(registration)
  }

  async #logOut({ from }: Registration, known: Located | undefined): Promise<Outcome> {
    if (known === undefined) return { kind: 'logged-out' }
    return await this.#ledger.transact(known.tailnet.num, byNode(known.node, from), (model, now): Plan<Outcome> => {
      const state = model.state(known.tailnet.num)
      const node = state.node(known.node.id)
      if (node === undefined || node.nodeKey !== known.node.nodeKey) return { result: { kind: 'logged-out' } }
      const batch = node.ephemeral
        ? deleteNode(state, node, now)
        : updateNode(state, node, { ...node, keyExpiry: now, keyExpiryDisabled: false }, now)
      return { batch, result: { kind: 'logged-out' } }
    })
  }

  async #refresh({ machineKey, request, from }: Registration, known: Located): Promise<Outcome> {
    return await this.#ledger.transact(known.tailnet.num, byNode(known.node, from), (model, now): Plan<Outcome> => {
      const state = model.state(known.tailnet.num)
      const before = state.node(known.node.id)
      const tailnet = model.tailnet(state.num)
      if (before === undefined || tailnet === undefined || before.machineKey !== machineKey)
        return { result: { kind: 'key-expired' } }
      const node = this.#permits.withApprovedRoutes(state, before, {
        ...withHost(state, before, request),
        // A user may ask for an earlier end, never for a later one.
        ...(request.expiry === undefined ? {} : { keyExpiry: earlier(before.keyExpiry, request.expiry) }),
      })
      const joined: Outcome = { kind: 'joined', tailnet, node, user: state.usersById.get(node.user) }
      return { ...(sameNode(before, node) ? {} : { batch: updateNode(state, before, node, now) }), result: joined }
    })
  }

  async #joinByKey(registration: Registration): Promise<Outcome> {
    const { request, from } = registration
    const shown = request.authKey as NonNullable<typeof request.authKey>
    const found = await findKey(this.#ledger.model, shown, { sha256: this.#sha256, bcrypt: this.#bcrypt, from })
    if (found.kind === 'busy') return found
    if (found.kind === 'bad') return { kind: 'refused', why: `invalid key: ${found.why}` }
    const keyId = found.key.id
    return await this.#join(registration, found.tailnet.num, (model, now) => {
      const state = model.state(found.tailnet.num)
      const tailnet = model.tailnet(state.num)
      const kept = state.key(keyId)
      if (tailnet === undefined || kept === undefined) return 'invalid key: there is no such auth key'
      const key = kept.scheme === undefined ? kept : rehashed(this.#sha256, kept, found.secret)
      const user = state.usersById.get(key.user) ?? ownerIn(state)
      if (user === undefined) return `invalid key: the tailnet of auth key ${keyId} has no user to own the node`
      const wanted = request.hostinfo.RequestTags ?? []
      const excess = wanted.filter((tag) => !key.tags.includes(tag))
      const terms: Terms = {
        state,
        tailnet,
        user,
        tags: [...new Set([...key.tags, ...wanted])],
        ephemeral: key.ephemeral || request.ephemeral,
        authorized: key.preauthorized || !tailnet.settings.devicesApprovalOn,
        authKey: key,
      }
      const unusable = whyUnusable(state, key, now)
      if (unusable !== undefined) return `invalid key: ${unusable}`
      // What the key does not hand out, its tags or its owner may. (policy.md §9)
      const refused = this.#permits.refusedTags(state, applicantOf(user, key.tags), excess)
      return refused.length > 0 ? notPermitted(refused) : terms
    })
  }

  async #followUp(registration: Registration): Promise<Outcome | undefined> {
    const { machineKey, request } = registration
    const code = request.followup.slice(request.followup.lastIndexOf('/') + 1)
    const login = this.#ledger.model.login(code)
    const mine = login !== undefined && login.machineKey === machineKey && login.nodeKey === request.nodeKey
    if (!mine || login.expires <= this.#ledger.now()) return undefined
    const { outcome } = login
    if (outcome === undefined) return { kind: 'wait', code, until: login.expires }
    if (outcome.kind === 'refused') return { kind: 'refused', why: outcome.why }
    // Asked again because the answer was lost: it has joined already.
    const known = this.#ledger.model.nodeByKey(request.nodeKey)
    if (known !== undefined && !isExpired(known.node, this.#ledger.now())) return undefined
    return await this.#join(registration, outcome.tailnet, (model) => {
      const state = model.state(outcome.tailnet)
      const tailnet = model.tailnet(outcome.tailnet)
      const user = state.usersById.get(outcome.user)
      if (tailnet === undefined || user === undefined || user.status !== 'active')
        return 'the user who approved this login may not add nodes any more'
      const tags = request.hostinfo.RequestTags ?? []
      const refused = this.#permits.refusedTags(state, applicantOf(user, []), tags)
      if (refused.length > 0) return notPermitted(refused)
      return {
        state,
        tailnet,
        user,
        tags,
        ephemeral: request.ephemeral,
        authorized: !tailnet.settings.devicesApprovalOn,
      }
    })
  }

  /** Creates the node or, where this machine already has one of the same identity, gives that one the new key. */
  async #join(
    registration: Registration,
    tailnetNum: number,
    decide: (model: Model, now: Wall) => Terms | string,
  ): Promise<Outcome> {
    const id = await this.#ledger.nextId('node')
    return await this.#ledger.transact(tailnetNum, joining(registration), (model, now): Plan<Outcome> => {
      const terms = decide(model, now)
      if (typeof terms === 'string') return { result: { kind: 'refused', why: terms } }
      const { request, machineKey, from } = registration
      const wanted = request.tailnet.startsWith('required:') ? request.tailnet.slice('required:'.length) : ''
      if (wanted !== '' && model.tailnetNamed(wanted)?.num !== terms.tailnet.num)
        return { result: { kind: 'refused', why: `this machine may join tailnet ${wanted} only` } }
      // Somebody else may have taken this node key since register() looked.
      const holder = model.nodeByKey(request.nodeKey)
      if (holder !== undefined && holder.node.machineKey !== machineKey) return { result: { kind: 'foreign' } }
      if (holder !== undefined && holder.tailnet.num !== tailnetNum)
        return { result: { kind: 'refused', why: 'this node key is in use in another tailnet; log out there first' } }
      const before = knownAs(terms, registration, model)
      const fresh = newNode(terms, registration, id, now, this.#dice)
      const pools = before === undefined ? this.#permits.poolsFor(terms.state, terms.user, terms.tags) : []
      const node = this.#permits.withApprovedRoutes(
        terms.state,
        before,
        before === undefined
          ? { ...fresh, ...drawAddresses(terms.state, this.#dice, now, pools) }
          : renewed(terms.state, before, fresh),
      )
      const { writes, claims } =
        before === undefined ? createNode(terms.state, node, now) : updateNode(terms.state, before, node, now)
      const unchanged = (kind: 'user' | 'key', id: string): Check => ({
        kind,
        id,
        version: terms.state.version(kind, id),
      })
      const batch: Omit<Batch, 'tailnet'> = {
        writes: [...writes, ...keyWrites(terms, node, now)],
        claims,
        // Not written, but whoever is suspended or revoked meanwhile must not let a node in.
        checks: [
          unchanged('user', String(terms.user.id)),
          ...(isOnlyUsed(terms) ? [unchanged('key', terms.authKey.id)] : []),
        ],
      }
      return {
        batch,
        result: { kind: 'joined', tailnet: terms.tailnet, node, user: terms.user },
        by: joinedBy(terms, node, from),
      }
    })
  }

  async #beginLogin(registration: Registration): Promise<Outcome> {
    const { machineKey, request, from } = registration
    const code = newCode(this.#dice)
    return await this.#ledger.transact(SERVER, joining(registration), (model, now): Plan<Outcome> => {
      let sameAddress = 0
      for (const login of model.server.all('login')) {
        if (login.expires <= now || login.outcome !== undefined) continue
        if (login.machineKey === machineKey && login.nodeKey === request.nodeKey)
          return { result: { kind: 'log-in', code: login.code } }
        if (login.from === from) sameAddress++
      }
      if (sameAddress >= LOGINS_PER_ADDRESS) return { result: { kind: 'busy' } }
      const login: PendingLogin = {
        code,
        machineKey,
        nodeKey: request.nodeKey,
        created: now,
        expires: later(now, LOGIN_MS),
        hostname: request.hostinfo.Hostname ?? '',
        os: request.hostinfo.OS ?? '',
        from,
        ephemeral: request.ephemeral,
        requestTags: request.hostinfo.RequestTags ?? [],
      }
      const write: Write = { kind: 'login', id: code, expect: 'absent', value: login }
      return { batch: { writes: [write] }, result: { kind: 'log-in', code } }
    })
  }
}

function notPermitted(tags: readonly string[]): string {
  return `requested tags [${tags.join(' ')}] are invalid or not permitted`
}

/**
 * The node that this machine already is under these terms: that of its old key, else one of the same identity. A login
 * may give a machine's tags to its user's node, or take them from it: it stays the same node with the same addresses.
 */
function knownAs(terms: Terms, { machineKey, request }: Registration, model: Model): Node | undefined {
  const own = model
    .nodesOfMachine(machineKey)
    .filter(({ tailnet }) => tailnet.num === terms.state.num)
    .map(({ node }) => node)
  const same = own.filter((node) => sameIdentity(terms, node))
  return (
    same.find((node) => node.nodeKey === request.nodeKey) ??
    same.find((node) => node.nodeKey === request.oldNodeKey) ??
    own.find((node) => node.nodeKey === request.oldNodeKey && node.user === terms.user.id) ??
    same.sort((a, b) => b.loggedIn - a.loggedIn)[0]
  )
}

function sameIdentity(terms: Terms, node: Node): boolean {
  if (terms.tags.length === 0) return node.tags.length === 0 && node.user === terms.user.id
  return node.tags.length > 0
}

function newNode(terms: Terms, { machineKey, request }: Registration, id: number, now: Wall, dice: Dice): Node {
  const tagged = terms.tags.length > 0
  const end = later(now, terms.tailnet.settings.devicesKeyDurationDays * DAY_MS)
  const label = labelFor(request.hostinfo.Hostname ?? '')
  return {
    id,
    stableId: randomStableId(dice, 'n'),
    machineKey,
    nodeKey: request.nodeKey,
    ...(request.lockKey === undefined ? {} : { lockKey: request.lockKey }),
    user: terms.user.id,
    tags: [...terms.tags].sort(),
    name: freeName(terms.state, label),
    named: false,
    ipv4: '',
    ipv6: '',
    created: now,
    loggedIn: now,
    ...(tagged ? {} : { keyExpiry: earlier(end, request.expiry) }),
    keyExpiryDisabled: tagged,
    authorized: terms.authorized,
    ephemeral: terms.ephemeral,
    ...(terms.authKey === undefined ? {} : { authKey: terms.authKey.id }),
    cap: request.version,
    hostinfo: request.hostinfo,
    endpoints: [],
    homeDerp: 0,
    approvedRoutes: [],
  }
}

/** A node that logs in again keeps what it was: id, name, addresses, approval, routes. */
function renewed(state: TailnetState, before: Node, fresh: Node): Node {
  const { keyExpiry: _ended, ...kept } = before
  return {
    ...kept,
    ...fresh,
    id: before.id,
    stableId: before.stableId,
    name: nameAfter(state, before, fresh.hostinfo.Hostname ?? ''),
    named: before.named,
    ipv4: before.ipv4,
    ipv6: before.ipv6,
    created: before.created,
    authorized: before.authorized || fresh.authorized,
    ...(before.discoKey === undefined ? {} : { discoKey: before.discoKey }),
    endpoints: before.endpoints,
    homeDerp: before.homeDerp,
    approvedRoutes: before.approvedRoutes,
    hostinfo: mergedHost(before, fresh.hostinfo),
  }
}

/** A machine that is no node yet, by its key. */
function joining({ machineKey, from }: Registration): By {
  return { origin: 'NODE', actor: { id: machineKey, type: 'NODE' }, from }
}

/** Somebody logged in for it; or a key did instead of them, and the machine speaks for itself. */
function joinedBy({ state, user, authKey }: Terms, node: Node, from: string): By {
  if (authKey === undefined) return { origin: 'NODE', actor: userActor(user), from }
  const maker = state.usersById.get(authKey.user)?.loginName ?? authKey.formerUser
  return byNode(node, from, `auth key ${authKey.id}${maker === undefined ? '' : ` of ${maker}`}`)
}

/** Does the key stay as it is when it is used? */
function isOnlyUsed(terms: Terms): terms is Terms & { readonly authKey: Key } {
  const { state, authKey } = terms
  return authKey !== undefined && authKey.reusable && state.key(authKey.id)?.scheme === authKey.scheme
}

/** What using a key leaves behind: when it was used and, for a one-off key, by whom. */
function keyWrites(terms: Terms, node: Node, now: Wall): Write[] {
  const key = terms.authKey
  if (key === undefined) return []
  const use: Write = { kind: 'key-use', id: key.id, expect: 'any', value: { at: now } }
  if (isOnlyUsed(terms)) return [use]
  const version = terms.state.version('key', key.id)
  return [use, { kind: 'key', id: key.id, expect: version, value: key.reusable ? key : { ...key, usedBy: node.id } }]
}

function earlier(a: Wall | undefined, b: Wall | undefined): Wall {
  return Math.min(a ?? Infinity, b ?? Infinity) as Wall
}

function withHost(state: TailnetState, before: Node, request: RegisterRequest): Node {
  return {
    ...before,
    hostinfo: mergedHost(before, request.hostinfo),
    name: nameAfter(state, before, request.hostinfo.Hostname ?? ''),
    cap: request.version,
    ...(request.lockKey === undefined ? {} : { lockKey: request.lockKey }),
    ephemeral: before.ephemeral || request.ephemeral,
  }
}
