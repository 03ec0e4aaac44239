/** Describes changes of contacts, posture integrations and Services. Of a secret only that there is another one. */

import { CONTACT_TYPES } from '../../wire/api/account-objects.ts'
import type { AuditValue } from '../model/audit.ts'
import type { PostureIntegrationRecord } from '../model/account.ts'
import type { ServiceRecord } from '../model/services.ts'
import { became } from './describer.ts'
import type { Context, RecordChange, Said } from './describer.ts'
import { ownTarget } from './tailnets.ts'

const CONTACT_PROPERTIES = { account: 'ACCOUNT_EMAIL', support: 'SUPPORT_EMAIL', security: 'SECURITY_EMAIL' } as const

export function describeContacts({ before, after }: RecordChange<'contacts'>, context: Context): readonly Said[] {
  const target = ownTarget(context)
  return CONTACT_TYPES.flatMap((type) => became(target, CONTACT_PROPERTIES[type], before?.[type], after?.[type]))
}

export function describeIntegration(
  { before, after }: RecordChange<'posture-integration'>,
  context: Context,
): readonly Said[] {
  const target = ownTarget(context)
  const said = became(target, 'POSTURE_INTEGRATION', integration(before), integration(after), actionOf(before, after))
  if (before === undefined || after === undefined || before.clientSecret === after.clientSecret) return said
  const details = `client secret of ${after.provider}`
  return [...said, { target: { ...target, property: 'SECRET' }, action: 'UPDATE', details }]
}

function integration(record: PostureIntegrationRecord | undefined): AuditValue | undefined {
  if (record === undefined) return undefined
  const { id, provider, cloudId, clientId, tenantId } = record
  return { id, provider, cloudId, clientId, tenantId }
}

/** One that gets another name is removed under the one and added under the other. */
export function describeService({ before, after }: RecordChange<'service'>, context: Context): readonly Said[] {
  return became(ownTarget(context), 'SERVICE', service(before), service(after), actionOf(before, after))
}

function service(record: ServiceRecord | undefined): AuditValue | undefined {
  if (record === undefined) return undefined
  const { created: _, ...shown } = record
  return shown as AuditValue
}

function actionOf(before: object | undefined, after: object | undefined): 'CREATE' | 'UPDATE' | 'DELETE' {
  return before === undefined ? 'CREATE' : after === undefined ? 'DELETE' : 'UPDATE'
}
