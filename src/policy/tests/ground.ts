/**
 * What tests are tried on: the new policy compiled over the tailnet, and who is admitted and reached by which of its
 * parts. The same parts that filters are written from, so that a test and a filter can't disagree. (policy.md §8, §15)
 *
 * The engine of a ground never changes, and what is found out about a node is kept.
 */

import type { BitSet } from '../../base/bit-set.ts'
import { prefixContains } from '../../base/ip.ts'
import type { Family, Ip } from '../../base/ip.ts'
import type { Part } from '../access.ts'
import { INTERNET } from '../address-set.ts'
import { Engine } from '../engine.ts'
import type { Policy } from '../policy.ts'
import { isUsefulRoute } from '../selection.ts'
import type { Sources } from '../sources.ts'
import type { Beyond, PolicyNode, PolicyService } from '../tailnet.ts'
import { Pace } from '../steps.ts'
import type { Steps } from '../steps.ts'
import { isFor } from '../verdict.ts'
import type { Allowing } from '../verdict.ts'
import { gatherReceivers, gatherSenders, remembered, rememberedInSteps } from './crowds.ts'
import type { Admitted, Reached, Receivers, Senders } from './crowds.ts'
import type { Subject } from './subjects.ts'

/** One that a test can be tried with. */
export type Usable = Exclude<Subject, { kind: 'unusable' }>

/** Looks at one list or part for one node, of which one step takes so many: a few milliseconds' worth. */
const LOOKS_PER_STEP = 50_000

const BOTH: readonly Family[] = [4, 6]

export class Ground {
  readonly engine: Engine
  readonly #routers: readonly PolicyNode[]
  readonly #lists: readonly SourceList[]
  readonly #parts: readonly ReachedPart[]
  readonly #admitted = new Map<string, Senders<Sources>>()
  readonly #reached = new Map<string, Receivers<Allowing>>()
  // What is known of single nodes, by family and slot; nodes that are alike share one object.
  readonly #sends: Record<Family, Map<number, Admitted<Sources>>> = { 4: new Map(), 6: new Map() }
  readonly #receives: Record<Family, Map<number, Reached<Allowing>>> = { 4: new Map(), 6: new Map() }
  readonly #alikeSenders = new Map<string, Admitted<Sources>>()
  readonly #alikeReceivers = new Map<string, Reached<Allowing>>()
  /** Counts looks, whatever they are for. */
  readonly pace = new Pace(LOOKS_PER_STEP);

  static *building(policy: Policy, nodes: readonly PolicyNode[], beyond: Beyond): Steps<Ground> {
    return new Ground(yield* Engine.building(policy, nodes, beyond), nodes)
  }

  private constructor(engine: Engine, nodes: readonly PolicyNode[]) {
    this.engine = engine
    this.#routers = nodes.filter(({ routes }) => routes.length > 0)
    this.#parts = this.engine.access.parts.map((part) => ({
      part,
      reached: part.reach.nodes,
      ways: part.targets.map((target) => ({ part, target })),
    }))
    this.#lists = sourceLists(this.engine.access.parts)
  }

  /** Whose address it is: the device then counts by who it is. */
  owner(subject: Usable): PolicyNode | undefined {
    return subject.kind === 'address' ? this.engine.selection.at(subject.ip) : undefined
  }

  /** As devices: what it names, or whose address it is; none for what no device has. */
  devices(subject: Usable): readonly PolicyNode[] {
    if (subject.kind === 'devices') return subject.nodes
    const owner = this.owner(subject)
    return owner === undefined ? [] : [owner]
  }

  /** The Service that it is, by name or by an address; absent: none that is there. */
  service(subject: Usable): PolicyService | undefined {
    const { services } = this.engine
    if (subject.kind === 'service') return services.named(subject.service)
    return subject.kind === 'address' ? services.at(subject.ip) : undefined
  }

  /** Is it what comes in through a subnet router? Nothing is asked of the device then. (policy.md §12) */
  isRouted(subject: Usable): boolean {
    return subject.kind === 'address' && this.owner(subject) === undefined && this.#routersOf(subject.ip).length > 0
  }

  /** The families that flows between the two can be of. */
  families(from: Usable, to: Usable): readonly Family[] {
    const [a, b] = [familiesOf(from), familiesOf(to)]
    const both = a.filter((family) => b.includes(family))
    if (both.length > 0) return both
    // An address of a device stands for the device where it is asked about the other family.
    if (this.owner(from) !== undefined || from.kind === 'sharees') return b
    return this.owner(to) !== undefined ? a : []
  }

  /** Those who send, by the lists of sources that have their addresses of a family. */
  admitted(from: Usable, family: Family): Steps<Senders<Sources>> {
    return rememberedInSteps(this.#admitted, `${family} ${from.key}`, () => this.#gatherAdmitted(from, family))
  }

  *#gatherAdmitted(from: Usable, family: Family): Steps<Senders<Sources>> {
    const members = []
    for (const node of this.devices(from)) {
      members.push({ alike: this.#sender(node, family), owner: ownerOf(node) })
      if (this.pace.spent(this.#lists.length)) yield
    }
    if (members.length === 0) {
      const open = from.kind === 'address' ? this.#lists.filter(({ sources }) => sources.includes(from.ip)) : []
      const alike = { rules: new Set(open.map(({ sources }) => sources)), own: new Set<Sources>() }
      members.push({ alike, owner: undefined })
    }
    return yield* gatherSenders(members, this.pace)
  }

  /** Those who are sent to, by the targets of parts that lead to their addresses of a family. */
  reached(to: Usable, family: Family): Steps<Receivers<Allowing>> {
    return rememberedInSteps(this.#reached, `${family} ${to.key}`, () => this.#gatherReached(to, family))
  }

  *#gatherReached(to: Usable, family: Family): Steps<Receivers<Allowing>> {
    const members = []
    for (const node of this.devices(to)) {
      members.push({ alike: this.#receiver(node, family), owner: ownerOf(node) })
      if (this.pace.spent(this.#parts.length)) yield
    }
    if (members.length === 0)
      members.push({ alike: { ways: yield* this.#waysBehind(to, family), own: [] }, owner: undefined })
    return yield* gatherReceivers(members, this.pace)
  }

  #sender(node: PolicyNode, family: Family): Admitted<Sources> {
    return remembered(this.#sends[family], node.slot, () => {
      const [rules, own]: [SourceList[], SourceList[]] = [[], []]
      const ip = addressOf(node, family)
      for (const list of this.#lists) {
        const named = list.admitted.has(node.slot)
        if (named) own.push(list)
        if ((named || list.hasAny) && (list.byName ? named : list.sources.includes(ip, node))) rules.push(list)
      }
      const key = `${rules.map(({ at }) => at).join()} ${own.map(({ at }) => at).join()}`
      const set = (lists: readonly SourceList[]): Set<Sources> => new Set(lists.map(({ sources }) => sources))
      return remembered(this.#alikeSenders, key, () => ({ rules: set(rules), own: set(own) }))
    })
  }

  #receiver(node: PolicyNode, family: Family): Reached<Allowing> {
    return remembered(this.#receives[family], node.slot, () => {
      const [ways, own]: [Allowing[], Allowing[]] = [[], []]
      const ip = addressOf(node, family)
      let key = ''
      for (const [at, { part, reached, ways: all }] of this.#parts.entries()) {
        if (!reached.has(node.slot)) continue
        for (const [nth, way] of all.entries())
          if (part.reach.leads(way.target, node) && isFor(way.target, node, ip)) {
            if (part.self) own.push(way)
            else ways.push(way)
            key += `${at}.${nth} `
          }
      }
      return remembered(this.#alikeReceivers, key, () => ({ ways, own }))
    })
  }

  /** To an address that no device has: at those who carry it, or, if nobody does yet, at whoever will. */
  *#waysBehind(to: Usable, family: Family): Steps<Allowing[]> {
    const service = this.service(to)
    const ip = to.kind === 'address' ? to.ip : service === undefined ? undefined : addressOf(service, family)
    const carriers = ip === undefined ? [] : this.carriers(ip)
    const leads = ({ part, target }: Allowing): boolean => {
      const { selector, addresses } = target.selected
      if (ip === undefined)
        return to.kind === 'service' && selector.kind === 'service' && selector.service === to.service
      if (carriers.length === 0) return selector.kind === 'any' || (addresses?.contains(ip) ?? false)
      return carriers.some(
        (node) => part.reach.nodes.has(node.slot) && part.reach.leads(target, node) && isFor(target, node, ip),
      )
    }
    const behind: Allowing[] = []
    for (const { part, ways } of this.#parts) {
      if (part.self) continue
      for (const way of ways) {
        if (leads(way)) behind.push(way)
        if (this.pace.spent(1 + carriers.length)) yield
      }
    }
    return behind
  }

  /** Hosts of the Service or routers of the subnets that it is in; for what is in the internet, exit nodes else. */
  carriers(ip: Ip): readonly PolicyNode[] {
    const { services, selection } = this.engine
    const service = services.at(ip)
    if (service !== undefined) return [...selection.all()].filter((node) => services.isHost(node, service.name))
    const routers = this.#routersOf(ip)
    if (routers.length > 0 || !INTERNET.contains(ip)) return routers
    return this.#routers.filter(({ routes }) => routes.some((route) => route.bits === 0 && prefixContains(route, ip)))
  }

  #routersOf(ip: Ip): readonly PolicyNode[] {
    return this.#routers.filter(({ routes }) =>
      routes.some((route) => isUsefulRoute(route) && prefixContains(route, ip)),
    )
  }
}

interface ReachedPart {
  readonly part: Part
  readonly reached: BitSet
  readonly ways: readonly Allowing[]
}

/** A list of sources that parts have in common, and what is quickly told of it. */
interface SourceList {
  readonly at: number
  readonly sources: Sources
  readonly admitted: BitSet
  /** `*` is on it: then those too may be among the sources who are not admitted as nodes. */
  readonly hasAny: boolean
  /** Who is admitted is admitted with each address. */
  readonly byName: boolean
}

function sourceLists(parts: readonly Part[]): SourceList[] {
  return [...new Set(parts.map(({ sources }) => sources))].map((sources, at) => {
    const hasAny = sources.selected.some(({ selector }) => selector.kind === 'any')
    const named = sources.selected.every(({ addresses }) => addresses === undefined)
    const byName = named && !(hasAny && sources.postures.length > 0)
    return { at, sources, admitted: sources.admitted, hasAny, byName }
  })
}

/** A tagged node is nobody's. */
export function ownerOf(node: PolicyNode): number | undefined {
  return node.tags.length > 0 ? undefined : node.user.id
}

function familiesOf(subject: Usable): readonly Family[] {
  if (subject.kind === 'sharees') return subject.ip === undefined ? BOTH : [subject.ip.family]
  return subject.kind === 'address' ? [subject.ip.family] : BOTH
}

function addressOf(node: Pick<PolicyNode, 'ipv4' | 'ipv6'>, family: Family): Ip {
  return family === 4 ? node.ipv4 : node.ipv6
}
