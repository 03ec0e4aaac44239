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

/** Does the first packet of the flow pass? `local`: where the node lets packets go to at all. */
export function passes(rules: readonly FilterRule[], local: readonly Prefix[], flow: WireFlow): boolean {
  if (!local.some((net) => prefixContains(net, flow.to))) return false
  return rules.some(
    (rule) =>
      rule.SrcIPs.some((text) => covers(text, flow.from)) &&
      (rule.DstPorts ?? []).some(({ IP, Ports }) => covers(IP, flow.to) && takes(rule, Ports, flow)),
  )
}

function takes(rule: FilterRule, { First, Last }: { First: number; Last: number }, { protocol, port }: WireFlow) {
  if (protocol === 1 || protocol === 58) return true
  if (!(rule.IPProto ?? [6, 17, 1, 58]).includes(protocol)) return false
  if (protocol === 6 || protocol === 17 || protocol === 132) return First <= port && port <= Last
  return First === 0 && Last === 65535
}

/** Is the address one of those that the text says: `*`, an address, a prefix without host bits, `first-last`? */
function covers(text: string, ip: Ip): boolean {
  if (text === '*') return true
  const [first, last] = text.split('-').map((t) => parseIp(t))
  if (first !== undefined && last !== undefined) {
    if (first.family !== last.family || first.value > last.value) throw new Error(`Not a range: ${text}`)
    return first.family === ip.family && first.value <= ip.value && ip.value <= last.value
  }
  if (first !== undefined && !text.includes('-')) return first.family === ip.family && first.value === ip.value
  const net = parsePrefix(text)
  if (net === undefined || rangeOf(net)[0] !== net.ip.value) throw new Error(`A client would not take this: ${text}`)
  return prefixContains(net, ip)
}

/** What whoever sends from `from` is told that it may do at `to`. Destinations must be prefixes. */
export function capabilitiesFor(rules: readonly FilterRule[], from: Ip, to: Ip): Map<string, unknown[] | null> {
  const caps = new Map<string, unknown[] | null>()
  for (const { SrcIPs, CapGrant } of rules)
    for (const { Dsts, CapMap } of CapGrant ?? []) {
      const nets = Dsts.map((text) => {
        const net = parsePrefix(text)
        if (net === undefined) throw new Error(`A client would not take the whole map: ${text}`)
        return net
      })
      if (!SrcIPs.some((text) => covers(text, from)) || !nets.some((net) => prefixContains(net, to))) continue
      for (const [name, values] of Object.entries(CapMap)) {
        const all = [...(caps.get(name) ?? []), ...(values ?? [])]
        caps.set(name, all.length === 0 ? null : all)
      }
    }
  return caps
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

/** The first rule that lists the address and gives the account a local one decides. */
export function sshAnswer(
  rules: readonly WireSshRule[],
  address: string,
  account: string,
): 'accept' | 'check' | 'refuse' {
  for (const { principals, sshUsers, action } of rules) {
    if (!principals.some(({ nodeIP }) => nodeIP === address)) continue
    const users = new Map(Object.entries(sshUsers))
    const mapped = users.get(account) ?? users.get('*') ?? ''
    const local = mapped === '=' ? (account === 'root' ? '' : account) : mapped
    if (local === '') continue
    if (local !== account) throw new Error(`${account} would be ${local}`)
    return action['accept'] === true ? 'accept' : 'check'
  }
  return 'refuse'
}
