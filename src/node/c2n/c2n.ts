/**
 * What a node answers when its server asks ("control to node"): a line for each request that there is, with what it
 * needs (control.md §12, node.md §16). A server is not the node's owner: it may look at what helps to find faults, and
 * change nothing, unless the machine's ceiling lets it (`mayDo`).
 *
 * What this version has not is not here, and gets the answer that official nodes without it give.
 */

import { textOf, utf8 } from '../../base/bytes.ts'
import type { Bytes } from '../../base/bytes.ts'
import { readRequest, writeResponse } from './raw-http.ts'
import type { RawRequest, RawResponse } from './raw-http.ts'

/** What the answers are made from. */
export interface C2nBackend {
  /** Without any key. */
  prefs(): object
  health(): object
  /** `undefined`: there is none. */
  netmap(): object | undefined
  /** Counters, as Prometheus text. */
  metrics(): string
  /** The preference RemoteConfig. */
  readonly allowsRemoteConfig: boolean
  /** Asks the local API, with all rights. @param path from the first slash on */
  localApi(request: RawRequest, path: string): Promise<RawResponse>
  /** The ceiling's word. */
  mayDo(verb: { readonly name: string; readonly changes: boolean }): boolean
}

interface Verb {
  /** For the ceiling. */
  readonly name: string
  /** One that ends with a slash takes whatever follows. */
  readonly path: string
  /** Empty: any. */
  readonly method: string
  /** It does more than tell something. */
  readonly changes: boolean
  readonly answer: (request: RawRequest, backend: C2nBackend) => RawResponse | Promise<RawResponse>
}

const verb = (name: string, method: string, path: string, answer: Verb['answer'], changes = false): Verb => ({
  name,
  path,
  method,
  changes,
  answer,
})

const VERBS: readonly Verb[] = [
  verb('echo', '', '/echo', ({ body }) => ({ status: 200, type: OCTETS, body })),
  // There is nothing to flush: nobody is sent logs.
  verb('logtail/flush', 'POST', '/logtail/flush', () => ({ status: 204, type: '', body: new Uint8Array(0) })),
  verb('debug/prefs', 'GET', '/debug/prefs', (_, backend) => json(backend.prefs())),
  verb('debug/metrics', 'GET', '/debug/metrics', (_, backend) => text(backend.metrics())),
  verb('debug/health', '', '/debug/health', (_, backend) => json(backend.health())),
  verb('debug/netmap', 'GET', '/debug/netmap', netmap),
  verb('debug/netmap', 'POST', '/debug/netmap', netmap),
  // The system's packages do that.
  verb('update', 'GET', '/update', () => json({ Enabled: false, Supported: false, Started: false })),
  verb('vip-services', 'GET', '/vip-services', () => json({ VIPServices: null, ServicesHash: '' })),
  verb('remoteapi', '', '/remoteapi/localapi/', remoteApi, true),
]

/** For the ceiling's file. */
export const C2N_NAMES = {
  all: [...new Set(VERBS.map(({ name }) => name))],
  changing: VERBS.filter(({ changes }) => changes).map(({ name }) => name),
} as const

const OCTETS = 'application/octet-stream'
const REMOTE_API = '/remoteapi'

/** A raw HTTP/1 request in, a raw response out. Rejects only for what is a mistake of ours. */
export async function answerC2n(raw: Bytes, backend: C2nBackend): Promise<Uint8Array> {
  const request = readRequest(raw)
  return writeResponse(request === undefined ? refusal(400, 'malformed request') : await answer(request, backend))
}

async function answer(request: RawRequest, backend: C2nBackend): Promise<RawResponse> {
  const { method, path } = request
  const there = VERBS.filter((v) => (v.path.endsWith('/') ? path.startsWith(v.path) : v.path === path))
  if (there.length === 0) return refusal(400, 'unknown c2n path')
  const found = there.find((v) => v.method === '' || v.method === method)
  if (found === undefined) return refusal(405, 'bad method')
  if (!backend.mayDo(found)) return refusal(403, `${found.name} is off on this machine`)
  return found.answer(request, backend)
}

/** Of what there is, less what is asked to be left out. What another map would make of it is not answered. */
function netmap({ body }: RawRequest, backend: C2nBackend): RawResponse {
  const current = backend.netmap()
  if (current === undefined) return refusal(500, 'no network map')
  const omitted = omittedBy(body)
  if (omitted === undefined) return refusal(400, 'malformed body')
  return json({ current: Object.fromEntries(Object.entries(current).filter(([name]) => !omitted.has(name))) })
}

function omittedBy(body: Bytes): ReadonlySet<unknown> | undefined {
  if (body.length === 0) return new Set()
  try {
    const { omitFields } = JSON.parse(textOf(body) ?? '') as { readonly omitFields?: unknown }
    if (omitFields === undefined || omitFields === null) return new Set()
    return Array.isArray(omitFields) ? new Set(omitFields) : undefined
  } catch {
    return undefined
  }
}

/** The node's user has to want it too. */
function remoteApi(request: RawRequest, backend: C2nBackend): RawResponse | Promise<RawResponse> {
  if (!backend.allowsRemoteConfig) return refusal(403, 'remote configuration is off on this node')
  return backend.localApi(request, request.path.slice(REMOTE_API.length))
}

function json(value: object): RawResponse {
  return { status: 200, type: 'application/json', body: utf8(`${JSON.stringify(value)}\n`) }
}

function text(body: string): RawResponse {
  return { status: 200, type: 'text/plain', body: utf8(body) }
}

function refusal(status: number, why: string): RawResponse {
  return { status, type: 'text/plain; charset=utf-8', body: utf8(`${why}\n`) }
}
