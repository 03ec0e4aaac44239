/** Asks systemd to take up a service, to give it up, and how it is. */

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { MeshError } from '../../base/errors.ts'
import type { Service } from './units.ts'

/** sd_booted(3). */
export function isRunBySystemd(): boolean {
  return existsSync('/run/systemd/system')
}

/** @returns what was done, a line each */
export async function activate({ unit, files }: Service, start: boolean): Promise<string[]> {
  const users = files.find(({ path }) => path.startsWith('/etc/sysusers.d/'))
  if (users !== undefined) await must('systemd-sysusers', users.path)
  await must('systemctl', 'daemon-reload')
  if (!start) return []
  await must('systemctl', 'enable', unit)
  // One that runs already may be of an older version.
  await must('systemctl', 'restart', unit)
  return [`${unit} is started, now and with the machine`]
}

/** @returns what was done, a line each */
export async function deactivate({ unit }: Service): Promise<string[]> {
  const { enabled, active } = await stateOf({ unit })
  if (enabled === 'not-found' && active !== 'active') return [`${unit} is not installed`]
  await must('systemctl', 'disable', '--now', unit)
  return [`${unit} is stopped, and no longer started with the machine`]
}

/** `enabled`, `disabled`, `not-found`; `active`, `inactive`, `failed`, `activating` */
export async function stateOf({ unit }: Pick<Service, 'unit'>): Promise<{ enabled: string; active: string }> {
  const [enabled, active] = await Promise.all([
    run('systemctl', 'is-enabled', unit),
    run('systemctl', 'is-active', unit),
  ])
  return { enabled: enabled.out.trim() || 'not-found', active: active.out.trim() || 'unknown' }
}

async function must(command: string, ...args: string[]): Promise<void> {
  const { code, err } = await run(command, ...args)
  if (code === 0) return
  const hint = args[0] === 'restart' ? `; see journalctl -u ${args.at(-1)}` : ''
  throw new MeshError(
    'system/refused',
    `"${[command, ...args].join(' ')}" failed: ${err.trim() || `exit code ${code}`}${hint}`,
  )
}

async function run(command: string, ...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let [out, err] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
  return new Promise((resolve, reject) => {
    child.once('error', (cause) =>
      reject(new MeshError('system/refused', `Cannot run ${command}: ${cause.message}`, { cause })),
    )
    child.once('close', (code) => resolve({ code: code ?? 1, out, err }))
  })
}
