/**
 * The DNS configuration of a tailnet as its maps say it: made once per change, and shared by all nodes that are told
 * the same. Only certificate domains, and profiles of NextDNS that a policy hands out, differ from node to node.
 * (control.md §8.1)
 */

import type { CapMap } from '../../policy/node-attributes.ts'
import type { Resolver } from '../../wire/dns-config.ts'
import { NEXTDNS, nextDnsProfile } from '../../wire/dns-over-https.ts'
import { bareDomain } from '../model/dns.ts'
import type { DnsRecord, Nameserver } from '../model/dns.ts'

/** What one node is told. */
export interface DnsText {
  /** Other texts of the same tailnet have other keys, also later ones. */
  readonly key: string
  readonly json: string
}

/** What of it is only one node's. */
export interface DnsOwn {
  /** The name for which the node may have a certificate. */
  readonly certDomain?: string | undefined
  /** Its profile at NextDNS, instead of the one that the tailnet's nameservers name. */
  readonly profile?: string | undefined
}

export class DnsTexts {
  #json = ''
  #version = 0
  /** What nearly all are told, as one value for all of them. */
  #common: DnsText = { key: '', json: '' }
  /** NextDNS is among the nameservers, so that profiles of nodes count. */
  usesProfiles = false
  /** Texts with other profiles than the tailnet's. */
  readonly #byProfile = new Map<string, string>()
  #domain: string
  #dns: DnsRecord

  constructor(domain: string, dns: DnsRecord) {
    this.#domain = domain
    this.#dns = dns
    this.update(domain, dns)
  }

  /** Takes in what may have changed. True: maps say something else now. */
  update(domain: string, dns: DnsRecord): boolean {
    this.#domain = domain
    this.#dns = dns
    const json = JSON.stringify(configOf(domain, dns))
    if (json === this.#json) return false
    this.#json = json
    this.#version++
    this.#common = { key: String(this.#version), json }
    this.#byProfile.clear()
    this.usesProfiles = dns.nameservers.some(({ address }) => address.startsWith(NEXTDNS))
    return true
  }

  of({ certDomain, profile }: DnsOwn): DnsText {
    const byProfile = this.usesProfiles ? profile : undefined
    if (byProfile === undefined && certDomain === undefined) return this.#common
    const json = byProfile === undefined ? this.#json : this.#withProfile(byProfile)
    const key = `${this.#version}/${byProfile ?? ''}/${certDomain ?? ''}`
    return { key, json: certDomain === undefined ? json : withMember(json, 'CertDomains', [certDomain]) }
  }

  #withProfile(profile: string): string {
    let json = this.#byProfile.get(profile)
    if (json === undefined) {
      json = JSON.stringify(configOf(this.#domain, this.#dns, profile))
      this.#byProfile.set(profile, json)
    }
    return json
  }
}

/** The profile that a policy gives to a node by `nextdns:PROFILE`; the first of several. */
export function profileIn(capabilities: CapMap): string | undefined {
  return [...capabilities.keys()]
    .map(nextDnsProfile)
    .filter((profile) => profile !== undefined)
    .sort()[0]
}

/** The members that say something. `Type` of a record follows from its value. */
function configOf(domain: string, dns: DnsRecord, profile?: string): Readonly<Record<string, unknown>> {
  const { magicDNS, overrideLocalDNS, nameservers, searchPaths, records } = dns
  const routes = routesOf(domain, dns)
  const domains = new Set([...(magicDNS ? [domain] : []), ...searchPaths.map(bareDomain)])
  const resolvers = nameservers.map((nameserver) => resolverOf(nameserver, profile))
  return {
    ...(routes.size === 0 ? {} : { Routes: Object.fromEntries(routes) }),
    ...(domains.size === 0 ? {} : { Domains: [...domains] }),
    ...(magicDNS ? { Proxied: true } : {}),
    ...(resolvers.length === 0 ? {} : { [overrideLocalDNS ? 'Resolvers' : 'FallbackResolvers']: resolvers }),
    ...(records.length === 0 ? {} : { ExtraRecords: records.map(({ name, value }) => ({ Name: name, Value: value })) }),
  }
}

/** By suffix; the nearest one counts. Without resolvers: the node answers itself, with "no such name" if need be. */
function routesOf(domain: string, { magicDNS, splitDNS, zones, records }: DnsRecord): Map<string, readonly Resolver[]> {
  const routes = new Map<string, readonly Resolver[]>()
  if (magicDNS) routes.set(domain, [])
  for (const zone of zones) if (!routes.has(zone)) routes.set(zone, [])
  for (const { domain, nameservers } of splitDNS) {
    const suffix = bareDomain(domain)
    if (!routes.has(suffix))
      routes.set(
        suffix,
        nameservers.map((nameserver) => resolverOf(nameserver)),
      )
  }
  // Clients hand a domain's questions over to its resolvers, or leave what has no route to their system, without a
  // look at their records: such a record is a route itself.
  for (const { name } of records) if (nearestOf(routes, name)?.length !== 0) routes.set(name, [])
  return routes
}

function nearestOf(routes: ReadonlyMap<string, readonly Resolver[]>, name: string): readonly Resolver[] | undefined {
  for (let suffix = name; ; suffix = suffix.slice(suffix.indexOf('.') + 1)) {
    const found = routes.get(suffix)
    if (found !== undefined || !suffix.includes('.')) return found
  }
}

/** @param profile of NextDNS, instead of the one that is named */
function resolverOf({ address, useWithExitNode }: Nameserver, profile?: string): Resolver {
  const Addr = profile !== undefined && address.startsWith(NEXTDNS) ? `${NEXTDNS}${profile}` : address
  return { Addr, ...(useWithExitNode ? { UseWithExitNode: true } : {}) }
}

function withMember(json: string, name: string, value: unknown): string {
  const rest = json.slice(1)
  return `{${JSON.stringify(name)}:${JSON.stringify(value)}${rest === '}' ? '' : ','}${rest}`
}
