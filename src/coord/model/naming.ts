/**
 * Which name a node gets: a DNS label from its host name, unique in the tailnet, with `-1`, `-2` … for those
 * that come later. (control.md §6.1, Names)
 */

import { isValidLabel, sanitizeHostname } from '../../base/dns-name.ts'
import type { TailnetState } from './model.ts'
import type { Node, Tailnet, Write } from './records.ts'

const LABEL_MAX = 63

/** The label a host name asks for; `node` when nothing of it is usable, `node-12345` for a mere number. */
export function labelFor(hostname: string): string {
  const label = sanitizeHostname(hostname) || 'node'
  return isNumber(label) ? `node-${label}`.slice(0, LABEL_MAX) : label
}

/** Why nobody may call a node so in a tailnet of this domain; `undefined`: they may, if no other node has the name. */
export function nameFault(label: string, domain: string): string | undefined {
  if (!isValidLabel(label)) return `want letters, digits and inner hyphens, at most 63, alone or before .${domain}`
  if (isNumber(label)) return `want at least one letter: "${label}" could be a node's number as well`
  return undefined
}

/** The API finds nodes by name and by number, so that no name may look like a number. */
function isNumber(label: string): boolean {
  return /^\d+$/.test(label)
}

/** The first of `label`, `label-1`, `label-2`, … that no other node has. */
export function freeName(state: TailnetState, label: string, node?: number): string {
  for (let n = 0; ; n++) {
    const suffix = n === 0 ? '' : `-${n}`
    const name = label.slice(0, LABEL_MAX - suffix.length).replace(/-+$/, '') + suffix
    const owner = state.get('name', name)?.node
    if (owner === undefined || owner === node) return name
  }
}

/** Would the name that follows from this host name still be the one the node has? */
export function followsHostname(node: Pick<Node, 'name'>, hostname: string): boolean {
  const label = labelFor(hostname)
  return node.name === label || new RegExp(`^${label.slice(0, LABEL_MAX - 5).replace(/-+$/, '')}-\\d+$`).test(node.name)
}

/** Writes that move a node's claim from one name to another; either may be absent. */
export function nameWrites(
  state: TailnetState,
  node: number,
  from: string | undefined,
  to: string | undefined,
): Write[] {
  if (from === to) return []
  const writes: Write[] = []
  if (from !== undefined && state.get('name', from)?.node === node)
    writes.push({ kind: 'name', id: from, expect: state.version('name', from), value: null })
  if (to !== undefined) writes.push({ kind: 'name', id: to, expect: state.version('name', to), value: { node } })
  return writes
}

/** The full name that clients know a node by, with the dot at its end. */
export function fqdn(tailnet: Pick<Tailnet, 'domain'>, node: Pick<Node, 'name'>): string {
  return `${node.name}.${tailnet.domain}.`
}
