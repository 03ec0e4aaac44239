/** Why a flow is allowed or refused, as the API tells it. Nodes are their numbers; `nodes` says who they are. */

import * as z from 'zod'
import { Place } from './objects.ts'

const strings = z.array(z.string())
const text = z.string()
const kind = <const K extends string>(name: K) => ({ kind: z.literal(name) })
const NodeNumber = z.number().int().meta({ description: 'Number of a device; see `nodes`' })

const RuleRef = z
  .object({
    kind: z.enum(['grant', 'acl', 'default']).meta({ description: '`default`: there are neither grants nor acls' }),
    index: z.number().int().meta({ description: 'Its place in its section, from 0' }),
    at: Place,
  })
  .meta({ id: 'RuleRef' })

const Fact = z
  .union([
    z.object(kind('any')),
    z.object({ ...kind('user'), login: text }),
    z.object({ ...kind('domain'), login: text, domain: text }),
    z.object({ ...kind('group'), login: text, group: text, at: Place }),
    z.object({ ...kind('synced-group'), login: text, group: text }),
    z.object({ ...kind('tag'), tag: text }),
    z.object({ ...kind('autogroup'), autogroup: text, login: text.optional() }),
    z.object({ ...kind('prefix'), address: text, prefix: text, host: text.optional(), at: Place.optional() }),
    z.object({ ...kind('ipset'), address: text, ipset: text, at: Place.optional() }),
    z.object({ ...kind('service'), service: text }),
    z.object({ ...kind('other'), text }),
  ])
  .meta({ id: 'NamingFact' })

const Naming = z.object({ text, at: Place, why: Fact }).meta({ id: 'Naming' })

const Passing = z
  .object({
    rule: RuleRef,
    source: z.array(Naming),
    destination: Naming,
    traffic: text,
    posture: text.optional(),
    via: strings,
    own: z.boolean(),
  })
  .meta({ id: 'PassingRule' })

const UnmetPosture = z
  .object({
    posture: text,
    at: Place,
    assertions: z.array(
      z.object({
        text,
        at: Place,
        attribute: text,
        value: z.union([z.string(), z.number(), z.boolean()]).optional(),
      }),
    ),
  })
  .meta({ id: 'UnmetPosture' })

const Failing = z
  .union([
    z.object(kind('source')),
    z.object(kind('own')),
    z.object({ ...kind('posture'), postures: z.array(UnmetPosture) }),
    z.object(kind('destination')),
    z.object({ ...kind('via'), tags: strings }),
    z.object({ ...kind('protocol'), traffic: text }),
    z.object({ ...kind('port'), traffic: text }),
    z.object(kind('no ports')),
  ])
  .meta({ id: 'FailingPart' })

const NearMiss = z
  .object({ rule: RuleRef, destination: text, at: Place, failing: z.array(Failing) })
  .meta({ id: 'NearMiss' })

const Obstacle = z
  .union([
    z.object({ ...kind('no route'), address: text, exit: z.boolean() }),
    z.object({ ...kind('not approved'), node: NodeNumber, route: text }),
    z.object({ ...kind('itself'), node: NodeNumber, route: text }),
    z.object({ ...kind('not told'), node: NodeNumber, route: text, exit: z.boolean() }),
    z.object({ ...kind('from service'), service: text }),
    z.object({ ...kind('no host'), service: text }),
    z.object({ ...kind('own service'), service: text }),
    z.object({ ...kind('not offered'), service: text, ports: text }),
    z.object({ ...kind('not shared'), node: NodeNumber.optional(), login: text }),
    z.object({ ...kind('one way'), login: text }),
  ])
  .meta({ id: 'Obstacle' })

const Edit = z
  .union([
    z.object({ ...kind('approve route'), node: NodeNumber, route: text }),
    z.object({ ...kind('add to group'), login: text, group: text, at: Place }),
    z.object({ ...kind('add source'), text, rule: RuleRef }),
    z.object({ ...kind('add destination'), text, rule: RuleRef }),
    z.object({ ...kind('add port'), port: text, destination: text, rule: RuleRef }),
    z.object({ ...kind('add ip'), text, rule: RuleRef }),
    z.object({ ...kind('meet posture'), posture: text, assertions: strings }),
    z.object({ ...kind('add grant'), src: strings, dst: text, ip: text }),
  ])
  .meta({ id: 'PolicyEdit' })

const FlowEnd = z.object({ addresses: strings, node: NodeNumber.optional() }).meta({ id: 'FlowEnd' })

const FlowExplanation = z
  .object({
    from: FlowEnd,
    to: FlowEnd,
    allowed: z.boolean(),
    through: z.object({ node: NodeNumber, route: text, exit: z.boolean() }).optional(),
    service: z
      .object({ name: text, host: NodeNumber.optional() })
      .optional()
      .meta({ description: 'Whose address it goes to' }),
    by: z.array(Passing),
    obstacles: z.array(Obstacle),
    near: z.array(NearMiss),
    remedies: z.array(z.object({ edits: z.array(Edit) })),
  })
  .meta({ id: 'FlowExplanation' })

export const Explanation = z
  .object({
    protocol: z.number().int(),
    port: z.number().int(),
    verdict: z.enum(['allowed', 'refused', 'in part']),
    flows: z.array(FlowExplanation),
    omitted: z.number().int().meta({ description: 'Further flows, which count for the verdict and are not explained' }),
    missing: z
      .array(z.enum(['src', 'dst']))
      .optional()
      .meta({ description: 'Ends at which there is no device, so that there are no flows' }),
    nodes: z.record(z.string(), z.string()).meta({ description: 'Names of devices, by their numbers' }),
  })
  .meta({ id: 'PolicyExplanation' })
export type Explanation = z.infer<typeof Explanation>

/** Those that others are made of; the document has each once. */
export const EXPLAIN_OBJECTS = {
  PolicyExplanation: Explanation,
  FlowExplanation,
  FlowEnd,
  PolicyEdit: Edit,
  Obstacle,
  NearMiss,
  FailingPart: Failing,
  UnmetPosture,
  PassingRule: Passing,
  Naming,
  NamingFact: Fact,
  RuleRef,
} as const
