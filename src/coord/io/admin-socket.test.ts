import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { once } from 'node:events'
import { MeshError } from '../../base/errors.ts'
import { openAdminSocket } from './admin-socket.ts'
import type { Log } from './log.ts'
import { peerReader } from './peer-credentials.ts'
import type { Peer, ReadPeer } from './peer-credentials.ts'

const folder = mkdtempSync(join(tmpdir(), 'sett-admin-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const ownUid = process.getuid?.() ?? -1
let count = 0

async function open(options: { readonly readPeer?: ReadPeer; readonly ownUid?: number; readonly path?: string } = {}) {
  const logged: string[] = []
  const note = (event: string, fields?: object) => void logged.push(`${event} ${JSON.stringify(fields)}`)
  const log: Log = { trace: note, debug: note, info: note, warn: note, error: note }
  const path = options.path ?? join(folder, `${count++}.sock`)
  const handle = (_: unknown, res: { end(text: string): void }) => res.end('for you')
  const socket = await openAdminSocket({ ownUid, ...options, path, log, handle })
  return { ...socket, logged }
}

/** What the socket says; `refused` when it hangs up. */
function ask(socketPath: string): Promise<string> {
  return new Promise((resolve) => {
    const call = request({ socketPath, path: '/', agent: false }, (answer) => {
      let text = ''
      answer.on('data', (piece) => (text += String(piece)))
      answer.on('end', () => resolve(text))
    })
    call.on('error', () => resolve('refused'))
    call.end()
  })
}

test('the server’s own user is served, and the file is for nobody else', async () => {
  const socket = await open()
  assert.equal(statSync(socket.path).mode & 0o777, 0o600)
  assert.equal(await ask(socket.path), 'for you')
  await socket.close()
  assert.equal(statSync(socket.path, { throwIfNoEntry: false }), undefined, 'it is removed at the end')
})

describe('who is at the other end decides, whatever the file’s mode', () => {
  const rows: readonly (readonly [string, number | undefined, string])[] = [
    ['root', 0, 'for you'],
    ['the server’s own user', 1000, 'for you'],
    ['another user', 1001, 'refused'],
    ['somebody the kernel does not name', undefined, 'refused'],
  ]
  for (const [name, uid, want] of rows) {
    test(`${name}: ${want}`, async () => {
      const socket = await open({ readPeer: () => (uid === undefined ? undefined : { uid }), ownUid: 1000 })
      assert.equal(await ask(socket.path), want)
      assert.equal(
        socket.logged.some((line) => line.includes('caller refused')),
        want === 'refused',
      )
      await socket.close()
    })
  }
})

test('the kernel names the user at the other end', async () => {
  const read = peerReader()
  const path = join(folder, 'who.sock')
  const seen: (Peer | undefined)[] = []
  const server = createServer((socket) => {
    seen.push(read(socket))
    socket.end()
  }).listen(path)
  await once(server, 'listening')
  chmodSync(folder, 0o755)
  chmodSync(path, 0o666)
  const visit = (uid: number) =>
    new Promise((resolve) => {
      const code = `require('net').connect(${JSON.stringify(path)}).resume()`
      execFile(process.execPath, ['-e', code], ownUid === 0 ? { uid, cwd: '/' } : {}, resolve)
    })
  await visit(ownUid)
  // Only root can become somebody else.
  if (ownUid === 0) await visit(65_534)
  assert.deepEqual(
    seen.map((peer) => peer?.uid),
    ownUid === 0 ? [0, 65_534] : [ownUid],
  )
  if (process.platform === 'linux') assert.ok(seen.every((peer) => (peer?.pid ?? 0) > 0))
  server.close()
})

test('a socket that a crashed server left behind is replaced', async () => {
  const path = join(folder, 'stale.sock')
  const code = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  await new Promise((resolve) => execFile(process.execPath, ['-e', code], resolve))
  assert.ok(statSync(path).isSocket())
  const socket = await open({ path })
  assert.equal(await ask(path), 'for you')
  await socket.close()
})

test('a second server on the same folder is told so, and the first goes on', async () => {
  const first = await open()
  await assert.rejects(open({ path: first.path }), (error: unknown) => {
    return error instanceof MeshError && error.code === 'config/invalid' && /another server/.test(error.message)
  })
  assert.equal(await ask(first.path), 'for you')
  await first.close()
})

test('a file of that name is not removed', async () => {
  const path = join(folder, 'file.sock')
  writeFileSync(path, 'mine')
  await assert.rejects(open({ path }), /something else has that name/)
  assert.equal(statSync(path).size, 4)
})
