/** What changes between two policies, as the API tells it. Nodes are their numbers; `nodes` says who they are. */

import * as z from 'zod'

const strings = z.array(z.string())
const kind = <const K extends string>(name: K) => ({ kind: z.literal(name) })
const NodeNumber = z.number().int().meta({ description: 'Number of a device; see `nodes`' })
const some = z.array(NodeNumber).optional().meta({ description: 'Only these devices; absent: all of theirs' })

/** Who sends or is sent to, as people say it. */
const Party = z
  .union([
    z.object(kind('everybody')),
    z.object({ ...kind('user'), login: z.string(), nodes: some }),
    z.object({ ...kind('tags'), tags: strings, nodes: some }),
    z.object({ ...kind('addresses'), ranges: strings }),
    z.object({ ...kind('behind'), node: NodeNumber, ranges: strings }),
    z.object({ ...kind('service'), service: z.string(), node: NodeNumber }),
  ])
  .meta({ id: 'PolicyParty' })

const Ports = z
  .object({
    protocol: z.number().int().meta({ description: '1 stands for both ICMPs' }),
    ports: z.array(z.object({ first: z.number().int(), last: z.number().int() })),
  })
  .meta({ id: 'PortList' })

const sides = {
  from: z.array(Party),
  to: z.array(Party),
  between: z
    .enum(['all', 'own', 'others'])
    .meta({ description: 'Of these pairs all, one person’s own, or the others' }),
  pairs: z.number().int().meta({ description: 'Pairs of devices; 0 where one side is behind routers' }),
}

const Action = z.enum(['accept', 'check']).optional().meta({ description: 'Absent: refused' })

export const PolicyDiff = z
  .object({
    flows: z.array(
      z.object({
        ...sides,
        families: z.array(z.union([z.literal(4), z.literal(6)])),
        opens: z.array(Ports),
        closes: z.array(Ports),
      }),
    ),
    logins: z.array(
      z.object({
        ...sides,
        accounts: z.array(z.object({ account: z.string(), except: strings.optional(), before: Action, after: Action })),
      }),
    ),
    sight: z.array(z.object({ ...sides, sees: z.boolean() })),
    routes: z.array(z.object({ viewers: z.array(Party), node: NodeNumber, route: z.string(), told: z.boolean() })),
    complete: z.boolean().meta({ description: 'False: some is left out, since it is too much' }),
    nodes: z.record(z.string(), z.string()).meta({ description: 'Names of devices, by their numbers' }),
  })
  .meta({ id: 'PolicyDiff' })
export type PolicyDiff = z.infer<typeof PolicyDiff>

export const DIFF_OBJECTS = { PolicyDiff, PolicyParty: Party, PortList: Ports } as const
