/** Which function answers which route: all of them, or it does not compile. */

import type { RouteId } from '../../../wire/api/routes.ts'
import type { Answer } from '../answer.ts'
import type { AnyCall } from '../begin.ts'
import type { Handlers, SelfCall } from '../call.ts'
import type { AnyInput } from '../input.ts'
import { contactHandlers } from './contacts.ts'
import { deviceHandlers } from './devices.ts'
import { dnsHandlers } from './dns.ts'
import { keyHandlers } from './keys.ts'
import { oauthHandlers } from './oauth.ts'
import { logHandlers } from './logs.ts'
import { logstreamHandlers } from './logstreams.ts'
import { peopleHandlers } from './people.ts'
import { policyHandlers } from './policy.ts'
import { policyHistoryHandlers } from './policy-history.ts'
import { postureHandlers } from './posture.ts'
import { serviceHandlers } from './services.ts'
import { routingHandlers } from './routing.ts'
import { scimHandlers } from './scim.ts'
import { settHandlers } from './sett.ts'
import { settingsHandlers } from './settings.ts'
import { userInviteHandlers } from './user-invites.ts'
import { userHandlers } from './users.ts'
import { webhookHandlers } from './webhooks.ts'

const handlers: Handlers = {
  ...deviceHandlers,
  ...keyHandlers,
  ...oauthHandlers,
  ...userHandlers,
  ...peopleHandlers,
  ...scimHandlers,
  ...policyHandlers,
  ...policyHistoryHandlers,
  ...settingsHandlers,
  ...contactHandlers,
  ...userInviteHandlers,
  ...postureHandlers,
  ...serviceHandlers,
  ...logHandlers,
  ...logstreamHandlers,
  ...webhookHandlers,
  ...dnsHandlers,
  ...routingHandlers,
  ...settHandlers,
}

/** The one step that types cannot follow: a call and an input made for `id` go to the handler of `id`. */
export function handlerOf(
  id: RouteId,
): (call: AnyCall | SelfCall, input: AnyInput) => Answer<unknown> | Promise<Answer<unknown>> {
  return handlers[id] as never
}
