/**
 * A policy at work on a tailnet, wired up: text is checked elsewhere (document/), and from here on
 *
 *   nodes --> selection (who is named) --> access (whom each rule joins) --> filter | visibility | ssh | attributes
 *
 * Everything that is asked is answered from these sets. A node that changes tells what else has to be told anew.
 */

import { BitSet } from '../base/bit-set.ts'
import type { Prefix } from '../base/ip.ts'
import { Access } from './access.ts'
import { Filters } from './filter.ts'
import type { FilterRule } from './filter.ts'
import { NodeAttributes } from './node-attributes.ts'
import type { CapMap } from './node-attributes.ts'
import type { Policy } from './policy.ts'
import { meetsOne } from './postures.ts'
import { Routes } from './routes.ts'
import { Selection } from './selection.ts'
import type { Selected } from './selection.ts'
import type { Sources } from './sources.ts'
import { Ssh } from './ssh.ts'
import type { WireSshRule } from './ssh.ts'
import type { PolicyNode } from './tailnet.ts'
import { Visibility } from './visibility.ts'
import type { IsPrimary } from './visibility.ts'

/** What a change of one node means for the others. */
export interface Touched {
  /** Nodes that see the changed one now and did not, or did and don't. */
  readonly edges: BitSet
  /** Nodes whose own rules (filter or SSH) say something else now; the changed one may be among them. */
  readonly rules: BitSet
}

export class Engine {
  readonly policy: Policy
  readonly selection: Selection
  readonly access: Access
  readonly ssh: Ssh
  readonly attributes: NodeAttributes
  readonly #routes = new Routes()
  readonly #filters: Filters
  readonly #visibility: Visibility

  constructor(policy: Policy, nodes: Iterable<PolicyNode>) {
    this.policy = policy
    this.selection = new Selection(policy)
    this.access = new Access(policy, this.selection, this.#routes)
    this.ssh = new Ssh(policy.ssh, this.access, this.selection)
    this.attributes = new NodeAttributes(policy, this.selection)
    this.#filters = new Filters(this.access, this.selection)
    this.#visibility = new Visibility(this.access, this.selection)
    for (const node of nodes) this.#put(node.slot, node)
  }

  node(slot: number): PolicyNode | undefined {
    return this.selection.node(slot)
  }

  /** Empty: nobody may send it anything. */
  filter(slot: number): FilterRule[] {
    const node = this.node(slot)
    return node === undefined ? [] : this.#filters.of(node)
  }

  /** Whom it sees, and who sees it. */
  visible(slot: number): BitSet {
    const node = this.node(slot)
    return node === undefined ? new BitSet() : this.#visibility.of(node)
  }

  connects(a: number, b: number): boolean {
    const [x, y] = [this.node(a), this.node(b)]
    return x !== undefined && y !== undefined && this.#visibility.connects(x, y)
  }

  /** The routes of `peer` that `viewer` is told of. */
  routes(viewer: number, peer: number, isPrimary: IsPrimary): Prefix[] {
    const [x, y] = [this.node(viewer), this.node(peer)]
    return x === undefined || y === undefined ? [] : this.#visibility.routes(x, y, isPrimary)
  }

  sshRules(slot: number): WireSshRule[] {
    const node = this.node(slot)
    return node === undefined ? [] : this.ssh.of(node)
  }

  capabilities(slot: number, httpsEnabled: boolean): CapMap {
    const node = this.node(slot)
    return node === undefined ? new Map() : this.attributes.of(node, httpsEnabled)
  }

  /** A node came, changed or (`undefined`) went. */
  set(slot: number, after: PolicyNode | undefined): Touched {
    const before = this.node(slot)
    const edges = this.visible(slot)
    const owned = before === undefined ? undefined : this.selection.devicesOfOwner(before)
    const reconsidered = this.#postures(before, after)
    const changed = this.#put(slot, after)
    const turned = reconsidered.filter((sources) => sources.reconsider(slot))
    const seen = this.visible(slot)
    const both = edges.clone()
    both.keepAll(seen)
    edges.addAll(seen)
    edges.deleteAll(both)
    const rules = this.#toldAnew(before, after, new Set(changed), new Set(turned))
    if (owned !== undefined && sidesOf(before) !== sidesOf(after)) rules.addAll(owned)
    return { edges, rules }
  }

  #put(slot: number, after: PolicyNode | undefined): Selected[] {
    this.#routes.set(this.node(slot), after)
    return this.selection.set(slot, after)
  }

  /** Sources of which a posture is asked that the node meets now and did not, or the other way round. */
  #postures(before: PolicyNode | undefined, after: PolicyNode | undefined): Sources[] {
    if (before === undefined || after === undefined || before.attributes === after.attributes) return []
    return [...this.access.postured()].filter(
      ({ postures }) =>
        meetsOne(this.policy, postures, before.attributes) !== meetsOne(this.policy, postures, after.attributes),
    )
  }

  /** Whose rules name the node, or a route that it brought or took along. */
  #toldAnew(
    before: PolicyNode | undefined,
    after: PolicyNode | undefined,
    changed: ReadonlySet<Selected>,
    turned: ReadonlySet<Sources>,
  ): BitSet {
    const rules = new BitSet()
    const slot = (after ?? before)?.slot
    const moved = before?.ipv4.value !== after?.ipv4.value || before?.ipv6.value !== after?.ipv6.value
    const rerouted = before?.routes !== after?.routes
    const names = (sources: Sources): boolean =>
      turned.has(sources) ||
      sources.selected.some(
        (selected) =>
          (changed.has(selected) && writesAddresses(selected, sources)) ||
          (rerouted && selected.selector.kind === 'any') ||
          (moved && slot !== undefined && selected.nodes.has(slot) && writesAddresses(selected, sources)),
      )
    for (const part of this.access.parts) {
      if (names(part.sources)) rules.addAll(part.reach.nodes)
      if (part.rule.app.size > 0 && names(part.reversed)) rules.addAll(part.sources.admitted)
    }
    for (const { sources, targets } of this.ssh.rules)
      if (names(sources)) for (const { nodes } of targets) rules.addAll(nodes)
    if (slot !== undefined) rules.add(slot)
    return rules
  }
}

/** Do filters write the members of the selector one by one? */
function writesAddresses({ selector, addresses }: Selected, { postures }: Sources): boolean {
  if (postures.length > 0) return true
  return addresses === undefined && selector.kind !== 'any'
}

/** Which person's device it is; tagged ones are nobody's. */
function sidesOf(node: PolicyNode | undefined): number | undefined {
  return node === undefined || node.tags.length > 0 ? undefined : node.user.id
}
