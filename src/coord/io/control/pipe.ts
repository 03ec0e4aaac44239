/** Bytes both ways, whatever carries them: a TCP or TLS socket, or a WebSocket. */

import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'

export interface PipeEvents {
  data(chunk: Uint8Array): void
  /** All that was written has been taken. */
  drained(): void
  /** Nothing will come or go any more. Called once. */
  closed(): void
}

export interface Pipe {
  /** Sends these bytes as one write. */
  write(bytes: Uint8Array): void
  /** Bytes written that the system has not taken yet. */
  readonly backlog: number
  /** Bytes that the system has taken since the beginning. */
  readonly sent: number
  /** Sends what is written, then closes. */
  end(): void
  destroy(): void
  /** Begins to hand over what comes. */
  listen(events: PipeEvents): void
}

/** Whoever does not close its side after we have closed ours is not waited for any longer. */
const LINGER_MS = 5_000

class SocketPipe implements Pipe {
  readonly #socket: Socket
  #head: Uint8Array | undefined
  #events: PipeEvents | undefined
  // One function for all writes. `drain` alone would not do: it comes only after writes that were refused.
  readonly #written = () => {
    if (this.#socket.writableLength === 0) this.#events?.drained()
  }

  constructor(socket: Socket, head: Uint8Array) {
    this.#socket = socket
    this.#head = head.length > 0 ? head : undefined
  }

  get backlog(): number {
    return this.#socket.writableLength
  }

  get sent(): number {
    return this.#socket.bytesWritten - this.#socket.writableLength
  }

  write(bytes: Uint8Array): void {
    if (!this.#socket.destroyed) this.#socket.write(bytes, this.#written)
  }

  end(): void {
    this.#socket.end()
    this.#socket.setTimeout(LINGER_MS, () => this.#socket.destroy())
  }

  destroy(): void {
    this.#socket.destroy()
  }

  listen(events: PipeEvents): void {
    const socket = this.#socket
    this.#events = events
    socket.on('data', (chunk: Buffer) => events.data(chunk))
    socket.on('end', () => socket.destroy())
    socket.on('close', () => events.closed())
    if (socket.destroyed) {
      queueMicrotask(() => events.closed())
      return
    }
    if (this.#head !== undefined) events.data(this.#head)
    this.#head = undefined
    socket.resume()
  }
}

/** @param head bytes that came together with the upgrade request */
export function socketPipe(socket: Socket, head: Uint8Array): Pipe {
  return new SocketPipe(socket, head)
}

/** Message boundaries mean nothing: the bytes are one stream (control.md §3.3). */
class WebSocketPipe implements Pipe {
  readonly #socket: WebSocket
  #events: PipeEvents | undefined
  #given = 0

  constructor(socket: WebSocket) {
    this.#socket = socket
  }

  get backlog(): number {
    return this.#socket.bufferedAmount
  }

  get sent(): number {
    return this.#given - Math.min(this.#given, this.#socket.bufferedAmount)
  }

  write(bytes: Uint8Array): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return
    this.#given += bytes.length
    this.#socket.send(bytes, { binary: true }, () => {
      if (this.#socket.bufferedAmount === 0) this.#events?.drained()
    })
  }

  end(): void {
    this.#socket.close()
  }

  destroy(): void {
    this.#socket.terminate()
  }

  listen(events: PipeEvents): void {
    this.#events = events
    const socket = this.#socket
    socket.on('message', (data: Buffer, binary: boolean) => {
      // The protocol is binary; text can only come from somebody who speaks another one.
      if (binary) events.data(data)
      else socket.terminate()
    })
    socket.on('error', () => socket.terminate())
    socket.on('close', () => events.closed())
  }
}

export function webSocketPipe(socket: WebSocket): Pipe {
  return new WebSocketPipe(socket)
}
