/** Changing a tailnet's settings, member by member. (api-v2.md §2.4, §4.9) */

import type { TailnetSettings } from '../../../wire/api/objects.ts'
import type { SettingsPatch } from '../../../wire/api/routes/settings.ts'
import type { Scope } from '../../../wire/api/scopes.ts'
import type { Plan } from '../../model/ledger.ts'
import { commit, done, refuse, settle } from '../answer.ts'
import type { Answer } from '../answer.ts'
import type { At, Shared } from '../call.ts'
import { may } from '../caller.ts'

/** Members that another scope than `feature_settings` opens. */
const SCOPE_OF: Partial<Record<keyof TailnetSettings, Scope>> = {
  httpsEnabled: 'networking_settings',
  networkFlowLoggingOn: 'logs:network',
}

export function patchSettings(at: At, shared: Shared, patch: SettingsPatch): Plan<Answer<TailnetSettings>> {
  const sent = Object.entries(patch).filter(([, value]) => value !== undefined && value !== null)
  for (const [member] of sent) {
    const scope = SCOPE_OF[member as keyof TailnetSettings] ?? 'feature_settings'
    if (!may(at.caller, scope, 'write'))
      return settle(refuse(403, `This credential may not change ${member}: it needs ${scope} (write)`))
  }
  const settings: TailnetSettings = { ...at.record.settings, ...Object.fromEntries(sent) }
  if (sent.length === 0) return settle(done(settings))
  return commit({ writes: [shared.writeTailnet({ ...at.record, settings })] }, done(settings))
}
