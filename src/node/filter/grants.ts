/**
 * What a peer may do in our applications: the capabilities that rules grant to its address towards ours (node.md §2.4).
 * They admit no packets; whois and the PeerAPI ask for them.
 */

import { parsePrefix, prefixContains } from '../../base/ip.ts'
import type { Ip, Prefix } from '../../base/ip.ts'
import { hasRemovedMembers } from '../../wire/filter-rule.ts'
import type { FilterRule } from '../../wire/filter-rule.ts'
import { prefixesOfText } from '../../wire/packet-filter-address.ts'

/** Values by capability; `null`: the capability came without a list of them. */
export type PeerCapabilities = ReadonlyMap<string, readonly unknown[] | null>

interface Grant {
  readonly sources: readonly Prefix[]
  readonly grants: readonly { readonly destinations: readonly Prefix[]; readonly values: PeerCapabilities }[]
}

export class CapabilityGrants {
  readonly #grants: readonly Grant[]

  constructor(rules: readonly FilterRule[]) {
    // Where the filter as a whole is unusable, so is what it grants.
    const counted = rules.some(hasRemovedMembers) ? [] : rules.filter(({ CapGrant }) => CapGrant.length > 0)
    this.#grants = counted.map(({ SrcIPs, CapGrant }) => ({
      // Sources by capability do not count here: they stand for no addresses.
      sources: SrcIPs.flatMap((text) => prefixesOfText(text) ?? []),
      grants: CapGrant.map(({ Dsts, Caps, CapMap }) => ({
        destinations: Dsts.flatMap((text) => parsePrefix(text) ?? []),
        values: new Map([...Caps.map((name) => [name, null] as const), ...CapMap]),
      })),
    }))
  }

  /**
   * What whoever has the address `src` may do at `dst`: all that matching rules grant, values one after another in the
   * order of the rules. Ask once for each family that the peer has an address of, with ours of the same family.
   */
  between(src: Ip, dst: Ip): PeerCapabilities {
    const all = new Map<string, readonly unknown[] | null>()
    for (const { sources, grants } of this.#grants) {
      if (!sources.some((net) => prefixContains(net, src))) continue
      for (const { destinations, values } of grants)
        for (const net of destinations) if (prefixContains(net, dst)) addAll(all, values)
    }
    return all
  }
}

function addAll(all: Map<string, readonly unknown[] | null>, values: PeerCapabilities): void {
  for (const [name, more] of values) {
    if (name === '') continue
    const before = all.get(name)
    if (!all.has(name)) all.set(name, more)
    else if (more !== null && more.length > 0) all.set(name, [...(before ?? []), ...more])
  }
}
