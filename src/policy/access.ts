/**
 * The access rules of a policy as sets of nodes: every rule in parts, each with whom it admits and whom it leads to.
 * Filters, visibility, routes, tests and explanations all read these parts, and so can't disagree. (policy.md §15)
 */

import { BitSet } from '../base/bit-set.ts'
import type { Ip } from '../base/ip.ts'
import type { AccessRule, Destination, Policy, Selector, Traffic } from './policy.ts'
import type { Routes } from './routes.ts'
import type { Selected, Selection } from './selection.ts'
import { Sources } from './sources.ts'
import type { PolicyNode } from './tailnet.ts'

/** One destination of a part, and the nodes behind it. */
export interface Target {
  readonly destination: Destination
  readonly selected: Selected
}

/** What of a rule is compiled together: its destinations other than `autogroup:self`, or that one. (policy.md §15.3) */
export interface Part {
  readonly rule: AccessRule
  /** Between the devices of one user, for each user alone. (policy.md §15.5) */
  readonly self: boolean
  readonly sources: Sources
  readonly targets: readonly Target[]
  /** The destinations as those who send, for companions. (policy.md §5) */
  readonly reversed: Sources
  readonly reach: PartReach
}

/** The nodes that a part leads to. */
export class PartReach {
  readonly #targets: readonly Target[]
  readonly #via: readonly Selected[]
  readonly #nodes = new BitSet()
  #stamp = -1

  constructor(targets: readonly Target[], via: readonly Selected[]) {
    this.#targets = targets
    this.#via = via
  }

  /** Everybody whom some target leads to. */
  get nodes(): BitSet {
    let stamp = 0
    for (const { selected } of this.#targets) stamp += selected.stamp
    for (const { stamp: tagged } of this.#via) stamp += tagged
    if (stamp !== this.#stamp) {
      this.#stamp = stamp
      this.#nodes.clear()
      // With `via` only routers that have one of the tags and carry what is asked for. (policy.md §15.7)
      for (const { selected } of this.#targets) this.#nodes.addAll(this.isVia ? selected.routed : selected.touched)
      if (this.isVia) this.#nodes.keepAll(this.#tagged())
    }
    return this.#nodes
  }

  get isVia(): boolean {
    return this.#via.length > 0
  }

  /** Does this target lead to a node that `nodes` has? */
  leads({ selected }: Target, node: PolicyNode): boolean {
    return (this.isVia ? selected.routed : selected.touched).has(node.slot)
  }

  #tagged(): BitSet {
    const tagged = new BitSet()
    for (const { nodes } of this.#via) tagged.addAll(nodes)
    return tagged
  }
}

export class Access {
  /** In the order in which filters are written: all grants, then all ACLs. */
  readonly parts: readonly Part[]
  readonly #selection: Selection
  readonly #routes: Routes
  readonly #sources = new Map<string, Sources>()

  constructor(policy: Policy, selection: Selection, routes: Routes) {
    this.#selection = selection
    this.#routes = routes
    const rules = policy.allowAll ? [EVERYTHING] : policy.rules
    this.parts = rules.flatMap((rule) =>
      inParts(rule).map(({ self, destinations }) => this.#part(rule, self, destinations)),
    )
  }

  /** The node whose own address it is. */
  ownerOf(ip: Ip): PolicyNode | undefined {
    return this.#selection.at(ip)
  }

  /** Every list of sources there is, each once. */
  get lists(): Iterable<Sources> {
    return this.#sources.values()
  }

  /** Whom a list of selectors admits; one object for lists that are written alike. */
  sources(selectors: readonly Selector[], postures: readonly string[]): Sources {
    const key = JSON.stringify([selectors.map(({ text }) => text), postures])
    let sources = this.#sources.get(key)
    if (sources === undefined) {
      sources = new Sources(this.#selection, this.#routes, selectors, postures)
      this.#sources.set(key, sources)
    }
    return sources
  }

  /** Who may send to `node` by this part; only right where the part leads to it. */
  admitted(part: Part, node: PolicyNode): BitSet {
    return part.self ? this.#own(part, node) : part.sources.admitted
  }

  /** Those, and the routers of subnets that may. */
  touched(part: Part, node: PolicyNode): BitSet {
    return part.self ? this.#own(part, node) : part.sources.touched
  }

  #own(part: Part, node: PolicyNode): BitSet {
    const own = this.#selection.devicesOfOwner(node).clone()
    own.keepAll(part.sources.admitted)
    return own
  }

  #part(rule: AccessRule, self: boolean, destinations: readonly Destination[]): Part {
    const watch = (target: Selector): Selected => this.#selection.watch(target, 'destination')
    const targets = destinations.map((destination) => ({ destination, selected: watch(destination.target) }))
    const via = rule.via.map((tag) => watch({ kind: 'tag', tag, text: tag, at: rule.at }))
    return {
      rule,
      self,
      sources: this.sources(rule.sources, rule.postures),
      targets,
      reversed: this.sources(self || rule.app.size === 0 ? [] : destinations.map(({ target }) => target), []),
      reach: new PartReach(targets, via),
    }
  }
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
