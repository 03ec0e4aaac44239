/**
 * The state file: what the node keeps, written so that a crash at any moment leaves the state before or the state
 * after (node.md §12). Reading what is in it is local/state.ts.
 *
 * Writing is synchronous: nothing may be done with a key before it is on the disk, and there are few writes.
 */

import {
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { sameBytes } from '../../base/bytes.ts'
import { MeshError } from '../../base/errors.ts'
import { decodeState, encodeState, STATE_BYTES_MAX, stateAfter } from '../local/state.ts'
import type { State, StateWrites } from '../local/state.ts'

export interface StateStore {
  /** What is kept. */
  readonly state: State
  /** When it returns, the writes are on the disk. Throws MeshError `store/unavailable`: what is on the disk is then whole, but may be of before. */
  write(writes: StateWrites): void
}

/** `mem:` keeps nothing beyond this process: for nodes that are to be forgotten. */
const IN_MEMORY = 'mem:'

/**
 * Opens the state file, and makes its folder if there is none.
 *
 * @throws MeshError `store/corrupt` when it is damaged, `store/unavailable` when it can't be read
 */
export function openState(path: string): StateStore {
  return isInMemory(path) ? new MemoryState() : new StateFile(path)
}

/** Is there no file at all? */
export function isInMemory(path: string): boolean {
  return path === IN_MEMORY || path.startsWith(`${IN_MEMORY}:`)
}

class MemoryState implements StateStore {
  state: State = new Map()

  write(writes: StateWrites): void {
    this.state = stateAfter(this.state, writes)
  }
}

class StateFile implements StateStore {
  readonly #path: string
  #state: State

  constructor(path: string) {
    this.#path = path
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    // What a crash left half written.
    rmSync(this.#draft, { force: true })
    this.#state = readState(path)
  }

  get state(): State {
    return this.#state
  }

  write(writes: StateWrites): void {
    // What is there already is kept, also where a full disk takes nothing more.
    if ([...writes].every(([key, value]) => isSame(this.#state.get(key), value))) return
    const next = stateAfter(this.#state, writes)
    try {
      this.#replace(encodeState(next))
    } catch (cause) {
      rmSync(this.#draft, { force: true })
      throw new MeshError('store/unavailable', `Cannot write ${this.#path}: ${(cause as Error).message}`, { cause })
    }
    this.#state = next
  }

  /** In the same folder, since only there renaming replaces in one step. */
  get #draft(): string {
    return join(dirname(this.#path), `.${basename(this.#path)}.new`)
  }

  #replace(bytes: Uint8Array): void {
    // `wx`: a link that somebody has put there is not followed.
    const file = openSync(this.#draft, 'wx', 0o600)
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(this.#draft, this.#path)
    const folder = openSync(dirname(this.#path), 'r')
    try {
      fsyncSync(folder)
    } finally {
      closeSync(folder)
    }
  }
}

function isSame(kept: Uint8Array | undefined, written: Uint8Array | null): boolean {
  return kept === undefined || written === null ? kept === (written ?? undefined) : sameBytes(kept, written)
}

function readState(path: string): State {
  const bytes = readWhole(path)
  try {
    return decodeState(bytes)
  } catch (cause) {
    const what = `Cannot read ${path}: it is damaged. Put a copy back; or move it away, and this machine joins as a new one`
    throw new MeshError('store/corrupt', what, { cause })
  }
}

function readWhole(path: string): Uint8Array {
  try {
    const found = lstatSync(path, { throwIfNoEntry: false })
    if (found === undefined) return new Uint8Array(0)
    if (!found.isFile()) throw new Error('it is no ordinary file')
    if (found.size > STATE_BYTES_MAX) throw new Error(`it is larger than ${STATE_BYTES_MAX} bytes`)
    return readFileSync(path)
  } catch (cause) {
    throw new MeshError('store/unavailable', `Cannot read ${path}: ${(cause as Error).message}`, { cause })
  }
}
