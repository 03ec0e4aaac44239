/**
 * The objects of a tailnet's DNS as they stand in answers: those of Tailscale's routes, and Sett's own, which has
 * everything. (api-v2.md §4.5, §6.2)
 */

import * as z from 'zod'

const strings = z.array(z.string())

export const Nameserver = z
  .object({
    address: z.string().meta({ description: 'An address, with a port or without, or the URL of DNS over HTTPS' }),
    useWithExitNode: z.boolean().meta({ description: 'Asked also by devices that use an exit node' }),
  })
  .meta({ id: 'Nameserver' })
export type Nameserver = z.infer<typeof Nameserver>

export const SplitDns = z.record(z.string(), strings).meta({ id: 'SplitDns', description: 'Nameservers by domain' })
export type SplitDns = z.infer<typeof SplitDns>

export const DnsConfiguration = z
  .object({
    nameservers: z.array(Nameserver).meta({ description: 'Sorted by address' }),
    splitDNS: z.record(z.string(), z.array(Nameserver)),
    searchPaths: strings,
    preferences: z.object({ overrideLocalDNS: z.boolean(), magicDNS: z.boolean() }),
  })
  .meta({ id: 'DnsConfiguration' })
export type DnsConfiguration = z.infer<typeof DnsConfiguration>

const LegacyResolver = z.object({ addr: z.string(), useWithExitNode: z.boolean().optional() })

/** The form that came before `DnsConfiguration`; some Go programs still use it. */
export const LegacyDnsConfig = z
  .object({
    resolvers: z.array(LegacyResolver).meta({ description: 'Asked instead of those of the system' }),
    fallbackResolvers: z.array(LegacyResolver).meta({ description: 'Asked where there are no better ones' }),
    routes: z
      .record(z.string(), z.array(LegacyResolver))
      .meta({ description: 'Without resolvers: zones of the tailnet' }),
    domains: strings,
    nameservers: strings.meta({ description: 'Always empty' }),
    proxied: z.boolean().meta({ description: 'MagicDNS' }),
  })
  .meta({ id: 'LegacyDnsConfig' })
export type LegacyDnsConfig = z.infer<typeof LegacyDnsConfig>

export const HostRecord = z
  .object({
    name: z.string().meta({ description: 'Full name, in lower case, without a dot at its end' }),
    type: z.enum(['A', 'AAAA']),
    value: z.string(),
  })
  .meta({ id: 'HostRecord' })
export type HostRecord = z.infer<typeof HostRecord>

/** All that there is of a tailnet's DNS. */
export const Dns = z
  .object({
    domain: z.string().meta({ description: 'The tailnet’s own: suffix of its devices’ names' }),
    magicDNS: z.boolean(),
    overrideLocalDNS: z.boolean().meta({ description: 'Devices ask `nameservers` instead of those of their system' }),
    nameservers: z.array(Nameserver).meta({ description: 'In the order in which they were given' }),
    splitDNS: z.record(z.string(), z.array(Nameserver)),
    searchPaths: strings,
    zones: strings.meta({ description: 'Domains in which there is nothing but `records`' }),
    records: z.array(HostRecord),
  })
  .meta({ id: 'Dns' })
export type Dns = z.infer<typeof Dns>

/** For the document of the API. */
export const DNS_OBJECTS = { Nameserver, SplitDns, DnsConfiguration, LegacyDnsConfig, HostRecord, Dns } as const
