/** Advisory 1 on PostgreSQL, with one real server and with two on one database. */

import { after } from 'node:test'
import { sharedPostgres } from '../support/postgres.ts'
import type { TestPostgres } from '../support/postgres.ts'
import { Coord } from './coord.ts'
import { oneOffKeyContract } from './one-off-key.ts'

const postgres = await sharedPostgres()
const skip = typeof postgres === 'string' ? postgres : false
after(async () => {
  if (typeof postgres !== 'string') await postgres.stop()
})

async function servers(count: number): Promise<Coord[]> {
  const database = await (postgres as TestPostgres).createDatabase()
  // One after the other: the first makes the tables and the tailnet.
  const made: Coord[] = []
  for (let i = 0; i < count; i++) made.push(await Coord.start({ args: ['--database', database] }))
  return made
}

oneOffKeyContract('on PostgreSQL', () => servers(1), skip)
oneOffKeyContract('on two servers that share a PostgreSQL', () => servers(2), skip)
