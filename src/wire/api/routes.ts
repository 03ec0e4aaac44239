/** All routes of the REST API in one table; their keys are the operations' ids. */

import type {
  BodyInputOf,
  BodyOf,
  HeadersInputOf,
  HeadersOf,
  ParamsOf,
  QueryInputOf,
  QueryOf,
  ReplyOf,
} from './route.ts'
import { contactRoutes } from './routes/contacts.ts'
import { deviceRoutes } from './routes/devices.ts'
import { dnsRoutes } from './routes/dns.ts'
import { keyRoutes } from './routes/keys.ts'
import { oauthRoutes } from './routes/oauth.ts'
import { logRoutes } from './routes/logs.ts'
import { logstreamRoutes } from './routes/logstreams.ts'
import { peopleRoutes } from './routes/people.ts'
import { policyRoutes } from './routes/policy.ts'
import { policyHistoryRoutes } from './routes/policy-history.ts'
import { postureRoutes } from './routes/posture.ts'
import { serviceRoutes } from './routes/services.ts'
import { routingRoutes } from './routes/routing.ts'
import { scimRoutes } from './routes/scim.ts'
import { settRoutes } from './routes/sett.ts'
import { settingsRoutes } from './routes/settings.ts'
import { userInviteRoutes } from './routes/user-invites.ts'
import { userRoutes } from './routes/users.ts'
import { webhookRoutes } from './routes/webhooks.ts'

export const routes = {
  ...deviceRoutes,
  ...keyRoutes,
  ...oauthRoutes,
  ...peopleRoutes,
  ...scimRoutes,
  ...userRoutes,
  ...policyRoutes,
  ...policyHistoryRoutes,
  ...settingsRoutes,
  ...contactRoutes,
  ...userInviteRoutes,
  ...postureRoutes,
  ...serviceRoutes,
  ...logRoutes,
  ...logstreamRoutes,
  ...webhookRoutes,
  ...dnsRoutes,
  ...routingRoutes,
  ...settRoutes,
} as const

export type Routes = typeof routes
export type RouteId = keyof Routes

/** What a handler of a route is given, already checked. */
export interface Input<Id extends RouteId> {
  readonly params: ParamsOf<Routes[Id]>
  readonly query: QueryOf<Routes[Id]>
  readonly headers: HeadersOf<Routes[Id]>
  readonly body: BodyOf<Routes[Id]>
}
export type Reply<Id extends RouteId> = ReplyOf<Routes[Id]>
export type BodyInput<Id extends RouteId> = BodyInputOf<Routes[Id]>
export type QueryInput<Id extends RouteId> = QueryInputOf<Routes[Id]>
export type HeadersInput<Id extends RouteId> = HeadersInputOf<Routes[Id]>
export type Params<Id extends RouteId> = ParamsOf<Routes[Id]>

export const ROUTE_IDS = Object.keys(routes) as readonly RouteId[]
