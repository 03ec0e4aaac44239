/**
 * How a tailnet's devices resolve names, as it is kept: MagicDNS, nameservers, split DNS, search domains, and the
 * tailnet's own zones and records. (api-v2.md §4.5, control.md §8)
 */

import type { TailnetState } from './model.ts'

/** Record id: `current`. A tailnet that never changed anything has none, and lives by `DEFAULT_DNS`. */
export interface DnsRecord {
  /** Devices answer each other's names themselves. */
  readonly magicDNS: boolean
  /** Devices ask `nameservers` instead of those of their system; else only where they have nothing better. */
  readonly overrideLocalDNS: boolean
  readonly nameservers: readonly Nameserver[]
  /** Whom devices ask about a domain and all that is under it. Domains as they were written; unlike in any case. */
  readonly splitDNS: readonly { readonly domain: string; readonly nameservers: readonly Nameserver[] }[]
  /** Beyond the tailnet's own domain, which comes first while MagicDNS is on. */
  readonly searchPaths: readonly string[]
  /** Domains in which there is nothing but `records`: devices answer themselves, and ask nobody. Lower case. */
  readonly zones: readonly string[]
  readonly records: readonly HostRecord[]
}

export interface Nameserver {
  /** As it was written: an address, with a port or without, or the URL of DNS over HTTPS. */
  readonly address: string
  /** It is asked also by devices that use an exit node. */
  readonly useWithExitNode: boolean
}

/** An address that devices answer for a name. */
export interface HostRecord {
  /** Full, in lower case, without the dot at its end. */
  readonly name: string
  readonly type: 'A' | 'AAAA'
  /** Canonical. */
  readonly value: string
}

export const DEFAULT_DNS: DnsRecord = {
  magicDNS: true,
  overrideLocalDNS: false,
  nameservers: [],
  splitDNS: [],
  searchPaths: [],
  zones: [],
  records: [],
}

/** Id of the one record. */
export const DNS_ID = 'current'

/** Members that came to be after the record was written are as they are for new tailnets. */
export function dnsOf(state: TailnetState): DnsRecord {
  return { ...DEFAULT_DNS, ...state.get('dns', DNS_ID) }
}

/** A domain as it is compared and sent: in lower case, without a dot at its end. */
export function bareDomain(text: string): string {
  return text.toLowerCase().replace(/\.$/, '')
}

/** Is a domain, both being bare, this one or under it? */
export function isWithin(domain: string, outer: string): boolean {
  return domain === outer || domain.endsWith(`.${outer}`)
}

/** The one label before a domain, both being bare; `undefined` where there is none, or are more. */
export function labelIn(name: string, domain: string): string | undefined {
  if (!name.endsWith(`.${domain}`)) return undefined
  const label = name.slice(0, -domain.length - 1)
  return label.includes('.') ? undefined : label
}
