/** Shows a tailnet's DNS, in the forms that its routes answer. (api-v2.md §4.5, §6.2) */

import type { Dns, DnsConfiguration, LegacyDnsConfig, SplitDns } from '../../../wire/api/dns-objects.ts'
import type { DnsRecord, Nameserver } from '../../model/dns.ts'
import type { Tailnet } from '../../model/records.ts'

/** In the order in which they were given. */
export function addressesOf(nameservers: readonly Nameserver[]): string[] {
  return nameservers.map(({ address }) => address)
}

export function viewSplit({ splitDNS }: DnsRecord): SplitDns {
  return Object.fromEntries(splitDNS.map(({ domain, nameservers }) => [domain, addressesOf(nameservers)]))
}

/** Lists are sorted: some clients search them by halves. */
export function viewConfiguration(dns: DnsRecord): DnsConfiguration {
  const { nameservers, splitDNS, searchPaths, overrideLocalDNS, magicDNS } = dns
  return {
    nameservers: sorted(nameservers),
    splitDNS: Object.fromEntries(splitDNS.map(({ domain, nameservers }) => [domain, sorted(nameservers)])),
    searchPaths: [...searchPaths],
    preferences: { overrideLocalDNS, magicDNS },
  }
}

export function viewLegacyConfig(dns: DnsRecord): LegacyDnsConfig {
  const { nameservers, splitDNS, searchPaths, zones, overrideLocalDNS, magicDNS } = dns
  const resolvers = nameservers.map(resolverOf)
  return {
    resolvers: overrideLocalDNS ? resolvers : [],
    fallbackResolvers: overrideLocalDNS ? [] : resolvers,
    routes: Object.fromEntries([
      ...zones.map((zone) => [zone, []] as const),
      ...splitDNS.map(({ domain, nameservers }) => [domain, nameservers.map(resolverOf)] as const),
    ]),
    domains: [...searchPaths],
    nameservers: [],
    proxied: magicDNS,
  }
}

export function viewDns({ domain }: Tailnet, dns: DnsRecord): Dns {
  return {
    domain,
    magicDNS: dns.magicDNS,
    overrideLocalDNS: dns.overrideLocalDNS,
    nameservers: dns.nameservers.map(copied),
    splitDNS: Object.fromEntries(dns.splitDNS.map(({ domain, nameservers }) => [domain, nameservers.map(copied)])),
    searchPaths: [...dns.searchPaths],
    zones: [...dns.zones],
    records: dns.records.map(({ name, type, value }) => ({ name, type, value })),
  }
}

function copied({ address, useWithExitNode }: Nameserver): Nameserver {
  return { address, useWithExitNode }
}

function sorted(nameservers: readonly Nameserver[]): Nameserver[] {
  return nameservers.map(copied).sort((a, b) => (a.address < b.address ? -1 : 1))
}

function resolverOf({ address, useWithExitNode }: Nameserver): LegacyDnsConfig['resolvers'][number] {
  return { addr: address, ...(useWithExitNode ? { useWithExitNode } : {}) }
}
