/**
 * The certificate that the operator gives as files, read again when they change.
 *
 * Files are looked at by the clock and not watched: certificates are renewed by renaming, behind links and on network
 * file systems, where watching sees nothing.
 */

import { statSync } from 'node:fs'
import { MeshError } from '../../../base/errors.ts'
import { formatTime, SECOND_MS } from '../../../base/clock.ts'
import type { Wall } from '../../../base/clock.ts'
import type { CertifiedKey } from '../../../crypto/io/self-signed.ts'
import type { TlsFiles } from '../config/options.ts'
import type { Log } from '../log.ts'
import type { Certificates, CertificateState } from './certificates.ts'
import { readPair, validityOf } from './pair.ts'

const LOOK_MS = 10 * SECOND_MS

export class FileCertificates implements Certificates {
  readonly #files: TlsFiles
  readonly #log: Log
  readonly #wall: () => Wall
  readonly #timer: NodeJS.Timeout
  #current: CertifiedKey
  #until: Wall
  #seen: string
  /** What was wrong at the last look: said once it was so twice, since two files are not replaced in one moment. */
  #fault: string | undefined
  #failure: CertificateState['failure']
  #failures = 0
  #followers: ((pair: CertifiedKey) => void)[] = []

  /** @throws MeshError `config/invalid` when the files cannot be used as they are */
  constructor(files: TlsFiles, { log, wall, lookMs = LOOK_MS }: { log: Log; wall: () => Wall; lookMs?: number }) {
    this.#files = files
    this.#log = log
    this.#wall = wall
    this.#seen = marksOf(files)
    this.#current = readPair(files)
    this.#until = validityOf(this.#current.cert).until
    this.#timer = setInterval(() => this.look(), lookMs)
    this.#timer.unref()
  }

  get current(): CertifiedKey {
    return this.#current
  }

  get state(): CertificateState {
    return { until: this.#until, ...(this.#failure === undefined ? {} : { failure: this.#failure }) }
  }

  get failures(): number {
    return this.#failures
  }

  follow(show: (pair: CertifiedKey) => void): void {
    this.#followers.push(show)
  }

  /** Reads the files if they have changed. What cannot be used leaves the old pair in place. */
  look(): void {
    const marks = marksOf(this.#files)
    if (marks === this.#seen && this.#fault === undefined) return
    try {
      const fresh = readPair(this.#files)
      this.#seen = marks
      this.#fault = this.#failure = undefined
      if (fresh.cert === this.#current.cert && fresh.key === this.#current.key) return
      this.#current = fresh
      this.#until = validityOf(fresh.cert).until
      for (const show of this.#followers) show(fresh)
      this.#log.info('certificate replaced', { file: this.#files.cert, until: formatTime(this.#until) })
    } catch (error) {
      const why = error instanceof MeshError ? error.message : String(error)
      if (this.#fault !== undefined && this.#failure?.why !== why) {
        this.#failures++
        this.#failure = { at: this.#wall(), why }
        this.#log.warn('certificate not replaced, the old one stays', { why, until: formatTime(this.#until) })
      }
      this.#fault = why
      this.#seen = marks
    }
  }

  close(): void {
    clearInterval(this.#timer)
    this.#followers = []
  }
}

/** What changes when one of the files does, behind links as well. */
function marksOf({ cert, key }: TlsFiles): string {
  return [cert, key]
    .map((file) => {
      const found = statSync(file, { throwIfNoEntry: false })
      return found === undefined ? 'none' : `${found.ino} ${found.mtimeMs} ${found.size}`
    })
    .join(', ')
}
