/** Capabilities that the other side is told of too, under another name. (policy.md §5) */

import type { Part } from './access.ts'

export const COMPANIONS: ReadonlyMap<string, string> = new Map([
  ['tailscale.com/cap/drive', 'tailscale.com/cap/drive-sharer'],
  ['tailscale.com/cap/relay', 'tailscale.com/cap/relay-target'],
])

/** Are those who may use something told of by whom they are served? */
export function hasCompanion({ rule: { app }, reach }: Pick<Part, 'rule' | 'reach'>): boolean {
  return app.size > 0 && !reach.isVia && [...COMPANIONS.keys()].some((capability) => app.has(capability))
}
