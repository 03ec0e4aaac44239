/**
 * What tests are tried on: the new policy compiled over the tailnet, and who is admitted and reached by which of its
 * parts. The same parts that filters are written from, so that a test and a filter can't disagree. (policy.md §8, §15)
 */

import { prefixContains } from '../../base/ip.ts'
import type { Family, Ip } from '../../base/ip.ts'
import type { Part } from '../access.ts'
import { INTERNET } from '../address-set.ts'
import { Engine } from '../engine.ts'
import type { Policy } from '../policy.ts'
import { isUsefulRoute } from '../selection.ts'
import type { PolicyNode } from '../tailnet.ts'
import { isFor } from '../verdict.ts'
import type { Allowing } from '../verdict.ts'
import { gather } from './crowds.ts'
import type { Admitted, Reached, Traits } from './crowds.ts'
import type { Subject } from './subjects.ts'

/** One that a test can be tried with. */
export type Usable = Exclude<Subject, { kind: 'unusable' }>

const BOTH: readonly Family[] = [4, 6]

export class Ground {
  readonly engine: Engine
  readonly #routers: readonly PolicyNode[]
  readonly #ways: readonly Allowing[]
  readonly #admitted = new Map<string, readonly Admitted<Part>[]>()
  readonly #reached = new Map<string, readonly Reached<Part, Allowing>[]>()

  constructor(policy: Policy, nodes: readonly PolicyNode[]) {
    this.engine = new Engine(policy, nodes)
    this.#ways = this.engine.access.parts.flatMap((part) => part.targets.map((target) => ({ part, target })))
    this.#routers = nodes.filter(({ routes }) => routes.length > 0)
  }

  /** Whose address it is: the device then counts by who it is. */
  owner(subject: Usable): PolicyNode | undefined {
    return subject.kind === 'address' ? this.engine.selection.at(subject.ip) : undefined
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
    if (this.owner(from) !== undefined) return b
    return this.owner(to) !== undefined ? a : []
  }

  /** Those who send, by the parts that admit their addresses of a family. */
  admitted(from: Usable, family: Family): readonly Admitted<Part>[] {
    return remembered(this.#admitted, `${family} ${from.key}`, () => {
      const { parts } = this.engine.access
      return gather(this.#senders(from, family)).map(({ all, own, owners }) => ({
        rules: new Set(all.map((at) => parts[at] as Part)),
        own: new Set(own.map((at) => parts[at] as Part)),
        owners,
      }))
    })
  }

  /** Those who are sent to, by the targets of parts that lead to their addresses of a family. */
  reached(to: Usable, family: Family): readonly Reached<Part, Allowing>[] {
    return remembered(this.#reached, `${family} ${to.key}`, () => {
      const ways = this.#ways
      return gather(this.#receivers(to, family)).map(({ all, own, owners }) => ({
        ways: all.map((at) => ways[at] as Allowing),
        own: own.map((at) => ways[at] as Allowing),
        owners,
      }))
    })
  }

  #senders(from: Usable, family: Family): Traits<number>[] {
    const nodes = this.devices(from)
    const { parts } = this.engine.access
    if (nodes.length === 0) {
      const all: number[] = []
      if (from.kind === 'address')
        for (const [at, part] of parts.entries()) if (!part.self && part.sources.includes(from.ip)) all.push(at)
      return [{ all, own: [], owner: undefined }]
    }
    const members = nodes.map((node) => ({ node, ip: addressOf(node, family), ...traitsOf(node) }))
    for (const [at, { self, sources }] of parts.entries()) {
      const { admitted } = sources
      for (const { node, ip, all, own, owner } of members) {
        if (!self) {
          if (sources.includes(ip, node)) all.push(at)
        } else if (owner !== undefined && admitted.has(node.slot)) own.push(at)
      }
    }
    return members
  }

  #receivers(to: Usable, family: Family): Traits<number>[] {
    const nodes = this.devices(to)
    const members = nodes.map((node) => ({ node, ip: addressOf(node, family), ...traitsOf(node) }))
    if (nodes.length === 0) {
      const all: number[] = []
      const carriers = to.kind === 'address' ? this.#carriers(to.ip) : []
      for (const [at, way] of this.#ways.entries()) if (this.#leadsBehind(way, to, carriers)) all.push(at)
      return [{ all, own: [], owner: undefined }]
    }
    for (const [at, { part, target }] of this.#ways.entries()) {
      const reached = part.reach.nodes
      for (const { node, ip, all, own } of members)
        if (reached.has(node.slot) && part.reach.leads(target, node) && isFor(target, node, ip))
          (part.self ? own : all).push(at)
    }
    return members
  }

  /** To an address that no device has: at those who carry it, or, if nobody does yet, at whoever will. */
  #leadsBehind({ part, target }: Allowing, to: Usable, carriers: readonly PolicyNode[]): boolean {
    if (part.self) return false
    const { selector, addresses } = target.selected
    if (to.kind === 'service') return selector.kind === 'service' && selector.service === to.service
    if (to.kind !== 'address') return false
    if (carriers.length === 0) return selector.kind === 'any' || (addresses?.contains(to.ip) ?? false)
    return carriers.some(
      (node) => part.reach.nodes.has(node.slot) && part.reach.leads(target, node) && isFor(target, node, to.ip),
    )
  }

  /** Routers of the subnets that it is in; for what is in the internet, exit nodes else. */
  #carriers(ip: Ip): readonly PolicyNode[] {
    const routers = this.#routersOf(ip)
    if (routers.length > 0 || !INTERNET.contains(ip)) return routers
    return this.#routers.filter(({ routes }) => routes.some((route) => route.bits === 0 && prefixContains(route, ip)))
  }

  #routersOf(ip: Ip): readonly PolicyNode[] {
    return this.#routers.filter(({ routes }) =>
      routes.some((route) => isUsefulRoute(route) && prefixContains(route, ip)),
    )
  }

  /** As devices: what it names, or whose address it is; none for what no device has. */
  devices(subject: Usable): readonly PolicyNode[] {
    if (subject.kind === 'devices') return subject.nodes
    const owner = this.owner(subject)
    return owner === undefined ? [] : [owner]
  }
}

/** What decides how a device counts, before any rule is looked at. */
export function traitsOf(node: PolicyNode): Traits<number> {
  return { all: [], own: [], owner: node.tags.length > 0 ? undefined : node.user.id }
}

function familiesOf(subject: Usable): readonly Family[] {
  return subject.kind === 'address' ? [subject.ip.family] : BOTH
}

function addressOf(node: PolicyNode, family: Family): Ip {
  return family === 4 ? node.ipv4 : node.ipv6
}

/** Computes what isn't in the map yet. */
export function remembered<K, V>(map: Map<K, V>, key: K, compute: () => V): V {
  let value = map.get(key)
  if (value === undefined) map.set(key, (value = compute()))
  return value
}
