/** The names of application capabilities: `domain/path`, and which of Tailscale's own a policy may grant. (policy.md §5) */

import { isValidLabel } from '../../base/dns-name.ts'

/** All others below the domain are given by the server, or to nobody. */
const OPEN: ReadonlySet<string> = new Set(
  ['drive', 'relay', 'webui', 'kubernetes', 'tsidp', 'secrets', 'golink'].map((name) => `tailscale.com/cap/${name}`),
)

/** What is wrong with the name of a capability. */
export function capabilityFault(name: string): string | undefined {
  const slash = name.indexOf('/')
  const domain = name.slice(0, Math.max(slash, 0))
  if (slash < 0 || slash === name.length - 1 || !domain.split('.').every(isValidLabel))
    return 'capability name must have the form {domain}/{path}'
  const owner = domain.toLowerCase()
  if ((owner === 'tailscale.com' || owner.endsWith('.tailscale.com')) && !OPEN.has(name))
    return 'capability name must not be in the tailscale.com domain'
  return undefined
}
