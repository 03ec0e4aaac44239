/** Sets of IP addresses as sorted ranges that don't touch: what ipsets are computed in, and the public internet. */

import { formatIp, formatPrefix, prefix, rangeOf, widthOf } from '../base/ip.ts'
import type { Family, Ip, Prefix } from '../base/ip.ts'

/** Both ends belong to it. */
export interface AddressRange {
  readonly family: Family
  readonly first: bigint
  readonly last: bigint
}

export class AddressSet {
  /** Sorted by first address, with a gap between any two. */
  readonly #ranges: Record<Family, AddressRange[]> = { 4: [], 6: [] }

  static of(...prefixes: readonly Prefix[]): AddressSet {
    const set = new AddressSet()
    for (const p of prefixes) set.add(rangeFrom(p))
    return set
  }

  add({ family, first, last }: AddressRange): void {
    const ranges = this.#ranges[family]
    // Whatever it overlaps or touches becomes one range with it.
    const from = firstEndingAt(ranges, first - 1n)
    let to = from
    for (let other = ranges[to]; other !== undefined && other.first <= last + 1n; other = ranges[++to]) {
      if (other.first < first) first = other.first
      if (other.last > last) last = other.last
    }
    ranges.splice(from, to - from, { family, first, last })
  }

  remove({ family, first, last }: AddressRange): void {
    const ranges = this.#ranges[family]
    const from = firstEndingAt(ranges, first)
    let to = from
    const rest: AddressRange[] = []
    for (let other = ranges[to]; other !== undefined && other.first <= last; other = ranges[++to]) {
      if (other.first < first) rest.push({ family, first: other.first, last: first - 1n })
      if (other.last > last) rest.push({ family, first: last + 1n, last: other.last })
    }
    ranges.splice(from, to - from, ...rest)
  }

  contains(ip: Ip): boolean {
    return ip.zone === undefined && this.overlaps({ family: ip.family, first: ip.value, last: ip.value })
  }

  overlaps({ family, first, last }: AddressRange): boolean {
    const ranges = this.#ranges[family]
    const found = ranges[firstEndingAt(ranges, first)]
    return found !== undefined && found.first <= last
  }

  /** What both hold. */
  intersection(other: AddressSet): AddressSet {
    const both = new AddressSet()
    for (const { family, first, last } of this.ranges())
      for (const theirs of other.#ranges[family])
        if (theirs.first <= last && theirs.last >= first)
          both.add({
            family,
            first: theirs.first > first ? theirs.first : first,
            last: theirs.last < last ? theirs.last : last,
          })
    return both
  }

  /** IPv4 first, each in rising order. */
  ranges(): readonly AddressRange[] {
    return [...this.#ranges[4], ...this.#ranges[6]]
  }
}

/** Place of the first range that ends at `value` or behind it. */
function firstEndingAt(ranges: readonly AddressRange[], value: bigint): number {
  let [low, high] = [0, ranges.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((ranges[middle] as AddressRange).last < value) low = middle + 1
    else high = middle
  }
  return low
}

export function rangeFrom(p: Prefix): AddressRange {
  const [first, last] = rangeOf(p)
  return { family: p.ip.family, first, last }
}

/** As a filter writes it: a prefix where it is one, one address alone, else `first-last`. (policy.md §15) */
export function formatRange({ family, first, last }: AddressRange): string {
  if (first === last) return formatIp({ family, value: first })
  const size = last - first + 1n
  if ((size & (size - 1n)) === 0n && first % size === 0n) {
    const bits = widthOf(family) - (size.toString(2).length - 1)
    return formatPrefix({ ip: { family, value: first }, bits })
  }
  return `${formatIp({ family, value: first })}-${formatIp({ family, value: last })}`
}

/** The fewest prefixes that together are the range. */
export function prefixesOf({ family, first, last }: AddressRange): Prefix[] {
  const width = widthOf(family)
  const prefixes: Prefix[] = []
  for (let value = first; value <= last;) {
    let host = 0
    while (host < width && isBlock(value, host + 1) && value + (2n << BigInt(host)) - 1n <= last) host++
    prefixes.push({ ip: { family, value }, bits: width - host })
    value += 1n << BigInt(host)
  }
  return prefixes
}

function isBlock(first: bigint, hostBits: number): boolean {
  return (first & ((1n << BigInt(hostBits)) - 1n)) === 0n
}

/** Everything but private, shared, link-local, and what else is not the public internet. (policy.md §15.6) */
export const INTERNET: AddressSet = (() => {
  const set = AddressSet.of(prefix('0.0.0.0/0'), prefix('2000::/3'))
  for (const text of ['10.0.0.0/8', '100.64.0.0/10', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16'])
    set.remove(rangeFrom(prefix(text)))
  return set
})()
