/**
 * Fetches a small JSON document from an address that an administrator of one tailnet named: for reading what an issuer
 * publishes, and for nothing else.
 *
 * The server must not become such a person's way into its own network. It only ever asks by GET, over TLS with a
 * certificate that holds for the name, follows nobody elsewhere, and passes nothing of what it reads on. It does not speak
 * with addresses that only this machine or this link has, whatever name leads there; this machine itself may be named as
 * such, for issuers that run beside the server.
 */

import type { IncomingMessage } from 'node:http'
import type { LookupAddress } from 'node:dns'
import { lookup } from 'node:dns'
import { BlockList, isIP, isIPv6 } from 'node:net'
import type { LookupFunction } from 'node:net'
import { SECOND_MS } from '../../../base/clock.ts'
import { isLoopbackHost } from '../../rest/federation.ts'

// As modules they would load fetch and WebSocket with them.
const https = process.getBuiltinModule('node:https')
const http = process.getBuiltinModule('node:http')

const LONGEST_MS = 5 * SECOND_MS
/** Key sets of large issuers have some 10 kB. */
const MOST_BYTES = 256 * 1024

type Resolve = (hostname: string, done: (error: Error | null, found: readonly LookupAddress[]) => void) => void

/** What tests put in place of the system's. */
export interface FetchOptions {
  /** Certificates to trust. */
  readonly ca?: string
  readonly resolve?: Resolve
}

/** Rejects with an `Error` that says what went wrong; nothing of an answer stands in it. */
export async function fetchPublicJson(text: string, options: FetchOptions = {}): Promise<unknown> {
  const { ca, resolve = (hostname, done) => lookup(hostname, { all: true }, done) } = options
  const url = new URL(text)
  const local = isLoopbackHost(url.hostname)
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && local)) throw new Error('not https')
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  if (isIP(host) !== 0 && !mayAsk(host, local)) throw new Error(`its address ${host} is not asked`)
  const signal = AbortSignal.timeout(LONGEST_MS)
  try {
    const response = await new Promise<IncomingMessage>((answered, reject) => {
      const how = {
        signal,
        agent: false,
        lookup: guarded(local, resolve),
        headers: { accept: 'application/json', 'user-agent': 'sett' },
        ...(ca === undefined ? {} : { ca }),
      } as const
      const asked = url.protocol === 'https:' ? https.request(url, how, answered) : http.request(url, how, answered)
      asked.on('error', reject)
      asked.end()
    })
    if (response.statusCode !== 200) {
      response.destroy()
      throw new Error(`status ${response.statusCode}`)
    }
    return parse(await bodyOf(response))
  } catch (error) {
    if (signal.aborted) throw new Error(`no answer within ${LONGEST_MS / SECOND_MS} s`, { cause: error })
    throw error
  }
}

/** The address that is looked at is the one that is connected to, whatever the name says a moment later. */
function guarded(local: boolean, resolve: Resolve): LookupFunction {
  return (hostname, options, done) => {
    resolve(hostname, (error, found) => {
      const usable = error === null ? found.filter(({ address }) => mayAsk(address, local)) : []
      const [first] = usable
      if (first === undefined) done(error ?? new Error(`none of the addresses of ${hostname} is asked`), [])
      else if (options.all === true) done(null, usable)
      else done(null, first.address, first.family)
    })
  }
}

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8)
LOOPBACK.addAddress('::1', 'ipv6')
const NEVER_ASKED = new BlockList()
NEVER_ASKED.addSubnet('0.0.0.0', 8)
// The services of clouds that tell machines their secrets are at such addresses.
NEVER_ASKED.addSubnet('169.254.0.0', 16)
NEVER_ASKED.addSubnet('224.0.0.0', 3)
NEVER_ASKED.addSubnet('fe80::', 10, 'ipv6')
NEVER_ASKED.addSubnet('ff00::', 8, 'ipv6')
NEVER_ASKED.addAddress('::', 'ipv6')
NEVER_ASKED.addAddress('fd00:ec2::254', 'ipv6')

function mayAsk(address: string, local: boolean): boolean {
  const family = isIPv6(address) ? 'ipv6' : 'ipv4'
  return LOOPBACK.check(address, family) ? local : !local && !NEVER_ASKED.check(address, family)
}

async function bodyOf(response: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of response as AsyncIterable<Buffer>) {
    length += piece.length
    if (length > MOST_BYTES) throw new Error(`more than ${MOST_BYTES} bytes`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

/** The parser's own words would quote the text. */
function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    throw new Error('no JSON')
  }
}
