/** What a server's ping asks for, and how its answer is written (control.md §11.2). Answering is the caller's matter. */

import { textOf, utf8 } from '../../base/bytes.ts'
import type { Bytes } from '../../base/bytes.ts'
import { MINUTE_MS } from '../../base/clock.ts'
import type { PingRequest } from '../../wire/map-response.ts'

export type PingWork =
  /** Show a sign of life. */
  | { readonly kind: 'head'; readonly url: string; readonly overNoise: boolean }
  | { readonly kind: 'c2n'; readonly id: number; readonly request: Bytes; readonly timeoutMs: number }
  | { readonly kind: 'ping'; readonly id: number; readonly ip: string; readonly types: readonly string[] }

/** What a ping of a peer has found. Field names are those of the wire. */
export interface PingResponse {
  readonly Type: string
  readonly IP?: string
  readonly NodeIP?: string
  readonly NodeName?: string
  readonly Err?: string
  readonly LatencySeconds?: number
  readonly Endpoint?: string
  readonly PeerRelay?: string
  readonly DERPRegionID?: number
  readonly DERPRegionCode?: string
  readonly PeerAPIPort?: number
  readonly IsLocalIP?: boolean
}

export interface PingAnswer {
  readonly url: string
  readonly overNoise: boolean
  readonly body: Bytes
}

const PEER_PINGS = new Set(['disco', 'TSMP', 'ICMP', 'peerapi'])
/** A server that asks for more at once is not heard. */
const PENDING_MAX = 16
/** What a handler may take at most, whatever the request says. */
const TIMEOUT_MAX_MS = 10 * MINUTE_MS

export class Pings {
  #lastUrl = ''
  #lastId = 0
  readonly #pending = new Map<number, { readonly url: string; readonly overNoise: boolean }>()

  /** What is to be done about a ping; `undefined` for one that was handled, or makes no sense. */
  take(ping: PingRequest): PingWork | undefined {
    const { URL: url, URLIsNoise: overNoise, Types: types, IP: ip, Payload: request } = ping
    if (url === '' || url === this.#lastUrl || !/^https?:\/\/[^\s]+$/.test(url)) return undefined
    this.#lastUrl = url
    if (types === '') return { kind: 'head', url, overNoise }
    if (this.#pending.size >= PENDING_MAX) return undefined
    const id = ++this.#lastId
    if (types === 'c2n') {
      this.#pending.set(id, { url, overNoise: true })
      return { kind: 'c2n', id, request, timeoutMs: handlerTimeoutMs(request) }
    }
    const known = types.split(',').filter((type) => PEER_PINGS.has(type))
    if (known.length === 0 || ip === '') return undefined
    this.#pending.set(id, { url, overNoise })
    return { kind: 'ping', id, ip, types: known }
  }

  /** @param response a raw HTTP/1 response; `undefined` when there will be none */
  answerC2n(id: number, response: Bytes | undefined): PingAnswer | undefined {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    return pending && response && { ...pending, body: response }
  }

  /** One of the answers to a ping; `undefined` ends it. */
  answerPing(id: number, response: PingResponse | undefined): PingAnswer | undefined {
    const pending = this.#pending.get(id)
    if (response === undefined) this.#pending.delete(id)
    return pending && response && { ...pending, body: utf8(JSON.stringify(response)) }
  }
}

/** The path of an address, with its query: over Noise the host says nothing. */
export function pathOf(url: string): string {
  const path = url.replace(/^https?:\/\/[^/?#]*/, '').replace(/#.*$/, '')
  return path.startsWith('/') ? path : `/${path}`
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: MINUTE_MS, h: 60 * MINUTE_MS }

/** What the request's own header says, a minute otherwise. */
function handlerTimeoutMs(request: Bytes): number {
  const head = textOf(request.subarray(0, 8192))?.split('\r\n\r\n', 1)[0] ?? ''
  const text = /^C2n-Handler-Timeout:[ \t]*(\S+)[ \t]*$/im.exec(head)?.[1] ?? ''
  if (!/^(?:\d+(?:\.\d+)?(?:ms|h|m|s))+$/.test(text)) return MINUTE_MS
  let ms = 0
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g))
    ms += Number(number) * (UNITS[unit as string] ?? 0)
  return ms > 0 ? Math.min(ms, TIMEOUT_MAX_MS) : MINUTE_MS
}
