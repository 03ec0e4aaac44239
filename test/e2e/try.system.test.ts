/**
 * `sett try` as people run it: up, entered, ended in every way that a program can be ended, as root and without, twice
 * at a time, and failing; and that nothing of it stays.
 */

import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, describe, test } from 'node:test'
import { runningTries } from '../../src/cli/try/running.ts'
import { tunMissing } from '../lab/available.ts'
import { Program, run, SETT } from './program.ts'

const UP = /^Ctrl-C ends it; nothing stays\.$/m
const NOBODY = '65534'
const skip = tunMissing()
const folders: string[] = []

/** A folder for temporary files, by which everything that belongs to one try can be told. */
function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tried-'))
  folders.push(folder)
  chmodSync(folder, 0o777)
  return folder
}
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** The processes that name the folder; those in namespaces are seen from here as well. */
function processes(folder: string): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return []
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
      return line.includes(`${folder}/sett-try-`) ? [`${pid} ${line}`] : []
    } catch {
      return []
    }
  })
}

/** Waits until no process and no file of a try is left. */
async function leavesNothing(folder: string): Promise<void> {
  let left: string[] = []
  for (let tries = 0; tries < 100; tries += 1) {
    left = [...processes(folder), ...readdirSync(folder).filter((name) => name.startsWith('sett-try-'))]
    if (left.length === 0) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  assert.deepEqual(left, [])
}

const start = (folder: string, ...args: string[]): Program =>
  new Program(SETT, ['try', ...args], { env: { TMPDIR: folder } })

/** Runs a command on a machine of the try with that folder, whatever else runs here. */
async function enter(folder: string, name: string, ...command: string[]) {
  const found = runningTries().find((each) => each.folder.startsWith(folder))
  return run(SETT, ['try', 'enter', `${found?.pid}/${name}`, ...command])
}

describe('a network to try', { skip }, () => {
  const running: Program[] = []
  afterEach(async () => {
    for (const each of running.splice(0)) await each.end('SIGKILL')
  })
  const tried = (folder: string, ...args: string[]): Program => {
    const program = start(folder, ...args)
    running.push(program)
    return program
  }

  test('comes up, says what it did, is entered, and ends with Ctrl-C without a trace', async (t) => {
    const folder = temporary()
    const began = performance.now()
    const program = tried(folder)
    await program.says(UP, { within: 60_000 })
    t.diagnostic(`up after ${Math.round(performance.now() - began)} ms`)
    for (const want of [
      /\d s {2}server at http:/,
      /\d s {2}anna joined as 100\.\d+\.\d+\.\d+$/m,
      /\d s {2}anna to ben: pong from ben \(100\..*\) via 192\.168\.77\.11:41641 in/,
      /\d s {2}ben to anna: pong from anna \(100\..*\) via 192\.168\.77\.10:41641 in/,
      /through the tunnel: [\d.]+ [MG]bit\/s$/m,
      /^ {2}100\.\S+ +ben +.*direct/m,
    ])
      assert.match(program.out, want)
    assert.equal(program.err, '')

    const ben = /ping (100\.\S+)/.exec(program.out)?.[1] ?? ''
    const [pinged, host, nodes, failed, unknown] = await Promise.all([
      enter(folder, 'anna', 'ping', '-c', '1', '-W', '5', ben),
      enter(folder, 'ben', '--', 'hostname'),
      enter(folder, 'server', 'sett', 'admin', 'nodes', 'list'),
      enter(folder, 'anna', 'sh', '-c', 'exit 7'),
      enter(folder, 'zora', 'true'),
    ])
    assert.match(pinged.out, / 1 received/)
    assert.equal(host.out, 'ben\n')
    for (const name of [/ anna /, / ben /]) assert.match(nodes.out, name)
    assert.equal(failed.code, 7)
    assert.deepEqual(unknown, {
      code: 2,
      out: '',
      err: 'sett try: There is no machine "zora"; there are server, anna, ben\n',
    })
    // This machine has none of it, and lends none of its services.
    const links = await run('ip', ['-brief', 'link'])
    assert.doesNotMatch(links.out, /^(cable|to-anna|to-ben) /m)
    const inside = await enter(folder, 'anna', 'sh', '-c', 'cat /etc/resolv.conf; ls /run/dbus; echo x > /etc/passwd')
    assert.equal(inside.out, '')
    assert.notEqual(inside.code, 0)

    const shell = new Program(SETT, [
      'try',
      'enter',
      `${runningTries().find((each) => each.folder.startsWith(folder))?.pid}/anna`,
      'sh',
      '-c',
      'echo in; sleep 1000',
    ])
    running.push(shell)
    await shell.says(/in/)
    assert.equal(await program.end('SIGINT'), 0)
    assert.equal(await shell.ended, 137)
    await leavesNothing(folder)
  })

  test('two at a time, one of them with five nodes, which all reach each other', async () => {
    const [one, other] = [temporary(), temporary()]
    const [first, second] = [tried(one, '--nodes', '5'), tried(other)]
    await Promise.all([first, second].map((each) => each.says(UP, { within: 90_000 })))
    const status = await enter(one, 'emma', 'sett', 'status', '--json')
    const peers = Object.values((JSON.parse(status.out) as { Peer: Record<string, { TailscaleIPs: string[] }> }).Peer)
    assert.equal(peers.length, 4)
    for (const { TailscaleIPs } of peers)
      assert.match((await enter(one, 'emma', 'ping', '-c', '1', '-W', '10', TailscaleIPs[0] ?? '')).out, / 1 received/)
    const which = await run(SETT, ['try', 'enter', 'anna', 'true'])
    assert.equal(which.code, 2)
    assert.match(which.err, /^sett try: Several tries run on this machine; say which: \d+\/anna, \d+\/anna/)
    assert.equal(await first.end('SIGTERM'), 0)
    assert.match((await enter(other, 'ben', 'sett', 'ping', '-c', '1', 'anna')).out, /pong from anna/)
    assert.equal(await second.end('SIGHUP'), 0)
    await Promise.all([leavesNothing(one), leavesNothing(other)])
  })

  test('killed, it takes everything along; killed with its inside, the next one removes an empty folder', async () => {
    const folder = temporary()
    const killed = tried(folder)
    await killed.says(/server at/, { within: 60_000 })
    assert.equal(await killed.end('SIGKILL'), 'SIGKILL')
    await leavesNothing(folder)

    const again = tried(folder)
    await again.says(/server at/, { within: 60_000 })
    const inside = runningTries().find((each) => each.folder.startsWith(folder))
    again.child.kill('SIGSTOP')
    process.kill(inside?.pid ?? 0, 'SIGKILL')
    assert.equal(await again.end('SIGKILL'), 'SIGKILL')
    assert.equal(readdirSync(folder).length, 1)
    assert.deepEqual(readdirSync(inside?.folder ?? ''), [])
    const third = tried(folder)
    await third.says(/machines anna, ben/, { within: 60_000 })
    assert.ok(!existsSync(inside?.folder ?? ''))
    assert.equal(await third.end('SIGINT'), 0)
    await leavesNothing(folder)
  })

  test('it ends when whoever started it does, or when nobody reads it any more', async () => {
    const folder = temporary()
    // The shell stays until it is killed, and sends nothing on.
    const shell = new Program('sh', ['-c', `"${SETT}" try & wait`], { env: { TMPDIR: folder } })
    running.push(shell)
    await shell.says(/server at/, { within: 60_000 })
    shell.child.kill('SIGKILL')
    await leavesNothing(folder)

    const unread = tried(folder)
    await unread.says(/Starting/)
    unread.child.stdout.destroy()
    await unread.ended
    await leavesNothing(folder)
  })

  test('what fails in the middle is told with the last words of whatever failed, and leaves nothing', async () => {
    const folder = temporary()
    const program = tried(folder)
    await program.says(/server at/, { within: 60_000 })
    const server = processes(folder).find((line) => line.includes(' coord --data '))
    process.kill(Number.parseInt(server ?? '', 10), 'SIGKILL')
    assert.equal(await program.ended, 1)
    assert.match(
      program.err,
      /^sett try: It did not come up, .*\. The server ended with SIGKILL\. The last that it said:\n\n {4}\S/m,
    )
    assert.doesNotMatch(program.out, UP)
    await leavesNothing(folder)
  })

  test('users who are not root have it where the kernel lets them, and are told where it does not', async () => {
    const folder = temporary()
    const asNobody = `exec setpriv --reuid ${NOBODY} --regid ${NOBODY} --clear-groups "$@"`
    const environment = { TMPDIR: folder, HOME: folder, NODE_COMPILE_CACHE: join(folder, 'cache') }
    // A device for everybody, as most systems have it, or for root only; in a place that only this process sees.
    const withTun = (mode: string): readonly string[] => {
      const script = `mknod "$0" c 10 200 && chmod ${mode} "$0" && mount --bind "$0" /dev/net/tun && ${asNobody}`
      return ['--mount', '--propagation', 'private', 'sh', '-c', script, join(folder, `tun-${mode}`), SETT, 'try']
    }
    const closed = await run('unshare', withTun('600'), { env: environment })
    assert.equal(closed.code, 1)
    assert.match(
      closed.err,
      /Cannot start a network on this machine: \/dev\/net\/tun may not be opened.*: sudo .*sett try$/m,
    )

    const program = new Program('unshare', withTun('666'), { env: environment })
    running.push(program)
    const said = await Promise.race([program.says(UP, { within: 60_000 }), program.ended])
    // A kernel without user namespaces is a kernel that says so.
    if (typeof said !== 'object') assert.match(program.err, /gives users no namespaces of their own/)
    else assert.match(program.out, /without root/)
    await program.end('SIGINT')
    await leavesNothing(folder)
  })
})

test('a command line that is wrong is told so', async () => {
  for (const [args, want] of [
    [['--nodes', '1'], /Cannot start 1 nodes: want --nodes 2 to 20/],
    [['--nodes', '21'], /want --nodes 2 to 20/],
    [['now'], /There is no "now" here/],
    [['enter'], /Want the name of a machine/],
    [['--fast'], /flag provided but not defined: -fast/],
  ] as const) {
    const { code, err } = await run(SETT, ['try', ...args])
    assert.match(err, want)
    assert.equal(code, 2, args.join(' '))
  }
  const helped = await run(SETT, ['try', '--help'])
  assert.match(helped.out, /sett try \[--nodes N\]\n {2}sett try enter NAME/)
  assert.equal(helped.code, 0)
})
