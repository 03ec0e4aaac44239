/**
 * Refuses counters that were there before or are too old: the anti-replay bitmap of RFC 6479 (WireGuard paper §5.4.6).
 *
 * A ring of bits in blocks of 32, indexed by the counter's low bits; moving on clears whole blocks, so the window is a
 * little shorter than the ring. Counters are u64 and come as two halves. All state is one array of words, which may lie
 * in shared memory; one owner at a time.
 */

/** How far behind the greatest counter one may still come. */
export const WINDOW = 8128
const RING_BLOCKS = 256
const GREATEST_HIGH = RING_BLOCKS
const GREATEST_LOW = RING_BLOCKS + 1
/** Has any counter been seen? Without it a fresh window could not tell counter 0 from none. */
const BEGUN = RING_BLOCKS + 2
export const REPLAY_WORDS = RING_BLOCKS + 3

/** REJECT_AFTER_MESSAGES, 2^64 - 2^13 - 1, as halves: this counter and those after it are never accepted. */
const LIMIT_HIGH = 0xffff_ffff
const LIMIT_LOW = 0xffff_dfff

export class ReplayWindow {
  readonly #words: Uint32Array

  /** @param words `REPLAY_WORDS` words, zero at first */
  constructor(words: Uint32Array = new Uint32Array(REPLAY_WORDS)) {
    if (words.length !== REPLAY_WORDS) throw new RangeError(`A replay window has ${REPLAY_WORDS} words`)
    this.#words = words
  }

  /** May this counter still come? Cheap, so it is asked before a message is opened. Changes nothing. */
  isFresh(high: number, low: number): boolean {
    if (high === LIMIT_HIGH && low >= LIMIT_LOW) return false
    const words = this.#words
    if (words[BEGUN] === 0) return true
    const behind = this.#behind(high, low)
    if (behind < 0) return true
    return behind <= WINDOW && ((words[blockOf(low)] as number) & bitOf(low)) === 0
  }

  /** Takes note of the counter of a message that proved genuine. `false`, and nothing changes, when it is not fresh. */
  accept(high: number, low: number): boolean {
    if (!this.isFresh(high, low)) return false
    const words = this.#words
    const behind = words[BEGUN] === 0 ? -Infinity : this.#behind(high, low)
    if (behind < 0) {
      this.#clear(high, low)
      words[GREATEST_HIGH] = high
      words[GREATEST_LOW] = low
      words[BEGUN] = 1
    }
    words[blockOf(low)] = (words[blockOf(low)] as number) | bitOf(low)
    return true
  }

  /** How far this counter is behind the greatest; exact where it matters, for doubles hold 53 bits of it. */
  #behind(high: number, low: number): number {
    return (
      ((this.#words[GREATEST_HIGH] as number) - high) * 0x1_0000_0000 + ((this.#words[GREATEST_LOW] as number) - low)
    )
  }

  /** Clears the blocks after the greatest counter's, up to and with that of the counter that becomes the greatest. */
  #clear(high: number, low: number): void {
    const words = this.#words
    const greatestLow = words[GREATEST_LOW] as number
    const blocks = (high - (words[GREATEST_HIGH] as number)) * 2 ** 27 + ((low >>> 5) - (greatestLow >>> 5))
    const first = blockOf(greatestLow) + 1
    for (let i = 0; i < Math.min(blocks, RING_BLOCKS); i++) words[(first + i) & (RING_BLOCKS - 1)] = 0
  }
}

const blockOf = (low: number): number => (low >>> 5) & (RING_BLOCKS - 1)
const bitOf = (low: number): number => 1 << (low & 31)
