/** Whatever becomes of the daemon while a verb runs, the verb ends with one clear line and exit code 1. */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { NodeCli } from '../../../test/support/node-cli.ts'
import type { Ran } from '../../../test/support/node-cli.ts'

let cli: NodeCli
before(async () => {
  cli = await NodeCli.start()
})
after(async () => cli[Symbol.asyncDispose]())

/** Every verb that asks the daemon for something. */
const LINES: readonly string[] = [
  'up',
  'up --reset --hostname=other',
  'login',
  'set --hostname=other',
  'set --advertise-routes=10.9.0.0/24',
  'down',
  'logout',
  'status',
  'status --json',
  'status --json --active',
  'ip',
  'ip beta',
  'ip 100.64.77.77',
  'ping --tsmp beta',
  'whois 100.64.0.2',
  'whois --json 100.64.0.2',
  'wait --timeout=9s',
  'switch --list',
  'switch --list --json',
  'switch other',
  'switch remove other',
  'version --daemon',
  'debug prefs',
  'debug netmap',
  'debug metrics',
  'debug statedir',
  'debug watch-ipn',
  'debug localapi status',
  'debug restun',
  'debug force-prefer-derp 1',
  'debug reload-config',
  'debug set-expire --in=1m',
]

/** One line for people, maybe after another that says what was begun; nothing of the program's inside. */
function isClear({ code, err, out }: Ran, what: string): void {
  assert.equal(code, 1, `${what}: ${out}${err}`)
  const lines = err.split('\n').filter((line) => line !== '' && line !== 'Connected.' && !line.startsWith('# '))
  assert.equal(lines.length, 1, `${what}: ${err}`)
  assert.match(lines[0] as string, /settd|JSON/, what)
  assert.doesNotMatch(err, /TypeError|undefined|\n +at /, what)
}

const head = (length: number): string => `HTTP/1.1 200 OK\r\ncontent-length: ${length}\r\n\r\n`

const STAND_INS: readonly { readonly name: string; readonly serve: (socket: Socket) => void }[] = [
  { name: 'closes at once', serve: (socket) => socket.destroy() },
  { name: 'closes when asked', serve: (socket) => socket.once('data', () => socket.destroy()) },
  { name: 'sends half an answer', serve: (socket) => socket.once('data', () => socket.end(`${head(100)}{"Ba`)) },
  { name: 'sends half a header', serve: (socket) => socket.once('data', () => socket.end('HTTP/1.1 200 O')) },
  { name: 'speaks something else', serve: (socket) => socket.once('data', () => socket.end('220 mail ready\r\n')) },
]

test('of a daemon that breaks off, every verb says so in a line', { timeout: 60_000 }, async () => {
  const dir = mkdtempSync(join(tmpdir(), 'sett-broken-'))
  const path = join(dir, 's')
  try {
    for (const { name, serve } of STAND_INS) {
      const server = createServer((socket) => {
        socket.on('error', () => {})
        serve(socket)
      })
      await new Promise<void>((resolve) => void server.listen(path, resolve))
      cli.joined()
      cli.around = { env: { SETT_SOCKET: path } }
      try {
        for (const line of LINES) {
          // A daemon that does not answer is waited for.
          if (line.startsWith('wait')) continue
          isClear(await cli.run(...line.split(' ')), `${line}, of a daemon that ${name}`)
        }
      } finally {
        await new Promise((resolve) => server.close(resolve))
      }
    }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})

const BODIES: readonly string[] = ['null', 'garbage', '[]', '"text"', '{"Self": null}', '']
/** Whose answers may be anything, or are not looked at; or the daemon is waited for. */
const ANYTHING = /^(debug (metrics|statedir|prefs|netmap|localapi|restun|force|set-expire)|wait)/
/** Ask for no status. */
const WITHOUT_STATUS = /^(debug|whois|login|logout|switch)/

test('of answers that no daemon sends, every verb says so in a line', { timeout: 60_000 }, async () => {
  for (const body of BODIES)
    for (const line of LINES) {
      if (ANYTHING.test(line)) continue
      if (WITHOUT_STATUS.test(line) && body === '{"Self": null}') continue
      cli.joined()
      cli.daemon.override = (method) => (method === 'GET' || method === 'POST' ? { status: 200, body } : undefined)
      const ran = await cli.run(...line.split(' '))
      assert.equal(ran.code, 1, `${line} of ${body}: ${ran.out}${ran.err}`)
      assert.doesNotMatch(ran.err, /TypeError|undefined|\n +at /, `${line} of ${body}`)
      assert.ok(`${ran.out}${ran.err}`.trim() !== '', `${line} of ${body}`)
    }
})

test('a daemon that ends in the middle of what a verb does', { timeout: 60_000 }, async () => {
  let broken = 0
  for (const how of ['close', 'half'] as const)
    for (const line of LINES) {
      if (/^wait|^debug watch-ipn/.test(line)) continue
      for (let good = 0, isOver = true; isOver; good++) {
        let asked = 0
        isOver = false
        cli.joined()
        cli.daemon.override = () => {
          if (asked++ < good) return undefined
          isOver = true
          // The bus ends with the daemon.
          cli.daemon.breakOff()
          return how
        }
        const ran = await cli.run(...line.split(' '))
        assert.doesNotMatch(ran.err, /TypeError|undefined|\n +at /, `${line} after ${good}`)
        // What comes after the verb's work, or is only a hint, may fail unseen.
        if (isOver && ran.code === 1) broken++
      }
    }
  assert.ok(broken > 100, String(broken))
})

test('a daemon that is restarted under a verb that waits', { timeout: 60_000 }, async () => {
  for (const [line, when] of [
    ['up', 'login-interactive'],
    ['up --reset --timeout=9s', 'login-interactive'],
    ['login', 'login-interactive'],
    ['wait', 'watch-ipn-bus'],
    ['wait --timeout=9s', 'watch-ipn-bus'],
    ['debug watch-ipn', 'watch-ipn-bus'],
  ] as const) {
    cli.joined()
    cli.daemon.afterUp = []
    cli.daemon.state.status = 'status when logged out'
    cli.daemon.override = (_method, path) => {
      if (path.includes(when)) setImmediate(() => cli.daemon.breakOff())
      return undefined
    }
    cli.around = {
      pause: async (_ms, signal) => new Promise((resolve) => signal?.addEventListener('abort', () => resolve())),
    }
    isClear(await cli.run(...line.split(' ')), line)
  }
})
