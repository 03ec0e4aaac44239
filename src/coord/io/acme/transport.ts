/**
 * One request to the authority and its answer. Whatever goes wrong on the way is an answer as well, with a text for
 * people: what to make of it is the conversation's matter.
 */

import type { IncomingMessage, RequestOptions } from 'node:http'
import { SECOND_MS } from '../../../base/clock.ts'
import type { Wall } from '../../../base/clock.ts'
import type { Reply, Step } from '../../acme/obtain.ts'
import { retryAfterMs } from '../../acme/retry-after.ts'

// As a module it would be read whole, and load fetch and WebSocket with it: a tenth of each start.
const { request } = process.getBuiltinModule('node:https')

/** A request from its beginning to the last byte of its answer. */
const LONGEST_MS = 30 * SECOND_MS
/** Chains of certificates have some 10 KB. */
const MOST_BYTES = 256 * 1024

export interface TransportOptions {
  readonly signal: AbortSignal
  readonly wall: () => Wall
  /** What the authority is told of who asks. */
  readonly agent: string
  /** Certificates to trust instead of the system's, for tests. */
  readonly ca?: string
}

type Send = Extract<Step, { kind: 'send' }>

/** Never rejects, except when `signal` ends it. */
export async function transmit(step: Send, options: TransportOptions): Promise<Reply> {
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(LONGEST_MS)])
  try {
    const response = await ask(step, options, signal)
    const body = await bodyOf(response)
    const header = (name: string): string | undefined => response.headers[name]?.toString()
    const location = header('location')
    return {
      status: response.statusCode ?? 0,
      body,
      nonce: nonceIn(header('replay-nonce')),
      location:
        location === undefined || !URL.canParse(location, step.url) ? undefined : new URL(location, step.url).href,
      retryAfterMs: retryAfterMs(header('retry-after'), header('date'), options.wall()),
    }
  } catch (error) {
    options.signal.throwIfAborted()
    const why = signal.aborted
      ? `no answer within ${LONGEST_MS / SECOND_MS} s`
      : reasonOf(error as NodeJS.ErrnoException)
    const body = `${new URL(step.url).host}: ${why}`
    return { status: 0, body, nonce: undefined, location: undefined, retryAfterMs: undefined }
  }
}

function ask(step: Send, { agent, ca }: TransportOptions, signal: AbortSignal): Promise<IncomingMessage> {
  const options: RequestOptions & { ca?: string } = {
    method: step.method,
    signal,
    // Few requests, minutes apart: nothing is gained by keeping connections.
    agent: false,
    headers: {
      'user-agent': agent,
      'accept-language': 'en',
      ...(step.body === undefined
        ? {}
        : { 'content-type': 'application/jose+json', 'content-length': Buffer.byteLength(step.body) }),
    },
    ...(ca === undefined ? {} : { ca }),
  }
  return new Promise((resolve, reject) => {
    const outgoing = request(step.url, options, resolve)
    outgoing.on('error', reject)
    outgoing.end(step.body)
  })
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of response as AsyncIterable<Buffer>) {
    length += piece.length
    if (length > MOST_BYTES) throw new Error(`its answer is longer than ${MOST_BYTES / 1024} KiB`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString()
}

/** Anything but base64url in it is to be refused (RFC 8555, 6.5.1). */
function nonceIn(header: string | undefined): string | undefined {
  return header !== undefined && /^[A-Za-z0-9_-]{1,1024}$/.test(header) ? header : undefined
}

function reasonOf({ code = '', message }: NodeJS.ErrnoException): string {
  const known: Readonly<Record<string, string>> = {
    ENOTFOUND: 'there is no such name in DNS',
    EAI_AGAIN: 'DNS does not answer',
    ECONNREFUSED: 'nobody listens there',
    ECONNRESET: 'the connection was closed',
    ENETUNREACH: 'there is no way there',
    EHOSTUNREACH: 'there is no way there',
    ETIMEDOUT: 'no answer',
    CERT_HAS_EXPIRED: "its certificate has run out: is this machine's clock right?",
    CERT_NOT_YET_VALID: "its certificate is not good yet: is this machine's clock right?",
  }
  const untrusted = /^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)/.test(code)
  if (untrusted) return 'its certificate is not trusted: name the one to trust with NODE_EXTRA_CA_CERTS=FILE'
  return known[code] ?? message
}
