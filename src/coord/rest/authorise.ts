/**
 * The one place that decides whether a caller may use a route, and on which tailnet. Default is no.
 *
 * What comes out of here is all a handler gets to see: the tailnet of the credential, or, for the server's own
 * administrator, the one that the request names. What another tailnet has answers like what nobody has.
 */

import { routes } from '../../wire/api/routes.ts'
import type { RouteId } from '../../wire/api/routes.ts'
import type { RouteShape } from '../../wire/api/route.ts'
import type { Model, TailnetState } from '../model/model.ts'
import type { Node, Tailnet } from '../model/records.ts'
import { refuse } from './answer.ts'
import type { Refusal } from './answer.ts'
import { may } from './caller.ts'
import type { Caller } from './caller.ts'

/** A tailnet: its record and what is in it. */
export interface Place {
  readonly tailnet: TailnetState
  readonly record: Tailnet
}

export type Permit =
  | { readonly kind: 'permit'; /** Absent on routes that are about no tailnet. */ readonly place: Place | undefined }
  | Refusal

export function authorise(
  id: RouteId,
  params: Readonly<Record<string, unknown>>,
  caller: Caller,
  model: Model,
): Permit {
  const { access }: RouteShape = routes[id]
  if (access.kind === 'server' && caller.kind !== 'server')
    return refuse(403, 'Only the administrator of the server may do this, with `sett admin` on the server itself')
  if (access.kind === 'scope' && !access.any.some((scope) => may(caller, scope, access.act)))
    return refuse(403, `This credential may not do this: it needs ${access.any.join(' or ')} (${access.act})`)

  const given = params as Readonly<Record<string, string | undefined>>
  const { tailnet } = given
  if (tailnet !== undefined) {
    const place = visiblePlaces(caller, model).find((at, i) =>
      tailnet === '-' ? i === 0 : isNamed(at.record, tailnet),
    )
    return place === undefined ? refuse(404, 'tailnet not found') : { kind: 'permit', place }
  }
  const name = THING_NAMES.find((name) => given[name] !== undefined)
  if (name === undefined) return { kind: 'permit', place: undefined }
  const { isIn, missing } = THINGS[name]
  const place = visiblePlaces(caller, model).find((at) => isIn(at.tailnet, given[name] as string))
  return place === undefined ? refuse(404, missing) : { kind: 'permit', place }
}

export const NO_DEVICE = 'device not found'
export const NO_USER = 'user not found'
export const NO_WEBHOOK = 'webhook not found'
export const NO_INVITE = 'user invite not found'
export const NO_INTEGRATION = 'posture integration not found'

interface Thing {
  readonly isIn: (tailnet: TailnetState, ref: string) => boolean
  /** Of one that is nowhere, or in another tailnet. */
  readonly missing: string
}

/** What a path may name instead of a tailnet, by its parameter: the tailnet is the one that has it. */
const THINGS = {
  deviceId: { isIn: (tailnet, ref) => nodeIn(tailnet, ref) !== undefined, missing: NO_DEVICE },
  userId: { isIn: (tailnet, ref) => tailnet.usersById.has(Number(ref)), missing: NO_USER },
  endpointId: { isIn: (tailnet, ref) => tailnet.get('webhook', ref) !== undefined, missing: NO_WEBHOOK },
  userInviteId: {
    isIn: (tailnet, ref) => tailnet.all('ticket').some(({ invite }) => invite === ref),
    missing: NO_INVITE,
  },
  integrationId: {
    isIn: (tailnet, ref) => tailnet.get('posture-integration', ref) !== undefined,
    missing: NO_INTEGRATION,
  },
} as const satisfies Record<string, Thing>
export type ThingName = keyof typeof THINGS
const THING_NAMES = Object.keys(THINGS) as readonly ThingName[]

/** The tailnets that a caller may see; the one that `-` means comes first. */
export function visiblePlaces(caller: Caller, model: Model): Place[] {
  if (caller.kind === 'server') return model.tailnets().map((record) => ({ tailnet: model.state(record.num), record }))
  const record = model.tailnet(caller.tailnet.num)
  return record === undefined ? [] : [{ tailnet: caller.tailnet, record }]
}

function isNamed(record: Tailnet, text: string): boolean {
  return record.stableId === text || record.name === text || record.domain === text
}

/** Finds a node by either id (api-v2.md §1: both must work on every path). */
export function nodeIn(tailnet: TailnetState, ref: string): Node | undefined {
  return tailnet.nodesByStableId.get(ref) ?? (/^[1-9]\d*$/.test(ref) ? tailnet.node(Number(ref)) : undefined)
}
