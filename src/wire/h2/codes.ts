/**
 * The numbers of HTTP/2 by name: frame types, flags, settings, error codes, and what a fault is. (RFC 9113 §6, §7, §11)
 */

export const FRAME = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const

export const FLAG = { ACK: 0x1, END_STREAM: 0x1, END_HEADERS: 0x4, PADDED: 0x8, PRIORITY: 0x20 } as const

export const SETTING = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
} as const

/** In the order of their numbers on the wire. (RFC 9113 §7) */
const CODES = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
] as const

export type H2Code = (typeof CODES)[number]

const NUMBERS = new Map<H2Code, number>(CODES.map((name, number) => [name, number]))

export function codeNumber(code: H2Code): number {
  return NUMBERS.get(code) as number
}

/** The code's name; numbers that no one has defined count as INTERNAL_ERROR. (RFC 9113 §7) */
export function codeName(number: number): H2Code {
  return CODES[number] ?? 'INTERNAL_ERROR'
}

/** What the peer broke, and whether one stream or the whole connection pays for it. (RFC 9113 §5.4) */
export type Fault =
  | { readonly kind: 'connection'; readonly code: H2Code; readonly why: string }
  | { readonly kind: 'stream'; readonly stream: number; readonly code: H2Code; readonly why: string }

export function connectionFault(code: H2Code, why: string): Fault {
  return { kind: 'connection', code, why }
}

export function streamFault(stream: number, code: H2Code, why: string): Fault {
  return { kind: 'stream', stream, code, why }
}

/** The largest window, and the largest stream id. */
export const MAX_31 = 0x7fff_ffff
/** The window everybody starts with, and the frame size that every peer must take. (RFC 9113 §6.5.2) */
export const DEFAULT_WINDOW = 65_535
export const FRAME_BYTES = 16_384
