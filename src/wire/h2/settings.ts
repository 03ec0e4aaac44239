/** The peer's settings: what is read of a SETTINGS frame, and the rules its values keep. (RFC 9113 §6.5) */

import { connectionFault, DEFAULT_WINDOW, FRAME_BYTES, MAX_31, SETTING } from './codes.ts'
import type { Fault } from './codes.ts'
import { readU32 } from './frames.ts'

/**
 * The settings that change what we do. The table size does not: our encoder keeps no table. Nor does the frame
 * size: we never send more than every peer must take.
 */
export type PeerSettings = {
  initialWindow: number
  /** Streams that the peer lets us have open at once. */
  concurrentStreams: number
}

export const INITIAL_SETTINGS: Readonly<PeerSettings> = { initialWindow: DEFAULT_WINDOW, concurrentStreams: Infinity }

/** The settings after a frame's payload (a multiple of six bytes), or the fault in it. */
export function readSettings(payload: Uint8Array, before: PeerSettings, fromServer: boolean): PeerSettings | Fault {
  const after = { ...before }
  for (let at = 0; at < payload.length; at += 6) {
    const id = ((payload[at] as number) << 8) | (payload[at + 1] as number)
    const value = readU32(payload, at + 2)
    if (id === SETTING.ENABLE_PUSH && value > (fromServer ? 0 : 1))
      return connectionFault('PROTOCOL_ERROR', 'ENABLE_PUSH has no such value')
    if (id === SETTING.MAX_FRAME_SIZE && (value < FRAME_BYTES || value > 0xff_ffff))
      return connectionFault('PROTOCOL_ERROR', 'MAX_FRAME_SIZE is out of range')
    if (id === SETTING.INITIAL_WINDOW_SIZE) {
      if (value > MAX_31) return connectionFault('FLOW_CONTROL_ERROR', 'INITIAL_WINDOW_SIZE is out of range')
      after.initialWindow = value
    }
    if (id === SETTING.MAX_CONCURRENT_STREAMS) after.concurrentStreams = value
  }
  return after
}
