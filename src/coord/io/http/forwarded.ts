/**
 * Who a request comes from: the socket's address, or what trusted proxies say in front of it.
 *
 * A header proves nothing by itself, since anybody can write one. Each proxy adds at the right what it saw, so the
 * list is read from there, and only as far as trusted proxies reach; the first address beyond them is the client.
 */

import { BlockList, isIP } from 'node:net'

/** The headers that are looked at, lower case, as Node's HTTP server gives them. */
export type Headers = { readonly [name: string]: string | readonly string[] | undefined }

export interface Client {
  /** The client's address in its ordinary form; `unknown` when a trusted proxy hides it. */
  readonly address: string
  /** A trusted proxy says that the client reached it over TLS. */
  readonly secure: boolean
}

export class TrustedProxies {
  readonly #list = new BlockList()

  /** @param entries addresses, prefixes and `loopback`, as checked by the options */
  constructor(entries: readonly string[]) {
    for (const entry of entries) {
      if (entry === 'loopback') {
        this.#list.addSubnet('127.0.0.0', 8, 'ipv4')
        this.#list.addAddress('::1', 'ipv6')
        continue
      }
      const [address = '', bits] = entry.split('/')
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
      if (bits === undefined) this.#list.addAddress(address, family)
      else this.#list.addSubnet(address, Number(bits), family)
    }
  }

  trusts(address: string): boolean {
    const family = isIP(address)
    return family !== 0 && this.#list.check(address, family === 6 ? 'ipv6' : 'ipv4')
  }

  /** Who asks, given the socket's own address and the request's headers. */
  client(peer: string | undefined, headers: Headers): Client {
    const socket = plainAddress(peer ?? '') ?? 'unknown'
    if (!this.trusts(socket)) return { address: socket, secure: false }
    const [older, standard] = [olderHops(headers), standardHops(headers)]
    const client = this.#follow(socket, older.length > 0 ? older : standard)
    // A proxy writes one kind and may pass the other on as a client sent it; so both must say that it was TLS.
    const secure = client.secure && (standard.length === 0 || this.#follow(socket, standard).secure)
    return { ...client, secure }
  }

  /** From the socket leftwards, as far as trusted proxies reach. */
  #follow(socket: string, hops: readonly Hop[]): Client {
    let address = socket
    let secure = false
    for (const hop of hops.toReversed()) {
      secure = hop.proto === 'https'
      const named = hop.address === undefined ? undefined : plainAddress(hop.address)
      if (named === undefined) return { address: 'unknown', secure }
      address = named
      if (!this.trusts(address)) break
    }
    return { address, secure }
  }
}

interface Hop {
  readonly address: string | undefined
  readonly proto: string | undefined
}

/** What proxies wrote into `Forwarded` (RFC 7239), leftmost first. */
function standardHops(headers: Headers): Hop[] {
  return listOf(headers['forwarded']).map((element) => {
    const pairs = new Map<string, string>()
    for (const pair of element.split(';')) {
      const equals = pair.indexOf('=')
      if (equals < 0) continue
      const value = pair.slice(equals + 1).trim()
      pairs.set(pair.slice(0, equals).trim().toLowerCase(), value.replace(/^"(.*)"$/, '$1'))
    }
    return { address: pairs.get('for'), proto: pairs.get('proto')?.toLowerCase() }
  })
}

/** What proxies wrote into the headers that nearly all of them use, leftmost first. They count before `Forwarded`. */
function olderHops(headers: Headers): Hop[] {
  const addresses = listOf(headers['x-forwarded-for'])
  const protos = listOf(headers['x-forwarded-proto']).map((p) => p.toLowerCase())
  const real = listOf(headers['x-real-ip']).at(-1)
  const seen = addresses.length > 0 ? addresses : real === undefined ? [] : [real]
  if (seen.length === 0) return protos.length === 0 ? [] : [{ address: undefined, proto: protos.at(-1) }]
  // One scheme may stand for the whole chain: most proxies overwrite that header where they append to the other.
  return seen.map((address, i) => ({ address, proto: protos[protos.length - seen.length + i] ?? protos.at(-1) }))
}

/** Members of a comma-separated header; commas in quotes do not separate. At most 32, the rightmost. */
function listOf(value: string | readonly string[] | undefined): string[] {
  const text = typeof value === 'string' ? value : (value ?? []).join(',')
  if (text.length > 4096) return ['unknown']
  const members: string[] = []
  for (const m of text.matchAll(/(?:"[^"]*"|[^",])+/g)) {
    const member = m[0].trim()
    if (member !== '') members.push(member)
  }
  return members.slice(-32)
}

/** The address without port, brackets, zone and IPv4-in-IPv6 clothing; `undefined` if it is none. */
export function plainAddress(text: string): string | undefined {
  const m = /^\[([^\]]+)\](?::\d{1,5})?$/.exec(text) ?? /^(\d+\.\d+\.\d+\.\d+):\d{1,5}$/.exec(text)
  const bare = (m?.[1] ?? text).replace(/%.*$/, '').toLowerCase()
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(bare)?.[1]
  const address = mapped ?? bare
  return isIP(address) === 0 ? undefined : address
}

/** Is this address this machine itself? */
export function isLoopback(address: string | undefined): boolean {
  const plain = plainAddress(address ?? '')
  return plain !== undefined && (plain === '::1' || plain.startsWith('127.'))
}
