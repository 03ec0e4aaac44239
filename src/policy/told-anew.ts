/**
 * Whose own rules, filter or SSH, say something else after one node has changed: those to which a list of sources
 * leads in which the node, or a subnet that it brought, is written otherwise than before. Nobody else.
 */

import { BitSet, intersection } from '../base/bit-set.ts'
import type { Ip } from '../base/ip.ts'
import type { Access, Part, Relisted } from './access.ts'
import type { CapabilitySources } from './capability-sources.ts'
import type { Selection } from './selection.ts'
import { ADMITTED, UNNAMED_IPV4, UNNAMED_IPV6, WRITES_IPV4, WRITES_IPV6 } from './sources.ts'
import type { Sources } from './sources.ts'
import type { Ssh } from './ssh.ts'
import type { PolicyNode } from './tailnet.ts'

/** What rules can say of a node, at one time. */
export interface Standing {
  readonly node: PolicyNode | undefined
  /** How the node stands in lists of sources; 0 in those left out. */
  readonly bits: ReadonlyMap<Sources, number>
}

/** The changed node is always among them. */
export function toldAnew(
  access: Access,
  ssh: Ssh,
  capabilities: CapabilitySources,
  selection: Selection,
  slot: number,
  was: Standing,
  is: Standing,
  { lists, subnets }: Relisted,
): BitSet {
  const told = new BitSet()
  if (was.node !== undefined || is.node !== undefined) told.add(slot)
  const moved = bitsOfMove(was.node, is.node)
  for (const list of new Set([...was.bits.keys(), ...is.bits.keys(), ...lists])) {
    const [before, after] = [was.bits.get(list) ?? 0, is.bits.get(list) ?? 0]
    const [from, to] = [isIn(before) ? was.node : undefined, isIn(after) ? is.node : undefined]
    const otherwise = (before ^ after) | (moved & after)
    const bySubnet = subnets.some((subnet) => list.writesSubnet(subnet))
    const isRewritten = bySubnet || (otherwise & (WRITES_IPV4 | WRITES_IPV6)) !== 0
    const isRenamed = bySubnet || (otherwise & (UNNAMED_IPV4 | UNNAMED_IPV6)) !== 0
    for (const part of access.from(list)) {
      if (!part.self) {
        if (saysSomething(part)) capabilities.addTold(part, isRewritten, isRenamed, told)
      } else if (ownText(from) !== ownText(to))
        for (const node of [from, to])
          if (node !== undefined) for (const own of selection.slotsOfOwner(node)) told.add(own)
    }
    if (isRewritten) for (const part of access.towards(list)) told.addAll(part.sources.admitted)
    for (const compiled of ssh.from(list)) ssh.addTold(compiled, from, to, told)
  }
  // Companions tell sources of all devices of the user.
  if (ownText(was.node) !== ownText(is.node))
    for (const { sources } of access.ownCompanions)
      for (const node of [was.node, is.node])
        if (node !== undefined) told.addAll(intersection(selection.devicesOfOwner(node), sources.admitted))
  return told
}

function isIn(bits: number): boolean {
  return (bits & ADMITTED) !== 0
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
  return (
    (differ(before?.ipv4, after?.ipv4) ? WRITES_IPV4 | UNNAMED_IPV4 : 0) |
    (differ(before?.ipv6, after?.ipv6) ? WRITES_IPV6 | UNNAMED_IPV6 : 0)
  )
}
