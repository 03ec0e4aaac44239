/** Keeping the settings of providers of device posture. Nobody asks the providers anything. (api-v2.md §4.8) */

import type {
  CreatePostureIntegration,
  PatchPostureIntegration,
  PostureIntegration,
} from '../../../wire/api/account-objects.ts'
import type { PostureIntegrationRecord } from '../../model/account.ts'
import type { Plan } from '../../model/ledger.ts'
import type { TailnetState } from '../../model/model.ts'
import type { Write } from '../../model/records.ts'
import { commit, DONE, done, refuse, settle } from '../answer.ts'
import type { Answer } from '../answer.ts'
import { NO_INTEGRATION } from '../authorise.ts'
import type { At } from '../call.ts'
import { viewIntegration } from '../views/posture.ts'

/** @param sealed the secret, if one was given */
export function createIntegration(
  at: At,
  id: string,
  wanted: CreatePostureIntegration,
  sealed: string | undefined,
): Plan<Answer<PostureIntegration>> {
  const { provider } = wanted
  for (const other of at.tailnet.all('posture-integration'))
    if (other.provider === provider)
      return settle(refuse(409, `There is an integration with ${provider} already: change or delete that one`))
  const after: PostureIntegrationRecord = {
    id,
    provider,
    cloudId: wanted.cloudId ?? '',
    clientId: wanted.clientId ?? '',
    tenantId: wanted.tenantId ?? '',
    ...(sealed === undefined ? {} : { clientSecret: sealed }),
    updated: at.now,
  }
  // The second of two that come at once fails on the record that says who has the provider.
  return commit(
    { writes: [write(at.tailnet, id, after), providerWrite(at.tailnet, provider, true)] },
    done(viewIntegration(after)),
  )
}

/** @param sealed the new secret; absent: the one that is there stays */
export function patchIntegration(
  at: At,
  id: string,
  wanted: PatchPostureIntegration,
  sealed: string | undefined,
): Plan<Answer<PostureIntegration>> {
  const before = at.tailnet.get('posture-integration', id)
  if (before === undefined) return settle(refuse(404, NO_INTEGRATION))
  const after: PostureIntegrationRecord = {
    ...before,
    cloudId: wanted.cloudId ?? before.cloudId,
    clientId: wanted.clientId ?? before.clientId,
    tenantId: wanted.tenantId ?? before.tenantId,
    ...(sealed === undefined ? {} : { clientSecret: sealed }),
    updated: at.now,
  }
  return commit({ writes: [write(at.tailnet, id, after)] }, done(viewIntegration(after)))
}

export function deleteIntegration(at: At, id: string): Plan<Answer<undefined>> {
  const before = at.tailnet.get('posture-integration', id)
  if (before === undefined) return settle(refuse(404, NO_INTEGRATION))
  return commit({ writes: [write(at.tailnet, id, null), providerWrite(at.tailnet, before.provider, false)] }, DONE)
}

function write(tailnet: TailnetState, id: string, value: PostureIntegrationRecord | null): Write {
  return { kind: 'posture-integration', id, expect: tailnet.version('posture-integration', id), value }
}

/** One integration of each provider. */
function providerWrite(tailnet: TailnetState, provider: string, taken: boolean): Write {
  const id = `posture-provider/${provider}`
  return { kind: 'holder', id, expect: tailnet.version('holder', id), value: taken ? { holder: 1 } : null }
}
