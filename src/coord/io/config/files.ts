/** Reads files that options name; what cannot be read is told with the option, the file and what to do. */

import { accessSync, constants, readFileSync, statSync } from 'node:fs'
import { MeshError } from '../../../base/errors.ts'

/**
 * @param where What named the file, such as `--config`
 * @throws MeshError `config/invalid`
 */
export function readConfigFile(where: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new MeshError(
      'config/invalid',
      `Cannot use ${where} "${path}": ${whyNot(cause)}; want a file of "option = value" lines, or leave ${where} away`,
      { cause },
    )
  }
}

/**
 * Looks whether certificate and key can be read at all; what is in them is the listener's to judge.
 *
 * @param where What named the files, such as `--tls`
 * @throws MeshError `config/invalid`
 */
export function checkTlsFiles(where: string, files: { readonly cert: string; readonly key: string }): void {
  for (const [what, path] of [
    ['certificate', files.cert],
    ['private key', files.key],
  ] as const) {
    try {
      if (statSync(path).isDirectory()) throw Object.assign(new Error('EISDIR'), { code: 'EISDIR' })
      accessSync(path, constants.R_OK)
    } catch (cause) {
      throw new MeshError(
        'config/invalid',
        `Cannot use ${where}: the ${what} "${path}": ${whyNot(cause)}; want CERT,KEY, two PEM files that this user may read, or "off"`,
        { cause },
      )
    }
  }
}

function whyNot(cause: unknown): string {
  const { code = '', message } = cause as NodeJS.ErrnoException
  const known: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such file',
    ENOTDIR: 'there is no such file',
    EISDIR: 'it is a folder',
    EACCES: 'this user may not read it',
    EPERM: 'this user may not read it',
  }
  return known[code] ?? message
}
