/**
 * Where the server may send what tailnets want sent: not into its own network, whatever name leads there.
 *
 * Whoever administers a tailnet need not be who runs the server. So addresses that are not the internet's are refused
 * unless the operator lists them, and they are looked at again with every connection, behind the name.
 */

import { lookup } from 'node:dns'
import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net'
import type { LookupFunction } from 'node:net'

/** What is not the internet. (IANA special-purpose registries) */
const NOT_PUBLIC = new BlockList()
for (const prefix of [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/3',
]) {
  const [address = '', bits] = prefix.split('/')
  NOT_PUBLIC.addSubnet(address, Number(bits), 'ipv4')
}
for (const prefix of [
  '::/96',
  '64:ff9b:1::/48',
  '100::/64',
  '2002::/16',
  'fc00::/7',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
]) {
  const [address = '', bits] = prefix.split('/')
  NOT_PUBLIC.addSubnet(address, Number(bits), 'ipv6')
}

export class Targets {
  readonly #allowed = new BlockList()

  /** @param allowed addresses, prefixes and `loopback`, as the option has them */
  constructor(allowed: readonly string[]) {
    for (const entry of allowed.flatMap((text) => (text === 'loopback' ? ['127.0.0.0/8', '::1'] : [text]))) {
      const [address = '', bits] = entry.split('/')
      const family = isIPv4(address) ? 'ipv4' : 'ipv6'
      if (bits === undefined) this.#allowed.addAddress(address, family)
      else this.#allowed.addSubnet(address, Number(bits), family)
    }
  }

  /** Why nothing is sent to this address; `undefined`: it may be. @param isClear without TLS */
  fault(text: string, isClear: boolean): string | undefined {
    // IPv4 in the clothes of IPv6, or behind a translator, is where it is.
    const address = embedded(text)
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    if (this.#allowed.check(address, family)) return undefined
    if (NOT_PUBLIC.check(address, family))
      return `its address ${text} is not on the internet: the server’s operator can allow it with --private-targets`
    return isClear ? 'what is sent without TLS may only go to addresses of --private-targets' : undefined
  }

  /** Resolves names for a connection, and refuses those that lead where nothing may be sent. */
  lookup(isClear: boolean): LookupFunction {
    return (hostname, options, done) => {
      lookup(hostname, { ...options, all: true }, (error, found) => {
        const usable = error === null ? found.filter(({ address }) => this.fault(address, isClear) === undefined) : []
        const [first] = usable
        const refused = error === null && found[0] !== undefined ? this.fault(found[0].address, isClear) : undefined
        const no = error ?? (first === undefined ? new Refused(refused ?? `${hostname} has no address`) : null)
        if (no !== null || first === undefined) done(no, [])
        else if (options.all === true) done(null, usable)
        else done(null, first.address, first.family)
      })
    }
  }

  /** Names are looked at when they are resolved; an address in their place is not. @throws Refused */
  check(hostname: string, isClear: boolean): void {
    const host = hostname.replace(/^\[(.*)\]$/, '$1')
    const fault = isIP(host) === 0 ? undefined : this.fault(host, isClear)
    if (fault !== undefined) throw new Refused(fault)
  }
}

/** Refused by us; its message is for whoever set the target. */
export class Refused extends Error {}

/** The IPv4 address inside `::ffff:a.b.c.d` and `64:ff9b::a.b.c.d`; any other as it is. */
function embedded(text: string): string {
  if (!isIPv6(text)) return text
  const { hostname } = new URL(`http://[${text.split('%', 1)[0]}]`)
  const m = /^\[(?:::ffff|64:ff9b:):([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(hostname)
  if (m === null) return hostname.slice(1, -1)
  const [high, low] = [Number.parseInt(m[1] as string, 16), Number.parseInt(m[2] as string, 16)]
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}
