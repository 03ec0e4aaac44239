/** What a tailnet keeps about its administration: whom to write to, and providers of device posture. (api-v2.md §4.8, §4.9) */

import type { Wall } from '../../base/clock.ts'
import type { ContactType, PostureProvider } from '../../wire/api/account-objects.ts'

/** Mail addresses that were set. Record id: `CONTACTS_ID`. */
export type ContactsRecord = { readonly [K in ContactType]?: string }
export const CONTACTS_ID = 'contacts'

/** The settings of a provider of device posture, which nobody asks anything. Record id: its own. */
export interface PostureIntegrationRecord {
  readonly id: string
  readonly provider: PostureProvider
  readonly cloudId: string
  readonly clientId: string
  readonly tenantId: string
  /** Sealed. Absent: none was given. */
  readonly clientSecret?: string
  readonly updated: Wall
}

/** What the secret of a posture integration is sealed for. */
export function postureSecretPlace(id: string): string {
  return `posture integration ${id}`
}
