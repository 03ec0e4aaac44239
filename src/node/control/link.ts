/**
 * One connection to the coordination server, from the upgrade request to HTTP/2 within Noise (control.md §3): bytes
 * in, events and bytes out. Who is dialled is dial.ts, what is said session.ts.
 */

import { base64, concat, EMPTY, textOf } from '../../base/bytes.ts'
import type { Bytes } from '../../base/bytes.ts'
import type { Mono } from '../../base/clock.ts'
import type { MachineKey, PrivateKey } from '../../base/keys.ts'
import { initiate } from '../../crypto/noise.ts'
import type { Initiation, NoiseSession } from '../../crypto/noise.ts'
import type { Primitives } from '../../crypto/primitives.ts'
import { decodeEarlyPayload } from '../../wire/early-payload.ts'
import { H2Client } from '../../wire/h2/index.ts'
import type { Field, H2ClientEvent } from '../../wire/h2/index.ts'
import { decodeAnswer, encodeInitiation, RecordReader, sealRecords } from '../../wire/noise-frame.ts'

/** A map stream fills its window and is read at once; more than this lies nowhere. */
const WINDOWS = { streamWindow: 4 << 20, connectionWindow: 8 << 20 }
/** The head of an answer to the upgrade, and an early payload, are a few hundred bytes. */
const HEAD_MAX = 16 << 10
const EARLY_MAX = 64 << 10
const UPGRADE = 'tailscale-control-protocol'
const SEND_AT_ONCE = 1 << 20

export type LinkEvent =
  /** The server has proved who it is; requests may be made. */
  | { readonly kind: 'up' }
  | { readonly kind: 'down'; readonly why: string }
  | { readonly kind: 'pong' }
  /** A whole answer. */
  | { readonly kind: 'answer'; readonly call: number; readonly answer: LinkAnswer }
  /** Bytes of a stream; used up when `consumed` says so. */
  | { readonly kind: 'piece'; readonly call: number; readonly bytes: Bytes }
  /** A stream has ended, or a call found no answer. */
  | { readonly kind: 'ended'; readonly call: number; readonly why: string }

export interface LinkAnswer {
  readonly status: number
  readonly headers: readonly Field[]
  readonly body: Bytes
}

export interface LinkOptions {
  readonly primitives: Primitives
  readonly machineKey: PrivateKey
  readonly serverKey: MachineKey
  readonly version: number
  /** For the Host header. */
  readonly host: string
}

export interface CallOptions {
  readonly method: string
  readonly path: string
  readonly headers?: readonly Field[]
  readonly body?: Bytes
  /** Longest answer to keep, in bytes; a longer one ends the call. */
  readonly limit: number
  /** A body of status 200 comes in pieces. */
  readonly stream?: boolean
}

interface Call {
  readonly limit: number
  readonly stream: boolean
  readonly parts: Bytes[]
  length: number
  status: number
  headers: readonly Field[]
}

export class ControlLink {
  readonly #options: LinkOptions
  readonly #h2 = new H2Client({ limits: WINDOWS })
  readonly #calls = new Map<number, Call>()
  #initiation: Initiation | undefined
  #session: NoiseSession | undefined
  #records: RecordReader | undefined
  /** What has come of the upgrade's answer, or of the early payload. */
  #held: Bytes = EMPTY
  #early = true
  #head = true
  #down = false

  constructor(options: LinkOptions) {
    this.#options = options
  }

  get isUp(): boolean {
    return this.#session !== undefined && !this.#down
  }

  /** The upgrade request; `undefined` when the server's key is none. */
  upgrade(): Bytes | undefined {
    const { primitives, machineKey, serverKey, version, host } = this.#options
    this.#initiation = initiate(primitives, machineKey, serverKey, version)
    if (this.#initiation === undefined) return undefined
    const lines = [
      'POST /ts2021 HTTP/1.1',
      `Host: ${host}`,
      'User-Agent: sett',
      'Content-Length: 0',
      'Connection: upgrade',
      `Upgrade: ${UPGRADE}`,
      `X-Tailscale-Handshake: ${base64(encodeInitiation(version, this.#initiation.message))}`,
    ]
    return new TextEncoder().encode(`${lines.join('\r\n')}\r\n\r\n`)
  }

  receive(chunk: Bytes, now: Mono): LinkEvent[] {
    if (this.#down) return []
    const events: LinkEvent[] = []
    let rest: Bytes = chunk
    if (this.#session === undefined) {
      const begun = this.#begin(concat([this.#held, chunk]))
      if (begun === undefined) return []
      if (typeof begun === 'string') return [this.#lose(begun)]
      events.push({ kind: 'up' })
      rest = begun
    }
    const records = this.#records as RecordReader
    for (const clear of records.push(rest)) {
      const bytes = this.#early ? this.#takeEarly(clear) : clear
      if (bytes === undefined) return [...events, this.#lose('the early payload is malformed')]
      if (bytes.length > 0) for (const event of this.#h2.receive(bytes, now)) this.#take(event, events)
    }
    if (records.broken && !this.#down) events.push(this.#lose('a record did not open'))
    return events
  }

  /** Bytes to send now, sealed; `undefined` when there are none. */
  take(): Bytes | undefined {
    if (this.#session === undefined || !this.#h2.due) return undefined
    return sealRecords(this.#session.sender, this.#h2.take(SEND_AT_ONCE))
  }

  /** Makes a request; `undefined` when the server takes no more now. */
  call(options: CallOptions): number | undefined {
    const { method, path, headers = [], body, limit, stream = false } = options
    const request = { method, path, authority: 'unused', headers }
    const id = this.isUp ? this.#h2.request(request, { end: body === undefined }) : undefined
    if (id === undefined) return undefined
    this.#calls.set(id, { limit, stream, parts: [], length: 0, status: 0, headers: [] })
    if (body !== undefined) this.#h2.write(id, body, { end: true })
    return id
  }

  /** Gives a call up. */
  cancel(call: number): void {
    if (this.#calls.delete(call)) this.#h2.reset(call, 'CANCEL')
  }

  /** Bytes of a stream have been used. */
  consumed(call: number, bytes: number): void {
    this.#h2.consumed(call, bytes)
  }

  /** Asks for a sign of life. */
  ping(): void {
    if (this.isUp) this.#h2.ping(this.#options.primitives.random(8))
  }

  /** The head of the answer, then the Noise response; gives what follows them, or why not. */
  #begin(held: Bytes): Bytes | string | undefined {
    this.#held = held
    if (this.#head) {
      const end = endOfHead(held)
      if (end < 0) return held.length > HEAD_MAX ? 'the answer to the upgrade is too long' : undefined
      const refused = refusal(textOf(held.subarray(0, end)) ?? '')
      if (refused !== undefined) return refused
      this.#head = false
      this.#held = held.subarray(end)
    }
    const answer = decodeAnswer(this.#held)
    if (answer.kind === 'incomplete') return undefined
    if (answer.kind === 'error') return `the server refuses: ${answer.text.slice(0, 200)}`
    const session = answer.kind === 'response' ? this.#initiation?.finish(answer.message) : undefined
    if (answer.kind !== 'response' || session === undefined) return 'the answer is not from the server that was meant'
    this.#session = session
    this.#records = new RecordReader(session.receiver)
    this.#held = EMPTY
    return answer.rest
  }

  #takeEarly(clear: Bytes): Bytes | undefined {
    const held = concat([this.#held, clear])
    const early = decodeEarlyPayload(held, EARLY_MAX)
    this.#held = early.kind === 'incomplete' ? held : EMPTY
    if (early.kind === 'incomplete') return EMPTY
    if (early.kind === 'malformed') return undefined
    this.#early = false
    return early.kind === 'payload' ? early.rest : held
  }

  #take(event: H2ClientEvent, events: LinkEvent[]): void {
    if (event.kind === 'failed') return void events.push(this.#lose(`HTTP/2 failed: ${event.why}`))
    if (event.kind === 'pong') return void events.push({ kind: 'pong' })
    if (event.kind === 'goaway') return
    const call = this.#calls.get(event.stream)
    if (call === undefined) {
      if (event.kind === 'data') this.#h2.consumed(event.stream, event.bytes.length)
      return
    }
    if (event.kind === 'response') {
      call.status = event.status
      call.headers = event.headers
    } else if (event.kind === 'data') this.#data(event.stream, call, event.bytes, events)
    const isOver = event.kind === 'reset' || event.endStream
    if (!isOver || !this.#calls.delete(event.stream)) return
    if (event.kind === 'reset') events.push({ kind: 'ended', call: event.stream, why: `reset: ${event.code}` })
    else if (isStreaming(call)) events.push({ kind: 'ended', call: event.stream, why: 'the server ended the stream' })
    else {
      const { status, headers, parts } = call
      events.push({ kind: 'answer', call: event.stream, answer: { status, headers, body: concat(parts) } })
    }
  }

  #data(id: number, call: Call, bytes: Bytes, events: LinkEvent[]): void {
    if (isStreaming(call)) return void events.push({ kind: 'piece', call: id, bytes })
    this.#h2.consumed(id, bytes.length)
    call.length += bytes.length
    if (call.length <= call.limit) return void call.parts.push(bytes.slice())
    this.cancel(id)
    events.push({ kind: 'ended', call: id, why: `the answer is longer than ${call.limit} bytes` })
  }

  #lose(why: string): LinkEvent {
    this.#down = true
    this.#calls.clear()
    return { kind: 'down', why }
  }
}

function isStreaming(call: Call): boolean {
  return call.stream && call.status === 200
}

/** Where what follows the head begins; -1 while the head is not whole. */
function endOfHead(bytes: Bytes): number {
  const last = Math.min(bytes.length, HEAD_MAX) - 4
  for (let i = 0; i <= last; i++)
    if (bytes[i] === 13 && bytes[i + 1] === 10 && bytes[i + 2] === 13 && bytes[i + 3] === 10) return i + 4
  return -1
}

/** Why this is not the answer that an upgrade wants. (control.md §3.1) */
function refusal(head: string): string | undefined {
  const [status = '', ...fields] = head.split('\r\n')
  if (!/^HTTP\/1\.1 101(?: |$)/.test(status)) return `no upgrade: ${status.slice(0, 100)}`
  const isOurs = fields.some((field) => {
    const colon = field.indexOf(':')
    return field.slice(0, colon).toLowerCase() === 'upgrade' && field.slice(colon + 1).trim() === UPGRADE
  })
  return isOurs ? undefined : 'upgraded to something else'
}
