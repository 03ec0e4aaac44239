/**
 * The writer thread: takes what has come in since the last sync as one group, and answers it as one.
 *
 * Started by sqlite.ts with a `WorkerData`; speaks `ToWorker` and `FromWorker` over its port.
 */

import { parentPort, workerData } from 'node:worker_threads'
import { MeshError } from '../../../base/errors.ts'
import type { ErrorCode } from '../../../base/errors.ts'
import { explainSqlite } from './sqlite-errors.ts'
import { openSqliteFile } from './sqlite-file.ts'
import type { SqliteFile, SqliteOptions } from './sqlite-file.ts'
import { SqliteTables } from './sqlite-tables.ts'
import type { Ask, Outcome } from './sqlite-tables.ts'

export interface WorkerData extends SqliteOptions {
  readonly path: string
}
/** Asks in their order, or the wish to end after all that came before. */
export type ToWorker = readonly Ask[] | 'close'
export type FromWorker =
  | { readonly kind: 'opened'; readonly migrated: SqliteFile['migrated'] }
  | { readonly kind: 'not-opened'; readonly code: ErrorCode; readonly message: string }
  /** Outcomes of the oldest asks that have none yet, in their order. */
  | { readonly kind: 'outcomes'; readonly outcomes: readonly Outcome[] }
  | { readonly kind: 'closed'; readonly failed?: string }

/** Asks in one transaction: enough to spread the sync thin, few enough that the first need not wait long. */
const MAX_GROUP = 512

if (parentPort === null) throw new MeshError('internal', 'Cannot run the writer thread: it is not a thread')
const port = parentPort
const say = (message: FromWorker) => port.postMessage(message)

const { path, ...options } = workerData as WorkerData
try {
  serve(openSqliteFile(path, options))
} catch (error) {
  const { code, message } = explainSqlite(`open the database ${path}`, error)
  say({ kind: 'not-opened', code, message })
}

function serve(file: SqliteFile): void {
  const tables = new SqliteTables(file)
  const waiting: Ask[] = []
  let closing = false
  let due = false

  port.on('message', (message: ToWorker) => {
    if (message === 'close') closing = true
    else waiting.push(...message)
    // Messages that are already here are handed out before an immediate runs, so they join this group.
    if (!due) setImmediate(work)
    due = true
  })
  say({ kind: 'opened', migrated: file.migrated })

  function work(): void {
    due = false
    const group = waiting.splice(0, MAX_GROUP)
    if (group.length > 0) say({ kind: 'outcomes', outcomes: tables.run(group) })
    if (waiting.length > 0 || (closing && group.length > 0)) {
      due = true
      setImmediate(work)
    } else if (closing) end()
  }

  function end(): void {
    try {
      file.close()
      say({ kind: 'closed' })
    } catch (error) {
      say({ kind: 'closed', failed: explainSqlite(`close the database ${path}`, error).message })
    }
    port.close()
  }
}
