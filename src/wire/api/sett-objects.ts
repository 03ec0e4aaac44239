/** The objects that Sett's API has beyond Tailscale's: logins in progress, tailnets, addresses, the server. */

import * as z from 'zod'
import { Time } from './words.ts'

/** A device that waits for somebody to say whose it is. */
export const Login = z
  .object({
    code: z.string(),
    hostname: z.string(),
    os: z.string(),
    from: z.string().meta({ description: 'Address that the device asks from' }),
    key: z.string().meta({ description: 'Short form of its node key, as the device shows it' }),
    ephemeral: z.boolean(),
    requestTags: z.array(z.string()),
    created: Time,
    expires: Time,
    outcome: z.enum(['waiting', 'approved', 'refused', 'expired']),
  })
  .meta({ id: 'Login' })
export type Login = z.infer<typeof Login>

export const Tailnet = z
  .object({
    id: z.string(),
    name: z.string(),
    domain: z.string().meta({ description: 'Suffix of its devices’ names' }),
    created: Time,
    deviceCount: z.number().int(),
    onlineCount: z.number().int(),
    userCount: z.number().int(),
  })
  .meta({ id: 'Tailnet' })
export type Tailnet = z.infer<typeof Tailnet>

/** One address, and everybody who ever held it, oldest first. */
export const AddressHistory = z
  .object({
    address: z.string(),
    holds: z.array(
      z.object({
        id: z.string().meta({ description: 'Decimal id of the device; it may be gone' }),
        nodeId: z.string().optional().meta({ description: 'Absent when the device is gone and nobody noted it' }),
        deleted: z.literal(true).optional().meta({ description: 'The device is gone' }),
        name: z.string(),
        since: Time,
        until: Time.optional().meta({ description: 'Absent while it is held' }),
      }),
    ),
  })
  .meta({ id: 'AddressHistory' })
export type AddressHistory = z.infer<typeof AddressHistory>

/** What became of a request from the server to a device. */
export const Pinged = z
  .object({
    outcome: z.enum(['answered', 'not-connected', 'no-answer']),
    latencyMs: z.number().optional().meta({ description: 'From asking to its answer, over its control connection' }),
  })
  .meta({ id: 'Pinged' })
export type Pinged = z.infer<typeof Pinged>

export const ServerStatus = z
  .object({
    version: z.string(),
    url: z.string(),
    started: Time,
    now: Time,
    certificate: z
      .object({
        expires: Time.optional().meta({ description: 'Left out while there is none that clients trust' }),
        failed: Time.optional().meta({ description: 'When it could not be replaced; the log says why' }),
      })
      .optional()
      .meta({ description: "The server's own, with TLS" }),
    tailnets: z.array(Tailnet).meta({ description: 'Those that the credential may see' }),
  })
  .meta({ id: 'ServerStatus' })
export type ServerStatus = z.infer<typeof ServerStatus>
