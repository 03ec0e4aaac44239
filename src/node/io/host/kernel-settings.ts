/** Files below /proc/sys: read, set, and set back to what they were. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { HostSetting } from '../../routes/host-plan.ts'
import type { ChangedSetting } from './journal.ts'
import type { HostProblem } from './problems.ts'

/** What a setting is now; `undefined` when this kernel has none of the name. */
export function readSetting(path: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${path}`, 'utf8').trim()
  } catch {
    return undefined
  }
}

export function hasSetting(path: string): boolean {
  return existsSync(`/proc/sys/${path}`)
}

/** Those that are not as they are to be, with what they are. Nothing is set. */
export function settingsToChange(wanted: readonly HostSetting[]): ChangedSetting[] {
  return wanted.flatMap(({ path, value }) => {
    const before = readSetting(path)
    return before === undefined || before === value ? [] : [{ path, before, value }]
  })
}

export function writeSetting(path: string, value: string): HostProblem | undefined {
  try {
    writeFileSync(`/proc/sys/${path}`, value)
    return undefined
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? String(error)
    const text = `The kernel setting ${path.replaceAll('/', '.')} could not be set to ${value} (${why}); set it yourself.`
    return { code: 'setting-refused', text }
  }
}

/** Back to what it was, unless somebody has changed it since. */
export function restoreSetting({ path, before, value }: ChangedSetting): HostProblem | undefined {
  return readSetting(path) === value ? writeSetting(path, before) : undefined
}
