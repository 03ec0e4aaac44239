/**
 * One tailnet as its maps show it: every node's text for peers, made once per change, in pages that are
 * compressed once and shared by all maps; and what a change of the model means for those who hold a map.
 *
 * Who is sent what, and when, is the streams' matter; turning it into messages is map-writer.ts.
 */

import { DAY_MS } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import type { Effect } from '../model/following.ts'
import { isExpired } from '../model/model.ts'
import type { Changed, TailnetState } from '../model/model.ts'
import type { Node, Presence, Tailnet } from '../model/records.ts'
import { isOnline, peerJson, profileOf, sameShownHostinfo } from './node-json.ts'
import type { Shown } from './node-json.ts'
import { Pages } from './pages.ts'
import { enabledRoutes, isExitRoute, Primaries } from './routes.ts'

/** What of a peer changed, as bits: those that a patch can say (control.md §5.6), and everything else. */
export const FULL = 1
export const ENDPOINTS = 2
export const DERP = 4
export const DISCO = 8
export const ONLINE = 16
export const EXPIRY = 32

/** One node's place in the map. Its text is made when it is first needed. */
export class Entry implements Shown {
  readonly id: number
  /** Dense number of the node, for bit sets. */
  readonly slot: number
  node: Node
  presence: Presence | undefined
  /** Prefixes that it may route, and those of them that peers are told are its own. */
  enabled: readonly string[] = []
  routes: readonly string[] = []
  #text: string | undefined

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

  text(tailnet: Tailnet, now: Wall): string {
    return (this.#text ??= peerJson(tailnet, this, now))
  }

  forget(): void {
    this.#text = undefined
  }
}

export class TailnetMap {
  readonly state: TailnetState
  tailnet: Tailnet
  readonly entries = new Map<number, Entry>()
  readonly pages: Pages<Entry>
  readonly #primaries = new Primaries()
  /** Nodes of each profile. */
  readonly #nodesOf = new Map<number, number>()
  readonly #free: number[] = []
  #slots = 0
  /** Keys run out at these times. */
  readonly #expiring = new Map<number, Wall>()
  /** The earliest of them; `undefined`: not known at the moment. It is asked for at every turn. */
  #soonest: Wall | undefined

  constructor(state: TailnetState, tailnet: Tailnet, compress: (text: string) => Uint8Array) {
    this.state = state
    this.tailnet = tailnet
    this.pages = new Pages(compress)
    for (const node of [...state.all('node')].sort((a, b) => a.id - b.id)) this.#add(node)
    for (const entry of this.entries.values()) {
      entry.presence = state.presence(entry.id)
      this.#reroute(entry, [])
    }
  }

  /** Takes in one change of the model and adds what it means to `effects`. */
  apply(changed: Changed, now: Wall, effects: Effect[]): void {
    switch (changed.kind) {
      case 'node':
        return this.#applyNode(changed.before, changed.after, effects, now)
      case 'presence': {
        const entry = this.entries.get(Number(changed.id))
        if (entry === undefined) return
        const was = isOnline(entry)
        entry.presence = changed.after
        if (isOnline(entry) === was) return
        this.#touch(entry)
        effects.push({ kind: 'peer', node: entry.id, mask: ONLINE })
        this.#reroute(entry, effects)
        return
      }
      case 'user':
        if (changed.after !== undefined && changed.before !== undefined) {
          effects.push({ kind: 'profile', user: changed.after.id })
          if (changed.after.role !== changed.before.role)
            for (const entry of this.entries.values())
              if (entry.node.user === changed.after.id) effects.push({ kind: 'self', node: entry.id })
        }
        return
      case 'tailnet':
        return
      default:
    }
  }

  /** The tailnet's own record changed: its domain is in every name. */
  replaceTailnet(tailnet: Tailnet, effects: Effect[]): void {
    const renamed = tailnet.domain !== this.tailnet.domain
    this.tailnet = tailnet
    effects.push({ kind: 'tailnet' })
    if (!renamed) return
    for (const entry of this.entries.values()) {
      this.#touch(entry)
      effects.push({ kind: 'peer', node: entry.id, mask: FULL })
    }
  }

  /** When the next node key runs out, within a day; `undefined`: none does. */
  nextExpiry(now: Wall): Wall | undefined {
    if (this.#soonest === undefined) {
      let soonest = Infinity as Wall
      for (const at of this.#expiring.values()) if (at < soonest) soonest = at
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
    }
  }

  #add(node: Node): Entry {
    const entry = new Entry(node, this.#free.pop() ?? this.#slots++)
    this.entries.set(node.id, entry)
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
      this.#primariesMoved(entry.id, [], effects)
      this.entries.delete(entry.id)
      this.#expireAt(entry.id, undefined)
      this.pages.remove(entry)
      this.#free.push(entry.slot)
      effects.push({ kind: 'gone', node: entry.id, slot: entry.slot, was: entry.node })
      this.#countDown(entry.node, effects)
      return
    }
    const entry = this.entries.get(after.id)
    if (entry === undefined) {
      this.#reroute(this.#add(after), effects)
      effects.push({ kind: 'peer', node: after.id, mask: FULL })
      return
    }
    const old = entry.node
    entry.node = after
    this.#countUp(after)
    this.#countDown(old, effects)
    // A patch cannot take "expired" back.
    const turned = isExpired(old, now) !== isExpired(after, now)
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
  }

  /** Asks anew which prefixes a node routes, and tells of every node whose part changed. */
  #reroute(entry: Entry, effects: Effect[]): void {
    entry.enabled = entry.node.authorized ? enabledRoutes(entry.node) : []
    this.#primariesMoved(entry.id, entry.enabled, effects)
    this.#setRoutes(entry, effects)
  }

  #primariesMoved(node: number, routes: readonly string[], effects: Effect[]): void {
    const online = (id: number): boolean => {
      const entry = this.entries.get(id)
      return entry !== undefined && isOnline(entry)
    }
    for (const moved of this.#primaries.update(node, routes, online)) {
      const other = this.entries.get(moved)
      if (other !== undefined && moved !== node) this.#setRoutes(other, effects)
    }
  }

  #setRoutes(entry: Entry, effects: Effect[]): void {
    const routes = entry.enabled.filter((prefix) => isExitRoute(prefix) || this.#primaries.isPrimary(entry.id, prefix))
    if (sameTexts(routes, entry.routes)) return
    entry.routes = routes
    this.#touch(entry)
    effects.push({ kind: 'peer', node: entry.id, mask: FULL }, { kind: 'self', node: entry.id })
  }
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
