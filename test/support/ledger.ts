/** A ledger over a store in memory, with a clock that tests set. */

import type { Clocks, Mono, Wall } from '../../src/base/clock.ts'
import { StoreLedger } from '../../src/coord/ledger.ts'
import { worker } from '../../src/coord/model/actors.ts'
import type { Changed } from '../../src/coord/model/model.ts'
import { MemoryDatabase, MemoryStore } from '../../src/coord/store/memory.ts'
import { nodePrimitives } from '../../src/crypto/io/node-primitives.ts'

/** Who it is, where a test changes records itself. */
export const TESTER = worker('test')

export function memoryDatabase(): MemoryDatabase {
  return new MemoryDatabase((...parts) => nodePrimitives.sha256(...parts))
}

export class TestClock implements Clocks {
  now: number

  constructor(start = '2026-01-02T03:04:05Z') {
    this.now = Date.parse(start)
  }

  mono(): Mono {
    return this.now as Mono
  }

  wall(): Wall {
    return this.now as Wall
  }

  advance(ms: number): void {
    this.now += ms
  }
}

/** Several ledgers on one database are several servers. */
export async function testLedger(
  clock: Clocks,
  database = memoryDatabase(),
  changed: (changes: readonly Changed[]) => void = () => undefined,
): Promise<StoreLedger> {
  const ledger = new StoreLedger(new MemoryStore(database), clock, changed)
  await ledger.open((error) => {
    throw error
  })
  return ledger
}
