/** What the command line says of a socket whose other end hangs up. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { MeshError } from '../../base/errors.ts'
import { socketFetch } from './socket-fetch.ts'

const ANSWER = 'HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\n{}'
const MUCH = 'x'.repeat(8 << 20)

const rows = [
  { name: 'hangs up at once', body: '', meet: (socket: Socket) => socket.destroy() },
  {
    name: 'hangs up while it is being told much',
    body: MUCH,
    meet: (socket: Socket) => socket.once('data', () => socket.destroy()),
  },
  {
    name: 'answers before it has heard all, and then hears no more',
    body: MUCH,
    meet: (socket: Socket) => socket.resume().write(ANSWER),
    status: 413,
  },
  {
    name: 'begins an answer, and hangs up',
    body: '',
    meet: (socket: Socket) => socket.once('data', () => socket.end(ANSWER.slice(0, -1))),
  },
]
for (const { name, body, meet, status } of rows)
  test(`a server of one's own that ${name} is not taken for one that refuses this user`, async () => {
    const dir = mkdtempSync(join(tmpdir(), 'sett-socket-'))
    const server = createServer((socket) => void meet(socket.on('error', () => undefined)))
    try {
      const path = join(dir, 'admin.sock')
      server.listen(path)
      await once(server, 'listening')
      const told = socketFetch(path)('http://sett/x', { method: 'POST', headers: {}, body })
      if (status !== undefined) assert.equal((await told).status, status)
      else
        await assert.rejects(told, (error: unknown) => {
          assert.ok(error instanceof MeshError)
          assert.equal(error.code, 'api/unreachable')
          assert.match(error.message, /closed the connection before it had answered/)
          assert.doesNotMatch(error.message, /root|user/)
          return true
        })
    } finally {
      server.close()
      rmSync(dir, { recursive: true })
    }
  })
