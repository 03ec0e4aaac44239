/** Writes what a plan asks of addresses, routes and rules as lines for `ip -batch` (node.md §3.3, §4.1). */

import { MARK_BYPASS, MARK_MASK } from './firewall.ts'
import { METRIC_LAST, TABLE } from './host-plan.ts'
import type { HostRoute, HostRule } from './host-plan.ts'

/** `add` fails where there is one; `replace` takes its place. */
export type AddVerb = 'add' | 'replace'

export function addressCommand(verb: AddVerb | 'del', address: string, device: string): string {
  return `addr ${verb} ${address} dev ${device}`
}

export function routeCommand(verb: AddVerb | 'del', { prefix, to }: HostRoute, device: string): string {
  switch (to) {
    case 'device':
      return `route ${verb} ${prefix} dev ${device} table ${TABLE}`
    case 'throw':
      return `route ${verb} throw ${prefix} table ${TABLE}`
    case 'unreachable':
      return `route ${verb} unreachable ${prefix} metric ${METRIC_LAST} table ${TABLE}`
  }
}

/** For a batch of the rule's own family. */
export function ruleCommand(verb: 'add' | 'del', { priority, bypass, to }: HostRule): string {
  const mark = bypass ? ` fwmark 0x${MARK_BYPASS.toString(16)}/0x${MARK_MASK.toString(16)}` : ''
  return `rule ${verb} pref ${priority}${mark} ${to === 'unreachable' ? 'type unreachable' : `table ${to}`}`
}
