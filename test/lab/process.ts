/**
 * One program run for a test: its output line by line, waiting for what it says, and its end.
 *
 * Where it runs (which namespace) is the caller's matter. Everything it says is kept in a log file too, so that a
 * failed test can show the last of it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { appendFileSync, readFileSync } from 'node:fs'

export type RunOptions = {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** File to which both outputs are appended. */
  readonly log?: string
}

/** How many characters of output a process keeps at hand; the log file has all of it. */
const KEPT_CHARS = 400_000

/** How long the outputs of a process that has ended are still read. */
const STRAGGLER_MS = 300

/** Whether the process of that number still does anything; one that only waits to be buried does not. */
export function isAlive(pid: number | string): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return false
  }
}

/** What is said while the lab is cleared away is nobody's any more. */
function keep(file: string, text: string): void {
  try {
    appendFileSync(file, text)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

export class LabProcess {
  readonly name: string
  readonly child: ChildProcess
  /** Settles when the process has ended and both its outputs are read to the end. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
  readonly #watchers = new Set<() => void>()
  readonly #onLine: ((line: string) => void) | undefined
  #output = ''
  #partial = ''
  #alive = true

  constructor(
    command: string,
    args: readonly string[],
    options: RunOptions & { name?: string; onLine?: (line: string) => void } = {},
  ) {
    this.name = options.name ?? command
    this.#onLine = options.onLine
    this.child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    })
    const hear = (chunk: Buffer, fromStdout: boolean): void => {
      const text = chunk.toString()
      if (options.log !== undefined) keep(options.log, text)
      this.#output = (this.#output + text).slice(-KEPT_CHARS)
      if (fromStdout) this.#cutLines(text)
      for (const look of this.#watchers) look()
    }
    this.child.stdout?.on('data', (chunk: Buffer) => hear(chunk, true))
    this.child.stderr?.on('data', (chunk: Buffer) => hear(chunk, false))
    // A program that ends while it is written to is reported by `ended`, not by a broken pipe.
    this.child.stdin?.on('error', () => {})
    this.ended = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null): void => {
        this.#alive = false
        resolve({ code, signal })
        for (const look of this.#watchers) look()
      }
      this.child.once('error', (error) => {
        this.#output += String(error)
        end(null, null)
      })
      this.child.once('close', end)
      // A child of its own that outlives it holds its outputs open; what that one says is nobody's any more.
      this.child.once('exit', () => {
        setTimeout(() => {
          this.child.stdout?.destroy()
          this.child.stderr?.destroy()
        }, STRAGGLER_MS).unref()
      })
    })
  }

  get alive(): boolean {
    return this.#alive
  }

  /** All output so far, standard and error mixed, at most the last 400,000 characters. */
  get output(): string {
    return this.#output
  }

  /** Resolves with the first match of `pattern` in the output; rejects when the process ends or `timeoutMs` pass. */
  async waitFor(pattern: RegExp, timeoutMs = 20_000): Promise<RegExpExecArray> {
    let found: RegExpExecArray | null = null
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => finish(`did not say ${pattern} within ${timeoutMs} ms`), timeoutMs)
      const finish = (problem?: string): void => {
        clearTimeout(timer)
        this.#watchers.delete(look)
        if (problem === undefined) resolve()
        else reject(new Error(`${this.name} ${problem}; it said last:\n${this.#output.slice(-3000)}`))
      }
      const look = (): void => {
        found = pattern.exec(this.#output)
        if (found !== null) finish()
        else if (!this.#alive) finish(`ended before it said ${pattern}`)
      }
      this.#watchers.add(look)
      look()
    })
    if (found === null) throw new Error('unreachable: a wait that succeeded has a match')
    return found
  }

  write(text: string): void {
    this.child.stdin?.write(text)
  }

  /** Sends `signal` and waits for the end; after `patienceMs` it is SIGKILL. Returns whether the first was enough. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', patienceMs = 10_000): Promise<boolean> {
    if (!this.#alive) return true
    this.child.kill(signal)
    let patient = true
    const timer = setTimeout(() => {
      patient = false
      this.child.kill('SIGKILL')
    }, patienceMs)
    await this.ended
    clearTimeout(timer)
    return patient
  }

  #cutLines(text: string): void {
    if (this.#onLine === undefined) return
    const lines = (this.#partial + text).split('\n')
    this.#partial = lines.pop() ?? ''
    for (const line of lines) this.#onLine(line)
  }
}
