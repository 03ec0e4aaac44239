/** DNS as Headscale's settings have it, as the record that a tailnet has here; what can't be taken is told. */

import { DEFAULT_DNS, DNS_ID } from '../../model/dns.ts'
import type { Write } from '../../model/records.ts'
import { withPatch } from '../../rest/changes/dns.ts'
import type { HeadscaleDns } from './settings.ts'

/** @param domain the tailnet's */
export function dnsWrites(dns: HeadscaleDns | undefined, domain: string, notes: string[]): Write[] {
  if (dns === undefined) {
    notes.push('DNS settings are not brought over: they stand in config.yaml; name it with --config, or set them anew')
    return []
  }
  const wanted = {
    magicDNS: dns.magicDNS,
    overrideLocalDNS: dns.overrideLocalDNS && dns.nameservers.length > 0,
    nameservers: serversOf(dns.nameservers),
    splitDNS: Object.fromEntries(Object.entries(dns.split).map(([of, servers]) => [of, serversOf(servers)])),
    searchPaths: [...dns.searchDomains],
  }
  for (const { name, value } of dns.extraRecords)
    notes.push(`the DNS record ${name} (${value}) is not brought over: add it again`)
  if (dns.recordsFile !== undefined)
    notes.push(`DNS records of ${dns.recordsFile} are not brought over: add them again`)
  const taken = withPatch(DEFAULT_DNS, wanted, domain)
  if (taken.kind === 'refused') {
    notes.push(`DNS settings are not brought over: ${taken.message}`)
    return []
  }
  return [{ kind: 'dns', id: DNS_ID, expect: 'absent', value: taken.reply }]
}

function serversOf(addresses: readonly string[]): { address: string }[] {
  return addresses.map((address) => ({ address }))
}
