/**
 * What webhooks are told of: types of events, and the names by which an endpoint asks for them. (api-v2.md §7.1)
 */

const TAILNET_MANAGEMENT = [
  'nodeCreated',
  'nodeNeedsApproval',
  'nodeApproved',
  'nodeKeyExpiringInOneDay',
  'nodeKeyExpired',
  'nodeDeleted',
  'nodeSigned',
  'nodeNeedsSignature',
  'policyUpdate',
  'userCreated',
  'userNeedsApproval',
  'userApproved',
  'userSuspended',
  'userRestored',
  'userDeleted',
  'userRoleUpdated',
] as const
const DEVICE_MISCONFIGURATIONS = ['subnetIPForwardingNotEnabled', 'exitNodeIPForwardingNotEnabled'] as const

/** Names that the service no longer uses, and what they are called now. Who asks by them is told by them. */
const DEPRECATED = { nodeNeedsAuthorization: 'nodeNeedsApproval', nodeAuthorized: 'nodeApproved' } as const

export type SubscribedType = (typeof TAILNET_MANAGEMENT)[number] | (typeof DEVICE_MISCONFIGURATIONS)[number]
/** Told to an endpoint whatever it has subscribed to: that it was tested, and that it was changed. */
export type OwnType = 'test' | 'webhookUpdated'
export type EventType = SubscribedType | OwnType

export const SUBSCRIPTIONS = [
  'categoryTailnetManagement',
  'categoryDeviceMisconfigurations',
  ...TAILNET_MANAGEMENT,
  ...DEVICE_MISCONFIGURATIONS,
  'nodeNeedsAuthorization',
  'nodeAuthorized',
] as const
export type Subscription = (typeof SUBSCRIPTIONS)[number]

/** As which type an endpoint with these subscriptions is told of an event; `undefined`: it is not. */
export function toldAs(
  subscriptions: readonly string[],
  type: EventType,
): EventType | keyof typeof DEPRECATED | undefined {
  if (type === 'test' || type === 'webhookUpdated') return type
  const category = (DEVICE_MISCONFIGURATIONS as readonly string[]).includes(type)
    ? 'categoryDeviceMisconfigurations'
    : 'categoryTailnetManagement'
  if (subscriptions.includes(type) || subscriptions.includes(category)) return type
  const old = (Object.keys(DEPRECATED) as (keyof typeof DEPRECATED)[]).find((name) => DEPRECATED[name] === type)
  return old !== undefined && subscriptions.includes(old) ? old : undefined
}

/** One event as it is posted. Values in `data` are not all texts. */
export interface WebhookEvent {
  /** RFC 3339. */
  readonly timestamp: string
  readonly version: 1
  readonly type: EventType | keyof typeof DEPRECATED
  /** Name of the tailnet. */
  readonly tailnet: string
  readonly message: string
  readonly data: Readonly<Record<string, unknown>> | null
}
