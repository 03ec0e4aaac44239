/**
 * Decoders of the node that take JSON and texts: the network map and what the engine makes of it, answers of the
 * server, the local API, c2n requests, preferences, state, journal, ceiling.
 */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import * as fc from 'fast-check'
import { concat, utf8 } from '../../src/base/bytes.ts'
import type { Mono, Wall } from '../../src/base/clock.ts'
import { MeshError } from '../../src/base/errors.ts'
import { PrivateKey } from '../../src/base/keys.ts'
import { nodePrimitives as p } from '../../src/crypto/io/node-primitives.ts'
import { nodeKeyFor } from '../../src/crypto/primitives.ts'
import { readRequest } from '../../src/node/c2n/raw-http.ts'
import { C2N_NAMES } from '../../src/node/c2n/c2n.ts'
import { readCeiling } from '../../src/node/ceiling/ceiling.ts'
import { parseServerAddress } from '../../src/node/control/dial.ts'
import { restoreMap } from '../../src/node/control/map-cache.ts'
import { differences, NetworkMap } from '../../src/node/control/netmap.ts'
import { readOutcome } from '../../src/node/control/register.ts'
import { parseKeyAnswer } from '../../src/node/control/server-key.ts'
import { Engine } from '../../src/node/engine.ts'
import { unzstd } from '../../src/node/io/control-zstd.ts'
import { JournalFile } from '../../src/node/io/host/journal.ts'
import { changeIn } from '../../src/node/io/host/monitor.ts'
import { answerLocal } from '../../src/node/local/local-api.ts'
import { readMaskedPrefs, readPrefs, prefsJson } from '../../src/node/local/prefs-json.ts'
import { DEFAULT_PREFS } from '../../src/node/local/prefs.ts'
import { decodeProfile, decodeProfiles, encodeProfile, encodeProfiles } from '../../src/node/local/profile-json.ts'
import { rightsOf } from '../../src/node/local/rights.ts'
import { decodeState, encodeState } from '../../src/node/local/state.ts'
import { readWhoisAddress } from '../../src/node/local/whois.ts'
import { endpointOf, addressOf, readEndpoint } from '../../src/node/path/index.ts'
import { encodeMapFrame } from '../../src/wire/map-frame.ts'
import type { MapNode } from '../../src/wire/map-node.ts'
import { readMapResponse } from '../../src/wire/map-response.ts'
import type { MapResponse } from '../../src/wire/map-response.ts'
import { FakeBackend, RECORDED } from '../support/fake-backend.ts'
import { golden } from '../support/golden.ts'
import type { GoldenCase } from '../support/golden.ts'
import { decoder, slowDecoder } from './decoder.ts'
import type { Decoder } from './decoder.ts'
import { jsonBytesLike, jsonLike } from './json.ts'
import { textsLike } from './shapes.ts'

interface StreamCase extends GoldenCase {
  readonly steps: readonly { readonly message: object | null }[]
}
const messages = golden<StreamCase>('netmap-delta.json.gz', 'stream').flatMap(({ steps }) =>
  steps.flatMap(({ message }) => message ?? []),
)
const NOW = 0 as Mono
const WALL = Date.UTC(2026, 10, 24) as Wall
const own = PrivateKey.clamped(new Uint8Array(32).fill(7))
const first = { ...messages.find((message) => 'Node' in message && 'Peers' in message) }

/** A plane that takes everything, and is told of peers by their numbers only. */
const NOTHING = (): void => {}
const PLANE = {
  setRoutes: NOTHING,
  setFilter: NOTHING,
  forgetFlows: NOTHING,
  setSessions: NOTHING,
  setEndpoint: NOTHING,
  removePeer: NOTHING,
  seal: NOTHING,
  receiveRelayed: NOTHING,
  sendTo: () => true,
}
const OUT = {
  sendRelay: NOTHING,
  reachesByRelay: () => false,
  stun: NOTHING,
  refreshEndpoints: NOTHING,
  rebind: NOTHING,
  established: NOTHING,
  pinged: NOTHING,
  rejected: NOTHING,
  dropped: NOTHING,
}

function engine(): Engine {
  return new Engine({
    primitives: p,
    nodeKey: own,
    disco: own,
    plane: PLANE,
    out: OUT,
    settings: {
      isShieldsUp: false,
      acceptsRoutes: true,
      exitNode: undefined,
      routes: [],
      interfaces: [],
      hostAddresses: [],
      peerApi: [],
    },
    now: NOW,
    wall: WALL,
  })
}

/** Messages that can be read, one after another, as a stream brings them. */
function readable(all: readonly Uint8Array[]): MapResponse[] {
  return all.flatMap((json) => {
    try {
      return [readMapResponse(json)]
    } catch (error) {
      if (error instanceof MeshError) return []
      throw error
    }
  })
}

// The local API.

const ROOT = rightsOf(0, { ownUid: 0 })
const random = (length: number) => new Uint8Array(length).fill(7)
const signal = { aborted: true, addEventListener: NOTHING }
const asked = fc.tuple(
  fc.constantFrom('GET', 'POST', 'PATCH', 'DELETE', 'PUT'),
  textsLike(RECORDED.map(({ path }) => path)),
  jsonLike(
    RECORDED.flatMap(({ request_body: body = '' }) => (body.startsWith('{') ? [JSON.parse(body) as object] : [])),
  ),
)

// Files.

const folder = mkdtempSync(join(tmpdir(), 'sett-fuzz-journal-'))
const JOURNAL = {
  version: 1,
  machine: 'x',
  plan: {
    device: 'sett0',
    addresses: ['100.64.0.1/32'],
    routes: [{ prefix: '100.64.0.0/10', to: 'device' }],
    rules: [{ priority: 5210, to: 'main' }],
    firewall: { chains: [] },
    settings: [{ path: 'net/ipv4/ip_forward', value: '1' }],
  },
  settings: [{ path: 'net/ipv4/ip_forward', value: '1', before: '0' }],
  passes: false,
  link: { mtu: 1280, isUp: true, generates: 'eui64' },
}
const login = { nodeKey: own }
const CEILINGS = [{}, { forbid: ['ssh', 'routes'], c2n: { allow: [], forbid: ['*'] } }]
const MONITORED = [
  'Deleted 5210:\tfrom all fwmark 0x80000/0xff0000 lookup main',
  '2: eth0    inet 192.0.2.1/24 brd 192.0.2.255 scope global eth0\\       valid_lft forever preferred_lft forever',
  '100.64.0.2 dev sett0 table 52',
  '3: sett0: <POINTOPOINT,UP,LOWER_UP> mtu 1280 qdisc fq state UNKNOWN',
]

export const NODE_TEXTS: readonly Decoder[] = [
  decoder({
    name: 'network maps, and the engine behind them',
    inputs: fc.tuple(jsonBytesLike([first]), fc.array(jsonBytesLike(messages), { maxLength: 4 })),
    read([begin, more]) {
      const [message, ...rest] = readable([begin, ...more])
      if (message?.Node === undefined) return
      const map = new NetworkMap(message as MapResponse & { readonly Node: MapNode }, WALL)
      const node = engine()
      node.netmap(map, differences(undefined, map), NOW)
      for (const each of rest) if (!each.KeepAlive) node.netmap(map, map.apply(each, WALL), NOW)
      node.tick(NOW)
      assert.ok(node.deadline() > NOW)
      for (const { Key } of map.peers.values()) assert.ok(node.numberOf(Key) !== undefined, 'the engine lacks a peer')
    },
    memory: { fixed: 16 * 1024 * 1024, perByte: 4096 },
  }),
  decoder({
    name: 'maps from the disk',
    inputs: fc.array(jsonBytesLike([first, ...messages.slice(0, 20)]), { minLength: 1, maxLength: 3 }),
    read(all) {
      const file = concat(all.flatMap((json) => encodeMapFrame([new Uint8Array(zstdCompressSync(json))])))
      const key = nodeKeyFor(p, own)
      for (const cut of [file, file.subarray(0, file.length >>> 1)])
        assert.ok((restoreMap(cut, key, unzstd, WALL)?.fields.self.Key ?? key) === key)
    },
    memory: { fixed: 16 * 1024 * 1024, perByte: 65_536 },
  }),
  decoder({
    name: 'answers to a registration, and the server’s key',
    inputs: jsonBytesLike([
      { MachineAuthorized: true, User: { ID: 1 }, Login: { ID: 1, LoginName: 'a@example.com', DisplayName: 'A' } },
      { AuthURL: 'https://login.example/a/1', Error: '', NodeKeyExpired: false, NodeKeySignature: '' },
      { legacyPublicKey: `mkey:${'1'.repeat(64)}`, publicKey: `mkey:${'2'.repeat(64)}` },
    ]),
    read(body) {
      const server = parseServerAddress('https://login.example')
      const headers = new Map<string, string>()
      for (const status of [200, 400, 429])
        readOutcome(
          { status, headers: [...headers], body } as unknown as Parameters<typeof readOutcome>[0],
          server,
          WALL,
        )
      parseKeyAnswer({ status: 200, body })
    },
  }),
  decoder({
    name: 'preferences',
    inputs: jsonBytesLike([
      prefsJson(DEFAULT_PREFS),
      { ...prefsJson(DEFAULT_PREFS), AdvertiseRoutes: ['10.0.0.0/8'], AdvertiseTags: ['tag:a'] },
      { RouteAll: true, RouteAllSet: true, ExitNodeIP: '100.64.0.9', ExitNodeIPSet: true },
    ]),
    read(json) {
      const prefs = attempt(() => readPrefs(json))
      const text = JSON.stringify(prefs && prefsJson(prefs))
      if (prefs !== undefined) assert.equal(JSON.stringify(prefsJson(readPrefs(text))), text)
      readMaskedPrefs(json)
    },
    throws: ['json/malformed'],
  }),
  decoder({
    name: 'state files',
    inputs: jsonBytesLike([{ _machinekey: 'cHJpdmtleTo=', _profiles: 'e30=' }, {}]),
    read(file) {
      const state = decodeState(file)
      assert.deepEqual(decodeState(encodeState(state)), state)
    },
    throws: ['store/corrupt'],
  }),
  decoder({
    name: 'profiles in a state file',
    inputs: jsonBytesLike([
      JSON.parse(
        new TextDecoder().decode(encodeProfile(DEFAULT_PREFS, login as Parameters<typeof encodeProfile>[1])),
      ) as object,
      JSON.parse(new TextDecoder().decode(encodeProfiles([]))) as object,
    ]),
    read(bytes) {
      attempt(() => decodeProfiles(bytes))
      decodeProfile(bytes)
    },
    throws: ['json/malformed', 'store/corrupt', 'key/malformed'],
    memory: { fixed: 4 * 1024 * 1024, perByte: 512 },
  }),
  slowDecoder({
    name: 'requests to the local API',
    inputs: asked,
    async read([method, url, body]) {
      const [path = '', search = ''] = url.split('?')
      const header = (name: string) => (name === 'host' ? 'local-tailscaled.sock' : undefined)
      const query = new Map(new URLSearchParams(search))
      const request = { method, path, query, header, body: utf8(body), signal }
      const answer = await answerLocal({ backend: new FakeBackend(), random }, request, ROOT)
      if (answer.kind === 'stream') answer.open(() => false)()
      else assert.ok(answer.status >= 200 && answer.status < 600)
    },
  }),
  decoder({
    name: 'requests of the server to the node itself',
    inputs: textsLike([
      'GET /debug/prefs HTTP/1.1\r\nHost: x\r\n\r\n',
      'POST /echo HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello',
      'POST /update?a=%41 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
    ]).map((text) => utf8(text)),
    read(raw) {
      const request = readRequest(raw)
      if (request !== undefined) assert.ok(request.path.startsWith('/') && request.body.length <= raw.length)
    },
  }),
  decoder({
    name: 'journals of the machine’s settings',
    inputs: jsonBytesLike([JOURNAL]),
    read(bytes) {
      writeFileSync(join(folder, 'host-journal.json'), bytes)
      new JournalFile(folder).read()
    },
    throws: ['config/invalid'],
  }),
  decoder({
    name: 'ceilings',
    inputs: jsonLike(CEILINGS),
    read: (text) => readCeiling(text, '/etc/x', C2N_NAMES as Parameters<typeof readCeiling>[2]),
    throws: ['config/invalid'],
  }),
  decoder({
    name: 'what the kernel’s monitor says',
    inputs: fc.tuple(textsLike(MONITORED), textsLike(['sett0', 'a.b', '%'])),
    read: ([line, device]) => assert.ok([undefined, 'network', 'rules'].includes(changeIn(line, device))),
  }),
  decoder({
    name: 'addresses of endpoints, servers and people’s questions',
    inputs: textsLike([
      '203.0.113.9:41641',
      '[2001:db8::1]:53',
      'https://control.example:8443/x',
      'http://[::1]',
      `nodekey:${'a'.repeat(64)}`,
      '100.64.0.1',
    ]),
    read(text) {
      const endpoint = readEndpoint(text)
      if (endpoint !== undefined) assert.equal(endpointOf(addressOf(endpoint)), endpoint)
      readWhoisAddress(text)
      const { url, host } = parseServerAddress(text)
      assert.ok(!/[\r\n ]/.test(url + host))
    },
    throws: ['config/invalid'],
  }),
]

/** A value, or nothing where reading refuses in one of the ways that a caller knows. */
function attempt<Value>(read: () => Value): Value | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof MeshError) return undefined
    throw error
  }
}

process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
