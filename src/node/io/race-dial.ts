/**
 * Opens TCP to a relay or a server: both families in a race, of which the first to connect wins (derp.md §8.3). How long
 * that may take is the caller's matter, as is TLS.
 */

import { lookup } from 'node:dns/promises'
import { isIP, Socket } from 'node:net'
import type { Family } from '../../base/ip.ts'
import type { RelayAddress } from '../relay/index.ts'
import { markedSocket } from './marked-socket.ts'

export interface DialTarget {
  readonly host: string
  readonly port: number
  readonly ipv4: RelayAddress
  readonly ipv6: RelayAddress
}

export interface DialOptions {
  readonly ipv4DelayMs: number
  /** A new socket of a family, not connected; marked, where the tunnel must be kept out of. */
  readonly socketOf?: ((family: Family) => Socket) | undefined
  /** Gives an address of a host; the system's resolver when left out. */
  readonly resolve?: ((host: string, family: Family) => Promise<string>) | undefined
}

export interface DialEvents {
  /** The winner. Nobody listens to it yet. */
  connected(socket: Socket): void
  /** No family is left. */
  failed(why: string): void
}

/** How long IPv4 gives way to IPv6 where both are there. (RFC 8305 §5) */
const IPV4_DELAY_MS = 250

const systemResolver = async (host: string, family: Family): Promise<string> => (await lookup(host, { family })).address

/** A host by name or address. */
export function targetOf(host: string, port: number): DialTarget {
  const family = isIP(host)
  if (family === 0) return { host, port, ipv4: 'resolve', ipv6: 'resolve' }
  const [own, other] = [{ ip: host }, 'none'] as const
  return { host, port, ipv4: family === 4 ? own : other, ipv6: family === 6 ? own : other }
}

/** What TLS is to ask a host for: an address has no name. (RFC 6066 §3) */
export function tlsNameOf(host: string): { readonly servername?: string } {
  return isIP(host) === 0 ? { servername: host } : {}
}

/** Connects, marking what is sent. Rejects with why it could not, or when `signal` aborts. */
export function dialMarked(target: DialTarget, mark: number, signal: AbortSignal): Promise<Socket> {
  return new Promise((connected, reject) => {
    if (signal.aborted) return reject(signal.reason as Error)
    const options = { ipv4DelayMs: IPV4_DELAY_MS, socketOf: (family: Family) => markedSocket(family, mark) }
    const dial = new RaceDial(target, options, { connected, failed: (why) => reject(new Error(why)) })
    signal.addEventListener(
      'abort',
      () => {
        dial.stop()
        reject(signal.reason as Error)
      },
      { once: true },
    )
  })
}

export class RaceDial {
  readonly #target: DialTarget
  readonly #options: DialOptions
  readonly #events: DialEvents
  readonly #sockets = new Set<Socket>()
  readonly #whys: string[] = []
  #running = 0
  #over = false
  #delay: NodeJS.Timeout | undefined
  #startIpv4: (() => void) | undefined

  constructor(target: DialTarget, options: DialOptions, events: DialEvents) {
    this.#target = target
    this.#options = options
    this.#events = events
    const { ipv4, ipv6 } = target
    const hasIpv6 = ipv6 !== 'none'
    if (hasIpv6) this.#start(6, ipv6)
    if (ipv4 === 'none') return
    if (!hasIpv6 || options.ipv4DelayMs === 0) {
      this.#start(4, ipv4)
      return
    }
    this.#startIpv4 = () => {
      this.#startIpv4 = undefined
      clearTimeout(this.#delay)
      this.#start(4, ipv4)
    }
    this.#delay = setTimeout(this.#startIpv4, options.ipv4DelayMs)
  }

  /** Gives up; nothing more is heard. */
  stop(): void {
    this.#over = true
    clearTimeout(this.#delay)
    for (const socket of this.#sockets) socket.destroy()
    this.#sockets.clear()
  }

  #start(family: Family, address: RelayAddress): void {
    this.#running++
    const { resolve = systemResolver } = this.#options
    const found = typeof address === 'object' ? Promise.resolve(address.ip) : resolve(this.#target.host, family)
    found.then(
      (ip) => this.#connect(family, ip),
      (error: Error) => this.#lost(error.message),
    )
  }

  #connect(family: Family, host: string): void {
    if (this.#over) return
    let socket: Socket
    try {
      socket = this.#options.socketOf?.(family) ?? new Socket()
    } catch (error) {
      return this.#lost((error as Error).message)
    }
    this.#sockets.add(socket)
    const fail = (error: Error): void => {
      socket.destroy()
      if (this.#sockets.delete(socket)) this.#lost(error.message)
    }
    socket.once('error', fail)
    socket.once('connect', () => {
      socket.off('error', fail)
      socket.setNoDelay(true)
      this.#sockets.delete(socket)
      this.stop()
      this.#events.connected(socket)
    })
    socket.connect({ host, port: this.#target.port, family, autoSelectFamily: false })
  }

  #lost(why: string): void {
    if (this.#over) return
    this.#running--
    this.#whys.push(why)
    // There is nothing left to give way to.
    if (this.#startIpv4 !== undefined) return this.#startIpv4()
    if (this.#running > 0) return
    this.stop()
    this.#events.failed(this.#whys.join('; '))
  }
}
