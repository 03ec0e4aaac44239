/**
 * Turns what a stream must be told into map messages: the first, whole one out of shared pages, and the
 * smallest one that says what changed since. (control.md §5.2 to §5.6)
 *
 * A message is a length and a zstd payload. Text that several streams need in one round is compressed once.
 */

import { concat } from '../../base/bytes.ts'
import { formatTime } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import type { DerpMap } from '../../wire/derp-map.ts'
import { encodeMapFrame } from '../../wire/map-frame.ts'
import { DerpMaps } from './derp-maps.ts'
import { profileIn } from './dns.ts'
import type { Pending, Round, Told } from '../model/following.ts'
import { fqdn } from '../model/naming.ts'
import {
  essenceOf,
  isOnline,
  mapTime,
  nodeOfProfile,
  ownProfileJson,
  ownProfileOf,
  profileJson,
  selfFields,
  selfJson,
} from './node-json.ts'
import { sees, takesPart } from './reach.ts'
import { DERP, DISCO, ENDPOINTS, EXPIRY, FULL, ONLINE } from './tailnet-map.ts'
import type { Entry, TailnetMap } from './tailnet-map.ts'
import type { Page } from './pages.ts'

/** Small official clients refuse messages above 4 MiB, compressed or not (NUMBERS: what clients accept). */
const MESSAGE_TEXT_MAX = 3 << 20

export interface MapWriterOptions {
  readonly derpMap: DerpMap
  readonly compress: (text: string) => Uint8Array
  /** Longest text of one message; a first map beyond it is continued in further messages. */
  readonly messageTextMax?: number
}

export class MapWriter {
  readonly #derpMaps: DerpMaps
  readonly #compress: (text: string) => Uint8Array
  readonly #comma: Uint8Array
  readonly #end: Uint8Array
  readonly #textMax: number
  /** The keepalive: the same bytes every time, since clients learn them by heart. */
  readonly keepalive: Uint8Array

  constructor(options: MapWriterOptions) {
    this.#derpMaps = new DerpMaps(options.derpMap)
    this.#compress = options.compress
    this.#textMax = options.messageTextMax ?? MESSAGE_TEXT_MAX
    this.#comma = options.compress(',')
    this.#end = options.compress(']}')
    this.keepalive = framed([options.compress('{"KeepAlive":true}')])
  }

  /** The messages that begin a stream; the first holds everything but the peers beyond its size. */
  first(map: TailnetMap, id: number, told: Told, now: Wall, withPeers = true): Uint8Array[] {
    const viewer = map.entries.get(id)
    if (viewer === undefined) return []
    told.peers.clear()
    told.profiles.clear()
    told.routes.clear()
    told.said.clear()
    told.profiles.add(ownProfileOf(viewer.node))
    const pages = withPeers ? this.#pages(map, viewer, told, now) : []
    const fields = [
      ...this.#own(map, viewer, told),
      ...this.#relays(map, told),
      domainJson(map),
      '"CollectServices":false',
      ...this.#dns(map, viewer, told),
      ...this.#rules(map, viewer, told),
      `"UserProfiles":[${this.#profiles(map, told.profiles)}]`,
      `"ControlTime":"${formatTime(now)}"`,
    ]
    if (!withPeers) return [this.#message(`{${fields.join(',')}}`)]
    const messages: Uint8Array[] = []
    let parts = [this.#compress(`{${fields.join(',')},"Peers":[`)]
    let size = 0
    let empty = true
    for (const page of pages) {
      if (size + page.length > this.#textMax && !empty) {
        parts.push(this.#end)
        messages.push(this.#checked(parts))
        parts = [this.#compress(`{${domainJson(map)},"PeersChanged":[`)]
        size = 0
        empty = true
      }
      if (!empty) parts.push(this.#comma)
      parts.push(page.frame)
      size += page.length
      empty = false
    }
    parts.push(this.#end)
    messages.push(this.#checked(parts))
    return messages
  }

  /** The message that says what changed; `undefined` when it turns out that nothing did. */
  delta(map: TailnetMap, id: number, pending: Pending, told: Told, now: Wall, round: Round): Uint8Array | undefined {
    const viewer = map.entries.get(id)
    if (viewer === undefined) return undefined
    if (pending.view) for (const peer of map.entries.keys()) pending.peers.set(peer, pending.peers.get(peer) ?? 0)
    const removed = [...pending.gone]
    const changed: [Entry, readonly string[]][] = []
    const patched: [Entry, number][] = []
    let key = ''
    for (const [peer, mask] of pending.peers) {
      const entry = map.entries.get(peer)
      if (entry === undefined) continue
      const known = told.peers.has(entry.slot)
      // Who is seen stays so until somebody says that it must be asked anew.
      const asked = !known || pending.view || pending.edges.has(peer)
      if (asked ? !sees(map.reach, viewer, entry, now) : !entry.isShown) {
        if (!known) continue
        told.peers.delete(entry.slot)
        told.routes.delete(entry.slot)
        removed.push(peer)
        continue
      }
      const routes = entry.isRouter ? map.reach.routes(viewer, entry) : entry.routes
      const rerouted = tellRoutes(told, entry, routes)
      if (!known || rerouted || (mask & FULL) !== 0 || ((mask & DISCO) !== 0 && !isOnline(entry))) {
        told.peers.add(entry.slot)
        changed.push([entry, routes])
        key += routes === entry.routes ? `c${peer}` : `c${peer}:${routes.join()}`
      } else if (mask !== 0) {
        patched.push([entry, mask])
        key += `p${peer}.${mask}`
      }
    }
    const profiles = new Set<number>()
    for (const user of pending.profiles) if (told.profiles.has(user)) profiles.add(user)
    const withSelf = pending.self || pending.tailnet
    const shown = changed.map(([entry]) => entry)
    const needed = new Set(shown.map(({ profile }) => profile))
    if (withSelf) needed.add(ownProfileOf(viewer.node))
    for (const profile of needed)
      if (!told.profiles.has(profile)) {
        profiles.add(profile)
        told.profiles.add(profile)
      }
    const own: string[] = []
    if (withSelf) own.push(...this.#own(map, viewer, told))
    // A tagged node goes by its own name, which may be what has changed.
    if (own.length > 0 && viewer.node.tags.length > 0) profiles.add(ownProfileOf(viewer.node))
    if (pending.tailnet) own.push(domainJson(map))
    if (pending.view || pending.self || pending.rules) own.push(...this.#rules(map, viewer, told))
    if (pending.view) own.push(...this.#relays(map, told))
    const dns = withSelf || pending.dns ? this.#dns(map, viewer, told) : []
    const shared = own.length === 0
    if (shared) {
      if (removed.length + changed.length + patched.length + profiles.size + dns.length === 0) return undefined
      const dnsKey = dns.length === 0 ? '' : told.said.get('DNSConfig')
      key = `${map.tailnet.num}|${key}|${removed.join()}|${[...profiles].join()}|${dnsKey}`
      const made = round.get(key)
      if (made !== undefined) return made
    }
    const fields = [...own, ...dns]
    if (removed.length > 0) fields.push(`"PeersRemoved":[${removed.sort((a, b) => a - b).join()}]`)
    if (changed.length > 0) {
      changed.sort(([a], [b]) => a.id - b.id)
      fields.push(`"PeersChanged":[${changed.map(([e, routes]) => e.text(map.tailnet, now, routes)).join(',')}]`)
    }
    if (patched.length > 0)
      fields.push(`"PeersChangedPatch":[${patched.map(([e, mask]) => patchJson(e, mask)).join(',')}]`)
    if (profiles.size > 0) {
      fields.push(`"UserProfiles":[${this.#profiles(map, profiles)}]`)
      if (!pending.tailnet) fields.push(domainJson(map))
    }
    const message = this.#message(`{${fields.join(',')}}`)
    if (shared) round.set(key, message)
    return message
  }

  /** Tells a node that its key is no longer good: the last message before its stream ends for good. */
  farewell(map: TailnetMap, was: Entry['node'], now: Wall): Uint8Array {
    const self = selfJson(map.tailnet, {
      node: was,
      presence: undefined,
      routes: [],
      enabled: [],
      hidesIPv4: false,
      user: map.state.usersById.get(was.user),
      capabilities: new Map(),
      expiry: (now - 60_000) as Wall,
    })
    return this.#message(`{"Node":${self}}`)
  }

  /** Any other message, such as a ping request. */
  note(fields: Readonly<Record<string, unknown>>): Uint8Array {
    return this.#message(JSON.stringify(fields))
  }

  /** All pages that most maps share as they are; only where somebody is left out they are made for one viewer. */
  #pages(map: TailnetMap, viewer: Entry, told: Told, now: Wall): { frame: Uint8Array; length: number }[] {
    if (!takesPart(viewer.node, now)) return []
    const { reach } = map
    const text = (entry: Entry): string => entry.text(map.tailnet, now)
    const visible = reach.visible(viewer)
    const frames: { frame: Uint8Array; length: number }[] = []
    for (const { whole } of map.pages as Iterable<Page<Entry>>) {
      const all =
        !whole.slots.has(viewer.slot) &&
        (visible === undefined || whole.slots.isSubsetOf(visible)) &&
        whole.routers.every((router) => reach.routes(viewer, router) === router.routes)
      if (all && whole.items.length > 0) {
        told.peers.addAll(whole.slots)
        for (const profile of whole.profiles) told.profiles.add(profile)
        for (const router of whole.routers) tellRoutes(told, router, router.routes)
        frames.push({ frame: map.pages.shared(whole, text), length: whole.length })
      }
      if (all) continue
      const seen = whole.items.filter((entry) => entry !== viewer && (visible?.has(entry.slot) ?? true))
      if (seen.length === 0) continue
      const texts = seen.map((entry) => {
        const routes = entry.isRouter ? reach.routes(viewer, entry) : entry.routes
        told.peers.add(entry.slot)
        told.profiles.add(entry.profile)
        tellRoutes(told, entry, routes)
        return entry.text(map.tailnet, now, routes)
      })
      const json = texts.join(',')
      frames.push({ frame: this.#compress(json), length: json.length })
    }
    return frames
  }

  /** How the node resolves names, unless the client has just that. Nodes that are told the same have one key. */
  #dns(map: TailnetMap, viewer: Entry, told: Told): string[] {
    const { httpsEnabled } = map.tailnet.settings
    const { key, json } = map.dns.of({
      certDomain: httpsEnabled ? fqdn(map.tailnet, viewer.node).slice(0, -1) : undefined,
      profile: map.dns.usesProfiles ? profileIn(map.reach.capabilities(viewer, httpsEnabled)) : undefined,
    })
    if (told.said.get('DNSConfig') === key) return []
    told.said.set('DNSConfig', key)
    return [`"DNSConfig":${json}`]
  }

  /** The node's own entry, unless the client has just that. */
  #own(map: TailnetMap, viewer: Entry, told: Told): string[] {
    const user = map.state.usersById.get(viewer.node.user)
    const capabilities = map.reach.capabilities(viewer, map.tailnet.settings.httpsEnabled)
    const { node, presence, routes, enabled, hidesIPv4 } = viewer
    const own = { node, presence, routes, enabled, hidesIPv4, user, capabilities }
    const fields = selfFields(map.tailnet, own)
    const essence = essenceOf(fields)
    if (told.said.get('Node') === essence) return []
    told.said.set('Node', essence)
    return [`"Node":${JSON.stringify(fields)}`]
  }

  #relays(map: TailnetMap, told: Told): string[] {
    return unlessSaid(told, 'DERPMap', this.#derpMaps.text(map.reach.derpMap))
  }

  /** What the node lets in, as far as the client does not have just that. */
  #rules(map: TailnetMap, viewer: Entry, told: Told): string[] {
    const rules = map.reach.ssh(viewer)
    return [
      ...unlessSaid(told, 'PacketFilters', JSON.stringify(map.reach.filters(viewer))),
      ...(rules === undefined ? [] : unlessSaid(told, 'SSHPolicy', JSON.stringify({ rules }))),
    ]
  }

  #profiles(map: TailnetMap, ids: Iterable<number>): string {
    return [...ids]
      .sort((a, b) => a - b)
      .map((id) => {
        const own = map.entries.get(nodeOfProfile(id) ?? 0)
        return own === undefined ? profileJson(id, map.state.usersById.get(id)) : ownProfileJson(map.tailnet, own.node)
      })
      .join(',')
  }

  #message(text: string): Uint8Array {
    return this.#checked([this.#compress(text)])
  }

  /**
   * Clients from 1.90 on take any later message of the keepalive's length for a keepalive and swallow it
   * (control.md §5.3), so no other message may have it. One more, empty, frame makes it longer.
   */
  #checked(parts: readonly Uint8Array[]): Uint8Array {
    const message = framed(parts)
    return message.length === this.keepalive.length ? framed([...parts, this.#compress(' ')]) : message
  }
}

function unlessSaid(told: Told, field: string, json: string): string[] {
  if (told.said.get(field) === json) return []
  told.said.set(field, json)
  return [`"${field}":${json}`]
}

/** Notes what a client is told that a router carries. True: it was told something else before. */
function tellRoutes(told: Told, entry: Entry, routes: readonly string[]): boolean {
  const text = routes.join()
  const before = told.routes.get(entry.slot) ?? ''
  if (text === '') told.routes.delete(entry.slot)
  else told.routes.set(entry.slot, text)
  return text !== before
}

function framed(parts: readonly Uint8Array[]): Uint8Array {
  return concat(encodeMapFrame(parts))
}

/**
 * The tailnet's name, which also goes along with users that are new to a client. Clients from 1.102 on patch their
 * map with the peers of a message and show users as of the last map that they built whole; any message that names
 * the domain has them build it whole, as every message with users has older ones.
 */
function domainJson(map: TailnetMap): string {
  return `"Domain":${JSON.stringify(map.tailnet.name)}`
}

function patchJson(entry: Entry, mask: number): string {
  const { node, presence } = entry
  const online = isOnline(entry)
  return JSON.stringify({
    NodeID: node.id,
    ...((mask & DERP) === 0 ? {} : { DERPRegion: node.homeDerp }),
    ...((mask & ENDPOINTS) === 0 ? {} : { Endpoints: node.endpoints }),
    // Clients drop a patch that has a disco key and says "offline"; with a new one, "online" goes along.
    ...((mask & DISCO) === 0 ? {} : { DiscoKey: node.discoKey }),
    ...((mask & (ONLINE | DISCO)) === 0 ? {} : { Online: online }),
    ...((mask & ONLINE) === 0 || online || presence === undefined ? {} : { LastSeen: mapTime(presence.lastSeen) }),
    ...((mask & EXPIRY) === 0 || node.keyExpiry === undefined ? {} : { KeyExpiry: mapTime(node.keyExpiry) }),
  })
}
