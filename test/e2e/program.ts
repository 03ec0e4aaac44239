/**
 * `sett` as a process of its own: what it prints on either output, and how it ends.
 *
 * Variables that would steer it are taken out of its surroundings, so that a test says all there is to say.
 */

import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** The command that a clone offers to people. */
export const SETT = fileURLToPath(new URL('../../bin/sett', import.meta.url))

export interface ProgramOptions {
  /** Added to the surroundings; `undefined` takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  readonly uid?: number
  readonly gid?: number
}

/** How a process ended: its exit code, or the signal that ended it. */
export type End = number | NodeJS.Signals | null

const running = new Set<ChildProcessWithoutNullStreams>()
// Whatever happens to a test, nothing that it started outlives it.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export class Program {
  out = ''
  err = ''
  readonly child: ChildProcessWithoutNullStreams
  readonly ended: Promise<End>
  #watchers = new Set<() => void>()
  #over = false

  constructor(command: string, args: readonly string[], options: ProgramOptions = {}) {
    const { env = {}, ...rest } = options
    this.child = spawn(command, args, { ...rest, env: surroundings(env) })
    running.add(this.child)
    this.child.stdin.on('error', () => undefined)
    this.child.stdout.setEncoding('utf8').on('data', (piece: string) => this.#heard(() => (this.out += piece)))
    this.child.stderr.setEncoding('utf8').on('data', (piece: string) => this.#heard(() => (this.err += piece)))
    this.ended = new Promise((resolve) => {
      const end = (how: End) => {
        running.delete(this.child)
        this.#heard(() => (this.#over = true))
        resolve(how)
      }
      this.child.once('error', (error) => {
        this.err += String(error)
        end(null)
      })
      this.child.once('close', (code, signal) => end(code ?? signal))
    })
  }

  get pid(): number {
    return this.child.pid ?? -1
  }

  get alive(): boolean {
    return !this.#over
  }

  /** The first match in what it has said so far, or will say. Rejects when it ends or time is up before. */
  async says(want: RegExp, { in: where = 'out', within = 20_000 }: { in?: 'out' | 'err'; within?: number } = {}) {
    let late = false
    const timer = setTimeout(() => this.#heard(() => (late = true)), within)
    try {
      for (;;) {
        const found = want.exec(this[where])
        if (found !== null) return found
        if (late || this.#over)
          throw new Error(
            `${late ? 'did not say' : 'ended without'} ${want}:\n${`${this.out}${this.err}`.slice(-8000)}`,
          )
        await new Promise<void>((resolve) => this.#watchers.add(resolve))
      }
    } finally {
      clearTimeout(timer)
    }
  }

  /** Sends a signal and waits for the end. */
  async end(signal: NodeJS.Signals): Promise<End> {
    if (this.#over) return await this.ended
    this.child.kill(signal)
    return await this.ended
  }

  #heard(note: () => void): void {
    note()
    const watchers = this.#watchers
    this.#watchers = new Set()
    for (const look of watchers) look()
  }
}

/** Runs a command to its end. */
export async function run(
  command: string,
  args: readonly string[],
  options: ProgramOptions & { readonly input?: string } = {},
): Promise<{ readonly code: End; readonly out: string; readonly err: string }> {
  const { input = '', ...rest } = options
  const program = new Program(command, args, rest)
  program.child.stdin.end(input)
  const code = await program.ended
  return { code, out: program.out, err: program.err }
}

function surroundings(more: Readonly<Record<string, string | undefined>>): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(SETT_.*|JOURNAL_STREAM|NODE_TEST_CONTEXT|NODE_OPTIONS)$/.test(name),
  )
  const all = { ...Object.fromEntries(inherited), ...more }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}
