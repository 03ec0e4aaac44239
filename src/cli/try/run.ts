/**
 * A try as its user sees it: the process that is started, asked to end, and cleared up after.
 *
 * Everything lives in namespaces whose first process is a child of ours (inside.ts). It ends when we do, however we
 * do, since it reads a pipe that we hold; and the kernel takes all that is in the namespaces along with it. All that
 * is ever on this machine is one empty folder, on which the inside mounts its own.
 */

import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { calledAs } from './called.ts'
import { findAllowed, TOOL_PATH } from './allowed.ts'
import { INSIDE, isRunning } from './running.ts'

const FOLDER = 'sett-try-'
const LONGEST_TEMPORARY = 55
/** The inside has nothing to do at its end that could take long. */
const PATIENCE_MS = 5_000
const PARENT_EVERY_MS = 500

/** Mounts the inside's own folder, then becomes the inside. */
const BEGIN = 'mount -t tmpfs -o mode=0700,size=256m sett-try "$0" && exec "$@"'

/** Runs until it is told to end, or can't go on. */
export async function runTry(nodes: number): Promise<number> {
  const { unshare, how } = findAllowed()
  sweep()
  const folder = mkdtempSync(join(temporary(), `${FOLDER}${process.pid}-`))
  const inside = spawn(
    'unshare',
    [...unshare, 'sh', '-c', BEGIN, folder, process.execPath, INSIDE, folder, String(nodes), how, calledAs()],
    {
      // Away from the terminal: Ctrl-C is for us, who see to the order.
      detached: true,
      stdio: ['pipe', 'inherit', 'inherit'],
      env: surroundings(),
    },
  )
  inside.stdin?.on('error', () => {})
  const end = (): void => void inside.stdin?.end()
  let asked = false
  const ask = (): void => {
    if (!asked) setTimeout(() => inside.kill('SIGKILL'), PATIENCE_MS).unref()
    asked = true
    end()
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const
  for (const signal of signals) process.on(signal, ask)
  const parent = process.ppid
  const watch = setInterval(() => {
    if (process.ppid !== parent) ask()
  }, PARENT_EVERY_MS)
  try {
    const code = await new Promise<number>((resolve, reject) => {
      inside.once('error', reject)
      inside.once('exit', (code) => resolve(code ?? 1))
    })
    return asked ? 0 : code
  } finally {
    clearInterval(watch)
    for (const signal of signals) process.removeListener(signal, ask)
    remove(folder)
  }
}

/** Folders of those that were killed together with their inside; they are empty. */
function sweep(): void {
  for (const name of readdirSync(temporary())) {
    const owner = name.startsWith(FOLDER) ? /^\d+/.exec(name.slice(FOLDER.length))?.[0] : undefined
    if (owner === undefined || isRunning(Number(owner))) continue
    remove(join(temporary(), name))
  }
}

/** The usual place, unless its name is so long that a socket in there could have none: they take 108 characters. */
function temporary(): string {
  return tmpdir().length > LONGEST_TEMPORARY ? '/tmp' : tmpdir()
}

function remove(folder: string): void {
  try {
    rmdirSync(folder)
  } catch {
    // Gone already, or somebody else's.
  }
}

/** Settings that are meant for another server or node stay outside. */
function surroundings(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(SETT_.*|NOTIFY_SOCKET|JOURNAL_STREAM)$/.test(name))
  return { ...Object.fromEntries(kept), PATH: TOOL_PATH }
}
