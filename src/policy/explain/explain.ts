/**
 * Why a flow is allowed or refused: the rules that let it pass, or those that come closest and what would allow it.
 *
 * The answer is that of the filter at which the flow arrives (verdict.ts): a property test holds the two together. To
 * addresses behind routers one thing is asked besides: that the sender is told of the route.
 */

import { formatIp, formatPrefix } from '../../base/ip.ts'
import type { Family, Ip, Prefix } from '../../base/ip.ts'
import { INTERNET } from '../address-set.ts'
import { Engine } from '../engine.ts'
import { meetsOne } from '../postures.ts'
import { finish, Pace } from '../steps.ts'
import type { Steps } from '../steps.ts'
import type { PolicyNode } from '../tailnet.ts'
import { trafficText } from '../traffic-text.ts'
import { allowing } from '../verdict.ts'
import type { GoesBefore, IsPrimary } from '../visibility.ts'
import type {
  End,
  Explanation,
  FlowExplanation,
  NearMiss,
  Obstacle,
  Passing,
  Question,
  Remedy,
  Subject,
} from './explanation.ts'
import { beyondFlow } from './beyond.ts'
import type { BeyondFlow } from './beyond.ts'
import { isNamed, naming } from './naming.ts'
import type { Sender } from './naming.ts'
import { approval, remediesFor } from './remedies.ts'
import { carries, carriersFor, primaryBy } from './routes.ts'
import type { Carrier } from './routes.ts'
import { ruleRef } from './rule-ref.ts'
import { waysOf } from './ways.ts'
import type { Arriving, Way } from './ways.ts'

/** What the engine doesn't know, and whoever asks may. */
export interface Surroundings {
  /** Which router everybody uses; absent: the one that is there and joined first. */
  readonly isPrimary?: IsPrimary
  /** Which of those that `via` names is used; absent: the one that is there and joined first. */
  readonly goesBefore?: GoesBefore
  /** Routes that are offered and not approved. */
  readonly offered?: readonly { readonly node: PolicyNode; readonly route: Prefix }[]
}

const TCP = 6
const FAMILIES: readonly Family[] = [4, 6]
/** Of ends that stand for many devices, no more pairs than this are explained. */
const MOST_FLOWS = 100
const MOST_NEAR = 5
/** Rules that are looked at in one step: a few milliseconds' worth. */
const LOOKS_PER_STEP = 5000

export function explain(engine: Engine, question: Question, around: Surroundings = {}): Explanation {
  return finish(explainInSteps(engine, question, around))
}

/** The same in steps. */
export function* explainInSteps(engine: Engine, question: Question, around: Surroundings = {}): Steps<Explanation> {
  const pace = new Pace(LOOKS_PER_STEP)
  const looks = engine.access.parts.length
  const protocol = question.protocol ?? TCP
  const isPrimary = around.isPrimary ?? primaryBy(engine)
  const asked = { protocol, port: question.port }
  const flows: FlowExplanation[] = []
  const verdicts = new Set<boolean>()
  let omitted = 0
  const [sources, ends] = [endsOf(engine, question.src), endsOf(engine, question.dst)]
  const missing = [
    ...(sources.length === 0 ? (['src'] as const) : []),
    ...(ends.length === 0 ? (['dst'] as const) : []),
  ]
  for (const from of sources)
    for (const to of ends) {
      const families = FAMILIES.filter((family) => from[family] !== undefined && to[family] !== undefined)
      const isBeyond = flows.length >= MOST_FLOWS
      if (pace.spent()) yield
      if (isBeyond) omitted++
      // Both verdicts are known: nothing is left to find out.
      if (isBeyond && verdicts.size === 2) continue
      const both: FlowExplanation[] = []
      for (const family of families) {
        const scene = { engine, around, isPrimary, asked, from: from[family] as Ip, to: to[family] as Ip }
        const found = settle(scene)
        verdicts.add(found.allowed)
        if (pace.spent(looks)) yield
        if (!isBeyond) both.push(yield* describe(scene, found))
      }
      for (const flow of merged(both)) flows.push(flow)
    }
  const verdict = verdicts.size === 2 ? 'in part' : verdicts.has(true) ? 'allowed' : 'refused'
  return { protocol, port: question.port, verdict, flows, omitted, ...(missing.length === 0 ? {} : { missing }) }
}

type Addresses = Partial<Record<Family, Ip>>

function endsOf(engine: Engine, subject: Subject): Addresses[] {
  if (subject.kind === 'address') return [{ [subject.ip.family]: subject.ip }]
  if (subject.kind === 'node') return [bothOf(subject.node)]
  const isMeant = ({ tags, user }: PolicyNode): boolean =>
    subject.kind === 'tag'
      ? tags.includes(subject.tag)
      : tags.length === 0 && user.login.toLowerCase() === subject.login.toLowerCase()
  return [...engine.selection.all(), ...engine.sharees.devices].filter(isMeant).map(bothOf)
}

function bothOf({ ipv4, ipv6 }: PolicyNode): Addresses {
  return { 4: ipv4, 6: ipv6 }
}

interface Scene {
  readonly engine: Engine
  readonly around: Surroundings
  readonly isPrimary: IsPrimary
  readonly asked: Pick<Arriving, 'protocol' | 'port'>
  readonly from: Ip
  readonly to: Ip
}

/** Where the flow arrives, if anywhere, and what is said to it there. */
interface Settled {
  readonly sender: Sender
  readonly owner: PolicyNode | undefined
  readonly carrier: Carrier | undefined
  /** There is somebody who would send it, and who isn't told of the route. */
  readonly isUntold: boolean
  /** Whoever sends carries the address itself, so that nobody else is asked. */
  readonly isItself: boolean
  readonly arriving: Arriving | undefined
  /** Where one end is no node of the tailnet's own. */
  readonly beyond?: BeyondFlow
  readonly allowed: boolean
}

function settle({ engine, around, isPrimary, asked, from, to }: Scene): Settled {
  const own = engine.selection.at(from)
  const owner = engine.selection.at(to)
  // What comes through a subnet router is sent on by the router, by the routes that it is told of.
  const routers = own === undefined ? routersOf(engine, from) : []
  const sender = { ip: from, own, routers }
  const at = (node: PolicyNode): Arriving => ({ from: sender, to, at: node, ...asked })
  const passes = (node: PolicyNode): boolean => allowing(engine.access, node, { from, to, ...asked }).length > 0
  const nowhere = { sender, owner, carrier: undefined, isUntold: false, isItself: false, arriving: undefined }
  const beyond = beyondFlow(engine, sender, { from, to, ...asked }, passes)
  if (beyond !== undefined) {
    const { carrier, service } = beyond
    const arriving = beyond.at && { ...at(beyond.at), from: beyond.sender, ...(service && { service: service.name }) }
    const allowed = beyond.obstacles.length === 0 && beyond.at !== undefined && passes(beyond.at)
    return { ...nowhere, sender: beyond.sender, carrier, arriving, beyond, allowed }
  }
  if (owner !== undefined) {
    const arriving = at(owner)
    return { ...nowhere, arriving, allowed: passes(owner) }
  }
  const viewers = own === undefined ? routers : [own]
  const carriers = carriersFor(engine, viewers, to, isPrimary, around.goesBefore)
  const narrowest = carriers.filter(({ route }) => route.bits === carriers[0]?.route.bits)
  const carrier = narrowest.find(({ node }) => passes(node)) ?? narrowest[0]
  if (carrier === undefined) return { ...nowhere, allowed: false }
  const isItself = viewers.includes(carrier.node)
  const isUntold = viewers.length > 0 && !carrier.told && !isItself
  const allowed = !isUntold && passes(carrier.node)
  return { sender, owner, carrier, isUntold, isItself, arriving: at(carrier.node), allowed }
}

/** Those who carry the address as one of a subnet. */
function routersOf({ selection }: Engine, ip: Ip): PolicyNode[] {
  return [...selection.all()].filter(({ routes }) => routes.some((route) => route.bits > 0 && carries(route, ip)))
}

function* describe(scene: Scene, settled: Settled): Steps<FlowExplanation> {
  const { engine, from, to } = scene
  const { sender, owner, carrier, arriving, beyond, allowed } = settled
  const ways = arriving === undefined ? [] : waysOf(engine, arriving)
  const near = allowed ? [] : closest(ways)
  const obstacles = allowed ? [] : obstaclesTo(scene, settled)
  return {
    from: end(from, sender.own),
    to: end(to, owner),
    allowed,
    ...(carrier === undefined
      ? {}
      : {
          through: {
            node: carrier.node.id,
            route: formatPrefix(carrier.route),
            exit: carrier.route.bits === 0,
          },
        }),
    ...(beyond?.service === undefined ? {} : { service: serviceEnd(beyond.service.name, beyond.at) }),
    by: ways.flatMap((way) =>
      allowed && way.failing.length === 0 ? [passing(engine, way, arriving as Arriving)] : [],
    ),
    obstacles,
    near: nearest(near).map((way) => nearMiss(engine, way)),
    remedies: allowed ? [] : yield* remedies(scene, settled, near),
  }
}

function serviceEnd(name: string, host: PolicyNode | undefined): NonNullable<FlowExplanation['service']> {
  return { name, ...(host === undefined ? {} : { host: host.id }) }
}

function end(ip: Ip, node: PolicyNode | undefined): End {
  return { addresses: [formatIp(ip)], ...(node === undefined ? {} : { node: node.id }) }
}

function passing({ policy }: Engine, { part, target }: Way, { from, to, at, service }: Arriving): Passing {
  const { sources, rule } = part
  const { own } = from
  // What means the same in several rules is one object, with the place in the first; these have their own places.
  const named = rule.sources.filter((_, i) => {
    const selected = sources.selected[i]
    if (selected === undefined) return false
    return part.self ? own !== undefined && selected.nodes.has(own.slot) : isNamed(selected, from)
  })
  const posture =
    own === undefined || from.shared !== undefined
      ? undefined
      : sources.postures.find((name) => meetsOne(policy, [name], own.attributes))
  return {
    rule: ruleRef(rule, policy.allowAll),
    source: named.map((selector) => naming(policy, selector, from.ip, own)),
    destination: naming(policy, target.destination.target, to, at, service),
    traffic: trafficText(target.destination.traffic),
    ...(posture === undefined ? {} : { posture }),
    via: rule.via.filter((tag) => at.tags.includes(tag)),
    own: part.self,
  }
}

/** How far from met each condition is. */
const DISTANCE = {
  port: 1,
  protocol: 2,
  'no ports': 2,
  posture: 3,
  via: 4,
  own: 4,
  source: 5,
  destination: 6,
} as const

/** Rules of which neither end fits have nothing to do with the flow. */
function closest(ways: readonly Way[]): Way[] {
  const near = ways.filter(
    ({ failing }) => failing.length > 0 && !(fails(failing, 'source') && fails(failing, 'destination')),
  )
  const distance = ({ failing }: Way): number => failing.reduce((sum, { kind }) => sum + DISTANCE[kind], 0)
  return near.sort((a, b) => a.failing.length - b.failing.length || distance(a) - distance(b))
}

/** Those of which hardly more fails than of the closest. */
function nearest(near: readonly Way[]): readonly Way[] {
  const least = near[0]?.failing.length ?? 0
  return near.filter(({ failing }) => failing.length <= least + 1).slice(0, MOST_NEAR)
}

function fails(failing: Way['failing'], kind: Way['failing'][number]['kind']): boolean {
  return failing.some((one) => one.kind === kind)
}

function nearMiss({ policy }: Engine, { part, target, failing }: Way): NearMiss {
  const { target: selector } = target.destination
  return {
    rule: ruleRef(part.rule, policy.allowAll),
    destination: selector.text,
    at: selector.at,
    failing,
  }
}

function obstaclesTo(
  { around, to }: Scene,
  { carrier, isUntold, isItself, owner, beyond }: Settled,
): readonly Obstacle[] {
  if (beyond !== undefined) return beyond.obstacles
  if (owner !== undefined) return []
  const obstacles: Obstacle[] = []
  if (carrier === undefined) obstacles.push({ kind: 'no route', address: formatIp(to), exit: INTERNET.contains(to) })
  if (carrier === undefined)
    for (const { node, route } of waiting(around, to))
      obstacles.push({ kind: 'not approved', node: node.id, route: formatPrefix(route) })
  if (carrier !== undefined) {
    const { node, route } = carrier
    if (isItself) obstacles.push({ kind: 'itself', node: node.id, route: formatPrefix(route) })
    if (!isUntold) return obstacles
    obstacles.push({ kind: 'not told', node: node.id, route: formatPrefix(route), exit: route.bits === 0 })
  }
  return obstacles
}

function waiting({ offered = [] }: Surroundings, to: Ip): NonNullable<Surroundings['offered']> {
  return offered.filter(({ route }) => carries(route, to)).sort((a, b) => b.route.bits - a.route.bits)
}

function* remedies(scene: Scene, settled: Settled, near: readonly Way[]): Steps<Remedy[]> {
  // Any rule would take away what the policy allows by having none.
  if (scene.engine.policy.allowAll) return []
  const { arriving, carrier, isUntold, isItself, beyond } = settled
  // Groups are of people of one's own tailnet.
  const groups = beyond?.sender.shared === undefined ? scene.engine.policy.groups : new Map<string, never>()
  if (isItself || (beyond !== undefined && beyond.obstacles.length > 0)) return []
  if (arriving !== undefined) return remediesFor(near, arriving, carrier, isUntold, groups)
  const found: Remedy[] = []
  for (const { node, route } of waiting(scene.around, scene.to)) {
    const edit = approval(node, route)
    // As it would be: with the route, is there anything else that fails?
    const nodes = [...scene.engine.selection.all()].map((one) =>
      one.id === node.id ? { ...one, routes: [...one.routes, route] } : one,
    )
    const engine = yield* Engine.building(scene.engine.policy, nodes, scene.engine.beyond)
    const then = settle({ ...scene, engine, isPrimary: primaryBy(engine) })
    if (then.allowed) found.push({ edits: [edit] })
    if (then.allowed || then.arriving === undefined) continue
    const ways = closest(waysOf(engine, then.arriving))
    const others = remediesFor(ways, then.arriving, then.carrier, then.isUntold, groups)
    for (const { edits } of others) found.push({ edits: [edit, ...edits] })
  }
  return found
}

/** One explanation where both families have the same. */
function merged(both: readonly FlowExplanation[]): readonly FlowExplanation[] {
  const [v4, v6] = both
  if (v4 === undefined || v6 === undefined || bodyOf(v4) !== bodyOf(v6)) return both
  const join = (a: End, b: End): End => ({ ...a, addresses: [...a.addresses, ...b.addresses] })
  return [{ ...v4, from: join(v4.from, v6.from), to: join(v4.to, v6.to) }]
}

function bodyOf({ from, to, ...body }: FlowExplanation): string {
  return JSON.stringify([from.node, to.node, body])
}
