/** Writes and removes the files of a service. What an administrator has written or changed stays theirs. */

import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { MeshError } from '../../base/errors.ts'
import { MARK } from './units.ts'
import type { Service, ServiceFile } from './units.ts'

/** How a file is: as we would write it, otherwise, another's, or not there. */
export type Standing = 'as written' | 'changed' | 'outdated' | 'foreign' | 'missing'

export function standingOf(file: ServiceFile, root: string): Standing {
  const found = readIfThere(`${root}${file.path}`)
  if (found === undefined) return 'missing'
  if (found === file.text) return 'as written'
  if (file.isSettings) return 'changed'
  return found.startsWith(MARK) ? 'outdated' : 'foreign'
}

/**
 * @param root stands before every path; '' for this machine
 * @returns what was done, a line each
 * @throws MeshError `system/refused` before anything is written, when a unit of the name is somebody else's; or when a
 *   file can't be written
 */
export function writeFiles({ files }: Service, root: string): string[] {
  for (const file of files)
    if (standingOf(file, root) === 'foreign')
      throw new MeshError(
        'system/refused',
        `Cannot write ${root}${file.path}: it was written by somebody else. Move it away first; changes to ours belong into a drop-in`,
      )
  return files.map((file) => {
    const path = `${root}${file.path}`
    const standing = standingOf(file, root)
    if (standing === 'as written') return `${path} is there already`
    if (standing === 'changed') return `${path} is kept as it is`
    attempt(`write ${path}`, () => {
      mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
      writeFileSync(`${path}.new`, file.text)
      // Settings may come to hold a password; systemd reads them as root.
      chmodSync(`${path}.new`, file.isSettings ? 0o600 : 0o644)
      renameSync(`${path}.new`, path)
    })
    return `wrote ${path}`
  })
}

/** @returns what was done, a line each */
export function removeFiles({ files }: Service, root: string): string[] {
  return files.flatMap((file) => {
    const path = `${root}${file.path}`
    const standing = standingOf(file, root)
    if (standing === 'missing') return []
    if (standing === 'changed' || standing === 'foreign') return [`${path} is kept: it is not as we have written it`]
    attempt(`remove ${path}`, () => rmSync(path))
    return [`removed ${path}`]
  })
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    // Settings are root's to read.
    if (code === 'EACCES') return ''
    throw new MeshError('system/refused', `Cannot read ${path}: ${(error as Error).message}`, { cause: error })
  }
}

function attempt(what: string, work: () => void): void {
  try {
    work()
  } catch (cause) {
    throw new MeshError('system/refused', `Cannot ${what}: ${(cause as Error).message}`, { cause })
  }
}
