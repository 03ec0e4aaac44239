/**
 * The access rules of a policy as sets of nodes: every rule in parts, each with whom it admits and whom it leads to.
 * Filters, visibility, routes, tests and explanations all read these parts, and so can't disagree. (policy.md §15)
 *
 * A node is told apart from others by what names it, so its parts are found without going through all of them.
 */

import { BitSet } from '../base/bit-set.ts'
import type { Ip, Prefix } from '../base/ip.ts'
import { listed } from '../base/listed.ts'
import { BySelector } from './by-selector.ts'
import { hasCompanion } from './companions.ts'
import type { AccessRule, Destination, Policy, Selector, Traffic } from './policy.ts'
import type { Routes } from './routes.ts'
import { hasMoved } from './selection.ts'
import type { Meeting, Selected, Selection } from './selection.ts'
import { taken } from './services.ts'
import type { Services } from './services.ts'
import { Sharees } from './sharees.ts'
import { Sources } from './sources.ts'
import type { PolicyNode } from './tailnet.ts'

/** One destination of a part, and the nodes behind it. */
export interface Target {
  readonly destination: Destination
  readonly selected: Selected
}

/** What of a rule is compiled together: its destinations other than `autogroup:self`, or that one. (policy.md §15.3) */
export interface Part {
  /** Its place among all parts, from 0. */
  readonly index: number
  readonly rule: AccessRule
  /** Between the devices of one user, for each user alone. (policy.md §15.5) */
  readonly self: boolean
  readonly sources: Sources
  readonly targets: readonly Target[]
  /** The destinations as those who send, for companions. (policy.md §5) */
  readonly reversed: Sources
  readonly reach: PartReach
}

/** What a change of one node has done to the lists of sources. */
export interface Relisted {
  /** Those that may say something else now. */
  readonly lists: ReadonlySet<Sources>
  /** Subnets that are there now and were not, or were and aren't. */
  readonly subnets: readonly Prefix[]
}

/** The nodes that a part leads to; parts with the same targets share one. */
export class PartReach {
  readonly #targets: readonly Selected[]
  readonly #via: readonly Selected[]
  #nodes: BitSet | undefined

  constructor(targets: readonly Selected[], via: readonly Selected[]) {
    this.#targets = targets
    this.#via = via
  }

  /** Everybody whom some target leads to. */
  get nodes(): BitSet {
    if (this.#nodes === undefined) {
      this.#nodes = new BitSet()
      for (const selected of this.#targets) this.#nodes.addAll(this.#led(selected))
      if (this.isVia) this.#nodes.keepAll(this.#tagged())
    }
    return this.#nodes
  }

  /** What `nodes` says of one node, and costs less while nobody has asked for all of them. */
  includes(slot: number): boolean {
    if (this.isVia && !this.#via.some(({ nodes }) => nodes.has(slot))) return false
    return this.#targets.some((selected) => this.#led(selected).has(slot))
  }

  /** The node of this slot is named otherwise than before. */
  update(slot: number): void {
    if (this.#nodes === undefined) return
    if (this.includes(slot)) this.#nodes.add(slot)
    else this.#nodes.delete(slot)
  }

  get isVia(): boolean {
    return this.#via.length > 0
  }

  /** Does this target lead to a node that `nodes` has? */
  leads({ selected }: Target, node: PolicyNode): boolean {
    return this.#led(selected).has(node.slot)
  }

  /** With `via` only routers that have one of the tags and carry what is asked for. (policy.md §15.7) */
  #led(selected: Selected): BitSet {
    return this.isVia ? selected.routed : selected.touched
  }

  #tagged(): BitSet {
    const tagged = new BitSet()
    for (const { nodes } of this.#via) tagged.addAll(nodes)
    return tagged
  }
}

export class Access {
  /** In the order in which filters are written: all grants, then all ACLs. */
  readonly parts: Part[] = []
  /** Those between the devices of one user that tell sources of something. */
  readonly ownCompanions: Part[] = []
  /** Devices of others, which no part counts among its sources. (shared-in.ts) */
  readonly sharees: Sharees
  readonly #selection: Selection
  readonly #routes: Routes
  readonly #lists = new Map<string, Sources>()
  readonly #readingSubnets: Sources[] = []
  readonly #meeting = new Map<Meeting, Sources[]>()
  readonly #reaches = new Map<string, PartReach>()
  // The same by what they are made of.
  readonly #listsBy = new BySelector<Sources>()
  readonly #reachesBy = new BySelector<PartReach>()
  readonly #receiving = new BySelector<Part>()
  readonly #sending = new BySelector<Part>()
  readonly #telling = new BySelector<Part>()
  readonly #from = new Map<Sources, Part[]>()
  readonly #towards = new Map<Sources, Part[]>()

  /** Without parts, which `add` makes of the rules that there are. */
  constructor(selection: Selection, routes: Routes, sharees = new Sharees()) {
    this.sharees = sharees
    this.#selection = selection
    this.#routes = routes
  }

  /** The rules of a policy, in the order in which they are to be added. */
  static rules(policy: Policy): readonly AccessRule[] {
    return policy.allowAll ? [EVERYTHING] : policy.rules
  }

  /** Adds a rule behind all others, and returns its parts. */
  add(rule: AccessRule): readonly Part[] {
    return inParts(rule).map(({ self, destinations }) => {
      const part = this.#part(rule, self, destinations)
      this.parts.push(part)
      if (self && hasCompanion(part)) this.ownCompanions.push(part)
      const { selected } = part.sources
      this.#sending.add(part, selected)
      if (hasCompanion(part)) this.#telling.add(part, selected)
      // One between own devices leads to everybody's. So it is found by who may use it, which are always people, and
      // all of a person's devices alike (policy.md §3.3); but for capabilities, of which everybody hears.
      this.#receiving.add(part, self && rule.app.size === 0 ? selected : targetsOf(part))
      listed(this.#from, part.sources).push(part)
      if (hasCompanion(part)) listed(this.#towards, part.reversed).push(part)
      return part
    })
  }

  /** The parts that lead to a node, or to something behind it, in their order; of one's own only what one may use. */
  receiving({ slot }: PolicyNode): Part[] {
    return this.#receiving.of(this.#selection.namers(slot)).filter(({ reach }) => reach.includes(slot))
  }

  /** The parts of which a node is a source, or something behind it is. */
  sending({ slot }: PolicyNode): Part[] {
    return this.#sending.of(this.#selection.namers(slot)).filter(({ sources }) => sources.touches(slot))
  }

  /** The parts that tell a node, which is a source of them, who serves it. */
  telling({ slot }: PolicyNode): Part[] {
    return this.#telling.of(this.#selection.namers(slot)).filter(({ sources }) => sources.admits(slot))
  }

  /** The parts with this very list of sources. */
  from(list: Sources): readonly Part[] {
    return this.#from.get(list) ?? []
  }

  /** The parts that tell their sources of those on this list, their destinations. */
  towards(list: Sources): readonly Part[] {
    return this.#towards.get(list) ?? []
  }

  /** How the node of a slot stands in the lists of sources, as `Sources.standing` has it; 0 in those left out. */
  standings(slot: number): Map<Sources, number> {
    return new Map(this.#listsOf(slot).map((list) => [list, list.standing(slot)]))
  }

  /** Before anything was asked: the tailnet as it is taken in first. */
  fill(node: PolicyNode): void {
    this.#routes.set(undefined, node)
    this.#selection.set(node.slot, node)
  }

  /** A node came, changed or (`undefined`) went. */
  set(slot: number, after: PolicyNode | undefined): Relisted {
    const before = this.#selection.node(slot)
    const subnets = this.#routes.set(before, after)
    const flipped = this.#selection.set(slot, after)
    const updated = new Set(this.#listsBy.of(flipped.selected))
    for (const meeting of flipped.meetings) for (const list of this.#meeting.get(meeting) ?? []) updated.add(list)
    for (const list of updated) list.update(slot)
    for (const reach of this.#reachesBy.of(flipped.selected)) reach.update(slot)
    const rewritten = new Set<Sources>()
    if (before !== undefined && after !== undefined && hasMoved(before, after))
      for (const list of this.#listsOf(slot)) rewritten.add(list)
    if (subnets.length > 0) for (const list of this.#readingSubnets) rewritten.add(list)
    for (const list of rewritten) list.rewrite()
    return { lists: updated.union(rewritten), subnets }
  }

  #listsOf(slot: number): Sources[] {
    return this.#listsBy.of(this.#selection.namers(slot))
  }

  /** The node whose own address it is. */
  ownerOf(ip: Ip): PolicyNode | undefined {
    return this.#selection.at(ip)
  }

  /** Whom a list of selectors admits; one object for lists that are written alike. */
  sources(selectors: readonly Selector[], postures: readonly string[]): Sources {
    const key = JSON.stringify([selectors.map(({ text }) => text), postures])
    let list = this.#lists.get(key)
    if (list === undefined) {
      list = new Sources(this.#selection, this.#routes, selectors, postures)
      this.#lists.set(key, list)
      this.#listsBy.add(list, list.selected)
      if (list.readsSubnets) this.#readingSubnets.push(list)
      if (list.meeting !== undefined) listed(this.#meeting, list.meeting).push(list)
    }
    return list
  }

  /** Who may send to `node` by this part; only right where the part leads to it. */
  admitted(part: Part, node: PolicyNode): BitSet {
    return part.self ? BitSet.of(this.ownSources(part, node)) : part.sources.admitted
  }

  /** Those, and the routers of subnets that may. */
  touched(part: Part, node: PolicyNode): BitSet {
    return part.self ? BitSet.of(this.ownSources(part, node)) : part.sources.touched
  }

  /** Is `from` among them? Only right where the part leads to `to`. */
  touches({ self, sources }: Part, from: PolicyNode, to: PolicyNode): boolean {
    if (!self) return sources.touches(from.slot)
    return sources.admits(from.slot) && this.#selection.devicesOfOwner(to).has(from.slot)
  }

  /** The devices of one's own that a part between these admits, in rising order. */
  ownSources({ sources }: Part, node: PolicyNode): number[] {
    return this.#selection.slotsOfOwner(node).filter((slot) => sources.admits(slot))
  }

  #part(rule: AccessRule, self: boolean, destinations: readonly Destination[]): Part {
    const watch = (target: Selector): Selected => this.#selection.watch(target, 'destination')
    const targets = destinations.flatMap((destination) => [
      ...(destination.target.kind === 'service' && this.services.named(destination.target.service) !== undefined
        ? []
        : [{ destination, selected: watch(destination.target) }]),
      ...this.#services(rule, destination).map(({ target, traffic }) => ({
        destination: { target: destination.target, traffic },
        selected: watch(target),
      })),
    ])
    const via = rule.via.map((tag) => watch({ kind: 'tag', tag, text: tag, at: rule.at }))
    return {
      index: this.parts.length,
      rule,
      self,
      sources: this.sources(rule.sources, rule.postures),
      targets,
      reversed: this.sources(self || rule.app.size === 0 ? [] : destinations.map(({ target }) => target), []),
      reach: this.#reach(targetsOf({ targets }), via),
    }
  }

  get services(): Services {
    return this.#selection.services
  }

  /** The Services that a destination names, by their name or by a tag, with what each takes of its traffic. */
  #services({ app }: AccessRule, { target, traffic }: Destination): Destination[] {
    if (target.kind !== 'service' && target.kind !== 'tag') return []
    const own = target.kind === 'service' ? this.services.named(target.service) : undefined
    const named = target.kind === 'tag' ? this.services.carrying(target.tag) : own === undefined ? [] : [own]
    return named.flatMap((service) => {
      const { text, at } = target
      const open = taken(service, traffic)
      // Where nothing is left of a rule, its ends needn't know of each other.
      if (open.length === 0 && app.size === 0) return []
      return [{ target: { kind: 'service', service: service.name, text, at }, traffic: open }]
    })
  }

  #reach(targets: readonly Selected[], via: readonly Selected[]): PartReach {
    const key = [targets, via].map((list) => list.map(({ number }) => number).join()).join(' ')
    let reach = this.#reaches.get(key)
    if (reach === undefined) {
      this.#reaches.set(key, (reach = new PartReach(targets, via)))
      this.#reachesBy.add(reach, [...targets, ...via])
    }
    return reach
  }
}

function targetsOf({ targets }: Pick<Part, 'targets'>): Selected[] {
  return targets.map(({ selected }) => selected)
}

/** All of both, each once. */
export function inOrder(a: readonly Part[], b: readonly Part[]): readonly Part[] {
  if (a.length === 0) return b
  return b.length === 0 ? a : [...new Set([...a, ...b])].sort((x, y) => x.index - y.index)
}

const NOWHERE = { line: 1, column: 1 }
/** What a policy without grants and ACLs comes to. (policy.md §2) */
const EVERYTHING: AccessRule = {
  kind: 'grant',
  index: 0,
  at: NOWHERE,
  sources: [{ kind: 'any', text: '*', at: NOWHERE }],
  destinations: [
    { target: { kind: 'any', text: '*', at: NOWHERE }, traffic: [{ ports: [{ first: 0, last: 65535 }] }] },
  ],
  app: new Map(),
  via: [],
  postures: [],
}

/**
 * Where all destinations are autogroups they are taken in the order written; else `autogroup:self` comes last.
 * (policy.md §15.3)
 */
function inParts(rule: AccessRule): { self: boolean; destinations: Destination[] }[] {
  const destinations = rule.kind === 'acl' ? asAclsAreRead(rule.destinations) : rule.destinations
  const ordered = destinations.every(({ target }) => target.kind === 'autogroup')
    ? destinations
    : [...destinations.filter((d) => !isSelf(d)), ...destinations.filter(isSelf)]
  const parts: { self: boolean; destinations: Destination[] }[] = []
  for (const destination of ordered) {
    const self = isSelf(destination)
    const last = parts.at(-1)
    if (last?.self === self) last.destinations.push(destination)
    else parts.push({ self, destinations: [destination] })
  }
  return parts
}

/** In an ACL, entries of one target are one, and groups come after everybody else. (recorded: acl-rs07, acl-k02) */
function asAclsAreRead(destinations: readonly Destination[]): Destination[] {
  const byTarget = new Map<string, Destination>()
  for (const { target, traffic } of destinations) {
    const before = byTarget.get(target.text)
    byTarget.set(target.text, { target: before?.target ?? target, traffic: merged(before?.traffic ?? [], traffic) })
  }
  const all = [...byTarget.values()]
  const isGroup = ({ target }: Destination): boolean => target.kind === 'group'
  return [...all.filter((d) => !isGroup(d)), ...all.filter(isGroup)]
}

function merged(a: readonly Traffic[], b: readonly Traffic[]): readonly Traffic[] {
  const byProtocol = new Map<number | undefined, Traffic>()
  for (const traffic of [...a, ...b]) {
    const before = byProtocol.get(traffic.protocol)
    byProtocol.set(
      traffic.protocol,
      before === undefined ? traffic : { ...before, ports: [...before.ports, ...traffic.ports] },
    )
  }
  return [...byProtocol.values()]
}

function isSelf({ target }: Destination): boolean {
  return target.kind === 'autogroup' && target.autogroup === 'self'
}
