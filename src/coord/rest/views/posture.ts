/** Posture integrations as the API shows them: never with their secret. (api-v2.md §6.2) */

import { formatTime, ZERO_TIME } from '../../../base/clock.ts'
import type { PostureIntegration } from '../../../wire/api/account-objects.ts'
import type { PostureIntegrationRecord } from '../../model/account.ts'

export function viewIntegration(record: PostureIntegrationRecord): PostureIntegration {
  const { id, provider, cloudId, clientId, tenantId, updated } = record
  return {
    id,
    provider,
    cloudId,
    clientId,
    tenantId,
    configUpdated: formatTime(updated),
    status: { lastSync: ZERO_TIME, error: NEVER_ASKED, providerHostCount: 0, matchedCount: 0, possibleMatchedCount: 0 },
  }
}

const NEVER_ASKED = 'This server keeps the settings of integrations and asks no provider about devices'
