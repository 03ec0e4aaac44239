/** Backup and restore of real servers, from SQLite to PostgreSQL and back. */

import { after } from 'node:test'
import { sharedPostgres } from '../support/postgres.ts'
import { backupContract } from './backup.ts'
import type { Place } from './backup.ts'

const server = await sharedPostgres()
const skip = typeof server === 'string' ? server : false
after(async () => {
  if (typeof server !== 'string') await server.stop()
})

const sqlite: Place = { flags: async () => [] }
const postgres: Place = {
  async flags() {
    if (typeof server === 'string') throw new Error(server)
    return ['--database', await server.createDatabase()]
  },
}

backupContract('SQLite to PostgreSQL', sqlite, postgres, skip)
backupContract('PostgreSQL to SQLite', postgres, sqlite, skip)
