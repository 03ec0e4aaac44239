/**
 * The memory that packets are worked on in: one buffer, seen as bytes, as 32-bit words, and by numbers of any order.
 *
 * Places are offsets from its beginning. Packets begin at multiples of four wherever that can be chosen, since a
 * checksum by words costs a quarter of one by bytes.
 */

/** Sums the 32-bit words from `at` up to `end`, some multiple of sixteen bytes, not none, and anywhere in the memory. */
export type WordSum = (at: number, end: number) => number

export interface Memory {
  readonly bytes: Uint8Array
  readonly words: Uint32Array
  readonly view: DataView
  /** Where there is something faster than to add them one by one. */
  readonly wordSum: WordSum | undefined
}

/** @param buffer whose length is a multiple of four */
export function memoryOf(buffer: ArrayBufferLike, wordSum?: WordSum): Memory {
  return { bytes: new Uint8Array(buffer), words: new Uint32Array(buffer), view: new DataView(buffer), wordSum }
}

/** The next place at or behind `at` where a packet may begin. */
export function aligned(at: number): number {
  return (at + 3) & ~3
}
