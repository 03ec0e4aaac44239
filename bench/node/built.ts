/** The package as people install it: built into a folder of its own, so that what is measured is what they run. */

import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

export interface Built extends Disposable {
  readonly settd: string
  readonly sett: string
}

export async function build(): Promise<Built> {
  const folder = mkdtempSync(join(tmpdir(), 'sett-bench-node-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  try {
    for (const name of ['bin', 'package.json']) cpSync(join(ROOT, name), join(folder, name), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    const tsc = join(ROOT, 'node_modules/.bin/tsc')
    const args = ['-p', join(ROOT, 'tsconfig.build.json'), '--outDir', join(folder, 'dist')]
    await promisify(execFile)(tsc, args, { cwd: ROOT, maxBuffer: 16 << 20 })
  } catch (error) {
    remove()
    throw error
  }
  return { settd: join(folder, 'bin/settd'), sett: join(folder, 'bin/sett'), [Symbol.dispose]: remove }
}
