/**
 * Timestamps of handshakes: TAI64N, 12 bytes big-endian, compared as bytes (WireGuard paper §5.1).
 *
 *   0                        8                12
 *   | 2^62 + 10 + Unix second | nanoseconds    |
 *
 * They only have to grow from one initiation to the next between the same two peers. They are cut to steps of
 * 2^24 ns (17 ms), so that they give away little of the sender's clock.
 */

import type { Bytes } from '../../base/bytes.ts'
import type { Mono, Wall } from '../../base/clock.ts'

export const TIMESTAMP_LENGTH = 12
/** TAI was 10 seconds ahead of UTC in 1970. */
const TAI_OFFSET_S = 10
const STEP_NS = 2 ** 24
/** The steps of a second, the last of them cut short. */
const STEPS = Math.ceil(1e9 / STEP_NS)

/** The timestamp of a time, cut to its step. */
export function encodeTimestamp(time: Wall): Uint8Array<ArrayBuffer> {
  const second = Math.floor(time / 1000)
  return write(second, Math.floor(((time - second * 1000) * 1e6) / STEP_NS))
}

/** The timestamp one step later. */
export function stepAfter(timestamp: Bytes): Uint8Array<ArrayBuffer> {
  const view = new DataView(timestamp.buffer, timestamp.byteOffset, timestamp.byteLength)
  const second = (view.getUint32(0) - 0x4000_0000) * 0x1_0000_0000 + view.getUint32(4) - TAI_OFFSET_S
  const step = Math.floor(view.getUint32(8) / STEP_NS) + 1
  return step < STEPS ? write(second, step) : write(second + 1, 0)
}

/** Is `a` later than `b`? */
export function isLater(a: Bytes, b: Bytes): boolean {
  for (let i = 0; i < TIMESTAMP_LENGTH; i++) {
    const difference = (a[i] as number) - (b[i] as number)
    if (difference !== 0) return difference > 0
  }
  return false
}

function write(second: number, step: number): Uint8Array<ArrayBuffer> {
  const timestamp = new Uint8Array(TIMESTAMP_LENGTH)
  const view = new DataView(timestamp.buffer)
  const tai = second + TAI_OFFSET_S
  view.setUint32(0, 0x4000_0000 + Math.floor(tai / 0x1_0000_0000))
  view.setUint32(4, tai >>> 0)
  view.setUint32(8, step * STEP_NS)
  return timestamp
}

/**
 * The time that goes into timestamps: the calendar's, except that it never goes back while the program lives. Peers
 * refuse an initiation that is older than one they have seen, so after a clock was set back by an hour nobody would
 * answer for an hour.
 */
export class StampClock {
  #ahead: number

  /** @param wall what the calendar says at `now` */
  constructor(wall: Wall, now: Mono) {
    this.#ahead = wall - now
  }

  /** What the calendar says at `now`, to be told at times: after sleep, and when the clock was set. */
  set(wall: Wall, now: Mono): void {
    this.#ahead = Math.max(this.#ahead, wall - now)
  }

  /** A timestamp for `now` that is later than `last`, the one before it to the same peer. */
  next(now: Mono, last: Bytes | undefined): Uint8Array<ArrayBuffer> {
    const timestamp = encodeTimestamp((now + this.#ahead) as Wall)
    return last === undefined || isLater(timestamp, last) ? timestamp : stepAfter(last)
  }
}
