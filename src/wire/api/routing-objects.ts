/** What a tailnet routes, by which devices, and what waits for somebody to approve it. */

import * as z from 'zod'
import { Time } from './words.ts'

const named = () => ({
  nodeId: z.string(),
  name: z.string().meta({ description: 'First label of its name' }),
})

/** A device that offers a prefix, or may route it. */
export const Router = z
  .object({
    ...named(),
    advertised: z.boolean().meta({ description: 'It offers the prefix' }),
    approved: z.boolean().meta({ description: 'It may route the prefix' }),
    online: z.boolean(),
    healthy: z.boolean().meta({ description: 'Traffic may be sent to it: it is online, answers, and its key is good' }),
    unhealthySince: Time.optional().meta({ description: 'When it was found not to answer, although connected' }),
    primary: z
      .boolean()
      .meta({ description: 'Whoever is not told otherwise by `via` uses this one; never of exit routes' }),
  })
  .meta({ id: 'Router' })
export type Router = z.infer<typeof Router>

/** A prefix and its routers, as they are preferred; behind these, those that do not route it. */
export const Routing = z
  .object({
    prefix: z.string(),
    exitNode: z.boolean().meta({ description: 'It is the whole internet: each device chooses its exit node itself' }),
    primarySince: Time.optional().meta({ description: 'When its primary router took over from another, if it did' }),
    routers: z.array(Router),
  })
  .meta({ id: 'Routing' })
export type Routing = z.infer<typeof Routing>

/** A device with something that waits to be approved. */
export const Approval = z
  .object({
    ...named(),
    user: z.string(),
    tags: z.array(z.string()).optional(),
    os: z.string(),
    created: Time,
    device: z.boolean().meta({ description: 'The device itself waits' }),
    routes: z.array(z.string()).meta({ description: 'Subnets that it offers and may not route' }),
    exitNode: z.boolean().meta({ description: 'It offers to be an exit node and may not' }),
  })
  .meta({ id: 'Approval' })
export type Approval = z.infer<typeof Approval>

export const ROUTING_OBJECTS = { Router, Routing, Approval }
