/**
 * A DERP client for tests and benchmarks: the wire codec over a real TLS socket, with the ways to begin that
 * official clients have. It does what it is told, the wrong things included.
 */

import { Buffer } from 'node:buffer'
import { once } from 'node:events'
import { connect } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { concat, textOf } from '../../src/base/bytes.ts'
import type { Bytes } from '../../src/base/bytes.ts'
import { nodeKeyOf } from '../../src/base/keys.ts'
import type { NodeKey, PrivateKey } from '../../src/base/keys.ts'
import { openBox, sealBox } from '../../src/crypto/box.ts'
import { nodePrimitives as p } from '../../src/crypto/io/node-primitives.ts'
import { generateKey } from '../../src/crypto/primitives.ts'
import { FrameReader } from '../../src/wire/derp/frame.ts'
import { decodeServerInfo, encodeClientInfo } from '../../src/wire/derp/info.ts'
import {
  decodeServerKey,
  decodeServerMessage,
  encodeClientMessage,
  serverKeyRule,
  serverRule,
} from '../../src/wire/derp/messages.ts'
import type { ClientMessage, ServerMessage } from '../../src/wire/derp/messages.ts'

export interface ClientOptions {
  readonly port: number
  /** The server's certificate, PEM; nothing else is trusted. */
  readonly ca: string
  readonly key?: PrivateKey
  /** Begin without waiting for anything, as official clients do when they see the meta certificate. */
  readonly fast?: boolean
  readonly headers?: string
  readonly upgrade?: string
}

/** The ClientInfo frame that `key` greets a relay with. */
export function clientInfoFrame(key: PrivateKey, relay: Bytes): Uint8Array {
  const clear = encodeClientInfo({ version: 2, canAckPings: true, isProber: false, appName: '' })
  const sealed = sealBox(p, key, relay, p.random(24), clear)
  return encodeClientMessage({ kind: 'client-info', key: p.x25519Public(key), sealed })
}

/** Opens a TLS connection that trusts `ca` alone. */
export async function openTls(port: number, ca: string): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', ca, ALPNProtocols: ['h2', 'http/1.1'] })
  await once(socket, 'secureConnect')
  socket.on('error', () => socket.destroy())
  return socket
}

export class DerpClient {
  readonly key: PrivateKey
  readonly raw: Uint8Array
  readonly node: NodeKey
  readonly socket: TLSSocket
  /** The bytes of the answer to the request, for those who look. */
  head = ''
  relay: Uint8Array = new Uint8Array(0)
  readonly messages: ServerMessage[] = []
  closed = false
  onMessage: ((m: ServerMessage) => void) | undefined
  #reader = new FrameReader(serverKeyRule)
  #wake: (() => void)[] = []

  private constructor(key: PrivateKey, socket: TLSSocket) {
    this.key = key
    this.raw = p.x25519Public(key)
    this.node = nodeKeyOf(this.raw)
    this.socket = socket
    socket.on('close', () => {
      this.closed = true
      this.#tell()
    })
  }

  /** Connects and greets; resolves when the greeting is answered. Rejects when the connection ends before. */
  static async connect(options: ClientOptions, relay: Bytes): Promise<DerpClient> {
    const socket = await openTls(options.port, options.ca)
    const client = new DerpClient(options.key ?? generateKey(p.random), socket)
    const request =
      `GET /derp HTTP/1.1\r\nHost: relay.test\r\nUpgrade: ${options.upgrade ?? 'DERP'}\r\nConnection: Upgrade\r\n` +
      `${options.fast === true ? 'Derp-Fast-Start: 1\r\n' : ''}${options.headers ?? ''}\r\n`
    if (options.fast === true) {
      socket.write(concat([Buffer.from(request), clientInfoFrame(client.key, relay)]))
      client.relay = relay
      client.#reader.rule = serverRule
      socket.on('data', (chunk) => client.#feed(chunk as Buffer))
    } else {
      socket.write(request)
      await client.#readHead()
    }
    await client.until((m) => m.kind === 'server-info')
    return client
  }

  send(m: ClientMessage): boolean {
    return this.socket.write(encodeClientMessage(m))
  }

  packet(to: Bytes, packet: Bytes): boolean {
    return this.send({ kind: 'send', to, packet })
  }

  /** The first message that fits, from the beginning of time; waits for it. */
  async until(fits: (m: ServerMessage) => boolean): Promise<ServerMessage> {
    for (;;) {
      const found = this.messages.find(fits)
      if (found !== undefined) return found
      if (this.closed) throw new Error('closed')
      await new Promise<void>((wake) => this.#wake.push(wake))
    }
  }

  async untilClosed(): Promise<void> {
    while (!this.closed) await new Promise<void>((wake) => this.#wake.push(wake))
  }

  close(): void {
    this.socket.destroy()
  }

  /** Sends a ping and waits for its pong: everything sent before has then been handled. */
  async flush(): Promise<void> {
    const data = p.random(8)
    this.send({ kind: 'ping', data })
    await this.until((m) => m.kind === 'pong' && Buffer.compare(m.data, data) === 0)
  }

  async #readHead(): Promise<void> {
    let seen = Buffer.alloc(0)
    await new Promise<void>((done, fail) => {
      const closed = () => fail(new Error('closed'))
      this.socket.once('close', closed)
      const read = (chunk: Buffer) => {
        seen = Buffer.concat([seen, chunk])
        const end = seen.indexOf('\r\n\r\n')
        if (end < 0) return
        this.head = textOf(seen.subarray(0, end + 4)) ?? ''
        this.socket.off('data', read)
        this.socket.off('close', closed)
        this.socket.on('data', (more) => this.#feed(more as Buffer))
        this.#feed(seen.subarray(end + 4))
        done()
      }
      this.socket.on('data', read)
    })
  }

  #feed(chunk: Uint8Array): void {
    const reader = this.#reader
    reader.push(chunk)
    for (;;) {
      const got = reader.next()
      if (got === 'more') return this.#tell()
      if (got === 'skipped') continue
      if (got === 'refused') return void this.socket.destroy()
      if (reader.rule === serverKeyRule) {
        const relay = decodeServerKey(reader.body())
        if (relay === undefined) return void this.socket.destroy()
        this.relay = relay
        reader.rule = serverRule
        this.socket.write(clientInfoFrame(this.key, relay))
        continue
      }
      const m = decodeServerMessage(reader.type, reader.body())
      if (m === undefined) continue
      if (m.kind === 'server-info') {
        const clear = openBox(p, this.key, this.relay, m.sealed)
        if (clear === undefined || decodeServerInfo(clear) === undefined) return void this.socket.destroy()
      }
      if (this.onMessage !== undefined) this.onMessage(m)
      else this.messages.push(m)
      if (m.kind === 'server-info') this.messages.push(m)
    }
  }

  #tell(): void {
    const wake = this.#wake
    this.#wake = []
    for (const one of wake) one()
  }
}
