/** How this command line is called from where its user stands: what to print when they are to type more of it. */

import { accessSync, constants, realpathSync } from 'node:fs'
import { isAbsolute, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of our commands, `sett` and `settd`. */
export const BIN = fileURLToPath(new URL('../../../bin', import.meta.url))

/** `sett` where a search for it finds ours; else its path. */
export function calledAs(): string {
  const own = realpathSync(join(BIN, 'sett'))
  // What npm adds while it runs us is not there in another terminal.
  const isLasting = (folder: string): boolean => isAbsolute(folder) && !folder.includes('node_modules')
  const first = (process.env['PATH'] ?? '')
    .split(':')
    .find((folder) => isLasting(folder) && isProgram(join(folder, 'sett')))
  if (first !== undefined && realpathSync(join(first, 'sett')) === own) return 'sett'
  const near = relative(process.cwd(), own)
  return near.startsWith('..') ? own : near.includes('/') ? near : `./${near}`
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
