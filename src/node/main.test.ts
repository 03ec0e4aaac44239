/** `settd`, and finding the Node that both commands need. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const BIN = fileURLToPath(new URL('../../bin', import.meta.url))
const top = mkdtempSync(join(tmpdir(), 'sett-bin-'))
after(() => rmSync(top, { recursive: true, force: true }))

function run(command: string, args: readonly string[], path?: string) {
  const env = { ...process.env, ...(path === undefined ? {} : { PATH: path }) }
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', env })
  return { status, stdout, stderr }
}

const rows: readonly (readonly [readonly string[], number, RegExp])[] = [
  [['--version'], 0, /^\d+\.\d+\.\d+\n$/],
  [['--help'], 0, /Usage: settd/],
  [['--tun', 'userspace-networking'], 2, /userspace-networking is not part of this version/],
  [['--tun=userspace-networking'], 2, /userspace-networking is not part of this version/],
  [['--socks5-server=localhost:1055'], 2, /--socks5-server is not part of this version/],
  [['-outbound-http-proxy-listen', 'localhost:1055'], 2, /--outbound-http-proxy-listen is not part of this version/],
  [['--config', 'x'], 2, /--config is not part of this version/],
  [['--no-logs-no-support'], 2, /sends nobody logs/],
  [['--port', 'many'], 2, /--port: want 0 to 65535/],
  [['--port=65536'], 2, /--port: want 0 to 65535/],
  [['--nonsense'], 2, /nonsense/],
  [['more'], 2, /more/],
]
for (const [args, status, says] of rows) {
  test(`settd ${args.join(' ')}: exit code ${status}`, () => {
    const ran = run(join(BIN, 'settd'), args)
    assert.equal(ran.status, status)
    assert.match(status === 0 ? ran.stdout : ran.stderr, says)
  })
}

describe('without the Node it needs, a command says what that is', () => {
  /** Our commands in a package without a Node of its own, and a PATH with these programs only. */
  function place(name: string, node: string | undefined): { readonly bin: string; readonly path: string } {
    const bin = join(top, name, 'package', 'bin')
    const path = join(top, name, 'path')
    mkdirSync(path, { recursive: true })
    cpSync(BIN, bin, { recursive: true })
    mkdirSync(join(bin, '..', 'dist', 'cli'), { recursive: true })
    mkdirSync(join(bin, '..', 'dist', 'node'), { recursive: true })
    if (node !== undefined) {
      writeFileSync(join(path, 'node'), `#!/bin/sh\n${node}\n`)
      chmodSync(join(path, 'node'), 0o755)
    }
    // What the scripts call, and nothing else: the system may have a Node of its own.
    for (const tool of ['dirname', 'readlink']) {
      const found = spawnSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).stdout.trim()
      symlinkSync(found, join(path, tool))
    }
    return { bin, path }
  }
  const cases: readonly (readonly [string, string | undefined, number, RegExp])[] = [
    ['an older one', 'echo v20.19.2', 1, /needs Node 26 or newer, and found only v20\.19\.2\. Install Node 26/],
    [
      'one that does not start',
      'echo "libatomic.so.1: cannot open" >&2; exit 127',
      1,
      /does not start here: libatomic.*apt-get install libatomic1/s,
    ],
    [
      'a newer one',
      'test "$1" = --version && echo v28.0.0 || echo "started $*"',
      0,
      /^started (?:--\S+ )*\S+\/dist\/(cli|node)\/main\.js --version\n$/,
    ],
    ['one whose version is nonsense', 'echo hello', 1, /needs Node 26 or newer, and found only hello/],
    ['none', undefined, 1, /found no 'node' in PATH/],
  ]
  for (const [name, node, status, says] of cases) {
    for (const command of ['sett', 'settd']) {
      test(`${command} with ${name}`, () => {
        const { bin, path } = place(`${command}-${name.replaceAll(' ', '-')}`, node)
        const ran = run(join(bin, command), ['--version'], path)
        assert.equal(ran.status, status, ran.stderr)
        assert.match(ran.stdout + ran.stderr, says)
      })
    }
  }
})
