/** What a tailnet keeps about its administration: contacts, invitations, posture integrations. (api-v2.md §4.3, §4.8, §4.9, §6.2) */

import * as z from 'zod'
import { Line, Role, Time } from './words.ts'

export const CONTACT_TYPES = ['account', 'support', 'security'] as const
export const ContactType = z.enum(CONTACT_TYPES)
export type ContactType = z.output<typeof ContactType>

/** As much of a mail address as a server can tell that delivers none. */
export const Email = z
  .string()
  .max(254)
  .regex(/^[^\s\p{C}@<>(),;:"]+@[^\s\p{C}@<>(),;:"]+$/u, 'want a mail address')

const Contact = z.object({
  email: z.string().meta({ description: 'The owner’s login name until it is set; empty where that is no address' }),
  fallbackEmail: z.string().optional(),
  needsVerification: z.boolean().meta({ description: 'Always false: this server sends no mail' }),
})
export const Contacts = z.object({ account: Contact, support: Contact, security: Contact }).meta({ id: 'Contacts' })
export type Contacts = z.output<typeof Contacts>

export const InviteRef = z
  .string()
  .regex(/^[A-Za-z0-9]{1,64}$/, 'want an id of an invitation')
  .meta({ description: 'Id of an invitation (`i…CNTRL`)' })

export const UserInvite = z
  .object({
    id: z.string(),
    role: Role,
    tailnetId: z.number().int(),
    inviterId: z.number().int().meta({ description: 'Id of the user who invited; 0: the server’s administrator' }),
    email: z.string().optional(),
    lastEmailSentAt: Time.optional().meta({ description: 'Always absent: this server sends no mail' }),
    inviteUrl: z.string().optional().meta({
      description: 'The link to hand over: only in answers that make it, since no more than its hash is kept',
    }),
    created: Time,
    expires: Time,
  })
  .meta({ id: 'UserInvite' })
export type UserInvite = z.output<typeof UserInvite>

export const CreateUserInvites = z
  .array(
    z.object({
      role: Role.optional().meta({ description: 'member if not given; never owner' }),
      email: Email.nullish(),
    }),
  )
  .min(1)
  .max(100)
export type CreateUserInvites = z.output<typeof CreateUserInvites>

export const POSTURE_PROVIDERS = [
  'falcon',
  'fleet',
  'huntress',
  'intune',
  'jamfpro',
  'kandji',
  'kolide',
  'sentinelone',
] as const
const PostureProvider = z.enum(POSTURE_PROVIDERS)
export type PostureProvider = z.output<typeof PostureProvider>

export const IntegrationRef = z
  .string()
  .regex(/^[A-Za-z0-9]{1,64}$/, 'want an id of a posture integration')
  .meta({ description: 'Id of a posture integration (`p…CNTRL`)' })

export const PostureIntegration = z
  .object({
    id: z.string(),
    provider: PostureProvider,
    cloudId: z.string(),
    clientId: z.string(),
    tenantId: z.string(),
    configUpdated: Time,
    status: z.object({
      lastSync: Time,
      error: z.string(),
      providerHostCount: z.number().int(),
      matchedCount: z.number().int(),
      possibleMatchedCount: z.number().int(),
    }),
  })
  .meta({ id: 'PostureIntegration' })
export type PostureIntegration = z.output<typeof PostureIntegration>

const Text = Line(512).nullish()
const ClientSecret = z.string().max(8192).nullish().meta({ description: 'Never shown again' })

export const CreatePostureIntegration = z.object({
  provider: PostureProvider,
  cloudId: Text,
  clientId: Text,
  tenantId: Text,
  clientSecret: ClientSecret,
})
export type CreatePostureIntegration = z.output<typeof CreatePostureIntegration>

export const PatchPostureIntegration = z.object({
  cloudId: Text,
  clientId: Text,
  tenantId: Text,
  clientSecret: z
    .string()
    .max(8192)
    .nullish()
    .meta({ description: 'Absent: the one that is there stays. Never shown again' }),
})
export type PatchPostureIntegration = z.output<typeof PatchPostureIntegration>
