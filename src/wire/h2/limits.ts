/** What one connection may cost us, whatever the peer does. */

import type { H2Code } from './codes.ts'

export type H2Limits = {
  /** Streams that the peer may have open at once; more are refused. */
  readonly concurrentStreams: number
  /** Bytes of one body, and of all bodies together, that may lie unused (see `consumed`); 65,535 at least. */
  readonly streamWindow: number
  readonly connectionWindow: number
  /** A decoded header list, counted as RFC 9113 §6.5.2 counts: 32 bytes a field and its characters. */
  readonly headerListBytes: number
  /** An encoded header block, and the CONTINUATION frames it may come in. */
  readonly headerBlockBytes: number
  readonly continuations: number
  /** Frames that wait because nobody takes them, DATA aside: acknowledgements, responses' headers, resets. */
  readonly unreadFrames: number
  /** Units of patience with frames that bring nothing, and how many a second come back (patience.ts has the prices). */
  readonly patience: number
  readonly patiencePerSecond: number
}

export const DEFAULT_LIMITS: H2Limits = {
  concurrentStreams: 250,
  streamWindow: 256 * 1024,
  connectionWindow: 1024 * 1024,
  headerListBytes: 16 * 1024,
  headerBlockBytes: 64 * 1024,
  continuations: 16,
  unreadFrames: 500,
  patience: 1000,
  patiencePerSecond: 100,
}

/** What both sides hear of. After 'failed' there is nothing more; it ends every stream. */
export type CommonEvent =
  /** `bytes` is a view of what was received: good until the receiver of the network bytes reuses them. */
  | { readonly kind: 'data'; readonly stream: number; readonly bytes: Uint8Array; readonly endStream: boolean }
  /** The stream is gone: the peer gave it up, or broke a rule and we gave it up. */
  | { readonly kind: 'reset'; readonly stream: number; readonly code: H2Code; readonly by: 'peer' | 'us' }
  /** The peer takes no streams above `lastStream`, and will close. */
  | { readonly kind: 'goaway'; readonly code: H2Code; readonly lastStream: number }
  | { readonly kind: 'pong'; readonly opaque: Uint8Array }
  /** A GOAWAY with this code is due; take it, send it, close. */
  | { readonly kind: 'failed'; readonly code: H2Code; readonly why: string }
