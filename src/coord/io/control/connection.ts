/**
 * One client's control connection behind the handshake: records in, requests out to the core, and its answers back.
 *
 * The connection writes once a turn, seals only what the system can take, and leaves the rest where HTTP/2 keeps
 * it; so a slow client costs its own buffer, which the core bounds, and nobody else anything.
 */

import { concat, EMPTY, utf8 } from '../../../base/bytes.ts'
import { Gathered } from '../../../base/gather.ts'
import type { MachineKey } from '../../../base/keys.ts'
import type { Mono } from '../../../base/clock.ts'
import type { NoiseSession } from '../../../crypto/noise.ts'
import { H2Server } from '../../../wire/h2/index.ts'
import type { Field, RequestEvent } from '../../../wire/h2/index.ts'
import { RecordReader, sealRecords } from '../../../wire/noise-frame.ts'
import { PLAIN } from '../../control.ts'
import type { ControlHandler } from '../../control.ts'
import type { Log } from '../log.ts'
import type { Pipe } from './pipe.ts'
import type { Bodies, Held } from './bodies.ts'
import { Reply } from './reply.ts'
import type { ReplyCarrier } from './reply.ts'
import type { Turn } from './turn.ts'

export const MAX_BODY = 1024 * 1024

/** Most of what is due leaves in one piece: a first map for hundreds of peers included. */
const WRITE_BYTES = 512 * 1024

/** How long a connection may be without what it should do next. */
const PREFACE_MS = 15_000
const BODY_MS = 60_000
const IDLE_MS = 5 * 60_000
/**
 * Whoever has said nothing for so long, and a random part more so that not all are asked at once, is asked for a
 * sign of life. A machine that lost its power says no goodbye, and the kernel notices after a quarter of an hour.
 */
const QUIET_MS = 90_000
const QUIET_SPREAD_MS = 30_000
const PONG_MS = 30_000
/** Longer than the watchdog of official clients, which come back by themselves after 120 s without a message. */
const STALL_MS = 150_000

const PING = utf8('alive?  ')

export interface Services {
  handler(): ControlHandler
  readonly turn: Turn
  readonly log: Log
  /** Over all connections. */
  readonly bodies: Bodies
  mono(): Mono
  /** Bytes that left inside Noise. */
  counted(bytes: number): void
  /** Gives numbers from 0 up to 1, by which connections that begin together go apart; chance when left out. */
  readonly spread?: () => number
}

export interface Peer {
  readonly machine: MachineKey
  readonly version: number
  readonly from: string
  readonly session: NoiseSession
}

interface Incoming extends Held {
  readonly request: RequestEvent
  readonly body: Gathered
  readonly since: Mono
}

export class ControlConnection implements ReplyCarrier {
  readonly #pipe: Pipe
  readonly #peer: Peer
  readonly #services: Services
  readonly #h2 = new H2Server()
  readonly #records: RecordReader
  readonly #incoming = new Map<number, Incoming>()
  readonly #replies = new Map<number, Reply>()
  readonly #drained = new Set<number>()
  /** Waits for the end of the turn. */
  #listed = false
  #ending = false
  #gone = false
  #greeted = false
  /** When it last had a stream, and when it last took something. */
  #busyAt: Mono
  #movedAt: Mono
  /** Bytes that waited for it, and bytes sent, when it was last looked at. */
  #waits = 0
  #sent = 0
  /** When it last said something, and when it was asked since whether it is there. */
  #heardAt: Mono
  #askedAt: Mono | undefined
  readonly #quietMs: number
  readonly #closed: () => void

  /**
   * Takes the pipe over. `first` is sent in one write together with what HTTP/2 has to say first.
   *
   * @param early plaintext to put before HTTP/2 inside Noise
   */
  constructor(
    pipe: Pipe,
    peer: Peer,
    services: Services,
    opening: { readonly first: Uint8Array; readonly early: Uint8Array },
    closed: () => void,
  ) {
    this.#pipe = pipe
    this.#peer = peer
    this.#services = services
    this.#closed = closed
    this.#records = new RecordReader(peer.session.receiver)
    this.#busyAt = this.#movedAt = this.#heardAt = services.mono()
    this.#quietMs = QUIET_MS + (services.spread ?? Math.random)() * QUIET_SPREAD_MS
    pipe.write(concat([opening.first, this.#seal([opening.early, ...this.#h2.take(WRITE_BYTES)])]))
    pipe.listen({
      data: (chunk) => this.#receive(chunk),
      drained: () => this.#due(),
      closed: () => this.#close(),
    })
  }

  get openStreams(): number {
    return this.#h2.openStreams
  }

  // From the client.

  #receive(chunk: Uint8Array): void {
    if (this.#ending) return
    const now = this.#services.mono()
    this.#heardAt = now
    this.#askedAt = undefined
    for (const clear of this.#records.push(chunk)) {
      for (const event of this.#h2.receive(clear, now)) {
        switch (event.kind) {
          case 'request':
            this.#begin(event, now)
            break
          case 'data':
            this.#body(event.stream, event.bytes, event.endStream)
            break
          case 'reset':
            this.#forget(event.stream)
            break
          case 'failed':
            this.#services.log.debug('control connection failed', { machine: this.#peer.machine, why: event.why })
            this.#finish()
            return
        }
      }
      this.#greeted = true
    }
    if (this.#records.broken) {
      this.#services.log.debug('control connection broken: bad record', { machine: this.#peer.machine })
      this.destroy()
      return
    }
    this.#due()
  }

  #begin(request: RequestEvent, now: Mono): void {
    const giveUp = () => this.#tooMuch(request.stream)
    const incoming: Incoming = { request, body: new Gathered(), since: now, giveUp }
    const declared = request.headers.find(([name]) => name === 'content-length')?.[1]
    if (Number(declared ?? 0) > MAX_BODY) this.#tooLarge(request.stream)
    else if (request.endStream) this.#dispatch(incoming)
    else this.#incoming.set(request.stream, incoming)
  }

  #body(id: number, bytes: Uint8Array, end: boolean): void {
    const incoming = this.#incoming.get(id)
    if (incoming === undefined) return
    const { bodies } = this.#services
    const { body } = incoming
    if (body.length + bytes.length > MAX_BODY) {
      this.#drop(id)
      this.#tooLarge(id)
      return
    }
    if (!bodies.take(incoming, bytes.length)) {
      this.#tooMuch(id)
      return
    }
    if (bytes.length > 0) {
      // A view of it would keep the record that it came in, and there may be many records with little in them.
      body.add(bytes)
      this.#h2.consumed(id, bytes.length)
    }
    if (!end) return
    this.#drop(id)
    this.#dispatch(incoming)
  }

  #tooMuch(id: number): void {
    this.#drop(id)
    this.respond(id, 503, [...PLAIN, ['retry-after', '5']], Buffer.from('too much is being sent at once; try again\n'))
  }

  #tooLarge(id: number): void {
    this.respond(id, 413, PLAIN, Buffer.from('the body is larger than 1 MiB\n'))
  }

  /** Stops collecting a body. */
  #drop(id: number): void {
    const incoming = this.#incoming.get(id)
    if (incoming === undefined) return
    this.#incoming.delete(id)
    this.#services.bodies.release(incoming)
  }

  #dispatch(incoming: Incoming): void {
    const { stream, method, path: target } = incoming.request
    const question = target.indexOf('?')
    const path = question < 0 ? target : target.slice(0, question)
    const reply = new Reply(this, stream)
    this.#replies.set(stream, reply)
    try {
      this.#services.handler()(
        {
          machineKey: this.#peer.machine,
          version: this.#peer.version,
          from: this.#peer.from,
          method,
          path,
          query: question < 0 ? '' : target.slice(question + 1),
          body: incoming.body.bytes(),
        },
        reply,
      )
    } catch (err) {
      this.#services.log.error('request failed', { method, path, err })
      if (reply.open) this.#h2.reset(stream, 'INTERNAL_ERROR')
      this.#forget(stream)
    }
  }

  /** The stream is gone. */
  #forget(id: number): void {
    this.#drop(id)
    this.#drained.delete(id)
    const reply = this.#replies.get(id)
    this.#replies.delete(id)
    reply?.gone()
  }

  // From the core, through replies.

  respond(id: number, status: number, headers: readonly Field[], body: Uint8Array | undefined): void {
    const empty = body === undefined || body.length === 0
    if (this.#h2.respond(id, status, headers, { end: empty }) && !empty) this.#h2.write(id, body, { end: true })
    this.#over(id)
  }

  begin(id: number, headers: readonly Field[]): void {
    this.#h2.respond(id, 200, headers)
    this.#due()
  }

  write(id: number, bytes: Uint8Array): void {
    this.#h2.write(id, bytes)
    this.#due()
  }

  end(id: number): void {
    this.#h2.write(id, EMPTY, { end: true })
    this.#over(id)
  }

  queued(id: number): number {
    return this.#h2.bufferedBytes(id) + this.#pipe.backlog
  }

  #over(id: number): void {
    this.#replies.delete(id)
    this.#drained.delete(id)
    this.#due()
  }

  // To the client.

  #due(): void {
    if (this.#listed || this.#gone) return
    this.#listed = true
    this.#services.turn.add(this)
  }

  /** Sends what is due, as far as the system takes it. Called by the turn. */
  flush(): void {
    this.#listed = false
    if (this.#gone) return
    while (this.#pipe.backlog === 0) {
      const pieces = this.#h2.take(WRITE_BYTES)
      if (pieces.length === 0) break
      this.#pipe.write(this.#seal(pieces))
    }
    for (const id of this.#h2.drained()) this.#drained.add(id)
    if (this.#pipe.backlog > 0) return
    if (this.#drained.size > 0) {
      const drained = [...this.#drained]
      this.#drained.clear()
      for (const id of drained) {
        const reply = this.#replies.get(id)
        if (reply?.queued === 0) reply.drain()
      }
    }
    if (this.#h2.finished && !this.#h2.due) this.#finish()
  }

  #seal(pieces: readonly Uint8Array[]): Uint8Array {
    const records = sealRecords(this.#peer.session.sender, pieces)
    this.#services.counted(records.length)
    return records
  }

  // The end.

  /** Takes no new requests; closes when those at hand are answered. */
  leave(): void {
    this.#h2.goaway()
    this.#due()
  }

  /** Says what is left to say, then closes. */
  #finish(): void {
    if (this.#ending || this.#gone) return
    this.#ending = true
    const pieces = this.#h2.take(WRITE_BYTES)
    if (pieces.length > 0) this.#pipe.write(this.#seal(pieces))
    this.#pipe.end()
    this.#endStreams()
  }

  destroy(): void {
    this.#pipe.destroy()
  }

  #close(): void {
    if (this.#gone) return
    this.#gone = true
    this.#endStreams()
    this.#closed()
  }

  #endStreams(): void {
    for (const id of this.#incoming.keys()) this.#drop(id)
    const replies = [...this.#replies.values()]
    this.#replies.clear()
    for (const reply of replies) reply.gone()
  }

  /** Looks for what should have happened by now. Called every few seconds. */
  sweep(now: Mono): void {
    if (this.#gone) return
    if (!this.#greeted && now - this.#busyAt > PREFACE_MS) {
      this.destroy()
      return
    }
    if (this.#askedAt !== undefined && now - this.#askedAt > PONG_MS) {
      this.#services.log.debug('control connection closed: no sign of life', { machine: this.#peer.machine })
      this.destroy()
      return
    }
    if (this.#askedAt === undefined && now - this.#heardAt > this.#quietMs) {
      this.#askedAt = now
      this.#h2.ping(PING)
      this.#due()
    }
    for (const [id, incoming] of this.#incoming) {
      if (now - incoming.since <= BODY_MS) continue
      this.#h2.reset(id, 'CANCEL')
      this.#forget(id)
      this.#due()
    }
    if (this.#moves()) {
      this.#movedAt = now
    } else if (now - this.#movedAt > STALL_MS) {
      this.#services.log.debug('control connection closed: the client reads nothing', { machine: this.#peer.machine })
      this.destroy()
      return
    }
    if (this.#h2.openStreams > 0) this.#busyAt = now
    else if (now - this.#busyAt > IDLE_MS) this.leave()
  }

  /** Does the client take what there is for it? Compared with the last time this was asked. */
  #moves(): boolean {
    const { backlog, sent } = this.#pipe
    let waits = backlog
    for (const id of this.#replies.keys()) waits += this.#h2.bufferedBytes(id)
    // Answers to pings leave although the windows are shut, so what is sent counts only where it is what waits.
    const moves = waits === 0 || waits < this.#waits || (backlog > 0 && sent !== this.#sent)
    this.#waits = waits
    this.#sent = sent
    return moves
  }
}
