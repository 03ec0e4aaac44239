import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Mono } from '../../base/clock.ts'
import { MeshError } from '../../base/errors.ts'
import { FakeBackend } from '../../../test/support/fake-backend.ts'
import { openLocalApi, BODY_BYTES_MAX } from './local-api.ts'
import { operatorUid } from './local-api-operator.ts'
import { peerUidReader } from './peer-credentials.ts'

const folder = mkdtempSync(join(tmpdir(), 'sett-local-'))
after(() => rmSync(folder, { recursive: true, force: true }))
let count = 0
const OWN = process.getuid?.() ?? -1

async function open(options: Partial<Parameters<typeof openLocalApi>[0]> = {}) {
  const backend = new FakeBackend()
  const failures: unknown[] = []
  const socket = await openLocalApi({
    path: join(folder, `${count++}.sock`),
    backend,
    owners: () => ({ ownUid: OWN }),
    failed: (error) => void failures.push(error),
    ...options,
  })
  return { ...socket, backend, failures }
}

interface Got {
  readonly status: number
  readonly text: string
  readonly headers: IncomingMessage['headers']
}

/** `undefined`: the connection ended without an answer. */
function ask(
  socketPath: string,
  path: string,
  { method = 'GET', body = '', headers = {} }: { method?: string; body?: string; headers?: object } = {},
): Promise<Got | undefined> {
  return new Promise((resolve) => {
    const all = { host: 'local-tailscaled.sock', ...headers }
    const call = request({ socketPath, path, method, headers: all, agent: false }, (answer) => {
      let text = ''
      answer.on('data', (piece) => (text += String(piece)))
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text, headers: answer.headers }))
      answer.on('error', () => resolve(undefined))
    })
    call.on('error', () => resolve(undefined))
    call.end(body)
  })
}

test('the owner’s commands are answered, and everybody may connect where the kernel says who they are', async () => {
  const api = await open()
  assert.equal(statSync(api.path).mode & 0o777, 0o666)
  const status = await ask(api.path, '/localapi/v0/status?peers=false')
  assert.deepEqual([status?.status, (JSON.parse(status?.text ?? '') as { Peer: unknown }).Peer], [200, null])
  assert.deepEqual(
    [status?.headers['tailscale-version'], status?.headers['tailscale-cap']],
    [api.backend.version, '137'],
  )
  assert.match(status?.text ?? '', /^\{\n\t"Version"/)
  const edit = { method: 'PATCH', body: '{"Hostname":"x","HostnameSet":true}' }
  assert.equal((await ask(api.path, '/localapi/v0/prefs', edit))?.status, 200)
  assert.equal(api.backend.now.Hostname, 'x')
  await api.close()
  assert.ok(!existsSync(api.path), 'it is removed at the end')
})

test('advisory 9: the user at the other end decides, for each request anew', async () => {
  let operator: number | undefined
  const api = await open({
    peerUid: () => 1000,
    owners: () => ({ ownUid: 0, ...(operator === undefined ? {} : { operatorUid: operator }) }),
  })
  const logout = () => ask(api.path, '/localapi/v0/logout', { method: 'POST' })
  assert.equal((await ask(api.path, '/localapi/v0/status'))?.status, 200)
  assert.deepEqual([(await logout())?.status, api.backend.done], [403, []])
  operator = 1000
  assert.deepEqual([(await logout())?.status, api.backend.done], [204, ['logout']])
  operator = 1001
  assert.equal((await logout())?.status, 403)
  await api.close()
  const unnamed = await open({ peerUid: () => undefined })
  assert.equal((await ask(unnamed.path, '/localapi/v0/status'))?.status, 403)
  await unnamed.close()
})

test('where the kernel does not say who is calling, the file is for its owner alone', async () => {
  const api = await open({ peerUid: null })
  assert.equal(statSync(api.path).mode & 0o777, 0o600)
  assert.equal((await ask(api.path, '/localapi/v0/logout', { method: 'POST' }))?.status, 204)
  await api.close()
})

test('the kernel names the user at the other end', async () => {
  const read = peerUidReader()
  const path = join(folder, 'who.sock')
  const seen: (number | undefined)[] = []
  const server = createServer((socket) => {
    seen.push(read(socket))
    socket.end()
    socket.destroy()
    assert.equal(read(socket), undefined, 'a closed socket is nobody’s')
  }).listen(path)
  await once(server, 'listening')
  chmodSync(folder, 0o755)
  chmodSync(path, 0o666)
  const visit = (uid: number) =>
    new Promise((resolve) => {
      const code = `require('net').connect(${JSON.stringify(path)}).resume().on('error', () => {})`
      execFile(process.execPath, ['-e', code], OWN === 0 ? { uid, cwd: '/' } : {}, resolve)
    })
  await visit(OWN)
  // Only root can become somebody else.
  if (OWN === 0) await visit(65_534)
  assert.deepEqual(seen, OWN === 0 ? [0, 65_534] : [OWN])
  server.close()
})

test('watching: the head comes at once, each line when it happens, and the watcher goes with its connection', async () => {
  const api = await open()
  const call = request({
    socketPath: api.path,
    path: '/localapi/v0/watch-ipn-bus?mask=0',
    headers: { host: 'local-tailscaled.sock' },
    agent: false,
  }).end()
  const [answer] = (await once(call, 'response')) as [IncomingMessage]
  assert.equal(answer.headers['content-type'], 'application/json')
  assert.ok(!api.backend.bus.isQuiet)
  api.backend.bus.publish({ state: 'Running' }, 0 as Mono)
  const [piece] = (await once(answer, 'data')) as [Uint8Array]
  assert.equal((JSON.parse(String(piece)) as { State: number }).State, 6)
  call.destroy()
  answer.on('error', () => {})
  const second = request({
    socketPath: api.path,
    path: '/localapi/v0/watch-ipn-bus?mask=2',
    headers: { host: 'local-tailscaled.sock' },
    agent: false,
  }).end()
  const [other] = (await once(second, 'response')) as [IncomingMessage]
  const ended = new Promise((resolve) => other.on('close', resolve))
  other.on('error', () => {})
  other.resume()
  await api.close()
  await ended
  assert.ok(api.backend.bus.isQuiet, 'both have gone')
})

test('hostile requests end in an answer or in nothing, and the daemon goes on', async () => {
  const api = await open()
  const big = 'x'.repeat(BODY_BYTES_MAX + 1)
  const patch = { method: 'PATCH', body: big }
  const refused = await ask(api.path, '/localapi/v0/prefs', patch)
  assert.ok(refused === undefined || refused.status === 413)
  // Without a length, it is counted as it comes.
  const chunked = await ask(api.path, '/localapi/v0/prefs', { ...patch, headers: { 'transfer-encoding': 'chunked' } })
  assert.ok(chunked === undefined || chunked.status === 413)
  const raw: readonly string[] = [
    'GET /localapi/v0/status HTTP/1.1\r\n\r\n',
    'GET http://evil.example/localapi/v0/status HTTP/1.1\r\nHost: local-tailscaled.sock\r\n\r\n',
    'GET /localapi/v0/status HTTP/1.1\r\nHost: local-tailscaled.sock\r\nHost: evil.example\r\n\r\n',
    'POST /localapi/v0/dial HTTP/1.1\r\nHost: local-tailscaled.sock\r\nConnection: upgrade\r\nUpgrade: ts-dial\r\n\r\n',
    `GET /${'a'.repeat(70_000)} HTTP/1.1\r\nHost: local-tailscaled.sock\r\n\r\n`,
    'POST /localapi/v0/logout HTTP/1.1\r\nHost: local-tailscaled.sock\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'POST /localapi/v0/logout HTTP/1.1\r\nHost: local-tailscaled.sock\r\nOrigin: x\r\nContent-Length: 0\r\n\r\n',
    '\x16\x03\x01\x02\x00\x01',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'GET /localapi/v0/whois?addr=%00%ff%zz HTTP/1.1\r\nHost: local-tailscaled.sock\r\n\r\n',
    'GET /localapi/v0/watch-ipn-bus?mask=99999999999999999999 HTTP/1.1\r\nHost: local-tailscaled.sock\r\n\r\n',
  ]
  for (const bytes of raw) {
    const socket = connect(api.path)
    socket.on('error', () => {})
    socket.end(Buffer.from(bytes, 'latin1'))
    let said = ''
    socket.on('data', (piece) => (said += String(piece)))
    await new Promise((resolve) => socket.on('close', resolve))
    assert.doesNotMatch(said, /^HTTP\/1\.1 2/, JSON.stringify(bytes.slice(0, 60)))
  }
  assert.deepEqual([api.backend.done, api.failures], [[], []])
  assert.equal((await ask(api.path, '/localapi/v0/status'))?.status, 200)
  await api.close()
})

test('a mistake of ours is a bare 500', async () => {
  const api = await open()
  api.backend.view = () => {
    throw new Error('privkey:secret')
  }
  const got = await ask(api.path, '/localapi/v0/status')
  assert.deepEqual([got?.status, got?.text, api.failures.length], [500, 'internal error\n', 1])
  await api.close()
})

test('strangers can’t use up the connections that the owner’s commands need', async () => {
  let uid = 1001
  const api = await open({ peerUid: () => uid, owners: () => ({ ownUid: 0 }) })
  const sockets = []
  for (let i = 0; i < 20; i++) {
    const socket = connect(api.path)
    socket.on('error', () => {})
    sockets.push(socket)
    await once(socket, 'connect')
  }
  assert.equal(await ask(api.path, '/localapi/v0/status'), undefined)
  uid = 0
  assert.equal((await ask(api.path, '/localapi/v0/status'))?.status, 200)
  for (const socket of sockets) socket.destroy()
  await api.close()
})

test('a socket that a crashed daemon left behind is replaced; a living one, and a file, are not', async () => {
  const path = join(folder, 'stale.sock')
  const code = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  await new Promise((resolve) => execFile(process.execPath, ['-e', code], resolve))
  assert.ok(statSync(path).isSocket())
  const api = await open({ path })
  const isInvalid = (error: unknown) => error instanceof MeshError && error.code === 'config/invalid'
  await assert.rejects(open({ path }), isInvalid)
  assert.equal((await ask(path, '/localapi/v0/status'))?.status, 200)
  await api.close()
  const file = join(folder, 'file')
  writeFileSync(file, 'mine')
  await assert.rejects(open({ path: file }), isInvalid)
  assert.equal(statSync(file).size, 4)
})

test('the operator is a user of this machine, by name or number', () => {
  const passwd = join(folder, 'passwd')
  writeFileSync(
    passwd,
    'root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\nbad:x:y:1::/:/bin/sh\n:x:0:0:::\n',
  )
  const rows: readonly (readonly [string, number | undefined])[] = [
    ['ann', 1000],
    ['1001', 1001],
    ['', undefined],
    ['bob', undefined],
    ['bad', undefined],
    ['an', undefined],
    ['-1', undefined],
  ]
  for (const [name, want] of rows) assert.equal(operatorUid(name, passwd), want, name)
  assert.equal(operatorUid('ann', join(folder, 'missing')), undefined)
})
