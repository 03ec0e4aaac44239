/**
 * Says of one packet whether it may pass, by a program and the flows that went out (node.md §2.3, §2.4). Makes
 * nothing: this runs for every packet in every pump. plain.ts says the same slowly; a test holds the two together.
 *
 * What comes before and after the filter (TSMP, masquerading, rejects) is the caller's matter.
 */

import { lookUp } from '../../base/address-table.ts'
import { FRAGMENT, ICMPV4, ICMPV6, SCTP, SYN_FLAG, TCP, TSMP, UDP, UNKNOWN } from '../../wire/ip-packet.ts'
import type { PacketHeader } from '../../wire/ip-packet.ts'
import type { FlowTable } from './flows.ts'
import { hashOpening, IPV4_BIT, IPV6_BIT, OPENING, OPENING_STRIDE, PLACE } from './program.ts'
import type { FilterProgram } from './program.ts'
import { FIRST_DROP, VERDICT } from './verdict.ts'
import type { Verdict } from './verdict.ts'

/** 169.254.169.254, where clouds answer for themselves; Google's answers DNS there. */
const METADATA = 0xa9fea9fe | 0

/** May this packet from a peer go on? */
export function evaluateInbound(program: FilterProgram, flows: FlowTable, h: PacketHeader): Verdict {
  const verdict = decideInbound(program, flows, h)
  return verdict >= FIRST_DROP && isForPeerApi(program, h) ? VERDICT.peerApi : verdict
}

/** May this packet of ours go on? The receiver has the rules; here its flow is noted, so that answers may come in. */
export function evaluateOutbound(program: FilterProgram, flows: FlowTable, h: PacketHeader): Verdict {
  if (program.isAbsent) return VERDICT.noFilter
  const early = checkFirst(h)
  if (early !== undefined) return early
  if (h.protocol === UDP || h.protocol === SCTP) flows.note(h)
  return VERDICT.outbound
}

/** What needs no rules, in either direction. */
function checkFirst(h: PacketHeader): Verdict | undefined {
  if (h.length === 0) return VERDICT.keepalive
  if (h.length < 20) return VERDICT.tooShort
  if (h.protocol === UNKNOWN) return VERDICT.unreadable
  if (h.isMulticast) return VERDICT.multicast
  if (h.isLinkLocal && !(h.version === 4 && h.dst0 === METADATA)) return VERDICT.linkLocal
  if (h.protocol === FRAGMENT) return VERDICT.fragment
  return undefined
}

function decideInbound(program: FilterProgram, flows: FlowTable, h: PacketHeader): Verdict {
  if (program.isAbsent) return VERDICT.noFilter
  const early = checkFirst(h)
  if (early !== undefined) return early

  const place = lookUp(program.destinations, h.version, h.dst0, h.dst1, h.dst2, h.dst3)
  if (program.places[PLACE.size * place + PLACE.isLocal] !== 1) return VERDICT.notLocal

  switch (h.protocol) {
    case TCP:
      if (!h.isTcpSyn) return VERDICT.tcpContinued
      return isPortOpen(program, h, place, OPENING.tcp) ? VERDICT.tcp : VERDICT.noRule
    case UDP:
      if (flows.answers(h)) return VERDICT.flow
      return isPortOpen(program, h, place, OPENING.udp) ? VERDICT.datagram : VERDICT.noRule
    case SCTP:
      if (flows.answers(h)) return VERDICT.flow
      return isPortOpen(program, h, place, OPENING.sctp) ? VERDICT.datagram : VERDICT.noRule
    case TSMP:
      return VERDICT.tsmp
    case ICMPV4:
      if (h.version === 4) return decideIcmp(program, h, place)
      break
    case ICMPV6:
      if (h.version === 6) return decideIcmp(program, h, place)
      break
  }
  return isProtocolOpen(program, h, place) ? VERDICT.otherProtocol : VERDICT.noRuleForProtocol
}

/** Whoever may reach anything at an address may ping it, whatever the rules say of ports and protocols. */
function decideIcmp(program: FilterProgram, h: PacketHeader, place: number): Verdict {
  if (h.isEchoReply || h.isIcmpError) return VERDICT.icmpResponse
  for (let chain = sourceOf(program, h); chain !== 0; chain = program.classes[2 * chain + 1] as number) {
    const target = program.classes[2 * chain] as number
    for (let at = firstOf(program, place); at !== 0; at = nextOf(program, at))
      if (openingOf(program, target, at) !== 0) return VERDICT.icmp
  }
  // Of sources by capability official clients do not even look at the destination.
  const families = program.holders[2 * holderOf(program, h) + 1] as number
  return (families & (h.version === 4 ? IPV4_BIT : IPV6_BIT)) !== 0 ? VERDICT.icmp : VERDICT.noRule
}

function isPortOpen(program: FilterProgram, h: PacketHeader, place: number, protocol: number): boolean {
  const { classes, holderClasses, holders } = program
  for (let chain = sourceOf(program, h); chain !== 0; chain = classes[2 * chain + 1] as number)
    if (opensPort(program, classes[2 * chain] as number, place, protocol, h.dstPort)) return true
  let chain = holders[2 * holderOf(program, h)] as number
  for (; chain !== 0; chain = holderClasses[2 * chain + 1] as number)
    if (opensPort(program, holderClasses[2 * chain] as number, place, protocol, h.dstPort)) return true
  return false
}

function opensPort(program: FilterProgram, target: number, place: number, protocol: number, port: number): boolean {
  for (let at = firstOf(program, place); at !== 0; at = nextOf(program, at)) {
    const opening = openingOf(program, target, at)
    if (opening !== 0 && hasPort(program, opening, protocol, port)) return true
  }
  return false
}

function hasPort({ doors, ports }: FilterProgram, opening: number, protocol: number, port: number): boolean {
  const door = OPENING.size * opening + protocol
  // The last range that starts at the port or before.
  let low = doors[door] as number
  let high = (doors[door + 1] as number) - 1
  if (low > high) return false
  while (low < high) {
    const middle = (low + high + 1) >>> 1
    if ((ports[middle] as number) >>> 16 <= port) low = middle
    else high = middle - 1
  }
  const range = ports[low] as number
  return range >>> 16 <= port && port <= (range & 0xffff)
}

/** Sources by capability do not count here. */
function isProtocolOpen(program: FilterProgram, h: PacketHeader, place: number): boolean {
  const { classes, doors, protocols } = program
  const word = h.protocol >>> 5
  const bit = 1 << (h.protocol & 31)
  for (let chain = sourceOf(program, h); chain !== 0; chain = classes[2 * chain + 1] as number)
    for (let at = firstOf(program, place); at !== 0; at = nextOf(program, at)) {
      const opening = openingOf(program, classes[2 * chain] as number, at)
      const set = opening === 0 ? 0 : (doors[OPENING.size * opening + OPENING.protocols] as number)
      if (((protocols[set + word] as number) & bit) !== 0) return true
    }
  return false
}

function sourceOf(program: FilterProgram, h: PacketHeader): number {
  return lookUp(program.sources, h.version, h.src0, h.src1, h.src2, h.src3)
}

function holderOf(program: FilterProgram, h: PacketHeader): number {
  return lookUp(program.holderTable, h.version, h.src0, h.src1, h.src2, h.src3)
}

function firstOf({ places }: FilterProgram, place: number): number {
  return places[PLACE.size * place + PLACE.first] as number
}

function nextOf({ places }: FilterProgram, place: number): number {
  return places[PLACE.size * place + PLACE.next] as number
}

function openingOf({ openings }: FilterProgram, target: number, place: number): number {
  const mask = openings.length / OPENING_STRIDE - 1
  for (let i = hashOpening(target, place) & mask; ; i = (i + 1) & mask) {
    const at = OPENING_STRIDE * i
    const opening = openings[at + 2] as number
    if (opening === 0 || (openings[at] === target && openings[at + 1] === place)) return opening
  }
}

function isForPeerApi({ peerApi, isAbsent }: FilterProgram, h: PacketHeader): boolean {
  if (isAbsent || h.protocol !== TCP || (h.tcpFlags & SYN_FLAG) === 0) return false
  if (h.version === 4) return peerApi[1] !== 0 && h.dstPort === peerApi[1] && h.dst0 === peerApi[0]
  return (
    peerApi[6] !== 0 &&
    h.dstPort === peerApi[6] &&
    h.dst0 === peerApi[2] &&
    h.dst1 === peerApi[3] &&
    h.dst2 === peerApi[4] &&
    h.dst3 === peerApi[5]
  )
}
