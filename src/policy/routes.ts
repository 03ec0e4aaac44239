/** The subnets that a tailnet's routers carry, approved ones only, as the source side of rules writes them. */

import { CGNAT, CHROMEOS, ULA, VIA } from '../base/address-plan.ts'
import { formatPrefix, prefix } from '../base/ip.ts'
import type { Ip, Prefix } from '../base/ip.ts'
import { AddressSet, rangeFrom } from './address-set.ts'
import type { PolicyNode } from './tailnet.ts'

/** Addresses of nodes themselves. What is behind a site lies in their range, and is none of theirs. */
const NODES: AddressSet = (() => {
  const set = AddressSet.of(CGNAT, ULA)
  for (const p of [CHROMEOS, VIA]) set.remove(rangeFrom(p))
  return set
})()

export class Routes {
  /** How many nodes carry each subnet. */
  readonly #carried = new Map<string, number>()
  #subnets: readonly string[] | undefined
  #addresses: AddressSet | undefined
  #behind: AddressSet | undefined

  /** Each once, never exit routes, never put together. (policy.md §15.1) */
  get subnets(): readonly string[] {
    return (this.#subnets ??= [...this.#carried.keys()].sort())
  }

  /** Is the address in one of them? */
  include(ip: Ip): boolean {
    return (this.#addresses ??= AddressSet.of(...this.subnets.map(prefix))).contains(ip)
  }

  /** What is in them and can't be a node's own address, so that it came through a router. */
  get behind(): AddressSet {
    if (this.#behind === undefined) {
      this.#behind = AddressSet.of(...this.subnets.map(prefix))
      for (const range of NODES.ranges()) this.#behind.remove(range)
    }
    return this.#behind
  }

  /** Returns the subnets that are there now and were not, or were and aren't. */
  set(before: PolicyNode | undefined, after: PolicyNode | undefined): Prefix[] {
    if (before?.routes === after?.routes) return []
    const [old, now] = [subnetsOf(before), subnetsOf(after)]
    const changed = [
      ...[...old.difference(now)].filter((text) => this.#count(text, -1) === 0),
      ...[...now.difference(old)].filter((text) => this.#count(text, 1) === 1),
    ]
    if (changed.length > 0) this.#subnets = this.#addresses = this.#behind = undefined
    return changed.map(prefix)
  }

  #count(text: string, by: 1 | -1): number {
    const count = (this.#carried.get(text) ?? 0) + by
    if (count === 0) this.#carried.delete(text)
    else this.#carried.set(text, count)
    return count
  }
}

function subnetsOf(node: PolicyNode | undefined): Set<string> {
  return new Set((node?.routes ?? []).filter(({ bits }) => bits > 0).map(formatPrefix))
}
