/** A Headscale brought over into PostgreSQL: the same records, and a second time refused. */

import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { sharedPostgres } from '../../../../test/support/postgres.ts'
import { main } from '../../main.ts'
import { openStore } from '../store/open.ts'

const FROM = fileURLToPath(new URL('../../../../test/vectors/headscale-import/', import.meta.url))
const server = await sharedPostgres()
const skip = typeof server === 'string' ? server : false

test('into PostgreSQL', { skip, timeout: 60_000 }, async (t) => {
  if (typeof server === 'string') return
  const url = await server.createDatabase()
  const data = mkdtempSync(join(tmpdir(), 'sett-headscale-'))
  t.after(() => {
    rmSync(data, { recursive: true })
    return server.dropDatabase(url)
  })
  const said = { out: '', err: '' }
  const sink = (name: 'out' | 'err') => ({ write: (text: string) => void (said[name] += text) })
  const args = ['import', 'headscale', '--config', join(FROM, 'config.yaml'), '--data', data, '--into', url]
  const at = { out: sink('out'), err: sink('err'), env: {} }
  assert.equal(await main(args, at), 0, said.err)
  assert.match(said.out, /--database URL --url/)
  assert.deepEqual(readdirSync(data), ['noise.key'])

  const store = await openStore(url)
  const { records } = await store.snapshot(1)
  await store.close()
  const count = (kind: string) => records.filter((record) => record.kind === kind).length
  const counts = ['user', 'node', 'key', 'address', 'name', 'policy', 'identity'].map((kind) => [kind, count(kind)])
  assert.deepEqual(Object.fromEntries(counts), {
    user: 4,
    node: 6,
    key: 9,
    address: 12,
    name: 6,
    policy: 1,
    identity: 1,
  })

  assert.equal(await main(args, at), 2)
  assert.match(said.err, /Cannot import: the database of this server holds data already/)
})
