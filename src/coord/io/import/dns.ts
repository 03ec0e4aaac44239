/** DNS as Headscale's settings have it, as the record that a tailnet has here; what can't be taken is told. */

import { DEFAULT_DNS, DNS_ID, labelIn } from '../../model/dns.ts'
import type { HostRecord } from '../../model/dns.ts'
import type { Write } from '../../model/records.ts'
import { readRecord } from '../../rest/changes/dns-words.ts'
import { withPatch } from '../../rest/changes/dns.ts'
import type { HeadscaleDns } from './settings.ts'

/**
 * @param domain the tailnet's
 * @param names that nodes have
 */
export function dnsWrites(
  dns: HeadscaleDns | undefined,
  domain: string,
  names: ReadonlySet<string>,
  notes: string[],
): Write[] {
  if (dns === undefined) {
    notes.push('DNS settings are not brought over: they stand in config.yaml; name it with --config, or set them anew')
    return []
  }
  const records = recordsOf(dns, domain, names, notes)
  const wanted = {
    magicDNS: dns.magicDNS,
    overrideLocalDNS: dns.overrideLocalDNS && dns.nameservers.length > 0,
    nameservers: serversOf(dns.nameservers),
    splitDNS: Object.fromEntries(Object.entries(dns.split).map(([of, servers]) => [of, serversOf(servers)])),
    searchPaths: [...dns.searchDomains],
  }
  const taken = withPatch(DEFAULT_DNS, wanted, domain)
  if (taken.kind === 'refused') {
    notes.push(`DNS settings are not brought over: ${taken.message}`)
    return []
  }
  const labels = new Set(records.flatMap(({ name }) => labelIn(name, domain) ?? []))
  return [
    { kind: 'dns', id: DNS_ID, expect: 'absent', value: { ...taken.reply, records } },
    // Nodes that join later get other names.
    ...[...labels].map((id) => ({ kind: 'name', id, expect: 'absent', value: { node: 0 } }) as const),
  ]
}

function recordsOf(dns: HeadscaleDns, domain: string, names: ReadonlySet<string>, notes: string[]): HostRecord[] {
  const records: HostRecord[] = []
  if (dns.unread !== undefined) notes.push(`DNS records are not brought over: ${dns.unread}`)
  for (const { name, value } of dns.extraRecords) {
    const read = readRecord({ name, value }, domain)
    const leave = (why: string) => void notes.push(`the DNS record ${name} is not brought over: ${why}`)
    if (read.kind === 'refused') leave(read.message)
    else if (names.has(labelIn(read.reply.name, domain) ?? '')) leave('a device is called so')
    else if (!records.some((other) => other.name === read.reply.name && other.value === read.reply.value))
      records.push(read.reply)
  }
  return records
}

function serversOf(addresses: readonly string[]): { address: string }[] {
  return addresses.map((address) => ({ address }))
}
