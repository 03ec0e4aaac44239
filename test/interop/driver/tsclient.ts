/**
 * Drives ../tsclient: a process of official clients, each answering questions and reporting what happens to it.
 *
 * The words on the wire are in tsclient/main.go.
 */
import { performance } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'

import type { Namespace } from '../../lab/namespace.ts'
import type { LabProcess } from '../../lab/process.ts'

/** The client's own words for what state it is in. */
export type ClientState = 'NoState' | 'NeedsLogin' | 'NeedsMachineAuth' | 'Stopped' | 'Starting' | 'Running'

/** Capabilities with what comes with each. */
export type CapMap = Readonly<Record<string, readonly unknown[] | null>>

export type PeerStatus = {
  readonly ID: string
  readonly PublicKey: string
  readonly HostName: string
  /** Full name with a dot at its end. */
  readonly DNSName: string
  readonly TailscaleIPs: readonly string[] | null
  readonly UserID: number
  readonly Tags?: readonly string[]
  readonly PrimaryRoutes?: readonly string[]
  readonly AllowedIPs?: readonly string[] | null
  readonly CapMap?: CapMap
  /** Code of the home relay region. */
  readonly Relay: string
  /** The address that a direct path goes to; empty while there is none. */
  readonly CurAddr: string
  readonly Online: boolean
  readonly Expired?: boolean
  readonly KeyExpiry?: string
  readonly LastHandshake?: string
  readonly PeerAPIURL?: readonly string[] | null
}

export type Status = {
  readonly BackendState: ClientState
  readonly Self: PeerStatus
  readonly TailscaleIPs: readonly string[] | null
  readonly Peer: Readonly<Record<string, PeerStatus>> | null
  readonly User: Readonly<Record<string, { readonly LoginName: string; readonly DisplayName: string }>> | null
  readonly MagicDNSSuffix: string
  readonly Health: readonly string[] | null
  readonly CertDomains: readonly string[] | null
}

export type Fetched = {
  readonly status: number
  readonly text: string
  readonly bytes: number
  readonly sha256: string
  /** Whether the sum that the server sent after the last byte is that of what came. */
  readonly intact: boolean
  readonly ms: number
  /** Until the first byte of the body came. */
  readonly firstMs: number
  /** The longest that nothing came after that. */
  readonly maxGapMs: number
}

/** What the server has told a client, as far as tests look at it; nodes and rules are as on the wire. */
export type NetMap = {
  readonly self: { readonly Addresses: readonly string[]; readonly CapMap?: CapMap }
  readonly rules: readonly { readonly SrcIPs: readonly string[]; readonly [field: string]: unknown }[] | null
  readonly ssh: { readonly rules: readonly SshRule[] | null } | null
}

export type SshRule = {
  readonly principals: readonly { readonly nodeIP?: string; readonly userLogin?: string }[]
  readonly sshUsers: Readonly<Record<string, string>>
  readonly action: { readonly accept?: boolean; readonly holdAndDelegate?: string }
}

/** A port seen open or closed. */
export type Knocked = {
  /** When the first connection was begun that found it so, as `Date.now()` counts. */
  readonly since: number
  /** How many connections before found it otherwise. */
  readonly others: number
}

export type PingResult = {
  readonly Err: string
  readonly LatencySeconds: number
  readonly Endpoint: string
  readonly DERPRegionID: number
  readonly NodeName: string
}

export type NodeEvent = { readonly event: string; readonly [field: string]: unknown }

export type NodeOptions = {
  readonly control: string
  readonly authKey?: string
  readonly hostname?: string
  readonly ephemeral?: boolean
  readonly tags?: readonly string[]
  /** Folder of state, for a node that starts again with what it was; default: one by its name. */
  readonly dir?: string
}

type Answer = { readonly id: number; readonly result?: unknown; readonly error?: string }

/** Waits until `look` returns something, asking every 50 ms; the error says `what` was waited for and the last look. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  timeoutMs = 15_000,
): Promise<T> {
  const giveUpAt = performance.now() + timeoutMs
  for (;;) {
    const seen = await look()
    if (seen !== undefined && seen !== false) return seen
    if (performance.now() > giveUpAt) throw new Error(`${what}: not within ${timeoutMs} ms`)
    await wait(50)
  }
}

/**
 * Waits until each of the two knows the other and the relay that it is at. A handshake that is sent while there is no
 * way to the peer yet is lost, and official clients repeat it after five seconds only.
 */
export async function meet(one: TsNode, other: TsNode): Promise<void> {
  const knows = async (node: TsNode, peer: TsNode): Promise<PeerStatus> => {
    const { PublicKey } = (await peer.status()).Self
    return until(`${node.name} knows ${peer.name} and its relay`, async () => {
      const seen = (await node.status()).Peer?.[PublicKey]
      return seen?.Online === true && seen.Relay !== '' && seen
    })
  }
  await Promise.all([knows(one, other), knows(other, one)])
}

export class TsClients {
  readonly namespace: Namespace
  readonly #process: LabProcess
  readonly #pending = new Map<number, (answer: Answer) => void>()
  readonly #nodes = new Map<string, TsNode>()
  #lastId = 0

  constructor(namespace: Namespace, program: string, env: Readonly<Record<string, string>> = {}) {
    this.namespace = namespace
    this.#process = namespace.spawn(program, [], {
      // Official clients report home unless they are told not to; besides, the namespace has no way out.
      env: { TS_NO_LOGS_NO_SUPPORT: 'true', HOME: namespace.dir, ...env },
      onLine: (line) => this.#hear(JSON.parse(line) as NodeEvent),
    })
    void this.#giveUpAtEnd()
  }

  /** Starts a node and returns at once; what becomes of it arrives as events. */
  async start(name: string, options: NodeOptions): Promise<TsNode> {
    const dir = options.dir ?? `${this.namespace.dir}/node-${name}`
    const node = new TsNode(this, name, dir)
    this.#nodes.set(name, node)
    await this.ask({ ...options, cmd: 'start', node: name, hostname: options.hostname ?? name, dir })
    return node
  }

  /** Starts a node with a key and waits until it runs. */
  async join(name: string, options: NodeOptions, timeoutMs = 30_000): Promise<TsNode> {
    const node = await this.start(name, options)
    await node.running(timeoutMs)
    return node
  }

  /** Fetches a URL through the namespace's own network, not through a tailnet. */
  async plain(url: string, headers: Record<string, string> = {}): Promise<Fetched> {
    return (await this.ask({ cmd: 'plain', url, headers })) as Fetched
  }

  /** Opens the control channel over a WebSocket, as a browser's client does, and stays for `holdMs` at most. */
  async websocket(
    control: string,
    holdMs = 0,
  ): Promise<{ subprotocol: string; status: number; firstBytes: number; upMs: number }> {
    return (await this.ask({ cmd: 'websocket', control, holdMs, timeoutMs: 20_000 + holdMs })) as never
  }

  /** One request to the process; rejects with the error that it answers. */
  async ask(
    request: { cmd: string; node?: string; [field: string]: unknown },
    hearId?: (id: number) => void,
  ): Promise<unknown> {
    const id = (this.#lastId += 1)
    hearId?.(id)
    const answer = await new Promise<Answer>((resolve) => {
      if (!this.#process.alive) return resolve({ id, error: 'the client process has ended' })
      this.#pending.set(id, resolve)
      this.#process.write(`${JSON.stringify({ id, ...request })}\n`)
    })
    this.#pending.delete(id)
    if (answer.error !== undefined) throw new Error(`${request.node ?? 'client'} ${request.cmd}: ${answer.error}`)
    return answer.result
  }

  /** Kills the process and all its nodes, which can say goodbye to nobody. */
  async kill(): Promise<void> {
    await this.#process.stop('SIGKILL')
  }

  /** Closes all nodes properly and ends the process. */
  async stop(): Promise<void> {
    this.#process.child.stdin?.end()
    const patience = setTimeout(() => void this.#process.stop('SIGKILL'), 15_000)
    await this.#process.ended
    clearTimeout(patience)
  }

  async #giveUpAtEnd(): Promise<void> {
    await this.#process.ended
    for (const answer of this.#pending.values()) answer({ id: 0, error: 'the client process has ended' })
  }

  #hear(said: NodeEvent): void {
    if (typeof said['id'] === 'number') this.#pending.get(said['id'])?.(said as unknown as Answer)
    else if (typeof said['node'] === 'string') this.#nodes.get(said['node'])?.heard(said)
  }
}

/** One official client. */
export class TsNode {
  readonly clients: TsClients
  readonly name: string
  /** Where it keeps its state, and its log in client.log. */
  readonly dir: string
  /** Everything it reported, oldest first. */
  readonly events: NodeEvent[] = []
  readonly #watchers = new Set<() => void>()

  constructor(clients: TsClients, name: string, dir: string) {
    this.clients = clients
    this.name = name
    this.dir = dir
  }

  heard(said: NodeEvent): void {
    this.events.push(said)
    for (const look of this.#watchers) look()
  }

  /** The first event from number `from` on that `wanted` accepts. */
  async event(wanted: (said: NodeEvent) => boolean, timeoutMs = 20_000, from = 0): Promise<NodeEvent> {
    return new Promise((resolve, reject) => {
      const finish = (found: NodeEvent | undefined): void => {
        clearTimeout(timer)
        this.#watchers.delete(look)
        if (found !== undefined) resolve(found)
        else
          reject(
            new Error(
              `${this.name} did not report it within ${timeoutMs} ms, but: ${JSON.stringify(this.events.slice(-12))} (log: ${this.dir}/client.log)`,
            ),
          )
      }
      const look = (): void => {
        const found = this.events.slice(from).find(wanted)
        if (found !== undefined) finish(found)
      }
      const timer = setTimeout(() => finish(undefined), timeoutMs)
      this.#watchers.add(look)
      look()
    })
  }

  /** Waits until the client says that it runs (since event number `from`). */
  async running(timeoutMs = 30_000, from = 0): Promise<void> {
    await this.event((said) => said.event === 'state' && said['state'] === 'Running', timeoutMs, from)
  }

  async reaches(state: ClientState, timeoutMs = 20_000, from = 0): Promise<void> {
    await this.event((said) => said.event === 'state' && said['state'] === state, timeoutMs, from)
  }

  /** The text of the first error that the client reports, as it would show it to its user. */
  async refusal(timeoutMs = 20_000): Promise<string> {
    return String((await this.event((said) => said.event === 'error', timeoutMs))['error'])
  }

  /** The link that the client asks its user to open. */
  async loginUrl(timeoutMs = 20_000, from = 0): Promise<string> {
    return String((await this.event((said) => said.event === 'url', timeoutMs, from))['url'])
  }

  async status(): Promise<Status> {
    return (await this.#ask({ cmd: 'status' })) as Status
  }

  /** What this client knows of the peer of that host name or short name, or undefined. */
  async peer(name: string): Promise<PeerStatus | undefined> {
    const { Peer } = await this.status()
    return Object.values(Peer ?? {}).find((each) => each.DNSName.split('.')[0] === name)
  }

  /** Waits until this client sees the peer called `name` as `wanted`; returns how long that took in ms. */
  async sees(
    what: string,
    name: string,
    wanted: (peer: PeerStatus | undefined) => boolean,
    timeoutMs = 15_000,
  ): Promise<number> {
    const began = performance.now()
    await until(`${this.name} sees ${what}`, async () => wanted(await this.peer(name)), timeoutMs)
    return Math.round(performance.now() - began)
  }

  async ip(): Promise<string> {
    const { TailscaleIPs } = await this.status()
    const first = TailscaleIPs?.[0]
    if (first === undefined) throw new Error(`${this.name} has no address`)
    return first
  }

  /** Serves /hello, /who and /bytes on its tailnet address. */
  async serve(port = 80): Promise<void> {
    await this.#ask({ cmd: 'serve', port })
  }

  /** Fetches through the tailnet; `onBytes` hears about ten times a second how many bytes have come. */
  async get(url: string, options: { timeoutMs?: number; onBytes?: (bytes: number) => void } = {}): Promise<Fetched> {
    let id = 0
    const look = (): void => {
      const said = this.events.at(-1)
      if (said?.event === 'progress' && said['request'] === id) options.onBytes?.(said['bytes'] as number)
    }
    if (options.onBytes !== undefined) this.#watchers.add(look)
    try {
      const request = {
        cmd: 'get',
        node: this.name,
        url,
        timeoutMs: options.timeoutMs ?? 30_000,
        progress: options.onBytes !== undefined,
      }
      return (await this.clients.ask(request, (given) => (id = given))) as Fetched
    } finally {
      this.#watchers.delete(look)
    }
  }

  /** One ping, which nobody repeats when it is lost: it then fails after two seconds. */
  async ping(address: string, kind: 'disco' | 'TSMP' | 'ICMP' | 'peerapi' = 'disco'): Promise<PingResult> {
    return (await this.#ask({ cmd: 'ping', address, kind, timeoutMs: 2000 })) as PingResult
  }

  /** Pings until an answer comes the way that is wanted; returns that answer. */
  async pingsBy(way: 'direct' | 'relay', address: string, timeoutMs = 30_000): Promise<PingResult> {
    const ask = async (): Promise<PingResult | undefined> => this.ping(address).catch(() => undefined)
    return until(
      `${this.name} reaches ${address} (${way})`,
      async () => {
        const pong = await ask()
        return (way === 'direct' ? pong?.Endpoint !== '' : pong?.DERPRegionID !== 0) ? pong : undefined
      },
      timeoutMs,
    )
  }

  /**
   * Tries the port (`address:port`) over and over until it is as wanted: `closed` wants a third of a second without any
   * success. Resolves once it is being tried; what comes of it is `seen`.
   */
  async knock(address: string, wanted: 'open' | 'closed', timeoutMs = 15_000): Promise<{ seen: Promise<Knocked> }> {
    let id = 0
    const request = { cmd: 'knock', node: this.name, address, kind: wanted, timeoutMs }
    const seen = this.clients.ask(request, (given) => (id = given)) as Promise<Knocked>
    // Whoever awaits `seen` hears of a failure; nobody may, if the test has failed before.
    seen.catch(() => {})
    await this.event((said) => said.event === 'knocked' && said['request'] === id, timeoutMs)
    return { seen }
  }

  /** Waits until the port (`address:port`) is as wanted. */
  async finds(address: string, wanted: 'open' | 'closed', timeoutMs = 15_000): Promise<Knocked> {
    return (await this.knock(address, wanted, timeoutMs)).seen
  }

  async netmap(): Promise<NetMap> {
    return (await this.#ask({ cmd: 'netmap' })) as NetMap
  }

  async whois(
    address: string,
  ): Promise<{ Node: { Name: string; Tags?: string[] }; UserProfile: { LoginName: string }; CapMap?: CapMap }> {
    return (await this.#ask({ cmd: 'whois', address })) as never
  }

  async derpMap(): Promise<{
    Regions: Record<string, { RegionCode: string; Nodes: { Name: string; STUNPort?: number; CertName?: string }[] }>
  }> {
    return (await this.#ask({ cmd: 'derpmap' })) as never
  }

  /** Offers routes to the tailnet. */
  async advertise(...routes: string[]): Promise<void> {
    await this.#ask({ cmd: 'routes', routes })
  }

  /** Begins an interactive login, also of a client that is logged in. */
  async login(): Promise<void> {
    await this.#ask({ cmd: 'login' })
  }

  async logout(): Promise<void> {
    await this.#ask({ cmd: 'logout' })
  }

  async close(): Promise<void> {
    await this.#ask({ cmd: 'close' })
  }

  async #ask(request: { cmd: string; [field: string]: unknown }): Promise<unknown> {
    return this.clients.ask({ node: this.name, ...request })
  }
}
