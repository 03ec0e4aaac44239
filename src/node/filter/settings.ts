/**
 * From what the node knows to the programs that its pumps run: one for ordinary peers, one for jailed ones; and whether
 * flows that went out before still count (node.md §2.4, §2.5).
 */

import { prefixesOverlap } from '../../base/ip.ts'
import type { Prefix } from '../../base/ip.ts'
import { hasRemovedMembers } from '../../wire/filter-rule.ts'
import type { FilterRule } from '../../wire/filter-rule.ts'
import { prefixesOfText } from '../../wire/packet-filter-address.ts'
import { bindCapabilities } from './capabilities.ts'
import type { Holder } from './capabilities.ts'
import { compile } from './compile.ts'
import type { PeerApiAddress } from './compile.ts'
import type { FilterProgram } from './program.ts'

export interface FilterInputs {
  /** What control sent; `undefined` before the first network map. */
  readonly rules: readonly FilterRule[] | undefined
  readonly localNets: readonly Prefix[]
  readonly peers: readonly Holder[]
  /** Where peers route from that tailnet lock lets us talk to only in part. */
  readonly limitedPeers: readonly Prefix[]
  /** Nobody may open a connection to this node. */
  readonly isShieldsUp: boolean
  readonly peerApi: readonly PeerApiAddress[]
}

export interface FilterSet {
  readonly program: FilterProgram
  /** For packets of jailed peers, in both directions, with flows of its own. */
  readonly jailed: FilterProgram
  /** The rules as a whole were left out, and why. */
  readonly problem?: 'obsolete-rules' | 'invalid-packet-filter'
  /** Texts that mean nothing and were left out. */
  readonly refused: readonly string[]
}

/** The filter of a node that knows nothing yet: nothing passes. */
export const ABSENT: FilterProgram = { ...compile([], []).program, isAbsent: true }

/** Compiles all that a node needs. `problem: 'invalid-packet-filter'` is a health warning of that name. */
export function filterSet(inputs: FilterInputs): FilterSet {
  const { rules, localNets, peers, limitedPeers, isShieldsUp, peerApi } = inputs
  if (rules === undefined) return { program: ABSENT, jailed: ABSENT, refused: [] }
  const jailed = compile([], localNets, peerApi).program
  const isInvalid = admitsAny(rules, limitedPeers)
  if (isShieldsUp || isInvalid)
    return { program: jailed, jailed, refused: [], ...(isInvalid && { problem: 'invalid-packet-filter' as const }) }
  const { program, refused, isUnusable } = compile(rules, localNets, peerApi)
  return {
    program: bindCapabilities(program, peers),
    jailed,
    refused,
    ...(isUnusable && { problem: 'obsolete-rules' as const }),
  }
}

/** Must the flows noted so far be forgotten? They outlive new rules, but not that shields go up. */
export function forgetsFlows(before: FilterInputs | undefined, after: FilterInputs): boolean {
  return after.isShieldsUp && before?.isShieldsUp === false
}

/** Does a rule that admits packets name an address in one of the prefixes as its source? */
export function admitsAny(rules: readonly FilterRule[], prefixes: readonly Prefix[]): boolean {
  if (prefixes.length === 0 || rules.some(hasRemovedMembers)) return false
  return rules.some(
    ({ SrcIPs, DstPorts }) =>
      DstPorts.some(({ IP }) => prefixesOfText(IP) !== undefined) &&
      SrcIPs.some((text) => (prefixesOfText(text) ?? []).some((net) => prefixes.some((p) => prefixesOverlap(net, p)))),
  )
}
