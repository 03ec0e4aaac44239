/**
 * The streams under relay connections: raw TLS sockets and WebSockets, each as the hub's `Line`, and the one
 * timer that the hub needs.
 *
 * Writes of all connections are gathered for a turn of the event loop: what many senders send in one turn
 * leaves for each receiver as one piece.
 */

import { Buffer } from 'node:buffer'
import { performance } from 'node:perf_hooks'
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import { NEVER } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'
import type { Conn, Hub, Line } from '../hub/hub.ts'

export const now = (): Mono => performance.now() as Mono

/** What a stream does for a connection; the two kinds differ only in this. */
interface Stream {
  write(bytes: Uint8Array, written: () => void): void
  pause(): void
  resume(): void
  destroy(): void
}

export type ConnectionLog = (event: string, fields: Readonly<Record<string, unknown>>) => void

/** Runs a hub: its connections' streams and its clock. */
export class Switchboard {
  readonly hub: Hub
  readonly #log: ConnectionLog
  readonly #due = new Set<StreamLine>()
  #flushing = false
  #timer: NodeJS.Timeout | undefined
  #timerAt: Mono = NEVER

  constructor(hub: Hub, log: ConnectionLog) {
    this.hub = hub
    this.#log = log
  }

  /**
   * Takes over a socket whose HTTP part is done.
   *
   * @param answer what is still to be written before the first frame
   * @param head what came in behind the request
   */
  addSocket(socket: Duplex, answer: Uint8Array, head: Uint8Array, notIdeal: boolean, remote: string): void {
    const line = new StreamLine(this, remote, this.#log, answer, {
      write: (bytes, written) => socket.write(bytes, written),
      pause: () => socket.pause(),
      resume: () => socket.resume(),
      destroy: () => socket.destroy(),
    })
    line.conn = this.hub.accept(line, { notIdeal }, now())
    socket.on('data', (chunk: Buffer) => this.hub.receive(line.conn, chunk, now()))
    socket.on('end', () => socket.destroy())
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.hub.gone(line.conn, now()))
    if (head.length > 0) this.hub.receive(line.conn, head, now())
    this.arm()
  }

  /** Takes over an opened WebSocket; message boundaries mean nothing. */
  addWebSocket(socket: WebSocket, notIdeal: boolean, remote: string): void {
    socket.binaryType = 'nodebuffer'
    const line = new StreamLine(this, remote, this.#log, new Uint8Array(0), {
      write: (bytes, written) =>
        socket.send(bytes, { binary: true, compress: false }, (error) => {
          if (error === undefined || error === null) written()
        }),
      pause: () => socket.pause(),
      resume: () => socket.resume(),
      destroy: () => socket.terminate(),
    })
    line.conn = this.hub.accept(line, { notIdeal }, now())
    socket.on('message', (message: Buffer, binary) => {
      if (binary) this.hub.receive(line.conn, message, now())
      else socket.terminate()
    })
    socket.on('error', () => socket.terminate())
    socket.on('close', () => this.hub.gone(line.conn, now()))
    this.arm()
  }

  /** The line writes at the end of this turn. */
  schedule(line: StreamLine): void {
    this.#due.add(line)
    if (this.#flushing) return
    this.#flushing = true
    setImmediate(() => {
      this.#flushing = false
      const due = [...this.#due]
      this.#due.clear()
      for (const one of due) one.flush()
    })
  }

  /** Sets the timer if the hub wants to be called sooner than it is set for. */
  arm(): void {
    const at = this.hub.deadline()
    if (at >= this.#timerAt) return
    clearTimeout(this.#timer)
    this.#timerAt = at
    this.#timer = setTimeout(
      () => {
        this.#timerAt = NEVER
        this.hub.tick(now())
        this.arm()
      },
      Math.max(1, at - now()),
    )
    // Connections keep the process alive, not the clock.
    this.#timer.unref()
  }

  stop(): void {
    this.hub.closeAll('relay stopped', now())
    clearTimeout(this.#timer)
  }
}

class StreamLine implements Line {
  declare conn: Conn
  readonly #board: Switchboard
  readonly #remote: string
  readonly #log: ConnectionLog
  readonly #stream: Stream
  readonly #written = () => this.#board.hub.wrote(this.conn, now())
  #first: Uint8Array

  constructor(board: Switchboard, remote: string, log: ConnectionLog, first: Uint8Array, stream: Stream) {
    this.#board = board
    this.#remote = remote
    this.#log = log
    this.#first = first
    this.#stream = stream
  }

  wake(urgent: boolean): void {
    if (urgent) this.flush()
    else this.#board.schedule(this)
  }

  flush(): void {
    const bytes = this.#board.hub.take(this.conn, now())
    if (bytes === undefined) return
    if (this.#first.length === 0) return this.#stream.write(bytes, this.#written)
    this.#stream.write(Buffer.concat([this.#first, bytes]), this.#written)
    this.#first = this.#first.subarray(this.#first.length)
  }

  pause(): void {
    this.#stream.pause()
    this.#board.arm()
  }

  resume(): void {
    this.#stream.resume()
  }

  close(why: string): void {
    this.#log('relay.closed', { why, remote: this.#remote })
    this.#stream.destroy()
  }
}
