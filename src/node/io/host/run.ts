/**
 * Runs the system's tools `ip` and `nft`, many commands a start: a process takes longer to begin than to change a
 * thousand routes. What single commands said comes back, since some failures are as good as success.
 */

import { spawn } from 'node:child_process'
import { MeshError } from '../../../base/errors.ts'
import type { Family } from '../../../base/ip.ts'

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** A command of a batch that failed, and the tool's reason. */
export interface Failure {
  /** Its place in the batch, from 0. */
  readonly at: number
  readonly why: string
}

/** None of these commands takes a second; one that hangs must not hang the daemon. */
const PATIENCE_MS = 20_000

/** Services and `su` leave the folders of root's tools out. */
const PATH = [process.env['PATH'] ?? '', '/usr/local/sbin', '/usr/sbin', '/sbin'].join(':')

/** Runs a tool to its end; `undefined` when there is none that may be run. */
export async function run(command: string, args: readonly string[], input = ''): Promise<Ran | undefined> {
  const child = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, PATH, LC_ALL: 'C' },
    timeout: PATIENCE_MS,
    killSignal: 'SIGKILL',
  })
  let [stdout, stderr] = ['', '']
  // Before anything else: with no file descriptors left there are no pipes either, and the reason comes by this event.
  const ended = new Promise<Ran | undefined>((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'EACCES') resolve(undefined)
      else reject(new MeshError('system/refused', `Cannot run ${command}: ${error.message}`, { cause: error }))
    })
    child.once('close', (code) => resolve({ code: code ?? 1, stdout, stderr }))
  })
  const { stdin, stdout: said, stderr: complained } = child as Partial<typeof child>
  said?.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  complained?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  // A tool that ends before it has read everything says so by its exit code.
  stdin?.on('error', () => {})
  stdin?.end(input)
  return ended
}

async function runIp(args: readonly string[], input?: string): Promise<Ran> {
  const ran = await run('ip', args, input)
  if (ran !== undefined) return ran
  throw new MeshError('system/refused', 'Cannot configure the network: there is no "ip" here. Install iproute2.')
}

/**
 * Runs all of the commands, those after a failed one too.
 *
 * @throws MeshError `system/refused` when there is no `ip`
 */
export async function ipBatch(family: Family, commands: readonly string[]): Promise<Failure[]> {
  if (commands.length === 0) return []
  const { code, stderr } = await runIp([`-${family}`, '-force', '-batch', '-'], `${commands.join('\n')}\n`)
  return code === 0 ? [] : failuresIn(stderr, commands.length)
}

/** Reads what `ip -force -batch -` says of commands that failed: reasons, then "Command failed -:3". */
export function failuresIn(stderr: string, count: number): Failure[] {
  const failures: Failure[] = []
  let reasons: string[] = []
  for (const line of stderr.split('\n')) {
    const failed = /^Command failed -:(\d+)$/.exec(line.trim())
    if (failed === null) {
      if (line.trim() !== '') reasons.push(line.trim())
      continue
    }
    failures.push({ at: Number(failed[1]) - 1, why: reasons.join('; ') })
    reasons = []
  }
  // It failed as a whole: nothing can be said to be done.
  const whole = reasons.join('; ') || 'no reason given'
  return failures.length > 0 ? failures : Array.from({ length: count }, (_, at) => ({ at, why: whole }))
}

/** What `ip -json` says; nothing where it fails, as it does for tables and devices that are not there. */
export async function ipJson(...args: readonly string[]): Promise<readonly Record<string, unknown>[]> {
  const { code, stdout } = await runIp(['-json', ...args])
  if (code !== 0) return []
  try {
    const said: unknown = JSON.parse(stdout === '' ? '[]' : stdout)
    return Array.isArray(said) ? said.filter((each) => typeof each === 'object' && each !== null) : []
  } catch {
    return []
  }
}

/** Loads a program; the reason why it was refused, if it was. `'missing'` when there is no nft. */
export async function nftLoad(program: string): Promise<'missing' | undefined | { readonly why: string }> {
  const ran = await run('nft', ['-f', '-'], program).catch((error: MeshError) => error)
  if (ran === undefined) return 'missing'
  if (ran instanceof MeshError) return { why: ran.message }
  return ran.code === 0 ? undefined : { why: firstReason(ran.stderr) }
}

/** What nft lists, in JSON's terms; `undefined` when there is no nft or it may not look. */
export async function nftList(commands: string): Promise<readonly Record<string, unknown>[] | undefined> {
  // Not by its input: it reads that twice where it looks for JSON first.
  const ran = await run('nft', ['-j', commands])
  if (ran === undefined || ran.code !== 0) return undefined
  const found: Record<string, unknown>[] = []
  for (const line of ran.stdout.split('\n')) {
    if (line.trim() === '') continue
    const said = JSON.parse(line) as { readonly nftables?: readonly Record<string, unknown>[] }
    found.push(...(said.nftables ?? []))
  }
  return found
}

/** nft shows where in the program it was; its first line has the reason. */
function firstReason(stderr: string): string {
  const line = stderr.split('\n').find((text) => text.includes('Error'))
  return (line ?? stderr).replace(/^.*Error: /, '').trim() || 'no reason given'
}
