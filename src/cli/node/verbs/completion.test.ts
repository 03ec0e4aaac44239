/** Completion: what is offered, and that shells can read the scripts that ask for it. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { NodeCli } from '../../../../test/support/node-cli.ts'

test('completion knows verbs, flags, peers and accounts, and shells can read its scripts', async () => {
  await using cli = await NodeCli.start()
  cli.joined()
  const rows: readonly (readonly [words: readonly string[], offered: readonly string[]])[] = [
    [['st'], ['status']],
    [['a'], ['admin']],
    [['s'], ['set', 'switch', 'status', 'service']],
    [['try', ''], ['enter']],
    [['service', 'u'], ['uninstall']],
    [['status', '--s'], ['--self']],
    [
      ['ping', '--t'],
      ['--timeout=', '--tsmp'],
    ],
    [
      ['ping', ''],
      ['beta', '100.64.0.2'],
    ],
    [['whois', '100'], ['100.64.0.2']],
    [
      ['switch', ''],
      ['e500', 'fake-control.example.net', 'user-123@fake-control.example.net', 'remove'],
    ],
    [
      ['debug', 're'],
      ['restun', 'rebind', 'reload-config'],
    ],
    [['debug', 'watch-ipn', '--c'], ['--count=']],
    [['up', '--exit-node='], []],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [['nope', ''], []],
  ]
  for (const [words, offered] of rows) {
    const { code, out, err } = await cli.run('__complete', '--', ...words)
    assert.deepEqual([code, err], [0, ''])
    assert.deepEqual(out.split('\n').filter(Boolean), offered, words.join(' '))
  }
  assert.deepEqual(await cli.run('--socket=/nonexistent', '__complete', '--', 'ping', ''), {
    code: 0,
    out: '',
    err: '',
  })
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, out } = await cli.run('completion', shell)
    assert.equal(code, 0)
    assert.match(out, /sett __complete -- /)
  }
  const script = (await cli.run('completion', 'bash')).out
  const checked = spawnSync('bash', ['-n'], { input: script, encoding: 'utf8' })
  if (checked.error === undefined) assert.deepEqual([checked.status, checked.stderr], [0, ''])
  // The shell's own words go in, and what the program says comes out.
  const driver = `sett() { printf '%s\\n' "$@"; }\n${script}\nCOMP_WORDS=(sett ping be)\nCOMP_CWORD=2\n_sett\nprintf '%s|' "\${COMPREPLY[@]}"`
  const run = spawnSync('bash', ['-c', driver], { encoding: 'utf8' })
  if (run.error === undefined) assert.equal(run.stdout, '__complete|--|ping|be|')
})
