import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get } from 'node:https'
import { suite, test } from 'node:test'
import { WebSocket } from 'ws'
import { DerpClient } from '../../../test/support/derp-client.ts'
import { rawKey } from '../../base/keys.ts'
import { nodePrimitives as p } from '../../crypto/io/node-primitives.ts'
import { generateKey } from '../../crypto/primitives.ts'
import { makeSelfSigned } from '../../crypto/io/self-signed.ts'
import { startRelay } from './start.ts'
import type { Relay } from './start.ts'

const TLS = makeSelfSigned(['relay.test', '127.0.0.1'], new Date())

/** A relay whose connections are held, and that lets nobody in before. */
async function heldRelay() {
  const asked: boolean[] = []
  let ready = false
  const relay = await startRelay({
    listen: { host: '127.0.0.1', port: 0 },
    key: generateKey(p.random),
    tls: TLS,
    stun: [],
    held: true,
    admission: {
      admits() {
        asked.push(ready)
        return ready ? { realm: 'one' } : undefined
      },
    },
    log: () => {},
  })
  const open = () => {
    ready = true
    relay.open()
  }
  return { relay, asked, open, at: { port: relay.address.port, ca: TLS.cert } }
}

/** What comes back has overtaken nothing: whoever asked before has been heard by then. */
async function roundTrips(relay: Relay): Promise<void> {
  for (let i = 0; i < 3; i++) {
    const at = { port: relay.address.port, host: '127.0.0.1', ca: TLS.cert, path: '/derp/probe', agent: false }
    const [answer] = await once(get(at), 'response')
    assert.equal(answer.statusCode, 200)
    answer.resume()
    await once(answer, 'end')
  }
}

suite('relay connections that come early', () => {
  for (const fast of [false, true])
    test(`${fast ? 'a fast start' : 'an upgrade'} waits, and is judged when the relay opens`, async () => {
      const { relay, asked, open, at } = await heldRelay()
      try {
        const early = DerpClient.connect({ ...at, fast }, rawKey(relay.key))
        await roundTrips(relay)
        assert.deepEqual(asked, [])
        open()
        await early
        await DerpClient.connect({ ...at, fast }, rawKey(relay.key))
        assert.deepEqual(asked, [true, true])
      } finally {
        await relay.close()
      }
    })

  test('a WebSocket waits too', async () => {
    const { relay, open, at } = await heldRelay()
    try {
      const socket = new WebSocket(`wss://127.0.0.1:${at.port}/derp`, ['derp'], { ca: at.ca })
      const opened = once(socket, 'open')
      await roundTrips(relay)
      assert.equal(socket.readyState, WebSocket.CONNECTING)
      open()
      await opened
      socket.terminate()
    } finally {
      await relay.close()
    }
  })

  test('a stop closes whoever still waits', async () => {
    const { relay, at } = await heldRelay()
    const lost = assert.rejects(DerpClient.connect({ ...at, fast: true }, rawKey(relay.key)), /closed/)
    await roundTrips(relay)
    await relay.close()
    await lost
  })
})
