/** A growing set of small whole numbers, one bit each: which of a tailnet's nodes, by their dense numbers. */

export class BitSet {
  #words: Uint32Array

  constructor(capacity = 64) {
    this.#words = new Uint32Array((capacity + 31) >>> 5)
  }

  static of(numbers: Iterable<number>): BitSet {
    const set = new BitSet()
    for (const n of numbers) set.add(n)
    return set
  }

  has(n: number): boolean {
    const word = this.#words[n >>> 5]
    return word !== undefined && (word & (1 << (n & 31))) !== 0
  }

  add(n: number): void {
    const at = n >>> 5
    if (at >= this.#words.length) this.#grow(Math.max(at + 1, this.#words.length * 2))
    this.#words[at] = (this.#words[at] as number) | (1 << (n & 31))
  }

  delete(n: number): void {
    const at = n >>> 5
    if (at < this.#words.length) this.#words[at] = (this.#words[at] as number) & ~(1 << (n & 31))
  }

  clear(): void {
    this.#words.fill(0)
  }

  clone(): BitSet {
    const copy = new BitSet(0)
    copy.#words = this.#words.slice()
    return copy
  }

  /** Takes in everything that the other holds. */
  addAll(other: BitSet): void {
    const theirs = other.#words
    if (theirs.length > this.#words.length) this.#grow(theirs.length)
    const own = this.#words
    for (let i = 0; i < theirs.length; i++) own[i] = (own[i] as number) | (theirs[i] as number)
  }

  /** Keeps only what the other holds too. */
  keepAll(other: BitSet): void {
    const [own, theirs] = [this.#words, other.#words]
    for (let i = 0; i < own.length; i++) own[i] = (own[i] as number) & (theirs[i] ?? 0)
  }

  /** Drops everything that the other holds. */
  deleteAll(other: BitSet): void {
    const [own, theirs] = [this.#words, other.#words]
    const length = Math.min(own.length, theirs.length)
    for (let i = 0; i < length; i++) own[i] = (own[i] as number) & ~(theirs[i] as number)
  }

  /** Keeps what only one of both holds. */
  flipAll(other: BitSet): void {
    const theirs = other.#words
    if (theirs.length > this.#words.length) this.#grow(theirs.length)
    const own = this.#words
    for (let i = 0; i < theirs.length; i++) own[i] = (own[i] as number) ^ (theirs[i] as number)
  }

  equals(other: BitSet): boolean {
    const [own, theirs] = [this.#words, other.#words]
    const length = Math.max(own.length, theirs.length)
    for (let i = 0; i < length; i++) if ((own[i] ?? 0) !== (theirs[i] ?? 0)) return false
    return true
  }

  intersects(other: BitSet): boolean {
    const [own, theirs] = [this.#words, other.#words]
    const length = Math.min(own.length, theirs.length)
    for (let i = 0; i < length; i++) if (((own[i] as number) & (theirs[i] as number)) !== 0) return true
    return false
  }

  isSubsetOf(other: BitSet): boolean {
    const [own, theirs] = [this.#words, other.#words]
    for (let i = 0; i < own.length; i++) if (((own[i] as number) & ~(theirs[i] ?? 0)) !== 0) return false
    return true
  }

  get isEmpty(): boolean {
    for (const word of this.#words) if (word !== 0) return false
    return true
  }

  /** How many numbers it holds. */
  get size(): number {
    let size = 0
    for (let word of this.#words) for (; word !== 0; size++) word &= word - 1
    return size
  }

  /** The numbers, in rising order. What has been given may be deleted meanwhile. */
  *[Symbol.iterator](): Generator<number> {
    for (let i = 0; i < this.#words.length; i++)
      for (let word = this.#words[i] as number; word !== 0; word &= word - 1)
        yield i * 32 + 31 - Math.clz32(word & -word)
  }

  /** A text that is the same for equal sets, and only for them. */
  get key(): string {
    let end = this.#words.length
    while (end > 0 && this.#words[end - 1] === 0) end--
    let key = ''
    for (let i = 0; i < end; i++)
      key += String.fromCharCode((this.#words[i] as number) >>> 16, (this.#words[i] as number) & 0xffff)
    return key
  }

  #grow(words: number): void {
    const grown = new Uint32Array(words)
    grown.set(this.#words)
    this.#words = grown
  }
}

/** What both hold, as a set of its own. */
export function intersection(a: BitSet, b: BitSet): BitSet {
  const both = a.clone()
  both.keepAll(b)
  return both
}
