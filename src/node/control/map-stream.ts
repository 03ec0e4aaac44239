/**
 * One map stream: its frames, unpacked and read, with the rules of a stream's beginning and of silence (control.md
 * §5.2 to §5.4). What the messages do to the map is netmap.ts.
 */

import type { Bytes } from '../../base/bytes.ts'
import { later, SECOND_MS } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'
import { MeshError } from '../../base/errors.ts'
import { MapFrameReader } from '../../wire/map-frame.ts'
import { MAP_JSON_MAX, readMapResponse } from '../../wire/map-response.ts'
import type { MapResponse } from '../../wire/map-response.ts'

/** The longest frame, compressed, in bytes: many times what a tailnet of 10,000 nodes takes. */
export const MAP_FRAME_MAX = 16 << 20
/** Without a whole message for so long the stream is dead. (control.md §5.3) */
export const SILENCE_MS = 120 * SECOND_MS
/** A server may ask for a pause of no more than this. */
const SLEEP_MAX_MS = 300 * SECOND_MS

/**
 * Unpacks one frame: zstd, perhaps several frames of it in a row.
 *
 * @param limit most bytes to unpack
 * @returns `undefined` when it is none, or holds more than `limit`
 */
export type Unzstd = (packed: Bytes, limit: number) => Bytes | undefined

export interface StreamMessage {
  readonly message: MapResponse
  /** The frame it came in, for a copy on disk; good until the next piece. */
  readonly frame: Bytes
}

export class MapStream {
  readonly #frames = new MapFrameReader(MAP_FRAME_MAX)
  readonly #unzstd: Unzstd
  #heardAt: Mono
  #sleepUntil = 0 as Mono
  #first = true
  /** Pieces that came while the server wanted a pause; flow control bounds them. */
  #held: Bytes[] = []
  /** Why the stream is to be dropped. */
  broken: string | undefined

  constructor(unzstd: Unzstd, now: Mono) {
    this.#unzstd = unzstd
    this.#heardAt = now
  }

  get isFirstDue(): boolean {
    return this.#first
  }

  /** Something has come that waits for the end of a pause. */
  get isHolding(): boolean {
    return this.#held.length > 0
  }

  isSilent(now: Mono): boolean {
    return now >= this.silentAt
  }

  /** When the stream counts as dead unless something comes. */
  get silentAt(): Mono {
    return later(Math.max(this.#heardAt, this.#sleepUntil) as Mono, SILENCE_MS)
  }

  /** When a pause is over that the server wanted; in the past when there is none. */
  get sleepUntil(): Mono {
    return this.#sleepUntil
  }

  /**
   * Takes a piece of the stream. Gives its messages and how many bytes have been used up; look at `broken` then.
   *
   * @param piece may be empty: then only what is held
   */
  push(piece: Bytes, now: Mono): { readonly messages: readonly StreamMessage[]; readonly used: number } {
    const messages: StreamMessage[] = []
    if (piece.length > 0) this.#held.push(now < this.#sleepUntil ? piece.slice() : piece)
    let used = 0
    while (now >= this.#sleepUntil && this.broken === undefined) {
      const next = this.#held.shift()
      if (next === undefined) break
      used += next.length
      for (const frame of this.#frames.push(next)) {
        const message = this.#read(frame)
        if (message === undefined) break
        this.#heardAt = now
        // The pause begins behind this piece: within a piece there is nothing worth waiting for.
        const sleep = Math.min(SLEEP_MAX_MS, Math.max(0, (message.Debug?.SleepSeconds ?? 0) * 1000))
        if (sleep > 0) this.#sleepUntil = later(now, sleep)
        messages.push({ message, frame })
      }
      if (this.#frames.broken) this.broken ??= `a frame is empty or longer than ${MAP_FRAME_MAX} bytes`
    }
    if (this.#held.length > 0) this.#held = this.#held.map((each) => each.slice())
    return { messages, used }
  }

  #read(frame: Bytes): MapResponse | undefined {
    if (this.broken !== undefined) return undefined
    const json = this.#unzstd(frame, MAP_JSON_MAX)
    if (json === undefined) {
      this.broken = `a frame is no zstd, or holds more than ${MAP_JSON_MAX} bytes`
      return undefined
    }
    try {
      const message = readMapResponse(json)
      if (this.#first && !message.KeepAlive) {
        if (message.Node === undefined) {
          this.broken = 'the first message of the stream says nothing of this node'
          return undefined
        }
        this.#first = false
      }
      return message
    } catch (error) {
      if (!(error instanceof MeshError)) throw error
      this.broken = error.message
      return undefined
    }
  }
}
