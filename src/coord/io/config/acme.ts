/**
 * What `--tls acme` needs of the other options, and what they need of it: said before anything is opened, since an
 * authority's refusal comes late and says less.
 */

import { isIP } from 'node:net'
import type { ChallengeType } from '../../acme/obtain.ts'
import type { Said } from './config.ts'
import { isHostName } from './options.ts'
import type { Config, OptionName } from './options.ts'

/** Where authorities look for proofs, whatever ports clients use (RFC 8555, 8.3; RFC 8737, 3). */
const HTTP_PORT = 80
const TLS_PORT = 443

/** The port that clients of an origin connect to. */
export function portOf(url: string): number {
  const { port, protocol } = new URL(url)
  return port === '' ? (protocol === 'https:' ? TLS_PORT : HTTP_PORT) : Number(port)
}

/**
 * Ways by which an authority that knocks at our name can get here: in clear text where somebody listens for it, by TLS
 * where clients use the port on which it is looked for. Which local ports those lead to is the router's matter.
 */
export function challengesOf({ url, httpListen }: Pick<Config, 'url' | 'httpListen'>): ChallengeType[] {
  const ways: ChallengeType[] = []
  if (httpListen.length > 0) ways.push('http-01')
  if (url !== undefined && portOf(url) === TLS_PORT) ways.push('tls-alpn-01')
  return ways
}

/** Why these options don't fit together, `undefined` when they do. */
export function complaintOfAcme(
  { tls, url }: Pick<Config, 'tls' | 'url'>,
  said: (name: OptionName) => Said | undefined,
): string | undefined {
  const http = said('http-listen')
  if (tls === 'off' && http !== undefined && http.text.toLowerCase() !== 'off')
    return `Cannot use ${http.where}: without --tls, --listen answers in clear text already; want --tls, or ${http.where} away`
  if (tls !== 'acme') {
    for (const name of ['acme-directory', 'acme-email', 'acme-eab'] as const) {
      const saying = said(name)
      if (saying !== undefined)
        return `Cannot use ${saying.where}: nothing asks for a certificate; want --tls acme with it, or leave it away`
    }
    return undefined
  }
  const where = `${said('tls')?.where ?? '--tls'} "acme"`
  if (url === undefined)
    return `Cannot use ${where}: nothing says which name the certificate is for; want --url https://NAME, a name of the public DNS that leads to this machine`
  const { protocol, hostname } = new URL(url)
  const origin = `${said('url')?.where ?? '--url'} "${url}"`
  if (protocol !== 'https:')
    return `Cannot use ${where} with ${origin}: it has no use for a certificate; want https:// there`
  if (isIP(hostname.replace(/^\[(.*)\]$/, '$1')) !== 0)
    return `Cannot use ${where} with ${origin}: certificates are for names, and this is an address; want a DNS name that leads to it`
  if (!isHostName(hostname))
    return `Cannot use ${where} with ${origin}: ${JSON.stringify(hostname)} is not one DNS name; want letters, digits and hyphens between dots`
  if (http?.text.toLowerCase() === 'off' && portOf(url) !== TLS_PORT)
    return `Cannot use ${where} with ${origin} and ${http.where} "off": authorities look for a proof at port 80 or 443 of the name and nowhere else; want port 80 answered by --http-listen, or a --url without a port`
  return undefined
}
