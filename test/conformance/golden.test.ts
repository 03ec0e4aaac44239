/** No golden data lies unused: every table of every file in `test/vectors` is asked for by some test. */

import assert from 'node:assert/strict'
import { globSync, readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { golden } from '../support/golden.ts'

const ROOT = new URL('../..', import.meta.url).pathname
const CALL = /golden(?:<[^()]*>)?\(\s*'([^']+)'((?:,\s*'[^']+')*)/g

/** Files that a test reads as a whole, by a reader of its own. */
const WHOLE = /vectors(?:\/|\(')([\w-]+\.json(?:\.gz)?)'/g

/** Tables that are asked for: `file/op`, or `file/*`. */
function asked(): Set<string> {
  const found = new Set<string>()
  for (const file of globSync('{src,test}/**/*.ts', { cwd: ROOT })) {
    // Fuzzing takes golden data as mere material.
    if (file.startsWith('test/fuzz/')) continue
    const text = readFileSync(ROOT + file, 'utf8')
    for (const [, name] of text.matchAll(WHOLE)) found.add(`${name}/*`)
    for (const [, name, ops = ''] of text.matchAll(CALL)) {
      const each = [...ops.matchAll(/'([^']+)'/g)].map((m) => m[1])
      for (const op of each.length === 0 ? ['*'] : each) found.add(`${name}/${op}`)
    }
  }
  return found
}

test('every table of golden data is held against something', () => {
  const used = asked()
  // Folders hold replays, each with a test and a command of its own.
  const files = readdirSync(`${ROOT}test/vectors`, { withFileTypes: true }).filter((entry) => entry.isFile())
  for (const { name: file } of files)
    for (const op of new Set(golden(file).map((c) => c.op)))
      assert.ok(used.has(`${file}/${op}`) || used.has(`${file}/*`), `${file}: nobody asks for "${op}"`)
})
