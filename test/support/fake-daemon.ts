/**
 * A node's daemon for tests of the command line: answers the local API over a Unix socket, with the recorded answers of
 * a real daemon where there is one. It knows one node with one peer, takes edits of preferences, and notes requests.
 */

import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'

export interface RecordedAnswer {
  readonly name: string
  readonly method: string
  readonly path: string
  readonly status: number
  readonly content_type: string
  readonly json?: unknown
  readonly text?: string
}

export type Json = Record<string, unknown>
export interface Answer {
  readonly status: number
  readonly body: unknown
}
/**
 * Answers a request in place of the daemon; `undefined` leaves it to the daemon. `'close'` is what a daemon does that
 * ends: no answer. `'half'` is the beginning of one.
 */
export type Override = (method: string, path: string, body: unknown) => Answer | 'close' | 'half' | undefined

export interface DaemonState {
  /** Name of the recorded status that is told. */
  status: 'status before login' | 'status' | 'status when down' | 'status when logged out'
  prefs: Json
}

export class FakeDaemon implements AsyncDisposable {
  readonly socket: string
  /** `PATCH /localapi/v0/prefs {"WantRunning":true}` */
  readonly requests: string[] = []
  state: DaemonState
  override: Override = () => undefined
  /** What the bus says after a start, a login or being switched on. */
  afterUp: readonly Json[] = [{ State: 6 }]
  readonly #server = createServer((request, response) => void this.#serve(request, response))
  readonly #watchers = new Set<ServerResponse>()
  readonly #recorded: ReadonlyMap<string, RecordedAnswer>
  readonly #statusOf: (name: DaemonState['status'], peers: boolean) => unknown

  private constructor(
    socket: string,
    recorded: readonly RecordedAnswer[],
    state: DaemonState,
    statusOf: (name: DaemonState['status'], peers: boolean) => unknown,
  ) {
    this.socket = socket
    this.#recorded = new Map(recorded.map((answer) => [`${answer.method} ${answer.path}`, answer]))
    this.state = state
    this.#statusOf = statusOf
  }

  static async start(
    socket: string,
    recorded: readonly RecordedAnswer[],
    state: DaemonState,
    statusOf: (name: DaemonState['status'], peers: boolean) => unknown,
  ): Promise<FakeDaemon> {
    const daemon = new FakeDaemon(socket, recorded, state, statusOf)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    daemon.#server.once('error', reject)
    daemon.#server.listen(socket, resolve)
    await promise
    return daemon
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  /** Says something on the bus to whoever listens. */
  say(...messages: readonly Json[]): void {
    for (const watcher of this.#watchers) for (const message of messages) watcher.write(`${JSON.stringify(message)}\n`)
  }

  /** Ends the bus as a daemon that goes away does. */
  hangUp(): void {
    for (const watcher of this.#watchers) watcher.end()
  }

  /** Ends all connections of the bus as a daemon does that is killed. */
  breakOff(): void {
    for (const watcher of this.#watchers) watcher.socket?.destroy()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = ''
    for await (const piece of request.setEncoding('utf8')) text += piece as string
    const [method, path] = [request.method ?? '', request.url ?? '']
    const body: unknown = text === '' ? undefined : JSON.parse(text)
    this.requests.push(`${method} ${path}${text === '' ? '' : ` ${text}`}`)
    if (request.headers.host !== 'local-tailscaled.sock') return send(response, { status: 403, body: 'invalid host' })
    const said = this.override(method, path, body) ?? this.#answer(method, path, body, response)
    if (said === undefined) return
    if (said === 'close') return void response.socket?.destroy()
    if (said === 'half')
      return void response.writeHead(200, { 'content-length': 100 }).write('{', () => response.socket?.destroy())
    // A body that is a promise is an answer that does not come before that.
    send(response, { status: said.status, body: await said.body })
  }

  #answer(method: string, path: string, body: unknown, response: ServerResponse): Answer | undefined {
    const url = new URL(path, 'http://daemon')
    const verb = `${method} ${url.pathname.replace('/localapi/v0/', '')}`
    switch (verb) {
      case 'GET status':
        return ok(this.#statusOf(this.state.status, url.searchParams.get('peers') !== 'false'))
      case 'GET prefs':
        return ok(this.state.prefs)
      case 'PATCH prefs':
        this.#edit(body as Json)
        return ok(this.state.prefs)
      case 'POST check-prefs':
      case 'GET services':
        return ok({})
      case 'POST start':
        this.state.prefs = { ...this.state.prefs, ...((body as Json)['UpdatePrefs'] as Json) }
        if ((body as Json)['AuthKey'] !== undefined || this.state.status !== 'status before login') this.#up()
        return { status: 204, body: '' }
      case 'POST login-interactive':
        this.#up()
        return { status: 204, body: '' }
      case 'POST logout':
        this.state.status = 'status when logged out'
        return { status: 204, body: '' }
      case 'PUT profiles/':
        this.state = { status: 'status before login', prefs: this.#json('GET /localapi/v0/prefs') }
        return { status: 201, body: '' }
      case 'GET watch-ipn-bus':
        response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders()
        this.#watchers.add(response)
        response.on('close', () => this.#watchers.delete(response))
        if ((Number(url.searchParams.get('mask')) & 2) !== 0 && this.state.status === 'status') this.say({ State: 6 })
        return undefined
      default: {
        if (/=(statedir|control-knobs|current-netmap)$/.test(path)) return ok({ Knob: true })
        if (verb.startsWith('POST debug')) return ok('done\n')
        url.searchParams.delete('size')
        if (url.searchParams.get('proto') === '') url.searchParams.delete('proto')
        const recorded = this.#recorded.get(`${method} ${url.pathname}${decodeURIComponent(url.search)}`)
        if (recorded === undefined) return { status: 404, body: '404 page not found\n' }
        return { status: recorded.status, body: recorded.json ?? recorded.text ?? '' }
      }
    }
  }

  #edit(edit: Json): void {
    const prefs = { ...this.state.prefs }
    for (const name of Object.keys(edit)) if (edit[`${name}Set`] === true) prefs[name] = edit[name]
    this.state.prefs = prefs
    if (edit['WantRunningSet'] !== true) return
    if (edit['WantRunning'] === true) this.#up()
    else this.state.status = 'status when down'
  }

  #up(): void {
    this.say(...this.afterUp)
    if (this.afterUp.some(({ State }) => State === 6)) this.state.status = 'status'
  }

  #json(key: string): Json {
    return this.#recorded.get(key)?.json as Json
  }
}

function ok(body: unknown): Answer {
  return { status: 200, body }
}

function send(response: ServerResponse, { status, body }: Answer): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body, null, '\t')
  response.writeHead(status, { 'content-type': typeof body === 'string' ? 'text/plain' : 'application/json' })
  response.end(status === 204 ? undefined : text)
}
