/**
 * What of a configuration is allowed and yet hardly meant: said at the start, so that nobody looks for it later.
 */

import { isLoopback } from '../http/forwarded.ts'
import type { Config } from './options.ts'

/**
 * Sentences for the log.
 *
 * @param url The origin that clients use, configured or derived
 */
export function doubtsOf(config: Pick<Config, 'url' | 'tls' | 'trustedProxy' | 'listen'>, url: string): string[] {
  const doubts: string[] = []
  const { protocol, hostname } = new URL(url)
  if (config.url !== undefined && protocol === 'https:' && config.tls === 'off' && config.trustedProxy.length === 0)
    doubts.push(
      'clients are sent to an https address, and nothing here speaks TLS: give a certificate with --tls, or name the proxy in front with --trusted-proxy',
    )
  if (isLocalName(hostname.replace(/^\[(.*)\]$/, '$1')))
    doubts.push(
      `only this machine can join: others cannot reach ${url}; listen on another address with --listen, or say with --url where a proxy does`,
    )
  return doubts
}

function isLocalName(host: string): boolean {
  return host === 'localhost' || isLoopback(host)
}
