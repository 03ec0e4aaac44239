/**
 * Each way in which a rule could let a flow pass, with all of its conditions looked at one by one: what verdict.ts
 * answers with yes or no. A way on which nothing fails is one by which the flow passes, and no other is.
 */

import type { Ip } from '../../base/ip.ts'
import type { Part, Target } from '../access.ts'
import type { Engine } from '../engine.ts'
import { holds, meetsOne } from '../postures.ts'
import type { PolicyNode } from '../tailnet.ts'
import { trafficText } from '../traffic-text.ts'
import { isFor, matchesTraffic } from '../verdict.ts'
import type { Failing, UnmetPosture } from './explanation.ts'
import { isNamed, isRouted } from './naming.ts'
import type { Sender } from './naming.ts'

/** TCP and UDP, of which ports are meant that are written without a protocol. (policy.md §4) */
const UNNAMED: ReadonlySet<number> = new Set([6, 17])

/** A flow, and the node at which it arrives. */
export interface Arriving {
  readonly from: Sender
  readonly to: Ip
  readonly at: PolicyNode
  /** The Service whose address `to` is. */
  readonly service?: string
  readonly protocol: number
  readonly port: number
}

export interface Way {
  readonly part: Part
  readonly target: Target
  readonly failing: readonly Failing[]
}

/** Every way there is, in the order of the policy. */
export function waysOf(engine: Engine, flow: Arriving): Way[] {
  return engine.access.parts.flatMap((part) => {
    const sender = failingOfSender(engine, part, flow)
    return part.targets.map((target) => ({
      part,
      target,
      failing: [...sender, ...failingOfTarget(part, target, flow), ...failingOfTraffic(target, flow)],
    }))
  })
}

function failingOfSender(engine: Engine, part: Part, { from, at }: Arriving): Failing[] {
  const failing: Failing[] = []
  const { own } = from
  const { selected, postures } = part.sources
  if (from.shared !== undefined) {
    if (part.self) return [{ kind: 'own' }]
    return selected.some((one) => isNamed(one, from)) ? [] : [{ kind: 'source' }]
  }
  const named = part.self
    ? own !== undefined && selected.some(({ nodes }) => nodes.has(own.slot))
    : selected.some((one) => isNamed(one, from))
  if (!named) failing.push({ kind: 'source' })
  if (part.self && (own === undefined || !engine.selection.devicesOfOwner(at).has(own.slot)))
    failing.push({ kind: 'own' })
  if (postures.length === 0) return failing
  // A posture is asked of devices; of others nothing is asked that come in through a subnet router.
  const isMet =
    own !== undefined
      ? meetsOne(engine.policy, postures, own.attributes)
      : named
        ? part.sources.includes(from.ip)
        : isRouted(from)
  if (!isMet) failing.push({ kind: 'posture', postures: postures.flatMap((name) => unmet(engine, name, own)) })
  return failing
}

function unmet({ policy }: Engine, name: string, own: PolicyNode | undefined): UnmetPosture[] {
  const posture = policy.postures.get(name)
  if (posture === undefined) return []
  const assertions = own === undefined ? [] : posture.assertions.filter((a) => !holds(a, own.attributes))
  return [
    {
      posture: name,
      at: posture.at,
      assertions: assertions.map(({ text, at, attribute }) => {
        const value = own?.attributes.get(attribute)
        return { text, at, attribute, ...(value === undefined ? {} : { value }) }
      }),
    },
  ]
}

function failingOfTarget({ rule, reach }: Part, target: Target, { to, at }: Arriving): Failing[] {
  const failing: Failing[] = []
  if (!reach.leads(target, at) || !isFor(target, at, to)) failing.push({ kind: 'destination' })
  if (reach.isVia && !rule.via.some((tag) => at.tags.includes(tag))) failing.push({ kind: 'via', tags: rule.via })
  return failing
}

function failingOfTraffic(target: Target, flow: Arriving): Failing[] {
  const { traffic } = target.destination
  if (matchesTraffic(target, flow)) return []
  if (traffic.length === 0) return [{ kind: 'no ports' }]
  const listed = traffic.some(({ protocol }) =>
    protocol === undefined ? UNNAMED.has(flow.protocol) : protocol === flow.protocol,
  )
  return [{ kind: listed ? 'port' : 'protocol', traffic: trafficText(traffic) }]
}
