/**
 * Which rules of a policy count for a person, or for an address and port, as the API's preview has it. Rules are told
 * as they are written; whether a device meets their postures is left open. (api-v2.md §5)
 */

import type { Ip } from '../base/ip.ts'
import { AddressSet } from './address-set.ts'
import type { Part, Target } from './access.ts'
import type { Engine } from './engine.ts'
import { isEverything } from './selection.ts'
import type { AccessRule, Selector } from './policy.ts'
import type { PolicyNode, PolicyTailnet, PolicyUser } from './tailnet.ts'
import { trafficText } from './traffic-text.ts'
import { isFor, matchesTraffic } from './verdict.ts'

/** A rule that counts. */
export interface Previewed {
  readonly rule: AccessRule
  /** What is reached by it: `target:ports`. Of an address and port, only what leads there. */
  readonly ports: readonly string[]
}

/** The rules that name a person, by themselves or by the address of a device of theirs; `undefined`: there is nobody of that login. */
export function previewUser(engine: Engine, { users, nodes }: PolicyTailnet, login: string): Previewed[] | undefined {
  const user = users.find((one) => one.login.toLowerCase() === login.toLowerCase())
  if (user === undefined) return undefined
  const own = nodes.filter((node) => node.tags.length === 0 && node.user.id === user.id)
  const known = new Map<AccessRule, boolean>()
  return gather(engine, ({ rule }) => {
    let isNamed = known.get(rule)
    if (isNamed === undefined)
      known.set(rule, (isNamed = rule.sources.some((source) => names(engine, source, user, own))))
    return isNamed
  })
}

/** The rules by which a port of an address may be reached, over TCP or UDP. */
export function previewAddress(engine: Engine, ip: Ip, port: number): Previewed[] {
  const owner = engine.selection.at(ip)
  return gather(engine, (part, target) => {
    if (![6, 17].some((protocol) => matchesTraffic(target, { protocol, port }))) return false
    if (owner === undefined) return isAddressed(target, ip)
    const leads = part.reach.nodes.has(owner.slot) && part.reach.leads(target, owner) && isFor(target, owner, ip)
    return leads && (!part.self || !engine.access.admitted(part, owner).isEmpty)
  })
}

/** What nobody has as their own is reached wherever it is named. */
function isAddressed({ selected: { selector, addresses } }: Target, ip: Ip): boolean {
  return isEverything(selector) || (addresses?.contains(ip) ?? false)
}

function names(engine: Engine, source: Selector, user: PolicyUser, own: readonly PolicyNode[]): boolean {
  if (isEverything(source) || engine.selection.people.includes(source, user)) return true
  if (source.kind !== 'prefix') return false
  const addresses = AddressSet.of(source.prefix)
  return own.some(({ ipv4, ipv6 }) => addresses.contains(ipv4) || addresses.contains(ipv6))
}

/** Rules that only give capabilities open no ports, and do not count. */
function gather(engine: Engine, counts: (part: Part, target: Target) => boolean): Previewed[] {
  const found = new Map<AccessRule, string[]>()
  for (const part of engine.access.parts)
    for (const target of part.targets) {
      const { traffic, target: named } = target.destination
      if (traffic.length === 0 || !counts(part, target)) continue
      const ports = found.get(part.rule) ?? []
      ports.push(...traffic.map((one) => `${named.text}:${trafficText([one])}`))
      found.set(part.rule, ports)
    }
  return [...found].map(([rule, ports]) => ({ rule, ports }))
}
