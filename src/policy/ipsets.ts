/** The addresses of ipsets: their steps, carried out in order. (policy.md §9) */

import { AddressSet, INTERNET, rangeFrom } from './address-set.ts'
import type { AddressRange } from './address-set.ts'
import type { IpSetStep, Policy } from './policy.ts'

export class IpSets {
  readonly #policy: Policy
  /** Each is computed once, however many others it is a part of. */
  readonly #known = new Map<string, AddressSet>()

  constructor(policy: Policy) {
    this.#policy = policy
  }

  /** Empty for a name that no ipset has. A checked policy has no cycles. */
  addresses(name: string): AddressSet {
    let set = this.#known.get(name)
    if (set !== undefined) return set
    this.#known.set(name, (set = new AddressSet()))
    for (const { op, target } of this.#policy.ipsets.get(name) ?? [])
      for (const range of this.#ranges(target)) {
        if (op === 'add') set.add(range)
        else set.remove(range)
      }
    return set
  }

  #ranges(target: IpSetStep['target']): readonly AddressRange[] {
    switch (target.kind) {
      case 'prefix':
        return [rangeFrom(target.prefix)]
      case 'range':
        return [{ family: target.family, first: target.first, last: target.last }]
      case 'internet':
        return INTERNET.ranges()
      default:
        return this.addresses(target.ipset).ranges()
    }
  }
}
