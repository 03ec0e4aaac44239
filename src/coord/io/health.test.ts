import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Wall } from '../../base/clock.ts'
import { MeshError } from '../../base/errors.ts'
import type { Batch } from '../model/records.ts'
import { MemoryStore } from '../store/memory.ts'
import { Health } from './health.ts'
import type { Log } from './log.ts'
import { memoryDatabase } from '../../../test/support/ledger.ts'

/** A store that fails as it is told, and what was logged. */
function world() {
  const logged: string[] = []
  const note = (event: string) => void logged.push(event)
  const log: Log = { trace: note, debug: note, info: note, warn: note, error: note }
  const fails: { reads?: Error; writes?: Error } = {}
  class Failing extends MemoryStore {
    override heads() {
      return fails.reads === undefined ? super.heads() : Promise.reject(fails.reads)
    }
    override commit(batch: Batch, at: Wall) {
      return fails.writes === undefined ? super.commit(batch, at) : Promise.reject(fails.writes)
    }
    override reserve(counter: string, count: number) {
      return fails.writes === undefined ? super.reserve(counter, count) : Promise.reject(fails.writes)
    }
  }
  return { health: new Health(new Failing(memoryDatabase()), log), fails, logged }
}

const BATCH = {
  tailnet: 1,
  writes: [{ kind: 'name', id: 'web', expect: 'any', value: { node: 1 } }],
} as const

test('a store that does not answer is said to be so, without where it is, and logged once', async () => {
  const { health, fails, logged } = world()
  assert.equal(await health.ailment(), undefined)
  fails.reads = new MeshError('store/unavailable', 'connect ECONNREFUSED 127.0.0.1:5544')
  for (let i = 0; i < 3; i++) assert.equal(await health.ailment(), 'the database does not answer')
  delete fails.reads
  assert.equal(await health.ailment(), undefined)
  assert.deepEqual(logged, ['not well', 'well again'])
})

const rows = [
  { code: 'store/full', says: 'the disk of the database is full' },
  { code: 'store/unavailable', says: 'the database does not answer' },
] as const
for (const { code, says } of rows)
  test(`${code}: not well while writes fail, and well as soon as they work again`, async () => {
    const { health, fails } = world()
    fails.writes = new MeshError(code, 'no')
    assert.equal(await health.ailment(), undefined, 'nobody has written yet')
    await assert.rejects(health.store.commit(BATCH, 0 as Wall))
    assert.equal(await health.ailment(), says)
    assert.equal(await health.ailment(), says)
    delete fails.writes
    assert.equal(await health.ailment(), undefined)
  })

test('a batch that no store would keep makes nobody ill', async () => {
  const { health, fails } = world()
  fails.writes = new MeshError('input/invalid', 'no')
  await assert.rejects(health.store.commit(BATCH, 0 as Wall))
  assert.equal(await health.ailment(), undefined)
})
