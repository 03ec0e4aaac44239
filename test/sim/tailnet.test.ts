/**
 * Whole tailnets on the simulated internet: our server, relays and nodes together, through whatever a seed does to
 * them.
 *
 * SETT_SIM_SEED replays one run; SETT_SIM_RUNS sets how many, and with it how large the largest is.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkCalm } from './tailnet/calm.ts'
import { SimTailnet } from './tailnet/tailnet.ts'
import { Turmoil } from './tailnet/turmoil.ts'

const only = process.env['SETT_SIM_SEED']
/** Unset in the quick tests, which take a few seeds of their own each time. */
const runs = Number(process.env['SETT_SIM_RUNS'] ?? 0)
const base = only === undefined ? Date.now() % 1_000_000 : Number(only)

/** One tailnet through turmoil and calm. Gives the trace of all that has arrived. */
async function live(seed: number, { machines = 6, things = 25, pairsEach = Infinity } = {}): Promise<string> {
  try {
    const world = await SimTailnet.start({ seed })
    const turmoil = new Turmoil(world, machines + 2)
    for (let i = 0; i < machines; i++) world.join(turmoil.place(), turmoil.tag())
    await turmoil.rage(things)
    turmoil.heal()
    await checkCalm(world, { pairsEach })
    return world.trace
  } catch (cause) {
    throw new Error(`Seed ${seed} fails (SETT_SIM_SEED=${seed} replays it): ${(cause as Error).message}`, { cause })
  }
}

test(`after any turmoil all who may speak are heard, and nobody else: seeds from ${base}`, async () => {
  for (let i = 0; i < (only === undefined ? Math.max(2, runs) : 1); i++) await live(base + i)
})

/** As many as there are time for in quick tests; hundreds at full size. */
const CROWD = runs > 0 ? 200 : 16

test(`${CROWD} machines in one process, through less, find each other as soon`, async () => {
  await live(base, { machines: CROWD, things: 12, pairsEach: 3 })
})

test('a seed replays to the byte, and another is another story', async () => {
  const small = { machines: 4, things: 8 }
  const first = await live(base, small)
  assert.equal(await live(base, small), first)
  assert.notEqual(await live(base + 1, small), first)
})
