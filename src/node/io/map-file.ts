/** The file of the last map, so that a node that starts while its server is away knows its peers. Losing it costs nothing else. */

import { appendFileSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import type { Bytes } from '../../base/bytes.ts'

export class MapFile {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  /** What is kept; `undefined` for nothing. A torn end is the reader's to pass over. */
  read(): Bytes | undefined {
    try {
      return readFileSync(this.#path)
    } catch {
      return undefined
    }
  }

  /** @returns why it could not be kept */
  write(how: 'replace' | 'append', bytes: Bytes): string | undefined {
    try {
      if (how === 'append') appendFileSync(this.#path, bytes, { mode: 0o600 })
      else {
        const draft = `${this.#path}.new`
        writeFileSync(draft, bytes, { mode: 0o600 })
        renameSync(draft, this.#path)
      }
      return undefined
    } catch (error) {
      // Half a map is worse than none.
      this.remove()
      return (error as Error).message
    }
  }

  remove(): void {
    rmSync(this.#path, { force: true })
  }
}
