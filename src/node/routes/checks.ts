/** Whether a node can do what it offers (node.md §4.7). The kernel's settings are handed in; nothing here changes them. */

import { familyOf } from './host-plan.ts'

export interface Forwarding {
  readonly ipv4: boolean
  readonly ipv6: boolean
}

/** What to tell the user who advertises these routes; `undefined` when the kernel forwards to all of them. */
export function forwardingProblem(routes: readonly string[], forwards: Forwarding): string | undefined {
  const missing: string[] = []
  if (!forwards.ipv4 && routes.some((route) => familyOf(route) === 4)) missing.push('net.ipv4.ip_forward')
  if (!forwards.ipv6 && routes.some((route) => familyOf(route) === 6)) missing.push('net.ipv6.conf.all.forwarding')
  if (missing.length === 0) return undefined
  const commands = missing.map((name) => `sysctl -w ${name}=1`).join('; ')
  return `This node advertises routes, but its kernel forwards nothing there. Run: ${commands}`
}
