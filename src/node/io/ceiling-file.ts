/**
 * Reads the ceiling's file (ceiling/ceiling.ts), if it is one that only root can have written: the same must hold of
 * each folder that leads to it, since whoever can write there can put another file in its place.
 */

import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync, realpathSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { dirname } from 'node:path'
import { MeshError } from '../../base/errors.ts'
import { C2N_NAMES } from '../c2n/c2n.ts'
import { NO_CEILING, readCeiling } from '../ceiling/ceiling.ts'
import type { Ceiling } from '../ceiling/ceiling.ts'

/** Where it is looked for. */
export const CEILING_FILE = '/etc/sett/ceiling.json'
const BYTES_MAX = 64 << 10
const WRITABLE_BY_OTHERS = 0o022
const STICKY = 0o1000

/**
 * @param file as it was given; `undefined`: `CEILING_FILE`, which need not be there
 * @throws MeshError `config/invalid`: a file that can't be read or believed must not count for none
 */
export function openCeiling(file?: string): Ceiling {
  const asked = file ?? CEILING_FILE
  let path: string
  try {
    path = realpathSync(asked)
  } catch (cause) {
    if (file === undefined && (cause as NodeJS.ErrnoException).code === 'ENOENT') return NO_CEILING
    throw new MeshError('config/invalid', `Cannot read the ceiling ${asked}: ${(cause as Error).message}`, { cause })
  }
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    // In a sticky folder nobody can rename what is not his own.
    check(asked, folder, lstatSync(folder), (mode) => (mode & STICKY) !== 0)
    if (folder === dirname(folder)) break
  }
  return readCeiling(read(asked, path), asked, C2N_NAMES)
}

function read(asked: string, path: string): string {
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (cause) {
    throw new MeshError('config/invalid', `Cannot read the ceiling ${asked}: ${(cause as Error).message}`, { cause })
  }
  try {
    const stats = fstatSync(fd)
    if (!stats.isFile()) throw new MeshError('config/invalid', `Cannot read the ceiling ${asked}: it is no file`)
    if (stats.size > BYTES_MAX)
      throw new MeshError('config/invalid', `Cannot read the ceiling ${asked}: it is too large`)
    check(asked, path, stats, () => false)
    return readFileSync(fd, 'utf8')
  } finally {
    closeSync(fd)
  }
}

function check(asked: string, path: string, { uid, mode }: Stats, isPardoned: (mode: number) => boolean): void {
  const why =
    uid !== 0
      ? `${path} belongs to user ${uid}, and must belong to root`
      : (mode & WRITABLE_BY_OTHERS) !== 0 && !isPardoned(mode)
        ? `others than root may write to ${path} (mode ${(mode & 0o7777).toString(8)})`
        : undefined
  if (why !== undefined) throw new MeshError('config/invalid', `Cannot use the ceiling ${asked}: ${why}`)
}
