/** What the engine hears of sessions: each thing once, keepalives without the packets before them. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Mono } from '../../../base/clock.ts'
import { nodeKeyOf } from '../../../base/keys.ts'
import { SessionMemory } from '../../data-path-session.ts'
import { SessionBooks } from './sessions.ts'

const bytes = new Uint8Array(32)
const keypair = {
  peer: nodeKeyOf(bytes),
  createdAt: 0 as Mono,
  isInitiator: true,
  localIndex: 5,
  remoteIndex: 6,
  sendKey: bytes,
  receiveKey: bytes,
}
const [SENDS, OPENS] = [0, 1]

test('packets are news once: a keepalive that comes later brings no word of them', () => {
  const books = new SessionBooks(1)
  const [posted] = books.set(1, [keypair])
  const memory = new SessionMemory(2, posted?.memory)
  assert.deepEqual(books.news(), [])
  memory.takeCounter()
  memory.note(SENDS, 100, 10 as Mono)
  memory.note(OPENS, 50, 20 as Mono)
  assert.deepEqual(books.news(), [
    { localIndex: 5, sentAt: 10, sentDataAt: 10, sent: 1, receivedAt: 20, receivedDataAt: 20 },
  ])
  assert.deepEqual(books.news(), [])
  memory.takeCounter()
  memory.note(SENDS, 0, 30 as Mono)
  memory.note(OPENS, 0, 40 as Mono)
  assert.deepEqual(books.news(), [{ localIndex: 5, sentAt: 30, sent: 2, receivedAt: 40 }])
  memory.note(OPENS, 1, 50 as Mono)
  assert.deepEqual(books.news(), [{ localIndex: 5, receivedAt: 50, receivedDataAt: 50 }])
  assert.deepEqual(books.traffic(1), { sentPackets: 2, sentBytes: 100, receivedPackets: 3, receivedBytes: 51 })
})
