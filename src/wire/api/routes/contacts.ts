/** Routes about whom to write to about a tailnet. (api-v2.md §4.9) */

import * as z from 'zod'
import { Contacts, ContactType, Email } from '../account-objects.ts'
import { route } from '../route.ts'
import { TailnetRef } from '../words.ts'

const group = 'Contacts'
const one = z.object({ tailnet: TailnetRef, contactType: ContactType })
const write = { kind: 'scope', any: ['account_settings'], act: 'write' } as const

export const contactRoutes = {
  getContacts: route({
    method: 'GET',
    path: '/tailnet/{tailnet}/contacts',
    summary: 'Show whom to write to about a tailnet.',
    group,
    access: { kind: 'scope', any: ['account_settings'], act: 'read' },
    params: z.object({ tailnet: TailnetRef }),
    reply: Contacts,
  }),
  patchContact: route({
    method: 'PATCH',
    path: '/tailnet/{tailnet}/contacts/{contactType}',
    summary: 'Set the address of one contact.',
    group,
    access: write,
    params: one,
    body: z.object({ email: Email }),
  }),
  resendContactVerification: route({
    method: 'POST',
    path: '/tailnet/{tailnet}/contacts/{contactType}/resend-verification-email',
    summary: 'Refused: this server sends no mail, and asks nobody to confirm an address.',
    group,
    access: write,
    params: one,
  }),
} as const
