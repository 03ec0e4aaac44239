/** Routes about a tailnet's DNS: Tailscale's, and Sett's own for zones and records. (api-v2.md §4.5) */

import * as z from 'zod'
import { Dns, DnsConfiguration, HostRecord, LegacyDnsConfig, SplitDns } from '../dns-objects.ts'
import { route } from '../route.ts'
import { TailnetRef } from '../words.ts'

const group = 'DNS'
const params = z.object({ tailnet: TailnetRef })
const read = { kind: 'scope', any: ['dns'], act: 'read' } as const
const write = { kind: 'scope', any: ['dns'], act: 'write' } as const

/** Which texts are nameservers and domains is decided with the whole list, for a message that names them. */
const Text = z.string().max(512)
const Texts = z.array(Text).max(1024)
/** Go clients write an empty list as `null`. */
const TextsOrNull = Texts.nullable()

const WantedNameserver = z.object({ address: Text, useWithExitNode: z.boolean().nullish() })
const WantedNameservers = z.array(WantedNameserver).max(1024)
export type WantedNameserver = z.output<typeof WantedNameserver>

const WantedSplit = z.record(z.string().max(512), TextsOrNull)

export const SetDnsConfiguration = z.object({
  nameservers: WantedNameservers.nullish(),
  splitDNS: z.record(z.string().max(512), WantedNameservers.nullable()).nullish(),
  searchPaths: Texts.nullish(),
  preferences: z
    .object({ overrideLocalDNS: z.boolean().nullish(), magicDNS: z.boolean().nullish() })
    .nullish()
    .meta({ description: 'What is left out, here and above, is off or empty from then on' }),
})
export type SetDnsConfiguration = z.output<typeof SetDnsConfiguration>

const WantedResolver = z.object({ addr: Text, useWithExitNode: z.boolean().nullish() })
const WantedResolvers = z.array(WantedResolver).max(1024).nullish()

export const SetLegacyDnsConfig = z.object({
  resolvers: WantedResolvers,
  fallbackResolvers: WantedResolvers,
  routes: z.record(z.string().max(512), WantedResolvers).nullish(),
  domains: Texts.nullish(),
  nameservers: Texts.nullish(),
  proxied: z.boolean().nullish(),
})
export type SetLegacyDnsConfig = z.output<typeof SetLegacyDnsConfig>

export const WantedRecord = z.object({
  name: Text.meta({ description: 'A full name, or a label under the tailnet’s own domain' }),
  type: z.enum(['A', 'AAAA']).nullish().meta({ description: 'Follows from the value' }),
  value: Text.meta({ description: 'An IPv4 or IPv6 address' }),
})
export type WantedRecord = z.output<typeof WantedRecord>

/** Absent or null: unchanged. */
export const DnsPatch = z.object({
  magicDNS: z.boolean().nullish(),
  overrideLocalDNS: z.boolean().nullish(),
  nameservers: WantedNameservers.nullish(),
  splitDNS: z
    .record(z.string().max(512), WantedNameservers.nullable())
    .nullish()
    .meta({ description: 'Domains that are not named stay as they are; null or an empty list removes one' }),
  searchPaths: Texts.nullish(),
  zones: Texts.nullish(),
  records: z.array(WantedRecord).max(8192).nullish(),
})
export type DnsPatch = z.output<typeof DnsPatch>

export const dnsRoutes = {
  getNameservers: route({
    method: 'GET',
    path: '/tailnet/{tailnet}/dns/nameservers',
    summary: 'List the nameservers that devices ask.',
    group,
    access: read,
    params,
    reply: z.object({ dns: z.array(z.string()) }),
  }),
  setNameservers: route({
    method: 'POST',
    path: '/tailnet/{tailnet}/dns/nameservers',
    summary: 'Replace the nameservers. Without any, MagicDNS is turned off as well.',
    group,
    access: write,
    params,
    body: z.object({ dns: TextsOrNull }),
    reply: z.object({ dns: z.array(z.string()), magicDNS: z.boolean() }),
  }),
  getDnsPreferences: route({
    method: 'GET',
    path: '/tailnet/{tailnet}/dns/preferences',
    summary: 'Tell whether MagicDNS is on.',
    group,
    access: read,
    params,
    reply: z.object({ magicDNS: z.boolean() }),
  }),
  setDnsPreferences: route({
    method: 'POST',
    path: '/tailnet/{tailnet}/dns/preferences',
    summary: 'Turn MagicDNS on or off.',
    group,
    access: write,
    params,
    body: z.object({ magicDNS: z.boolean() }),
    reply: z.object({ magicDNS: z.boolean() }),
  }),
  getSearchPaths: route({
    method: 'GET',
    path: '/tailnet/{tailnet}/dns/searchpaths',
    summary: 'List the search domains.',
    group,
    access: read,
    params,
    reply: z.object({ searchPaths: z.array(z.string()) }),
  }),
  setSearchPaths: route({
    method: 'POST',
    path: '/tailnet/{tailnet}/dns/searchpaths',
    summary: 'Replace the search domains. The tailnet’s own comes before them while MagicDNS is on.',
    group,
    access: write,
    params,
    body: z.object({ searchPaths: TextsOrNull }),
    reply: z.object({ searchPaths: z.array(z.string()) }),
  }),
  getSplitDns: route({
    method: 'GET',
    path: '/tailnet/{tailnet}/dns/split-dns',
    summary: 'Show which nameservers are asked about which domain.',
    group,
    access: read,
    params,
    reply: SplitDns,
  }),
  patchSplitDns: route({
    method: 'PATCH',
    path: '/tailnet/{tailnet}/dns/split-dns',
    summary: 'Replace the nameservers of the domains named; null or none removes a domain.',
    group,
    access: write,
    params,
    body: WantedSplit,
    reply: SplitDns,
  }),
  setSplitDns: route({
    method: 'PUT',
    path: '/tailnet/{tailnet}/dns/split-dns',
    summary: 'Replace all of split DNS.',
    group,
    access: write,
    params,
    body: WantedSplit,
    reply: SplitDns,
  }),
  getDnsConfiguration: route({
    method: 'GET',
    path: '/tailnet/{tailnet}/dns/configuration',
    summary: 'Show nameservers, split DNS, search domains and preferences.',
    group,
    access: read,
    params,
    reply: DnsConfiguration,
  }),
  setDnsConfiguration: route({
    method: 'POST',
    path: '/tailnet/{tailnet}/dns/configuration',
    summary: 'Replace nameservers, split DNS, search domains and preferences; zones and records stay.',
    group,
    access: write,
    params,
    body: SetDnsConfiguration,
    reply: DnsConfiguration,
  }),
  getLegacyDnsConfig: route({
    method: 'GET',
    path: '/tailnet/{tailnet}/dns/config',
    summary: 'Show the same in an older form.',
    group,
    access: read,
    params,
    reply: LegacyDnsConfig,
  }),
  setLegacyDnsConfig: route({
    method: 'POST',
    path: '/tailnet/{tailnet}/dns/config',
    summary: 'Replace the same in an older form, and the zones; records stay.',
    group,
    access: write,
    params,
    body: SetLegacyDnsConfig,
    reply: LegacyDnsConfig,
  }),
  getDns: route({
    method: 'GET',
    path: '/sett/tailnet/{tailnet}/dns',
    summary: 'Show all of a tailnet’s DNS, with its zones and records.',
    group,
    access: read,
    params,
    reply: Dns,
  }),
  patchDns: route({
    method: 'PATCH',
    path: '/sett/tailnet/{tailnet}/dns',
    summary: 'Change the members sent; the answer has all of them.',
    group,
    access: write,
    params,
    body: DnsPatch,
    reply: Dns,
  }),
  addDnsRecord: route({
    method: 'POST',
    path: '/sett/tailnet/{tailnet}/dns/records',
    summary: 'Have devices answer an address for a name.',
    group,
    access: write,
    params,
    body: WantedRecord,
    reply: HostRecord,
  }),
  deleteDnsRecords: route({
    method: 'DELETE',
    path: '/sett/tailnet/{tailnet}/dns/records',
    summary: 'Remove the records of a name, or one of them.',
    group,
    access: write,
    params,
    query: z.object({
      name: Text,
      value: Text.optional().meta({ description: 'Only the one with this address' }),
    }),
  }),
  addDnsZone: route({
    method: 'POST',
    path: '/sett/tailnet/{tailnet}/dns/zones',
    summary:
      'Have devices answer for a domain themselves: with the records in it, and else that there is no such name.',
    group,
    access: write,
    params,
    body: z.object({ zone: Text }),
    reply: z.object({ zone: z.string() }),
  }),
  deleteDnsZone: route({
    method: 'DELETE',
    path: '/sett/tailnet/{tailnet}/dns/zones',
    summary: 'Remove a zone. Records in it stay.',
    group,
    access: write,
    params,
    query: z.object({ zone: Text }),
  }),
} as const
