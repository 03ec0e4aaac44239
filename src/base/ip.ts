/**
 * IP addresses, prefixes and address:port pairs, read and written as Go's netip does it (control.md §0.3): messages
 * carry them as text, and another program's strictness decides whether a message is taken at all.
 *
 * Stored and compared as text they are in their one canonical form; as values they are a number with its width.
 * Which addresses a tailnet uses is address-plan.ts.
 */

export type Family = 4 | 6

export interface Ip {
  readonly family: Family
  /** The 32 or 128 bits. */
  readonly value: bigint
  /** Interface of a link-local IPv6 address, as after `%`. */
  readonly zone?: string
}

/** A range of addresses that share their first `bits`. The address may have more bits set: `10.1.2.3/8`. */
export interface Prefix {
  readonly ip: Ip
  readonly bits: number
}

export interface AddressPort {
  readonly ip: Ip
  readonly port: number
}

const V4_MASK = 0xffff_ffffn
/** `::ffff:0:0/96`, where IPv6 sockets put IPv4 addresses. */
const MAPPED = 0xffffn
/** Longest IPv6 text: six groups of four digits and an IPv4 address. */
const V6_TEXT_MAX = 45

export function widthOf(family: Family): number {
  return family === 4 ? 32 : 128
}

/** Reads an address; `undefined` for anything else, surrounding space and leading zeros included. */
export function parseIp(text: string): Ip | undefined {
  if (!text.includes(':')) {
    const value = parseV4(text)
    return value === undefined ? undefined : { family: 4, value }
  }
  const percent = text.indexOf('%')
  const value = parseV6(percent < 0 ? text : text.slice(0, percent))
  if (value === undefined) return undefined
  if (percent < 0) return { family: 6, value }
  const zone = text.slice(percent + 1)
  return zone === '' || value >> 32n === MAPPED ? undefined : { family: 6, value, zone }
}

/** The canonical text (RFC 5952; IPv4 in IPv6 as `::ffff:1.2.3.4`). */
export function formatIp(ip: Ip): string {
  if (ip.family === 4) return formatV4(Number(ip.value))
  const text = ip.value >> 32n === MAPPED ? `::ffff:${formatV4(Number(ip.value & V4_MASK))}` : formatV6(ip.value)
  return ip.zone === undefined ? text : `${text}%${ip.zone}`
}

/** The canonical form of an address text; `undefined` for anything else. */
export function canonicalIp(text: string): string | undefined {
  const ip = parseIp(text)
  return ip && formatIp(ip)
}

/** An IPv4 address that is dressed as IPv6, undressed; others as they are. */
export function unmapIp(ip: Ip): Ip {
  return ip.family === 6 && ip.value >> 32n === MAPPED ? { family: 4, value: ip.value & V4_MASK } : ip
}

/** An order for sorting: IPv4 first, then by value, then by zone. Zero for the same address only. */
export function compareIps(a: Ip, b: Ip): number {
  if (a.family !== b.family) return a.family - b.family
  if (a.value !== b.value) return a.value < b.value ? -1 : 1
  const [x, y] = [a.zone ?? '', b.zone ?? '']
  return x === y ? 0 : x < y ? -1 : 1
}

/** Reads an address and a length, which both must be there; bits behind the length may be set. */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.lastIndexOf('/')
  const digits = text.slice(slash + 1)
  if (slash < 0 || !/^(0|[1-9]\d{0,2})$/.test(digits)) return undefined
  const ip = parseIp(text.slice(0, slash))
  const bits = Number(digits)
  return ip === undefined || ip.zone !== undefined || bits > widthOf(ip.family) ? undefined : { ip, bits }
}

export function formatPrefix(prefix: Prefix): string {
  return `${formatIp(prefix.ip)}/${prefix.bits}`
}

/** The range that holds this one address. */
export function prefixOf(ip: Ip): Prefix {
  return { ip: { family: ip.family, value: ip.value }, bits: widthOf(ip.family) }
}

export function isSingleIp(prefix: Prefix): boolean {
  return prefix.bits === widthOf(prefix.ip.family)
}

/** The prefix with the bits behind its length cleared. */
export function maskPrefix(prefix: Prefix): Prefix {
  const { family } = prefix.ip
  const host = hostBits(prefix)
  return { ip: { family, value: (prefix.ip.value >> host) << host }, bits: prefix.bits }
}

/** First and last address of the range. */
export function rangeOf(prefix: Prefix): readonly [bigint, bigint] {
  const host = hostBits(prefix)
  const first = (prefix.ip.value >> host) << host
  return [first, first + (1n << host) - 1n]
}

/** Is the address in the range? Never across families, and never with a zone. */
export function prefixContains(prefix: Prefix, ip: Ip): boolean {
  if (prefix.ip.family !== ip.family || ip.zone !== undefined) return false
  const host = hostBits(prefix)
  return prefix.ip.value >> host === ip.value >> host
}

/** Is all of `inner` in `outer`? */
export function prefixCovers(outer: Prefix, inner: Prefix): boolean {
  return outer.bits <= inner.bits && prefixContains(outer, inner.ip)
}

/** Have the two ranges an address in common? */
export function prefixesOverlap(a: Prefix, b: Prefix): boolean {
  return a.bits <= b.bits ? prefixContains(a, b.ip) : prefixContains(b, a.ip)
}

/** An order for sorting: IPv4 first, then by the range's first address, wider ones first, then by what is behind the length. */
export function comparePrefixes(a: Prefix, b: Prefix): number {
  return compareIps(maskPrefix(a).ip, maskPrefix(b).ip) || a.bits - b.bits || compareIps(a.ip, b.ip)
}

/** Reads `1.2.3.4:80` or `[::1]:80`. */
export function parseAddressPort(text: string): AddressPort | undefined {
  const m = /^(?:\[([^\]]+)\]|([^[\]:]+)):(\d+)$/.exec(text)
  if (m === null) return undefined
  const ip = parseIp(m[1] ?? (m[2] as string))
  const port = Number(m[3])
  return ip === undefined || port > 0xffff || (ip.family === 6) !== (m[1] !== undefined) ? undefined : { ip, port }
}

export function formatAddressPort({ ip, port }: AddressPort): string {
  return ip.family === 4 ? `${formatIp(ip)}:${port}` : `[${formatIp(ip)}]:${port}`
}

const LINK_LOCAL = [prefix('169.254.0.0/16'), prefix('fe80::/10')]
const LOOPBACK = [prefix('127.0.0.0/8'), prefix('::1/128')]
const PRIVATE = [prefix('10.0.0.0/8'), prefix('172.16.0.0/12'), prefix('192.168.0.0/16'), prefix('fc00::/7')]

/** Only of meaning on one link, whether or not it says on which. */
export function isLinkLocal(ip: Ip): boolean {
  return isAmong(LINK_LOCAL, ip)
}

export function isLoopback(ip: Ip): boolean {
  return isAmong(LOOPBACK, ip)
}

/** RFC 1918 and unique local IPv6. */
export function isPrivate(ip: Ip): boolean {
  return isAmong(PRIVATE, ip)
}

/** A prefix that is known to be good. For constants. */
export function prefix(text: string): Prefix {
  const parsed = parsePrefix(text)
  if (parsed === undefined) throw new TypeError(`Not a prefix: ${text}`)
  return parsed
}

function isAmong(prefixes: readonly Prefix[], ip: Ip): boolean {
  const { family, value } = unmapIp(ip)
  return prefixes.some((p) => prefixContains(p, { family, value }))
}

function hostBits(prefix: Prefix): bigint {
  return BigInt(widthOf(prefix.ip.family) - prefix.bits)
}

/** Four decimal numbers, none with a zero in front, since some readers take that for octal. */
function parseV4(text: string): bigint | undefined {
  const m = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/.exec(text)
  if (m === null) return undefined
  let value = 0
  for (let i = 1; i <= 4; i++) {
    const part = Number(m[i])
    if (part > 255) return undefined
    value = value * 256 + part
  }
  return BigInt(value)
}

function formatV4(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`
}

function parseV6(text: string): bigint | undefined {
  if (text.length > V6_TEXT_MAX) return undefined
  const gap = text.indexOf('::')
  const head = parseGroups(gap < 0 ? text : text.slice(0, gap), gap < 0)
  const tail = gap < 0 ? [] : parseGroups(text.slice(gap + 2), true)
  if (head === undefined || tail === undefined) return undefined
  const zeros = 8 - head.length - tail.length
  // `::` stands for one group at least.
  if (gap < 0 ? zeros !== 0 : zeros < 1) return undefined
  let value = 0n
  for (const group of head) value = (value << 16n) | BigInt(group)
  value <<= BigInt(16 * zeros)
  for (const group of tail) value = (value << 16n) | BigInt(group)
  return value
}

/** Groups between colons; the last may be an IPv4 address where that is allowed. */
function parseGroups(text: string, v4AtEnd: boolean): number[] | undefined {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [i, part] of parts.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16))
      continue
    }
    const v4 = v4AtEnd && i === parts.length - 1 ? parseV4(part) : undefined
    if (v4 === undefined) return undefined
    groups.push(Number(v4 >> 16n), Number(v4 & 0xffffn))
  }
  return groups
}

function formatV6(value: bigint): string {
  const groups: string[] = []
  for (let shift = 112n; shift >= 0n; shift -= 16n) groups.push(((value >> shift) & 0xffffn).toString(16))
  // The longest run of two zero groups or more, the first of equals, becomes `::`.
  let [start, length] = [0, 1]
  for (let i = 0; i < 8;) {
    let end = i
    while (groups[end] === '0') end++
    if (end - i > length) [start, length] = [i, end - i]
    i = end + 1
  }
  if (length < 2) return groups.join(':')
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + length).join(':')}`
}
