/**
 * Gathers which ports and protocols rules open where, and writes them as a program's arrays. Used by compile.ts.
 *
 * A *door* is a set of protocols and a range of ports, an *opening* all doors that one target has at one place. There
 * are as many openings as rules, but few that differ.
 */

import { SCTP, TCP, UDP } from '../../wire/ip-packet.ts'
import { hashOpening, OPENING, OPENING_STRIDE, PROTOCOL_WORDS } from './program.ts'
import type { FilterProgram } from './program.ts'

interface Door {
  readonly protocols: ProtocolSet
  readonly first: number
  readonly last: number
}
interface ProtocolSet {
  readonly id: number
  /** One bit for each protocol. */
  readonly words: Int32Array
}

const MAX_PORT = 0xffff
const NONE = -1

export class Openings {
  readonly #protocolSets = new Map<string, ProtocolSet>()
  readonly #doors: Door[] = []
  readonly #doorIds = new Map<number, number>()
  /** Of each pair of target and place: these two, and where its list of doors starts among the links. */
  readonly #targets: number[] = []
  readonly #places: number[] = []
  readonly #heads: number[] = []
  /** The pair before that has the same target. */
  readonly #before: number[] = []
  readonly #lastOfTarget: number[] = []
  readonly #links: { readonly door: number[]; readonly next: number[] } = { door: [], next: [] }
  /** Pairs plus one by hashing. */
  #index = new Int32Array(64)

  /** How many doors have been added. */
  get count(): number {
    return this.#links.door.length
  }

  /** The number of a door. @param protocols those that are no protocol numbers are left out */
  door(protocols: readonly number[], first: number, last: number): number {
    const set = this.#protocolSet(protocols)
    const key = set.id * 2 ** 32 + first * 2 ** 16 + last
    const known = this.#doorIds.get(key)
    if (known !== undefined) return known
    this.#doorIds.set(key, this.#doors.length)
    return this.#doors.push({ protocols: set, first, last }) - 1
  }

  add(target: number, place: number, door: number): void {
    const pair = this.#pair(target, place)
    const { door: doors, next } = this.#links
    next.push(this.#heads[pair] as number)
    this.#heads[pair] = doors.push(door) - 1
  }

  /** Calls back for each door of a target. */
  forEachOf(target: number, use: (place: number, door: number) => void): void {
    for (let pair = this.#lastOfTarget[target] ?? NONE; pair !== NONE; pair = this.#before[pair] as number)
      for (const door of this.#doorsOf(pair)) use(this.#places[pair] as number, door)
  }

  write(): Pick<FilterProgram, 'openings' | 'doors' | 'ports' | 'protocols'> {
    const written = new Written(this.#doors)
    const size = this.#index.length
    const openings = new Int32Array(OPENING_STRIDE * size)
    for (let i = 0; i < size; i++) {
      const pair = (this.#index[i] as number) - 1
      if (pair < 0) continue
      openings[OPENING_STRIDE * i] = this.#targets[pair] as number
      openings[OPENING_STRIDE * i + 1] = this.#places[pair] as number
      openings[OPENING_STRIDE * i + 2] = written.opening(this.#doorsOf(pair))
    }
    return { openings, ...written.arrays() }
  }

  #pair(target: number, place: number): number {
    const mask = this.#index.length - 1
    let i = hashOpening(target, place) & mask
    for (; this.#index[i] !== 0; i = (i + 1) & mask) {
      const pair = (this.#index[i] as number) - 1
      if (this.#targets[pair] === target && this.#places[pair] === place) return pair
    }
    const pair = this.#targets.push(target) - 1
    this.#places.push(place)
    this.#heads.push(NONE)
    this.#before.push(this.#lastOfTarget[target] ?? NONE)
    while (this.#lastOfTarget.length <= target) this.#lastOfTarget.push(NONE)
    this.#lastOfTarget[target] = pair
    this.#index[i] = pair + 1
    if (2 * this.#targets.length >= this.#index.length) this.#grow()
    return pair
  }

  #grow(): void {
    const mask = 2 * this.#index.length - 1
    this.#index = new Int32Array(mask + 1)
    for (let pair = 0; pair < this.#targets.length; pair++) {
      let i = hashOpening(this.#targets[pair] as number, this.#places[pair] as number) & mask
      while (this.#index[i] !== 0) i = (i + 1) & mask
      this.#index[i] = pair + 1
    }
  }

  #doorsOf(pair: number): number[] {
    const doors: number[] = []
    const { door, next } = this.#links
    for (let at = this.#heads[pair] as number; at !== NONE; at = next[at] as number) doors.push(door[at] as number)
    return doors
  }

  #protocolSet(protocols: readonly number[]): ProtocolSet {
    const key = protocols.join()
    const known = this.#protocolSets.get(key)
    if (known !== undefined) return known
    const words = new Int32Array(PROTOCOL_WORDS)
    for (const n of protocols) if (n >= 0 && n <= 0xff) words[n >>> 5] = (words[n >>> 5] as number) | (1 << (n & 31))
    const set = { id: this.#protocolSets.size, words }
    this.#protocolSets.set(key, set)
    return set
  }
}

/** Openings in their arrays, equal ones once. */
class Written {
  readonly #from: readonly Door[]
  readonly #known = new Map<string, number>()
  /** The openings of one door, by its number. */
  readonly #ofOne: number[]
  readonly #doors: number[] = Array.from({ length: OPENING.size }, () => 0)
  readonly #ports: number[] = []
  readonly #protocols: number[] = Array.from({ length: PROTOCOL_WORDS }, () => 0)
  readonly #knownProtocols = new Map<string, number>([[this.#protocols.join(), 0]])

  constructor(doors: readonly Door[]) {
    this.#from = doors
    this.#ofOne = doors.map(() => 0)
  }

  opening(doors: readonly number[]): number {
    const single = doors[0] as number
    if (doors.length === 1) return (this.#ofOne[single] ||= this.#write([this.#from[single] as Door]))
    const distinct = [...new Set(doors)].sort((a, b) => a - b)
    if (distinct.length === 1) return this.opening(distinct)
    const key = distinct.join()
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const opening = this.#write(distinct.map((door) => this.#from[door] as Door))
    this.#known.set(key, opening)
    return opening
  }

  arrays(): Pick<FilterProgram, 'doors' | 'ports' | 'protocols'> {
    return {
      doors: Int32Array.from(this.#doors),
      ports: Uint32Array.from(this.#ports),
      protocols: Int32Array.from(this.#protocols),
    }
  }

  #write(doors: readonly Door[]): number {
    const opening = this.#doors.length / OPENING.size
    for (const protocol of [TCP, UDP, SCTP]) {
      this.#doors.push(this.#ports.length)
      this.#writePorts(doors.filter((door) => has(door, protocol)))
    }
    this.#doors.push(this.#ports.length, this.#protocolsOf(doors))
    return opening
  }

  /** In rising order, ranges that touch made one, those upside down left out. */
  #writePorts(doors: readonly Door[]): void {
    const merged: [number, number][] = []
    const upright = doors.filter(({ first, last }) => first <= last)
    for (const { first, last } of upright.sort((a, b) => a.first - b.first)) {
      const before = merged.at(-1)
      if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last)
      else merged.push([first, last])
    }
    for (const [first, last] of merged) this.#ports.push(((first << 16) | last) >>> 0)
  }

  /** A protocol without ports passes only where one rule opens all of them at once. */
  #protocolsOf(doors: readonly Door[]): number {
    const open = doors.filter(({ first, last }) => first === 0 && last === MAX_PORT)
    if (open.length === 0) return 0
    const words = new Int32Array(PROTOCOL_WORDS)
    for (const { protocols } of open)
      for (let i = 0; i < PROTOCOL_WORDS; i++) words[i] = (words[i] as number) | (protocols.words[i] as number)
    const key = words.join()
    const known = this.#knownProtocols.get(key)
    if (known !== undefined) return known
    const start = this.#protocols.length
    this.#protocols.push(...words)
    this.#knownProtocols.set(key, start)
    return start
  }
}

function has({ protocols }: Door, protocol: number): boolean {
  return ((protocols.words[protocol >>> 5] as number) & (1 << (protocol & 31))) !== 0
}
