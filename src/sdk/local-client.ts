/**
 * The local API of a node's daemon (node.md §9) as functions. `settd` and the official daemon speak it alike.
 *
 *   const node = new LocalClient(transport)
 *   const { BackendState } = await node.status()
 *   await node.editPrefs({ Hostname: 'web', HostnameSet: true })
 *
 * How requests travel (over which socket) is the transport's matter; it is handed in.
 */

import { MeshError } from '../base/errors.ts'
import type {
  LoginProfile,
  MaskedPrefs,
  Notify,
  PingResult,
  PingType,
  Prefs,
  Status,
  WhoIs,
} from './local-client-types.ts'

export interface LocalRequest {
  readonly method: string
  /** With its query: `/localapi/v0/status?peers=false`. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Ends the request, and the reading of its answer. */
  readonly signal?: AbortSignal | undefined
}

export interface LocalAnswer {
  readonly status: number
  /** `Not Found` */
  readonly statusText: string
  readonly headers: Readonly<Record<string, string>>
  /** The body, whole. */
  text(): Promise<string>
  /** The body in pieces as they come, until it ends or the signal does. */
  pieces(): AsyncIterable<string>
}

/**
 * Resolves as soon as the answer's headers are there; rejects with MeshError `api/unreachable` when there is no daemon,
 * and with the signal's reason when that ends it.
 */
export type LocalTransport = (request: LocalRequest) => Promise<LocalAnswer>

/** The daemon's answer was no. The message is in its words. */
export class LocalRefused extends MeshError {
  readonly status: number

  constructor(status: number, message: string) {
    super('api/refused', message)
    this.status = status
  }
}

const BASE = '/localapi/v0/'
/** Bits of the bus's mask (node.md §9.2). */
export const NOTIFY = {
  engineUpdates: 1 << 0,
  initialState: 1 << 1,
  initialPrefs: 1 << 2,
  initialNetMap: 1 << 3,
  initialDriveShares: 1 << 5,
  initialOutgoingFiles: 1 << 6,
  initialHealth: 1 << 7,
  healthActions: 1 << 9,
  initialSuggestedExitNode: 1 << 10,
  initialClientVersion: 1 << 11,
  peerChanges: 1 << 12,
  noNetMap: 1 << 13,
  initialStatus: 1 << 14,
  peerPatches: 1 << 15,
  peerWireGuardState: 1 << 18,
} as const

/** States as the bus numbers them (node.md §13). */
export const STATE = { needsLogin: 2, needsMachineAuth: 3, stopped: 4, running: 6 } as const

interface Extras {
  readonly body?: unknown
  /** Why somebody wants this, where a policy asks for it. */
  readonly reason?: string
  readonly signal?: AbortSignal | undefined
}

export class LocalClient {
  readonly #transport: LocalTransport

  constructor(transport: LocalTransport) {
    this.#transport = transport
  }

  /** @param peers whether to tell of peers; without them the answer is short */
  async status(peers = true, signal?: AbortSignal): Promise<Status> {
    return readStatus(await this.statusText(peers, signal))
  }

  /** The status as the daemon wrote it, for programs that want every member as it is. */
  async statusText(peers = true, signal?: AbortSignal): Promise<string> {
    return this.text('GET', `status${peers ? '' : '?peers=false'}`, 200, { signal })
  }

  async prefs(): Promise<Prefs> {
    return objectIn(await this.text('GET', 'prefs'), 'prefs') as unknown as Prefs
  }

  async editPrefs(edit: MaskedPrefs, reason?: string): Promise<Prefs> {
    const extras = { body: edit, ...(reason ? { reason } : {}) }
    return objectIn(await this.text('PATCH', 'prefs', 200, extras), 'prefs') as unknown as Prefs
  }

  /** @throws LocalRefused when the daemon would not take these preferences */
  async checkPrefs(prefs: Prefs): Promise<void> {
    const { Error: wrong } = objectIn(await this.text('POST', 'check-prefs', 200, { body: prefs }), 'check-prefs')
    if (typeof wrong === 'string' && wrong !== '') throw new LocalRefused(400, wrong)
  }

  async start(options: { readonly UpdatePrefs: Prefs; readonly AuthKey?: string }): Promise<void> {
    await this.text('POST', 'start', 204, { body: { FrontendLogID: '', AuthKey: '', ...options } })
  }

  /** The link to follow comes by the bus. */
  async startLogin(): Promise<void> {
    await this.text('POST', 'login-interactive', 204)
  }

  async logout(reason?: string): Promise<void> {
    await this.text('POST', 'logout', 204, reason ? { reason } : {})
  }

  async profiles(): Promise<readonly LoginProfile[]> {
    const said = parse(await this.text('GET', 'profiles/'), 'profiles') ?? []
    if (!Array.isArray(said) || !said.every(isProfile)) throw notAsExpected('profiles')
    return said as readonly LoginProfile[]
  }

  async currentProfile(): Promise<LoginProfile> {
    return objectIn(await this.text('GET', 'profiles/current'), 'profiles/current') as unknown as LoginProfile
  }

  async newProfile(): Promise<void> {
    await this.text('PUT', 'profiles/', 201)
  }

  async switchProfile(id: string): Promise<void> {
    await this.text('POST', `profiles/${encodeURIComponent(id)}`, 204)
  }

  async deleteProfile(id: string): Promise<void> {
    await this.text('DELETE', `profiles/${encodeURIComponent(id)}`, 204)
  }

  /** @param size of the message in bytes, of disco pings only; 0 is the smallest */
  async ping(ip: string, type: PingType, size: number, signal?: AbortSignal): Promise<PingResult> {
    const query = new URLSearchParams({ ip, size: String(size), type })
    return objectIn(
      await this.text('POST', `ping?${query.toString()}`, 200, { signal }),
      'ping',
    ) as unknown as PingResult
  }

  /** What the daemon knows of an address, as it wrote it; `undefined` when it knows nobody there. */
  async whoIsText(address: string, proto = ''): Promise<string | undefined> {
    const query = new URLSearchParams({ proto, addr: address })
    try {
      return await this.text('GET', `whois?${query.toString()}`)
    } catch (error) {
      if (error instanceof LocalRefused && error.status === 404) return undefined
      throw error
    }
  }

  /** Tailnet services by name, with their addresses. */
  async services(): Promise<Readonly<Record<string, { readonly Addrs?: readonly string[] | null }>>> {
    return objectIn(await this.text('GET', 'services'), 'services') as Readonly<Record<string, { Addrs?: string[] }>>
  }

  /** What is wrong with the machine's settings for this; empty when nothing is. */
  async warningOf(check: 'check-ip-forwarding' | 'check-udp-gro-forwarding'): Promise<string> {
    return (objectIn(await this.text('GET', check), check) as { Warning?: string }).Warning ?? ''
  }

  /**
   * Listens on the notification bus. Resolves once the daemon listens to us, so that what is asked for after that is
   * surely heard of. The messages end when the daemon goes, or with the signal.
   */
  async watchBus(mask: number, signal?: AbortSignal): Promise<AsyncIterable<string>> {
    const answer = await this.#send('GET', `${BASE}watch-ipn-bus?mask=${mask}`, { signal })
    if (answer.status !== 200) throw refusal(answer, await answer.text())
    return linesOf(answer.pieces())
  }

  /** A request of which the body of the answer is wanted as it is. @throws LocalRefused when the answer has another status */
  async text(method: string, path: string, want = 200, extras: Extras = {}): Promise<string> {
    const answer = await this.#send(method, BASE + path, extras)
    const text = await answer.text()
    if (answer.status !== want) throw refusal(answer, text)
    return text
  }

  /** A request of which the answer is JSON. */
  async value(method: string, path: string): Promise<unknown> {
    return parse(await this.text(method, path), path.split('?', 1)[0] as string)
  }

  /** Any request, whatever comes of it. */
  async raw(request: LocalRequest): Promise<LocalAnswer> {
    return this.#transport(request)
  }

  async #send(method: string, path: string, { body, reason, signal }: Extras): Promise<LocalAnswer> {
    return this.#transport({
      method,
      path,
      ...(reason === undefined
        ? {}
        : { headers: { 'X-Tailscale-Reason': new TextEncoder().encode(reason).toBase64() } }),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    })
  }
}

export function readStatus(text: string): Status {
  const status = objectIn(text, 'status')
  if (typeof status['BackendState'] !== 'string' || !isObject(status['Self'])) throw notAsExpected('status')
  return status as unknown as Status
}

/** Reads a message of the bus. */
export function readNotify(line: string): Notify {
  return objectIn(line, 'watch-ipn-bus') as unknown as Notify
}

export function readWhoIs(text: string): WhoIs {
  const said = objectIn(text, 'whois')
  if (!isObject(said['Node']) || !isObject(said['UserProfile'])) throw notAsExpected('whois')
  return said as unknown as WhoIs
}

/** @throws MeshError `api/unreachable` for anything but a JSON object: no daemon sends that */
function objectIn(text: string, what: string): Record<string, unknown> {
  const value = parse(text, what)
  if (!isObject(value)) throw notAsExpected(what)
  return value
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isProfile(value: unknown): boolean {
  return isObject(value) && isObject(value['NetworkProfile']) && isObject(value['UserProfile'])
}

function notAsExpected(what: string): MeshError {
  return new MeshError('api/unreachable', `invalid JSON from ${what}: it is not what settd answers`)
}

function parse(text: string, what: string): unknown {
  try {
    // Sixteen digits are the fewest that a number may not hold; nearly no answer has them.
    return /\d{16}/.test(text) ? JSON.parse(text, keepBigIntegers) : JSON.parse(text)
  } catch (cause) {
    throw new MeshError('api/unreachable', `invalid JSON from ${what}: ${(cause as Error).message}`, { cause })
  }
}

function keepBigIntegers(_key: string, value: unknown, context?: { source?: string }): unknown {
  const source = context?.source
  if (typeof value !== 'number' || Number.isSafeInteger(value) || source === undefined) return value
  return /^-?\d+$/.test(source) ? source : value
}

function refusal(answer: LocalAnswer, text: string): LocalRefused {
  const said = errorIn(text)
  if (answer.status === 403) return new LocalRefused(403, `Access denied: ${said ?? text.trim()}`)
  if (answer.status === 412) return new LocalRefused(412, `Preconditions failed: ${said ?? text.trim()}`)
  return new LocalRefused(answer.status, said ?? `${answer.status} ${answer.statusText}: ${text.trim()}`)
}

function errorIn(text: string): string | undefined {
  try {
    const { Error: said, error = said } = JSON.parse(text) as { Error?: unknown; error?: unknown }
    return typeof error === 'string' && error !== '' ? error : undefined
  } catch {
    return undefined
  }
}

async function* linesOf(pieces: AsyncIterable<string>): AsyncIterable<string> {
  let held = ''
  for await (const piece of pieces) {
    const lines = (held + piece).split('\n')
    held = lines.pop() as string
    for (const line of lines) if (line.trim() !== '') yield line
  }
  if (held.trim() !== '') yield held
}
