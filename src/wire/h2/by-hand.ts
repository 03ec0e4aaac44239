/** Frames by hand, for tests: right ones, wrong ones, and what a machine says of them. */

import { concat, fromHex } from '../../base/bytes.ts'
import type { Mono } from '../../base/clock.ts'
import { codeName, FLAG, FRAME } from './codes.ts'
import type { H2Code } from './codes.ts'
import { FrameReader, PREFACE, readU32 } from './frames.ts'
import type { Frame } from './frames.ts'
import { HeaderEncoder } from './hpack.ts'
import type { Field } from './hpack.ts'
import { H2Client, H2Server } from './index.ts'
import type { H2Limits } from './index.ts'

export const NOW = 1000 as Mono

/** A frame by hand; `length` lies about the payload. */
export function raw(
  type: number,
  flags: number,
  stream: number,
  payload: string | Uint8Array = '',
  length?: number,
): Uint8Array {
  const body = typeof payload === 'string' ? (fromHex(payload.replaceAll(' ', '')) as Uint8Array) : payload
  const size = length ?? body.length
  const head = [size >>> 16, (size >>> 8) & 255, size & 255, type, flags]
  return concat([
    Uint8Array.from([...head, stream >>> 24, (stream >>> 16) & 255, (stream >>> 8) & 255, stream & 255]),
    body,
  ])
}

export const END = FLAG.END_STREAM
export const WHOLE = FLAG.END_HEADERS
export const SETTINGS = raw(FRAME.SETTINGS, 0, 0)
export const PING = raw(FRAME.PING, 0, 0, '0102030405060708')
export const GREETING = concat([PREFACE, SETTINGS])

export function block(fields: readonly Field[]): Uint8Array {
  return new HeaderEncoder().encode(fields)
}

export const POST: readonly Field[] = [
  [':method', 'POST'],
  [':scheme', 'https'],
  [':path', '/'],
  [':authority', 'unused'],
]

/** HEADERS of a request; without END_STREAM unless `flags` says so. */
export function request(stream: number, extra: readonly Field[] = [], flags: number = WHOLE): Uint8Array {
  return raw(FRAME.HEADERS, flags, stream, block([...POST, ...extra]))
}

export function data(stream: number, length: number, flags = 0): Uint8Array {
  return raw(FRAME.DATA, flags, stream, new Uint8Array(length))
}

export function many(count: number, frame: (i: number) => Uint8Array): Uint8Array {
  return concat(Array.from({ length: count }, (_, i) => frame(i)))
}

export function framesOf(bytes: Uint8Array): Frame[] {
  const reader = new FrameReader()
  reader.push(bytes)
  const frames: Frame[] = []
  for (let next = reader.next(); typeof next === 'object'; next = reader.next()) frames.push(next)
  return frames
}

export type Verdict = 'fine' | { readonly goaway: H2Code } | { readonly reset: H2Code; readonly stream: number }

/** What the frames that a machine sends say of its peer: the last word counts. */
export function verdict(machine: H2Server | H2Client): Verdict {
  let said: Verdict = 'fine'
  for (const frame of framesOf(concat(machine.take()))) {
    if (frame.type === FRAME.GOAWAY) said = { goaway: codeName(readU32(frame.payload, 4)) }
    if (frame.type === FRAME.RST_STREAM) said = { reset: codeName(readU32(frame.payload, 0)), stream: frame.stream }
  }
  return said
}

/** A sentence of the specification: what a peer sends after its greeting, and what we say to it. */
export type Row = {
  readonly name: string
  readonly send: readonly Uint8Array[]
  readonly want: Verdict
  readonly limits?: Partial<H2Limits>
}

export const goaway = (code: H2Code): Verdict => ({ goaway: code })
export const reset = (code: H2Code, stream = 1): Verdict => ({ reset: code, stream })

export const TRAILERS = raw(FRAME.HEADERS, WHOLE | END, 1, block([['x-sum', '1']]))
export const OPEN = raw(FRAME.HEADERS, 0, 1, block(POST))

export type Judgement = {
  readonly said: Verdict
  /** The code of the 'failed' event, if there was one. */
  readonly failed: H2Code | undefined
}

/** What a fresh server says to a client that greets it and then sends this. */
export function judgeClient(row: Row): Judgement {
  return judge(new H2Server(row.limits === undefined ? {} : { limits: row.limits }), GREETING, row.send)
}

/** What a fresh client, waiting for its answer on stream 1, says to a server that greets it and then sends this. */
export function judgeServer(row: Row): Judgement {
  const client = new H2Client(row.limits === undefined ? {} : { limits: row.limits })
  client.request({ method: 'GET', path: '/', authority: 'a' }, { end: true })
  return judge(client, SETTINGS, row.send)
}

function judge(machine: H2Server | H2Client, greeting: Uint8Array, send: readonly Uint8Array[]): Judgement {
  machine.receive(greeting, NOW)
  machine.take()
  const failed = machine.receive(concat(send), NOW).find((event) => event.kind === 'failed')
  return { said: verdict(machine), failed: failed?.code }
}

/** The verdict that a row wants, with the event that goes with it. */
export function wanted(want: Verdict): Judgement {
  return { said: want, failed: typeof want === 'object' && 'goaway' in want ? want.goaway : undefined }
}

/** A greeted server with requests open on these streams, and nothing left to take. */
export function serving(streams: readonly number[], limits: Partial<H2Limits> = {}, settings = ''): H2Server {
  const server = new H2Server({ limits })
  server.receive(GREETING, NOW)
  if (settings !== '') server.receive(raw(FRAME.SETTINGS, 0, 0, settings), NOW)
  for (const stream of streams) server.receive(request(stream, [], WHOLE | END), NOW)
  for (const stream of streams) server.respond(stream, 200, [])
  server.take()
  return server
}
