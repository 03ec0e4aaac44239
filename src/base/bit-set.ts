/** A growing set of small whole numbers, one bit each: which of a tailnet's nodes a stream has been told of. */

export class BitSet {
  #words: Uint32Array

  constructor(capacity = 64) {
    this.#words = new Uint32Array((capacity + 31) >>> 5)
  }

  has(n: number): boolean {
    const word = this.#words[n >>> 5]
    return word !== undefined && (word & (1 << (n & 31))) !== 0
  }

  add(n: number): void {
    const at = n >>> 5
    if (at >= this.#words.length) {
      const grown = new Uint32Array(Math.max(at + 1, this.#words.length * 2))
      grown.set(this.#words)
      this.#words = grown
    }
    this.#words[at] = (this.#words[at] as number) | (1 << (n & 31))
  }

  delete(n: number): void {
    const at = n >>> 5
    if (at < this.#words.length) this.#words[at] = (this.#words[at] as number) & ~(1 << (n & 31))
  }

  clear(): void {
    this.#words.fill(0)
  }

  /** How many numbers it holds. */
  get size(): number {
    let size = 0
    for (let word of this.#words) for (; word !== 0; size++) word &= word - 1
    return size
  }
}
