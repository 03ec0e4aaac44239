/** What can be said of a frame by itself: whether it may have a stream, and how long it may be. (RFC 9113 §6) */

import type { Bytes } from '../../base/bytes.ts'
import { connectionFault, FLAG, FRAME, MAX_31, streamFault } from './codes.ts'
import type { Fault } from './codes.ts'
import { readU32 } from './frames.ts'
import type { Frame } from './frames.ts'

type Rule = {
  readonly name: string
  readonly stream: 'one' | 'none' | 'either'
  readonly fits: (length: number) => boolean
}

const anyLength = () => true

/** By the number of the type. */
const RULES: readonly Rule[] = [
  { name: 'DATA', stream: 'one', fits: anyLength },
  { name: 'HEADERS', stream: 'one', fits: anyLength },
  { name: 'PRIORITY', stream: 'one', fits: (length) => length === 5 },
  { name: 'RST_STREAM', stream: 'one', fits: (length) => length === 4 },
  { name: 'SETTINGS', stream: 'none', fits: (length) => length % 6 === 0 },
  { name: 'PUSH_PROMISE', stream: 'one', fits: anyLength },
  { name: 'PING', stream: 'none', fits: (length) => length === 8 },
  { name: 'GOAWAY', stream: 'none', fits: (length) => length >= 8 },
  { name: 'WINDOW_UPDATE', stream: 'either', fits: (length) => length === 4 },
  { name: 'CONTINUATION', stream: 'one', fits: anyLength },
]

/** What is wrong with a frame whatever the connection's state; nothing is ever wrong with an unknown type. */
export function checkFrame(frame: Frame): Fault | undefined {
  const { type, flags, stream, payload } = frame
  const rule = RULES[type]
  if (rule === undefined) return undefined
  if (rule.stream === 'one' && stream === 0) return connectionFault('PROTOCOL_ERROR', `${rule.name} without a stream`)
  if (rule.stream === 'none' && stream !== 0) return connectionFault('PROTOCOL_ERROR', `${rule.name} on a stream`)
  if (type === FRAME.PRIORITY) return checkPriority(stream, payload)
  const ack = type === FRAME.SETTINGS && (flags & FLAG.ACK) !== 0
  if (!rule.fits(payload.length) || (ack && payload.length > 0))
    return connectionFault('FRAME_SIZE_ERROR', `${rule.name} of a wrong length`)
  return undefined
}

/** Priorities are read past, but a malformed one is a fault all the same. (RFC 9113 §6.3, RFC 7540 §5.3.1) */
function checkPriority(stream: number, payload: Bytes): Fault | undefined {
  if (payload.length !== 5) return streamFault(stream, 'FRAME_SIZE_ERROR', 'PRIORITY of a wrong length')
  return (readU32(payload, 0) & MAX_31) === stream
    ? streamFault(stream, 'PROTOCOL_ERROR', 'stream depends on itself')
    : undefined
}

/** The payload of DATA or HEADERS without its padding; `undefined` when there is more padding than frame. (§6.1) */
export function unpad(frame: Frame): Bytes | undefined {
  const { payload } = frame
  if ((frame.flags & FLAG.PADDED) === 0) return payload
  const padding = payload[0]
  if (padding === undefined || padding >= payload.length) return undefined
  return payload.subarray(1, payload.length - padding)
}
