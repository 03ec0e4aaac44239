/**
 * The servers of DNS over HTTPS that clients can ask. They must not need DNS to find them, so they know them by URL;
 * a URL that they do not know leaves them without an answer. (control.md §8.1, Resolver)
 */

/** Followed by a profile: hexadecimal, at most 12 bytes. What comes behind it, clients tell about themselves. */
export const NEXTDNS = 'https://dns.nextdns.io/'
const CONTROL_D = 'https://dns.controld.com/'

const KNOWN: ReadonlySet<string> = new Set([
  ...['', 'security.', 'family.'].map((kind) => `https://${kind}cloudflare-dns.com/dns-query`),
  'https://dns.google/dns-query',
  ...['dns', 'dns10', 'dns11'].map((host) => `https://${host}.quad9.net/dns-query`),
  ...['', 'adblock.', 'base.', 'extended.', 'family.', 'all.'].map(
    (kind) => `https://${kind}dns.mullvad.net/dns-query`,
  ),
  'https://wikimedia-dns.org/dns-query',
  ...['p0', 'p1', 'p2', 'p3', 'family'].map((kind) => `https://freedns.controld.com/${kind}`),
  ...['private', 'protected', 'family'].map((kind) => `https://${kind}.canadianshield.cira.ca/dns-query`),
])

const PROFILE = '(?:[0-9a-f]{2}){1,12}'
const NEXTDNS_URL = new RegExp(`^https://dns\\.nextdns\\.io/${PROFILE}(?:[/?][!-~]*)?$`, 'i')
const CONTROL_D_URL = /^https:\/\/dns\.controld\.com\/[A-Za-z0-9-]+(?:[/?][!-~]*)?$/
const ATTRIBUTE = new RegExp(`^nextdns:(${PROFILE})$`, 'i')

/** Do clients know where the server of this URL is? */
export function isKnownDohUrl(url: string): boolean {
  if (url.startsWith(NEXTDNS)) return NEXTDNS_URL.test(url)
  return url.startsWith(CONTROL_D) ? CONTROL_D_URL.test(url) : KNOWN.has(url)
}

/** The profile that a node attribute `nextdns:PROFILE` names; `undefined` for any other. */
export function nextDnsProfile(attribute: string): string | undefined {
  return ATTRIBUTE.exec(attribute)?.[1]?.toLowerCase()
}
