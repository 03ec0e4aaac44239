/**
 * Names for the nodes that a selector means, by which filters admit them: `cap:NAME` instead of two addresses for
 * each node. The nodes carry the name in their map entries, so whoever joins a group comes with what lets it in, and
 * nobody's filter has to be sent again. (control.md §7.1; node.md §2.4)
 *
 * A filter with names must let in what the same filter with addresses lets in, for every packet that can arrive. A
 * packet's source is an address that the peer may send from, or the client has dropped it before. Then:
 *
 * - TCP, UDP, SCTP. A client matches `cap:` as it matches an address: rule by rule, with protocol, destination and
 *   port. It looks up whose own address the source is, so a name stands for just the own addresses of its nodes, as
 *   the texts of a selector do that means nodes by who they are. What such a selector doesn't write — prefixes,
 *   ipsets, subnets behind routers, `*` — stays as it is written.
 * - ICMP. A client passes it where a rule with that source leads, whatever the rule's protocols and ports are; but
 *   from a peer that has *any* name of its filter it passes ICMP to all its local nets. So names are for rules that
 *   lead to both own addresses, and for nodes whose local nets are just these: then all that is passed by a name is
 *   passed by address too. Such targets are `*` and selectors that mean nodes by who they are. Nodes that offer
 *   routes, whether these are approved or not, and app connectors have further local nets, and are sent addresses.
 * - Other protocols. Clients overlook names there, so rules of ICMP alone, GRE and the like have addresses. Rules
 *   without a protocol count: clients take them for TCP, UDP and ICMP, whatever the number of ports.
 * - Capability grants are by address: clients overlook names there as well.
 *
 * In rules with addresses sources are put together that come to the same at the moment; names never are, since what
 * they come to changes behind the filter's back. So rules of names are one only where their list of sources is one.
 *
 * A peer's entry is one text for all who see it, so everybody sees which peers have a name in common. The name is a
 * number: it says neither what the group is called nor that it is one.
 */

import { BitSet, intersection } from '../base/bit-set.ts'
import { listed } from '../base/listed.ts'
import type { Part, Target } from './access.ts'
import type { Selector } from './policy.ts'
import { hasPorts } from './protocols.ts'
import { isEverything, meaning } from './selection.ts'
import type { Meeting, Selected, Selection } from './selection.ts'
import type { PolicyNode } from './tailnet.ts'

/** How many names may be given to groups of which one person is a member, and to one tag, domain or role. */
const NAMES_EACH = 16

/** Node capabilities under this prefix are nobody else's. */
const PREFIX = 'sett/src/'

/**
 * The names of one tailnet. They outlive policies, so that a policy that is saved again has no peer sent again; the
 * same name never means something else.
 */
export class SourceNames {
  readonly #names = new Map<string, string>()

  /** @param key what the name stands for */
  of(key: string): string {
    let name = this.#names.get(key)
    if (name === undefined) this.#names.set(key, (name = `${PREFIX}${this.#names.size + 1}`))
    return name
  }
}

/** Nodes that go by a name: those of a selector that meet one of some postures. */
interface Named {
  readonly name: string
  readonly meeting: Meeting | undefined
}
const NONE: readonly never[] = []

/** What of a part is written by name to those who read names, and what is not. */
interface Split {
  /** Targets to which some of its traffic is by name. */
  readonly named: readonly Selected[]
  /** Targets to which some is by address; `all`: all that it leads to have some. */
  readonly addressed: readonly Selected[] | 'all'
}

export class CapabilitySources {
  readonly #selection: Selection
  readonly #names: SourceNames | undefined
  readonly #named = new Map<string, Named>()
  /** The same by selector: one for each list of postures that goes with it. */
  readonly #namesOf = new Map<Selected, Named[]>()
  /** How many names lie on each login, domain, tag, or all that have a role. */
  readonly #load = new Map<string, number>()
  readonly #splits = new Map<Part, Split>()
  /** Nodes whose filters may have names. */
  readonly #readers = new BitSet()

  /** @param names absent: nobody is called by a name */
  constructor(selection: Selection, names: SourceNames | undefined) {
    this.#selection = selection
    this.#names = names
  }

  /** Takes in a part that was added behind all others, and names whom it admits. */
  add(part: Part): void {
    const names = this.#names
    const { self, reach, sources, rule } = part
    if (names === undefined || self || reach.isVia) return
    const byName = part.targets.filter((target) =>
      target.destination.traffic.some((t) => goesByName(target, t.protocol)),
    )
    if (byName.length === 0) return
    for (const selected of sources.selected) {
      if (sources.isNamed(selected)) continue
      const name = this.#name(names, selected, sources.meeting)
      if (name !== undefined) sources.callByName(selected, name)
    }
    if (!sources.hasNames) return
    const byAddress = part.targets.filter((target) =>
      target.destination.traffic.some((t) => !goesByName(target, t.protocol)),
    )
    this.#splits.set(part, {
      named: byName.map(({ selected }) => selected),
      addressed: rule.app.size > 0 ? 'all' : byAddress.map(({ selected }) => selected),
    })
  }

  /** A node came, changed or (`undefined`) went. */
  set(slot: number, node: PolicyNode | undefined): void {
    if (node?.readsSourceNames === true && node.routes.length === 0) this.#readers.add(slot)
    else this.#readers.delete(slot)
  }

  /** Is some of the part by name in the filter of the node? What, `goesByName` says. */
  isByName(part: Part, { slot }: PolicyNode): boolean {
    return this.#readers.has(slot) && this.#splits.has(part)
  }

  /** The names that a node carries, for all who see it; sorted. */
  of(slot: number): string[] {
    const names: string[] = []
    if (this.#named.size === 0) return names
    for (const selected of this.#selection.namers(slot))
      for (const { name, meeting } of this.#namesOf.get(selected) ?? NONE)
        if (selected.nodes.has(slot) && (meeting?.nodes.has(slot) ?? true)) names.push(name)
    return names.sort()
  }

  /**
   * Adds the nodes to which a part says something else, where its list of sources does.
   *
   * @param byAddress in what it comes to in addresses
   * @param byName in what it comes to where names are read
   */
  addTold(part: Part, byAddress: boolean, byName: boolean, told: BitSet): void {
    const split = this.#splits.get(part)
    const { nodes } = part.reach
    if (byAddress)
      if (split === undefined || split.addressed === 'all') told.addAll(nodes)
      else {
        const others = nodes.clone()
        others.deleteAll(this.#readers)
        told.addAll(others)
        for (const { touched } of split.addressed) told.addAll(touched)
      }
    if (byName) for (const { touched } of split?.named ?? []) told.addAll(intersection(touched, this.#readers))
  }

  #name(names: SourceNames, selected: Selected, meeting: Meeting | undefined): string | undefined {
    const { selector, addresses } = selected
    // Without a posture, everything there is takes a few texts already.
    if (addresses !== undefined || (meeting === undefined && isEverything(selector))) return undefined
    // How many groups of a provider somebody is in, and so how many names they would carry, no policy says.
    if (selector.kind === 'synced-group') return undefined
    const key = JSON.stringify([meaning(selector), ...(meeting?.postures ?? [])])
    const before = this.#named.get(key)
    if (before !== undefined) return before.name
    const bearers = this.#bearers(selector)
    if (bearers.length === 0 || bearers.some((bearer) => (this.#load.get(bearer) ?? 0) >= NAMES_EACH)) return undefined
    for (const bearer of bearers) this.#load.set(bearer, (this.#load.get(bearer) ?? 0) + 1)
    const name = names.of(key)
    const named = { name, meeting }
    this.#named.set(key, named)
    listed(this.#namesOf, selected).push(named)
    return name
  }

  /** On what a name for the selector lies, as far as the policy says. */
  #bearers(selector: Selector): string[] {
    if (selector.kind === 'tag') return [selector.tag]
    if (selector.kind === 'any' || selector.kind === 'autogroup') return ['everybody']
    const { logins, domains } = this.#selection.people.named(selector)
    return [...logins, ...domains]
  }
}

/** Is this traffic by name, where the filter of a node has names for the part? */
export function goesByName(target: Target, protocol: number | undefined): boolean {
  return isNamable(target) && readsNames(protocol)
}

/** Does the target come to both own addresses of whoever has nothing else? */
function isNamable({ selected }: Target): boolean {
  return selected.addresses === undefined
}

/** Is traffic of this protocol let in by name just where it would be by address? */
function readsNames(protocol: number | undefined): boolean {
  return protocol === undefined || hasPorts(protocol)
}
