/** Answers what the server asks of the node itself (c2n/c2n.ts), from the same parts that the local API answers from. */

import { utf8 } from '../../base/bytes.ts'
import type { Bytes, Dice } from '../../base/bytes.ts'
import { answerC2n } from '../c2n/c2n.ts'
import type { C2nBackend } from '../c2n/c2n.ts'
import type { RawRequest, RawResponse } from '../c2n/raw-http.ts'
import { allowsC2n } from '../ceiling/ceiling.ts'
import type { Ceiling } from '../ceiling/ceiling.ts'
import type { Backend } from '../local/backend.ts'
import { answerLocal } from '../local/local-api.ts'
import { netmapJson } from '../local/netmap-json.ts'
import { prefsJson } from '../local/prefs-json.ts'

export interface ServerRequestOptions {
  readonly backend: Backend
  readonly ceiling: Ceiling
  readonly random: Dice
  readonly failed: (error: unknown) => void
}

/**
 * Answers one raw HTTP/1 request.
 *
 * @param timeoutMs what the answer may take
 * @returns a raw response; `undefined` when there is none in time, or at all
 */
export async function answerServer(
  { backend, ceiling, random, failed }: ServerRequestOptions,
  request: Bytes,
  timeoutMs: number,
): Promise<Bytes | undefined> {
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), timeoutMs)
  const parts: C2nBackend = {
    prefs: () => prefsJson(backend.prefs()),
    health: () => backend.busStart().health,
    netmap: () => {
      const { netmap, relays } = backend.view()
      return netmap && netmapJson(netmap, relays)
    },
    metrics: () => backend.debugMetrics(),
    allowsRemoteConfig: backend.prefs().RemoteConfig,
    localApi: (asked, path) => askLocal(backend, random, asked, path, late.signal),
    mayDo: (verb) => allowsC2n(ceiling, verb),
  }
  const gone = new Promise<undefined>((resolve) => late.signal.addEventListener('abort', () => resolve(undefined)))
  try {
    return await Promise.race([answerC2n(request, parts), gone])
  } catch (error) {
    failed(error)
    return undefined
  } finally {
    clearTimeout(timer)
  }
}

/** As root would ask it on this machine: who lets the server do so has said it twice. */
async function askLocal(
  backend: Backend,
  random: Dice,
  { method, query, headers, body }: RawRequest,
  path: string,
  signal: AbortSignal,
): Promise<RawResponse> {
  // Names that pages know us by mean nothing here: the request came over Noise.
  const header = (name: string): string | undefined => (name === 'host' ? undefined : headers.get(name))
  const answer = await answerLocal(
    { backend, random },
    { method, path, query, header, body, signal },
    { read: true, write: true, cert: true },
  )
  if (answer.kind === 'stream')
    return { status: 501, type: 'text/plain', body: utf8('streams are not told from afar\n') }
  return { status: answer.status, type: answer.type, body: utf8(answer.body) }
}
