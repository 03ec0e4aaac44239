/**
 * The connection of one simulated node: TCP, upgrade, Noise, HTTP/2, as little of each as one client needs, and as
 * cheap as it can be, since what it costs is taken from the server that is measured. What is said over it is
 * simulated-node.ts.
 */

import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { base64, concat, EMPTY, textOf, utf8 } from '../../src/base/bytes.ts'
import type { Mono } from '../../src/base/clock.ts'
import type { MachineKey, PrivateKey } from '../../src/base/keys.ts'
import { readMachineKey } from '../../src/base/keys.ts'
import { nodePrimitives } from '../../src/crypto/io/node-primitives.ts'
import { initiate } from '../../src/crypto/noise.ts'
import type { NoiseSession } from '../../src/crypto/noise.ts'
import { decodeEarlyPayload } from '../../src/wire/early-payload.ts'
import { H2Client } from '../../src/wire/h2/index.ts'
import type { H2ClientEvent } from '../../src/wire/h2/index.ts'
import { MapFrameReader } from '../../src/wire/map-frame.ts'
import { decodeAnswer, encodeInitiation, RecordReader, sealRecords } from '../../src/wire/noise-frame.ts'

/** What Go's HTTP/2 transport announces, which official clients use. */
const WINDOWS = { streamWindow: 4 << 20, connectionWindow: 1 << 30 }
/** tailscaled has no limit of its own; this one only stops a run that has gone wrong. */
const FRAME_MAX = 64 << 20

/** Every socket reads into this: what it brings is used up before the next one reads. */
const INBOX = Buffer.alloc(64 << 10)

export interface Address {
  readonly host: string
  readonly port: number
}

interface Call {
  status: number
  text: string
  readonly frames: MapFrameReader | undefined
  readonly onFrame: ((compressed: Uint8Array) => void) | undefined
  readonly done: (answer: Answer) => void
  readonly failed: (error: Error) => void
}

export interface Answer {
  readonly status: number
  readonly text: string
}

export class Link {
  readonly #socket: Socket
  readonly #calls = new Map<number, Call>()
  readonly #h2 = new H2Client({ limits: WINDOWS })
  #session: NoiseSession | undefined
  #records: RecordReader | undefined
  /** What has come of the upgrade, or of the early payload. */
  #held: Uint8Array = EMPTY
  #early = true
  #opened: (() => void) | undefined
  #failed: ((error: Error) => void) | undefined
  #finish: ((message: Uint8Array) => NoiseSession | undefined) | undefined
  #closed = false

  private constructor(address: Address) {
    const onread = {
      buffer: INBOX,
      callback: (length: number) => {
        this.#receive(INBOX.subarray(0, length))
        return true
      },
    }
    this.#socket = connect({ ...address, noDelay: true, onread })
    this.#socket.on('error', () => this.#socket.destroy())
    this.#socket.on('close', () => this.#lose(new Error('connection closed')))
  }

  static async open(address: Address, own: PrivateKey, server: MachineKey, version: number): Promise<Link> {
    const link = new Link(address)
    await new Promise<void>((resolve, reject) => {
      link.#opened = resolve
      link.#failed = reject
      // The handshake is computed when somebody is there to take it: a server that restarts is asked many times.
      link.#socket.once('connect', () => link.#upgrade(address, own, server, version))
    })
    return link
  }

  /** Bytes at the socket so far, both ways. */
  get bytes(): number {
    return this.#socket.bytesRead + this.#socket.bytesWritten
  }

  close(): void {
    this.#socket.destroy()
  }

  async post(path: string, body: object): Promise<Answer> {
    return new Promise((done, failed) => {
      this.#call(path, body, { status: 0, text: '', frames: undefined, onFrame: undefined, done, failed })
    })
  }

  /** Opens a map stream; resolves when it has ended, rejects when it was refused. */
  async stream(body: object, onFrame: (compressed: Uint8Array) => void): Promise<void> {
    const answer = await new Promise<Answer>((done) => {
      const failed = () => done({ status: 200, text: '' })
      this.#call('/machine/map', body, {
        status: 0,
        text: '',
        frames: new MapFrameReader(FRAME_MAX),
        onFrame,
        done,
        failed,
      })
    })
    if (answer.status !== 200) throw new Error(`cannot open a map: ${answer.status} ${answer.text}`)
  }

  #call(path: string, body: object, call: Call): void {
    const request = { method: 'POST', path, authority: 'unused' }
    const id = this.#closed ? undefined : this.#h2.request(request)
    if (id === undefined) return call.failed(new Error('connection closed'))
    this.#calls.set(id, call)
    this.#h2.write(id, utf8(JSON.stringify(body)), { end: true })
    this.#flush()
  }

  #flush(): void {
    if (this.#session === undefined || !this.#h2.due) return
    this.#socket.write(sealRecords(this.#session.sender, this.#h2.take(1 << 20)))
  }

  // The beginning.

  #upgrade({ host, port }: Address, own: PrivateKey, server: MachineKey, version: number): void {
    const initiation = initiate(nodePrimitives, own, server, version)
    if (initiation === undefined) return this.#lose(new Error('the server has no usable key'))
    this.#finish = (message) => initiation.finish(message)
    this.#socket.write(
      [
        'POST /ts2021 HTTP/1.1',
        `Host: ${host}:${port}`,
        'User-Agent: Go-http-client/1.1',
        'Content-Length: 0',
        'Connection: upgrade',
        'Upgrade: tailscale-control-protocol',
        `X-Tailscale-Handshake: ${base64(encodeInitiation(version, initiation.message))}`,
        '\r\n',
      ].join('\r\n'),
    )
  }

  #receive(chunk: Uint8Array): void {
    if (this.#session === undefined) return this.#begin(concat([this.#held, chunk]))
    const records = this.#records as RecordReader
    for (const clear of records.push(chunk)) {
      const bytes = this.#early ? this.#takeEarly(clear) : clear
      if (bytes.length === 0) continue
      for (const event of this.#h2.receive(bytes, performance.now() as Mono)) this.#event(event)
    }
    if (records.broken) this.#socket.destroy()
    this.#flush()
  }

  /** The head of the upgrade's answer, then the Noise response; what follows is records. */
  #begin(held: Uint8Array): void {
    this.#held = held
    const end = Buffer.from(held.buffer, held.byteOffset, held.length).indexOf('\r\n\r\n')
    if (end < 0) return
    const answer = decodeAnswer(held.subarray(end + 4))
    if (answer.kind === 'incomplete') return
    const session = answer.kind === 'response' ? this.#finish?.(answer.message) : undefined
    if (session === undefined || answer.kind !== 'response') return void this.#socket.destroy()
    this.#session = session
    this.#records = new RecordReader(session.receiver)
    this.#held = EMPTY
    this.#opened?.()
    this.#flush()
    if (answer.rest.length > 0) this.#receive(answer.rest)
  }

  #takeEarly(clear: Uint8Array): Uint8Array {
    const held = concat([this.#held, clear])
    const early = decodeEarlyPayload(held)
    this.#held = early.kind === 'incomplete' ? held : EMPTY
    if (early.kind === 'incomplete') return EMPTY
    this.#early = false
    return early.kind === 'payload' ? early.rest : held
  }

  // Answers.

  #event(event: H2ClientEvent): void {
    if (event.kind === 'failed') return void this.#socket.destroy()
    if (event.kind === 'goaway' || event.kind === 'pong') return
    const call = this.#calls.get(event.stream)
    if (call === undefined) return
    if (event.kind === 'response') call.status = event.status
    else if (event.kind === 'data') this.#data(call, event.stream, event.bytes)
    if (event.kind !== 'reset' && !event.endStream) return
    this.#calls.delete(event.stream)
    if (event.kind === 'reset') call.failed(new Error(`stream reset: ${event.code}`))
    else call.done({ status: call.status, text: call.text })
  }

  #data(call: Call, stream: number, bytes: Uint8Array): void {
    if (call.frames !== undefined && call.status === 200)
      for (const frame of call.frames.push(bytes)) call.onFrame?.(frame)
    else call.text += textOf(bytes) ?? ''
    this.#h2.consumed(stream, bytes.length)
  }

  #lose(error: Error): void {
    if (this.#closed) return
    this.#closed = true
    this.#failed?.(error)
    this.#socket.destroy()
    const calls = [...this.#calls.values()]
    this.#calls.clear()
    for (const call of calls) call.failed(error)
  }
}

/** `GET /key`, on a connection of its own as clients do it. Gives the key, and what it cost at the socket. */
export async function fetchKey(
  address: Address,
  version: number,
): Promise<{ readonly key: MachineKey; readonly bytes: number }> {
  const socket = connect(address)
  let text = ''
  socket.setEncoding('latin1')
  const host = `${address.host}:${address.port}`
  socket.write(
    `GET /key?v=${version} HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip\r\n\r\n`,
  )
  try {
    for await (const piece of socket) {
      text += piece as string
      const key = readMachineKey(/"publicKey":\s*"(mkey:[0-9a-f]{64})"/.exec(text)?.[1] ?? '')
      if (key !== undefined) return { key, bytes: socket.bytesRead + socket.bytesWritten }
    }
  } finally {
    socket.destroy()
  }
  throw new Error(`no key at http://${host}/key: ${text.slice(0, 200)}`)
}
