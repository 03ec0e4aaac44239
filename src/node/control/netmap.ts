/**
 * What a node knows of its tailnet: the messages of a map stream, taken one after another (control.md §5.4, §5.5).
 *
 * A message costs what it says, however many peers there are; who acts on the map is told which parts have changed.
 * Decoding is wire/map-response.ts, peers are peers.ts, expiry is expiry.ts.
 */

import type { Wall } from '../../base/clock.ts'
import type { RelayRegion } from '../../wire/derp-map-reader.ts'
import type { DnsConfig } from '../../wire/dns-config.ts'
import type { FilterRule } from '../../wire/filter-rule.ts'
import type { MapNode } from '../../wire/map-node.ts'
import type { DisplayMessage, MapResponse, UserProfile } from '../../wire/map-response.ts'
import type { SshPolicy } from '../../wire/ssh-policy.ts'
import { Peers } from './peers.ts'
import type { PeerDelta } from './peers.ts'
import { isSame } from './same.ts'

/** Relays, by the number of their region. */
export interface RelayMap {
  readonly regions: ReadonlyMap<number, RelayRegion>
  /** Factors on measured latency. */
  readonly scores: ReadonlyMap<number, number>
}

/** A tailnet lock that is on; its head as the server wrote it. */
export interface Lock {
  readonly head: string
}

/** The parts of the map that are not peers. */
export interface NetmapFields {
  readonly self: MapNode
  readonly domain: string
  readonly relays: RelayMap | undefined
  readonly dns: DnsConfig
  /** All named filters in the order of their names; `undefined`: none was ever sent. Either way what is not allowed is refused. */
  readonly filter: readonly FilterRule[] | undefined
  readonly ssh: SshPolicy | undefined
  readonly profiles: ReadonlyMap<number, UserProfile>
  /** What the server says is wrong, old form. */
  readonly health: readonly string[]
  readonly messages: ReadonlyMap<string, DisplayMessage>
  readonly collectServices: boolean
  readonly auditLogId: string
  readonly lock: Lock | undefined
}

export type NetmapPart = keyof NetmapFields

/** What has changed, for whoever acts on the map. */
export interface NetmapChanges {
  readonly parts: ReadonlySet<NetmapPart>
  readonly peers: readonly PeerDelta[]
}

const LOCK_HEAD = /^[A-Z2-7]{52}$/
const EMPTY_MAP = new Map<never, never>()

export class NetworkMap {
  readonly #peers = new Peers()
  readonly #profiles = new Map<number, UserProfile>()
  #filters = new Map<string, readonly FilterRule[]>()
  #filtered = false
  #fields: NetmapFields

  /** @param first the first message of a stream, which must have a node in it */
  constructor(first: MapResponse & { readonly Node: MapNode }, wall: Wall) {
    this.#fields = {
      self: first.Node,
      domain: '',
      relays: undefined,
      dns: {},
      filter: undefined,
      ssh: undefined,
      profiles: this.#profiles,
      health: [],
      messages: EMPTY_MAP,
      collectServices: false,
      auditLogId: '',
      lock: undefined,
    }
    this.apply(first, wall)
  }

  get fields(): NetmapFields {
    return this.#fields
  }

  /** By ID. The map is the living one: it has changed by the next message. */
  get peers(): ReadonlyMap<number, MapNode> {
    return this.#peers.all
  }

  /** The named filters that `fields.filter` is made of. */
  get filters(): ReadonlyMap<string, readonly FilterRule[]> {
    return this.#filters
  }

  /** Takes a message. Keep-alives say nothing of the map. */
  apply(message: MapResponse, wall: Wall): NetmapChanges {
    if (message.KeepAlive) return { parts: new Set(), peers: [] }
    const before = this.#fields
    const next: { -readonly [K in NetmapPart]: NetmapFields[K] } = { ...before }
    if (message.Node !== undefined) next.self = message.Node
    if (message.DERPMap !== undefined) {
      const { Regions = before.relays?.regions, RegionScore = before.relays?.scores } = message.DERPMap
      next.relays = { regions: Regions ?? EMPTY_MAP, scores: RegionScore ?? EMPTY_MAP }
    }
    if (message.DNSConfig !== undefined) next.dns = message.DNSConfig
    if (message.Domain !== undefined) next.domain = message.Domain
    if (message.CollectServices !== undefined) next.collectServices = message.CollectServices
    if (message.PacketFilter !== undefined || message.PacketFilters !== undefined) next.filter = this.#filter(message)
    if (message.Health !== undefined) next.health = message.Health
    if (message.DisplayMessages !== undefined) next.messages = patchedMessages(before.messages, message.DisplayMessages)
    if (message.SSHPolicy !== undefined) next.ssh = message.SSHPolicy
    if (message.TKAInfo !== undefined) next.lock = lockAfter(before.lock, message.TKAInfo)
    if (message.DomainDataPlaneAuditLogID !== undefined) next.auditLogId = message.DomainDataPlaneAuditLogID
    const parts = new Set<NetmapPart>()
    for (const part of Object.keys(next) as NetmapPart[]) {
      if (next[part] === before[part]) continue
      if (isSame(next[part], before[part])) keep(next, before, part)
      else parts.add(part)
    }
    if (this.#learnProfiles(message.UserProfiles ?? [])) parts.add('profiles')
    this.#fields = next
    return { parts, peers: this.#peers.apply(message, wall) }
  }

  /** Puts other objects in the place of peers: expiry.ts marks those whose time has come. */
  replacePeers(peers: readonly MapNode[]): NetmapChanges {
    return { parts: new Set(), peers: this.#peers.set(peers) }
  }

  /** The map of profiles is a living one, as that of peers: a joining node must not cost a copy of it. */
  #learnProfiles(profiles: readonly UserProfile[]): boolean {
    let learned = false
    for (const profile of profiles) {
      if (isSame(this.#profiles.get(profile.ID), profile)) continue
      this.#profiles.set(profile.ID, profile)
      learned = true
    }
    return learned
  }

  #filter({ PacketFilter, PacketFilters }: MapResponse): readonly FilterRule[] | undefined {
    if (PacketFilter !== undefined) {
      this.#filtered = true
      this.#filters.set('base', PacketFilter)
    }
    if (PacketFilters !== undefined && PacketFilters.size > 0) {
      this.#filtered = true
      // All names go first, wherever in the object this one stands.
      if (PacketFilters.get('*') === null) this.#filters.clear()
      for (const [name, rules] of PacketFilters)
        if (rules === null) this.#filters.delete(name)
        else this.#filters.set(name, rules)
    }
    if (!this.#filtered) return undefined
    return [...this.#filters.keys()].sort().flatMap((name) => this.#filters.get(name) as readonly FilterRule[])
  }
}

/** What has to change in one map to make it another: for a stream that starts anew. */
export function differences(before: NetworkMap | undefined, after: NetworkMap): NetmapChanges {
  const parts = new Set<NetmapPart>()
  for (const part of Object.keys(after.fields) as NetmapPart[])
    if (before === undefined || !isSame(before.fields[part], after.fields[part])) parts.add(part)
  const peers: PeerDelta[] = []
  // A key may have moved from one number to another; the old owner goes first.
  for (const [id, was] of before?.peers ?? []) if (!after.peers.has(id)) peers.push({ id, was })
  for (const [id, now] of after.peers) {
    const was = before?.peers.get(id)
    if (was === undefined) peers.push({ id, now })
    else if (!isSame(was, now)) peers.push({ id, was, now })
  }
  return { parts, peers }
}

function keep<P extends NetmapPart>(
  next: { -readonly [K in P]: NetmapFields[K] },
  before: NetmapFields,
  part: P,
): void {
  next[part] = before[part]
}

function patchedMessages(
  messages: ReadonlyMap<string, DisplayMessage>,
  patch: ReadonlyMap<string, DisplayMessage | null>,
): ReadonlyMap<string, DisplayMessage> {
  const all = new Map(patch.get('*') === null ? [] : messages)
  for (const [id, message] of patch)
    if (message === null) all.delete(id)
    else all.set(id, message)
  return all
}

/** A head that is no hash leaves things as they were; that a lock was spoken of is session.ts's matter. */
function lockAfter(
  lock: Lock | undefined,
  info: { readonly Head: string; readonly Disabled: boolean },
): Lock | undefined {
  if (info.Disabled) return undefined
  return LOCK_HEAD.test(info.Head) ? { head: info.Head } : lock
}
