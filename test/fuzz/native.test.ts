/** What native.ts tries, in a process of its own: it comes to its end, and nothing that is printed speaks of a crash. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

const isPossible = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch)

test(
  'no place or length that lies gets to the kernel, to OpenSSL or past the end of a buffer',
  { skip: !isPossible && 'no raw memory here' },
  (t) => {
    const path = new URL('native.ts', import.meta.url).pathname
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, [path], {
      encoding: 'utf8',
      timeout: 60_000,
    })
    assert.equal(signal, null, `it was ended by ${signal}: ${stderr}`)
    assert.equal(status, 0, stderr)
    const refused = Number(/^refused (\d+)$/m.exec(stdout)?.[1] ?? 0)
    assert.ok(refused > 1000, stdout)
    t.diagnostic(`${refused} calls`)
  },
)
