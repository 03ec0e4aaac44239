/**
 * Runs benches: all of them, or those whose names are given; what follows `--` goes to each.
 *
 *   npm run bench [NAME…] [-- --json]
 *
 * Each is a program of its own and says what it measured. The exit code is 1 when one missed what is asked of it.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'

const folder = import.meta.dirname
const known = readdirSync(folder)
  .filter((file) => file.endsWith('.ts') && file !== basename(import.meta.filename))
  .map((file) => basename(file, '.ts'))
  .sort()

const args = process.argv.slice(2)
const firstFlag = args.findIndex((arg) => arg.startsWith('-'))
const names = firstFlag < 0 ? args : args.slice(0, firstFlag)
const flags = firstFlag < 0 ? [] : args.slice(firstFlag).filter((arg) => arg !== '--')

const strangers = names.filter((name) => !known.includes(name))
if (strangers.length > 0) {
  console.error(`There is no bench called ${strangers.join(' or ')}; there are: ${known.join(' ')}`)
  process.exitCode = 2
} else {
  for (const name of names.length > 0 ? names : known) {
    console.error(`bench ${name}`)
    const bench = spawn(process.execPath, [join(folder, `${name}.ts`), ...flags], { stdio: 'inherit' })
    const [code] = (await once(bench, 'exit')) as [number | null]
    if (code !== 0) process.exitCode = 1
  }
}
