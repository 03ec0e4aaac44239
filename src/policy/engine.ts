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
import { CapabilitySources } from './capability-sources.ts'
import type { SourceNames } from './capability-sources.ts'
import { Filters } from './filter.ts'
import type { FilterRule } from './filter.ts'
import { NodeAttributes } from './node-attributes.ts'
import type { CapMap } from './node-attributes.ts'
import type { Policy, SshRule } from './policy.ts'
import { Routes } from './routes.ts'
import { Selection } from './selection.ts'
import { Ssh } from './ssh.ts'
import type { WireSshRule } from './ssh.ts'
import { Services } from './services.ts'
import { isSeen, sharedRoutes, withSharees } from './shared-in.ts'
import { Sharees } from './sharees.ts'
import type { Beyond, PolicyNode } from './tailnet.ts'
import { toldAnew } from './told-anew.ts'
import type { Standing } from './told-anew.ts'
import { Visibility } from './visibility.ts'
import type { GoesBefore, IsPrimary } from './visibility.ts'
import { vipsOf } from './vips.ts'

/** What a change of one node means for the others. */
export interface Touched {
  /** Nodes that see the changed one now and did not, or did and don't. */
  readonly edges: BitSet
  /** Nodes whose own rules (filter or SSH) say something else now; the changed one may be among them. */
  readonly rules: BitSet
}

// Each comes to one to three milliseconds.
const RULES_PER_STEP = 100
const NODES_PER_STEP = 250
const LISTS_PER_STEP = 250

export interface EngineOptions extends Beyond {
  /** Writes rules in the shorter form that means the same to clients, where there is one. */
  readonly compact?: boolean
  /** Where names come from by which filters admit nodes, where that means the same; absent: by addresses alone. */
  readonly names?: SourceNames | undefined
}

export class Engine {
  readonly policy: Policy
  readonly selection: Selection
  readonly access: Access
  readonly ssh: Ssh
  readonly attributes: NodeAttributes
  readonly #routes = new Routes()
  readonly #capabilities: CapabilitySources
  readonly #filters: Filters
  readonly #visibility: Visibility

  /** @param nodes `undefined`: none so far, and no rules, which is only of use to `building` */
  constructor(policy: Policy, nodes: Iterable<PolicyNode> | undefined, options: EngineOptions = {}) {
    const { compact = false, names } = options
    this.policy = policy
    this.selection = new Selection(policy, new Services(options.services))
    this.access = new Access(this.selection, this.#routes, new Sharees(options.sharees))
    this.ssh = new Ssh(policy.ssh, this.access, this.selection, compact)
    this.attributes = new NodeAttributes(policy, this.selection)
    this.#capabilities = new CapabilitySources(this.selection, names)
    this.#filters = new Filters(this.access, this.selection, this.#capabilities)
    this.#visibility = new Visibility(this.access, this.selection)
    if (nodes !== undefined) for (const _step of this.#build(nodes));
  }

  /**
   * What the constructor does, in steps of a few milliseconds, for whoever has other things to do in between. The last
   * one returns the engine. Each node is taken as it is when its turn comes. The caller notes which change meanwhile,
   * come or go, and sets them on the engine when it has it; to set what it has seen already does nothing.
   *
   *   const steps = Engine.building(policy, nodes)
   *   for (let step = steps.next(); ; step = steps.next()) {
   *     if (step.done) return step.value
   *     await theOthersTurn()
   *   }
   */
  static *building(policy: Policy, nodes: Iterable<PolicyNode>, options: EngineOptions = {}): Generator<void, Engine> {
    const engine = new Engine(policy, undefined, options)
    yield* engine.#build(nodes)
    return engine
  }

  *#build(nodes: Iterable<PolicyNode>): Generator<void, void> {
    const { access } = this
    yield* inSteps(Access.rules(this.policy), RULES_PER_STEP, (rule) => {
      for (const part of access.add(rule)) {
        this.#capabilities.add(part)
        this.#filters.add(part)
      }
    })
    yield* inSteps(nodes, NODES_PER_STEP, (node) => {
      this.#capabilities.set(node.slot, this.#reader(node))
      access.fill(node)
    })
    yield* inSteps(this.#filters.settling(), LISTS_PER_STEP, () => {})
  }

  node(slot: number): PolicyNode | undefined {
    return this.selection.node(slot)
  }

  /** Empty: nobody may send it anything. */
  filter(slot: number): FilterRule[] {
    const node = this.node(slot)
    if (node === undefined) return []
    const shared = this.sharees.of(node)
    const rules = this.#filters.of(node)
    return shared.length === 0 ? rules : withSharees(this.access, node, rules, shared)
  }

  /** Whom it sees, and who sees it. */
  visible(slot: number): BitSet {
    const node = this.node(slot)
    if (node === undefined) return this.#seenBySharee(slot)
    const seen = this.#visibility.of(node)
    for (const shared of this.sharees.of(node)) if (isSeen(this.access, node, shared)) seen.add(shared.device.slot)
    return seen
  }

  connects(a: number, b: number): boolean {
    const [x, y] = [this.node(a), this.node(b)]
    if (x === undefined || y === undefined)
      return this.#seenBySharee(x === undefined ? a : b).has(x === undefined ? b : a)
    return this.#visibility.connects(x, y)
  }

  /**
   * The routes of `peer` that `viewer` is told of.
   *
   * @param goesBefore which of the routers that `via` names is used; by being online and by id if not given
   */
  routes(viewer: number, peer: number, isPrimary: IsPrimary, goesBefore?: GoesBefore): Prefix[] {
    const [x, y] = [this.node(viewer), this.node(peer)]
    const sharee = this.sharees.device(viewer)
    const shared = sharee && y && this.sharees.share(sharee, y)
    if (shared !== undefined && y !== undefined) return sharedRoutes(this.access, y, shared)
    return x === undefined || y === undefined ? [] : this.#visibility.routes(x, y, isPrimary, goesBefore)
  }

  /** The addresses of Services at `peer` that `viewer` is told of. @param isPrimary of the hosts, by one address */
  vips(viewer: number, peer: number, isPrimary: IsPrimary): Prefix[] {
    const [x, y] = [this.node(viewer), this.node(peer)]
    return x === undefined || y === undefined ? [] : vipsOf(this.access, x, y, isPrimary)
  }

  sshRules(slot: number): WireSshRule[] {
    const node = this.node(slot)
    return node === undefined ? [] : this.ssh.of(node)
  }

  /** The rule by which one node logs in to another as this account. */
  sshRule(from: number, to: number, account: string): SshRule | undefined {
    const [x, y] = [this.node(from), this.node(to)]
    return x === undefined || y === undefined ? undefined : this.ssh.ruleOf(x, y, account)
  }

  capabilities(slot: number, httpsEnabled: boolean): CapMap {
    const node = this.node(slot)
    return node === undefined ? new Map() : this.attributes.of(node, httpsEnabled)
  }

  /** The names that the node carries for all who see it, and by which filters admit it. */
  sourceNames(slot: number): readonly string[] {
    return this.#capabilities.of(slot)
  }

  /** A node came, changed or (`undefined`) went. */
  set(slot: number, after: PolicyNode | undefined): Touched {
    this.#capabilities.set(slot, this.#reader(after))
    if (this.selection.leavesAlone(slot, after)) {
      this.access.set(slot, after)
      return { edges: new BitSet(), rules: BitSet.of(after === undefined ? [] : [slot]) }
    }
    const was = this.#standing(slot)
    const edges = this.visible(slot)
    const relisted = this.access.set(slot, after)
    for (const list of relisted.lists) this.#filters.reconsider(list)
    const is = this.#standing(slot)
    edges.flipAll(this.visible(slot))
    return {
      edges,
      rules: toldAnew(this.access, this.ssh, this.#capabilities, this.selection, slot, was, is, relisted),
    }
  }

  get services(): Services {
    return this.selection.services
  }

  get sharees(): Sharees {
    return this.access.sharees
  }

  /** What it was made with besides nodes. */
  get beyond(): Beyond {
    return { services: this.services.all, sharees: this.sharees.all }
  }

  /** The nodes that a device of another tailnet sees. */
  #seenBySharee(slot: number): BitSet {
    const seen = new BitSet()
    const device = this.sharees.device(slot)
    if (device === undefined) return seen
    for (const node of this.selection.all()) {
      const shared = this.sharees.share(device, node)
      if (shared !== undefined && isSeen(this.access, node, shared)) seen.add(node.slot)
    }
    return seen
  }

  /** A host lets packets in to more than its own addresses, so that it is told of peers by these. */
  #reader(node: PolicyNode | undefined): PolicyNode | undefined {
    const hosts = node !== undefined && this.services.hostedBy(node).length > 0
    return hosts ? { ...node, readsSourceNames: false } : node
  }

  #standing(slot: number): Standing {
    return { node: this.node(slot), bits: this.access.standings(slot) }
  }
}

/** Does it for each, and yields after every few. */
function* inSteps<T>(each: Iterable<T>, few: number, act: (one: T) => void): Generator<void, void> {
  let done = 0
  for (const one of each) {
    act(one)
    if (++done % few === 0) yield
  }
}
