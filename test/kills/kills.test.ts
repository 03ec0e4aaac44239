/**
 * `kill -9` of a real server under load, again and again on the same data: nothing that was acknowledged is lost, and
 * nothing half-done is seen. One kill in four hits a server that is still starting.
 *
 *   SETT_KILLS=100 SETT_KILLS_SEED=7 node --test test/kills
 *
 * A seed gives the same acts and the same moments; how they fall in between is the machine's matter.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Coord } from '../e2e/coord.ts'
import { Book } from './book.ts'
import { inspect } from './inspect.ts'
import { Load } from './load.ts'
import type { Random } from './load.ts'

const KILLS = Number(process.env['SETT_KILLS'] ?? 6)
const SEED = Number(process.env['SETT_KILLS_SEED'] ?? Math.floor(Math.random() * 1e9))
const WORKERS = 8
/** Long enough for some dozens of acts, and for the server's own writes between them. */
const ALIVE_MS = 600
/** A start takes about so long. */
const START_MS = 700

test(`${KILLS} kills from seed ${SEED}: what was acknowledged is there, and nothing half-done`, async (t) => {
  const random = seeded(SEED)
  const book = new Book()
  const coord = await Coord.start()
  t.after(() => coord.remove())
  const done: Record<string, number> = {}
  let early = 0
  for (let kill = 0; kill < KILLS; kill++) {
    try {
      const load = new Load(coord, book, random, `k${kill}`)
      const working = load.run(WORKERS)
      // It fails at once when the server errs before it is killed.
      await Promise.race([working, sleep(20 + random(ALIVE_MS))])
      load.stop()
      await coord.stop('SIGKILL')
      await working
      for (const [act, count] of Object.entries(load.done)) done[act] = (done[act] ?? 0) + count
      if (random(4) === 0) {
        early++
        const starting = coord.start().then(
          () => undefined,
          () => undefined,
        )
        await sleep(random(START_MS))
        await coord.stop('SIGKILL')
        await starting
      }
      await coord.start()
      await inspect(coord, book)
    } catch (error) {
      throw new Error(`kill ${kill} of seed ${SEED}; the server said last:\n${coord.log.slice(-3000)}`, {
        cause: error,
      })
    }
  }
  t.diagnostic(`seed ${SEED}: ${KILLS} kills, ${early} more while starting; acknowledged ${JSON.stringify(done)}`)
  assert.ok((done['join'] ?? 0) > KILLS, 'the server did hardly anything before it was killed')
})

/** mulberry32. */
function seeded(seed: number): Random {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000) * below)
  }
}
