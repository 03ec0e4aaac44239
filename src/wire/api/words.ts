/**
 * The small words of the REST API: ids, names, times, tags, roles. Objects are made of them. (api-v2.md §1, §6)
 *
 * Requests are read strictly enough that nothing odd gets past here; members that nobody knows are ignored.
 */

import * as z from 'zod'
import { utf8 } from '../../base/bytes.ts'

/** RFC 3339 in UTC. A text only: readers check times that they use. */
export const Time = z.string().meta({ format: 'date-time', description: 'RFC 3339, UTC' })
/** A time, or `""` where the service has none to tell. */
export const TimeOrEmpty = z.string().meta({ description: 'RFC 3339, UTC; may be empty' })

/** As `{tailnet}` in a path: `-` is the credential's own; else a tailnet's id, name or domain. */
export const TailnetRef = z
  .string()
  .min(1)
  .max(254)
  .meta({ description: '`-` for the tailnet of the credential, or a tailnet’s id, name or domain' })

/** Stable id (`n…CNTRL`) or the decimal legacy id. */
export const DeviceRef = z
  .string()
  .regex(/^[A-Za-z0-9]{1,64}$/, 'want a device id')
  .meta({ description: 'nodeId (`n…CNTRL`), or the legacy decimal id' })

export const UserRef = z
  .string()
  .regex(/^\d{1,16}$/, 'want a user id')
  .meta({ description: 'User id, decimal' })

export const KeyRef = z
  .string()
  .regex(/^[A-Za-z0-9]{1,64}$/, 'want a key id')
  .meta({ description: 'Key id (`k…CNTRL`)' })

export const LoginCode = z
  .string()
  .regex(/^[A-Za-z0-9-]{1,64}$/, 'want a login code')
  .meta({ description: 'The code that the login page shows' })

/** One line of text: what is shown in tables, logs and terminals must not be able to move the cursor. */
const PRINTABLE = /^[^\p{Cc}\p{Zl}\p{Zp}]*$/u
export const Line = (max: number) => z.string().max(max).regex(PRINTABLE, 'want text without control characters')

export const Description = Line(50)

/** Lists of tags in a request. Which texts are tags is decided with the whole list, for one message (api-v2.md §4.1). */
export const Tags = z.array(z.string().max(256)).max(128)

export const ROLES = ['owner', 'member', 'admin', 'it-admin', 'network-admin', 'billing-admin', 'auditor'] as const
export const Role = z.enum(ROLES)
export type Role = z.infer<typeof Role>

/**
 * It is compared, put into URLs, and typed on command lines, so no white space; and not digits alone, so that it
 * is never taken for another user's id.
 */
export const LoginName = z
  .string()
  .min(1)
  .max(254)
  .regex(/^(?!\d+$)[^\s\p{C}:/]+$/u, 'want a login name: not digits alone, no spaces, no ":" and no "/"')
  // Users are looked up by it, and what is looked up by has a length in bytes.
  .refine((text) => utf8(text).length <= 254, 'want a login name of at most 254 bytes')
/** A user as people name one. */
export const UserName = z.string().min(1).max(254).meta({ description: 'Login name, or user id' })

export const DnsLabel = z
  .string()
  .regex(
    /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    'want a DNS label: lower-case letters, digits and inner hyphens, at most 63',
  )

/** Longest life of a key or token, and what it gets when it names none: 90 days, in seconds (api-v2.md §2, §4.4). */
export const MAX_EXPIRY_S = 90 * 24 * 3600
export const ExpirySeconds = z
  .number()
  .int()
  .min(0)
  .max(MAX_EXPIRY_S)
  .meta({ description: '0 or absent: 90 days, which is also the most' })
