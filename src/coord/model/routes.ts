/** Which prefixes a node may route: those that it offers and that are approved. */

import type { Node } from './records.ts'

const EXIT = new Set(['0.0.0.0/0', '::/0'])

/** Prefixes that a node offers and may route, sorted. */
export function enabledRoutes(node: Node): string[] {
  const approved = new Set(node.approvedRoutes)
  return (node.hostinfo.RoutableIPs ?? []).filter((prefix) => approved.has(prefix)).sort()
}

export const isExitRoute = (prefix: string): boolean => EXIT.has(prefix)
