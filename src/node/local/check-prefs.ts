/**
 * Which preferences may not be set, and why not: in the words that official programs use, where they refuse the same.
 *
 * What this version does not have is refused here too, so that nobody takes a setting for something that works.
 */

import { maskPrefix, formatPrefix, parsePrefix } from '../../base/ip.ts'
import { advertisesExitNode, usesExitNode } from './prefs.ts'
import type { MaskedPrefs, Prefs } from './prefs.ts'

/** What the answer depends on, beside the preferences. */
export interface PrefsContext {
  /** Does the tailnet give this node the capability? `undefined`: there is no map to tell. */
  readonly has: ((capability: string) => boolean) | undefined
  /** Names of other profiles, which must not be taken. */
  readonly profileNames: readonly string[]
  /** What the daemon can do; what is left out, it can't. */
  readonly can: { readonly ssh?: boolean; readonly webClient?: boolean; readonly peerRelay?: boolean }
  /** Why this can be no server's address; `undefined`: it can. */
  readonly whyNoServer: (url: string) => string | undefined
  /** What a file of this machine's owner forbids (a text that says so); `undefined`: nothing. */
  readonly forbidden?: (prefs: Prefs) => string | undefined
}

const SSH_CAPABILITY = 'https://tailscale.com/cap/ssh'

/** Why these can't be set, each reason on its own line; `undefined`: they can. */
export function checkPrefs(prefs: Prefs, context: PrefsContext): string | undefined {
  const reasons: string[] = []
  const say = (when: boolean, reason: string) => void (when && reasons.push(reason))
  if (prefs.RunSSH) {
    if (context.has !== undefined && !context.has(SSH_CAPABILITY))
      reasons.push('Unable to enable local Tailscale SSH server; not enabled on Tailnet.')
    else say(context.can.ssh !== true, 'This version of Sett has no SSH server.')
  }
  say(prefs.RunWebClient && context.can.webClient !== true, 'This version of Sett has no web interface for a node.')
  say(prefs.RelayServerPort !== null && context.can.peerRelay !== true, 'This version of Sett is no relay for peers.')
  say(
    usesExitNode(prefs) && advertisesExitNode(prefs),
    'Cannot advertise an exit node and use an exit node at the same time.',
  )
  const noServer = prefs.ControlURL === '' ? undefined : context.whyNoServer(prefs.ControlURL)
  if (noServer !== undefined) reasons.push(noServer)
  for (const route of prefs.AdvertiseRoutes ?? []) say(!isMasked(route), `${route} has non-address bits set`)
  say(
    prefs.ProfileName !== '' && context.profileNames.includes(prefs.ProfileName),
    `profile name ${JSON.stringify(prefs.ProfileName)} already in use`,
  )
  const forbidden = context.forbidden?.(prefs)
  if (forbidden !== undefined) reasons.push(forbidden)
  return reasons.length === 0 ? undefined : reasons.join('\n')
}

/** Fields that the node sets for itself. */
export function checkEdit({ set }: MaskedPrefs): string | undefined {
  return set.has('InternalExitNodePrior') ? "can't set internal preferences" : undefined
}

function isMasked(route: string): boolean {
  const prefix = parsePrefix(route)
  return prefix !== undefined && formatPrefix(maskPrefix(prefix)) === route
}
