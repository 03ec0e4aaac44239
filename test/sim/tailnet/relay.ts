/** A relay region in the simulated internet: the real hub behind simulated streams, and a STUN server beside it. */

import { concat, EMPTY, textOf, utf8 } from '../../../src/base/bytes.ts'
import type { Bytes } from '../../../src/base/bytes.ts'
import type { Mono } from '../../../src/base/clock.ts'
import type { NodeKey, PrivateKey } from '../../../src/base/keys.ts'
import { rawKey } from '../../../src/base/keys.ts'
import { generateKey } from '../../../src/crypto/primitives.ts'
import type { Primitives } from '../../../src/crypto/primitives.ts'
import { addressOf, readEndpoint } from '../../../src/node/path/endpoint.ts'
import type { RelayMeta } from '../../../src/node/relay/index.ts'
import { Hub } from '../../../src/relay/hub/hub.ts'
import type { Conn, Line } from '../../../src/relay/hub/hub.ts'
import { PROTOCOL_VERSION } from '../../../src/wire/derp/frame.ts'
import type { DerpRegion } from '../../../src/wire/derp-map.ts'
import { decodeRequest, encodeResponse } from '../../../src/wire/stun.ts'
import type { Host } from '../net/internet.ts'
import type { StreamEnd, StreamEvents, Streams } from '../net/streams.ts'

export interface RelayOptions {
  readonly streams: Streams
  readonly primitives: Primitives
  /** The tailnet of a key; `undefined`: turned away. */
  readonly realmOf: (key: NodeKey) => string | undefined
}

const STUN_PORT = 3478
const PORT = 443

export class SimRelayServer {
  readonly region: number
  readonly host: Host
  isUp = false
  readonly #o: RelayOptions
  readonly #key: PrivateKey
  #hub: Hub
  #lines = new Set<RelayLine>()
  #alarmAt = Infinity

  constructor(region: number, options: RelayOptions) {
    this.region = region
    this.#o = options
    this.#key = generateKey(options.primitives.random)
    this.#hub = this.#make()
    const host = options.streams.internet.host({
      datagram: (from, _to, bytes) => {
        const tx = this.isUp ? decodeRequest(bytes) : undefined
        const seen = readEndpoint(from)
        if (tx !== undefined && seen !== undefined) host.send(from, encodeResponse(tx, addressOf(seen)))
      },
    })
    host.port = STUN_PORT
    this.host = host
  }

  get name(): string {
    return `${this.host.attachment.ips[0]}:${PORT}`
  }

  get clients(): number {
    return this.#lines.size
  }

  /** What a certificate would state. */
  get meta(): RelayMeta {
    return { key: rawKey(this.#hub.key), version: PROTOCOL_VERSION }
  }

  /** As the DERP map says it. */
  get definition(): DerpRegion {
    const ip = this.host.attachment.ips[0] as string
    const { region } = this
    return {
      RegionID: region,
      RegionCode: `r${region}`,
      RegionName: `Region ${region}`,
      Nodes: [
        {
          Name: `${region}a`,
          RegionID: region,
          HostName: ip,
          IPv4: ip,
          IPv6: 'none',
          STUNPort: STUN_PORT,
          DERPPort: PORT,
        },
      ],
    }
  }

  start(): void {
    this.isUp = true
    this.#o.streams.listen(this.name, this.host, (end) => this.#accept(end))
  }

  /** The process ends: connections break, and what waited is gone. */
  stop(): void {
    this.isUp = false
    this.#o.streams.unlisten(this.name)
    for (const line of this.#lines) line.end.close()
    this.#lines = new Set()
    this.#hub = this.#make()
    this.#alarmAt = Infinity
  }

  /** Who may be here has changed. */
  refresh(): void {
    if (this.isUp) this.#hub.refresh(this.#now)
  }

  get #now(): Mono {
    return this.#o.streams.internet.clock.now
  }

  #make(): Hub {
    const admits = (key: NodeKey) => {
      const realm = this.#o.realmOf(key)
      return realm === undefined ? undefined : { realm }
    }
    return new Hub({ primitives: this.#o.primitives, key: this.#key, admission: { admits } })
  }

  #accept(end: StreamEnd): StreamEvents {
    const hub = this.#hub
    const line = new RelayLine(this.#o.streams, hub, end, () => this.#lines.delete(line))
    return {
      data: (bytes) => {
        if (hub !== this.#hub) return
        line.receive(bytes, () => this.#lines.add(line))
        this.#setAlarm()
      },
      closed: () => line.gone(),
    }
  }

  #setAlarm(): void {
    const at = this.#hub.deadline()
    if (at >= this.#alarmAt) return
    this.#alarmAt = at
    const hub = this.#hub
    this.#o.streams.internet.clock.at(at, () => {
      if (hub !== this.#hub || this.#alarmAt !== at) return
      this.#alarmAt = Infinity
      hub.tick(this.#now)
      this.#setAlarm()
    })
  }
}

class RelayLine implements Line {
  readonly end: StreamEnd
  readonly #streams: Streams
  readonly #hub: Hub
  readonly #ended: () => void
  #head: Bytes = EMPTY
  #first: Bytes = EMPTY
  #conn: Conn | undefined
  #isPaused = false
  #held: Bytes[] = []
  #isOver = false

  constructor(streams: Streams, hub: Hub, end: StreamEnd, ended: () => void) {
    this.#streams = streams
    this.#hub = hub
    this.end = end
    this.#ended = ended
  }

  get #now(): Mono {
    return this.#streams.internet.clock.now
  }

  receive(bytes: Uint8Array, begun: () => void): void {
    if (this.#isOver) return
    if (this.#conn !== undefined) {
      if (this.#isPaused) this.#held.push(bytes.slice())
      else this.#hub.receive(this.#conn, bytes, this.#now)
      return
    }
    this.#head = concat([this.#head, bytes])
    const at = endOfHead(this.#head)
    if (at < 0) return
    const request = textOf(this.#head.subarray(0, at)) ?? ''
    if (!/derp-fast-start: 1/i.test(request))
      this.#first = utf8(
        'HTTP/1.1 101 Switching Protocols\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n' +
          `Derp-Version: ${PROTOCOL_VERSION}\r\nDerp-Public-Key: ${this.#hub.key.slice(8)}\r\n\r\n`,
      )
    begun()
    this.#conn = this.#hub.accept(this, { notIdeal: false }, this.#now)
    const rest = this.#head.subarray(at)
    if (rest.length > 0) this.#hub.receive(this.#conn, rest, this.#now)
  }

  gone(): void {
    if (this.#isOver) return
    this.#isOver = true
    if (this.#conn !== undefined) this.#hub.gone(this.#conn, this.#now)
    this.#ended()
  }

  wake(urgent: boolean): void {
    if (urgent) this.#flush()
    else this.#streams.internet.clock.after(0, () => this.#flush())
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.#streams.internet.clock.after(0, () => {
      while (!this.#isPaused && this.#held.length > 0 && this.#conn !== undefined)
        this.#hub.receive(this.#conn, this.#held.shift() as Bytes, this.#now)
    })
  }

  close(): void {
    this.end.close()
    // As a socket does: not from within the hub's own call.
    this.#streams.internet.clock.after(0, () => this.gone())
  }

  #flush(): void {
    if (this.#isOver || this.#conn === undefined) return
    const bytes = this.#hub.take(this.#conn, this.#now)
    if (bytes === undefined) return
    this.end.send(concat([this.#first, bytes]))
    this.#first = EMPTY
    const conn = this.#conn
    this.#streams.internet.clock.after(0, () => this.#hub.wrote(conn, this.#now))
  }
}

function endOfHead(bytes: Bytes): number {
  for (let i = 0; i + 4 <= bytes.length; i++)
    if (bytes[i] === 13 && bytes[i + 1] === 10 && bytes[i + 2] === 13 && bytes[i + 3] === 10) return i + 4
  return -1
}
