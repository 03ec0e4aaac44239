/** Services, and devices of other tailnets, for the plain reading of a policy (plain.ts): what they are and have. */

import type { Ip } from '../../src/base/ip.ts'
import type { PolicyNode, PolicyService, PolicyTailnet } from '../../src/policy/tailnet.ts'
import type { Destination, Selector, Traffic } from '../../src/policy/policy.ts'

export function isSame(a: Ip, b: Ip): boolean {
  return a.family === b.family && a.value === b.value
}

// Services (policy.md §15.10)

/** The Service whose address it is. */
export function serviceAt({ services = [] }: PolicyTailnet, ip: Ip): PolicyService | undefined {
  return services.find(({ ipv4, ipv6 }) => isSame(ipv4, ip) || isSame(ipv6, ip))
}

/** Only tagged devices host. */
export function isHost({ hosts }: PolicyService, node: PolicyNode): boolean {
  return node.tags.length > 0 && hosts.includes(node.id)
}

export function hostedBy({ services = [] }: PolicyTailnet, node: PolicyNode): PolicyService[] {
  return services.filter((service) => isHost(service, node))
}

/** By its own name, or by a tag that it carries. */
export function isServiceNamed(target: Selector, { name, tags }: PolicyService): boolean {
  if (target.kind === 'service') return target.service === name
  return target.kind === 'tag' && tags.includes(target.tag)
}

/** What of the traffic of a destination is for the Service: of its ports, of TCP. */
export function trafficTo({ traffic }: Destination, { ports: offered }: PolicyService): readonly Traffic[] {
  if (offered === 'do-not-validate') return traffic
  const found: { first: number; last: number }[] = []
  for (const { protocol, ports } of traffic)
    if (protocol === undefined || protocol === 6)
      for (const asked of ports)
        for (const one of offered)
          if (asked.first <= one.last && one.first <= asked.last)
            found.push({ first: Math.max(asked.first, one.first), last: Math.min(asked.last, one.last) })
  return found.length === 0 ? [] : [{ protocol: 6, ports: found }]
}

// Devices of other tailnets (policy.md §15.11)

export interface PlainSharee {
  readonly login: string
  readonly device: PolicyNode
}

/** Whose device it is that has the address. */
export function shareeAt({ sharees = [] }: PolicyTailnet, ip: Ip): PlainSharee | undefined {
  for (const { login, devices } of sharees)
    for (const device of devices) if (isSame(device.ipv4, ip) || isSame(device.ipv6, ip)) return { login, device }
  return undefined
}

/** Is the node shared to the device at all, and may it be used as an exit node? */
export function sharedTo({ sharees = [] }: PolicyTailnet, device: PolicyNode, node: PolicyNode): 'no' | 'yes' | 'exit' {
  const shares = sharees
    .filter(({ devices }) => devices.includes(device))
    .flatMap((sharee) => sharee.shares)
    .filter((share) => share.node === node.id)
  if (shares.length === 0) return 'no'
  return shares.some(({ exitNode }) => exitNode) ? 'exit' : 'yes'
}
