/** Backup and restore of real servers on SQLite. */

import { backupContract } from './backup.ts'
import type { Place } from './backup.ts'

const sqlite: Place = { flags: async () => [] }

backupContract('SQLite to SQLite', sqlite, sqlite, false)
