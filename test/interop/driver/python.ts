/** Python with the packages that a client of a test needs, of exactly the versions that its requirements name. */

import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/**
 * An interpreter with the packages; made once for each list of them, and kept in the folder of what is built.
 *
 * @param requirements path of a list as pip reads it
 * @throws Error what pip said, where there is no Python with venv, or no package registry
 */
export async function pythonWith(requirements: string): Promise<string> {
  const hash = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 16)
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'sett', 'interop')
  const folder = join(cache, `python-${hash}`)
  const python = join(folder, 'bin', 'python')
  if (existsSync(python)) return python
  await mkdir(cache, { recursive: true })
  const unfinished = `${folder}.${process.pid}`
  try {
    await run('python3', ['-m', 'venv', unfinished], { timeout: 60_000 })
    const own = join(unfinished, 'bin', 'python')
    await run(own, ['-m', 'pip', 'install', '--quiet', '--no-deps', '-r', requirements], { timeout: 300_000 })
    // There as a whole or not at all; somebody else may have been as fast.
    await rename(unfinished, folder).catch((error: unknown) => {
      if (!existsSync(python)) throw error
    })
  } finally {
    await rm(unfinished, { recursive: true, force: true })
  }
  return python
}
