/**
 * Fuzzing of the HTTP/2 machines: mutated sessions thrown at either side, and two machines talking at random.
 *
 * Each fuzzer is deterministic by its seed and runs for as long as the caller wants: briefly in the unit tests, for
 * minutes in the long proof. A broken promise is thrown, with the seed and the case that shows it.
 */

import { concat } from '../../base/bytes.ts'
import type { Bytes } from '../../base/bytes.ts'
import { later } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'
import { block, END, framesOf, NOW, POST, raw, request, TRAILERS, WHOLE } from './by-hand.ts'
import { fuzzer, noise, pick, promise } from './dice.fuzz.ts'
import type { Below, Fuzzer } from './dice.fuzz.ts'
import { FLAG, FRAME, FRAME_BYTES } from './codes.ts'
import { PREFACE } from './frames.ts'
import { fieldSize } from './hpack-tables.ts'
import { HeaderDecoder, TABLE_BYTES } from './hpack.ts'
import { H2Client, H2Server } from './index.ts'
import type { H2ClientEvent, H2Limits, H2ServerEvent } from './index.ts'
import { converse } from './talk.fuzz.ts'

/** A frame as a peer may send it at any time: some are right, some are not. */
function anyFrame(below: Below): Uint8Array {
  const stream = pick(below, [0, 1, 1, 3, 5, 7, 2, 99])
  switch (below(12)) {
    case 0:
      return request(stream, [['x', 'y'.repeat(below(300))]], WHOLE | (below(2) * END))
    case 1:
      return raw(FRAME.DATA, below(2) * END, stream, new Uint8Array(below(below(2) === 0 ? 100 : FRAME_BYTES)))
    case 2:
      return raw(
        FRAME.DATA,
        FLAG.PADDED | (below(2) * END),
        stream,
        concat([Uint8Array.of(below(20)), new Uint8Array(20)]),
      )
    case 3:
      return raw(
        FRAME.HEADERS,
        WHOLE | (below(2) * END),
        stream,
        block([[':status', pick(below, ['200', '204', '103', 'x'])]]),
      )
    case 4:
      return concat([
        raw(FRAME.HEADERS, END, stream, block(POST)),
        raw(FRAME.CONTINUATION, WHOLE, stream, '400161 0162'),
      ])
    case 5:
      return TRAILERS
    case 6:
      return raw(
        FRAME.SETTINGS,
        pick(below, [0, 0, FLAG.ACK]),
        0,
        below(2) === 0 ? '' : concat([Uint8Array.of(0, below(8)), word(below)]),
      )
    case 7:
      return raw(FRAME.PING, below(2), 0, new Uint8Array(8))
    case 8:
      return raw(FRAME.WINDOW_UPDATE, 0, stream, word(below))
    case 9:
      return raw(FRAME.RST_STREAM, 0, stream, word(below))
    case 10:
      return raw(FRAME.GOAWAY, 0, 0, concat([word(below), word(below)]))
    default:
      return raw(below(12), below(256), stream, noise(below, 40))
  }
}

function word(below: Below): Uint8Array {
  return pick(below, [Uint8Array.of(0, 0, below(256), below(256)), Uint8Array.of(below(256), 0, 0, below(256))])
}

/** A session's frames with a few of them spoilt. */
function hostile(below: Below): Uint8Array {
  const frames = [raw(FRAME.SETTINGS, 0, 0)]
  if (below(2) === 0) frames.push(request(1), request(3, [], WHOLE | END))
  for (let i = below(40); i > 0; i--) frames.push(anyFrame(below))
  for (let i = below(4); i > 0; i--) {
    const at = below(frames.length)
    const frame = (frames[at] as Uint8Array).slice()
    const spoilt = below(5)
    if (spoilt === 0) frames.splice(at, 1)
    else if (spoilt === 1) frames.splice(at, 0, frame)
    else if (spoilt === 2) frames[at] = frame.subarray(0, below(frame.length + 1))
    else for (let n = 1 + below(4); n > 0; n--) frame[below(spoilt === 3 ? 9 : frame.length)] = below(256)
    if (spoilt > 2) frames[at] = frame
    if (frames.length === 0) break
  }
  return concat(frames)
}

type Event = H2ServerEvent | H2ClientEvent
type Machine = H2Server | H2Client

const TIGHT: Partial<H2Limits> = {
  concurrentStreams: 3,
  streamWindow: 65_535,
  connectionWindow: 100_000,
  headerListBytes: 1000,
  headerBlockBytes: 2000,
  continuations: 3,
  unreadFrames: 30,
  patience: 100,
}

/** What is promised of any series of events: a stream begins once, brings no more than its window, ends once. */
class Watcher {
  readonly #machine: Machine
  readonly #open = new Map<number, number>()
  #last = 0
  #failed = false
  readonly log: string[] = []

  constructor(machine: Machine, asked: readonly number[] = []) {
    this.#machine = machine
    for (const stream of asked) this.#open.set(stream, 0)
  }

  see(events: readonly Event[]): void {
    for (const event of events) {
      promise(!this.#failed, 'an event after the failure')
      this.#see(event)
    }
    const server = this.#machine instanceof H2Server
    promise(!server || this.#machine.openStreams <= 3, 'more streams than announced')
    promise(!this.#failed || (this.#machine.finished && this.#machine.openStreams === 0), 'failed, yet not finished')
  }

  #see(event: Event): void {
    if (event.kind === 'data') {
      const held = this.#open.get(event.stream)
      promise(held !== undefined, 'data on a stream that is not open')
      promise((held ?? 0) + event.bytes.length <= 65_535, 'more data than the window')
      this.#open.set(event.stream, (held ?? 0) + event.bytes.length)
      if (event.endStream) this.#open.delete(event.stream)
      this.log.push(`data ${event.stream} ${event.bytes.length} ${event.endStream}`)
      return
    }
    this.log.push(JSON.stringify(event))
    if (event.kind === 'failed') this.#failed = true
    if (event.kind === 'request') {
      promise(event.stream > this.#last && event.stream % 2 === 1, 'stream ids out of order')
      this.#last = event.stream
      this.#open.set(event.stream, 0)
    }
    if (event.kind === 'response') promise(this.#open.has(event.stream), 'an answer nobody asked for')
    if ((event.kind === 'request' || event.kind === 'response') && event.endStream) this.#open.delete(event.stream)
    if (event.kind === 'reset') this.#open.delete(event.stream)
  }
}

/** What a machine sends is whole frames, and nothing of a stream after its end. */
function checkSent(bytes: Bytes, ended: Set<number>): void {
  let length = 0
  for (const frame of framesOf(bytes)) {
    length += frame.payload.length + 9
    promise(frame.payload.length <= FRAME_BYTES, 'a frame larger than peers take')
    const opens = frame.type === FRAME.DATA || frame.type === FRAME.HEADERS
    promise(!opens || (frame.stream !== 0 && !ended.has(frame.stream)), 'a frame after the end of its stream')
    if (opens && (frame.flags & END) !== 0) ended.add(frame.stream)
    if (frame.type === FRAME.RST_STREAM) ended.add(frame.stream)
  }
  promise(length === bytes.length, 'half a frame')
}

/** The same bytes in one piece and in many, from a buffer that is wiped after each, are the same session. */
function listen(below: Below, make: () => { machine: Machine; asked: readonly number[] }, bytes: Uint8Array): void {
  const whole = make()
  const once = new Watcher(whole.machine, whole.asked)
  once.see(whole.machine.receive(bytes, NOW))
  const pieces = make()
  const often = new Watcher(pieces.machine, pieces.asked)
  const step = pick(below, [1, 10, 1000])
  for (let at = 0; at < bytes.length;) {
    const piece = bytes.slice(at, (at += 1 + below(step)))
    often.see(pieces.machine.receive(piece, NOW))
    piece.fill(0xff)
  }
  promise(once.log.join('\n') === often.log.join('\n'), 'another session when it comes in pieces')
  promise(concat(whole.machine.take()).toHex() === concat(pieces.machine.take()).toHex(), 'other answers')
}

/** A shell that does something sensible or not with every event. */
function act(below: Below, server: H2Server, events: readonly H2ServerEvent[], answered: Set<number>): void {
  for (const event of events) {
    if (event.kind === 'data') server.consumed(event.stream, below(event.bytes.length + 1))
    if (event.kind !== 'request' && event.kind !== 'data') continue
    const { stream } = event
    if (!answered.has(stream) && below(2) === 0) {
      answered.add(stream)
      const end = below(4) === 0
      if (server.respond(stream, 200, [['x', 'y']], { end }) && !end)
        server.write(stream, new Uint8Array(below(100_000)), { end: below(2) === 0 })
    } else if (below(20) === 0) server.reset(stream, 'CANCEL')
    if (below(100) === 0) server.goaway()
    if (below(20) === 0) server.ping(new Uint8Array(8))
  }
}

function hostileClient(below: Below): void {
  const bytes = concat([PREFACE, hostile(below)])
  listen(below, () => ({ machine: new H2Server({ limits: TIGHT }), asked: [] }), bytes)
  const server = new H2Server({ limits: TIGHT })
  const watcher = new Watcher(server)
  const [answered, ended] = [new Set<number>(), new Set<number>()]
  for (let at = 0, now: Mono = NOW; at < bytes.length; now = later(now, below(1000))) {
    const events = server.receive(bytes.subarray(at, (at += 1 + below(3000))), now) as H2ServerEvent[]
    watcher.see(events)
    act(below, server, events, answered)
    if (below(3) > 0) checkSent(concat(server.take(1 + below(50_000))), ended)
  }
  checkSent(concat(server.take()), ended)
}

function hostileServer(below: Below): void {
  const make = () => {
    const machine = new H2Client({ limits: TIGHT })
    const asked = [1, 2, 3].map(() => machine.request({ method: 'GET', path: '/', authority: 'a' }) as number)
    machine.write(1, new Uint8Array(100_000))
    return { machine, asked }
  }
  listen(below, make, hostile(below))
}

function headerBlocks(below: Below): void {
  const decoder = new HeaderDecoder(1000)
  for (let i = 1 + below(5); i > 0; i--) {
    const bytes = concat([block(POST), noise(below, 60), Uint8Array.of(0x40, 1, 97, 2, 98, 99), noise(below, 60)])
    for (let n = below(4); n > 0; n--) bytes[below(bytes.length)] = below(256)
    const list = decoder.decode(bytes)
    promise(decoder.tableBytes <= TABLE_BYTES, 'a table above its size')
    if (list === undefined) return
    promise(
      list.fields.reduce((sum, [name, value]) => sum + fieldSize(name, value), 0) <= 1000,
      'a list above its size',
    )
  }
}

/** All fuzzers of this folder. */
export const fuzzers: readonly Fuzzer[] = [
  fuzzer('a hostile client', hostileClient),
  fuzzer('a hostile server', hostileServer),
  fuzzer('header blocks', headerBlocks),
  fuzzer('two machines', converse),
]
