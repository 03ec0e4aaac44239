/**
 * A small internet in simulated time: hosts with addresses, NATs before them, firewalls, lines that lose, double, delay
 * and reorder datagrams, and relays that do none of that but are slower. All chance comes from one seed.
 *
 * Knows nothing of tailnets: what hosts say to each other is bytes.
 */

import { seeded } from '../../support/seeded.ts'
import { SimClock } from './clock.ts'
import { Nat } from './nat.ts'
import type { NatKind } from './nat.ts'

export interface Line {
  /** One way, in milliseconds. */
  readonly delayMs: number
  /** Added at random, so that datagrams overtake each other. */
  readonly jitterMs: number
  /** Shares of datagrams, 0 to 1. */
  readonly loss: number
  readonly duplication: number
}

export const GOOD_LINE: Line = { delayMs: 10, jitterMs: 0, loss: 0, duplication: 0 }

/** Where a host is attached. */
export interface Place {
  /** 'none': on the internet itself. A Nat already there: the same site as whoever else is behind it. */
  readonly nat?: NatKind | 'none' | Nat
  /** Also an IPv6 address, which no NAT hides. Default: IPv4 only. */
  readonly ipv6?: boolean
  readonly ipv4?: boolean
}

export type Firewall = 'open' | 'no-udp' | 'no-udp-out' | 'no-udp-in'

export interface Receiver {
  datagram(from: string, to: string, bytes: Uint8Array): void
}

export interface Attachment {
  readonly ips: readonly string[]
  readonly nat: Nat | undefined
}

export class Internet {
  readonly seed: number
  readonly clock = new SimClock()
  /** A number from 0 up to, not including, `below`. */
  readonly random: (below: number) => number
  line: Line
  /** No way between these two, for nothing that is sent. */
  isSplit: (a: Host, b: Host) => boolean = () => false
  /** Sees everything that arrives. */
  onArrival: (from: string, to: string, bytes: Uint8Array) => void = () => {}
  /** Datagrams sent, and what became of those that did not arrive. */
  readonly counts = { sent: 0, lost: 0, refused: 0, delivered: 0 }
  readonly #hosts = new Map<string, Host>()
  readonly #nats = new Map<string, Nat>()
  #addresses = 0

  constructor({ seed, line = {} }: { seed: number; line?: Partial<Line> }) {
    this.seed = seed
    this.random = seeded(seed)
    this.line = { ...GOOD_LINE, ...line }
  }

  host(receiver: Receiver, place: Place = {}): Host {
    const host = new Host(this, receiver)
    host.moveTo(place)
    return host
  }

  nat(kind: NatKind): Nat {
    const nat = new Nat(kind, this.#ip('198.51'), 20_000 + this.random(20_000))
    this.#nats.set(nat.publicIp, nat)
    return nat
  }

  /** Runs until `done`; throws with the seed when it does not come to be. */
  until(done: () => boolean, withinMs = 60_000, what = String(done)): void {
    const limit = this.clock.now + withinMs
    while (!done())
      if (!this.clock.step(limit) && !done())
        throw new Error(`Not within ${withinMs} simulated ms (seed ${this.seed}): ${what}`)
  }

  run(ms: number): void {
    const limit = this.clock.now + ms
    while (this.clock.step(limit));
  }

  chance(share: number): boolean {
    return this.random(1_000_000) < share * 1_000_000
  }

  attach(host: Host, { nat = 'none', ipv4 = true, ipv6 = false }: Place): Attachment {
    const ips: string[] = []
    const router = typeof nat === 'string' ? (nat === 'none' ? undefined : this.nat(nat)) : nat
    if (ipv4) ips.push(this.#ip(router === undefined ? '203.0' : '192.168'))
    if (ipv6) ips.push(`2001:db8::${(++this.#addresses).toString(16)}`)
    for (const ip of ips) this.#hosts.set(ip, host)
    return { ips, nat: router }
  }

  detach({ ips }: Attachment): void {
    for (const ip of ips) this.#hosts.delete(ip)
  }

  /** Carries a datagram that has passed the sender's own firewall. */
  carry(sender: Host, inner: string, to: string, bytes: Uint8Array): void {
    this.counts.sent++
    const { clock } = this
    const copies = this.chance(this.line.duplication) ? 2 : 1
    const neighbour = this.#hosts.get(ipOf(to))
    const { nat } = sender.attachment
    const isLocal =
      neighbour !== undefined && nat !== undefined && neighbour.attachment.nat === nat && !to.startsWith('[')
    const from = nat === undefined || isLocal || inner.startsWith('[') ? inner : nat.out(inner, to, clock.now)
    for (let i = 0; i < copies; i++) {
      if (this.chance(this.line.loss)) {
        this.counts.lost++
        continue
      }
      const delay = isLocal ? 1 : this.line.delayMs + this.random(1000 * this.line.jitterMs + 1) / 1000
      clock.after(delay, () => this.#arrive(sender, from, to, isLocal, bytes))
    }
  }

  /** Is there no way between these two machines now, whatever they send? */
  isBlocked(a: Host, b: Host): boolean {
    return !a.isOnline || !b.isOnline || this.isSplit(a, b)
  }

  #arrive(sender: Host, from: string, to: string, isLocal: boolean, bytes: Uint8Array): void {
    let inner: string | undefined = to
    const nat = this.#nats.get(ipOf(to))
    if (nat !== undefined) inner = nat.in(portOf(to), from, this.clock.now)
    const host = inner === undefined ? undefined : this.#hosts.get(ipOf(inner))
    // Private addresses mean nothing outside their site, and hosts behind a NAT have no others.
    const isReachable =
      host !== undefined && (isLocal || nat !== undefined || host.attachment.nat === undefined || to.startsWith('['))
    if (inner === undefined || !isReachable || !host.accepts() || this.isBlocked(sender, host)) {
      this.counts.refused++
      return
    }
    this.counts.delivered++
    this.onArrival(from, inner, bytes)
    host.receiver.datagram(from, inner, bytes)
  }

  #ip(prefix: string): string {
    const n = ++this.#addresses
    return `${prefix}.${n >> 8}.${n & 255}`
  }
}

/** A machine on the internet, with one UDP socket for each family. */
export class Host {
  readonly receiver: Receiver
  firewall: Firewall = 'open'
  port = 41641
  /** Its cable is in, and it is awake. */
  isOnline = true
  readonly #internet: Internet
  #attachment: Attachment = { ips: [], nat: undefined }

  constructor(internet: Internet, receiver: Receiver) {
    this.#internet = internet
    this.receiver = receiver
  }

  get attachment(): Attachment {
    return this.#attachment
  }

  /** Pulls the cable and plugs it in elsewhere: other addresses. */
  moveTo(place: Place): void {
    this.#internet.detach(this.#attachment)
    this.#attachment = this.#internet.attach(this, place)
  }

  accepts(): boolean {
    return this.firewall === 'open' || this.firewall === 'no-udp-out'
  }

  /** What sending gives is only whether the machine has a way there: firewalls drop silently. */
  send(to: string, bytes: Uint8Array): 'sent' | 'unreachable' {
    const isSix = to.startsWith('[')
    const ip = this.#attachment.ips.find((own) => own.includes(':') === isSix)
    if (ip === undefined) return 'unreachable'
    if (this.isOnline && (this.firewall === 'open' || this.firewall === 'no-udp-in'))
      this.#internet.carry(this, isSix ? `[${ip}]:${this.port}` : `${ip}:${this.port}`, to, bytes)
    return 'sent'
  }
}

/** A server that many hold a connection to; what it carries arrives, in order, after a while. */
export class SimRelay {
  readonly region: number
  bytes = 0
  readonly #internet: Internet
  readonly #delayMs: number
  readonly #clients = new Map<string, (from: string, bytes: Uint8Array) => void>()

  constructor(internet: Internet, region: number, delayMs: number) {
    this.#internet = internet
    this.region = region
    this.#delayMs = delayMs
  }

  join(key: string, receive: (from: string, bytes: Uint8Array) => void): void {
    this.#clients.set(key, receive)
  }

  leave(key: string): void {
    this.#clients.delete(key)
  }

  send(from: string, to: string, bytes: Uint8Array): void {
    this.bytes += bytes.length
    this.#internet.clock.after(this.#delayMs, () => this.#clients.get(to)?.(from, bytes))
  }
}

/** Without the brackets of IPv6. */
function ipOf(address: string): string {
  return address.startsWith('[')
    ? address.slice(1, address.lastIndexOf(']'))
    : address.slice(0, address.lastIndexOf(':'))
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1))
}
