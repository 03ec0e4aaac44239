/**
 * A small control client for tests and benches, made of our own client halves of Noise and HTTP/2.
 *
 * It does on the wire what an official client does, keeps almost nothing in memory, and lets a test do what no
 * official client would. What a map says is the caller's matter: it gets the compressed frames.
 */

import { connect as connectTcp } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { performance } from 'node:perf_hooks'
import { zstdDecompressSync } from 'node:zlib'
import { WebSocket } from 'ws'
import { base64, concat, EMPTY, textOf, utf8 } from '../../src/base/bytes.ts'
import type { Mono } from '../../src/base/clock.ts'
import type { MachineKey, NodeKey } from '../../src/base/keys.ts'
import { PrivateKey, readMachineKey, ZERO_NODE_KEY } from '../../src/base/keys.ts'
import { nodePrimitives } from '../../src/crypto/io/node-primitives.ts'
import { initiate } from '../../src/crypto/noise.ts'
import type { NoiseSession } from '../../src/crypto/noise.ts'
import { generateKey } from '../../src/crypto/primitives.ts'
import { H2Client } from '../../src/wire/h2/index.ts'
import type { Field, H2ClientEvent } from '../../src/wire/h2/index.ts'
import { decodeAnswer, encodeInitiation, RecordReader, sealRecords } from '../../src/wire/noise-frame.ts'

export const CLIENT_VERSION = 131

/** What Go's HTTP/2 transport announces, which official clients use. */
const WINDOWS = { streamWindow: 4 << 20, connectionWindow: 1 << 30 }
const EARLY_MAGIC = new Uint8Array([0xff, 0xff, 0xff, 0x54, 0x53])

export interface ConnectOptions {
  /** Origin of the server. */
  readonly url: string
  readonly machineKey?: PrivateKey
  readonly version?: number
  /** From `/key` when absent. */
  readonly serverKey?: MachineKey
  readonly via?: 'upgrade' | 'websocket'
  /** The version mixed into the transcript, where it shall not be the one in the header. */
  readonly transcriptVersion?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly localAddress?: string
  readonly timeoutMs?: number
}

export interface Answer {
  readonly status: number
  readonly headers: readonly Field[]
  readonly body: Uint8Array
  readonly text: string
}

/** The server's words instead of a Noise response. */
export class Refused extends Error {}

export async function fetchServerKey(url: string, version = CLIENT_VERSION): Promise<MachineKey> {
  const answer = await fetch(`${url}/key?v=${version}`)
  const { publicKey = '' } = (await answer.json()) as { publicKey?: string }
  const key = readMachineKey(publicKey)
  if (key === undefined) throw new Error(`no key at ${url}/key: status ${answer.status}`)
  return key
}

/** A request under way. */
interface Call {
  status: number
  headers: readonly Field[]
  readonly parts: Uint8Array[]
  /** For streams: takes the bytes instead of `parts`. */
  readonly onBytes: ((bytes: Uint8Array) => void) | undefined
  readonly onHeaders: ((status: number, headers: readonly Field[]) => void) | undefined
  readonly done: (answer: Answer) => void
  readonly failed: (error: Error) => void
}

export interface MapStream {
  /** Resolves with status 200 when the stream has begun, with the refusal otherwise. */
  readonly opened: Promise<Answer>
  /** Resolves when the stream has ended, whoever ended it. */
  readonly closed: Promise<void>
  /** Gives it up, as a client does that starts another one. */
  cancel(): void
}

export class ControlClient {
  readonly machineKey: PrivateKey
  readonly version: number
  /** The early payload's JSON, if there was one. */
  early: string | undefined
  /** Whether an early payload may still come. */
  #earlyDue = true
  #plain: Uint8Array = EMPTY
  readonly #wire: Wire
  readonly #session: NoiseSession
  readonly #records: RecordReader
  readonly #h2 = new H2Client({ limits: WINDOWS })
  readonly #calls = new Map<number, Call>()
  readonly #closed: Promise<void>
  #dead: Error | undefined

  private constructor(wire: Wire, session: NoiseSession, machineKey: PrivateKey, version: number, rest: Uint8Array) {
    this.#wire = wire
    this.#session = session
    this.machineKey = machineKey
    this.version = version
    this.#records = new RecordReader(session.receiver)
    this.#closed = new Promise((resolve) => {
      wire.onClose(() => {
        this.#fail(new Error('connection closed'))
        resolve()
      })
    })
    wire.onData((chunk) => this.#receive(chunk))
    this.#receive(rest)
    this.flush()
  }

  static async connect(options: ConnectOptions): Promise<ControlClient> {
    const { url, version = CLIENT_VERSION, transcriptVersion = version } = options
    const machineKey = options.machineKey ?? generateKey(nodePrimitives.random)
    const serverKey = options.serverKey ?? (await fetchServerKey(url, version))
    const initiation = initiate(nodePrimitives, machineKey, serverKey, transcriptVersion)
    if (initiation === undefined) throw new Error('the server has no usable key')
    const frame = encodeInitiation(version, initiation.message)
    const wire = options.via === 'websocket' ? await dialWebSocket(options, frame) : await dialUpgrade(options, frame)
    try {
      const { message, rest } = await readAnswer(wire, options.timeoutMs ?? 20_000)
      const session = initiation.finish(message)
      if (session === undefined) throw new Error('the answer is not from the server that was meant')
      return new ControlClient(wire, session, machineKey, version, rest)
    } catch (error) {
      wire.destroy()
      throw error
    }
  }

  /** Bytes at the socket, both ways. */
  get bytesReceived(): number {
    return this.#wire.received()
  }

  get bytesSent(): number {
    return this.#wire.sent()
  }

  /** Resolves when the connection is gone. */
  get closed(): Promise<void> {
    return this.#closed
  }

  /** One request with a whole answer. Objects are sent as JSON. */
  request(method: string, path: string, body?: object | Uint8Array, headers: readonly Field[] = []): Promise<Answer> {
    return this.#call(method, path, body, headers, undefined, undefined)[1]
  }

  register(body: object): Promise<Answer> {
    return this.request('POST', '/machine/register', body)
  }

  /** A map stream: `onFrame` gets each frame's compressed bytes, which are good only during the call. */
  map(body: object, onFrame: (compressed: Uint8Array) => void): MapStream {
    const frames = new FrameSplitter(onFrame)
    let opened: (answer: Answer) => void = () => {}
    const begun = new Promise<Answer>((resolve) => (opened = resolve))
    const [id, done] = this.#call(
      'POST',
      '/machine/map',
      body,
      [],
      (bytes) => frames.push(bytes),
      (status, headers) => {
        if (status === 200) opened({ status, headers, body: EMPTY, text: '' })
      },
    )
    const closed = done.then(opened, () => opened({ status: 0, headers: [], body: EMPTY, text: 'connection closed' }))
    return {
      opened: begun,
      closed,
      cancel: () => {
        if (id === undefined) return
        this.#h2.reset(id, 'CANCEL')
        this.#calls.get(id)?.failed(new Error('cancelled'))
        this.#calls.delete(id)
        this.flush()
      },
    }
  }

  /** The HTTP/2 machine itself, for tests that say what no client would. Call `flush` afterwards. */
  get h2(): H2Client {
    return this.#h2
  }

  /** Seals these bytes as they are, past HTTP/2. */
  sendPlain(bytes: Uint8Array): void {
    this.#wire.write(sealRecords(this.#session.sender, [bytes]))
  }

  /** Sends these bytes past Noise. */
  sendRaw(bytes: Uint8Array): void {
    this.#wire.write(bytes)
  }

  /** Reads nothing more until `resume`. */
  pause(): void {
    this.#wire.pause()
  }

  resume(): void {
    this.#wire.resume()
  }

  flush(): void {
    const pieces = this.#h2.take()
    if (pieces.length > 0) this.#wire.write(sealRecords(this.#session.sender, pieces))
    if (this.#h2.due) this.flush()
  }

  close(): void {
    this.#wire.destroy()
  }

  #call(
    method: string,
    path: string,
    body: object | Uint8Array | undefined,
    headers: readonly Field[],
    onBytes: Call['onBytes'],
    onHeaders: Call['onHeaders'],
  ): [number | undefined, Promise<Answer>] {
    const bytes = body === undefined ? EMPTY : body instanceof Uint8Array ? body : utf8(JSON.stringify(body))
    const id =
      this.#dead === undefined
        ? this.#h2.request({ method, path, authority: 'unused', headers }, { end: bytes.length === 0 })
        : undefined
    if (id === undefined) return [id, Promise.reject(this.#dead ?? new Error('the server takes no more streams'))]
    const answer = new Promise<Answer>((done, failed) => {
      this.#calls.set(id, { status: 0, headers: [], parts: [], onBytes, onHeaders, done, failed })
    })
    if (bytes.length > 0) this.#h2.write(id, bytes, { end: true })
    this.flush()
    return [id, answer]
  }

  #receive(chunk: Uint8Array): void {
    for (const clear of this.#records.push(chunk)) {
      const bytes = this.#earlyDue ? this.#takeEarly(clear) : clear
      if (bytes.length === 0) continue
      for (const event of this.#h2.receive(bytes, performance.now() as Mono)) this.#event(event)
    }
    if (this.#records.broken) {
      this.#fail(new Error('a record from the server did not open'))
      this.#wire.destroy()
    }
    this.flush()
  }

  /** Takes the early payload off the beginning; gives what follows, nothing while it is not whole. */
  #takeEarly(clear: Uint8Array): Uint8Array {
    const all = (this.#plain = this.#plain.length === 0 ? clear : concat([this.#plain, clear]))
    if (all.length < 9) return EMPTY
    let rest = all
    if (EARLY_MAGIC.every((byte, i) => all[i] === byte)) {
      const length = new DataView(all.buffer, all.byteOffset).getUint32(5)
      if (all.length < 9 + length) return EMPTY
      this.early = textOf(all.subarray(9, 9 + length))
      rest = all.subarray(9 + length)
    }
    this.#earlyDue = false
    this.#plain = EMPTY
    return rest
  }

  #event(event: H2ClientEvent): void {
    if (event.kind === 'failed') return this.#fail(new Error(`HTTP/2 failed: ${event.why}`))
    if (event.kind === 'goaway' || event.kind === 'pong') return
    const call = this.#calls.get(event.stream)
    if (call === undefined) return
    switch (event.kind) {
      case 'response':
        call.status = event.status
        call.headers = event.headers
        call.onHeaders?.(event.status, event.headers)
        break
      case 'data':
        if (call.onBytes !== undefined && call.status === 200) call.onBytes(event.bytes)
        else if (event.bytes.length > 0) call.parts.push(event.bytes.slice())
        this.#h2.consumed(event.stream, event.bytes.length)
        break
      case 'reset':
        this.#calls.delete(event.stream)
        call.failed(new Error(`stream reset: ${event.code}`))
        return
    }
    if (!event.endStream) return
    this.#calls.delete(event.stream)
    const body = concat(call.parts)
    call.done({ status: call.status, headers: call.headers, body, text: textOf(body) ?? '' })
  }

  #fail(error: Error): void {
    this.#dead ??= error
    const calls = [...this.#calls.values()]
    this.#calls.clear()
    for (const call of calls) call.failed(error)
  }
}

/** Cuts a map stream into frames: a length of four bytes, little-endian, and so many bytes (control.md §5.2). */
export class FrameSplitter {
  #held: Uint8Array = EMPTY
  readonly #onFrame: (compressed: Uint8Array) => void

  constructor(onFrame: (compressed: Uint8Array) => void) {
    this.#onFrame = onFrame
  }

  push(bytes: Uint8Array): void {
    let all = this.#held.length === 0 ? bytes : concat([this.#held, bytes])
    while (all.length >= 4) {
      const end = 4 + new DataView(all.buffer, all.byteOffset).getUint32(0, true)
      if (all.length < end) break
      this.#onFrame(all.subarray(4, end))
      all = all.subarray(end)
    }
    this.#held = all.length === 0 ? EMPTY : all.slice()
  }
}

/** What a frame says. */
export function decodeFrame(compressed: Uint8Array): { readonly [field: string]: unknown } {
  return JSON.parse(zstdDecompressSync(compressed).toString('utf8')) as { readonly [field: string]: unknown }
}

/** The least that an official client sends to register. */
export function registerBody(options: {
  readonly nodeKey: NodeKey
  readonly authKey?: string
  readonly hostname?: string
  readonly version?: number
  readonly followup?: string
}): object {
  return {
    Version: options.version ?? CLIENT_VERSION,
    NodeKey: options.nodeKey,
    OldNodeKey: ZERO_NODE_KEY,
    NLKey: `nlpub:${'0'.repeat(64)}`,
    ...(options.authKey === undefined ? {} : { Auth: { AuthKey: options.authKey } }),
    Expiry: '0001-01-01T00:00:00Z',
    Followup: options.followup ?? '',
    Hostinfo: { OS: 'linux', Hostname: options.hostname ?? 'machine' },
  }
}

// The wire below Noise.

interface Wire {
  write(bytes: Uint8Array): void
  onData(take: (chunk: Uint8Array) => void): void
  onClose(closed: () => void): void
  pause(): void
  resume(): void
  destroy(): void
  received(): number
  sent(): number
}

async function readAnswer(
  wire: Wire,
  timeoutMs: number,
): Promise<{ readonly message: Uint8Array; readonly rest: Uint8Array }> {
  let held: Uint8Array = EMPTY
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no answer to the handshake')), timeoutMs)
    const settle = (act: () => void) => {
      clearTimeout(timer)
      act()
    }
    wire.onClose(() => settle(() => reject(new Error('connection closed during the handshake'))))
    wire.onData((chunk) => {
      held = held.length === 0 ? chunk : concat([held, chunk])
      const answer = decodeAnswer(held)
      if (answer.kind === 'error') settle(() => reject(new Refused(answer.text)))
      if (answer.kind === 'malformed') settle(() => reject(new Error('the answer is no Noise response')))
      if (answer.kind !== 'response') return
      // The connection takes over in the same turn, so that nothing is lost between.
      wire.pause()
      settle(() => resolve({ message: answer.message, rest: answer.rest }))
    })
  })
}

export interface RawAnswer {
  readonly socket: Socket
  readonly status: number
  readonly head: string
  /** What came behind the head. */
  readonly rest: Uint8Array
}

/** Opens a connection to an origin. */
export function dial(url: string, localAddress?: string): Socket {
  const { protocol, hostname, port } = new URL(url)
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  const where = {
    host,
    port: Number(port || (protocol === 'https:' ? 443 : 80)),
    ...(localAddress === undefined ? {} : { localAddress }),
  }
  const socket =
    protocol === 'https:'
      ? connectTls({ ...where, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] })
      : connectTcp({ ...where, noDelay: true })
  socket.on('error', () => socket.destroy())
  return socket
}

/** Writes a request head and reads the answer's, leaving the socket paused behind it. */
export function exchangeHeads(socket: Socket, request: string | Uint8Array, timeoutMs = 20_000): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    let held: Uint8Array = EMPTY
    const timer = setTimeout(() => give(() => reject(new Error('no answer to the request'))), timeoutMs)
    const give = (act: () => void) => {
      clearTimeout(timer)
      socket.off('data', onData)
      socket.off('close', onClose)
      act()
    }
    const onClose = () => give(() => reject(new Error('connection closed before the answer')))
    const onData = (chunk: Buffer) => {
      held = held.length === 0 ? chunk : concat([held, chunk])
      const end = Buffer.from(held.buffer, held.byteOffset, held.length).indexOf('\r\n\r\n')
      if (end < 0) return
      socket.pause()
      const head = Buffer.from(held.subarray(0, end)).toString('latin1')
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0)
      give(() => resolve({ socket, status, head, rest: held.subarray(end + 4) }))
    }
    socket.on('close', onClose)
    socket.on('data', onData)
    socket.write(request)
  })
}

/** The upgrade request of an official client. */
export function upgradeRequest(
  url: string,
  initiation: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): string {
  const lines: Record<string, string> = {
    Host: new URL(url).host,
    'User-Agent': 'Go-http-client/1.1',
    'Content-Length': '0',
    Connection: 'upgrade',
    Upgrade: 'tailscale-control-protocol',
    'X-Tailscale-Handshake': base64(initiation),
    ...headers,
  }
  const fields = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`)
  return `POST /ts2021 HTTP/1.1\r\n${fields.join('')}\r\n`
}

async function dialUpgrade(options: ConnectOptions, initiation: Uint8Array): Promise<Wire> {
  const { url, headers, localAddress, timeoutMs } = options
  const socket = dial(url, localAddress)
  const request = upgradeRequest(url, initiation, headers)
  const { status, head, rest } = await exchangeHeads(socket, request, timeoutMs)
  if (status !== 101 || !/\r\nUpgrade: tailscale-control-protocol(?:\r\n|$)/.test(head)) {
    socket.destroy()
    throw new Error(`no upgrade: ${head.split('\r\n', 1)[0]}`)
  }
  let pending = rest
  let take: (chunk: Uint8Array) => void = () => {}
  let closed = () => {}
  socket.on('data', (chunk) => take(chunk as Buffer))
  socket.on('close', () => closed())
  return {
    write: (bytes) => void socket.write(bytes),
    onData(next) {
      take = next
      const first = pending
      pending = EMPTY
      // In this order: whoever has enough with these bytes pauses.
      socket.resume()
      if (first.length > 0) next(first)
    },
    onClose: (next) => {
      closed = next
      if (socket.closed) next()
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    destroy: () => void socket.destroy(),
    received: () => socket.bytesRead,
    sent: () => socket.bytesWritten,
  }
}

async function dialWebSocket(options: ConnectOptions, initiation: Uint8Array): Promise<Wire> {
  const address = `${options.url.replace(/^http/, 'ws')}/ts2021?X-Tailscale-Handshake=${encodeURIComponent(base64(initiation))}`
  const socket = new WebSocket(address, 'tailscale-control-protocol', {
    perMessageDeflate: false,
    rejectUnauthorized: false,
    headers: { Origin: 'https://elsewhere.example', ...options.headers },
  })
  let received = 0
  let sent = 0
  let take: ((chunk: Uint8Array) => void) | undefined
  const early: Uint8Array[] = []
  let closed = () => {}
  socket.on('message', (data: Buffer) => {
    received += data.length
    if (take === undefined) early.push(data)
    else take(data)
  })
  socket.on('close', () => closed())
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('error', reject)
  })
  socket.on('error', () => socket.terminate())
  return {
    write(bytes) {
      sent += bytes.length
      socket.send(bytes)
    },
    onData(next) {
      take = next
      if (socket.isPaused) socket.resume()
      for (const chunk of early.splice(0)) next(chunk)
    },
    onClose: (next) => (closed = next),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    destroy: () => socket.terminate(),
    received: () => received,
    sent: () => sent,
  }
}

/** A machine key that stays the same for one number, for runs that shall repeat. */
export function machineKeyFromSeed(seed: number): PrivateKey {
  return PrivateKey.clamped(nodePrimitives.sha256(utf8(`machine ${seed}`)))
}
