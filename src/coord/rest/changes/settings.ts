/** Changing a tailnet's settings, member by member. (api-v2.md §2.4, §4.9) */

import type { TailnetSettings } from '../../../wire/api/objects.ts'
import type { SettingsPatch } from '../../../wire/api/routes/settings.ts'
import type { Scope } from '../../../wire/api/scopes.ts'
import type { Plan } from '../../model/ledger.ts'
import { DEFAULT_SETTINGS } from '../../model/records.ts'
import type { Tailnet } from '../../model/records.ts'
import { commit, done, refuse, settle } from '../answer.ts'
import type { Answer } from '../answer.ts'
import type { At, Shared } from '../call.ts'
import { may, roleOf } from '../caller.ts'

/** Members that another scope than `feature_settings` opens. */
const SCOPE_OF: Partial<Record<keyof TailnetSettings, Scope>> = {
  httpsEnabled: 'networking_settings',
  networkFlowLoggingOn: 'logs:network',
}

/** Every setting; those that came to be after the record was written are as they are for new tailnets. */
export function settingsOf({ settings }: Tailnet): TailnetSettings {
  return { ...DEFAULT_SETTINGS, ...(settings.regionalRoutingOn ? { routeSelection: REGIONAL } : {}), ...settings }
}
const REGIONAL = 'regional-routing'

export function patchSettings(at: At, shared: Shared, patch: SettingsPatch): Plan<Answer<TailnetSettings>> {
  const sent = Object.entries(patch).filter(([, value]) => value !== undefined && value !== null)
  for (const [member] of sent) {
    const scope = SCOPE_OF[member as keyof TailnetSettings] ?? 'feature_settings'
    if (!may(at.caller, scope, 'write'))
      return settle(refuse(403, `This credential may not change ${member}: it needs ${scope} (write)`))
  }
  const { regionalRoutingOn, routeSelection } = patch
  // What was read may be sent back whole.
  if (regionalRoutingOn != null && routeSelection != null && regionalRoutingOn !== (routeSelection === REGIONAL))
    return settle(
      refuse(
        400,
        `Cannot set regionalRoutingOn to ${regionalRoutingOn} beside routeSelection ${routeSelection}: one says that routes are regional, and the other that they are not`,
      ),
    )
  const before = settingsOf(at.record)
  const settings = withRouteSelection({ ...before, ...Object.fromEntries(sent) }, patch, before)
  // Whoever needs a second administrator could else do without one by saying so.
  if (before.policyApprovalOn && !settings.policyApprovalOn && roleOf(at.caller) !== 'owner')
    return settle(
      refuse(403, 'Only the owner of the tailnet, or the server’s administrator, may turn policyApprovalOn off'),
    )
  if (sent.length === 0) return settle(done(settings))
  return commit({ writes: [shared.writeTailnet({ ...at.record, settings })] }, done(settings))
}

/** One setting under two names: whichever was sent, the other follows. */
function withRouteSelection(
  settings: TailnetSettings,
  { regionalRoutingOn, routeSelection }: SettingsPatch,
  before: TailnetSettings,
): TailnetSettings {
  if (routeSelection != null) return { ...settings, regionalRoutingOn: routeSelection === REGIONAL }
  if (regionalRoutingOn == null || regionalRoutingOn === before.regionalRoutingOn) return settings
  return { ...settings, routeSelection: regionalRoutingOn ? REGIONAL : DEFAULT_SETTINGS.routeSelection }
}
