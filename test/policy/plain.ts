/**
 * Reads a checked policy as a person would: rule by rule, one node and one address at a time, with nothing prepared
 * and nothing remembered. Slow, and short enough to be checked against policy.md by eye; the engine has to agree.
 *
 * Shares types with the engine, and no code. Who logs in where is plain-ssh.ts; Services and sharees are plain-beyond.ts.
 */

import { formatPrefix, prefix, prefixContains, prefixOf, rangeOf } from '../../src/base/ip.ts'
import type { Ip, Prefix } from '../../src/base/ip.ts'
import type {
  AccessRule,
  Assertion,
  AttributeValue,
  Destination,
  IpSetStep,
  Policy,
  Selector,
} from '../../src/policy/policy.ts'
import type { PolicyNode, PolicyTailnet, PolicyUser } from '../../src/policy/tailnet.ts'
import { hostedBy, isHost, isSame, isServiceNamed, serviceAt, sharedTo, shareeAt, trafficTo } from './plain-beyond.ts'
import type { PlainSharee } from './plain-beyond.ts'

/** The first packet of a flow, and the node at which it arrives. */
export interface PlainFlow {
  readonly from: Ip
  readonly to: Ip
  readonly protocol: number
  readonly port: number
  readonly at: PolicyNode
}

/** Values by capability; `null`: the name says it all. */
export type PlainCaps = Map<string, unknown[] | null>

// Who is meant (policy.md §3)

export function isUser(policy: Policy, selector: Selector, user: PolicyUser): boolean {
  const login = user.login.toLowerCase()
  if (selector.kind === 'user') return selector.login.toLowerCase() === login
  if (selector.kind === 'domain') return login.endsWith(`@${selector.domain.toLowerCase()}`)
  if (selector.kind === 'group')
    return policy.groups.get(selector.group)?.members.some((member) => isUser(policy, member, user)) ?? false
  if (selector.kind !== 'autogroup') return false
  if (selector.autogroup === 'member') return true
  if (selector.autogroup === 'admin') return user.role === 'admin' || user.role === 'owner'
  return selector.autogroup === user.role
}

/** Does the selector mean this node for what it is, whatever its addresses are? */
export function isNamed(policy: Policy, selector: Selector, node: PolicyNode): boolean {
  if (selector.kind === 'any') return true
  if (selector.kind === 'tag') return node.tags.includes(selector.tag)
  if (selector.kind === 'autogroup' && selector.autogroup === 'tagged') return node.tags.length > 0
  return node.tags.length === 0 && isUser(policy, selector, node.user)
}

export function isAutogroup(selector: Selector, name: string): boolean {
  return selector.kind === 'autogroup' && selector.autogroup === name
}

/** Not each user's own. */
function isForMany(target: Selector): boolean {
  return !isAutogroup(target, 'self')
}

export function sameUser(a: PolicyNode, b: PolicyNode): boolean {
  return a.tags.length === 0 && b.tags.length === 0 && a.user.id === b.user.id
}

// Addresses (policy.md §9, §15.6)

const NOT_INTERNET = ['10.0.0.0/8', '100.64.0.0/10', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16'].map(prefix)
const PUBLIC_IPV6 = prefix('2000::/3')
const CGNAT = prefix('100.64.0.0/10')
const CHROMEOS = prefix('100.115.92.0/23')
const ULA = prefix('fd7a:115c:a1e0::/48')
const SITES = prefix('fd7a:115c:a1e0:b1a::/64')
const LOOPBACK = [prefix('127.0.0.0/8'), prefix('::1/128')]

function isPublic(ip: Ip): boolean {
  return ip.family === 6 ? prefixContains(PUBLIC_IPV6, ip) : !NOT_INTERNET.some((p) => prefixContains(p, ip))
}

/** May a node have this address? */
function isNodeAddress(ip: Ip): boolean {
  return (prefixContains(CGNAT, ip) && !prefixContains(CHROMEOS, ip)) || prefixContains(ULA, ip)
}

/** Does the selector name addresses rather than nodes? */
function isOfAddresses(selector: Selector): boolean {
  return selector.kind === 'prefix' || selector.kind === 'ipset' || isAutogroup(selector, 'internet')
}

/** Is the address written in the selector? */
function isWritten(policy: Policy, selector: Selector, ip: Ip): boolean {
  if (selector.kind === 'prefix') return prefixContains(selector.prefix, ip)
  if (selector.kind === 'ipset') return isInIpset(policy, selector.ipset, ip)
  return isAutogroup(selector, 'internet') && isPublic(ip)
}

/** The last step that is about the address decides. */
function isInIpset(policy: Policy, name: string, ip: Ip): boolean {
  let is = false
  for (const { op, target } of policy.ipsets.get(name) ?? []) if (isAbout(policy, target, ip)) is = op === 'add'
  return is
}

function isAbout(policy: Policy, target: IpSetStep['target'], ip: Ip): boolean {
  if (target.kind === 'prefix') return prefixContains(target.prefix, ip)
  if (target.kind === 'range') return target.family === ip.family && target.first <= ip.value && ip.value <= target.last
  return target.kind === 'internet' ? isPublic(ip) : isInIpset(policy, target.ipset, ip)
}

/** Is some address of the range written in the selector? It is enough to look where something begins or ends. */
function isPartlyWritten(policy: Policy, selector: Selector, range: Prefix): boolean {
  const { family } = range.ip
  const edges = [rangeOf(range)[0], ...edgesOf(policy, selector)]
  return edges.some(
    (value) => prefixContains(range, { family, value }) && isWritten(policy, selector, { family, value }),
  )
}

function edgesOf(policy: Policy, selector: Selector): bigint[] {
  if (selector.kind === 'prefix') return [rangeOf(selector.prefix)[0]]
  if (selector.kind === 'ipset') return edgesOfIpset(policy, selector.ipset)
  return edgesOfInternet()
}

function edgesOfIpset(policy: Policy, name: string): bigint[] {
  return (policy.ipsets.get(name) ?? []).flatMap(({ target }) => {
    if (target.kind === 'prefix') return [rangeOf(target.prefix)[0], rangeOf(target.prefix)[1] + 1n]
    if (target.kind === 'range') return [target.first, target.last + 1n]
    return target.kind === 'internet' ? edgesOfInternet() : edgesOfIpset(policy, target.ipset)
  })
}

function edgesOfInternet(): bigint[] {
  return [0n, ...[...NOT_INTERNET, PUBLIC_IPV6].flatMap((p) => [rangeOf(p)[0], rangeOf(p)[1] + 1n])]
}

// Subnets behind routers (policy.md §15.8)

function isExit(route: Prefix): boolean {
  return route.bits === 0
}

/** Routes to where nodes themselves or the machine itself are never mean anything. */
function isUseful(route: Prefix): boolean {
  return !isExit(route) && ![CGNAT, ...LOOPBACK].some((p) => p.bits <= route.bits && prefixContains(p, route.ip))
}

/** Could a packet from here have come in through somebody's subnet router? */
function isBehindRouter(tailnet: PolicyTailnet, ip: Ip): boolean {
  return tailnet.nodes.some(({ routes }) => routes.some((route) => !isExit(route) && prefixContains(route, ip)))
}

// Postures (policy.md §12)

/** None asked for: met. */
export function meets(policy: Policy, postures: readonly string[], node: PolicyNode): boolean {
  if (postures.length === 0) return true
  return postures.some((name) => policy.postures.get(name)?.assertions.every((a) => holds(a, node)))
}

function holds(assertion: Assertion, node: PolicyNode): boolean {
  const { attribute } = assertion
  const value = node.attributes.get(attribute)
  if (assertion.op === 'NOT SET') return value === undefined
  if (value === undefined) return false
  if (assertion.op === 'IS SET') return true
  if (assertion.op === 'IN') return assertion.values.some((v) => order(attribute, value, v) === 'same')
  if (assertion.op === 'NOT IN') return assertion.values.every((v) => order(attribute, value, v) !== 'same')
  const is = order(attribute, value, (assertion as Extract<Assertion, { value: unknown }>).value)
  if (assertion.op === '==') return is === 'same'
  if (assertion.op === '!=') return is !== 'same'
  if (assertion.op === '<') return is === 'below'
  if (assertion.op === '<=') return is === 'below' || is === 'same'
  if (assertion.op === '>') return is === 'above'
  return is === 'above' || is === 'same'
}

function order(attribute: string, a: AttributeValue, b: AttributeValue): 'below' | 'same' | 'above' | 'none' {
  if (attribute === 'node:osVersion' || attribute === 'node:tsVersion') {
    const [x, y] = [`${a}`.split('-')[0]?.split('.') ?? [], `${b}`.split('-')[0]?.split('.') ?? []]
    while (x.length > 0 || y.length > 0) {
      const [i, j] = [Number(x.shift() ?? 0), Number(y.shift() ?? 0)]
      if (i !== j) return i < j ? 'below' : 'above'
    }
    return 'same'
  }
  if (a === b) return 'same'
  if (typeof a !== 'number' || typeof b !== 'number') return 'none'
  return a < b ? 'below' : 'above'
}

// Both sides of a rule (policy.md §5, §6, §15)

/** In the order in which they count; a policy that says nothing of access allows all of it. (policy.md §2) */
function rulesOf(policy: Policy): readonly Pick<AccessRule, 'sources' | 'destinations' | 'app' | 'via' | 'postures'>[] {
  if (!policy.allowAll) return policy.rules
  const at = { line: 1, column: 1 }
  const any: Selector = { kind: 'any', text: '*', at }
  const traffic = [{ ports: [{ first: 0, last: 65535 }] }]
  return [{ sources: [any], destinations: [{ target: any, traffic }], app: new Map(), via: [], postures: [] }]
}

/** May a packet from this address be one of those that the sources name? Devices alone are asked for postures. */
function isSource(
  policy: Policy,
  tailnet: PolicyTailnet,
  sources: readonly Selector[],
  postures: readonly string[],
  ip: Ip,
): boolean {
  const device = tailnet.nodes.find(({ ipv4, ipv6 }) => [ipv4, ipv6].some((own) => isSame(own, ip)))
  const named = sources.some((selector) => {
    if (isOfAddresses(selector)) return isWritten(policy, selector, ip)
    if (isAutogroup(selector, 'danger-all')) return true
    if (selector.kind === 'any') return isNodeAddress(ip) || isBehindRouter(tailnet, ip)
    return device !== undefined && isNamed(policy, selector, device)
  })
  if (!named || postures.length === 0) return named
  if (device !== undefined) return meets(policy, postures, device)
  return isBehindRouter(tailnet, ip) && (!isNodeAddress(ip) || prefixContains(SITES, ip))
}

/** Does some address of the node itself make it a source? */
function isSender(policy: Policy, tailnet: PolicyTailnet, rule: Sided, node: PolicyNode): boolean {
  return [node.ipv4, node.ipv6].some((ip) => isSource(policy, tailnet, rule.sources, rule.postures, ip))
}

/** Is something behind the node a source? Then those whom it may send to must know the node. */
function sendsForOthers(policy: Policy, rule: Sided, node: PolicyNode): boolean {
  return node.routes.some((route) => isUseful(route) && isRouteSource(policy, rule, route))
}

function isRouteSource(policy: Policy, { sources }: Sided, route: Prefix): boolean {
  return sources.some((selector) => {
    if (selector.kind === 'any' || isAutogroup(selector, 'danger-all')) return true
    return isOfAddresses(selector) && isPartlyWritten(policy, selector, route)
  })
}

type Sided = Pick<AccessRule, 'sources' | 'postures'>

/** Does the route lead to something that the target names? Exit nodes lead to what is public. */
function isOnRoute(policy: Policy, target: Selector, route: Prefix): boolean {
  if (!isOfAddresses(target)) return false
  if (isExit(route)) return edgesAreIn(policy, target, route)
  return !isAutogroup(target, 'internet') && isUseful(route) && isPartlyWritten(policy, target, route)
}

/** Is something of the target, of the family of the route, in the internet? */
function edgesAreIn(policy: Policy, target: Selector, { ip: { family } }: Prefix): boolean {
  const top = 1n << (family === 4 ? 32n : 128n)
  return [...edgesOf(policy, target), ...edgesOfInternet()]
    .filter((value) => value < top)
    .some((value) => isPublic({ family, value }) && isWritten(policy, target, { family, value }))
}

type Ruled = Pick<AccessRule, 'app' | 'via'>

/** Is the rule, as far as it is about this destination, one for this node? (policy.md §15.4, §15.5, §15.7, §15.10) */
function leadsTo(
  policy: Policy,
  tailnet: PolicyTailnet,
  rule: Ruled,
  destination: Destination,
  node: PolicyNode,
): boolean {
  const { target } = destination
  const hosted = hostedBy(tailnet, node)
  // Who would be let in to nothing at all is not led there.
  const serves = hosted.some(
    (service) => isServiceNamed(target, service) && (rule.app.size > 0 || trafficTo(destination, service).length > 0),
  )
  const routed =
    serves ||
    (target.kind === 'any'
      ? node.routes.length > 0 || hosted.length > 0
      : node.routes.some((route) => isOnRoute(policy, target, route)) ||
        hosted.some(({ ipv4, ipv6 }) => [ipv4, ipv6].some((ip) => isWritten(policy, target, ip))))
  if (rule.via.length > 0) return rule.via.some((tag) => node.tags.includes(tag)) && routed
  if (isAutogroup(target, 'self')) return node.tags.length === 0
  if (isAutogroup(target, 'internet')) return routed
  if (isOfAddresses(target)) return routed || [node.ipv4, node.ipv6].some((ip) => isWritten(policy, target, ip))
  return serves || isNamed(policy, target, node)
}

/** Do packets to this address, at a node that the destination leads to, go where it says? */
function isTarget(policy: Policy, tailnet: PolicyTailnet, { target }: Destination, node: PolicyNode, to: Ip): boolean {
  if (target.kind === 'any') return true
  if (isOfAddresses(target)) return isWritten(policy, target, to)
  const service = serviceAt(tailnet, to)
  if (service !== undefined) return isServiceNamed(target, service) && isHost(service, node)
  const own = isSame(node.ipv4, to) || isSame(node.ipv6, to)
  return own && (isAutogroup(target, 'self') ? node.tags.length === 0 : isNamed(policy, target, node))
}

/** Of what leads to a Service by its name or tag, what it offers; of all else what is written. */
function trafficFor(tailnet: PolicyTailnet, destination: Destination, to: Ip): Destination {
  const service = serviceAt(tailnet, to)
  if (service === undefined || !isServiceNamed(destination.target, service)) return destination
  return { ...destination, traffic: trafficTo(destination, service) }
}

// Whom nodes are shared to (policy.md §15.11)

/** Is the device let in by this address? By everybody, by itself, as one to whom something is shared; or as written. */
function isShareeSource(policy: Policy, sources: readonly Selector[], { login }: PlainSharee, ip: Ip): boolean {
  return sources.some((selector) => {
    if (isOfAddresses(selector)) return isWritten(policy, selector, ip)
    if (selector.kind === 'user') return selector.login.toLowerCase() === login.toLowerCase()
    return selector.kind === 'any' || isAutogroup(selector, 'shared') || isAutogroup(selector, 'danger-all')
  })
}

/** The node itself, and the internet behind it where the invitation says so. Subnets and Services are not shared. */
function isShared(tailnet: PolicyTailnet, device: PolicyNode, node: PolicyNode, to: Ip): boolean {
  const shared = sharedTo(tailnet, device, node)
  if (shared !== 'no' && (isSame(node.ipv4, to) || isSame(node.ipv6, to))) return true
  return shared === 'exit' && isPublic(to) && node.routes.some((r) => isExit(r) && r.ip.family === to.family)
}

function mayShareePass(policy: Policy, tailnet: PolicyTailnet, sharee: PlainSharee, flow: PlainFlow): boolean {
  return (
    isShared(tailnet, sharee.device, flow.at, flow.to) &&
    rulesOf(policy).some(
      (rule) =>
        isShareeSource(policy, rule.sources, sharee, flow.from) &&
        rule.destinations.some(
          (destination) =>
            isForMany(destination.target) &&
            leadsTo(policy, tailnet, rule, destination, flow.at) &&
            isTarget(policy, tailnet, destination, flow.at, flow.to) &&
            isAllowedTraffic(destination, flow),
        ),
    )
  )
}

/** Is there something that the device may be sent to at the node, or through it? */
function maySharee(policy: Policy, tailnet: PolicyTailnet, sharee: PlainSharee, node: PolicyNode): boolean {
  return rulesOf(policy).some(
    (rule) =>
      [sharee.device.ipv4, sharee.device.ipv6].some((ip) => isShareeSource(policy, rule.sources, sharee, ip)) &&
      rule.destinations.some(
        (destination) =>
          isForMany(destination.target) &&
          leadsTo(policy, tailnet, rule, destination, node) &&
          [node.ipv4, node.ipv6, ...publicIn(policy, destination.target)].some(
            (to) => isShared(tailnet, sharee.device, node, to) && isTarget(policy, tailnet, destination, node, to),
          ),
      ),
  )
}

/** One address of every public range that begins or ends in the target. */
function publicIn(policy: Policy, target: Selector): Ip[] {
  if (!isOfAddresses(target) && target.kind !== 'any') return []
  const edges = [...edgesOfInternet(), ...(isOfAddresses(target) ? edgesOf(policy, target) : [])]
  return edges
    .flatMap((value): Ip[] => [{ family: 6, value }, ...(value < 1n << 32n ? [{ family: 4 as const, value }] : [])])
    .filter(({ value, family }) => value < 1n << (family === 4 ? 32n : 128n))
    .filter(isPublic)
}

/** Are the two ends what this destination asks for? */
function admits(
  policy: Policy,
  tailnet: PolicyTailnet,
  rule: Sided,
  target: Selector,
  from: Ip,
  at: PolicyNode,
): boolean {
  if (!isSource(policy, tailnet, rule.sources, rule.postures, from)) return false
  if (!isAutogroup(target, 'self')) return true
  return tailnet.nodes.some((node) => sameUser(node, at) && [node.ipv4, node.ipv6].some((ip) => isSame(ip, from)))
}

// Answers

export function mayPass(policy: Policy, tailnet: PolicyTailnet, flow: PlainFlow): boolean {
  const sharee = shareeAt(tailnet, flow.from)
  if (sharee !== undefined) return mayShareePass(policy, tailnet, sharee, flow)
  if (!isOpened(tailnet, flow.from, flow.to)) return false
  return rulesOf(policy).some((rule) =>
    rule.destinations.some(
      (destination) =>
        leadsTo(policy, tailnet, rule, destination, flow.at) &&
        admits(policy, tailnet, rule, destination.target, flow.from, flow.at) &&
        isTarget(policy, tailnet, destination, flow.at, flow.to) &&
        isAllowedTraffic(trafficFor(tailnet, destination, flow.to), flow),
    ),
  )
}

/** A Service opens nothing, and a host opens nothing to what it hosts itself. (policy.md §15.10) */
export function isOpened(tailnet: PolicyTailnet, from: Ip, to: Ip): boolean {
  if (serviceAt(tailnet, from) !== undefined) return false
  const service = serviceAt(tailnet, to)
  const sender = tailnet.nodes.find(({ ipv4, ipv6 }) => isSame(ipv4, from) || isSame(ipv6, from))
  return service === undefined || sender === undefined || !isHost(service, sender)
}

/** policy.md §4; node.md §2.4: clients let ICMP pass wherever something else may. */
function isAllowedTraffic({ traffic }: Destination, { protocol, port }: PlainFlow): boolean {
  return traffic.some((allowed) => {
    if (protocol === 1 || protocol === 58) return allowed.ports.length > 0
    if (allowed.protocol === undefined ? protocol !== 6 && protocol !== 17 : protocol !== allowed.protocol) return false
    const hasPorts = protocol === 6 || protocol === 17 || protocol === 132
    return allowed.ports.some(({ first, last }) =>
      hasPorts ? first <= port && port <= last : first === 0 && last === 65535,
    )
  })
}

/** policy.md §15.8. */
export function sees(policy: Policy, tailnet: PolicyTailnet, a: PolicyNode, b: PolicyNode): boolean {
  const [x, y] = [shareeAt(tailnet, a.ipv4), shareeAt(tailnet, b.ipv4)]
  if (x !== undefined && y !== undefined) return false
  if (x !== undefined) return maySharee(policy, tailnet, x, b)
  if (y !== undefined) return maySharee(policy, tailnet, y, a)
  return a !== b && (mayKnow(policy, tailnet, a, b) || mayKnow(policy, tailnet, b, a))
}

/** Does some rule lead from the first, or from what is behind it, to the second? */
function mayKnow(policy: Policy, tailnet: PolicyTailnet, from: PolicyNode, to: PolicyNode): boolean {
  return rulesOf(policy).some((rule) =>
    rule.destinations.some((destination) => {
      const { target } = destination
      if (!leadsTo(policy, tailnet, rule, destination, to)) return false
      const sends = isSender(policy, tailnet, rule, from)
      return isAutogroup(target, 'self') ? sends && sameUser(from, to) : sends || sendsForOthers(policy, rule, from)
    }),
  )
}

/** The routes of `peer` that `viewer` is told of. (policy.md §15.6 to §15.8) */
export function routesOf(policy: Policy, tailnet: PolicyTailnet, viewer: PolicyNode, peer: PolicyNode): string[] {
  const sharee = shareeAt(tailnet, viewer.ipv4)
  if (sharee !== undefined)
    return sharedTo(tailnet, viewer, peer) === 'exit'
      ? peer.routes.filter((route) => isExit(route) && maySendOut(policy, tailnet, sharee, peer)).map(formatPrefix)
      : []
  const told = (route: Prefix): boolean =>
    isExit(route) ? mayExit(policy, tailnet, viewer, peer) : mayRoute(policy, tailnet, viewer, peer, route)
  return peer.routes.filter(told).map(formatPrefix)
}

function maySendOut(policy: Policy, tailnet: PolicyTailnet, sharee: PlainSharee, peer: PolicyNode): boolean {
  return rulesOf(policy).some(
    (rule) =>
      [sharee.device.ipv4, sharee.device.ipv6].some((ip) => isShareeSource(policy, rule.sources, sharee, ip)) &&
      rule.destinations.some(
        (destination) =>
          (destination.target.kind === 'any' || isAutogroup(destination.target, 'internet')) &&
          leadsTo(policy, tailnet, rule, destination, peer),
      ),
  )
}

/** The addresses of Services that `viewer` is told of as those of `peer`. (policy.md §15.8, §15.10) */
export function vipsOf(policy: Policy, tailnet: PolicyTailnet, viewer: PolicyNode, peer: PolicyNode): string[] {
  if (shareeAt(tailnet, viewer.ipv4) !== undefined) return []
  return hostedBy(tailnet, peer)
    .filter((service) => !isHost(service, viewer))
    .filter((service) => firstOf(tailnet.nodes.filter((node) => isHost(service, node))) === peer)
    .flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6])
    .filter((ip) =>
      rulesOf(policy).some(
        (rule) =>
          (isSender(policy, tailnet, rule, viewer) || sendsForOthers(policy, rule, viewer)) &&
          rule.destinations.some(
            (destination) =>
              isForMany(destination.target) &&
              leadsTo(policy, tailnet, rule, destination, peer) &&
              isTarget(policy, tailnet, destination, peer, ip) &&
              (rule.app.size > 0 || trafficFor(tailnet, destination, ip).traffic.length > 0),
          ),
      ),
    )
    .map((ip) => formatPrefix(prefixOf(ip)))
}

function mayExit(policy: Policy, tailnet: PolicyTailnet, viewer: PolicyNode, peer: PolicyNode): boolean {
  return rulesOf(policy).some(
    (rule) =>
      isSender(policy, tailnet, rule, viewer) &&
      rule.destinations.some(
        (destination) =>
          (destination.target.kind === 'any' || isAutogroup(destination.target, 'internet')) &&
          leadsTo(policy, tailnet, rule, destination, peer),
      ),
  )
}

function mayRoute(
  policy: Policy,
  tailnet: PolicyTailnet,
  viewer: PolicyNode,
  peer: PolicyNode,
  route: Prefix,
): boolean {
  const text = formatPrefix(route)
  const carriers = tailnet.nodes.filter(({ routes }) => routes.some((r) => formatPrefix(r) === text))
  const towards = rulesOf(policy).filter(
    (rule) =>
      (isSender(policy, tailnet, rule, viewer) || sendsForOthers(policy, rule, viewer)) &&
      rule.destinations.some((d) => isForMany(d.target) && leadsTo(policy, tailnet, rule, d, peer)) &&
      rule.destinations.some(
        ({ target }) =>
          target.kind === 'any' ||
          (isOfAddresses(target) && !isAutogroup(target, 'internet') && isPartlyWritten(policy, target, route)),
      ),
  )
  const back =
    carriers.includes(viewer) ||
    rulesOf(policy).some(
      (rule) =>
        isRouteSource(policy, rule, route) &&
        rule.destinations.some((d) => isForMany(d.target) && leadsTo(policy, tailnet, rule, d, viewer)),
    )
  if (back || towards.some(({ via }) => via.length === 0)) return firstOf(carriers) === peer
  return towards.some(
    (rule) =>
      firstOf(carriers.filter((node) => rule.destinations.some((d) => leadsTo(policy, tailnet, rule, d, node)))) ===
      peer,
  )
}

/** The one that everybody uses: of those that are there the one that joined first. */
export function firstOf(carriers: readonly PolicyNode[]): PolicyNode | undefined {
  return [...carriers].sort((a, b) => Number(b.online) - Number(a.online) || a.id - b.id)[0]
}

/** What `at` lets whoever sends from `from` to `to` do. (policy.md §5, §15.3, §15.4) */
export function capabilities(policy: Policy, tailnet: PolicyTailnet, from: Ip, at: PolicyNode, to: Ip): PlainCaps {
  const caps: PlainCaps = new Map()
  const own = isSame(at.ipv4, to) || isSame(at.ipv6, to)
  const sharee = shareeAt(tailnet, from)
  for (const rule of policy.allowAll ? [] : policy.rules) {
    if (rule.app.size === 0 || rule.via.length > 0) continue
    if (sharee !== undefined) {
      const isLed = rule.destinations.some(
        (destination) =>
          isForMany(destination.target) &&
          leadsTo(policy, tailnet, rule, destination, at) &&
          isTarget(policy, tailnet, destination, at, to),
      )
      if (
        own &&
        isLed &&
        isShared(tailnet, sharee.device, at, to) &&
        isShareeSource(policy, rule.sources, sharee, from)
      )
        for (const [name, values] of rule.app) give(caps, name, values)
      continue
    }
    for (const isForSelf of [false, true]) {
      const targets = rule.destinations.filter(({ target }) => isAutogroup(target, 'self') === isForSelf)
      if (targets.some((destination) => mayUse(policy, tailnet, rule, destination, from, at, to, own)))
        for (const [name, values] of rule.app) give(caps, name, values)
      if (own && targets.some(({ target }) => isSharer(policy, tailnet, rule, target, from, at)))
        for (const [name, companion] of COMPANIONS) if (rule.app.has(name)) give(caps, companion, [])
    }
  }
  return caps
}

const COMPANIONS = [
  ['tailscale.com/cap/drive', 'tailscale.com/cap/drive-sharer'],
  ['tailscale.com/cap/relay', 'tailscale.com/cap/relay-target'],
] as const

function give(caps: PlainCaps, name: string, values: readonly unknown[]): void {
  const all = [...(caps.get(name) ?? []), ...values]
  caps.set(name, all.length === 0 ? null : all)
}

/** At the node itself, or where its routes lead; `*` means the node itself here. (policy.md §15.4) */
function mayUse(
  policy: Policy,
  tailnet: PolicyTailnet,
  rule: AccessRule,
  destination: Destination,
  from: Ip,
  at: PolicyNode,
  to: Ip,
  own: boolean,
): boolean {
  const { target } = destination
  const carried =
    target.kind !== 'any' &&
    (at.routes.some((route) => isOnRoute(policy, target, route)) ||
      hostedBy(tailnet, at).some(({ ipv4, ipv6 }) =>
        [ipv4, ipv6].some((ip) => isTarget(policy, tailnet, destination, at, ip)),
      ))
  return (
    leadsTo(policy, tailnet, rule, destination, at) &&
    admits(policy, tailnet, rule, target, from, at) &&
    isTarget(policy, tailnet, destination, at, to) &&
    (own || carried)
  )
}

/** The other way round: `at` is one of those who may use it, `from` one of those where they may. */
function isSharer(
  policy: Policy,
  tailnet: PolicyTailnet,
  rule: AccessRule,
  target: Selector,
  from: Ip,
  at: PolicyNode,
): boolean {
  if (!isSender(policy, tailnet, rule, at)) return false
  if (!isAutogroup(target, 'self')) return isSource(policy, tailnet, [target], [], from)
  return tailnet.nodes.some((node) => sameUser(node, at) && [node.ipv4, node.ipv6].some((ip) => isSame(ip, from)))
}
