/** A program that runs as long as the try does: what it says is kept, waited for, and shown when it fails. */

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { MeshError } from '../../base/errors.ts'

/** The last of what a program said, for whoever has to find out why it failed. */
const KEPT_CHARS = 20_000
const TOLD_LINES = 15

export class Child {
  readonly #name: string
  readonly #process: ChildProcess
  readonly #watchers = new Set<() => void>()
  #said = ''
  #end: string | undefined

  /** @param name for messages: `the server` */
  constructor(name: string, command: readonly string[]) {
    this.#name = name
    const [program = '', ...args] = command
    this.#process = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    for (const stream of [this.#process.stdout, this.#process.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#said = (this.#said + text).slice(-KEPT_CHARS)
        this.#look()
      })
    // Its end is told below, not by a broken pipe.
    this.#process.stdin?.on('error', () => {})
    const ended = (how: string): void => {
      this.#end = how
      this.#look()
    }
    this.#process.once('error', (error) => ended(`could not be started: ${error.message}`))
    this.#process.once('close', (code, signal) => ended(`ended with ${signal ?? `exit code ${code}`}`))
  }

  get pid(): number {
    return this.#process.pid ?? -1
  }

  /** Why it no longer runs; `undefined` while it does. */
  get end(): string | undefined {
    return this.#end
  }

  /**
   * The first match in what it has said or will say.
   *
   * @throws MeshError `system/refused` with the last of what it said, when it ends before or time is up
   */
  async says(want: RegExp, within: number): Promise<RegExpExecArray> {
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      this.#look()
    }, within)
    try {
      for (;;) {
        const found = want.exec(this.#said)
        if (found !== null) return found
        if (this.#end !== undefined) throw this.failure(this.#end)
        if (isLate) throw this.failure(`was not ready within ${within / 1000} s`)
        await new Promise<void>((resolve) => this.#watchers.add(resolve))
      }
    } finally {
      clearTimeout(timer)
    }
  }

  /** Resolves with why it ended, once it has. */
  async ended(): Promise<string> {
    while (this.#end === undefined) await new Promise<void>((resolve) => this.#watchers.add(resolve))
    return this.#end
  }

  /** @param what `ended with exit code 1` */
  failure(what: string): MeshError {
    return new MeshError('system/refused', `${this.#name} ${what}.${this.lastWords()}`)
  }

  /** The last lines that it said, below a heading; nothing when it said nothing. */
  lastWords(): string {
    const lines = this.#said.trimEnd().split('\n').slice(-TOLD_LINES)
    if (lines.join('') === '') return ''
    return ` The last that it said:\n\n${lines.map((line) => `    ${line}`).join('\n')}\n`
  }

  #look(): void {
    const watchers = [...this.#watchers]
    this.#watchers.clear()
    for (const look of watchers) look()
  }
}
