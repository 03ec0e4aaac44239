/** What would allow a flow that is refused: edits of the rules that come closest, and the rule that is missing. */

import { formatIp, formatPrefix } from '../../base/ip.ts'
import type { Group, Policy, Selector } from '../policy.ts'
import { isEverything, isInternet, isUsefulRoute } from '../selection.ts'
import { INTERNET } from '../address-set.ts'
import { hasPorts, isIcmp } from '../protocols.ts'
import { portText, protocolName } from '../traffic-text.ts'
import type { Edit, Failing, Remedy } from './explanation.ts'
import { ruleRef } from './rule-ref.ts'
import type { Carrier } from './routes.ts'
import type { Arriving, Way } from './ways.ts'

/** At most this many; more are no help. */
const MOST = 4

/**
 * @param near ways of which something fails, the closest first
 * @param carrier where the flow leaves the tailnet again
 * @param isUntold whoever sends is not told of the carrier's route
 */
export function remediesFor(
  near: readonly Way[],
  flow: Arriving,
  carrier: Carrier | undefined,
  isUntold: boolean,
  groups: Policy['groups'],
): Remedy[] {
  const remedies = new Map<string, Remedy>()
  const add = (edits: readonly Edit[] | undefined): void => {
    if (edits !== undefined) remedies.set(JSON.stringify(edits), { edits })
  }
  if (carrier !== undefined && !isReachable(carrier, flow)) return []
  // A router is told of what it may itself send to, and so has to be a source as well as what is behind it.
  const { own, routers } = flow.from
  const router = isUntold && own === undefined ? routers[0] : undefined
  for (const way of router === undefined ? near : []) {
    if (isUntold && carrier !== undefined && !tells(way, carrier)) continue
    for (const known of [groups, NO_GROUPS]) add(editsOf(way, flow, carrier, known))
    if (remedies.size >= MOST) break
  }
  const sorted = [...remedies.values()]
    .sort((a, b) => a.edits.length - b.edits.length || widens(a) - widens(b))
    .slice(0, MOST)
  const src = [sourceText(flow), ...(router === undefined ? [] : [identityOf(router)])]
  const grant: Edit = { kind: 'add grant', src, dst: targetText(flow, carrier), ip: ipText(flow) }
  return [...sorted, { edits: [grant] }]
}

/** A destination more is one for all sources of a rule, and a source more for all its destinations. */
function widens({ edits }: Remedy): number {
  return edits.filter(({ kind }) => kind === 'add destination').length
}

/** Routes into the range of the nodes' own addresses never become rules, nor does what only looks like the internet. */
function isReachable({ route }: Carrier, { to }: Arriving): boolean {
  return route.bits === 0 ? INTERNET.contains(to) : isUsefulRoute(route)
}

/** Exit routes are told to those only who may send to all of the internet, and other routes not for the internet's sake. */
function tells({ target: { destination }, failing }: Way, { route }: Carrier): boolean {
  if (failing.some(({ kind }) => kind === 'destination')) return true
  if (destination.target.kind === 'any') return true
  return isInternet(destination.target) === (route.bits === 0)
}

/** Absent: no edit of this rule allows it without making another rule of it. */
function editsOf(
  way: Way,
  flow: Arriving,
  carrier: Carrier | undefined,
  groups: Policy['groups'],
): readonly Edit[] | undefined {
  const edits: Edit[] = []
  const fails = (kind: Failing['kind']): boolean => way.failing.some((one) => one.kind === kind)
  if (fails('own') || fails('via')) return undefined
  for (const failing of way.failing) {
    const edit = editOf(failing, way, flow, carrier, groups, fails('destination'))
    if (edit === undefined) return undefined
    edits.push(...edit)
  }
  return edits
}

/** Empty: another edit does this too. */
function editOf(
  failing: Failing,
  { part, target }: Way,
  flow: Arriving,
  carrier: Carrier | undefined,
  groups: Policy['groups'],
  isElsewhere: boolean,
): readonly Edit[] | undefined {
  const rule = ruleRef(part.rule)
  const isAcl = part.rule.kind === 'acl'
  switch (failing.kind) {
    case 'source': {
      const { own } = flow.from
      // Who is on a list of addresses only is not a device of that person's.
      if (part.self && (own === undefined || own.tags.length > 0)) return undefined
      const group = own === undefined || own.tags.length > 0 ? undefined : groupOf(part.rule.sources, groups)
      if (group !== undefined && own !== undefined)
        return [{ kind: 'add to group', login: own.user.login, group: group.name, at: group.at }]
      return [{ kind: 'add source', text: sourceText(flow), rule }]
    }
    case 'destination': {
      // `via` is for what routers carry.
      if (part.self || (part.reach.isVia && carrier === undefined)) return undefined
      // Whoever asks for one flow does not mean to let everybody in.
      if (part.rule.sources.some(isEverything)) return undefined
      if (!isAcl) return [{ kind: 'add destination', text: targetText(flow, carrier), rule }]
      if (!isOfProtocol(target, flow)) return undefined
      const ports = hasPorts(flow.protocol) ? String(flow.port) : '*'
      return [{ kind: 'add destination', text: `${bracketed(targetText(flow, carrier))}:${ports}`, rule }]
    }
    case 'posture':
      return postureEdit(failing)
    case 'port':
      if (!isAcl) return [{ kind: 'add ip', text: ipText(flow), rule }]
      if (isElsewhere) return []
      return [{ kind: 'add port', port: portsOf(flow), destination: target.destination.target.text, rule }]
    case 'protocol':
    case 'no ports':
      return isAcl ? undefined : [{ kind: 'add ip', text: ipText(flow), rule }]
    default:
      return undefined
  }
}

const NO_GROUPS: Policy['groups'] = new Map()

function groupOf(sources: readonly Selector[], groups: Policy['groups']): Group | undefined {
  for (const selector of sources) {
    const group = selector.kind === 'group' ? groups.get(selector.group) : undefined
    if (group !== undefined) return group
  }
  return undefined
}

/** Of an ACL, all destinations are of one protocol. */
function isOfProtocol({ destination }: Way['target'], { protocol }: Arriving): boolean {
  return destination.traffic.some((t) =>
    t.protocol === undefined ? protocol === 6 || protocol === 17 || isIcmp(protocol) : t.protocol === protocol,
  )
}

/** The posture of which the least is missing. */
function postureEdit({ postures }: Extract<Failing, { kind: 'posture' }>): readonly Edit[] | undefined {
  const [least] = postures
    .filter(({ assertions }) => assertions.length > 0)
    .sort((a, b) => a.assertions.length - b.assertions.length)
  if (least === undefined) return undefined
  return [{ kind: 'meet posture', posture: least.posture, assertions: least.assertions.map(({ text }) => text) }]
}

function sourceText({ from: { own, ip } }: Arriving): string {
  return own === undefined ? formatIp(ip) : identityOf(own)
}

/** What is behind a router is its address; through exit nodes the internet as a whole, since nothing less is told of. */
function targetText({ at, to, service }: Arriving, carrier: Carrier | undefined): string {
  if (service !== undefined) return service
  if (carrier === undefined) return identityOf(at)
  return carrier.route.bits === 0 ? 'autogroup:internet' : formatIp(to)
}

function identityOf(node: Arriving['at']): string {
  return node.tags[0] ?? node.user.login
}

function ipText({ protocol, port }: Arriving): string {
  return `${protocolName(protocol)}:${hasPorts(protocol) ? portText({ first: port, last: port }) : '*'}`
}

function portsOf({ protocol, port }: Arriving): string {
  return hasPorts(protocol) ? String(port) : '*'
}

function bracketed(text: string): string {
  return text.includes(':') && /^[0-9a-f:.]+$/.test(text) ? `[${text}]` : text
}

/** A route that waits to be approved. */
export function approval(node: Arriving['at'], route: Carrier['route']): Edit {
  return { kind: 'approve route', node: node.id, route: formatPrefix(route) }
}
