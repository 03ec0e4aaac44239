/**
 * Reads what a tailnet's DNS is made of: nameservers, domains, records. What gets past here goes to every client, and
 * official ones have crashed on domains that are none.
 */

import { isTailscaleAddress, SERVICE4, SERVICE6 } from '../../../base/address-plan.ts'
import { formatIp, parseAddressPort, parseIp, prefix, prefixContains, unmapIp } from '../../../base/ip.ts'
import type { Ip } from '../../../base/ip.ts'
import { quoteText } from '../../../policy/hujson/index.ts'
import type { WantedNameserver, WantedRecord } from '../../../wire/api/routes/dns.ts'
import { isKnownDohUrl } from '../../../wire/dns-over-https.ts'
import { bareDomain } from '../../model/dns.ts'
import type { HostRecord, Nameserver } from '../../model/dns.ts'
import { done, refuse } from '../answer.ts'
import type { Answer } from '../answer.ts'

/** So many nameservers fit into one list. */
const MAX_NAMESERVERS = 32

/** @param of what the list is for, in messages: `nameservers`, `split DNS of corp.example` */
export function readNameservers(of: string, wanted: readonly WantedNameserver[]): Answer<readonly Nameserver[]> {
  if (wanted.length > MAX_NAMESERVERS)
    return refuse(400, `Cannot set ${of}: there are ${wanted.length} nameservers, and ${MAX_NAMESERVERS} are the most`)
  const read: Nameserver[] = []
  const seen = new Set<string>()
  for (const { address, useWithExitNode } of wanted) {
    const found = readNameserver(address)
    if ('fault' in found) return refuse(400, `Cannot set ${of}: ${quoteText(address)} ${found.fault}`)
    if (seen.has(found.canonical)) return refuse(400, `Cannot set ${of}: ${quoteText(address)} is there twice`)
    seen.add(found.canonical)
    read.push({ address, useWithExitNode: useWithExitNode ?? false })
  }
  return done(read)
}

type Read = { readonly canonical: string } | { readonly fault: string }

const KINDS_OF_NAMESERVERS =
  'is no nameserver: want an IP address, one with a port such as 192.0.2.1:53 or [2001:db8::1]:53, or the URL of DNS ' +
  'over HTTPS of a provider that clients know'

function readNameserver(text: string): Read {
  if (text.startsWith('https://'))
    return isKnownDohUrl(text)
      ? { canonical: text }
      : { fault: 'is of no provider that clients know, and they could not find it without DNS: want its IP address' }
  if (text.startsWith('http://')) return readPeerUrl(text)
  const ip = parseIp(text)
  const withPort = ip === undefined ? parseAddressPort(text) : { ip, port: 53 }
  if (withPort === undefined || withPort.port === 0) return { fault: KINDS_OF_NAMESERVERS }
  const fault = faultOf(withPort.ip)
  if (fault !== undefined) return { fault }
  return { canonical: `${formatIp(withPort.ip)} ${withPort.port}` }
}

/** A device's own DNS over HTTP, which nothing but the tailnet protects. */
function readPeerUrl(text: string): Read {
  const at = parseAddressPort(/^http:\/\/(.*)\/dns-query$/.exec(text)?.[1] ?? '')
  if (at === undefined || at.port === 0 || !isTailscaleAddress(at.ip))
    return {
      fault: 'is no nameserver: over plain HTTP, want http://ADDRESS:PORT/dns-query with an address of a device',
    }
  const fault = faultOf(at.ip)
  return fault === undefined ? { canonical: text } : { fault }
}

const NOBODY = ['0.0.0.0/8', '::/128', '224.0.0.0/3', 'ff00::/8'].map(prefix)

function faultOf(ip: Ip): string | undefined {
  if (ip.zone !== undefined) return 'names an interface, which only one device would have'
  if (unmapIp(ip) !== ip) return `is an IPv4 address within IPv6: want ${formatIp(unmapIp(ip))}`
  if (prefixContains(SERVICE4, ip) || prefixContains(SERVICE6, ip))
    return 'is where devices ask themselves: they would ask in circles'
  if (NOBODY.some((range) => prefixContains(range, ip))) return 'is nobody’s address'
  return undefined
}

/** @param what in messages: `search domain`, `zone` */
export function domainFault(what: string, text: string): string | undefined {
  const fault = faultOfDomain(bareDomain(text))
  return fault === undefined ? undefined : `Cannot set ${what} ${quoteText(text)}: ${fault}`
}

/** Underscores stand in names of services, such as `_msdcs.corp.example`. */
function faultOfDomain(domain: string): string | undefined {
  if (domain.startsWith('*.')) return 'a domain stands for all names under it without "*."'
  if (parseIp(domain) !== undefined) return 'want a domain, not an address'
  // Lengths are in bytes, and with anything beyond ASCII it is refused anyway.
  if (/[^\0-\x7f]/.test(domain)) return 'want letters beyond a to z in their other form, which begins with "xn--"'
  if (domain.length > 253) return 'want at most 253 characters'
  if (!domain.split('.').every((label) => /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/.test(label)))
    return 'want labels between dots, each of 1 to 63 letters, digits, hyphens and underscores, no hyphen at either end'
  return undefined
}

/** @param own the tailnet's domain, under which a lone label stands */
export function readRecord(wanted: WantedRecord, own: string): Answer<HostRecord> {
  const bare = bareDomain(wanted.name)
  const name = bare.includes('.') ? bare : `${bare}.${own}`
  const cannot = `Cannot set record ${quoteText(name)}:`
  const fault = faultOfDomain(name)
  if (fault !== undefined) return refuse(400, `${cannot} ${fault}`)
  const ip = parseIp(wanted.value)
  if (ip === undefined || ip.zone !== undefined || unmapIp(ip) !== ip)
    return refuse(400, `${cannot} ${quoteText(wanted.value)} is no address: want an IPv4 or IPv6 address`)
  const type = ip.family === 4 ? 'A' : 'AAAA'
  if (wanted.type != null && wanted.type !== type)
    return refuse(400, `${cannot} ${quoteText(wanted.value)} belongs into a record of type ${type}`)
  return done({ name, type, value: formatIp(ip) })
}
