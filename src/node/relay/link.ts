/**
 * One connection to a relay once TLS stands: HTTP upgrade or fast start, the two greetings, then frames (derp.md §3.2,
 * §3.3, §4). Bytes in, events out. Whom to dial, and when to give up, is region.ts.
 */

import { concat, EMPTY, textOf, utf8 } from '../../base/bytes.ts'
import type { Bytes } from '../../base/bytes.ts'
import type { PrivateKey } from '../../base/keys.ts'
import { BOX_NONCE_LENGTH, boxKey, openWith, sealWith } from '../../crypto/box.ts'
import type { BoxKey } from '../../crypto/box.ts'
import type { Primitives } from '../../crypto/primitives.ts'
import { FrameReader, PROTOCOL_VERSION } from '../../wire/derp/frame.ts'
import { decodeServerInfo, encodeClientInfo } from '../../wire/derp/info.ts'
import type { ServerInfo } from '../../wire/derp/info.ts'
import {
  decodeServerKey,
  decodeServerMessage,
  encodeClientMessage,
  serverKeyRule,
  serverRule,
} from '../../wire/derp/messages.ts'
import type { ServerMessage } from '../../wire/derp/messages.ts'

/** The head of an answer to the upgrade is 160 bytes or so. */
const HEAD_MAX = 16 << 10

/** Messages that say something to a client; `server-info` comes as `up`. */
export type RelayMessage = Exclude<
  ServerMessage,
  { kind: 'server-key' | 'server-info' | 'peer-present' | 'keep-alive' }
>

export type LinkEvent =
  /** Send these bytes; from now on frames may follow them. */
  | { readonly kind: 'greet'; readonly bytes: Bytes }
  /** The relay holds the key that it says, and has let us in. */
  | { readonly kind: 'up'; readonly info: ServerInfo }
  /** A whole frame has come, whatever it says. */
  | { readonly kind: 'alive' }
  | { readonly kind: 'down'; readonly why: string }
  | RelayMessage

export interface LinkOptions {
  readonly primitives: Primitives
  readonly key: PrivateKey
  /** For the Host header. */
  readonly host: string
  /** The region's first node, when this is another. */
  readonly ideal?: string
}

/** What the certificates of a relay stated of it (derp.md §3.3). */
export interface RelayMeta {
  /** 32 bytes. */
  readonly key: Bytes
  readonly version: number
}

export class RelayLink {
  readonly #options: LinkOptions
  readonly #reader = new FrameReader(serverKeyRule)
  #stage: 'head' | 'key' | 'frames' | 'down' = 'head'
  #head: Bytes = EMPTY
  #shared: BoxKey | undefined

  constructor(options: LinkOptions) {
    this.#options = options
  }

  /** The request, and behind it the greeting where the certificates have said to whom. */
  start(meta?: RelayMeta): LinkEvent[] {
    const { host, ideal } = this.#options
    const greeting = meta?.version === PROTOCOL_VERSION ? this.#greet(meta.key) : undefined
    const request = utf8(
      `GET /derp HTTP/1.1\r\nHost: ${host.includes(':') ? `[${host}]` : host}\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n` +
        (ideal === undefined ? '' : `Ideal-Node: ${ideal}\r\n`) +
        (greeting === undefined ? '\r\n' : 'Derp-Fast-Start: 1\r\n\r\n'),
    )
    return [{ kind: 'greet', bytes: greeting === undefined ? request : concat([request, greeting]) }]
  }

  /** May frames be sent? */
  get isGreeted(): boolean {
    return this.#stage === 'frames'
  }

  receive(chunk: Bytes): LinkEvent[] {
    const events: LinkEvent[] = []
    let rest: Bytes | undefined = chunk
    if (this.#stage === 'head') rest = this.#readHead(chunk, events)
    if (rest === undefined || this.#stage === 'down') return events
    const reader = this.#reader
    reader.push(rest)
    let alive = false
    for (;;) {
      const got = reader.next()
      if (got === 'more') break
      if (got === 'refused') {
        this.#lose('a frame is too long, or not what a relay sends here', events)
        break
      }
      if (got === 'frame' && !this.#take(reader.type, reader.body(), events)) break
      if (!alive) events.push({ kind: 'alive' })
      alive = true
    }
    return events
  }

  /** Takes one frame; false when the connection is of no use any more. */
  #take(type: number, body: Bytes, events: LinkEvent[]): boolean {
    if (this.#stage === 'key') {
      const key = decodeServerKey(body)
      const bytes = key === undefined ? undefined : this.#greet(key)
      if (bytes === undefined) return this.#lose('the relay has no usable key', events)
      events.push({ kind: 'greet', bytes })
      return true
    }
    const message = decodeServerMessage(type, body)
    if (message === undefined) return true
    switch (message.kind) {
      case 'server-info': {
        const clear = openWith(this.#shared as BoxKey, message.sealed)
        const info = clear === undefined ? undefined : decodeServerInfo(clear)
        if (info === undefined) return this.#lose('the relay is not the one that its key says', events)
        events.push({ kind: 'up', info })
        return true
      }
      case 'server-key':
      case 'peer-present':
      case 'keep-alive':
        return true
      default:
        events.push(message)
        return true
    }
  }

  /** The client's greeting, and from now on frames; `undefined` when nothing can be sealed to this key. */
  #greet(relay: Bytes): Bytes | undefined {
    const { primitives, key } = this.#options
    this.#shared = boxKey(primitives, key, relay)
    if (this.#shared === undefined) return undefined
    const clear = encodeClientInfo({ version: PROTOCOL_VERSION, canAckPings: true, isProber: false, appName: '' })
    const sealed = sealWith(this.#shared, primitives.random(BOX_NONCE_LENGTH), clear)
    this.#stage = 'frames'
    this.#reader.rule = serverRule
    return encodeClientMessage({ kind: 'client-info', key: primitives.x25519Public(key), sealed })
  }

  /** What follows the head; `undefined` while it is not whole, or is not what was asked for. */
  #readHead(chunk: Bytes, events: LinkEvent[]): Bytes | undefined {
    const held = this.#head.length === 0 ? chunk : concat([this.#head, chunk])
    const end = endOfHead(held)
    if (end < 0) {
      if (held.length > HEAD_MAX) this.#lose('the answer to the upgrade is too long', events)
      else this.#head = held.slice()
      return undefined
    }
    const [status = ''] = (textOf(held.subarray(0, end)) ?? '').split('\r\n')
    this.#head = EMPTY
    if (!/^HTTP\/1\.1 101(?: |$)/.test(status)) {
      this.#lose(`no upgrade: ${printable(status, 60)}`, events)
      return undefined
    }
    this.#stage = 'key'
    return held.subarray(end)
  }

  #lose(why: string, events: LinkEvent[]): false {
    this.#stage = 'down'
    events.push({ kind: 'down', why })
    return false
  }
}

/** A stranger's text, fit for a log and a screen. */
export function printable(text: string, most: number): string {
  return text
    .slice(0, most * 4)
    .replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
    .slice(0, most)
}

/** Where what follows the head begins; -1 while the head is not whole. */
function endOfHead(bytes: Bytes): number {
  const last = Math.min(bytes.length, HEAD_MAX) - 4
  for (let i = 0; i <= last; i++)
    if (bytes[i] === 13 && bytes[i + 1] === 10 && bytes[i + 2] === 13 && bytes[i + 3] === 10) return i + 4
  return -1
}
