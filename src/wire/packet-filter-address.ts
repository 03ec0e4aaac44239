/**
 * What the sources and destinations of filter rules mean, as texts (control.md §7.1). Most of ten thousand sources are
 * plain addresses, so these are read to words of 32 bits without anything made on the way; the rest is prefixes.
 */

import { wordsOf } from '../base/address-table.ts'
import { parseIp, parsePrefix, prefix, rangeOf, widthOf } from '../base/ip.ts'
import type { Family, Prefix } from '../base/ip.ts'

const CAPABILITY = 'cap:'
const EVERYTHING: readonly Prefix[] = [prefix('0.0.0.0/0'), prefix('::/0')]

/** What many texts mean together. */
export class AddressTexts {
  /** Single addresses: one signed word for each of IPv4, four for each of IPv6. */
  readonly singles4: number[] = []
  readonly singles6: number[] = []
  /** Ranges of more than one address, as prefixes without host bits. */
  readonly prefixes: Prefix[] = []
  /** Node capabilities that sources have. */
  readonly capabilities: string[] = []
  /** Texts that mean nothing. */
  readonly refused: string[] = []

  add(text: string): void {
    if (this.#addSingle(text)) return
    if (text.startsWith(CAPABILITY)) {
      this.capabilities.push(text.slice(CAPABILITY.length))
      return
    }
    const prefixes = prefixesOfText(text)
    if (prefixes === undefined) this.refused.push(text)
    else for (const p of prefixes) this.#addPrefix(p)
  }

  #addSingle(text: string): boolean {
    const words = wordsOfText(text)
    if (words === 1) this.singles4.push(WORDS[0] as number)
    else if (words === 4) for (const word of WORDS) this.singles6.push(word)
    return words > 0
  }

  #addPrefix(p: Prefix): void {
    if (p.bits < widthOf(p.ip.family)) this.prefixes.push(p)
    else if (p.ip.family === 4) this.singles4.push(Number(p.ip.value) | 0)
    else this.singles6.push(...wordsOf(p.ip.value))
  }
}

/** The prefixes that a text stands for: fewest, without host bits. `undefined` for capabilities and what means nothing. */
export function prefixesOfText(text: string): readonly Prefix[] | undefined {
  if (text === '*') return EVERYTHING
  if (text.includes('-')) return prefixesOfRange(text)
  if (text.includes('/')) {
    const net = parsePrefix(text)
    return net !== undefined && rangeOf(net)[0] === net.ip.value ? [net] : undefined
  }
  const ip = parseIp(text)
  return ip && [{ ip: { family: ip.family, value: ip.value }, bits: widthOf(ip.family) }]
}

/** The fewest prefixes that cover all from the first address to the last. */
export function prefixesBetween(family: Family, first: bigint, last: bigint): Prefix[] {
  const width = widthOf(family)
  const prefixes: Prefix[] = []
  for (let at = first; at <= last;) {
    // As wide as the start is aligned for, and no wider than what is left.
    let host = 0
    while (host < width && (at & (1n << BigInt(host))) === 0n && at + (2n << BigInt(host)) - 1n <= last) host++
    prefixes.push({ ip: { family, value: at }, bits: width - host })
    at += 1n << BigInt(host)
  }
  return prefixes
}

function prefixesOfRange(text: string): readonly Prefix[] | undefined {
  const hyphen = text.indexOf('-')
  const [first, last] = [parseIp(text.slice(0, hyphen)), parseIp(text.slice(hyphen + 1))]
  if (first === undefined || last === undefined || first.family !== last.family) return undefined
  if (first.zone !== undefined || last.zone !== undefined || first.value > last.value) return undefined
  return prefixesBetween(first.family, first.value, last.value)
}

const DOT = 0x2e
const COLON = 0x3a
const ZERO = 0x30
const V6_TEXT_MAX = 39

/** What `wordsOfText` read last. */
const WORDS = new Int32Array(4)
const groups = new Int32Array(8)

/**
 * Reads a plain address into `WORDS`: 1 for IPv4, 4 for IPv6, 0 for anything else. Of IPv6's forms only those of
 * groups and `::`; an IPv4 address at the end or a zone is left to `parseIp`.
 */
function wordsOfText(text: string): 0 | 1 | 4 {
  for (let i = 0; i < 5 && i < text.length; i++) {
    const char = text.charCodeAt(i)
    if (char === DOT) return readV4(text) ? 1 : 0
    if (char === COLON) return readV6(text) ? 4 : 0
  }
  return 0
}

function readV4(text: string): boolean {
  let [word, part, digits, dots] = [0, 0, 0, 0]
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i)
    if (char === DOT) {
      if (digits === 0 || ++dots > 3) return false
      word = (word << 8) | part
      part = digits = 0
      continue
    }
    const digit = char - ZERO
    // No zero in front of other digits: some readers take that for octal.
    if (digit < 0 || digit > 9 || (digits > 0 && part === 0)) return false
    part = part * 10 + digit
    if (++digits > 3 || part > 255) return false
  }
  if (dots !== 3 || digits === 0) return false
  WORDS[0] = (word << 8) | part
  return true
}

function readV6(text: string): boolean {
  if (text.length > V6_TEXT_MAX) return false
  let [count, gap, i] = [0, -1, 0]
  while (i < text.length) {
    if (text.charCodeAt(i) === COLON) {
      // A colon where a group should be: the second of `::`, of which there may be one.
      const isDouble = i === 0 ? text.charCodeAt(1) === COLON : text.charCodeAt(i - 1) === COLON
      if (!isDouble || gap >= 0) return false
      gap = count
      i += i === 0 ? 2 : 1
      continue
    }
    if (count === 8) return false
    let [group, digits] = [0, 0]
    for (; i < text.length && text.charCodeAt(i) !== COLON; i++) {
      const digit = hexDigit(text.charCodeAt(i))
      if (digit < 0 || ++digits > 4) return false
      group = (group << 4) | digit
    }
    groups[count++] = group
    // One colon belongs to the group; at the end of the text there must be none, save that of `::`.
    if (i < text.length && ++i === text.length) return false
  }
  if (gap < 0 ? count !== 8 : count > 7) return false
  const moved = 8 - count
  for (let word = 0; word < 4; word++)
    WORDS[word] = (groupAt(2 * word, gap, moved) << 16) | groupAt(2 * word + 1, gap, moved)
  return true
}

/** The group at a place of the address, with `moved` zeros where the gap is. */
function groupAt(place: number, gap: number, moved: number): number {
  if (gap < 0 || place < gap) return groups[place] as number
  return place < gap + moved ? 0 : (groups[place - moved] as number)
}

function hexDigit(char: number): number {
  if (char >= ZERO && char <= ZERO + 9) return char - ZERO
  const letter = char | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}
