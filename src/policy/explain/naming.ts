/** Why a selector means an address, or the node whose address it is: through which group, tag, host or ipset. (policy.md §3) */

import { CGNAT, CHROMEOS, ULA, VIA } from '../../base/address-plan.ts'
import { formatIp, formatPrefix, maskPrefix, prefixContains } from '../../base/ip.ts'
import type { Ip } from '../../base/ip.ts'
import { rangeFrom, INTERNET } from '../address-set.ts'
import { IpSets } from '../ipsets.ts'
import { domainOf } from '../people.ts'
import type { IpSetStep, Policy, Selector } from '../policy.ts'
import { isDangerAll } from '../selection.ts'
import type { Selected } from '../selection.ts'
import { isNamedSharee } from '../shared-in.ts'
import type { SharedTo } from '../sharees.ts'
import type { PolicyNode } from '../tailnet.ts'
import type { Fact, Naming } from './explanation.ts'

/** An address, whose it is, and, if nobody's own, the subnet routers that carry it. */
export interface Sender {
  readonly ip: Ip
  readonly own: PolicyNode | undefined
  readonly routers: readonly PolicyNode[]
  /** What is shared to it: it is a device of another tailnet, and `own` too. */
  readonly shared?: Pick<SharedTo, 'login'>
}

/** Is the sender named in `src`, whatever its posture is? */
export function isNamed({ selector, addresses, nodes }: Selected, { ip, own, routers, shared }: Sender): boolean {
  if (addresses !== undefined) return addresses.contains(ip)
  if (shared !== undefined) return isNamedSharee(selector, shared.login)
  if (own !== undefined) return nodes.has(own.slot)
  return isDangerAll(selector) || (selector.kind === 'any' && (routers.length > 0 || isNodeAddress(ip)))
}

/** Does it come in through a subnet router, so that no posture is asked for? What looks like a node's own does not. */
export function isRouted({ ip, own, routers }: Sender): boolean {
  return own === undefined && routers.length > 0 && (!isNodeAddress(ip) || prefixContains(VIA, ip))
}

function isNodeAddress(ip: Ip): boolean {
  return prefixContains(ULA, ip) || (prefixContains(CGNAT, ip) && !prefixContains(CHROMEOS, ip))
}

/** For a selector that does mean it. @param service whose address it is */
export function naming(
  policy: Policy,
  selector: Selector,
  ip: Ip,
  own: PolicyNode | undefined,
  service?: string,
): Naming {
  return { text: selector.text, at: selector.at, why: why(policy, selector, ip, own, service) }
}

function why(policy: Policy, selector: Selector, ip: Ip, own: PolicyNode | undefined, service?: string): Fact {
  const login = own?.user.login ?? ''
  if (service !== undefined && (selector.kind === 'service' || selector.kind === 'tag'))
    return { kind: 'service', service }
  const address = formatIp(ip)
  switch (selector.kind) {
    case 'any':
      return { kind: 'any' }
    case 'user':
      return { kind: 'user', login }
    case 'domain':
      return { kind: 'domain', login, domain: selector.domain }
    case 'group':
      return { kind: 'group', login, group: selector.group, at: memberPlace(policy, selector.group, login, selector) }
    case 'synced-group':
      return { kind: 'synced-group', login, group: selector.group }
    case 'tag':
      return { kind: 'tag', tag: selector.tag }
    case 'autogroup':
      return {
        kind: 'autogroup',
        autogroup: selector.autogroup,
        ...(own === undefined || own.tags.length > 0 ? {} : { login }),
      }
    case 'prefix': {
      const host = selector.host === undefined ? undefined : policy.hosts.get(selector.host)
      const prefix = formatPrefix(maskPrefix(selector.prefix))
      return { kind: 'prefix', address, prefix, ...(host === undefined ? {} : { host: host.name, at: host.at }) }
    }
    case 'ipset': {
      const at = stepPlace(policy, selector.ipset, ip)
      return { kind: 'ipset', address, ipset: selector.ipset, ...(at === undefined ? {} : { at }) }
    }
    default:
      return { kind: 'other', text: selector.text }
  }
}

function memberPlace(policy: Policy, group: string, login: string, otherwise: Selector): Selector['at'] {
  const name = login.toLowerCase()
  const member = policy.groups
    .get(group)
    ?.members.find(
      (m) =>
        (m.kind === 'user' && m.login.toLowerCase() === name) ||
        (m.kind === 'domain' && m.domain.toLowerCase() === domainOf(name)),
    )
  return (member ?? otherwise).at
}

/** The last step that is about the address is the one that decided. */
function stepPlace(policy: Policy, ipset: string, ip: Ip): IpSetStep['at'] | undefined {
  const sets = new IpSets(policy)
  const isAbout = ({ target }: IpSetStep): boolean => {
    if (target.kind === 'internet') return INTERNET.contains(ip)
    if (target.kind === 'ipset') return sets.addresses(target.ipset).contains(ip)
    const { family, first, last } = target.kind === 'range' ? target : rangeFrom(target.prefix)
    return family === ip.family && first <= ip.value && ip.value <= last
  }
  return policy.ipsets.get(ipset)?.findLast(isAbout)?.at
}
