/**
 * One tailnet as its maps show it: every node's text for peers, made once per change, in pages that are
 * compressed once and shared by all maps; and what a change of the model means for those who hold a map.
 *
 * Who is sent what, and when, is the streams' matter; turning it into messages is map-writer.ts.
 */

import { BitSet } from '../../base/bit-set.ts'
import { DAY_MS } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import { SourceNames } from '../../policy/capability-sources.ts'
import { Engine } from '../../policy/engine.ts'
import type { Policy, SshRule } from '../../policy/policy.ts'
import type { PolicyNode } from '../../policy/tailnet.ts'
import type { Effect } from '../model/following.ts'
import { dnsOf } from '../model/dns.ts'
import { groupsOf } from '../model/groups.ts'
import { LoginAges } from '../model/login-ages.ts'
import { isExpired } from '../model/model.ts'
import type { Changed, TailnetState } from '../model/model.ts'
import { policyNode } from '../model/policy-tailnet.ts'
import type { AttributesRecord, Node, Presence, Tailnet, User } from '../model/records.ts'
import { enabledRoutes, isExitRoute, isWell } from '../model/routes.ts'
import { DnsTexts } from './dns.ts'
import { isOnline, peerJson, profileJson, profileOf, sameShownHostinfo } from './node-json.ts'
import type { ShownToPeers } from './node-json.ts'
import { Pages } from './pages.ts'
import { PolicyReach } from './policy-reach.ts'
import { everybody, takesPart } from './reach.ts'
import type { Reach } from './reach.ts'
import { Primaries } from './routes.ts'
import type { Reordered } from './routes.ts'

/** What of a peer changed, as bits: those that a patch can say (control.md §5.6), and everything else. */
export const FULL = 1
export const ENDPOINTS = 2
export const DERP = 4
export const DISCO = 8
export const ONLINE = 16
export const EXPIRY = 32

/** One node's place in the map. Its text is made when it is first needed. */
export class Entry implements ShownToPeers {
  readonly id: number
  /** Dense number of the node, for bit sets. */
  readonly slot: number
  node: Node
  presence: Presence | undefined
  /** Prefixes that it may route, and those of them that peers are told are its own. */
  enabled: readonly string[] = []
  routes: readonly string[] = []
  hidesIPv4 = false
  /** Its key had run out when that was last looked at. */
  ranOut = false
  sharedNames: readonly string[] = []
  #text: string | undefined
  /** Texts for those who are told of other routes than most. */
  readonly #variants = new Map<string, string>()

  constructor(node: Node, slot: number) {
    this.id = node.id
    this.slot = slot
    this.node = node
  }

  get profile(): number {
    return profileOf(this.node)
  }

  /** One that never opened a map has nothing yet by which it could be reached. */
  get isShown(): boolean {
    return this.node.authorized && this.node.discoKey !== undefined
  }

  get isRouter(): boolean {
    return this.enabled.length > 0
  }

  /** May what it routes be sent to it now? */
  get isUsable(): boolean {
    return !this.ranOut && isWell(this.presence)
  }

  text(tailnet: Tailnet, now: Wall, routes = this.routes): string {
    if (routes === this.routes) return (this.#text ??= peerJson(tailnet, this, now))
    const key = routes.join()
    let text = this.#variants.get(key)
    if (text === undefined) {
      const { node, presence, hidesIPv4, sharedNames } = this
      this.#variants.set(key, (text = peerJson(tailnet, { node, presence, hidesIPv4, sharedNames, routes }, now)))
    }
    return text
  }

  forget(): void {
    this.#text = undefined
    this.#variants.clear()
  }
}

export class TailnetMap {
  readonly state: TailnetState
  tailnet: Tailnet
  readonly entries = new Map<number, Entry>()
  readonly pages: Pages<Entry>
  readonly dns: DnsTexts
  /** Who reaches whom; everybody everybody until there is a policy. */
  reach: Reach = everybody
  #policy: PolicyReach | undefined
  readonly #sourceNames = new SourceNames()
  /** The policy that is being compiled, and the slots whose nodes changed meanwhile. */
  #next:
    | { readonly steps: Generator<void, Engine>; readonly changed: Set<number>; readonly ages: LoginAges }
    | undefined
  /** What the policy can tell of the ages of logins; while another one is compiled, what either can. */
  #ages = LoginAges.NONE
  readonly #bySlot: (Entry | undefined)[] = []
  readonly #routers = new Set<Entry>()
  /** Which of several routers of a subnet is used. */
  readonly primaries = new Primaries()
  /** Nodes of each profile. */
  readonly #nodesOf = new Map<number, number>()
  readonly #free: number[] = []
  #slots = 0
  /** Keys run out at these times. */
  readonly #expiring = new Map<number, Wall>()
  /** Posture attributes of these nodes lapse, or grow too old, at these times. */
  readonly #lapsing = new Map<number, Wall>()
  /** The earliest of all; `undefined`: not known at the moment. It is asked for at every turn. */
  #soonest: Wall | undefined

  constructor(state: TailnetState, tailnet: Tailnet, compress: (text: string) => Uint8Array) {
    this.state = state
    this.tailnet = tailnet
    this.pages = new Pages(compress)
    this.dns = new DnsTexts(tailnet.domain, dnsOf(state))
    for (const [prefix, { nodes }] of state.entries('route-order')) this.primaries.record(prefix, nodes, this.#isUsable)
    for (const node of [...state.all('node')].sort((a, b) => a.id - b.id)) this.#add(node)
    for (const entry of this.entries.values()) {
      entry.presence = state.presence(entry.id)
      this.#reroute(entry, [])
    }
  }

  /** Takes in one change of the model and adds what it means to `effects`. */
  apply(changed: Changed, now: Wall, effects: Effect[]): void {
    const own: Effect[] = []
    switch (changed.kind) {
      case 'node':
        this.#applyNode(changed.before, changed.after, own, now)
        break
      case 'presence': {
        const entry = this.entries.get(Number(changed.id))
        if (entry !== undefined) this.#applyPresence(entry, changed.after, own, now)
        break
      }
      case 'route-order':
        this.#reordered(this.primaries.record(changed.id, changed.after?.nodes, this.#isUsable), own)
        break
      case 'user':
        if (changed.after !== undefined && changed.before !== undefined)
          this.#applyUser(changed.before, changed.after, own, now)
        break
      case 'attributes': {
        const entry = this.entries.get(Number(changed.id))
        if (entry !== undefined) this.#consult(entry, own, now)
        break
      }
      case 'dns':
        if (this.dns.update(this.tailnet.domain, dnsOf(this.state))) own.push({ kind: 'dns' })
        break
      default:
    }
    effects.push(...this.#addressed(own))
  }

  /** From now on the policy says who reaches whom. */
  setPolicy(policy: Policy, now: Wall, effects: Effect[], compact = true): void {
    this.beginPolicy(policy, now, compact)
    while (this.stepPolicy(now, effects));
  }

  /**
   * The same, for whoever has other things to do meanwhile: the policy before stays in force until the steps are done.
   *
   * @param compact whether rules are written in the shorter form that means the same
   */
  beginPolicy(policy: Policy, now: Wall, compact = true): void {
    const options = { compact, names: compact ? this.#sourceNames : undefined }
    const ages = LoginAges.of(policy)
    this.#ages = this.#ages.and(ages)
    this.#next = { steps: Engine.building(policy, this.#policyNodes(now), options), changed: new Set(), ages }
  }

  /** Goes on for a few milliseconds. True: there is more to do. */
  stepPolicy(now: Wall, effects: Effect[]): boolean {
    if (this.#next === undefined) return false
    const { steps, changed, ages } = this.#next
    const step = steps.next()
    if (step.done !== true) return true
    this.#next = undefined
    this.#ages = ages
    this.reach = this.#policy = new PolicyReach(step.value, this.primaries)
    // Whoever changed after its turn has to be taken as it is now.
    for (const slot of changed) {
      const entry = this.#bySlot[slot]
      this.#policy.set(slot, entry === undefined ? undefined : this.#policyNode(entry, now))
    }
    this.#routers.clear()
    for (const entry of this.entries.values()) {
      if (entry.isRouter) this.#routers.add(entry)
      this.#hideIPv4(entry, effects)
      this.#callByNames(entry, effects)
    }
    effects.push({ kind: 'policy' })
    return false
  }

  /** The rule by which one node logs in by SSH to another as this local account; both take part now. */
  sshRule(from: number, to: number, account: string, now: Wall): SshRule | undefined {
    const [source, target] = [this.entries.get(from), this.entries.get(to)]
    if (source === undefined || target === undefined) return undefined
    const takePart = [source, target].every(({ node }) => takesPart(node, now))
    return takePart ? this.reach.sshRule(source, target, account) : undefined
  }

  /** The tailnet's own record changed: its domain is in every name. */
  replaceTailnet(tailnet: Tailnet, effects: Effect[]): void {
    const renamed = tailnet.domain !== this.tailnet.domain
    this.tailnet = tailnet
    effects.push({ kind: 'tailnet' })
    if (!renamed) return
    this.dns.update(tailnet.domain, dnsOf(this.state))
    for (const entry of this.entries.values()) {
      this.#touch(entry)
      effects.push({ kind: 'peer', node: entry.id, mask: FULL })
    }
  }

  /** When the next node key runs out, within a day; `undefined`: none does. */
  nextExpiry(now: Wall): Wall | undefined {
    if (this.#soonest === undefined) {
      let soonest = Infinity as Wall
      for (const at of [...this.#expiring.values(), ...this.#lapsing.values()]) if (at < soonest) soonest = at
      this.#soonest = soonest
    }
    return this.#soonest <= now + DAY_MS ? this.#soonest : undefined
  }

  /** Keys that have run out by now: their peers must see them as expired, and they may see nobody. */
  expire(now: Wall, effects: Effect[]): void {
    for (const [id, at] of this.#expiring) {
      if (at > now) continue
      this.#expireAt(id, undefined)
      const entry = this.entries.get(id)
      if (entry === undefined) continue
      this.#touch(entry)
      effects.push({ kind: 'peer', node: id, mask: FULL }, { kind: 'view', node: id })
      entry.ranOut = true
      this.#reroute(entry, effects)
    }
    for (const [id, at] of this.#lapsing) {
      if (at > now) continue
      this.#lapsing.delete(id)
      const entry = this.entries.get(id)
      if (entry !== undefined) this.#consult(entry, effects, now)
    }
  }

  #add(node: Node): Entry {
    const entry = new Entry(node, this.#free.pop() ?? this.#slots++)
    this.entries.set(node.id, entry)
    this.#bySlot[entry.slot] = entry
    this.pages.insert(entry)
    this.#countUp(node)
    this.#watchExpiry(node)
    return entry
  }

  #countUp(node: Node): void {
    const profile = profileOf(node)
    this.#nodesOf.set(profile, (this.#nodesOf.get(profile) ?? 0) + 1)
  }

  #countDown(node: Node, effects: Effect[]): void {
    const profile = profileOf(node)
    const left = (this.#nodesOf.get(profile) ?? 0) - 1
    if (left > 0) this.#nodesOf.set(profile, left)
    else if (this.#nodesOf.delete(profile)) effects.push({ kind: 'forgotten', profile })
  }

  #watchExpiry(node: Node): void {
    this.#expireAt(node.id, node.keyExpiryDisabled ? undefined : node.keyExpiry)
  }

  #expireAt(id: number, at: Wall | undefined): void {
    const before = this.#expiring.get(id)
    if (before === at) return
    if (at === undefined) this.#expiring.delete(id)
    else this.#expiring.set(id, at)
    if (before !== undefined && before === this.#soonest) this.#soonest = undefined
    else if (at !== undefined && this.#soonest !== undefined && at < this.#soonest) this.#soonest = at
  }

  #touch(entry: Entry): void {
    entry.forget()
    this.pages.touch(entry)
  }

  #applyNode(before: Node | undefined, after: Node | undefined, effects: Effect[], now: Wall): void {
    if (after === undefined) {
      const entry = before === undefined ? undefined : this.entries.get(before.id)
      if (entry === undefined) return
      this.entries.delete(entry.id)
      this.#reordered(this.primaries.update(entry.id, [], this.#isUsable), effects)
      this.#consult(entry, effects, now)
      this.#bySlot[entry.slot] = undefined
      this.#expireAt(entry.id, undefined)
      this.pages.remove(entry)
      this.#free.push(entry.slot)
      effects.push({ kind: 'gone', node: entry.id, slot: entry.slot, was: entry.node })
      this.#countDown(entry.node, effects)
      return
    }
    const entry = this.entries.get(after.id)
    if (entry === undefined) {
      const added = this.#add(after)
      this.#reroute(added, effects)
      this.#consult(added, effects, now)
      effects.push({ kind: 'peer', node: after.id, mask: FULL })
      return
    }
    const old = entry.node
    entry.node = after
    this.#countUp(after)
    this.#countDown(old, effects)
    // A patch cannot take "expired" back.
    const turned = isExpired(old, now) !== isExpired(after, now)
    entry.ranOut = isExpired(after, now)
    const mask = turned ? FULL : differences(old, after)
    this.#watchExpiry(after)
    if (mask !== 0) {
      this.#touch(entry)
      effects.push({ kind: 'peer', node: after.id, mask })
    }
    if (changesSelf(old, after)) effects.push({ kind: 'self', node: after.id })
    if (turned || old.authorized !== after.authorized || !sameTexts(old.tags, after.tags))
      effects.push({ kind: 'view', node: after.id })
    this.#reroute(entry, effects)
    this.#consult(entry, effects, now)
  }

  #applyPresence(entry: Entry, presence: Presence | undefined, effects: Effect[], now: Wall): void {
    const [was, wasUsable] = [isOnline(entry), entry.isUsable]
    entry.presence = presence
    if (entry.isUsable !== wasUsable && isOnline(entry) === was) this.#reroute(entry, effects)
    if (isOnline(entry) === was) return
    this.#touch(entry)
    effects.push({ kind: 'peer', node: entry.id, mask: ONLINE })
    this.#reroute(entry, effects)
    if (entry.isRouter) this.#consult(entry, effects, now)
  }

  #applyUser(before: User, after: User, effects: Effect[], now: Wall): void {
    if (profileJson(after.id, after) !== profileJson(before.id, before))
      effects.push({ kind: 'profile', user: after.id })
    const isSamePerson = after.role === before.role && after.loginName === before.loginName
    const hasLoggedIn = this.#ages.asked && !isSameLogin(before.authenticated, after.authenticated)
    if (isSamePerson && !hasLoggedIn && sameTexts(groupsOf(after), groupsOf(before))) return
    for (const entry of this.entries.values()) {
      if (entry.node.user !== after.id) continue
      if (!isSamePerson) effects.push({ kind: 'self', node: entry.id })
      this.#consult(entry, effects, now)
    }
  }

  /** Asks the policy what it makes of a node as it is now, and tells whoever that concerns. */
  #consult(entry: Entry, effects: Effect[], now: Wall): void {
    this.#next?.changed.add(entry.slot)
    if (this.#policy === undefined) return
    const here = this.entries.has(entry.id)
    const routed = this.#routers.has(entry)
    if (here && entry.isRouter) this.#routers.add(entry)
    else this.#routers.delete(entry)
    const touched = this.#policy.set(entry.slot, here ? this.#policyNode(entry, now) : undefined)
    if (touched === undefined) return
    effects.push(
      { kind: 'edges', node: entry.id, others: this.#ids(touched.edges) },
      { kind: 'rules', nodes: this.#ids(touched.rules) },
    )
    // Which routes it is told of may have changed; and who carries what others offer too.
    for (const router of this.#routers) {
      if (router !== entry)
        effects.push({
          kind: 'peer',
          node: router.id,
          mask: 0,
          ...(routed || entry.isRouter ? {} : { to: [entry.id] }),
        })
    }
    this.#hideIPv4(entry, effects)
    if (here) this.#callByNames(entry, effects)
  }

  *#policyNodes(now: Wall): Generator<PolicyNode> {
    for (const entry of this.entries.values()) {
      const node = this.#policyNode(entry, now)
      if (node !== undefined) yield node
    }
  }

  #policyNode(entry: Entry, now: Wall): PolicyNode | undefined {
    if (!entry.isShown) return undefined
    const { slot, node, enabled } = entry
    const custom = this.state.get('attributes', String(entry.id))?.values ?? {}
    const user = this.state.usersById.get(node.user)
    this.#lapse(node, custom, user, now)
    return policyNode({ slot, node, enabled, user, custom, online: isOnline(entry) }, now, this.#ages)
  }

  #lapse({ id, tags }: Node, custom: AttributesRecord['values'], owner: User | undefined, now: Wall): void {
    const times = Object.values(custom).flatMap(({ expires }) =>
      expires !== undefined && expires > now ? [expires] : [],
    )
    const login = tags.length === 0 ? owner?.authenticated : undefined
    const older = login && this.#ages.next(login.at, now)
    if (older !== undefined) times.push(older)
    if (times.length === 0) this.#lapsing.delete(id)
    else this.#lapsing.set(id, Math.min(...times) as Wall)
    this.#soonest = undefined
  }

  #hideIPv4(entry: Entry, effects: Effect[]): void {
    const hidden = this.reach.hidesIPv4(entry)
    if (hidden === entry.hidesIPv4) return
    entry.hidesIPv4 = hidden
    this.#touch(entry)
    effects.push({ kind: 'peer', node: entry.id, mask: FULL }, { kind: 'self', node: entry.id })
  }

  #callByNames(entry: Entry, effects: Effect[]): void {
    const names = this.reach.sharedNames(entry)
    if (sameTexts(names, entry.sharedNames)) return
    entry.sharedNames = names
    this.#touch(entry)
    effects.push({ kind: 'peer', node: entry.id, mask: FULL })
  }

  /** Says who sees each node that looks different, so that nobody else is asked. */
  #addressed(effects: readonly Effect[]): readonly Effect[] {
    if (this.#policy === undefined) return effects
    const viewers = new Map<number, readonly number[] | undefined>()
    return effects.map((effect) => {
      if (effect.kind !== 'peer' || effect.to !== undefined) return effect
      const entry = this.entries.get(effect.node)
      if (entry === undefined) return effect
      if (!viewers.has(effect.node)) viewers.set(effect.node, this.#viewersOf(entry))
      const to = viewers.get(effect.node)
      return to === undefined ? effect : { ...effect, to }
    })
  }

  /** `undefined`: everybody, or nearly. */
  #viewersOf(entry: Entry): number[] | undefined {
    const visible = this.reach.visible(entry)
    return visible === undefined || visible.size >= this.entries.size - 1 ? undefined : this.#ids(visible)
  }

  #ids(slots: BitSet): number[] {
    const ids: number[] = []
    for (const slot of slots) {
      const entry = this.#bySlot[slot]
      if (entry !== undefined) ids.push(entry.id)
    }
    return ids
  }

  /** Asks anew which prefixes a node routes, and tells of every node whose part changed. */
  #reroute(entry: Entry, effects: Effect[]): void {
    const before = entry.enabled
    entry.enabled = entry.node.authorized ? enabledRoutes(entry.node) : []
    // A standby's routes are told to itself alone.
    if (!sameTexts(before, entry.enabled)) effects.push({ kind: 'self', node: entry.id })
    this.#reordered(this.primaries.update(entry.id, entry.enabled, this.#isUsable), effects)
    this.#setRoutes(entry, effects)
  }

  readonly #isUsable = (node: number): boolean => this.entries.get(node)?.isUsable ?? false

  /** Tells of every router whose part has changed: for everybody, or, where `via` chooses, for some who see it. */
  #reordered(reordered: readonly Reordered[], effects: Effect[]): void {
    for (const { before, after } of reordered) {
      const chosen = after.length > 1 && this.#policy?.choosesRouters === true
      for (const node of new Set([...before, ...after])) {
        const entry = this.entries.get(node)
        if (entry === undefined) continue
        this.#setRoutes(entry, effects)
        if (chosen) effects.push({ kind: 'peer', node, mask: 0 })
      }
    }
  }

  #setRoutes(entry: Entry, effects: Effect[]): void {
    const routes = entry.enabled.filter((prefix) => isExitRoute(prefix) || this.primaries.isPrimary(entry.id, prefix))
    if (sameTexts(routes, entry.routes)) return
    entry.routes = routes
    this.#touch(entry)
    effects.push({ kind: 'peer', node: entry.id, mask: FULL }, { kind: 'self', node: entry.id })
  }
}

function isSameLogin(a: User['authenticated'], b: User['authenticated']): boolean {
  return a?.at === b?.at && a?.method === b?.method
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, i) => text === b[i])
}

/** What peers see change between two states of a node. */
function differences(a: Node, b: Node): number {
  if (
    a.name !== b.name ||
    a.nodeKey !== b.nodeKey ||
    a.user !== b.user ||
    a.ipv4 !== b.ipv4 ||
    a.ipv6 !== b.ipv6 ||
    a.cap !== b.cap ||
    a.authorized !== b.authorized ||
    a.keyExpiryDisabled !== b.keyExpiryDisabled ||
    !sameTexts(a.tags, b.tags) ||
    !sameShownHostinfo(a, b) ||
    // A patch cannot take these back to "not known".
    (a.homeDerp !== b.homeDerp && b.homeDerp === 0) ||
    (a.discoKey === undefined) !== (b.discoKey === undefined) ||
    (a.keyExpiry === undefined) !== (b.keyExpiry === undefined)
  )
    return FULL
  return (
    (sameTexts(a.endpoints, b.endpoints) ? 0 : ENDPOINTS) |
    (a.homeDerp === b.homeDerp ? 0 : DERP) |
    (a.discoKey === b.discoKey ? 0 : DISCO) |
    (a.keyExpiry === b.keyExpiry ? 0 : EXPIRY)
  )
}

/** Does the node itself have to be told? Its endpoints and host information it knows better than we. */
function changesSelf(a: Node, b: Node): boolean {
  return (
    a.name !== b.name ||
    a.nodeKey !== b.nodeKey ||
    a.user !== b.user ||
    a.ipv4 !== b.ipv4 ||
    a.ipv6 !== b.ipv6 ||
    a.authorized !== b.authorized ||
    a.keyExpiry !== b.keyExpiry ||
    a.keyExpiryDisabled !== b.keyExpiryDisabled ||
    !sameTexts(a.tags, b.tags)
  )
}
