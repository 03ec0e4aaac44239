/**
 * The life of a server process: it drains when it is asked to end, keeps what it has acknowledged when it is killed,
 * shares its folder and ports with nobody, and opens its admin socket to its own user alone.
 */

import assert from 'node:assert/strict'
import { chmodSync, chownSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { ControlClient, registerBody } from '../support/control-client.ts'
import { ask, Coord, withUsual } from './coord.ts'
import { drawKey, Node, publicNodeKey } from './node.ts'
import { Program, run, SETT } from './program.ts'

describe('asked to end', () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    test(`${signal}: streams end cleanly, relay clients are told, it exits with 0 within five seconds`, async (t) => {
      const coord = await Coord.start({ level: 'debug' })
      t.after(() => coord.remove())
      const authKey = await coord.createKey()
      const nodes = await Promise.all(['a', 'b', 'c'].map((hostname) => Node.join(coord, { authKey, hostname })))
      const relays = await Promise.all(nodes.map((node) => node.relay()))
      const [streaming, silent, waiting] = nodes as [Node, Node, Node]
      // A stream of its own, read as one answer: that resolves when the stream has ended in good order.
      streaming.stream.cancel()
      const whole = streaming.client.request('POST', '/machine/map', streaming.mapBody({ Stream: true }))
      // One that reads nothing any more, one that waits for a login, a connection that says nothing, one kept alive.
      silent.client.pause()
      const login = publicNodeKey(drawKey())
      const { AuthURL } = JSON.parse((await waiting.client.register(registerBody({ nodeKey: login }))).text) as {
        AuthURL: string
      }
      const followed = waiting.client.register(registerBody({ nodeKey: login, followup: AuthURL })).then(
        ({ status }) => status,
        () => 'closed',
      )
      const idle = await ControlClient.connect({ url: coord.url })
      const mute = connect(coord.port, '127.0.0.1').resume()
      mute.on('error', () => mute.destroy())
      await waiting.update()

      const began = performance.now()
      const ended = coord.stop(signal)
      const { status, body } = await whole
      assert.equal(status, 200)
      assert.ok(body.length > 0)
      for (const relay of relays) {
        const told = await relay.until((m) => m.kind === 'restarting')
        assert.ok(told.kind === 'restarting' && told.reconnectInMs > 0 && told.tryForMs > told.reconnectInMs)
        await relay.untilClosed()
      }
      assert.equal(await ended, 0)
      assert.ok(performance.now() - began < 5_000, `it took ${performance.now() - began} ms`)
      assert.ok(['closed', 503].includes(await followed))
      silent.client.resume()
      await Promise.all([...nodes.map((node) => node.client.closed), idle.closed])
      assert.ok(!existsSync(coord.socket), 'the admin socket is gone')
      assert.match(coord.log, /"event":"stopped"\}\n$/)
      const warnings = coord.log.split('\n').filter((line) => /"level":"(warn|error)"/.test(line))
      // It says at its start that it listens on loopback only, and nothing after that.
      assert.deepEqual(warnings.length, 1, warnings.join('\n'))
      assert.match(warnings[0] as string, /only this machine can join/)
      // What it leaves is one file: nothing is left to be recovered.
      assert.ok(!existsSync(join(coord.data, 'sett.db-wal')) || statSync(join(coord.data, 'sett.db-wal')).size === 0)
    })
})

test('killed at any moment, it has after its start all that it had acknowledged', async (t) => {
  const coord = await Coord.start()
  t.after(() => coord.remove())
  const reusable = await coord.createKey()
  const oneOff = await coord.createKey('-', { reusable: false })
  const kept = await Node.join(coord, { authKey: reusable, hostname: 'kept', endpoints: ['192.0.2.1:1'] })
  const used = await Node.join(coord, { authKey: oneOff, hostname: 'used' })
  const deleted = await Node.join(coord, { authKey: reusable, hostname: 'deleted' })
  const user = await coord.admin<{ id: string }>('POST', '/sett/tailnet/-/users', { loginName: 'ann', role: 'admin' })
  const token = await coord.createToken('-', { user: 'ann' })
  await coord.admin('POST', `/device/${used.self?.StableID}/tags`, { tags: ['tag:kept'] })
  await coord.admin('DELETE', `/device/${deleted.self?.StableID}`)
  const login = publicNodeKey(drawKey())
  const asking = await ControlClient.connect({ url: coord.url })
  const { AuthURL } = JSON.parse((await asking.register(registerBody({ nodeKey: login }))).text) as { AuthURL: string }
  const serverKey = (await coord.http('GET', '/key?v=131')).text
  const certificate = coord.certificate
  await coord.admin('POST', `/device/${kept.self?.StableID}/name`, { name: 'renamed' })
  // The answer to the last change is here, so the power may go.
  assert.equal(await coord.stop('SIGKILL'), 'SIGKILL')
  assert.ok(existsSync(coord.socket), 'a dead server’s socket is in the way')
  for (const node of [kept, used, deleted]) node.close()
  asking.close()

  await coord.start()
  assert.equal((await coord.http('GET', '/key?v=131')).text, serverKey)
  assert.equal(coord.certificate, certificate)
  const told = await coord.http('GET', '/api/v2/tailnet/-/devices', { token })
  const { devices } = JSON.parse(told.text) as { devices: { nodeId: string; name: string; tags?: string[] }[] }
  assert.deepEqual(Object.fromEntries(devices.map(({ nodeId, name, tags }) => [nodeId, [name.split('.')[0], tags]])), {
    [kept.self?.StableID ?? '']: ['renamed', undefined],
    [used.self?.StableID ?? '']: ['used', ['tag:kept']],
  })
  assert.equal((await coord.admin<{ role: string }>('GET', `/users/${user.id}`)).role, 'admin')

  // They come back with the keys that they have, as themselves.
  const before = kept.self
  await kept.connect()
  await kept.openMap()
  assert.deepEqual(
    [kept.self?.ID, kept.self?.Addresses, kept.self?.Name],
    [before?.ID, before?.Addresses, before?.Name.replace(/^[^.]+/, 'renamed')],
  )
  await deleted.connect()
  assert.equal((await deleted.client.request('POST', '/machine/map', deleted.mapBody({ Stream: true }))).status, 404)
  const second = new Node(coord, { authKey: oneOff, hostname: 'second' })
  await second.connect()
  assert.match((await second.register()).text, /has been used/)
  await coord.admin('POST', `/sett/tailnet/-/logins/${AuthURL.split('/').at(-1)}/approve`, { user: 'ann' })
  for (const node of [kept, deleted, second]) node.close()
})

describe('what is taken', () => {
  test('a folder, a database or a port that is in use is refused by name, and its holder goes on', async (t) => {
    const coord = await Coord.start()
    t.after(() => coord.remove())
    const elsewhere = { listen: '127.0.0.1:0', 'relay-listen': '127.0.0.1:0', 'stun-listen': 'off' }
    const fresh = (name: string) => ['--data', join(coord.folder, name)]
    const rows: readonly (readonly [string, readonly string[], number, RegExp])[] = [
      [
        'the folder',
        ['--data', coord.data],
        2,
        /admin\.sock: another server uses this data folder; stop it, or choose another with --data/,
      ],
      [
        'the database',
        [...fresh('b'), '--database', `sqlite:${join(coord.data, 'sett.db')}`],
        1,
        /sett\.db: another Sett server has it open; stop that one/,
      ],
      [
        'the control port',
        [...fresh('c'), '--listen', `127.0.0.1:${coord.port}`],
        2,
        /Cannot listen on 127\.0\.0\.1:\d+: another program does.*--listen/,
      ],
      [
        'the relay port',
        [...fresh('d'), '--relay-listen', `127.0.0.1:${coord.relayPort}`],
        2,
        /Cannot listen on 127\.0\.0\.1:\d+: another program.*--relay-listen/,
      ],
      [
        'a STUN port',
        [...fresh('e'), '--stun-listen', `127.0.0.1:0,127.0.0.1:${coord.stunPorts[1]}`],
        2,
        /Cannot listen on 127\.0\.0\.1:\d+: another program.*--stun-listen/,
      ],
    ]
    for (const [what, args, code, says] of rows) {
      const ran = await run(SETT, ['coord', ...withUsual(elsewhere, args)])
      assert.deepEqual([ran.code, ran.out], [code, ''], `${what}: ${ran.err}`)
      assert.match(ran.err, says, what)
      assert.doesNotMatch(ran.err, /\n +at /, 'no stack for what people do')
      assert.equal((await coord.http('GET', '/healthz')).text, 'ok\n', what)
      await coord.admin('GET', '/sett/status')
    }
  })

  test('a stale admin socket is replaced; a file of that name is not', async (t) => {
    const coord = await Coord.start()
    t.after(() => coord.remove())
    await coord.stop('SIGKILL')
    await coord.start()
    await coord.admin('GET', '/sett/status')
    await coord.stop()
    writeFileSync(coord.socket, 'mine')
    const ran = await run(SETT, [
      'coord',
      '--data',
      coord.data,
      '--listen',
      '127.0.0.1:0',
      '--relay-listen',
      '127.0.0.1:0',
    ])
    assert.equal(ran.code, 2)
    assert.match(ran.err, /admin\.sock: something else has that name/)
    assert.equal(statSync(coord.socket).size, 4)
  })
})

const NOBODY = 65_534
const notRoot = process.getuid?.() === 0 ? false : 'only root can become somebody else'

describe('the admin socket', () => {
  /** What another user gets there: the status, or the error that ends the connection. */
  async function visit(coord: Coord, uid: number): Promise<string> {
    const code = `
      const call = require('node:http').request({ socketPath: process.argv[1], path: '/api/v2/sett/status', agent: false })
      call.on('response', (answer) => console.log(answer.statusCode))
      call.on('error', (error) => console.log(error.code))
      call.end()`
    const { out, err } = await run(process.execPath, ['-e', code, coord.socket], { uid, gid: uid, cwd: '/' })
    return out.trim() || err
  }

  test('is for root and the server’s own user, whatever the modes of file and folder', { skip: notRoot }, async (t) => {
    const coord = await Coord.start()
    t.after(() => coord.remove())
    assert.equal(await visit(coord, 0), '200')
    assert.equal(await visit(coord, NOBODY), 'EACCES')
    // Somebody has opened folder and file to all: the kernel's word on who is calling still counts.
    for (const path of [coord.folder, coord.data]) chmodSync(path, 0o755)
    chmodSync(coord.socket, 0o777)
    assert.match(await visit(coord, NOBODY), /^(ECONNRESET|EPIPE)$/)
    assert.equal(await visit(coord, 0), '200')
    assert.match(coord.log, /"uid":65534,"event":"admin socket: caller refused"/)
    const ran = await run(SETT, ['admin', '--socket', coord.socket, 'nodes', 'list'], {
      uid: NOBODY,
      gid: NOBODY,
      cwd: '/',
    })
    assert.deepEqual([ran.code, ran.out], [3, ''], ran.err)
    assert.match(ran.err, /^sett admin: /)
  })

  test('of a server that is not root’s is for that user and root', { skip: notRoot }, async (t) => {
    const coord = await Coord.start()
    t.after(() => coord.remove())
    chmodSync(coord.folder, 0o755)
    const data = join(coord.folder, 'nobodys')
    mkdirSync(data)
    chownSync(data, NOBODY, NOBODY)
    const listen = ['--listen', '127.0.0.1:0', '--relay-listen', '127.0.0.1:0', '--stun-listen', 'off']
    const server = new Program(SETT, ['coord', '--data', data, ...listen], { uid: NOBODY, gid: NOBODY, cwd: '/' })
    t.after(() => server.end('SIGKILL'))
    await server.says(/tailscale up/)
    const socket = join(data, 'admin.sock')
    chmodSync(data, 0o755)
    chmodSync(socket, 0o777)
    const at = { socket } as Coord
    assert.deepEqual([await visit(at, NOBODY), await visit(at, 0)], ['200', '200'])
    assert.match(await visit(at, 12_345), /^(ECONNRESET|EPIPE)$/)
    assert.equal(await server.end('SIGTERM'), 0)
  })

  test('answers people and programs alike, and says when nobody is there', async (t) => {
    const coord = await Coord.start()
    t.after(() => coord.remove())
    assert.match((await run(SETT, ['admin', '--socket', coord.socket, 'status'])).out, /NAME +DOMAIN/)
    const told = await ask({ socketPath: coord.socket, method: 'GET', path: '/api/v2/sett/status' })
    assert.equal(told.status, 200)
    await coord.stop()
    const { code, err } = await run(SETT, ['admin', '--socket', coord.socket, 'status'])
    assert.equal(code, 3)
    assert.ok(err.includes(coord.socket), err)
  })
})

describe('a wrong option is named, with why, and with what is accepted', () => {
  const rows: readonly (readonly [name: string, value: string, why: RegExp])[] = [
    ['listen', 'nowhere', /the port is missing; want HOST:PORT or :PORT/],
    ['url', 'sett.example', /this is no URL; want http:\/\/HOST/],
    ['data', '', /this is no path; want a folder/],
    ['database', 'mysql://ann:hunter2@db/x', /the engine is not known; want sqlite:FILE or postgres:/],
    ['tls', 'cert.pem', /the key file is missing; want "off", "acme", or two PEM files/],
    ['http-listen', '80', /the port is missing; want HOST:PORT/],
    ['acme-directory', 'http://ca.example/', /authorities are asked over TLS only; want the https address/],
    ['acme-email', 'ann', /this is no e-mail address; want one/],
    ['acme-eab', 'kid:hunter2', /it is no key id and key; want KEYID:KEY/],
    ['trusted-proxy', '10.0.0.0/99', /a prefix length that does not exist; want addresses or prefixes/],
    ['private-targets', '10.0.0.0/99', /a prefix length that does not exist; want addresses or prefixes/],
    ['relay-listen', ':99999', /there is no port 99999; want HOST:PORT/],
    ['stun-listen', ':1,:2,:3', /there are 3 of them; want one or two/],
    ['tailnet-domain', 'a..b', /this is no DNS name; want a DNS name such as/],
    ['audit-days', '0', /want a number of days from 1 to 3650/],
    ['log-level', 'loud', /there is no such choice; want one of trace, debug, info, warn, error/],
    ['log-format', 'xml', /there is no such choice; want one of text, json/],
  ]
  test('every option that --help lists is here', async () => {
    const { out } = await run(SETT, ['coord', '--help'])
    const listed = [...out.matchAll(/^ +--([a-z-]+) </gm)]
      .map(([, name = '']) => name)
      .filter((name) => name !== 'config')
    assert.deepEqual(listed.sort(), rows.map(([name]) => name).sort())
  })
  for (const [name, value, why] of rows)
    test(`--${name} ${JSON.stringify(value)}`, async () => {
      const variable = `SETT_${name.toUpperCase().replaceAll('-', '_')}`
      const said = await Promise.all([
        run(SETT, ['coord', `--${name}=${value}`]),
        ...(value === '' ? [] : [run(SETT, ['coord'], { env: { [variable]: value } })]),
      ])
      for (const [i, { code, out, err }] of said.entries()) {
        assert.deepEqual([code, out], [2, ''], err)
        assert.ok(err.startsWith('sett coord: ') && err.includes(i === 0 ? `--${name}` : variable), err)
        assert.match(err, why)
        assert.doesNotMatch(err, /hunter2|\n +at /)
      }
    })
})
