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
  /** In force now; absent: none are. What can't work and is there already does not stand against other changes. */
  readonly current?: Prefs
  /** Names of other profiles, which must not be taken. */
  readonly profileNames: readonly string[]
  /** What the daemon can do; what is left out, it can't. */
  readonly can: { readonly ssh?: boolean; readonly webClient?: boolean; readonly peerRelay?: boolean }
  /** Why this can be no server's address; `undefined`: it can. */
  readonly whyNoServer: (url: string) => string | undefined
  /** Whether a user's name, or number, stands for somebody here; left out: any does. */
  readonly knowsUser?: (name: string) => boolean
  /** What a file of this machine's owner forbids (a text that says so); `undefined`: nothing. */
  readonly forbidden?: (prefs: Prefs) => string | undefined
}

const SSH_CAPABILITY = 'https://tailscale.com/cap/ssh'

/** What is asked for in vain, since there is nothing behind it. */
const NOT_BUILT: readonly (readonly [asks: (prefs: Prefs, can: PrefsContext['can']) => boolean, reason: string])[] = [
  [
    ({ RunWebClient }, can) => RunWebClient && can.webClient !== true,
    'This version of Sett has no web interface for a node.',
  ],
  [
    ({ RelayServerPort: port, RelayServerStaticEndpoints: endpoints }, can) =>
      (port !== null || (endpoints ?? []).length > 0) && can.peerRelay !== true,
    'This version of Sett is no relay for peers.',
  ],
  [({ AutoUpdate }) => AutoUpdate.Apply === true, 'This version of Sett does not update itself.'],
  [({ AppConnector }) => AppConnector.Advertise, 'This version of Sett is no app connector.'],
  [
    ({ PostureChecking }) => PostureChecking,
    'This version of Sett tells the server nothing about the posture of a device.',
  ],
  [({ AdvertiseServices }) => (AdvertiseServices ?? []).length > 0, 'This version of Sett offers no Services.'],
  [({ DriveShares }) => (DriveShares ?? []).length > 0, 'This version of Sett shares no folders.'],
  [({ Sync }) => Sync === false, 'This version of Sett always takes what the server says.'],
]

/** Why these can't be set, each reason on its own line; `undefined`: they can. */
export function checkPrefs(prefs: Prefs, context: PrefsContext): string | undefined {
  const { can, current, has } = context
  const reasons: string[] = []
  const say = (when: boolean, reason: string) => void (when && reasons.push(reason))
  if (prefs.RunSSH && current?.RunSSH !== true) {
    if (has !== undefined && !has(SSH_CAPABILITY))
      reasons.push('Unable to enable local Tailscale SSH server; not enabled on Tailnet.')
    else say(can.ssh !== true, 'This version of Sett has no SSH server.')
  }
  for (const [asks, reason] of NOT_BUILT) say(asks(prefs, can) && !(current && asks(current, can)), reason)
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
  const operator = prefs.OperatorUser
  say(
    operator !== '' && operator !== current?.OperatorUser && context.knowsUser?.(operator) === false,
    `Cannot make ${JSON.stringify(operator)} the operator: /etc/passwd has no user of that name.`,
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
