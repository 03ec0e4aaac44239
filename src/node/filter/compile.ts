/**
 * Makes a filter program of the rules that control sent and of what is local here. Takes time in proportion to the
 * rules, so ten thousand sources are a matter of milliseconds. (node.md §2.4)
 *
 * Rules with one and the same list of sources become one target. Ranges of sources and destinations are prefixes,
 * which lie inside each other or apart: each needs to know only the next wider one. Binding capabilities to the
 * addresses of peers is capabilities.ts; which rules and local nets count at all is settings.ts.
 */

import { inTableOrder, numbersIn, TableBuilder, wordsOf } from '../../base/address-table.ts'
import type { AddressTable } from '../../base/address-table.ts'
import { formatPrefix, isSingleIp, rangeOf } from '../../base/ip.ts'
import type { Ip, Prefix } from '../../base/ip.ts'
import { ICMPV4, ICMPV6, TCP, UDP } from '../../wire/ip-packet.ts'
import { AddressTexts, prefixesOfText } from '../../wire/packet-filter-address.ts'
import { hasRemovedMembers } from '../../wire/filter-rule.ts'
import type { FilterRule } from '../../wire/filter-rule.ts'
import { Chains, shortenChains } from './chains.ts'
import { Openings } from './openings.ts'
import { IPV4_BIT, IPV6_BIT, PLACE } from './program.ts'
import type { CapabilitySource, FilterProgram } from './program.ts'

/** Our own PeerAPI, where it listens. */
export interface PeerApiAddress {
  readonly ip: Ip
  readonly port: number
}

export interface Compiled {
  readonly program: FilterProgram
  /** Rules that count; none where `isUnusable`. */
  readonly rules: number
  /** Texts of sources and destinations that mean nothing and were left out. */
  readonly refused: readonly string[]
  /** A rule says something obsolete, of which nobody knows what it means today: no rule counts. */
  readonly isUnusable: boolean
}

/**
 * Compiles rules for packets to `localNets`. Sources by capability reach nobody until they are bound
 * (`bindCapabilities`).
 */
export function compile(
  rules: readonly FilterRule[],
  localNets: readonly Prefix[],
  peerApi: readonly PeerApiAddress[] = [],
): Compiled {
  const isUnusable = rules.some(hasRemovedMembers)
  const compiler = new Compiler(localNets)
  if (!isUnusable) for (const rule of rules) compiler.add(rule)
  const program = compiler.program(peerApi)
  return { program, rules: isUnusable ? 0 : rules.length, refused: compiler.refused, isUnusable }
}

/** What official clients take when a rule lists none. */
const USUAL_PROTOCOLS = [TCP, UDP, ICMPV4, ICMPV6]

/** A range that rules name as destination, or a local net. */
interface Place {
  readonly prefix: Prefix
  readonly id: number
  isLocal: boolean
  isNamed: boolean
}
/** Ranges that rules name as source, with the targets of these rules. */
interface Source {
  readonly prefix: Prefix
  readonly targets: number[]
}
/** What a destination's text comes to here. */
interface Destination {
  readonly places: readonly Place[]
  /** Families that it has addresses of, local or not. */
  readonly families: number
}
interface CapabilityInMaking {
  readonly targets: Set<number>
  families: number
}

class Compiler {
  readonly #local: LocalNets
  readonly #places = new Map<string, Place>()
  readonly #destinations = new Map<string, Destination>()
  readonly #openings = new Openings()
  /** Target by its sources' texts. */
  readonly #targets = new Map<string, number>()
  /** The sources of all targets, one target after the other, and where those of each end. */
  readonly #sources = new AddressTexts()
  readonly #ends: (readonly [singles4: number, singles6: number, prefixes: number])[] = []
  readonly #capabilitiesOf = new Map<number, readonly string[]>()
  readonly #capabilities = new Map<string, CapabilityInMaking>()

  /** Texts that mean nothing. */
  get refused(): readonly string[] {
    return this.#sources.refused
  }

  constructor(localNets: readonly Prefix[]) {
    this.#local = new LocalNets(localNets)
    for (const net of localNets) this.#place(net).isLocal = true
  }

  add({ SrcIPs, DstPorts, IPProto }: FilterRule): void {
    const target = this.#target(SrcIPs)
    if (DstPorts.length === 0) return
    const protocols = IPProto.length === 0 ? USUAL_PROTOCOLS : IPProto
    let families = 0
    for (const { IP, Ports } of DstPorts) {
      const destination = this.#destination(IP)
      families |= destination.families
      if (destination.places.length === 0) continue
      const door = this.#openings.door(protocols, Ports.First, Ports.Last)
      for (const place of destination.places) {
        place.isNamed = true
        this.#openings.add(target, place.id, door)
      }
    }
    for (const name of this.#capabilitiesOf.get(target) ?? []) {
      const known = this.#capabilities.get(name)
      if (known === undefined) this.#capabilities.set(name, { targets: new Set([target]), families })
      else {
        known.targets.add(target)
        known.families |= families
      }
    }
  }

  program(peerApi: readonly PeerApiAddress[]): FilterProgram {
    const chains = new Chains()
    const sources = this.#sourceTable(chains)
    // Before openings are written: this may add targets.
    shortenChains(chains, numbersIn(sources), this.#openings, this.#targets.size)
    return {
      isAbsent: false,
      sources,
      classes: chains.write(),
      ...this.#placeTable(),
      ...this.#openings.write(),
      capabilities: this.#capabilitySources(),
      holderTable: new TableBuilder(0, 0).build(),
      holders: new Int32Array(2),
      holderClasses: new Int32Array(2),
      peerApi: peerApiWords(peerApi),
    }
  }

  /** Rules of one target share their list of sources; numbers start at 1. */
  #target(texts: readonly string[]): number {
    // As JSON, since a text may hold any separator.
    const key = JSON.stringify(texts)
    const known = this.#targets.get(key)
    if (known !== undefined) return known
    const target = this.#targets.size + 1
    this.#targets.set(key, target)
    const { singles4, singles6, prefixes, capabilities } = this.#sources
    const before = capabilities.length
    for (const text of texts) this.#sources.add(text)
    this.#ends.push([singles4.length, singles6.length, prefixes.length])
    if (capabilities.length > before) this.#capabilitiesOf.set(target, capabilities.slice(before))
    return target
  }

  #destination(text: string): Destination {
    const known = this.#destinations.get(text)
    if (known !== undefined) return known
    const prefixes = prefixesOfText(text)
    if (prefixes === undefined) this.#sources.refused.push(text)
    let families = 0
    for (const { ip } of prefixes ?? []) families |= ip.family === 4 ? IPV4_BIT : IPV6_BIT
    const places = (prefixes ?? []).filter((net) => this.#local.overlaps(net)).map((net) => this.#place(net))
    const destination = { places, families }
    this.#destinations.set(text, destination)
    return destination
  }

  #place(net: Prefix): Place {
    const key = formatPrefix(net)
    const known = this.#places.get(key)
    if (known !== undefined) return known
    const place = { prefix: net, id: this.#places.size + 1, isLocal: false, isNamed: false }
    this.#places.set(key, place)
    return place
  }

  #sourceTable(chains: Chains): AddressTable {
    const { singles4, singles6, prefixes } = this.#sources
    const ranges = new Map<string, Source>()
    for (const [i, [, , end]] of this.#ends.entries())
      for (let at = this.#ends[i - 1]?.[2] ?? 0; at < end; at++) {
        const net = prefixes[at] as Prefix
        const key = formatPrefix(net)
        const known = ranges.get(key)
        if (known === undefined) ranges.set(key, { prefix: net, targets: [i + 1] })
        else if (known.targets.at(-1) !== i + 1) known.targets.push(i + 1)
      }
    const builder = new TableBuilder(singles4.length, singles6.length / 4)
    const sorted = inTableOrder([...ranges.values()])
    for (const family of [4, 6] as const)
      builder.addRanges(
        family,
        sorted.filter(({ prefix }) => prefix.ip.family === family),
        ({ targets }, around) => targets.reduce((chain, target) => chains.add(target, chain), around),
      )
    let [at4, at6] = [0, 0]
    for (const [i, [end4, end6]] of this.#ends.entries()) {
      const join = (chain: number): number => chains.add(i + 1, chain)
      for (; at4 < end4; at4++) builder.addSingle4(singles4[at4] as number, join)
      for (; at6 < end6; at6 += 4)
        builder.addSingle6(
          singles6[at6] as number,
          singles6[at6 + 1] as number,
          singles6[at6 + 2] as number,
          singles6[at6 + 3] as number,
          join,
        )
    }
    return builder.build()
  }

  #placeTable(): Pick<FilterProgram, 'destinations' | 'places'> {
    const all = inTableOrder([...this.#places.values()])
    const singles = all.filter(({ prefix }) => isSingleIp(prefix))
    const places = new Int32Array(PLACE.size * (all.length + 1))
    const settle = (place: Place, around: number): number => {
      const wider = PLACE.size * around
      const next = places[wider + PLACE.first] as number
      const isLocal = place.isLocal || places[wider + PLACE.isLocal] === 1
      places.set([isLocal ? 1 : 0, place.isNamed ? place.id : next, next], PLACE.size * place.id)
      return place.id
    }
    const count4 = singles.filter(({ prefix }) => prefix.ip.family === 4).length
    const builder = new TableBuilder(count4, singles.length - count4)
    for (const family of [4, 6] as const)
      builder.addRanges(
        family,
        all.filter(({ prefix }) => prefix.ip.family === family && !isSingleIp(prefix)),
        settle,
      )
    for (const place of singles) {
      const { ip } = place.prefix
      const join = (around: number): number => settle(place, around)
      if (ip.family === 4) builder.addSingle4(Number(BigInt.asIntN(32, ip.value)), join)
      else builder.addSingle6(...wordsOf(ip.value), join)
    }
    return { destinations: builder.build(), places }
  }

  #capabilitySources(): CapabilitySource[] {
    return [...this.#capabilities].map(([name, { targets, families }]) => ({ name, targets: [...targets], families }))
  }
}

/** Which destinations can matter here at all. */
class LocalNets {
  readonly #ranges: ReadonlyMap<number, readonly (readonly [bigint, bigint])[]>

  constructor(nets: readonly Prefix[]) {
    this.#ranges = new Map(
      ([4, 6] as const).map((family) => [
        family,
        merged(
          inTableOrder(nets.map((net) => ({ prefix: net })))
            .map(({ prefix }) => prefix)
            .filter(({ ip }) => ip.family === family),
        ),
      ]),
    )
  }

  /** Has the prefix an address in common with a local net? */
  overlaps(net: Prefix): boolean {
    const ranges = this.#ranges.get(net.ip.family) ?? []
    const [first, last] = rangeOf(net)
    // The first range that does not end before the prefix does.
    let [low, high] = [0, ranges.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((ranges[middle] as readonly [bigint, bigint])[1] < first) low = middle + 1
      else high = middle
    }
    const range = ranges[low]
    return range !== undefined && range[0] <= last
  }
}

/** Ranges that are apart from each other, of prefixes in rising order. */
function merged(nets: readonly Prefix[]): [bigint, bigint][] {
  const ranges: [bigint, bigint][] = []
  for (const net of nets) {
    const [first, last] = rangeOf(net)
    const before = ranges.at(-1)
    if (before === undefined || first > before[1]) ranges.push([first, last])
    else if (last > before[1]) before[1] = last
  }
  return ranges
}

function peerApiWords(addresses: readonly PeerApiAddress[]): Int32Array {
  const words = new Int32Array(7)
  for (const { ip, port } of addresses)
    if (ip.family === 4) words.set([Number(BigInt.asIntN(32, ip.value)), port], 0)
    else words.set([...wordsOf(ip.value), port], 2)
  return words
}
