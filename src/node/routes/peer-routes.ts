/**
 * Which peer has an address: a flat table for every thread, and its keeper, which makes a new one when something has
 * changed that matters (node.md §3.1, WireGuard's "cryptokey routing").
 *
 * The longest prefix wins; of peers with the same prefix, the lowest node ID. One question serves both directions: a
 * packet goes to the peer that has its destination, and is taken from the peer that has its source, from no other.
 *
 * A map brings ten thousand peers and then changes of single ones, so the keeper reads a peer's texts once and keeps
 * the words. A plain twin of the table is in the test.
 */

import { inTableOrder, lookUp, TableBuilder, withSingles, wordsOf } from '../../base/address-table.ts'
import type { AddressTable } from '../../base/address-table.ts'
import { formatPrefix, isSingleIp } from '../../base/ip.ts'
import type { Family, Prefix } from '../../base/ip.ts'
import { counts, isUsable, prefixesOf } from './allowed.ts'
import type { AllowedPrefix, RouteChoice, RoutedPeer, RouteKind } from './allowed.ts'

/** Flat and immutable: it may be posted to any thread. Its numbers are those that the peers were put under. */
export type PeerRoutes = AddressTable

/** The number of the peer that has this address; 0 if nobody has. Signed words, the first alone for IPv4. */
export function peerOf(routes: PeerRoutes, version: number, a: number, b: number, c: number, d: number): number {
  return lookUp(routes, version, a, b, c, d)
}

/** May the peer of this number send from this address? */
export function maySend(
  routes: PeerRoutes,
  peer: number,
  version: number,
  a: number,
  b: number,
  c: number,
  d: number,
): boolean {
  return peer !== 0 && lookUp(routes, version, a, b, c, d) === peer
}

interface Single {
  readonly words: readonly [number, number, number, number]
  readonly family: Family
  readonly kind: RouteKind
}

interface Range {
  readonly prefix: Prefix
  readonly kind: RouteKind
}

interface Entry {
  readonly number: number
  readonly peer: RoutedPeer
  readonly usable: boolean
  readonly allowed: readonly AllowedPrefix[]
  readonly singles: readonly Single[]
  readonly ranges: readonly Range[]
}

/** A prefix that counts, and whose it is. */
export interface Routed extends Range {
  readonly number: number
}

const NO_SUBNETS: RouteChoice = { acceptsSubnets: false }

/** The peers with what they are allowed. */
export class RouteKeeper {
  readonly #entries = new Map<number, Entry>()
  /** Entries by rising node ID, the order in which the first to claim a prefix has it. */
  #ordered: readonly Entry[] | undefined
  #choice = NO_SUBNETS
  #routes: PeerRoutes | undefined
  #installed: readonly AllowedPrefix[] | undefined
  #ranges: readonly Routed[] = []

  /** Takes the user's choice. */
  choose(choice: RouteChoice): void {
    if (choice.acceptsSubnets === this.#choice.acceptsSubnets && choice.exitNode === this.#choice.exitNode) return
    this.#choice = choice
    this.#routes = undefined
    this.#installed = undefined
  }

  /**
   * Takes a peer, new or changed.
   *
   * @param number the caller's number for it, 1 to 2^31-1: what the table answers with
   */
  put(number: number, peer: RoutedPeer): void {
    const before = this.#entries.get(number)
    const usable = isUsable(peer)
    if (before !== undefined && before.usable === usable && sameClaims(before.peer, peer)) return
    const singles: Single[] = []
    const ranges: Range[] = []
    const allowed = prefixesOf(peer)
    for (const { prefix, kind } of allowed) {
      const { family, value } = prefix.ip
      if (!isSingleIp(prefix)) ranges.push({ prefix, kind })
      else singles.push({ words: family === 4 ? [Number(value) | 0, 0, 0, 0] : wordsOf(value), family, kind })
    }
    const entry = { number, peer, usable, allowed, singles, ranges }
    this.#entries.set(number, entry)
    const routes = before === undefined ? this.#extended(entry) : undefined
    const ordered = before === undefined ? withEntry(this.#ordered, entry) : undefined
    this.#forget()
    this.#routes = routes
    this.#ordered = ordered
  }

  /** Forgets the peer of this number. */
  remove(number: number): void {
    if (this.#entries.delete(number)) this.#forget()
  }

  /** The table. It is the same object until something has changed that matters to it. */
  routes(): PeerRoutes {
    this.#routes ??= this.#build()
    return this.#routes
  }

  /** The ranges that count, each with the peer that has it; for the exit node, both of everything. */
  ranges(): readonly Routed[] {
    this.routes()
    return this.#ranges
  }

  /**
   * All prefixes that count, for the routes of the operating system; doubles are left in. It is the same array until
   * something has changed that matters to it.
   */
  installed(): readonly AllowedPrefix[] {
    this.#installed ??= this.#listInstalled()
    return this.#installed
  }

  #listInstalled(): AllowedPrefix[] {
    const prefixes: AllowedPrefix[] = []
    for (const { peer, usable, allowed } of this.#inOrder()) {
      if (!usable) continue
      for (const each of allowed) if (counts(each.kind, peer.ID, this.#choice)) prefixes.push(each)
    }
    return prefixes
  }

  /** The table with a new peer whose addresses nobody has, as most have: in a large tailnet this saves milliseconds. */
  #extended({ number, peer, usable, singles, ranges }: Entry): PeerRoutes | undefined {
    if (this.#routes === undefined || !usable) return this.#routes
    if (ranges.some(({ kind }) => counts(kind, peer.ID, this.#choice))) return undefined
    const [words4, words6]: [number[], number[]] = [[], []]
    for (const { words, family, kind } of singles) {
      if (!counts(kind, peer.ID, this.#choice)) continue
      if (family === 4) words4.push(words[0])
      else words6.push(...words)
    }
    return withSingles(this.#routes, { words4, words6 }, number)
  }

  #forget(): void {
    this.#routes = undefined
    this.#installed = undefined
    this.#ordered = undefined
  }

  #inOrder(): readonly Entry[] {
    this.#ordered ??= [...this.#entries.values()].sort((x, y) => x.peer.ID - y.peer.ID)
    return this.#ordered
  }

  #build(): PeerRoutes {
    const entries = this.#inOrder().filter(({ usable }) => usable)
    const ranges = new Map<string, Routed>()
    let [count4, count6] = [0, 0]
    for (const { number, peer, singles, ranges: own } of entries) {
      for (const { family } of singles)
        if (family === 4) count4++
        else count6++
      for (const range of own) {
        if (!counts(range.kind, peer.ID, this.#choice)) continue
        const text = formatPrefix(range.prefix)
        if (!ranges.has(text)) ranges.set(text, { ...range, number })
      }
    }
    this.#ranges = [...ranges.values()]
    const builder = new TableBuilder(count4, count6)
    for (const family of [4, 6] as const) {
      const ofFamily = this.#ranges.filter(({ prefix }) => prefix.ip.family === family)
      builder.addRanges(family, inTableOrder(ofFamily), ({ number }) => number)
    }
    // The last to claim a single address would have it, so the lowest ID comes last.
    for (let i = entries.length - 1; i >= 0; i--) {
      const { number, peer, singles } = entries[i] as Entry
      const give = (): number => number
      for (const { words, family, kind } of singles) {
        if (!counts(kind, peer.ID, this.#choice)) continue
        if (family === 4) builder.addSingle4(words[0], give)
        else builder.addSingle6(...words, give)
      }
    }
    return builder.build()
  }
}

/** The list with one more in its place; `undefined` where there is none that is sorted. */
function withEntry(ordered: readonly Entry[] | undefined, entry: Entry): readonly Entry[] | undefined {
  if (ordered === undefined) return undefined
  let [low, high] = [0, ordered.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((ordered[middle] as Entry).peer.ID <= entry.peer.ID) low = middle + 1
    else high = middle
  }
  return ordered.toSpliced(low, 0, entry)
}

function sameClaims(a: RoutedPeer, b: RoutedPeer): boolean {
  return a.ID === b.ID && sameTexts(a.AllowedIPs, b.AllowedIPs) && sameTexts(a.Addresses, b.Addresses)
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((text, i) => text === b[i]))
}
