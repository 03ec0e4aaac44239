import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../../base/bytes.ts'
import type { Wall } from '../../base/clock.ts'
import { formatTime, parseTime } from '../../base/clock.ts'
import { FakeBackend, NETMAP, PEER, RECORDED, recorded, RUNNING } from '../../../test/support/fake-backend.ts'
import type { RecordedCase } from '../../../test/support/fake-backend.ts'
import type { PingOutcome } from './backend.ts'
import { answerLocal } from './local-api.ts'
import type { NodeView, PeerTraffic } from './node-view.ts'
import { rightsOf } from './rights.ts'

const ROOT = rightsOf(0, { ownUid: 0 })
const random = (length: number) => new Uint8Array(length).fill(7)
const signal = { aborted: false, addEventListener: () => {} }

function ask(backend: FakeBackend, { method, path: url, request_body: body = '' }: RecordedCase) {
  const [path = '', search = ''] = url.split('?')
  const header = (name: string) => (name === 'host' ? 'local-tailscaled.sock' : undefined)
  const query = new Map(new URLSearchParams(search))
  return answerLocal({ backend, random }, { method, path, query, header, body: utf8(body), signal }, ROOT)
}

/** Of a host, a map keeps what others have a use for; the rest is not passed on. */
const KEPT_OF_HOST = new Set(['OS', 'OSVersion', 'Hostname', 'IPNVersion', 'Services'])

/**
 * Both sides in the form in which they say the same: times in milliseconds, no values written `null`, lists of
 * capabilities in order, hosts without what we do not keep.
 */
function plain(value: unknown, name = ''): unknown {
  if (typeof value === 'string') {
    const time = /^20\d\d-\d\d-\d\dT/.test(value) ? parseTime(value) : undefined
    return typeof time === 'number' ? formatTime(time) : value
  }
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    const list = value.map((each) => plain(each))
    return name === 'Capabilities' ? list.toSorted((a, b) => ((a as string) < (b as string) ? -1 : 1)) : list
  }
  const members = Object.entries(value).filter(([member]) => name !== 'Hostinfo' || KEPT_OF_HOST.has(member))
  return Object.fromEntries(
    members.map(([member, each]) =>
      name === 'CapMap' && Array.isArray(each) && each.length === 0 ? [member, null] : [member, plain(each, member)],
    ),
  )
}

const names = (value: unknown): string[] => (typeof value === 'object' && value !== null ? Object.keys(value) : [])

/** How the machine was, where it was not simply running. */
const NO_TRAFFIC: PeerTraffic = { rxBytes: 0, txBytes: 0, active: true, inPaths: true, inWireguard: false }
const at = (text: string) => parseTime(text) as Wall
const DIRECT: PeerTraffic = { ...NO_TRAFFIC, direct: '127.0.0.1:56643', lastWrite: at('2026-11-22T21:00:57.320Z') }
const LATER: PeerTraffic = {
  ...DIRECT,
  rxBytes: 716,
  txBytes: 1028,
  lastWrite: at('2026-11-22T21:01:09.363Z'),
  lastHandshake: at('2026-11-22T21:00:59.358Z'),
  inWireguard: true,
}
const [UNSTABLE = ''] = RUNNING.health
const NOBODY: Partial<NodeView> = {
  state: 'NeedsLogin',
  hasNodeKey: false,
  online: false,
  hostname: 'host',
  netmap: undefined,
  peerApi: {},
}
const seen = new Map(NETMAP.peers)
seen.set(PEER.ID, { ...PEER, LastSeen: at('2026-11-22T21:00:59.359Z') })
const SEEN = { ...NETMAP, peers: seen }
const VIEWS: Readonly<Record<string, Partial<NodeView>>> = {
  'status before login': { ...NOBODY, endpoints: [], homeRelay: 0, health: [UNSTABLE, 'Tailscale is stopped.'] },
  status: { traffic: () => DIRECT },
  'status with POST': { hostname: 'alpha2', traffic: () => LATER, netmap: SEEN },
  'status when down': {
    state: 'Stopped',
    online: false,
    hostname: 'alpha3',
    peerApi: {},
    health: [UNSTABLE, 'Tailscale is stopped.'],
    traffic: () => ({
      rxBytes: 1084,
      txBytes: 1476,
      lastHandshake: at('2026-11-22T21:00:59.358Z'),
      active: false,
      inPaths: true,
      inWireguard: true,
    }),
  },
  'status when logged out': {
    ...NOBODY,
    endpoints: ['127.0.0.1:49388', '192.0.2.2:49388'],
    health: ['Tailscale is stopped.', UNSTABLE],
  },
}

const pong = (rest: Partial<PingOutcome & { kind: 'pong' }>): PingOutcome => ({
  kind: 'pong',
  nodeIp: '100.64.0.2',
  nodeName: 'beta',
  latencyMs: 0,
  ...rest,
})
const PINGS: Readonly<Record<string, PingOutcome>> = {
  'ping by disco': pong({ latencyMs: 0.279481, endpoint: '127.0.0.1:56643' }),
  'ping by TSMP': pong({ latencyMs: 3.675423, peerApiPort: 46590 }),
  'ping by peerapi': pong({
    nodeName: 'beta.tail-scale.ts.net.',
    latencyMs: 1.5427,
    peerApiUrl: 'http://100.64.0.2:46590',
  }),
  'ping by ICMP': pong({ latencyMs: 0.304588 }),
  'ping ourselves': { kind: 'local' },
  'ping of an unknown address': { kind: 'failed', why: 'no matching peer' },
}

/** Answered otherwise on purpose. */
const OTHERWISE: Readonly<Record<string, { readonly status: number; readonly says: RegExp }>> = {
  'ping of an unknown type': { status: 400, says: /invalid 'type'/ },
  'file targets': { status: 501, says: /sending of files is not part of this version/ },
  'DNS query': { status: 501, says: /not part of this version/ },
  'serve configuration set': { status: 501, says: /serve is not part of this version/ },
  'serve configuration': { status: 200, says: /^null/ },
  root: { status: 200, says: /local node daemon/ },
  'metrics for users': { status: 200, says: /^#/ },
}

test('every recorded request is answered as it was recorded', async () => {
  const backend = new FakeBackend()
  for (const want of RECORDED) {
    const { name } = want
    if (name.startsWith('watching')) continue
    backend.seen = { ...RUNNING, ...VIEWS[name] }
    if (name === 'preferences before login') backend.now = { ...backend.now, ...BEFORE }
    else if (name === 'preferences') backend.now = new FakeBackend().now
    else if (name === 'on again')
      backend.now = { ...backend.now, CorpDNS: false, Hostname: 'alpha3', WantRunning: false }
    backend.pong = PINGS[name] ?? backend.pong
    const got = await ask(backend, want)
    assert.equal(got.kind, 'whole', name)
    if (got.kind !== 'whole') continue
    const other = OTHERWISE[name]
    if (other !== undefined) {
      assert.equal(got.status, other.status, name)
      assert.match(got.body, other.says, name)
      if (want.content_type !== undefined && other.status === want.status)
        assert.equal(got.type, want.content_type, name)
      continue
    }
    assert.deepEqual([got.status, got.type], [want.status, want.content_type], name)
    if (want.text !== undefined) assert.equal(got.body, want.text, name)
    else {
      assert.deepEqual(plain(JSON.parse(got.body)), plain(want.json), name)
      assert.deepEqual(names(JSON.parse(got.body)), names(want.json), `order of ${name}`)
    }
    if (want.etag !== undefined) assert.equal(got.headers?.['Etag'], want.etag, name)
  }
  for (const name of [...Object.keys(OTHERWISE), ...Object.keys(VIEWS), ...Object.keys(PINGS)]) recorded(name)
})

const BEFORE = {
  ControlURL: '',
  WantRunning: false,
  LoggedOut: true,
  Hostname: '',
  AdvertiseRoutes: null,
  Config: null,
}

test('the bus begins with the recorded lines', async () => {
  const backend = new FakeBackend()
  backend.now = {
    ...backend.now,
    RouteAll: true,
    Hostname: 'alpha2',
    AdvertiseRoutes: null,
    AutoUpdate: { Check: false, Apply: null },
  }
  const watches = RECORDED.filter(({ name }) => name.startsWith('watching'))
  assert.equal(watches.length, 6)
  for (const want of watches) {
    const got = await ask(backend, want)
    assert.equal(got.kind, 'stream', want.name)
    if (got.kind !== 'stream') continue
    assert.equal(got.type, want.content_type)
    const lines: string[] = []
    got.open((line) => lines.push(line) > 0)()
    const [first] = want.lines ?? []
    assert.equal(lines.length, first === undefined ? 0 : 1, want.name)
    if (first === undefined) continue
    const line = JSON.parse(lines[0] as string) as Record<string, unknown>
    assert.match(line['SessionID'] as string, /^[0-9a-f]{16}$/)
    // Of the map we tell the nodes; rules and hints of others are for the daemon itself.
    const told = (each: Readonly<Record<string, unknown>>) => {
      const map = each['NetMap'] as Record<string, unknown> | null
      const { SessionID: _session, Health: _health, ...rest } = each
      return plain({ ...rest, NetMap: map && { ...map, PacketFilter: null, PacketFilterRules: null } })
    }
    assert.deepEqual(told(line), told(first), want.name)
    assert.deepEqual(Object.keys(line), Object.keys(first), `order of ${want.name}`)
  }
})
