/**
 * Random bytes fit for keys. Node's generator costs the same for few bytes as for a pageful, so short requests are
 * served from a pool. Each byte is handed out once, and not kept.
 */

import { randomFillSync } from 'node:crypto'
import type { Dice } from '../../base/bytes.ts'

const POOL_LENGTH = 4096
/** Requests up to here are served from the pool. Keys have 32 bytes. */
const MOST_POOLED = 64

/** @param fill overwrites all of its argument with random bytes */
export function pooledDice(fill: (bytes: Uint8Array<ArrayBuffer>) => unknown): Dice {
  const pool = new Uint8Array(POOL_LENGTH)
  let used = POOL_LENGTH
  return (length) => {
    // A fraction or a negative number would move the mark off what has been handed out.
    if (!Number.isSafeInteger(length) || length < 0) throw new RangeError(`Cannot give ${length} random bytes`)
    if (length > MOST_POOLED) {
      const bytes = new Uint8Array(length)
      fill(bytes)
      return bytes
    }
    if (used + length > POOL_LENGTH) {
      fill(pool)
      used = 0
    }
    const bytes = pool.slice(used, used + length)
    pool.fill(0, used, used + length)
    used += length
    return bytes
  }
}

export const nodeDice: Dice = pooledDice(randomFillSync)
