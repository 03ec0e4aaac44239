/**
 * `sett coord --tls acme` as a process of its own against Debian's pebble: certificates that come, that are renewed and
 * that are not, as seen by clients who trust the authority and nothing else.
 */

import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { connect } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { makeSelfSigned } from '../../src/crypto/io/self-signed.ts'
import type { MachineKey } from '../../src/base/keys.ts'
import { findTool } from '../lab/available.ts'
import { ControlClient, registerBody } from '../support/control-client.ts'
import { freePorts, Pebble } from '../support/pebble.ts'
import type { PebbleOptions } from '../support/pebble.ts'
import { Coord, withUsual } from './coord.ts'
import { drawKey, publicNodeKey } from './node.ts'
import { Program, run, SETT } from './program.ts'

const NAME = 'sett.example.test'
const missing =
  ['pebble', 'pebble-challtestsrv'].some((tool) => findTool(tool) === undefined) && 'no pebble here (Debian: pebble)'

class World {
  readonly pebble: Pebble
  readonly folder = mkdtempSync(join(tmpdir(), 'sett-acme-'))
  readonly relayPort: number
  #program: Program | undefined
  root = ''

  private constructor(pebble: Pebble, relayPort: number) {
    this.pebble = pebble
    this.relayPort = relayPort
  }

  static async open(t: TestContext, options?: PebbleOptions): Promise<World> {
    const [relayPort = 0] = await freePorts(1)
    const world = new World(await Pebble.start(options), relayPort)
    t.after(async () => {
      await world.#program?.end('SIGKILL')
      await world.pebble.stop()
      rmSync(world.folder, { recursive: true, force: true })
    })
    world.root = await world.pebble.root()
    return world
  }

  /** Starts a server, its ports where pebble knocks; the flags of a way to prove the name come with it. */
  async start(...args: string[]): Promise<Program> {
    const { pebble } = this
    const usual = {
      tls: 'acme',
      data: join(this.folder, 'data'),
      'acme-directory': pebble.directory,
      listen: `127.0.0.1:${pebble.tlsPort}`,
      'relay-listen': `127.0.0.1:${this.relayPort}`,
      'stun-listen': 'off',
      'log-format': 'json',
    }
    const env = { NODE_EXTRA_CA_CERTS: pebble.trust }
    const program = new Program(SETT, ['coord', ...withUsual(usual, args)], { env })
    this.#program = program
    await program.says(/Sett is running at https:/)
    return program
  }

  /** What a client sees who trusts the authority's root alone. */
  shake(port = this.pebble.tlsPort): Promise<TLSSocket> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', servername: NAME, ca: this.root, ALPNProtocols: ['http/1.1'] })
      socket.once('error', reject)
      socket.once('secureConnect', () => resolve(socket))
    })
  }

  async fingerprint(port?: number): Promise<string> {
    const socket = await this.shake(port)
    const { fingerprint256 } = socket.getPeerCertificate()
    socket.destroy()
    return fingerprint256
  }

  get(path: string): Promise<{ readonly status: number; readonly text: string }> {
    return new Promise((resolve, reject) => {
      const where = { host: '127.0.0.1', port: this.pebble.tlsPort, path, rejectUnauthorized: false, agent: false }
      const call = request(where, (answer) => {
        let text = ''
        answer.setEncoding('utf8').on('data', (piece: string) => (text += piece))
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }))
      })
      call.on('error', reject)
      call.end()
    })
  }

  /** What administrators are told. */
  async status(): Promise<string> {
    return (await run(SETT, ['admin', '--socket', join(this.folder, 'data', 'admin.sock'), 'status'])).out
  }

  async metric(name: string): Promise<number> {
    const { text } = await this.get('/metrics')
    return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1])
  }
}

const lines = (program: Program): Record<string, string>[] =>
  program.err
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, string>)

describe('certificates from pebble', { skip: missing }, () => {
  const ways = [
    {
      way: 'http-01',
      flags: (p: Pebble) => ['--url', `https://${NAME}:${p.tlsPort}`, '--http-listen', `127.0.0.1:${p.httpPort}`],
    },
    { way: 'tls-alpn-01', flags: () => ['--url', `https://${NAME}`, '--http-listen', 'off'] },
  ] as const
  for (const { way, flags } of ways)
    test(`${way}: it serves at once, says what it waits for, and has a certificate that is trusted; also after a start`, async (t) => {
      const world = await World.open(t)
      const { pebble } = world
      const args = flags(pebble)
      const server = await world.start(...args, '--acme-email', 'anna@example.com')
      await server.says(/There is no certificate for sett\.example\.test yet; machines can join once it is here/)
      assert.deepEqual(await world.get('/healthz').then(({ status }) => status), 200)
      await server.says(/The certificate for sett\.example\.test is here: machines can join/, { within: 60_000 })
      const first = await world.fingerprint()
      assert.equal(await world.fingerprint(world.relayPort), first, 'the relay has it as well')
      assert.deepEqual(await world.get('/healthz'), { status: 200, text: 'ok\n' })
      assert.ok((await world.metric('sett_certificate_expiry_timestamp_seconds')) > Date.now() / 1000)
      assert.equal(await world.metric('sett_certificate_failures_total'), 0)
      assert.match(await world.status(), /^Certificate: until 20\d\d-\d\d-\d\d \d\d:\d\d$/m)
      assert.ok(lines(server).some(({ event, proof }) => event === 'asking for a certificate' && proof === way))
      assert.ok(
        lines(server).some(
          ({ event, terms }) => event === 'certificate account made' && terms?.startsWith('data:text/plain'),
        ),
      )

      assert.equal(await server.end('SIGTERM'), 0)
      const again = await world.start(...args)
      assert.equal(await world.fingerprint(), first)
      assert.doesNotMatch(again.err, /asking for a certificate/)
      assert.doesNotMatch(again.out, /no certificate/)
      assert.equal(await again.end('SIGTERM'), 0)
    })

  test('renewal by itself, connections going on; when it fails the old one stays, which health, metrics and log say; then it heals', async (t) => {
    const world = await World.open(t, { validSeconds: 24 })
    const { pebble } = world
    const args = ['--url', `https://${NAME}:${pebble.tlsPort}`, '--http-listen', `127.0.0.1:${pebble.httpPort}`]
    const server = await world.start(...args)
    await server.says(/certificate obtained/, { in: 'err', within: 60_000 })
    const first = await world.fingerprint()
    const open = await world.shake()
    t.after(() => open.destroy())
    // One that says nothing at first is not waited for so long.
    open.write(`GET /healthz HTTP/1.1\r\nHost: ${NAME}\r\n\r\n`)
    await server.says(/certificate obtained[^]*certificate obtained/, { in: 'err', within: 60_000 })
    const second = await world.fingerprint()
    assert.notEqual(second, first)
    assert.equal(await world.fingerprint(world.relayPort), second)
    open.write(`GET /healthz HTTP/1.1\r\nHost: ${NAME}\r\nConnection: close\r\n\r\n`)
    let text = ''
    for await (const piece of open) text += String(piece)
    assert.match(text, /^HTTP\/1\.1 200 OK[^]*ok\nHTTP\/1\.1 200 OK[^]*ok\n$/)

    // Nobody answers there.
    await pebble.leadTo('127.0.0.99')
    await server.says(/certificate not renewed, the old one stays/, { in: 'err', within: 60_000 })
    const failed = lines(server).find(({ event }) => event === 'certificate not renewed, the old one stays')
    assert.match(
      failed?.['why'] ?? '',
      /could not prove sett\.example\.test by http-01: .*; its name must lead to this machine, and TCP port 80/,
    )
    assert.notEqual(await fingerprintAt(pebble.tlsPort), first)
    const { status, text: health } = await world.get('/healthz')
    assert.equal(status, 200)
    assert.match(health, /^ok\nthe certificate (could not be replaced at|ran out at) 20\d\d-/)
    assert.match(await world.status(), /^Certificate: until 20\d\d-.*; it could not be replaced at 20\d\d-/m)
    assert.ok((await world.metric('sett_certificate_failures_total')) >= 1)
    assert.ok((await world.metric('sett_certificate_failure_timestamp_seconds')) > 0)

    await pebble.leadTo('127.0.0.1')
    await server.says(/(certificate obtained[^]*){3}/, { in: 'err', within: 60_000 })
    assert.equal(await world.metric('sett_certificate_failure_timestamp_seconds'), 0)
  })

  test('an authority that knows its customers, and a client that joins over what it gave', async (t) => {
    const key = 'zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W'
    const world = await World.open(t, { customers: { 'kid-1': key } })
    const { pebble } = world
    const args = ['--url', `https://${NAME}:${pebble.tlsPort}`, '--http-listen', `127.0.0.1:${pebble.httpPort}`]
    const without = await world.start(...args)
    await without.says(/give --acme-eab KEYID:KEY.*no certificate yet/, { in: 'err' })
    await without.end('SIGTERM')
    const server = await world.start(...args, '--acme-eab', `kid-1:${key}`)
    await server.says(/certificate obtained/, { in: 'err', within: 60_000 })
    assert.ok(!server.err.includes(key))
    await world.fingerprint()
    // In clear text as well, which is where official clients look first: Noise protects them.
    const client = await ControlClient.connect({
      url: `http://127.0.0.1:${pebble.httpPort}`,
      serverKey: (JSON.parse((await world.get('/key?v=113')).text) as { publicKey: MachineKey }).publicKey,
    })
    const { status } = await client.register(registerBody({ nodeKey: publicNodeKey(drawKey()) }))
    assert.equal(status, 200)
    client.close()
  })
})

test('ports that cannot be had are named with what they are for', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sett-acme-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const [listen, relay, taken] = await freePorts(3)
  const holder = createServer().listen(taken, '127.0.0.1')
  t.after(() => holder.close())
  const flags = {
    tls: 'acme',
    url: `https://${NAME}`,
    data: join(folder, 'data'),
    listen: `127.0.0.1:${listen}`,
    'relay-listen': `127.0.0.1:${relay}`,
    'stun-listen': 'off',
    'http-listen': `127.0.0.1:${taken}`,
    'acme-directory': 'https://127.0.0.1:1/dir',
  }
  const { code, err } = await run(SETT, ['coord', ...withUsual(flags, [])])
  assert.equal(code, 2)
  assert.match(err, /another program does; stop it, or choose another port with --http-listen, or none with "off"/)
})

test('files that are renewed are taken over by control listener and relay, without a restart', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sett-tls-'))
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const write = (): string => {
    const made = makeSelfSigned([NAME], new Date())
    writeFileSync(cert, made.cert)
    writeFileSync(key, made.key)
    return new X509Certificate(made.cert).fingerprint256
  }
  const first = write()
  const coord = await Coord.start({ args: ['--tls', `${cert},${key}`], data: join(folder, 'data') })
  t.after(async () => {
    await coord.remove()
    rmSync(folder, { recursive: true, force: true })
  })
  const shown = () => Promise.all([coord.port, coord.relayPort].map(fingerprintAt))
  assert.deepEqual(await shown(), [first, first])
  const second = write()
  await coord.program.says(/"event":"certificate replaced"/, { in: 'err', within: 60_000 })
  assert.deepEqual(await shown(), [second, second])
})

/** Of the certificate that is shown, whoever trusts it. */
function fingerprintAt(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', servername: NAME, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().fingerprint256)
      socket.destroy()
    })
    socket.once('error', reject)
  })
}
