/**
 * Sends one request, or one batch over a plain stream, and says what came of it. Nobody is followed elsewhere, no
 * connection is kept, and of an answer only as much is read as tells whether it is good.
 */

import type { IncomingMessage } from 'node:http'
import { connect as connectTcp } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { SECOND_MS } from '../../../base/clock.ts'
import type { Outgoing, Sent } from '../../model/outgoing.ts'
import { Refused } from './targets.ts'
import type { Targets } from './targets.ts'

// As modules they would load fetch and WebSocket with them.
const https = process.getBuiltinModule('node:https')
const http = process.getBuiltinModule('node:http')

/** Receivers of events answer at once; a collector may think about megabytes. */
const LONGEST_MS = 30 * SECOND_MS
/** Some receivers of syslog never close: what they have taken for so long without a word is there. */
const FAREWELL_MS = 2 * SECOND_MS
/** Elasticsearch says something of each of a thousand entries. */
const ANSWER_MAX = 1024 * 1024
const SYSLOG_TLS = 6514
const SYSLOG = 514

export interface SendOptions {
  readonly targets: Targets
  /** Aborts what is under way. */
  readonly signal: AbortSignal
  /** Certificates to trust instead of the system's, for tests. */
  readonly ca?: string
  /** For tests; `LONGEST_MS` if not given. */
  readonly longestMs?: number
}

export async function send(outgoing: Outgoing, options: SendOptions): Promise<Sent> {
  const late = AbortSignal.timeout(options.longestMs ?? LONGEST_MS)
  const signal = AbortSignal.any([late, options.signal])
  try {
    return outgoing.kind === 'http' ? await post(outgoing, options, signal) : await pour(outgoing, options, signal)
  } catch (error) {
    if (late.aborted) return { kind: 'failed', why: 'it did not answer in time' }
    return { kind: 'failed', why: whyOf(error) }
  }
}

/** Codes and our own words: messages of others may quote what was sent. */
function whyOf(error: unknown): string {
  if (error instanceof Refused) return error.message
  const { code, cause } = error as { code?: unknown; cause?: { code?: unknown } }
  const told = typeof code === 'string' ? code : typeof cause?.code === 'string' ? cause.code : undefined
  return told === undefined ? 'the connection failed' : `the connection failed (${told})`
}

async function post(
  { method, url: text, headers, body }: Extract<Outgoing, { kind: 'http' }>,
  { targets, ca }: SendOptions,
  signal: AbortSignal,
): Promise<Sent> {
  const url = new URL(text)
  const isClear = url.protocol !== 'https:'
  targets.check(url.hostname, isClear)
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const options = {
      method,
      signal,
      agent: false,
      lookup: targets.lookup(isClear),
      headers: { ...headers, 'Content-Length': body.length },
      ...(ca === undefined ? {} : { ca }),
    } as const
    const asked = isClear ? http.request(url, options, resolve) : https.request(url, options, resolve)
    asked.on('error', reject)
    asked.end(body)
  })
  return { kind: 'answered', status: response.statusCode ?? 0, body: await textOf(response) }
}

async function textOf(response: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of response as AsyncIterable<Buffer>) {
    length += piece.length
    if (length > ANSWER_MAX) break
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}

/** Writes it all, says that this is the end, and waits for the other side to have taken note of that. */
async function pour(
  { url: text, body }: Extract<Outgoing, { kind: 'stream' }>,
  { targets, ca }: SendOptions,
  signal: AbortSignal,
): Promise<Sent> {
  const [, scheme = '', host = '', port = ''] = /^(tls|tcp):\/\/(\[[^\]]+\]|[^:/]+)(?::(\d+))?\/?$/.exec(text) ?? []
  const isClear = scheme === 'tcp'
  targets.check(host, isClear)
  const name = host.replace(/^\[(.*)\]$/, '$1')
  const to = { host: name, port: Number(port || (isClear ? SYSLOG : SYSLOG_TLS)), lookup: targets.lookup(isClear) }
  const socket: Socket = isClear
    ? connectTcp({ ...to })
    : connectTls({ ...to, servername: /^[\d.]+$|:/.test(name) ? '' : name, ...(ca === undefined ? {} : { ca }) })
  const stop = () => socket.destroy(new Refused('it did not take everything in time'))
  signal.addEventListener('abort', stop, { once: true })
  let farewell: NodeJS.Timeout | undefined
  try {
    return await new Promise<Sent>((resolve, reject) => {
      const done = () => resolve({ kind: 'sent' })
      socket.on('error', reject)
      socket.once(isClear ? 'connect' : 'secureConnect', () => {
        socket.end(body, () => (farewell = setTimeout(done, FAREWELL_MS)))
      })
      socket.resume()
      socket.once('close', () =>
        socket.bytesWritten >= body.length && socket.writableFinished
          ? done()
          : reject(new Refused('it closed the connection before it had everything')),
      )
    })
  } finally {
    clearTimeout(farewell)
    signal.removeEventListener('abort', stop)
    socket.destroy()
  }
}
