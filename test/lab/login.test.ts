/**
 * Whose node it is: a login by link, several profiles on one machine, keys that end and begin anew, a state file that
 * can't be written, and a server that is let go of.
 */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { tunMissing } from './available.ts'
import type { Machine, Status } from './machine.ts'
import { Tailnet } from './tailnet.ts'
import { reachable } from './traffic.ts'

const run = promisify(execFile)
const skip = tunMissing()
const ANNA = 'anna@example.com'
const BEN = 'ben@example.com'
const isRunning = ({ BackendState }: Status): boolean => BackendState === 'Running'
const isOut = ({ BackendState }: Status): boolean => BackendState === 'NeedsLogin'

describe('logins of one machine', { skip }, () => {
  let tailnet: Tailnet
  let a: Machine
  let peer: Machine
  let peerIp = ''

  before(async () => {
    tailnet = await Tailnet.open()
    for (const user of [ANNA, BEN]) await tailnet.server.admin('users', 'create', user)
    a = await tailnet.machine('laptop')
    ;[peer] = (await tailnet.join('peer')) as [Machine]
    peerIp = (await peer.addresses()).four
    await a.start()
  })
  after(async () => tailnet?.[Symbol.asyncDispose]())

  /** Has somebody approve the link that a command prints; resolves with what it printed in all. */
  async function byLink(user: string, ...args: string[]): Promise<string> {
    const command = a.begin(...args, `--login-server=${tailnet.server.url}`)
    const [link = ''] = await command.waitFor(/http:\/\/\S+/)
    await tailnet.server.approveLogin(link, user)
    assert.equal((await command.ended).code, 0, command.output)
    return command.output
  }
  const profiles = async (): Promise<string[]> =>
    (await a.sett('switch', '--list'))
      .split('\n')
      .slice(1)
      .filter((line) => line !== '')
  const deviceOf = async (user: string) =>
    (await tailnet.server.devices()).find((device) => device.hostname === 'laptop' && device.user === user)

  test('a person logs in by a link, which is drawn as a code, too', async () => {
    const printed = await byLink(ANNA, 'up', '--hostname=laptop', '--qr')
    assert.match(printed, /To authenticate, visit/)
    assert.match(printed, /[█▀▄]{10}/)
    assert.match(printed, /Success/)
    await a.until('it runs', isRunning)
    assert.match(await reachable(a.where, peerIp), / 1 received/)
    assert.equal((await deviceOf(ANNA))?.user, ANNA)
  })

  test('a second login is a second profile, with a node of its own', async () => {
    const first = (await a.addresses()).four
    await byLink(BEN, 'login', '--hostname=laptop', '--nickname=work')
    await a.until('it runs', isRunning)
    assert.notEqual((await a.addresses()).four, first)
    const listed = await profiles()
    assert.equal(listed.length, 2, listed.join('\n'))
    assert.ok(
      listed.some((line) => /work\*/.test(line)),
      listed.join('\n'),
    )
    await a.sett('switch', ANNA)
    await a.until('the first is back', (status) => isRunning(status) && status.Self.TailscaleIPs?.[0] === first)
    assert.match(await reachable(a.where, peerIp), / 1 received/)
  })

  test('a profile in use is kept over a restart; one that is not can be removed', async () => {
    const { four } = await a.addresses()
    await a.stop()
    await a.start()
    await a.until('it runs', (status) => isRunning(status) && status.Self.TailscaleIPs?.[0] === four)
    await a.sett('switch', 'remove', 'work')
    assert.equal((await profiles()).length, 1)
    await assert.rejects(a.sett('switch', 'work'), /No profile named/)
  })

  test('a key that ends takes the node out of service, and a longer one brings it back by itself', async () => {
    const device = await deviceOf(ANNA)
    await tailnet.server.admin('nodes', 'expire', device?.id ?? '')
    await a.until('its key has ended', isOut)
    await assert.rejects(a.where.exec('ping', ['-c', '1', '-W', '1', peerIp]))
    // Also where it begins with the map of before.
    await a.stop()
    await a.start()
    await a.until('a person is waited for', (status) => isOut(status) && status.AuthURL !== '')
    const waits = a.begin('up')
    const [link = ''] = await waits.waitFor(/http:\/\/\S+/)
    await tailnet.server.approveLogin(link, ANNA)
    assert.equal((await waits.ended).code, 0, waits.output)
    assert.match(waits.output, /Success/)
    await a.until('it runs', isRunning)
    assert.equal((await deviceOf(ANNA))?.id, device?.id)
    assert.match(await reachable(a.where, peerIp), / 1 received/)
  })

  test('the end of a key can be asked for sooner', async () => {
    const soon = Math.round(Date.now() / 1000) + 2
    await a.local('POST', `set-expiry-sooner?expiry=${soon}`)
    const { Health } = await a.until('its key has ended', isOut)
    assert.match(Health.join('\n'), /logged out/)
    await byLink(ANNA, 'up', '--hostname=laptop', '--force-reauth')
    await a.until('it runs', isRunning)
  })

  test('the server let go of, and sockets opened anew: the tunnel goes on', async () => {
    await a.local('POST', 'disconnect-control')
    await a.local('POST', 'debug?action=rebind')
    assert.match(await reachable(a.where, peerIp), / 1 received/)
    assert.equal((await a.status()).Self.Online, false)
    await a.sett('down')
    await a.sett('up')
    await a.until('it is back', (status) => isRunning(status) && status.Self.Online)
  })

  test('what people who debug can have done: the node comes back from all of it', async () => {
    const node = await a.sett('debug', 'netmap')
    assert.match((JSON.parse(node) as { SelfNode: { Name: string } }).SelfNode.Name, /^laptop/)
    const before = await tailnet.server.device('laptop')
    for (const action of [
      ['restun'],
      ['rotate-disco-key'],
      ['break-tcp-conns'],
      ['break-derp-conns'],
      ['pick-new-derp'],
      ['force-prefer-derp', '0'],
      ['force-netmap-update'],
      ['control-knobs'],
    ]) {
      await a.sett('debug', ...action)
      await a.until('it is back', (status) => isRunning(status) && status.Self.Online)
    }
    assert.match(await reachable(a.where, peerIp), / 1 received/)
    assert.equal((await tailnet.server.device('laptop')).id, before.id)
    await assert.rejects(a.sett('debug', 'force-prefer-derp', 'x'), /integer/)
  })

  test('a running node that is given a key: the command ends once the server has taken it, or says why not', async () => {
    const [machine, login] = [peer, await tailnet.login()]
    const keyOf = async () =>
      (JSON.parse(await machine.sett('status', '--json')) as { Self: { PublicKey: string } }).Self
    const before = await keyOf()
    await machine.up(login)
    assert.equal((await keyOf()).PublicKey, before.PublicKey)
    await machine.up(login, '--force-reauth')
    assert.notEqual((await keyOf()).PublicKey, before.PublicKey)
    await assert.rejects(machine.up({ ...login, key: 'tskey-auth-none' }, '--force-reauth'), /backend error/)
    await machine.until('it goes on with the key it has', ({ Self }) => Self.Online)
    await machine.up(login)
    // What it has joined with is used up: whom the administrator puts out stays out.
    await tailnet.server.admin('nodes', 'expire', (await tailnet.server.device('peer')).id)
    await machine.until('its key has ended', isOut)
    await machine.up(login, '--force-reauth')
    assert.match(await reachable(a.where, peerIp), / 1 received/)
  })

  test('a command that waits for a login ends when somebody logs out, or wants the node down', async () => {
    await a.sett('logout')
    for (const [verb, how] of [
      ['logout', 'logged out'],
      ['down', 'stopped'],
    ] as const) {
      const waits = a.begin('up', '--reset', `--login-server=${tailnet.server.url}`)
      await waits.waitFor(/http:\/\/\S+\/login\//)
      await a.sett(verb)
      assert.equal((await waits.ended).code, 1, waits.output)
      assert.match(waits.output, new RegExp(`the node was ${how} meanwhile by somebody else: run "sett up" again`))
    }
  })

  test('what stands against a first login is said by whoever waits for it, and by status', async () => {
    await a.sett('logout')
    const waits = a.begin('up', '--reset', `--login-server=${tailnet.server.url.replace(/\d+$/, '9')}`)
    await waits.waitFor(/Not connected yet: .*ECONNREFUSED/)
    await assert.rejects(a.sett('status'), ({ stdout }: { stdout?: string }) => {
      assert.match(stdout ?? '', /^Logged out\.\nThe last login error was: .*ECONNREFUSED/)
      return true
    })
    await a.sett('logout')
    assert.equal((await waits.ended).code, 1)
  })

  test('a key that can not be kept is no login: nothing runs on it', async () => {
    await a.sett('logout')
    await a.stop()
    const folder = `${a.where.dir}/state`
    await run('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', folder])
    try {
      await a.start()
      await run('sh', ['-c', `cat /dev/zero > ${folder}/fill || true`])
      const { url, key } = await tailnet.login()
      await assert.rejects(a.sett('up', `--login-server=${url}`, `--auth-key=${key}`), /could not be written|No space/i)
      const { BackendState, Health } = await a.status()
      assert.equal(BackendState, 'NoState')
      assert.match(Health.join('\n'), /could not be written/)
      await run('rm', [`${folder}/fill`])
      await a.sett('up', `--login-server=${url}`, `--auth-key=${key}`)
      await a.until('it runs', isRunning)
      // A disk that is full later: what is kept already is enough to run, and what is not is said.
      await run('sh', ['-c', `cat /dev/zero > ${folder}/fill || true`])
      await assert.rejects(a.sett('set', '--shields-up'), /and not kept: .*No space|and not kept: .*ENOSPC/i)
      await a.stop()
      await a.start()
      await a.until('it is online', ({ Self }) => Self.Online)
      assert.match(await reachable(a.where, peerIp), / 1 received/)
      // Its last end has made room.
      await run('sh', ['-c', `cat /dev/zero >> ${folder}/fill || true`])
      await assert.rejects(a.sett('down'), /and not kept/)
      assert.doesNotMatch(await a.where.ip('rule', 'show'), /lookup 52/)
      await a.stop()
    } finally {
      await run('umount', ['-l', folder])
    }
  })

  test('the state file is nobody else’s to read, and holds a key', () => {
    const file = `${peer.where.dir}/state/settd.state`
    assert.match(readFileSync(file, 'utf8'), /_machinekey/)
    assert.equal(statSync(file).mode & 0o777, 0o600)
  })
})
