/**
 * Whose own rules, filter or SSH, say something else after one node has changed: those to which a list of sources
 * leads in which the node, or a subnet that it brought, is written otherwise than before. Nobody else.
 */

import { BitSet, intersection } from '../base/bit-set.ts'
import type { Ip, Prefix } from '../base/ip.ts'
import type { Access, Part } from './access.ts'
import { hasCompanion } from './filter.ts'
import type { Selection } from './selection.ts'
import { ADMITTED, WRITES_IPV4, WRITES_IPV6 } from './sources.ts'
import type { Sources } from './sources.ts'
import type { Ssh } from './ssh.ts'
import type { PolicyNode } from './tailnet.ts'

/** What rules can say of a node, at one time. */
export interface Standing {
  readonly node: PolicyNode | undefined
  /** How the node stands in every list of sources, in their order. */
  readonly bits: readonly number[]
}

/** The changed node is always among them. `subnets`: those that nobody carried before, or carries any more. */
export function toldAnew(
  access: Access,
  ssh: Ssh,
  selection: Selection,
  slot: number,
  was: Standing,
  is: Standing,
  subnets: readonly Prefix[],
): BitSet {
  const told = new BitSet()
  if (was.node !== undefined || is.node !== undefined) told.add(slot)
  const moved = bitsOfMove(was.node, is.node)
  const bits = new Map<Sources, readonly [number, number]>()
  const rewritten = new Set<Sources>()
  let at = 0
  for (const sources of access.lists) {
    const [before, after] = [was.bits[at] as number, is.bits[at++] as number]
    bits.set(sources, [before, after])
    const otherwise = (before ^ after) & (WRITES_IPV4 | WRITES_IPV6)
    if (otherwise !== 0 || (moved & after) !== 0 || subnets.some((subnet) => sources.writesSubnet(subnet)))
      rewritten.add(sources)
  }
  /** The node then and now, and whether it was and is a source. */
  const standings = ({ sources }: { sources: Sources }): [PolicyNode | undefined, boolean][] => {
    const [before, after] = bits.get(sources) as readonly [number, number]
    return [
      [was.node, (before & ADMITTED) !== 0],
      [is.node, (after & ADMITTED) !== 0],
    ]
  }

  for (const part of access.parts) {
    if (part.self) {
      const states = standings(part)
      const [before, after] = states.map(([node, admitted]) => (admitted ? ownText(node) : ''))
      for (const [node, admitted] of states) {
        if (node === undefined) continue
        const own = selection.devicesOfOwner(node)
        if (admitted && before !== after) told.addAll(own)
        // Companions tell sources of all devices of the user.
        else if (hasCompanion(part) && ownText(was.node) !== ownText(is.node))
          told.addAll(intersection(own, part.sources.admitted))
      }
      continue
    }
    if (rewritten.has(part.sources) && saysSomething(part)) told.addAll(part.reach.nodes)
    if (rewritten.has(part.reversed) && hasCompanion(part)) told.addAll(part.sources.admitted)
  }
  for (const compiled of ssh.rules) {
    const [before, after] = standings(compiled).map(([node, admitted]) => (admitted ? node : undefined))
    ssh.addTold(compiled, before, after, told)
  }
  return told
}

/** How the node is written in rules between the devices of one user. */
function ownText(node: PolicyNode | undefined): string {
  if (node === undefined || node.tags.length > 0) return ''
  return `${node.user.id} ${node.ipv4.value} ${node.ipv6.value}`
}

/** A rule of ports, or of capabilities, which go any way only. */
function saysSomething({ rule, targets, reach }: Part): boolean {
  return (rule.app.size > 0 && !reach.isVia) || targets.some(({ destination }) => destination.traffic.length > 0)
}

/** The addresses that were others. */
function bitsOfMove(before: PolicyNode | undefined, after: PolicyNode | undefined): number {
  const differ = (a: Ip | undefined, b: Ip | undefined): boolean => a?.value !== b?.value
  return (differ(before?.ipv4, after?.ipv4) ? WRITES_IPV4 : 0) | (differ(before?.ipv6, after?.ipv6) ? WRITES_IPV6 : 0)
}
