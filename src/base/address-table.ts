/**
 * From addresses to small numbers, as flat arrays that any thread can read: single addresses by hashing, ranges by
 * searching the places where the answer changes. A look-up makes nothing, and what it costs does not depend on how
 * many single addresses there are.
 *
 * What the numbers stand for is the caller's matter: sets of filter rules, or peers.
 */

import { rangeOf, widthOf } from './ip.ts'
import type { Family, Prefix } from './ip.ts'

export interface AddressTable {
  /** IPv4: word and number by turns, 0 for none. A power of two of them, at most half of them taken. */
  readonly singles4: Int32Array
  /** IPv6: four words and a number. */
  readonly singles6: Int32Array
  /** Where the answer changes, rising, the first at the lowest address; words with their top bit flipped, so that they
      compare as signed numbers. */
  readonly starts4: Int32Array
  readonly values4: Int32Array
  /** The same, four words each. */
  readonly starts6: Int32Array
  readonly values6: Int32Array
}

/** The four words of an IPv6 address, signed. */
export function wordsOf(value: bigint): [number, number, number, number] {
  const word = (shift: bigint): number => Number(BigInt.asIntN(32, value >> shift))
  return [word(96n), word(64n), word(32n), word(0n)]
}

/** The number of an address; 0 for one that has none. Signed words of 32 bits, the first alone for IPv4. */
export function lookUp(table: AddressTable, version: number, a: number, b: number, c: number, d: number): number {
  return version === 4 ? lookUp4(table, a) : lookUp6(table, a, b, c, d)
}

/** The numbers that addresses have. */
export function numbersIn({ singles4, singles6, values4, values6 }: AddressTable): Set<number> {
  const numbers = new Set([...values4, ...values6])
  for (let at = STRIDE4 - 1; at < singles4.length; at += STRIDE4) numbers.add(singles4[at] as number)
  for (let at = STRIDE6 - 1; at < singles6.length; at += STRIDE6) numbers.add(singles6[at] as number)
  return numbers
}

const TOP_BIT = 0x8000_0000 | 0
const STRIDE4 = 2
const STRIDE6 = 5

function lookUp4({ singles4, starts4, values4 }: AddressTable, a: number): number {
  const mask = singles4.length / STRIDE4 - 1
  for (let i = hash4(a) & mask; ; i = (i + 1) & mask) {
    const value = singles4[2 * i + 1] as number
    if (value === 0) break
    if (singles4[2 * i] === a) return value
  }
  const key = a ^ TOP_BIT
  let low = 0
  let high = values4.length - 1
  while (low < high) {
    const middle = (low + high + 1) >>> 1
    if ((starts4[middle] as number) <= key) low = middle
    else high = middle - 1
  }
  return values4[low] as number
}

function lookUp6(table: AddressTable, a: number, b: number, c: number, d: number): number {
  const { singles6, starts6, values6 } = table
  const mask = singles6.length / STRIDE6 - 1
  for (let i = hash6(a, b, c, d) & mask; ; i = (i + 1) & mask) {
    const at = STRIDE6 * i
    const value = singles6[at + 4] as number
    if (value === 0) break
    if (singles6[at + 3] === d && singles6[at + 2] === c && singles6[at + 1] === b && singles6[at] === a) return value
  }
  let low = 0
  let high = values6.length - 1
  while (low < high) {
    const middle = (low + high + 1) >>> 1
    if (startsBefore(starts6, 4 * middle, a ^ TOP_BIT, b ^ TOP_BIT, c ^ TOP_BIT, d ^ TOP_BIT)) low = middle
    else high = middle - 1
  }
  return values6[low] as number
}

/** Is the start at this place not behind the address? */
function startsBefore(starts: Int32Array, at: number, a: number, b: number, c: number, d: number): boolean {
  const first = starts[at] as number
  if (first !== a) return first < a
  const second = starts[at + 1] as number
  if (second !== b) return second < b
  const third = starts[at + 2] as number
  if (third !== c) return third < c
  return (starts[at + 3] as number) <= d
}

function hash4(a: number): number {
  const mixed = Math.imul(a ^ (a >>> 16), 0x45d9f3b)
  return mixed ^ (mixed >>> 15)
}

function hash6(a: number, b: number, c: number, d: number): number {
  let mixed = Math.imul(a ^ Math.imul(b, 0x27d4eb2f), 0x165667b1) ^ c
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x45d9f3b) ^ d
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x2c1b3c6d)
  return mixed ^ (mixed >>> 15)
}

/** A range that has a number of its own. Ranges are prefixes: of any two, one holds the other or they are apart. */
export interface Ranged {
  readonly prefix: Prefix
}

/** Ranges in the order in which `TableBuilder` wants them: by first address, wider ones first. */
export function inTableOrder<R extends Ranged>(ranges: readonly R[]): R[] {
  return ranges
    .map((range) => ({ range, first: rangeOf(range.prefix)[0] }))
    .sort((x, y) => (x.first === y.first ? x.range.prefix.bits - y.range.prefix.bits : x.first < y.first ? -1 : 1))
    .map(({ range }) => range)
}

/** Starts and numbers of the ranges of one family. */
class Changes {
  readonly #family: Family
  /** Words of one start after another. */
  readonly starts: number[] = []
  readonly values: number[] = []

  constructor(family: Family) {
    this.#family = family
    this.add(0n, 0)
  }

  /** From this address on, which is not before the last one added, the number is this. */
  add(first: bigint, value: number): void {
    const words = this.#family === 4 ? [Number(BigInt.asIntN(32, first))] : wordsOf(first)
    const key = words.map((word) => word ^ TOP_BIT)
    // Where one range ends and another begins, or a narrower one begins with a wider one, the later word counts.
    if (key.every((word, i) => this.starts[this.starts.length - key.length + i] === word)) this.values.length--
    else this.starts.push(...key)
    this.values.push(value)
  }
}

/** Makes a table: first all ranges of both families, then single addresses. */
export class TableBuilder {
  readonly #changes4 = new Changes(4)
  readonly #changes6 = new Changes(6)
  readonly #singles4: Int32Array
  readonly #singles6: Int32Array
  /** The ranges as a table of their own, once the first single address asks for it. */
  #ranges: AddressTable | undefined

  /** @param count4 how many single addresses will be added at most */
  constructor(count4: number, count6: number) {
    this.#singles4 = new Int32Array(STRIDE4 * slotsFor(count4))
    this.#singles6 = new Int32Array(STRIDE6 * slotsFor(count6))
  }

  /**
   * Adds the ranges of one family, in order (`inTableOrder`), each only once.
   *
   * @param valueOf the number of a range; `around` is that of the next wider one, 0 if there is none
   */
  addRanges<R extends Ranged>(
    family: Family,
    ranges: readonly R[],
    valueOf: (range: R, around: number) => number,
  ): void {
    const changes = family === 4 ? this.#changes4 : this.#changes6
    const end = 1n << BigInt(widthOf(family))
    // The ranges that hold the place where we are, the narrowest last.
    const open: { readonly end: bigint; readonly value: number }[] = []
    const around = (): number => open.at(-1)?.value ?? 0
    const closeUpTo = (place: bigint): void => {
      for (let last = open.at(-1); last !== undefined && last.end <= place; last = open.at(-1)) {
        open.pop()
        if (last.end < end) changes.add(last.end, around())
      }
    }
    for (const range of ranges) {
      const [first, last] = rangeOf(range.prefix)
      closeUpTo(first)
      const value = valueOf(range, around())
      changes.add(first, value)
      open.push({ end: last + 1n, value })
    }
    closeUpTo(end)
  }

  /** Adds a single address, or gives it another number, not 0. `valueOf` is told the one that it has by now. */
  addSingle4(a: number, valueOf: (now: number) => number): void {
    const [table, mask] = [this.#singles4, this.#singles4.length / STRIDE4 - 1]
    for (let i = hash4(a) & mask; ; i = (i + 1) & mask) {
      const now = table[2 * i + 1] as number
      if (now !== 0 && table[2 * i] !== a) continue
      table[2 * i] = a
      table[2 * i + 1] = valueOf(now === 0 ? lookUp4(this.#rangesOnly(), a) : now)
      return
    }
  }

  addSingle6(a: number, b: number, c: number, d: number, valueOf: (now: number) => number): void {
    const [table, mask] = [this.#singles6, this.#singles6.length / STRIDE6 - 1]
    for (let i = hash6(a, b, c, d) & mask; ; i = (i + 1) & mask) {
      const at = STRIDE6 * i
      const now = table[at + 4] as number
      const isThis = table[at] === a && table[at + 1] === b && table[at + 2] === c && table[at + 3] === d
      if (now !== 0 && !isThis) continue
      table[at] = a
      table[at + 1] = b
      table[at + 2] = c
      table[at + 3] = d
      table[at + 4] = valueOf(now === 0 ? lookUp6(this.#rangesOnly(), a, b, c, d) : now)
      return
    }
  }

  build(): AddressTable {
    return { ...this.#rangesOnly(), singles4: this.#singles4, singles6: this.#singles6 }
  }

  #rangesOnly(): AddressTable {
    this.#ranges ??= {
      singles4: new Int32Array(STRIDE4),
      singles6: new Int32Array(STRIDE6),
      starts4: Int32Array.from(this.#changes4.starts),
      values4: Int32Array.from(this.#changes4.values),
      starts6: Int32Array.from(this.#changes6.starts),
      values6: Int32Array.from(this.#changes6.values),
    }
    return this.#ranges
  }
}

/** Single addresses for a table that is there: signed words, one for each of IPv4, four for each of IPv6. */
export interface Singles {
  readonly words4: readonly number[]
  readonly words6: readonly number[]
}

/**
 * A copy of the table in which these single addresses have this number: much less work than making it anew.
 * `undefined` when one of them has a number of its own already, or there is no room for them.
 */
export function withSingles(table: AddressTable, { words4, words6 }: Singles, value: number): AddressTable | undefined {
  const singles4 = withRows(table.singles4, STRIDE4, words4, (at) => hash4(words4[at] as number))
  const hash = (at: number): number => hash6(...(words6.slice(at, at + 4) as [number, number, number, number]))
  const singles6 = withRows(table.singles6, STRIDE6, words6, hash)
  return singles4 && singles6 && { ...table, singles4, singles6 }

  function withRows(
    rows: Int32Array,
    stride: number,
    words: readonly number[],
    hashAt: (at: number) => number,
  ): Int32Array | undefined {
    if (words.length === 0) return rows
    const slots = rows.length / stride
    let taken = words.length / (stride - 1)
    for (let at = stride - 1; at < rows.length; at += stride) if (rows[at] !== 0) taken++
    if (2 * taken > slots) return undefined
    const copy = rows.slice()
    for (let from = 0; from < words.length; from += stride - 1) {
      let slot = hashAt(from) & (slots - 1)
      for (; copy[stride * slot + stride - 1] !== 0; slot = (slot + 1) & (slots - 1)) {
        const at = stride * slot
        if (words.slice(from, from + stride - 1).every((word, i) => copy[at + i] === word)) return undefined
      }
      copy.set([...words.slice(from, from + stride - 1), value], stride * slot)
    }
    return copy
  }
}

/** A power of two, at least twice as many: searching always comes to an end. */
function slotsFor(count: number): number {
  return count === 0 ? 1 : 2 ** Math.ceil(Math.log2(2 * count))
}
