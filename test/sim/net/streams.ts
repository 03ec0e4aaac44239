/**
 * Connections on the simulated internet, as TCP makes them: bytes arrive whole and in order, a lost piece arrives
 * late, and nothing arrives while there is no way. A machine that has moved to other addresses leaves its connections
 * dead behind, and neither end is told.
 */

import type { Attachment, Host, Internet } from './internet.ts'

export interface StreamEvents {
  connected?(): void
  data(bytes: Uint8Array): void
  /** It has ended, or has not come about. Not told to whoever closes it. */
  closed(why: string): void
}

/** One end of a connection. */
export interface StreamEnd {
  send(bytes: Uint8Array): void
  /** Both ends are closed: this one at once. */
  close(): void
}

/** A piece that was lost is sent again after so long. */
const AGAIN_MS = 200
/** While there is no way, one is looked for so often. */
const BLOCKED_MS = 300

export class Streams {
  readonly internet: Internet
  readonly #listeners = new Map<string, { readonly host: Host; readonly accept: (end: StreamEnd) => StreamEvents }>()

  constructor(internet: Internet) {
    this.internet = internet
  }

  /** @param name `host:port`, as it is dialled */
  listen(name: string, host: Host, accept: (end: StreamEnd) => StreamEvents): void {
    this.#listeners.set(name, { host, accept })
  }

  unlisten(name: string): void {
    this.#listeners.delete(name)
  }

  connect(from: Host, name: string, events: StreamEvents): StreamEnd {
    const service = this.#listeners.get(name)
    const stream = new Stream(this.internet, from, service?.host ?? from)
    const { near, far } = stream
    near.events = events
    stream.out.push(() => {
      const now = this.#listeners.get(name)
      if (now === undefined || now.host !== service?.host) return stream.back.push(() => near.end('refused'))
      far.events = now.accept(far)
      stream.back.push(() => near.isOpen && events.connected?.())
    })
    return near
  }
}

/** The two ends, and the way each goes to the other. */
class Stream {
  readonly near: End
  readonly far: End
  readonly out: Way
  readonly back: Way

  constructor(internet: Internet, client: Host, server: Host) {
    this.out = new Way(internet, client, server, client.attachment)
    this.back = new Way(internet, server, client, client.attachment)
    this.near = new End(this.out, () => this.far)
    this.far = new End(this.back, () => this.near)
  }
}

class End implements StreamEnd {
  readonly #way: Way
  readonly #other: () => End
  events: StreamEvents | undefined
  isOpen = true

  constructor(way: Way, other: () => End) {
    this.#way = way
    this.#other = other
  }

  send(bytes: Uint8Array): void {
    // What is sent belongs to the sender again.
    const copy = bytes.slice()
    if (this.isOpen) this.#way.push(() => this.#other().receive(copy))
  }

  close(): void {
    if (!this.isOpen) return
    this.isOpen = false
    this.#way.push(() => this.#other().end('closed by the other end'))
  }

  receive(bytes: Uint8Array): void {
    if (!this.isOpen) return
    this.#way.internet.onArrival('stream', 'stream', bytes)
    this.events?.data(bytes)
  }

  end(why: string): void {
    if (!this.isOpen) return
    this.isOpen = false
    this.events?.closed(why)
  }
}

/** One direction. The addresses are those that the client had when it connected. */
class Way {
  readonly internet: Internet
  readonly #from: Host
  readonly #to: Host
  readonly #client: Host
  readonly #attachment: Attachment
  readonly #flying: { readonly at: number; readonly act: () => void }[] = []
  #lastAt = 0
  #waits = false

  constructor(internet: Internet, from: Host, to: Host, attachment: Attachment) {
    this.internet = internet
    this.#from = from
    this.#to = to
    this.#client = from.attachment === attachment ? from : to
    this.#attachment = attachment
  }

  push(act: () => void): void {
    const { clock, line, random } = this.internet
    const late = this.internet.chance(line.loss) ? AGAIN_MS : 0
    const at = Math.max(this.#lastAt, clock.now + line.delayMs + random(1000 * line.jitterMs + 1) / 1000 + late)
    this.#lastAt = at
    this.#flying.push({ at, act })
    if (!this.#waits) this.#wait(at)
  }

  #wait(until: number): void {
    this.#waits = true
    this.internet.clock.at(until, () => this.#arrive())
  }

  #arrive(): void {
    this.#waits = false
    const { clock } = this.internet
    if (this.#client.attachment !== this.#attachment) return void this.#flying.splice(0)
    if (this.internet.isBlocked(this.#from, this.#to)) return this.#wait(clock.now + BLOCKED_MS)
    while ((this.#flying[0]?.at ?? Infinity) <= clock.now) this.#flying.shift()?.act()
    const next = this.#flying[0]
    if (next !== undefined && !this.#waits) this.#wait(next.at)
  }
}
