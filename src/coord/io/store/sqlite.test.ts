/** The store on SQLite: the contract, and what only a file can suffer. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { storeContract } from '../../store/store.contract.ts'
import { MIGRATIONS } from './migrations.ts'
import { openSqlite } from './sqlite.ts'

storeContract('on SQLite', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sett-store-'))
  const path = join(folder, 'sett.db')
  return {
    shared: false,
    open: () => openSqlite({ path, migrations: MIGRATIONS }),
    remove: async () => rmSync(folder, { recursive: true }),
  }
})
