/**
 * The data folder: for its owner alone, with the server's private keys in files of their own.
 *
 * Keys are made once. Clients remember the Noise key and pin nothing else, so losing it means that each of them
 * must be restarted (control.md §2).
 */

import { randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  statSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { MeshError } from '../../base/errors.ts'
import { PrivateKey } from '../../base/keys.ts'
import { generateKey } from '../../crypto/primitives.ts'
import type { Primitives } from '../../crypto/primitives.ts'

export interface DataFolder {
  readonly path: string
  /** It was not there before: this is the first start. */
  readonly fresh: boolean
  /** Others may look into it; whoever made it so should know. */
  readonly open: boolean
}

/**
 * Opens the folder, or makes it with mode 0700.
 *
 * @throws MeshError `config/invalid` when there is something else of that name, or no permission
 */
export function openFolder(data: string): DataFolder {
  const path = resolve(data)
  try {
    const fresh = makeFolders(path)
    const found = statSync(path)
    if (!found.isDirectory()) throw new Error('it is a file')
    return { path, fresh, open: (found.mode & 0o077) !== 0 }
  } catch (cause) {
    throw new MeshError('config/invalid', `Cannot use the data folder ${path}: ${whyNot(cause)}`, { cause })
  }
}

function whyNot(cause: unknown): string {
  const { code = '', message } = cause as NodeJS.ErrnoException
  const known: Readonly<Record<string, string>> = {
    ENOTDIR: 'one of the folders above it is a file',
    ENOENT: 'the system makes no folder there',
    EACCES: 'this user may not go or write there',
    EPERM: 'this user may not go or write there',
    EROFS: 'the file system is read-only',
    ENOSPC: 'the disk is full',
  }
  return known[code] ?? message
}

/**
 * Makes a folder and those above it that are missing, one by one: Node's own recursive call never comes back from a
 * file system that refuses a new folder with ENOENT, as /proc does. True: it was not there before.
 */
function makeFolders(path: string): boolean {
  if (existsSync(path)) return false
  const above = dirname(path)
  if (above !== path) makeFolders(above)
  mkdirSync(path, { mode: 0o700 })
  return true
}

/**
 * Reads a private key, or makes one and writes it, whole or not at all, with mode 0600.
 *
 * @throws MeshError `config/invalid` when the file is not what it should be: a key is never replaced silently
 */
export function loadKey(folder: DataFolder, name: string, primitives: Primitives): PrivateKey {
  const file = join(folder.path, name)
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') {
      throw new MeshError('config/invalid', `Cannot read the key ${file}: ${(cause as Error).message}`, { cause })
    }
    const key = generateKey(primitives.random)
    writeWhole(file, `${key.revealText()}\n`)
    return key
  }
  try {
    return PrivateKey.parse(text.trim())
  } catch (cause) {
    throw new MeshError(
      'config/invalid',
      `Cannot read the key ${file}: want "privkey:" and 64 hex digits; restore it from a backup, or delete it to have a new one made`,
      { cause },
    )
  }
}

/** What a text of ours looks like; `want` says it in words. */
export interface TextForm {
  readonly is: RegExp
  readonly want: string
}

/**
 * Reads a short text of ours, or makes and keeps it.
 *
 * @throws MeshError `config/invalid` when the file holds something else: it is never replaced silently
 */
export function keepText(folder: DataFolder, name: string, { is, want }: TextForm, make: () => string): string {
  const file = join(folder.path, name)
  try {
    const text = readFileSync(file, 'utf8').trim()
    if (is.test(text)) return text
    throw new MeshError(
      'config/invalid',
      `Cannot use ${file}: want ${want}; restore it from a backup, or delete it to have a new one made`,
    )
  } catch (cause) {
    if (cause instanceof MeshError) throw cause
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') {
      throw new MeshError('config/invalid', `Cannot read ${file}: ${(cause as Error).message}`, { cause })
    }
  }
  const made = make()
  writeWhole(file, `${made}\n`)
  return made
}

/** Writes a private file so that after a crash there is the old one or the new one, never a part. */
export function writeWhole(file: string, content: string | Uint8Array): void {
  const draft = `${file}.${randomBytes(6).toString('hex')}.new`
  try {
    const fd = openSync(draft, 'wx', 0o600)
    try {
      const bytes = typeof content === 'string' ? Buffer.from(content) : content
      for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(draft, file)
  } catch (cause) {
    rmSync(draft, { force: true })
    throw new MeshError('config/invalid', `Cannot write ${file}: ${(cause as Error).message}`, { cause })
  }
  const folder = openSync(dirname(file), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
