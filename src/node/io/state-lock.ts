/**
 * Who has the state folder, and the state file, which may be elsewhere: one daemon at a time, or whoever cleans up after
 * one. Two would undo each other's routes, by one journal, and speak with one key.
 *
 * The kernel keeps the lock with the open file, across namespaces and containers that share the folder, and frees it
 * when its process ends, however it ends.
 */

import { closeSync, constants, mkdirSync, openSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { getSystemErrorMessage } from 'node:util'
import { MeshError } from '../../base/errors.ts'
import { lastError } from '../../crypto/io/raw-memory.ts'
import { EAGAIN, EINTR, kernel } from './kernel.ts'

/** From Linux's fcntl.h. */
const LOCK_EX = 2
const LOCK_NB = 4
/** One that was just killed may take so long to be gone. */
const PATIENCE_MS = 2000
const LOOK_EVERY_MS = 50

export interface StateLock {
  close(): void
}

export interface LockOptions {
  /** How long to wait for whoever has it, in milliseconds. */
  readonly patienceMs?: number
}

/**
 * Takes the folder, which is made when there is none, for its owner only.
 *
 * @returns `undefined` when another process has it, and keeps it
 * @throws MeshError `store/unavailable` when there can be no lock
 */
export function lockFolder(folder: string, options?: LockOptions): Promise<StateLock | undefined> {
  return lockBy({ path: join(folder, 'lock'), what: `state folder ${folder}` }, options)
}

/** As `lockFolder`, for one file in a folder that may have several. */
export function lockStateFile(file: string, options?: LockOptions): Promise<StateLock | undefined> {
  // Not the file itself, which every write replaces by another.
  return lockBy({ path: join(dirname(file), `.${basename(file)}.lock`), what: `state file ${file}` }, options)
}

interface Lock {
  readonly path: string
  /** What is locked by it, for messages. */
  readonly what: string
}

async function lockBy(lock: Lock, options: LockOptions = {}): Promise<StateLock | undefined> {
  const file = openLock(lock)
  try {
    const end = performance.now() + (options.patienceMs ?? PATIENCE_MS)
    while (!isTaken(file, lock)) {
      if (performance.now() >= end) {
        closeSync(file)
        return undefined
      }
      await wait(LOOK_EVERY_MS)
    }
    return { close: () => closeSync(file) }
  } catch (error) {
    closeSync(file)
    throw error
  }
}

/** Programs that we start do not inherit it: Node opens files so. */
function openLock({ path, what }: Lock): number {
  const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    return openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600)
  } catch (cause) {
    throw unavailable(what, (cause as Error).message, cause)
  }
}

function isTaken(file: number, { what }: Lock): boolean {
  if (kernel().flock(file, LOCK_EX | LOCK_NB) === 0) return true
  const code = lastError()
  if (code === EAGAIN || code === EINTR) return false
  throw unavailable(what, getSystemErrorMessage(-code) ?? `error ${code}`)
}

function unavailable(what: string, why: string, cause?: unknown): MeshError {
  return new MeshError('store/unavailable', `Cannot lock ${what}: ${why}`, { cause })
}
