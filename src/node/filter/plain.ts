/**
 * The filter as node.md §2.3 and §2.4 put it, read directly and slowly: every packet is held against every rule. The
 * twin of compile.ts and evaluate.ts, for tests; a node never runs it.
 */

import { parseIp, parsePrefix, prefix, prefixContains, rangeOf } from '../../base/ip.ts'
import type { Ip, Prefix } from '../../base/ip.ts'
import type { FilterRule } from '../../wire/filter-rule.ts'
import type { VerdictName } from './verdict.ts'

/** A packet that could be read, in words of the table in §2.4. */
export interface PlainPacket {
  readonly src: Ip
  readonly dst: Ip
  readonly protocol: number
  readonly srcPort?: number
  readonly dstPort?: number
  /** TCP: SYN without ACK. */
  readonly isSyn?: boolean
  readonly icmpType?: number
  readonly icmpCode?: number
}

export class PlainFilter {
  readonly #rules: readonly FilterRule[]
  readonly #local: readonly Prefix[]
  readonly #capabilities: ReadonlyMap<string, readonly string[]>
  /** The flows that went out, the one used last at the end. */
  #flows: string[] = []

  /** @param capabilities node capabilities by the text of a peer's address */
  constructor(
    rules: readonly FilterRule[],
    localNets: readonly Prefix[],
    capabilities: ReadonlyMap<string, readonly string[]>,
  ) {
    const isUnusable = rules.some((r) => r.SrcBits !== undefined || r.DstPorts.some((d) => d.Bits !== undefined))
    this.#rules = isUnusable ? [] : rules
    this.#local = localNets
    this.#capabilities = capabilities
  }

  outbound(p: PlainPacket): VerdictName {
    const early = checkFirst(p.dst)
    if (early !== undefined) return early
    if (p.protocol === 17 || p.protocol === 132) {
      this.#use(flowOf(p.protocol, p.dst, p.dstPort, p.src, p.srcPort))
      this.#flows = this.#flows.slice(-512)
    }
    return 'outbound'
  }

  inbound(p: PlainPacket): VerdictName {
    const early = checkFirst(p.dst)
    if (early !== undefined) return early
    if (!this.#local.some((net) => prefixContains(net, p.dst))) return 'notLocal'
    const isOwnIcmp = p.protocol === (p.dst.family === 4 ? 1 : 58)
    if (isOwnIcmp) return this.#icmp(p)
    if (p.protocol === 6) {
      if (p.isSyn !== true) return 'tcpContinued'
      return this.#matches(p) ? 'tcp' : 'noRule'
    }
    if (p.protocol === 17 || p.protocol === 132) {
      const flow = flowOf(p.protocol, p.src, p.srcPort, p.dst, p.dstPort)
      if (this.#flows.includes(flow)) {
        this.#use(flow)
        return 'flow'
      }
      return this.#matches(p) ? 'datagram' : 'noRule'
    }
    if (p.protocol === 99) return 'tsmp'
    const isOpen = this.#rules.some(
      (rule) =>
        protocolsOf(rule).includes(p.protocol) &&
        rule.SrcIPs.some((text) => covers(text, p.src)) &&
        rule.DstPorts.some((d) => d.Ports.First === 0 && d.Ports.Last === 65535 && covers(d.IP, p.dst)),
    )
    return isOpen ? 'otherProtocol' : 'noRuleForProtocol'
  }

  #icmp(p: PlainPacket): VerdictName {
    const { icmpType: type = -1, icmpCode: code = -1 } = p
    const isV4 = p.dst.family === 4
    if (type === (isV4 ? 0 : 129) && code === 0) return 'icmpResponse'
    if ((isV4 ? [3, 11, 18] : [1, 2, 3, 4]).includes(type)) return 'icmpResponse'
    const isOpen = this.#rules.some(
      ({ SrcIPs, DstPorts }) =>
        (SrcIPs.some((text) => covers(text, p.src)) && DstPorts.some((d) => covers(d.IP, p.dst))) ||
        (SrcIPs.some((text) => this.#isHeld(text, p.src)) && DstPorts.some((d) => hasFamily(d.IP, p.dst))),
    )
    return isOpen ? 'icmp' : 'noRule'
  }

  #matches(p: PlainPacket): boolean {
    const { dstPort = 0 } = p
    return this.#rules.some(
      (rule) =>
        protocolsOf(rule).includes(p.protocol) &&
        rule.SrcIPs.some((text) => covers(text, p.src) || this.#isHeld(text, p.src)) &&
        rule.DstPorts.some((d) => d.Ports.First <= dstPort && dstPort <= d.Ports.Last && covers(d.IP, p.dst)),
    )
  }

  #isHeld(text: string, ip: Ip): boolean {
    if (!text.startsWith('cap:') || text === 'cap:') return false
    return (this.#capabilities.get(keyOf(ip)) ?? []).includes(text.slice(4))
  }

  #use(flow: string): void {
    this.#flows = [...this.#flows.filter((f) => f !== flow), flow]
  }
}

/** The text under which a peer's address is a key of `capabilities`. */
export function keyOf(ip: Ip): string {
  return `${ip.family}/${ip.value}`
}

const METADATA = parseIp('169.254.169.254') as Ip

function checkFirst(dst: Ip): VerdictName | undefined {
  if ([prefix('224.0.0.0/4'), prefix('ff00::/8')].some((net) => prefixContains(net, dst))) return 'multicast'
  const isLinkLocal = [prefix('169.254.0.0/16'), prefix('fe80::/10')].some((net) => prefixContains(net, dst))
  return isLinkLocal && keyOf(dst) !== keyOf(METADATA) ? 'linkLocal' : undefined
}

function protocolsOf({ IPProto }: FilterRule): readonly number[] {
  return IPProto.length === 0 ? [6, 17, 1, 58] : IPProto
}

function flowOf(protocol: number, remote: Ip, remotePort = 0, local: Ip, localPort = 0): string {
  return `${protocol} ${keyOf(remote)} ${remotePort} ${keyOf(local)} ${localPort}`
}

/** The first and the last address of each part of a text. */
function partsOf(text: string): readonly (readonly [Ip, Ip])[] {
  if (text === '*') return [...partsOf('0.0.0.0/0'), ...partsOf('::/0')]
  const [first, last, more] = text.split('-').map((t) => parseIp(t))
  if (text.includes('-')) {
    const isRange = first !== undefined && last !== undefined && first.family === last.family && more === undefined
    return isRange ? [[first, last]] : []
  }
  if (first !== undefined) return [[first, first]]
  const net = parsePrefix(text)
  if (net === undefined || rangeOf(net)[0] !== net.ip.value) return []
  return [[net.ip, { ...net.ip, value: rangeOf(net)[1] }]]
}

function covers(text: string, ip: Ip): boolean {
  return partsOf(text).some(
    ([first, last]) => first.family === ip.family && first.value <= ip.value && ip.value <= last.value,
  )
}

function hasFamily(text: string, ip: Ip): boolean {
  return partsOf(text).some(([first, last]) => first.family === ip.family && first.value <= last.value)
}
