/** Reachability as a tailnet's policy has it: what the engine says, in the words of the network map. */

import type { BitSet } from '../../base/bit-set.ts'
import { formatPrefix } from '../../base/ip.ts'
import type { Engine, Touched } from '../../policy/engine.ts'
import type { FilterRule } from '../../policy/filter.ts'
import { SUBDOMAINS } from '../../policy/node-attributes.ts'
import type { CapMap } from '../../policy/node-attributes.ts'
import type { Policy, SshRule } from '../../policy/policy.ts'
import type { WireSshRule } from '../../policy/ssh.ts'
import { hasSameGroups } from '../../policy/selection.ts'
import type { PolicyNode } from '../../policy/tailnet.ts'
import type { Placed, Reach, Routed } from './reach.ts'

/** Which routers of a subnet are used; nodes by id. */
export interface Preferred {
  /** Is it the one of all that everybody uses? */
  isPrimary(node: number, prefix: string): boolean
  goesBefore(prefix: string, a: number, b: number): boolean
}

export class PolicyReach implements Reach {
  readonly engine: Engine
  readonly #primaries: Preferred

  constructor(engine: Engine, primaries: Preferred) {
    this.engine = engine
    this.#primaries = primaries
  }

  /** Does whom a route leads through depend on who asks? */
  get choosesRouters(): boolean {
    return this.engine.policy.rules.some(({ via }) => via.length > 0)
  }

  /** A node came, changed or (`undefined`) went. Nothing, where nothing that a policy can see has changed. */
  set(slot: number, after: PolicyNode | undefined): Touched | undefined {
    const before = this.engine.node(slot)
    if (before === after || (before !== undefined && after !== undefined && isSame(before, after))) return undefined
    return this.engine.set(slot, after)
  }

  connects(a: Placed, b: Placed): boolean {
    return this.engine.connects(a.slot, b.slot)
  }

  visible(viewer: Placed): BitSet {
    return this.engine.visible(viewer.slot)
  }

  filters(viewer: Placed): Readonly<Record<string, readonly FilterRule[]>> {
    return { base: this.engine.filter(viewer.slot) }
  }

  ssh(viewer: Placed): readonly WireSshRule[] {
    return this.engine.sshRules(viewer.slot)
  }

  sshRule(from: Placed, to: Placed, account: string): SshRule | undefined {
    return this.engine.sshRule(from.slot, to.slot, account)
  }

  routes(viewer: Routed, peer: Routed): readonly string[] {
    const primaries = this.#primaries
    const shown = this.engine
      .routes(
        viewer.slot,
        peer.slot,
        ({ id }, route) => primaries.isPrimary(id, formatPrefix(route)),
        (a, b, route) => primaries.goesBefore(formatPrefix(route), a.id, b.id),
      )
      .map(formatPrefix)
    return shown.length === peer.routes.length && shown.every((text, i) => text === peer.routes[i])
      ? peer.routes
      : shown
  }

  capabilities(viewer: Placed, httpsEnabled: boolean): CapMap {
    return this.engine.capabilities(viewer.slot, httpsEnabled)
  }

  sharedNames({ slot }: Placed): readonly string[] {
    const node = this.engine.node(slot)
    const names = this.engine.sourceNames(slot)
    return node !== undefined && this.engine.attributes.hasSubdomains(node) ? [...names, SUBDOMAINS] : names
  }

  get derpMap(): Policy['derpMap'] {
    return this.engine.policy.derpMap
  }

  hidesIPv4({ slot }: Placed): boolean {
    const node = this.engine.node(slot)
    return node !== undefined && this.engine.attributes.withoutIPv4(node)
  }
}

function isSame(a: PolicyNode, b: PolicyNode): boolean {
  return (
    a.id === b.id &&
    a.user.id === b.user.id &&
    a.user.login === b.user.login &&
    a.user.role === b.user.role &&
    hasSameGroups(a.user, b.user) &&
    a.online === b.online &&
    a.readsSourceNames === b.readsSourceNames &&
    a.ipv4.value === b.ipv4.value &&
    a.ipv6.value === b.ipv6.value &&
    a.tags.join() === b.tags.join() &&
    a.routes.map(formatPrefix).join() === b.routes.map(formatPrefix).join() &&
    a.attributes.size === b.attributes.size &&
    [...a.attributes].every(([name, value]) => b.attributes.get(name) === value)
  )
}
