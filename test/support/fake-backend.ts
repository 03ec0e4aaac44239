/** A node behind the local API that is nothing but what a test puts into it: the recorded machine, by default. */

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Wall } from '../../src/base/clock.ts'
import type { Mono } from '../../src/base/clock.ts'
import { Bus } from '../../src/node/local/bus.ts'
import type { Backend, PingOutcome, PingType, StartRequest } from '../../src/node/local/backend.ts'
import { checkPrefs } from '../../src/node/local/check-prefs.ts'
import { Health } from '../../src/node/local/health.ts'
import type { NetmapView, NodeView } from '../../src/node/local/node-view.ts'
import { editedPrefs } from '../../src/node/local/prefs-edit.ts'
import { DEFAULT_PREFS } from '../../src/node/local/prefs.ts'
import type { MaskedPrefs, Prefs } from '../../src/node/local/prefs.ts'
import type { LoginProfile } from '../../src/node/local/profiles.ts'
import { readDerpMap } from '../../src/wire/derp-map-reader.ts'
import { readMapNode } from '../../src/wire/map-node.ts'
import type { UserProfile } from '../../src/wire/map-response.ts'

export interface RecordedCase {
  readonly name: string
  readonly method: string
  readonly path: string
  readonly request_body?: string
  readonly status: number
  readonly content_type: string
  readonly etag?: string
  readonly json?: unknown
  readonly text?: string
  readonly lines?: readonly { readonly [name: string]: unknown }[] | null
}

export const RECORDED: readonly RecordedCase[] = (
  JSON.parse(readFileSync(new URL('../vectors/localapi.json', import.meta.url), 'utf8')) as {
    readonly cases: readonly RecordedCase[]
  }
).cases

export function recorded(name: string): RecordedCase {
  const found = RECORDED.find((each) => each.name === name)
  if (found === undefined) throw new Error(`no recording of ${name}`)
  return found
}

interface RecordedMap {
  readonly SelfNode: object
  readonly Peers: readonly object[]
  readonly Domain: string
  readonly DERPMap: object
  readonly UserProfiles: { readonly [id: string]: UserProfile }
}

const MAP = recorded('watching with mask 30').lines?.[0]?.['NetMap'] as RecordedMap
const USER = MAP.UserProfiles['123'] as UserProfile
const PEERS = MAP.Peers.map((peer) => readMapNode(peer, 'peer'))

export const NETMAP: NetmapView = {
  fields: {
    self: readMapNode(MAP.SelfNode, 'self'),
    domain: MAP.Domain,
    dns: {},
    filter: undefined,
    profiles: new Map([[123, USER]]),
    collectServices: true,
  },
  peers: new Map(PEERS.map((peer) => [peer.ID, peer])),
}
export const PEER = PEERS[0] as (typeof PEERS)[number]

const INGRESS = new Map([['https://tailscale.com/cap/ingress', []]])

/** As the recorded machine is when it is running. */
export const RUNNING: NodeView = {
  now: 1_795_467_660_000 as Wall,
  version: '1.103.0-ERR-BuildInfo',
  tun: false,
  state: 'Running',
  hasNodeKey: true,
  online: true,
  lockKey: 'nlpub:cb02c1f6062b3f5a1e080510ab65c9d777acc9fe41509d7e48bbaf879d4a4979',
  authUrl: '',
  hostname: 'alpha',
  os: 'linux',
  netmap: NETMAP,
  relays: readDerpMap(MAP.DERPMap, 'DERPMap').Regions,
  homeRelay: 1,
  endpoints: ['127.0.0.1:38480', '192.0.2.2:38480'],
  peerApi: { v4: 58436, v6: 58436 },
  health: [
    'This is an unstable version of Tailscale meant for testing and development purposes. Please report any issues to Tailscale.',
  ],
  traffic: () => undefined,
  capabilitiesOf: () => INGRESS,
}

export class FakeBackend implements Backend {
  readonly version = RUNNING.version
  readonly capabilityVersion = 137
  readonly logId = 'ab'.repeat(32)
  readonly bus = new Bus(RUNNING.version)
  readonly health = new Health((bytes) => createHash('sha256').update(bytes).digest())
  /** What has been done, in order. */
  readonly done: string[] = []
  seen: NodeView = RUNNING
  now: Prefs = {
    ...DEFAULT_PREFS,
    ControlURL: 'http://127.0.0.1:42483',
    WantRunning: true,
    Hostname: 'alpha',
    AdvertiseRoutes: ['10.9.0.0/24'],
    Config: { UserProfile: USER, NodeID: 'TESTCTRL00000001' },
  }
  pong: PingOutcome = { kind: 'failed', why: 'no matching peer' }
  known: { all: readonly LoginProfile[]; current: LoginProfile } = {
    all: recorded('profiles').json as LoginProfile[],
    current: recorded('current profile').json as LoginProfile,
  }

  #note(what: string): Promise<undefined> {
    this.done.push(what)
    return Promise.resolve(undefined)
  }

  view() {
    return this.seen
  }
  busStart() {
    return { view: this.seen, prefs: this.now, health: this.health.state(0 as Mono) }
  }
  prefs() {
    return this.now
  }
  editPrefs(edit: MaskedPrefs) {
    const next = editedPrefs(this.now, edit)
    const refused = this.checkPrefs(next)
    if (refused !== undefined) return Promise.resolve({ refused })
    this.now = next
    this.done.push(`prefs ${[...edit.set].join()}`)
    return Promise.resolve(next)
  }
  checkPrefs(prefs: Prefs) {
    return checkPrefs(prefs, { has: () => false, profileNames: [], can: {}, whyNoServer: () => undefined })
  }
  /** Of the last start. */
  started: StartRequest | undefined
  start(request: StartRequest) {
    this.started = request
    return this.#note('start')
  }
  loginInteractive = () => this.#note('login')
  logout = () => this.#note('logout')
  resetAuth = () => this.#note('reset-auth')
  profiles() {
    return this.known
  }
  newProfile = () => this.#note('new profile')
  switchProfile = (id: string) => this.#note(`switch ${id}`)
  deleteProfile = (id: string) => this.#note(`delete ${id}`)
  ping(ip: string, type: PingType, size: number) {
    this.done.push(`ping ${ip} ${type} ${size}`)
    return Promise.resolve(this.pong)
  }
  setExpirySooner = (seconds: number) => this.#note(`expiry ${seconds}`)
  suggestExitNode = () => ({ ID: '', Name: '' })
  ipForwardingWarning = () => Promise.resolve('')
  systemDns = () => Promise.resolve(undefined)
  userMetrics = () => '# nothing\n'
  debugMetrics = () => '# nothing\n'
  debug = (action: string): Promise<unknown> => this.#note(`debug ${action}`)
  setComponentLogging(component: string, seconds: number) {
    this.done.push(`log ${component} ${seconds}`)
    return undefined
  }
  noteBugReport(marker: string, note: string) {
    this.done.push(`bug ${marker} ${note}`)
  }
  tailLog() {
    this.done.push('logtap')
    return () => {}
  }
  reloadConfig() {
    this.done.push('reload')
    return Promise.resolve(false)
  }
  disconnectControl() {
    this.done.push('disconnect')
  }
  shutdown() {
    this.done.push('shutdown')
  }
}
