/**
 * Servers on real sockets of this machine: whatever bytes a stranger sends, they answer or close, note no fault of
 * their own, and go on serving others.
 */

import assert from 'node:assert/strict'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Duplex } from 'node:stream'
import * as fc from 'fast-check'
import { concat, utf8 } from '../../src/base/bytes.ts'
import type { Wall } from '../../src/base/clock.ts'
import { createRestListeners } from '../../src/coord/io/http/rest-listener.ts'
import type { RestOptions } from '../../src/coord/rest/rest.ts'
import { nodePrimitives as p } from '../../src/crypto/io/node-primitives.ts'
import { generateKey, machineKeyFor } from '../../src/crypto/primitives.ts'
import { makeSelfSigned } from '../../src/crypto/io/self-signed.ts'
import { startRelay } from '../../src/relay/io/start.ts'
import type { Relay } from '../../src/relay/io/start.ts'
import { encodeClientMessage } from '../../src/wire/derp/messages.ts'
import { initiate } from '../../src/crypto/noise.ts'
import { encodeInitiation } from '../../src/wire/noise-frame.ts'
import { upgradeRequest } from '../support/control-client.ts'
import { listenForControl } from '../support/control-listener.ts'
import type { TestListener } from '../support/control-listener.ts'
import { RestWorld } from '../support/rest-world.ts'
import { slowDecoder } from './decoder.ts'
import type { Decoder, Rules } from './decoder.ts'
import { bytesLike } from './shapes.ts'

/** A decoder in front of which a server has to be started, once. */
function served<Input, Server>(
  rules: Pick<Rules<Input>, 'name' | 'inputs'> & {
    readonly start: () => Promise<Server>
    readonly send: (server: Server, input: Input) => Promise<void>
    readonly stop: (server: Server) => Promise<void>
  },
): Decoder {
  let server: Promise<Server> | undefined
  const { name, inputs, start, send, stop } = rules
  return {
    ...slowDecoder({ name, inputs, read: async (input) => send(await (server ??= start()), input) }),
    async close() {
      const started = server
      server = undefined
      if (started !== undefined) await stop(await started)
    },
  }
}

/** Sends the bytes in two writes, says that this was all, and takes what comes until the other side has closed. */
async function exchange(socket: Duplex, bytes: Uint8Array, cut: number): Promise<string> {
  const parts: Buffer[] = []
  socket.on('data', (part: Buffer) => parts.push(part))
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.destroy()
      reject(new Error('the connection was neither answered nor closed'))
    }, 8000)
    // Servers may reset it; that is an answer too.
    socket.on('error', () => {})
    socket.on('close', () => {
      clearTimeout(timer)
      resolve()
    })
    socket.write(bytes.subarray(0, cut))
    socket.end(bytes.subarray(cut))
  })
  return Buffer.concat(parts).toString('latin1')
}

const cut = fc.nat()
const http = (text: string) => utf8(text.replaceAll('\n', '\r\n'))

const REQUESTS: readonly Uint8Array[] = [
  http('GET /key?v=113 HTTP/1.1\nHost: localhost\n\n'),
  http('GET /login/abcdefgh12345678 HTTP/1.1\nHost: localhost\nX-Forwarded-For: 1.2.3.4\nForwarded: for="[::1]"\n\n'),
  http('GET /generate_204 HTTP/1.1\nHost: localhost\nX-Tailscale-Challenge: ts_x\n\n'),
  http('GET /api/v2/tailnet/-/devices?fields=all HTTP/1.1\nHost: localhost\nAuthorization: Bearer TOKEN\n\n'),
  http('GET //api/v2/../x%2f?%zz HTTP/1.1\nHost: local host\nAuthorization: Basic VE9LRU46\n\n'),
  http('POST /api/v2/tailnet/-/keys HTTP/1.1\nHost: localhost\nAuthorization: Bearer TOKEN\nContent-Length: 2\n\n{}'),
  http(
    'POST /api/v2/tailnet/-/keys HTTP/1.1\nHost: localhost\nAuthorization: Bearer TOKEN\nTransfer-Encoding: chunked\n\n1\n{\n1\n}\n0\n\n',
  ),
  http('GET http://localhost/key?v=113 HTTP/1.0\n\nGET / HTTP/1.1\nHost: a\n\nHEAD /healthz HTTP/1.1\nHost: b\n\n'),
  http(
    'POST /ts2021 HTTP/1.1\nHost: localhost\nUpgrade: tailscale-control-protocol\nConnection: upgrade\nX-Tailscale-Handshake: AAAA\n\n',
  ),
  http(
    'GET /ts2021?X-Tailscale-Handshake=AAAA HTTP/1.1\nHost: localhost\nConnection: Upgrade\nUpgrade: websocket\n' +
      'Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Protocol: tailscale-control-protocol\n\n',
  ),
]

interface ControlServer {
  readonly listener: TestListener
  readonly world: RestWorld
  readonly token: Uint8Array
}

/** Faults of the server's own. */
function faultsOf(listener: TestListener): unknown[] {
  return listener.logged.filter(
    ([event]) => /failed|refuses everybody/.test(event) && !event.startsWith('control connection failed'),
  )
}

async function startControl(): Promise<ControlServer> {
  const world = await RestWorld.make()
  const options = {
    ledger: world.ledger,
    dice: p.random,
    primitives: p,
    config: { version: '0', url: 'http://localhost', started: 0 as Wall, tailnetDomain: 'sett.internal' },
    live: { isOnline: () => false, ping: async () => ({ outcome: 'not-connected' }), regionName: () => undefined },
    onError: (error) => world.errors.push(error),
  } satisfies RestOptions
  const rest = createRestListeners(
    options,
    (req) => req.socket.remoteAddress ?? '',
    () => ({ uid: 0, name: 'root', host: 'sett' }),
  )
  const listener = await listenForControl({ trustedProxy: ['loopback'], site: { rest: rest.token } })
  return { listener, world, token: utf8(world.alpha.tokens.owner) }
}

/** The bytes with the token where `TOKEN` stands. */
function withToken(bytes: Uint8Array, token: Uint8Array): Uint8Array {
  const at = Buffer.from(bytes).indexOf('TOKEN')
  return at < 0 ? bytes : concat([bytes.subarray(0, at), token, bytes.subarray(at + 5)])
}

const control = served({
  name: 'HTTP to the coordination server',
  inputs: fc.tuple(bytesLike(REQUESTS), cut),
  start: startControl,
  async send({ listener, world, token }, [bytes, cut]) {
    await exchange(connect(listener.port, '127.0.0.1'), withToken(bytes, token), cut % (bytes.length + 1))
    assert.deepEqual(faultsOf(listener), [])
    assert.deepEqual(world.errors, [])
    listener.logged.length = 0
  },
  async stop({ listener }) {
    assert.equal((await fetch(`${listener.url}/key?v=113`)).status, 200)
    await listener.close()
  },
})

/** Upgrades by the book, with damage done to what follows them or to themselves. */
const upgrade = served({
  name: 'upgrades to a control connection',
  inputs: fc.tuple(bytesLike([upgradeBytes('A'), concat([upgradeBytes('B'), bytesOf('0400100000')])]), cut),
  start: () => listenForControl(),
  async send(listener, [bytes, cut]) {
    const begun = initiate(p, generateKey(p.random), machineKeyFor(p, listener.key), 131)
    assert.ok(begun !== undefined)
    const right = Buffer.from(encodeInitiation(131, begun.message)).toString('base64')
    // Half of them carry a handshake made for this server.
    const text = Buffer.from(bytes).toString('latin1').replace('B'.repeat(136), right)
    await exchange(connect(listener.port, '127.0.0.1'), Buffer.from(text, 'latin1'), cut % (bytes.length + 1))
    assert.deepEqual(faultsOf(listener), [])
    listener.logged.length = 0
  },
  stop: (listener) => listener.close(),
})

function upgradeBytes(letter: string): Uint8Array {
  return utf8(upgradeRequest('http://localhost', new Uint8Array(0), { 'X-Tailscale-Handshake': letter.repeat(136) }))
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.fromHex(hex)
}

const greeting = encodeClientMessage({
  kind: 'client-info',
  key: new Uint8Array(32).fill(9),
  sealed: new Uint8Array(60),
})
const RELAY_REQUESTS: readonly Uint8Array[] = [
  http('GET /derp/probe HTTP/1.1\nHost: relay\n\n'),
  http('GET /generate_204 HTTP/1.1\nHost: relay\nX-Tailscale-Challenge: ts_x\n\n'),
  http('GET /bootstrap-dns?q=x HTTP/1.1\nHost: relay\n\n'),
  concat([http('GET /derp HTTP/1.1\nHost: relay\nUpgrade: DERP\nConnection: Upgrade\n\n'), greeting]),
  concat([
    http('GET /derp HTTP/1.1\nHost: relay\nUpgrade: DERP\nConnection: Upgrade\nDerp-Fast-Start: 1\nIdeal-Node: a\n\n'),
    greeting,
  ]),
  http(
    'GET /derp HTTP/1.1\nHost: relay\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Protocol: derp\n\n',
  ),
]

const relay = served({
  name: 'HTTP to the relay, and what follows it',
  inputs: fc.tuple(fc.boolean(), bytesLike(RELAY_REQUESTS), cut),
  start: () =>
    startRelay({
      listen: { host: '127.0.0.1', port: 0 },
      key: generateKey(p.random),
      tls: makeSelfSigned(['127.0.0.1'], new Date()),
      stun: [],
      admission: { admits: () => undefined },
      log: () => {},
    }),
  async send(relay: Relay, [encrypted, bytes, cut]) {
    const { port } = relay.address
    const socket: Socket = encrypted
      ? connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false })
      : connect(port, '127.0.0.1')
    await exchange(socket, bytes, cut % (bytes.length + 1))
    assert.equal(relay.peers().length, 0)
  },
  async stop(relay: Relay) {
    const text = await exchange(
      connectTls({ host: '127.0.0.1', port: relay.address.port, rejectUnauthorized: false }),
      http('GET /derp/probe HTTP/1.1\nHost: a\n\n'),
      0,
    )
    assert.match(text, /^HTTP\/1\.1 200 /)
    await relay.close()
  },
})

export const SOCKETS: readonly Decoder[] = [control, upgrade, relay]
