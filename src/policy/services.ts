/**
 * Services: which there are, who hosts them, and what of a rule's traffic each takes. (policy.md §15.10)
 *
 * To rules, a Service is what is behind its hosts, as a subnet is behind its routers: they carry its addresses.
 */

import type { Family, Ip } from '../base/ip.ts'
import { formatIp, prefixOf } from '../base/ip.ts'
import { listed } from '../base/listed.ts'
import { AddressSet } from './address-set.ts'
import type { PortRange, Traffic } from './policy.ts'
import type { PolicyNode, PolicyService } from './tailnet.ts'

/** All that Services take, unless they take anything. */
const TCP = 6
const NONE: readonly PolicyService[] = []

export class Services {
  readonly all: readonly PolicyService[]
  readonly #byName = new Map<string, PolicyService>()
  readonly #byTag = new Map<string, PolicyService[]>()
  readonly #byHost = new Map<number, PolicyService[]>()
  readonly #byAddress: Readonly<Record<Family, Map<bigint, PolicyService>>> = { 4: new Map(), 6: new Map() }

  constructor(all: readonly PolicyService[] = NONE) {
    this.all = all
    for (const service of all) {
      this.#byName.set(service.name, service)
      for (const tag of service.tags) listed(this.#byTag, tag).push(service)
      for (const host of new Set(service.hosts)) listed(this.#byHost, host).push(service)
      for (const { family, value } of addressesOf(service)) this.#byAddress[family].set(value, service)
    }
  }

  named(name: string): PolicyService | undefined {
    return this.#byName.get(name)
  }

  /** Those that have the tag. */
  carrying(tag: string): readonly PolicyService[] {
    return this.#byTag.get(tag) ?? NONE
  }

  /** Whose address it is. */
  at(ip: Ip): PolicyService | undefined {
    return this.#byAddress[ip.family].get(ip.value)
  }

  /** What the node hosts: nothing without tags. */
  hostedBy({ id, tags }: PolicyNode): readonly PolicyService[] {
    return tags.length === 0 ? NONE : (this.#byHost.get(id) ?? NONE)
  }

  isHost(node: PolicyNode, name: string): boolean {
    return this.hostedBy(node).some((service) => service.name === name)
  }

  /** None of a Service that isn't there. */
  addresses(name: string): AddressSet {
    const service = this.named(name)
    return service === undefined ? new AddressSet() : AddressSet.of(...addressesOf(service).map((ip) => prefixOf(ip)))
  }

  /** As its hosts are told: names and addresses, all in one. Absent: it hosts nothing. */
  mapping(node: PolicyNode): Readonly<Record<string, readonly string[]>> | undefined {
    const hosted = this.hostedBy(node)
    if (hosted.length === 0) return undefined
    return Object.fromEntries(hosted.map((service) => [service.name, addressesOf(service).map(formatIp)]))
  }
}

/** IPv4 first. */
export function addressesOf({ ipv4, ipv6 }: PolicyService): readonly Ip[] {
  return [ipv4, ipv6]
}

/** What of the traffic that a rule allows the Service takes, in the order of the rule. */
export function taken({ ports: offered }: PolicyService, traffics: readonly Traffic[]): readonly Traffic[] {
  if (offered === 'do-not-validate') return traffics
  const ports = traffics
    .filter(({ protocol }) => protocol === undefined || protocol === TCP)
    .flatMap((traffic) => traffic.ports.flatMap((range) => offered.flatMap((other) => common(range, other))))
  return ports.length === 0 ? [] : [{ protocol: TCP, ports }]
}

function common(a: PortRange, b: PortRange): PortRange[] {
  const [first, last] = [Math.max(a.first, b.first), Math.min(a.last, b.last)]
  return first <= last ? [{ first, last }] : []
}
