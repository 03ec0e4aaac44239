/**
 * The sockets of the control session: dials, sends, fetches and keeps the one timer, as the machine says
 * (control.md §3.2). Actions that are not about the network go to the owner.
 */

import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Clocks } from '../../base/clock.ts'
import { NEVER } from '../../base/clock.ts'
import type { ControlAction, Now } from '../control/actions.ts'
import type { DialAction } from '../control/dialling.ts'
import type { ControlSession } from '../control/session.ts'
import { fetchOnce } from './control-fetch.ts'
import { dialMarked, targetOf, tlsNameOf } from './race-dial.ts'
import { timerMs } from './timer-ms.ts'

/** What the owner of a session hears of. */
export type OwnerAction = Exclude<ControlAction, DialAction | { readonly kind: 'fetch' }>

export interface ControlShellOptions {
  readonly clocks: Clocks
  /** What its packets are marked with (node.md §4.2). */
  readonly mark: number
  readonly on: (action: OwnerAction) => void
}

export class ControlShell {
  readonly #session: ControlSession
  readonly #options: ControlShellOptions
  readonly #dials = new Map<number, AbortController>()
  readonly #sockets = new Map<number, Socket>()
  readonly #fetches = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(session: ControlSession, options: ControlShellOptions) {
    this.#session = session
    this.#options = options
  }

  /** Gives the session an input, and does what it asks for. */
  run(input: (session: ControlSession, now: Now) => readonly ControlAction[]): void {
    if (this.#closed) return
    const { clocks } = this.#options
    const now = { mono: clocks.mono(), wall: clocks.wall() }
    for (const action of input(this.#session, now)) this.#do(action)
    this.#setTimer()
  }

  /** Has every connection end, as if the network had ended it. */
  breakConnections(): void {
    for (const socket of this.#sockets.values()) socket.destroy()
  }

  /** Lets go of everything; the session hears nothing more. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#fetches.abort()
    for (const dial of this.#dials.values()) dial.abort()
    for (const socket of this.#sockets.values()) socket.destroy()
    this.#sockets.clear()
  }

  #do(action: ControlAction): void {
    switch (action.kind) {
      case 'dial':
        return this.#dial(action)
      case 'send':
        this.#sockets.get(action.conn)?.write(action.bytes)
        return
      case 'close':
        this.#dials.get(action.conn)?.abort()
        this.#dials.delete(action.conn)
        this.#sockets.get(action.conn)?.destroy()
        this.#sockets.delete(action.conn)
        return
      case 'fetch':
        void fetchOnce(action, this.#options.mark, this.#fetches.signal).then((result) =>
          this.run((session, now) => session.fetched(action.id, result, now)),
        )
        return
      default:
        this.#options.on(action)
    }
  }

  #dial({ conn, host, port, tls, address }: DialAction & { readonly kind: 'dial' }): void {
    const dial = new AbortController()
    this.#dials.set(conn, dial)
    const tcp = dialMarked(targetOf(address ?? host, port), this.#options.mark, dial.signal)
    const connected = (socket: Socket): void => {
      if (!this.#dials.delete(conn)) return void socket.destroy()
      this.#converse(conn, tls ? secured(socket, host) : socket)
    }
    const failed = (error: Error): void => {
      if (this.#dials.delete(conn)) this.run((session, now) => session.closed(conn, error.message, now))
    }
    void tcp.then(connected, failed)
  }

  #converse(conn: number, socket: Socket): void {
    const isTls = 'encrypted' in socket
    socket.setKeepAlive(true, 60_000)
    this.#sockets.set(conn, socket)
    let why = 'the server closed the connection'
    const connected = (): void => this.run((session, now) => session.connected(conn, now))
    if (isTls) socket.once('secureConnect', connected)
    socket.on('data', (bytes) => this.run((session, now) => session.received(conn, bytes as Buffer, now)))
    socket.on('error', (error) => (why = error.message))
    socket.once('end', () => socket.destroy())
    socket.once('close', () => {
      if (this.#sockets.delete(conn)) this.run((session, now) => session.closed(conn, why, now))
    })
    if (!isTls) connected()
  }

  #setTimer(): void {
    clearTimeout(this.#timer)
    const at = this.#session.deadline()
    if (at === NEVER || this.#closed) return
    const ms = timerMs(at, this.#options.clocks.mono())
    this.#timer = setTimeout(() => this.run((session, now) => session.tick(now)), ms)
  }
}

/** Noise proves who the server is, so the certificate need not: it may be expired, or a proxy's. (control.md §3.2) */
function secured(socket: Socket, host: string): Socket {
  return connectTls({ socket, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'], ...tlsNameOf(host) })
}
