/**
 * What a client makes of the packet filter and the SSH policy that it is sent, read from the JSON alone. Stricter in
 * one thing: text that a client would skip or stumble over is an error here. (node.md §2.4, §2.5, §7)
 */

import { parseIp, parsePrefix, prefix, prefixContains, rangeOf } from '../../src/base/ip.ts'
import type { Ip, Prefix } from '../../src/base/ip.ts'
import type { FilterRule } from '../../src/policy/filter.ts'
import type { WireSshRule } from '../../src/policy/ssh.ts'

export interface WireFlow {
  readonly from: Ip
  readonly to: Ip
  readonly protocol: number
  readonly port: number
}

type Has = (ip: Ip) => boolean
/** Is this somebody's own address, of a peer in whose map entry the capability stands? */
export type HasCapability = (ip: Ip, name: string) => boolean
interface Rule {
  readonly sources: readonly Has[]
  readonly names: readonly string[]
  readonly protocols: readonly number[]
  readonly ports: readonly { readonly has: Has; readonly first: number; readonly last: number }[]
  readonly grants: readonly { readonly has: readonly Has[]; readonly caps: Caps }[]
}
type Caps = Readonly<Record<string, readonly unknown[] | null>>

/** A filter as a client has it, to be asked many times. */
export class ClientFilter {
  readonly #rules: readonly Rule[]
  readonly #hasCapability: HasCapability

  constructor(rules: readonly FilterRule[], hasCapability: HasCapability = () => false) {
    this.#hasCapability = hasCapability
    this.#rules = rules.map(({ SrcIPs, IPProto, DstPorts, CapGrant }) => ({
      sources: SrcIPs.filter((text) => !text.startsWith(NAMED)).map(read),
      names: SrcIPs.filter((text) => text.startsWith(NAMED)).map((text) => text.slice(NAMED.length)),
      protocols: IPProto ?? [6, 17, 1, 58],
      ports: (DstPorts ?? []).map(({ IP, Ports }) => ({ has: read(IP), first: Ports.First, last: Ports.Last })),
      grants: (CapGrant ?? []).map(({ Dsts, CapMap }) => ({ has: Dsts.map(readPrefix), caps: CapMap })),
    }))
  }

  /** Does the first packet of the flow pass? `local`: where the node lets packets go to at all. */
  passes(local: readonly Prefix[], { from, to, protocol, port }: WireFlow): boolean {
    if (!local.some((net) => prefixContains(net, to))) return false
    if (isIcmp(protocol) && this.#passesByAnyName(from)) return true
    return this.#rules.some(
      ({ sources, names, protocols, ports }) =>
        (isIcmp(protocol) || protocols.includes(protocol)) &&
        ports.some(({ has, first, last }) => isOpen(protocol, port, first, last) && has(to)) &&
        (sources.some((has) => has(from)) || (hasPorts(protocol) && this.#isOneOf(names, from))),
    )
  }

  #isOneOf(names: readonly string[], from: Ip): boolean {
    return names.some((name) => this.#hasCapability(from, name))
  }

  /** Whoever has a capability of a rule may send ICMP, wherever that rule leads. */
  #passesByAnyName(from: Ip): boolean {
    return this.#rules.some(({ names, ports }) => ports.length > 0 && this.#isOneOf(names, from))
  }

  /** What whoever sends from `from` is told that it may do at `to`. */
  capabilities(from: Ip, to: Ip): Map<string, unknown[] | null> {
    const all = new Map<string, unknown[] | null>()
    for (const { sources, grants } of this.#rules)
      for (const { has, caps } of grants) {
        if (!sources.some((covers) => covers(from)) || !has.some((covers) => covers(to))) continue
        for (const [name, values] of Object.entries(caps)) {
          const list = [...(all.get(name) ?? []), ...(values ?? [])]
          all.set(name, list.length === 0 ? null : list)
        }
      }
    return all
  }
}

const NAMED = 'cap:'

function isIcmp(protocol: number): boolean {
  return protocol === 1 || protocol === 58
}

function hasPorts(protocol: number): boolean {
  return protocol === 6 || protocol === 17 || protocol === 132
}

function isOpen(protocol: number, port: number, first: number, last: number): boolean {
  if (isIcmp(protocol)) return true
  if (hasPorts(protocol)) return first <= port && port <= last
  return first === 0 && last === 65535
}

/** `*`, an address, a prefix without host bits, `first-last`. */
function read(text: string): Has {
  if (text === '*') return () => true
  const [first, last] = text.split('-').map((t) => parseIp(t))
  if (first !== undefined && last !== undefined) {
    if (first.family !== last.family || first.value > last.value) throw new Error(`Not a range: ${text}`)
    return ({ family, value }) => family === first.family && first.value <= value && value <= last.value
  }
  if (first !== undefined && !text.includes('-'))
    return ({ family, value }) => family === first.family && value === first.value
  return readPrefix(text)
}

/** All that destinations of capabilities may be: for anything else a client throws the whole map away. */
function readPrefix(text: string): Has {
  const net = parsePrefix(text)
  if (net === undefined || rangeOf(net)[0] !== net.ip.value) throw new Error(`A client would not take this: ${text}`)
  return (ip) => prefixContains(net, ip)
}

const NEVER_THROUGH_EXITS = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '100.64.0.0/10',
  'fe80::/10',
  'ff00::/8',
  'fd7a:115c:a1e0::/48',
].map(prefix)

/** May a packet to this address come in over an exit route? */
export function isThroughExit(ip: Ip): boolean {
  return !NEVER_THROUGH_EXITS.some((net) => prefixContains(net, ip))
}

/**
 * The first rule that lists who comes and gives the account a local one decides.
 *
 * @param login of the person whose device it is; machines with tags have none
 */
export function sshAnswer(
  rules: readonly WireSshRule[],
  address: string,
  account: string,
  login?: string,
): 'accept' | 'check' | 'refuse' {
  for (const { principals, sshUsers, action } of rules) {
    const isOne = principals.some((p) => ('nodeIP' in p ? p.nodeIP === address : p.userLogin === login))
    if (!isOne) continue
    const users = new Map(Object.entries(sshUsers))
    const mapped = users.get(account) ?? users.get('*') ?? ''
    const local = mapped === '=' ? (account === 'root' ? '' : account) : mapped
    if (local === '') continue
    if (local !== account) throw new Error(`${account} would be ${local}`)
    return action['accept'] === true ? 'accept' : 'check'
  }
  return 'refuse'
}

/** One flow asked of a filter. */
export function passes(rules: readonly FilterRule[], local: readonly Prefix[], flow: WireFlow): boolean {
  return new ClientFilter(rules).passes(local, flow)
}
