/** `sett try enter`: a shell on one of the machines of a try, or one command. It ends with the try. */

import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { isatty } from 'node:tty'
import { MeshError } from '../../base/errors.ts'
import { TOOL_PATH } from './allowed.ts'
import { hasOwnUsers, runningTries } from './running.ts'
import type { RunningTry } from './running.ts'

/** What the inside writes down of its machines, in `machines.json` of its folder. */
export interface Entrance {
  readonly name: string
  /** A process of the machine, numbered as inside; it stays as long as the machine does. */
  readonly pid: number
  /** What `sett` finds its daemon or server by there. */
  readonly socket: string
}

/** @returns the exit code of what ran there */
export async function enter(name: string, command: readonly string[]): Promise<number> {
  const { run, machine: wanted } = chooseRun(name)
  const { machines, machine } = findMachine(run, wanted)
  if (machine === undefined)
    throw new MeshError(
      'config/invalid',
      `There is no machine ${JSON.stringify(wanted)}; there are ${machines.map((each) => each.name).join(', ')}`,
    )
  const users = hasOwnUsers(run) ? ['--user', '--preserve-credentials'] : []
  const shell = process.env['SHELL'] || '/bin/sh'
  const into = ['--target', String(run.pid), ...users, '--mount', '--pid', '--ipc', '--']
  // The machine's own network, mounts and name, by the number that a process of it has in there.
  const onto = ['nsenter', '--target', String(machine.pid), '--net', '--uts', '--mount', '--']
  const child = spawn('nsenter', [...into, ...onto, ...(command.length > 0 ? command : [shell])], {
    stdio: 'inherit',
    env: {
      ...process.env,
      PATH: `${join(run.folder, 'bin')}:${TOOL_PATH}`,
      SETT_SOCKET: machine.socket,
      PS1: `${machine.name}# `,
    },
  })
  // Ctrl-C is for what runs there.
  const ignore = (): void => {}
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) process.on(signal, ignore)
  const { code, signal } = await new Promise<{ code: number | null; signal: NodeJS.Signals | null }>(
    (resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (code, signal) => resolve({ code, signal }))
    },
  )
  for (const each of ['SIGINT', 'SIGQUIT'] as const) process.removeListener(each, ignore)
  if (signal === 'SIGKILL' && command.length === 0) {
    // A shell that was killed leaves the terminal as it had set it.
    if (isatty(0)) spawnSync('stty', ['sane'], { stdio: 'inherit' })
    process.stderr.write(`\n${machine.name} is gone: its try has ended\n`)
  }
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal])
}

/** `anna`, or `1234/anna` where several run. */
function chooseRun(name: string): { readonly run: RunningTry; readonly machine: string } {
  const all = runningTries()
  const ours = all.filter(({ isOurs }) => isOurs)
  const [, number, machine = name] = /^(\d+)\/(.*)$/.exec(name) ?? []
  const fitting = number === undefined ? ours : ours.filter(({ pid }) => pid === Number(number))
  const [run] = fitting
  if (run === undefined)
    throw new MeshError(
      'input/invalid',
      all.length > ours.length
        ? 'The try that runs here is another user’s: enter it as that user'
        : ours.length > 0
          ? `No try has the number ${number}: there are ${listed(ours, machine)}`
          : 'No try runs on this machine; start one with "sett try"',
    )
  if (fitting.length > 1)
    throw new MeshError('config/invalid', `Several tries run on this machine; say which: ${listed(ours, machine)}`)
  return { run, machine }
}

function listed(runs: readonly RunningTry[], machine: string): string {
  return runs.map(({ pid }) => `${pid}/${machine}`).join(', ')
}

function findMachine(run: RunningTry, name: string) {
  let text: string
  try {
    // The folder as the inside sees it: outside it is empty.
    text = readFileSync(`/proc/${run.pid}/root${run.folder}/machines.json`, 'utf8')
  } catch (cause) {
    throw new MeshError('input/invalid', 'The machines are not there yet: wait until the try says that it is up', {
      cause,
    })
  }
  const machines = JSON.parse(text) as readonly Entrance[]
  return { machines, machine: machines.find((each) => each.name === name) }
}
