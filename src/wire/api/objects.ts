/**
 * The objects of API v2 as they stand in answers, member by member. (api-v2.md §6)
 *
 * Clients ignore members that they do not know, so Sett's own members stand beside Tailscale's.
 */

import * as z from 'zod'
import { Role, Time, TimeOrEmpty } from './words.ts'

const strings = z.array(z.string())

/** api-v2.md §6.1. `fields=all` adds everything from `enabledRoutes` on. */
export const Device = z
  .object({
    addresses: strings,
    id: z.string(),
    nodeId: z.string(),
    user: z.string(),
    name: z.string(),
    hostname: z.string(),
    clientVersion: z.string(),
    os: z.string(),
    updateAvailable: z.boolean(),
    authorized: z.boolean(),
    isExternal: z.boolean(),
    keyExpiryDisabled: z.boolean(),
    blocksIncomingConnections: z.boolean(),
    connectedToControl: z.boolean(),
    isEphemeral: z.boolean(),
    created: TimeOrEmpty,
    expires: Time,
    lastSeen: Time.optional(),
    machineKey: z.string(),
    nodeKey: z.string(),
    tailnetLockKey: z.string(),
    tailnetLockError: z.string(),
    tags: strings.optional(),

    enabledRoutes: strings.optional(),
    advertisedRoutes: strings.optional(),
    clientConnectivity: z
      .object({
        endpoints: strings,
        derp: z.string(),
        mappingVariesByDestIP: z.boolean(),
        latency: z.record(z.string(), z.object({ preferred: z.boolean().optional(), latencyMs: z.number() })),
        clientSupports: z.object({
          hairPinning: z.boolean().nullable(),
          ipv6: z.boolean().nullable(),
          pcp: z.boolean().nullable(),
          pmp: z.boolean().nullable(),
          udp: z.boolean().nullable(),
          upnp: z.boolean().nullable(),
        }),
      })
      .optional(),
    sshEnabled: z.boolean().optional(),
    postureIdentity: z.object({ serialNumbers: strings, disabled: z.boolean().optional() }).optional(),
    distro: z.object({ name: z.string(), version: z.string(), codeName: z.string() }).optional(),
    multipleConnections: z.boolean().optional(),
  })
  .meta({ id: 'Device' })
export type Device = z.infer<typeof Device>

export const DeviceRoutes = z.object({ advertisedRoutes: strings, enabledRoutes: strings }).meta({ id: 'DeviceRoutes' })
export type DeviceRoutes = z.infer<typeof DeviceRoutes>

export const AttributeValue = z.union([z.string().max(512), z.number(), z.boolean()])
export type AttributeValue = z.infer<typeof AttributeValue>

export const PostureAttributes = z
  .object({
    attributes: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
    expiries: z.record(z.string(), Time),
  })
  .meta({ id: 'PostureAttributes' })
export type PostureAttributes = z.infer<typeof PostureAttributes>

export const KeyCapabilities = z
  .object({
    devices: z.object({
      create: z.object({
        reusable: z.boolean(),
        ephemeral: z.boolean(),
        preauthorized: z.boolean(),
        tags: strings.optional(),
      }),
    }),
  })
  .meta({ id: 'KeyCapabilities' })

export const Key = z
  .object({
    id: z.string(),
    key: z.string().optional().meta({ description: 'The secret itself: only in the answer that creates it' }),
    keyType: z.enum(['auth', 'api', 'client', 'federated', 'scim']),
    description: z.string(),
    expirySeconds: z.number().int().optional(),
    created: Time,
    updated: Time.optional(),
    expires: Time.optional().meta({
      description: 'Absent: never, as of clients, federated identities and directories',
    }),
    revoked: Time.optional(),
    invalid: z.boolean().optional(),
    capabilities: KeyCapabilities.optional(),
    scopes: strings.optional(),
    tags: strings.optional().meta({ description: 'Of clients and federated identities: what their devices may be' }),
    issuer: z.string().optional(),
    subject: z.string().optional(),
    audience: z.string().optional(),
    customClaimRules: z.record(z.string(), z.string()).optional(),
    provider: z.string().optional().meta({ description: 'Of a directory’s token: its identity provider' }),
    userId: z.string().meta({ description: 'Empty when the server itself made it, or a client' }),
    creator: z.string().meta({
      description: 'Login name of whoever made it, or the id of the client that did; empty for the server itself',
    }),
    lastUsed: Time.optional(),
    used: z.boolean().optional().meta({ description: 'A one-off key that has been used' }),
    devices: strings.optional().meta({ description: 'nodeIds of the devices that joined by it' }),
  })
  .meta({ id: 'Key' })
export type Key = z.infer<typeof Key>

export const User = z
  .object({
    id: z.string(),
    displayName: z.string(),
    loginName: z.string(),
    profilePicUrl: z.string(),
    tailnetId: z.string(),
    created: Time,
    type: z.enum(['member', 'shared']),
    role: Role,
    status: z.enum(['active', 'idle', 'suspended', 'needs-approval', 'over-billing-limit']),
    deviceCount: z.number().int(),
    lastSeen: Time,
    currentlyConnected: z.boolean(),
  })
  .meta({ id: 'User' })
export type User = z.infer<typeof User>

/** How devices choose among the routers of a subnet; newer clients say it so, older ones by `regionalRoutingOn`. */
export const RouteSelection = z.enum([
  'active-passive-failover',
  'regional-routing',
  'regional-routing-failover',
  'magicroute',
])
export type RouteSelection = z.infer<typeof RouteSelection>

export const TailnetSettings = z
  .object({
    aclsExternallyManagedOn: z.boolean(),
    aclsExternalLink: z.string(),
    devicesApprovalOn: z.boolean(),
    devicesAutoUpdatesOn: z.boolean(),
    devicesKeyDurationDays: z.number().int(),
    usersApprovalOn: z.boolean(),
    usersRoleAllowedToJoinExternalTailnets: z.enum(['none', 'admin', 'member']),
    networkFlowLoggingOn: z.boolean(),
    regionalRoutingOn: z.boolean(),
    routeSelection: RouteSelection,
    postureIdentityCollectionOn: z.boolean(),
    httpsEnabled: z.boolean(),
    policyApprovalOn: z.boolean().meta({
      description: 'Sett’s own: a policy comes into force only when another administrator has approved it',
    }),
  })
  .meta({ id: 'TailnetSettings' })
export type TailnetSettings = z.infer<typeof TailnetSettings>

/** A place in a text; both count from 1, columns in bytes. */
export const Place = z.object({ line: z.number().int(), column: z.number().int() }).meta({ id: 'Place' })
export type Place = z.infer<typeof Place>

/** The body of every answer from 400 on. */
export const Problem = z
  .object({
    message: z.string(),
    data: z
      .array(
        z.object({
          user: z.string().optional(),
          errors: strings.optional(),
          warnings: strings.optional(),
          at: Place.optional().meta({ description: 'Where the test stands in the policy sent' }),
        }),
      )
      .optional(),
    at: Place.optional().meta({ description: 'Where the mistake stands in the policy sent' }),
    status: z.number().int().optional(),
    error: z.string().optional().meta({ description: 'RFC 6749 §5.2, of the routes that give out access tokens' }),
    error_description: z.string().optional(),
  })
  .meta({ id: 'Error' })
export type Problem = z.infer<typeof Problem>
