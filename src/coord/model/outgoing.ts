/**
 * One request that the server makes of its own accord, what came of it, and what is needed to make one.
 *
 * Stages say what to send and whether it was taken; the shell sends it, and decides where it may go.
 */

import type { Bytes } from '../../base/bytes.ts'
import type { Wall } from '../../base/clock.ts'
import type { AuditEntry } from './audit.ts'
import type { Sha256 } from './credentials.ts'

export type Outgoing =
  | {
      readonly kind: 'http'
      readonly method: 'POST' | 'PUT'
      readonly url: string
      readonly headers: Readonly<Record<string, string>>
      readonly body: Bytes
    }
  /** `tls://HOST:PORT` or `tcp://HOST:PORT`. */
  | { readonly kind: 'stream'; readonly url: string; readonly body: Bytes }

/** What came of it. `answered` with 2xx is good as far as HTTP goes; `sent`: the other side has closed in good order. */
export type Sent =
  | { readonly kind: 'answered'; readonly status: number; readonly body: string }
  | { readonly kind: 'sent' }
  /** One line, without anything secret. */
  | { readonly kind: 'failed'; readonly why: string }

export interface Making {
  readonly sha256: Sha256
  /** HMAC-SHA256; 32 bytes. */
  readonly hmac: (key: Bytes, text: Bytes) => Bytes
  readonly compress: (bytes: Bytes, format: 'gzip' | 'zstd') => Bytes
}

/** An entry of an audit log, read. */
export interface LogEntry {
  readonly number: number
  readonly at: Wall
  readonly group: string
  readonly entry: AuditEntry
}

/** Why it was not taken; `undefined`: it was. Nothing of the answer's text stands in it. */
export function faultOfSent(sent: Sent): string | undefined {
  if (sent.kind === 'failed') return sent.why
  if (sent.kind === 'sent' || (sent.status >= 200 && sent.status < 300)) return undefined
  const moved = sent.status >= 300 && sent.status < 400
  return `it answered ${sent.status}${moved ? ': redirects are not followed, so give the address it leads to' : ''}`
}
