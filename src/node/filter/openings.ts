/** Gathers which ports and protocols rules open where, and writes them as a program's arrays. Used by compile.ts. */

import { SCTP, TCP, UDP } from '../../wire/ip-packet.ts'
import { hashOpening, OPENING, OPENING_STRIDE, PROTOCOL_WORDS } from './program.ts'
import type { FilterProgram } from './program.ts'

/** What one rule opens at one place. */
export interface Door {
  /** Bits of `PROTOCOL_WORDS` words. */
  readonly protocols: ProtocolSet
  readonly first: number
  readonly last: number
}

export interface ProtocolSet {
  readonly words: Int32Array
  /** The same for equal sets, and only for them. */
  readonly key: string
}

const MAX_PORT = 0xffff
/** Targets times this and a place make a key; numbers stay exact far beyond any tailnet. */
const PLACES_MAX = 2 ** 26

/** What protocol numbers make; those that are none are left out. */
export function protocolSet(numbers: readonly number[]): ProtocolSet {
  const words = new Int32Array(PROTOCOL_WORDS)
  for (const n of numbers) if (n >= 0 && n <= 0xff) words[n >>> 5] = (words[n >>> 5] as number) | (1 << (n & 31))
  return { words, key: words.join() }
}

function has(set: ProtocolSet, protocol: number): boolean {
  return ((set.words[protocol >>> 5] as number) & (1 << (protocol & 31))) !== 0
}

export class Openings {
  /** Doors by target and place. */
  readonly #doors = new Map<number, Door[]>()
  /** Places of each target where it has doors. */
  readonly #places = new Map<number, number[]>()
  #count = 0

  /** How many doors there are. */
  get count(): number {
    return this.#count
  }

  add(target: number, place: number, doors: readonly Door[]): void {
    const key = target * PLACES_MAX + place
    this.#count += doors.length
    const known = this.#doors.get(key)
    if (known !== undefined) {
      for (const door of doors) known.push(door)
      return
    }
    this.#doors.set(key, [...doors])
    const places = this.#places.get(target)
    if (places === undefined) this.#places.set(target, [place])
    else places.push(place)
  }

  placesOf(target: number): readonly number[] {
    return this.#places.get(target) ?? []
  }

  doorsOf(target: number, place: number): readonly Door[] {
    return this.#doors.get(target * PLACES_MAX + place) ?? []
  }

  write(): Pick<FilterProgram, 'openings' | 'doors' | 'ports' | 'protocols'> {
    const written = new Written()
    const size = 2 ** Math.ceil(Math.log2(2 * this.#doors.size + 1))
    const openings = new Int32Array(OPENING_STRIDE * size)
    for (const [key, doors] of this.#doors) {
      const [target, place] = [Math.floor(key / PLACES_MAX), key % PLACES_MAX]
      let i = hashOpening(target, place) & (size - 1)
      while (openings[OPENING_STRIDE * i + 2] !== 0) i = (i + 1) & (size - 1)
      openings.set([target, place, written.opening(doors)], OPENING_STRIDE * i)
    }
    return { openings, ...written.arrays() }
  }
}

/** Openings in their arrays, equal ones once. */
class Written {
  readonly #known = new Map<string, number>()
  readonly #doors: number[] = Array.from({ length: OPENING.size }, () => 0)
  readonly #ports: number[] = []
  readonly #protocols: number[] = Array.from({ length: PROTOCOL_WORDS }, () => 0)
  readonly #knownProtocols = new Map<string, number>([[this.#protocols.join(), 0]])

  opening(doors: readonly Door[]): number {
    const key = doors.map(({ protocols, first, last }) => `${protocols.key}:${first}-${last}`).join()
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const opening = this.#doors.length / OPENING.size
    const starts = [TCP, UDP, SCTP].map((protocol) => {
      const start = this.#ports.length
      for (const [first, last] of mergedPorts(doors.filter((door) => has(door.protocols, protocol))))
        this.#ports.push(((first << 16) | last) >>> 0)
      return start
    })
    this.#doors.push(...starts, this.#ports.length, this.#protocolsOf(doors))
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

  /** A protocol without ports passes only where one rule opens all of them at once. */
  #protocolsOf(doors: readonly Door[]): number {
    const words = new Int32Array(PROTOCOL_WORDS)
    for (const { protocols, first, last } of doors)
      if (first === 0 && last === MAX_PORT)
        protocols.words.forEach((word, i) => (words[i] = (words[i] as number) | word))
    const key = words.join()
    const known = this.#knownProtocols.get(key)
    if (known !== undefined) return known
    const start = this.#protocols.length
    this.#protocols.push(...words)
    this.#knownProtocols.set(key, start)
    return start
  }
}

/** Port ranges in rising order, those that touch made one, those upside down left out. */
function mergedPorts(doors: readonly Door[]): [number, number][] {
  const merged: [number, number][] = []
  for (const { first, last } of doors.filter((d) => d.first <= d.last).sort((a, b) => a.first - b.first)) {
    const before = merged.at(-1)
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last)
    else merged.push([first, last])
  }
  return merged
}
