/**
 * Numbers for what rules let through, and what several of them come to: each a set of bits, one for every piece of the
 * port range that no rule cuts in two. Putting some together costs a few words, and there are many pairs to ask about.
 */

import { BitSet } from '../../base/bit-set.ts'
import type { PortRange, Traffic } from '../policy.ts'
import { openFrom } from './open.ts'
import type { Open } from './open.ts'

interface Piece {
  readonly protocol: number
  readonly range: PortRange
}

export class TrafficLabels {
  readonly #labels: Open[] = []
  readonly #ids = new Map<string, number>()
  #pieces: readonly Piece[] = []
  /** By label, the pieces of it. */
  #bits: readonly BitSet[] = []
  readonly #meanings = new Map<string, BitSet>()

  /** All labels have to be asked for before the first meaning is. */
  labelOf(traffic: readonly Traffic[]): number {
    const open = openFrom(traffic)
    const key = JSON.stringify([...open])
    let id = this.#ids.get(key)
    if (id === undefined) this.#ids.set(key, (id = this.#labels.push(open) - 1))
    return id
  }

  /** A text that is equal for what is equally open. */
  meaning(labels: Iterable<number>): string {
    if (this.#bits.length !== this.#labels.length) this.#cut()
    const all = new BitSet(this.#pieces.length)
    for (const label of labels) all.addAll(this.#bits[label] as BitSet)
    const { key } = all
    if (!this.#meanings.has(key)) this.#meanings.set(key, all)
    return key
  }

  open(meaning: string): Open {
    const pieces = [...(this.#meanings.get(meaning) ?? [])].map((bit) => this.#pieces[bit] as Piece)
    const open = new Map<number, PortRange[]>()
    for (const { protocol, range } of pieces) {
      const list = open.get(protocol)
      const before = list?.at(-1)
      if (list === undefined) open.set(protocol, [range])
      else if (before !== undefined && before.last + 1 === range.first)
        list[list.length - 1] = { first: before.first, last: range.last }
      else list.push(range)
    }
    return open
  }

  #cut(): void {
    const edges = new Map<number, Set<number>>()
    for (const [protocol, ports] of this.#labels.flatMap((open) => [...open])) {
      let cuts = edges.get(protocol)
      if (cuts === undefined) edges.set(protocol, (cuts = new Set()))
      for (const { first, last } of ports) cuts.add(first).add(last + 1)
    }
    const pieces: Piece[] = []
    for (const [protocol, cuts] of [...edges].sort(([a], [b]) => a - b)) {
      const sorted = [...cuts].sort((a, b) => a - b)
      for (const [i, first] of sorted.slice(0, -1).entries())
        pieces.push({ protocol, range: { first, last: (sorted[i + 1] as number) - 1 } })
    }
    this.#pieces = pieces
    this.#bits = this.#labels.map((open) => {
      const bits = new BitSet(pieces.length)
      for (const [bit, { protocol, range }] of pieces.entries())
        if (open.get(protocol)?.some(({ first, last }) => first <= range.first && range.last <= last)) bits.add(bit)
      return bits
    })
  }
}
