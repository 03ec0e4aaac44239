/** What an administrator should know of a policy, as the API tells it. */

import * as z from 'zod'
import { Place } from './objects.ts'

const RuleAt = z
  .object({
    kind: z
      .enum(['grant', 'acl', 'ssh', 'default'])
      .meta({ description: '`default`: there are neither grants nor acls' }),
    index: z.number().int().meta({ description: 'Its place in its section, from 0' }),
    at: Place,
  })
  .meta({ id: 'RuleAt' })

const names = z.array(z.object({ name: z.string(), at: Place.optional() }))

export const PolicyReport = z
  .object({
    nodes: z.number().int(),
    users: z.number().int(),
    reach: z.object({
      pairs: z.number().int().meta({ description: 'Ordered pairs of two different devices' }),
      openPairs: z.number().int().meta({ description: 'Of these, how many have something open' }),
      portShare: z.number().meta({ description: 'Of all ports of TCP and UDP between all pairs, 0 to 1' }),
      widest: z
        .array(z.object({ login: z.string(), nodes: z.number().int() }))
        .meta({ description: 'Whoever reaches the most devices' }),
      complete: z.boolean().meta({ description: 'False: too large to be counted whole, and the numbers are too low' }),
    }),
    openToAll: z
      .array(
        z.object({
          rule: RuleAt,
          outside: z.boolean().meta({ description: 'Even to addresses outside the tailnet' }),
          opens: z.array(z.string()),
        }),
      )
      .meta({ description: 'Rules that admit everybody' }),
    unreachable: z
      .array(z.object({ rule: RuleAt, lacks: z.enum(['sources', 'destinations']) }))
      .meta({ description: 'Rules that let nobody through as the tailnet is' }),
    redundant: z
      .array(z.object({ rule: RuleAt, by: z.array(RuleAt) }))
      .meta({ description: 'Rules that change nothing, since others allow the same' }),
    unused: z.object({ groups: names, hosts: names, ipsets: names, postures: names, tags: names }),
    ownerless: names.meta({ description: 'Tags that only administrators can assign, since nobody owns them' }),
  })
  .meta({ id: 'PolicyReport' })
export type PolicyReport = z.infer<typeof PolicyReport>

export const REPORT_OBJECTS = { PolicyReport, RuleAt } as const
