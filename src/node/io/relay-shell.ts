/**
 * The sockets of the relay connections: dials, checks certificates, sends and keeps the one timer, as the machine says
 * (derp.md §8.3). Actions that are not about sockets go to the owner.
 */

import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { SecureContext, TLSSocket } from 'node:tls'
import { NEVER } from '../../base/clock.ts'
import type { Clocks, Mono } from '../../base/clock.ts'
import type { RelayAction, RelayClients } from '../relay/index.ts'
import { checkCertificates, metaIn, rootsWith, tlsOptions } from './relay-certificate.ts'
import { RaceDial } from './race-dial.ts'
import type { DialOptions } from './race-dial.ts'
import { markedSocket } from './marked-socket.ts'
import { timerMs } from './timer-ms.ts'

type SocketAction = Extract<RelayAction, { kind: 'dial' | 'send' | 'close' }>
/** What the owner hears of. */
export type RelayOwnerAction = Exclude<RelayAction, SocketAction>

export interface RelayShellOptions {
  readonly clocks: Clocks
  readonly on: (action: RelayOwnerAction) => void
  /** Root certificates, PEM, besides the system's. */
  readonly roots?: readonly string[]
  /** What its packets are marked with (node.md §4.2). */
  readonly mark?: number
  readonly resolve?: DialOptions['resolve']
}

interface Line {
  stop(): void
  tls?: TLSSocket
  corked?: boolean
}

export class RelayShell {
  readonly #relays: RelayClients
  readonly #options: RelayShellOptions
  readonly #lines = new Map<number, Line>()
  #roots: SecureContext | undefined
  #timer: NodeJS.Timeout | undefined
  #timerAt: Mono = NEVER
  #closed = false

  constructor(relays: RelayClients, options: RelayShellOptions) {
    this.#relays = relays
    this.#options = options
  }

  /** Gives the relay connections an input, and does what they ask for. */
  run(input: (relays: RelayClients, now: Mono) => readonly RelayAction[]): void {
    if (this.#closed) return
    for (const action of input(this.#relays, this.#options.clocks.mono())) this.#do(action)
    this.#setTimer()
  }

  /** Has every connection end, as if the network had ended it. */
  breakConnections(): void {
    for (const [conn, line] of this.#lines) {
      line.stop()
      this.#lost(conn, 'it was broken, as somebody asked')
    }
  }

  /** Lets go of everything; nothing more is heard. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    for (const line of this.#lines.values()) line.stop()
    this.#lines.clear()
  }

  #do(action: RelayAction): void {
    switch (action.kind) {
      case 'dial':
        return this.#dial(action)
      case 'send':
        return this.#send(action.conn, action.bytes)
      case 'close':
        this.#lines.get(action.conn)?.stop()
        this.#lines.delete(action.conn)
        return
      default:
        this.#options.on(action)
    }
  }

  #dial({ conn, target, ipv4DelayMs }: RelayAction & { readonly kind: 'dial' }): void {
    const { mark, resolve } = this.#options
    const socketOf = mark === undefined ? undefined : (family: 4 | 6) => markedSocket(family, mark)
    const dial = new RaceDial(
      target,
      { ipv4DelayMs, socketOf, resolve },
      {
        connected: (socket) => this.#secure(conn, target.tls, socket),
        failed: (why) => this.#lost(conn, why),
      },
    )
    this.#lines.set(conn, { stop: () => dial.stop() })
  }

  #secure(conn: number, wanted: Parameters<typeof tlsOptions>[0], tcp: Socket): void {
    const roots = (): SecureContext => (this.#roots ??= rootsWith(this.#options.roots ?? []))
    const tls = connectTls({ ...tlsOptions(wanted, roots), socket: tcp })
    this.#lines.set(conn, { tls, stop: () => tls.destroy() })
    let why = 'the relay closed the connection'
    tls.on('error', (error) => (why = error.message))
    tls.once('end', () => tls.destroy())
    tls.once('close', () => this.#lost(conn, why))
    tls.on('drain', () => this.run((relays, now) => relays.drained(conn, now)))
    tls.once('secureConnect', () => {
      const wrong = checkCertificates(tls, wanted, this.#options.clocks.wall())
      if (wrong !== undefined) return void tls.destroy(new Error(wrong))
      tls.on('data', (bytes: Buffer) => this.run((relays, now) => relays.received(conn, bytes, now)))
      this.run((relays, now) => relays.secured(conn, metaIn(tls), now))
    })
    this.run((relays, now) => relays.opened(conn, tcp.localAddress, now))
  }

  #send(conn: number, bytes: Uint8Array): void {
    const line = this.#lines.get(conn)
    const tls = line?.tls
    if (line === undefined || tls === undefined) return
    if (line.corked !== true) {
      // Frames of one turn go in as few TLS records as they fit in.
      line.corked = true
      tls.cork()
      process.nextTick(() => {
        line.corked = false
        tls.uncork()
      })
    }
    if (!tls.write(bytes)) this.#relays.blocked(conn, this.#options.clocks.mono())
  }

  #lost(conn: number, why: string): void {
    if (this.#lines.delete(conn)) this.run((relays, now) => relays.closed(conn, why, now))
  }

  /** Deadlines move with every frame, but mostly away: a timer that rings too early asks again. */
  #setTimer(): void {
    const at = this.#relays.deadline()
    if (this.#timer !== undefined && this.#timerAt <= at) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (at === NEVER || this.#closed) return
    this.#timerAt = at
    const ms = timerMs(at, this.#options.clocks.mono())
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.run((relays, now) => relays.tick(now))
    }, ms)
  }
}
