/** Finds the tries that run on this machine: the kernel's list of processes has them, so nobody keeps another. */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The program that is the first process of a try's namespaces. */
export const INSIDE = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './inside.ts' : './inside.js', import.meta.url),
)

export interface RunningTry {
  /** Of its first process, as seen from here. */
  readonly pid: number
  readonly folder: string
  /** Whoever started it; it can be entered by them. */
  readonly isOurs: boolean
}

export function runningTries(): readonly RunningTry[] {
  const found = readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? lookAt(Number(name)) : []))
  return found.sort((a, b) => a.pid - b.pid)
}

function lookAt(pid: number): RunningTry[] {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    const folder = words[words.findIndex((word) => /\/try\/inside\.[tj]s$/.test(word)) + 1] ?? ''
    if (!/\/sett-try-\d+-\w+$/.test(folder)) return []
    // Its number here, and in its own namespace; the shells and tools around it are not the first there.
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const numbers = /^NSpid:\s+(.*)$/m.exec(status)?.[1]?.split(/\s+/) ?? []
    if (numbers.length < 2 || numbers.at(-1) !== '1') return []
    return [{ pid, folder, isOurs: Number(/^Uid:\s+(\d+)/m.exec(status)?.[1]) === process.getuid?.() }]
  } catch {
    // It ended while we looked.
    return []
  }
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** In a user namespace of its own, as users have it who are not root. */
export function hasOwnUsers({ pid }: RunningTry): boolean {
  return readlinkSync(`/proc/${pid}/ns/user`) !== readlinkSync('/proc/self/ns/user')
}
