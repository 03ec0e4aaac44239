/** What pumps are made of, without device and privileges: the books of sessions, the bounded hand-over, waking and clocks. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import type { Mono } from '../../../base/clock.ts'
import { nodeKeyOf } from '../../../base/keys.ts'
import { Arena } from '../../../crypto/io/raw-memory.ts'
import { SessionMemory } from '../../data-path-session.ts'
import { DropCounts } from '../../data-path.ts'
import type { Keypair } from '../../wireguard/keypairs.ts'
import { clockAt, offsetOf } from './clock.ts'
import { Doorbell, hear } from './doorbell.ts'
import { HandOver, taken, WAITING_MOST } from './hand-over.ts'
import type { FromPump } from './messages.ts'
import { Words } from './messages.ts'
import { SessionBooks } from './sessions.ts'
import { Waiter, WAITER_BYTES } from './waiter.ts'

const onLinux = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch)
const skip = !onLinux && 'system calls are made on Linux only'

const keypair = (localIndex: number): Keypair => ({
  peer: nodeKeyOf(new Uint8Array(32)),
  localIndex,
  remoteIndex: 1,
  sendKey: new Uint8Array(32),
  receiveKey: new Uint8Array(32),
  isInitiator: true,
  createdAt: 0 as Mono,
})

test('the books keep a session’s memory while it is listed, tell each thing once, and remember what ended ones carried', () => {
  const books = new SessionBooks(2)
  const [old, young] = [keypair(11), keypair(12)]
  const [first] = books.set(7, [old])
  assert.ok(first !== undefined && books.news().length === 0)
  // As four threads see it: two that seal, two that open.
  const seen = new SessionMemory(4, first.memory)
  seen.takeCounter()
  seen.takeCounter()
  seen.note(0, 100, 5 as Mono)
  seen.note(1, 0, 8 as Mono)
  assert.deepEqual(books.news(), [{ localIndex: 11, sentAt: 8, sentDataAt: 5, sent: 2 }])
  assert.deepEqual(books.news(), [])
  seen.note(3, 40, 9 as Mono)
  assert.deepEqual(books.news(), [{ localIndex: 11, receivedAt: 9, receivedDataAt: 9 }])

  const again = books.set(7, [young, old])
  assert.equal(again[1], first)
  assert.notEqual(again[0]?.memory, first.memory)
  assert.deepEqual(books.traffic(7), { sentPackets: 2, sentBytes: 100, receivedPackets: 1, receivedBytes: 40 })
  books.set(7, [young])
  assert.deepEqual(books.traffic(7), { sentPackets: 2, sentBytes: 100, receivedPackets: 1, receivedBytes: 40 })
  // An index that comes again, of another session, begins with counter 0.
  const [other] = books.set(7, [keypair(12)])
  assert.notEqual(other?.memory, again[0]?.memory)
  books.set(7, [])
  assert.ok(books.isEmpty)
  books.forget(7)
  assert.equal(books.traffic(7).sentPackets, 0)
})

test('as much is handed over as may wait; the rest is counted and not even made', () => {
  const words = new SharedArrayBuffer(Words.count * 4)
  const posted: FromPump[] = []
  const drops = new DropCounts()
  const handOver = new HandOver(words, (message) => void posted.push(message), drops)
  let made = 0
  const give = (): void => handOver.give(() => ({ kind: 'engine', packet: new Uint8Array([(made += 1) & 255]) }), 2)
  for (let i = 0; i < WAITING_MOST + 10; i++) give()
  assert.deepEqual(
    [posted.length, made, drops.of('engine-busy'), handOver.hasRoom],
    [WAITING_MOST, WAITING_MOST, 20, false],
  )
  taken(new Int32Array(words))
  give()
  give()
  assert.deepEqual([posted.length, drops.of('engine-busy')], [WAITING_MOST + 1, 22])
})

test('a doorbell that was rung is heard at once, by whoever waits then or later, here or aside', { skip }, async () => {
  const arena = new Arena(4096)
  const [bell, other] = [new Doorbell(), new Doorbell()]
  try {
    const waiter = new Waiter(arena, 64, [bell.fd, other.fd])
    waiter.wait(0)
    assert.deepEqual([waiter.isReady(0), waiter.isReady(1)], [false, false])
    bell.ring()
    bell.ring()
    waiter.wait(-1)
    assert.deepEqual([waiter.isReady(0), waiter.isReady(1)], [true, false])
    hear(bell.fd, arena, 0)
    waiter.wait(0)
    assert.equal(waiter.isReady(0), false)
    const aside = waiter.waitAside(-1)
    other.ring()
    await aside
    assert.deepEqual([waiter.isReady(0), waiter.isReady(1)], [false, true])
    assert.throws(() => new Waiter(arena, arena.size - WAITER_BYTES + 8, [bell.fd]), RangeError)
    assert.throws(
      () =>
        new Waiter(
          arena,
          64,
          Array.from({ length: 8 }, () => bell.fd),
        ),
      RangeError,
    )
  } finally {
    bell.close()
    other.close()
  }
  bell.ring()
})

test('a clock in another thread says the same', async () => {
  const offset = offsetOf(() => performance.now() as Mono)
  const url = new URL('./clock.ts', import.meta.url).href
  const code = `import { parentPort, workerData } from 'node:worker_threads'
import { clockAt } from ${JSON.stringify(url)}
parentPort.postMessage(clockAt(workerData)())`
  const before = performance.now()
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), { workerData: offset })
  const said = await new Promise<number>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  await worker.terminate()
  // The offsets themselves are good to some microseconds.
  assert.ok(said > before - 1 && said < performance.now() + 1, `${before} ${said}`)
  const [first, second, third] = [performance.now(), clockAt(offset)(), performance.now()]
  assert.ok(second > first - 1 && second < third + 1)
})
