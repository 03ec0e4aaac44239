/** Database names, as people write them. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MeshError } from '../../../base/errors.ts'
import { openStore, parseDatabase } from './open.ts'

const good = [
  { text: '/var/lib/sett/sett.db', want: { engine: 'sqlite', path: '/var/lib/sett/sett.db' } },
  { text: 'sett.db', want: { engine: 'sqlite', path: 'sett.db' } },
  { text: 'sqlite:sett.db', want: { engine: 'sqlite', path: 'sett.db' } },
  { text: 'sqlite:///srv/sett.db', want: { engine: 'sqlite', path: '/srv/sett.db' } },
  { text: 'SQLite:/srv/sett.db', want: { engine: 'sqlite', path: '/srv/sett.db' } },
  { text: ':memory:', want: { engine: 'sqlite', path: ':memory:' } },
  { text: 'sqlite::memory:', want: { engine: 'sqlite', path: ':memory:' } },
  { text: 'C:\\sett\\sett.db', want: { engine: 'sqlite', path: 'C:\\sett\\sett.db' } },
  { text: 'postgres://u:p@h:1/d', want: { engine: 'postgres', url: 'postgres://u:p@h:1/d' } },
  { text: 'postgresql:///d?host=/run/pg', want: { engine: 'postgres', url: 'postgresql:///d?host=/run/pg' } },
] as const
for (const { text, want } of good)
  test(`"${text}" names a database of ${want.engine}`, () => assert.deepEqual(parseDatabase(text), want))

const bad = ['', 'sqlite:', 'mysql://u:hunter2@h/d', 'https://u:hunter2@h/d', 'file:x.db', 'a\0b']
for (const text of bad)
  test(`${JSON.stringify(text)} is refused, with what is accepted and without what may be secret`, () => {
    assert.throws(
      () => parseDatabase(text),
      (error: unknown) => {
        assert.ok(error instanceof MeshError && error.code === 'config/invalid')
        assert.match(error.message, /want sqlite:PATH, a path, or postgres:\/\//)
        assert.doesNotMatch(error.message, /hunter2/)
        return true
      },
    )
  })

test('a store in memory is a store', async () => {
  const store = await openStore(':memory:')
  assert.equal(await store.reserve('node', 1), 1)
  await store.close()
})
