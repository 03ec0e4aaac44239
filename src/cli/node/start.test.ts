/** What a command loads before it does anything: little, since people and scripts wait for it each time. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const SCRIPT = `
import { registerHooks } from 'node:module'
const loaded = []
registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) })
const { main } = await import(process.env.MAIN_URL)
await main(['--socket=/nonexistent', 'status'])
const heavy = process.moduleLoadList.filter((name) => name.includes('undici'))
console.log(JSON.stringify({ heavy, files: loaded.filter((url) => url.startsWith('file:')) }))
`

test('output that can not be written is told in a line', () => {
  const full = openSync('/dev/full', 'w')
  try {
    const main = new URL('../main.ts', import.meta.url)
    const run = spawnSync(process.execPath, [fileURLToPath(main), 'version'], {
      encoding: 'utf8',
      stdio: ['ignore', full, 'pipe'],
    })
    assert.deepEqual([run.status, run.stderr.split('\n').length], [1, 2], run.stderr)
    assert.match(run.stderr, /^Cannot write the output: .*no space/)
  } finally {
    closeSync(full)
  }
})

test('a verb loads no other verb, no package, and none of the slow parts of Node', () => {
  const env = { ...process.env, MAIN_URL: new URL('main.ts', import.meta.url).href }
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', SCRIPT], { encoding: 'utf8', env })
  assert.match(run.stderr, /failed to connect to local settd/)
  const { heavy, files } = JSON.parse(run.stdout) as { heavy: string[]; files: string[] }
  assert.deepEqual(heavy, [])
  assert.deepEqual(
    files.filter((url) => url.includes('/verbs/')).map((url) => url.split('/').at(-1)),
    ['status.ts'],
  )
  assert.deepEqual(
    files.filter((url) => url.includes('/node_modules/')),
    [],
  )
})
