/**
 * Whole machines behind decoders, in memory: the coordination server, its API, the relay's hub, a backup. What a
 * hostile client says gets an answer that it deserves, no fault inside, and harms nobody else.
 */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import * as fc from 'fast-check'
import { concat, utf8 } from '../../src/base/bytes.ts'
import { formatTime, parseTime } from '../../src/base/clock.ts'
import { isValidHostname } from '../../src/base/dns-name.ts'
import { parseAddressPort, parsePrefix } from '../../src/base/ip.ts'
import { readDiscoKey, readNodeKey } from '../../src/base/keys.ts'
import type { NodeKey } from '../../src/base/keys.ts'
import { readBackup } from '../../src/coord/io/store/backup-file.ts'
import { sealBox } from '../../src/crypto/box.ts'
import { block, GREETING, POST, raw, request, WHOLE } from '../../src/wire/h2/by-hand.ts'
import { FRAME } from '../../src/wire/h2/codes.ts'
import { encodeClientInfo } from '../../src/wire/derp/info.ts'
import { encodeClientMessage } from '../../src/wire/derp/messages.ts'
import type { RouteShape } from '../../src/wire/api/route.ts'
import { ROUTE_IDS, routes } from '../../src/wire/api/routes.ts'
import type { Hostinfo } from '../../src/wire/hostinfo.ts'
import { RelayWorld } from '../support/relay-world.ts'
import { RestWorld } from '../support/rest-world.ts'
import { World } from '../support/world.ts'
import type { MapNode } from '../support/world.ts'
import { slowDecoder } from './decoder.ts'
import type { Decoder } from './decoder.ts'
import { BODIES_LEFT, Inside } from './inside.ts'
import { jsonLike } from './json.ts'
import { BODIES, checkHostinfo, MAPS, REGISTERS } from './messages.ts'
import { bytesLike, textsLike } from './shapes.ts'

/** The node key that hostile bodies speak of, mostly. */
const OWN_KEY = `nodekey:${'12'.repeat(32)}` as NodeKey
const own = <T extends object>(bodies: readonly T[]) => bodies.map((body) => ({ ...body, NodeKey: OWN_KEY }))

const saying = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constant('/machine/map'), jsonLike(own(MAPS))) },
  { weight: 4, arbitrary: fc.tuple(fc.constant('/machine/register'), jsonLike(own(REGISTERS))) },
  {
    weight: 1,
    arbitrary: fc.tuple(
      fc.constant('/machine/set-dns'),
      jsonLike([{ NodeKey: OWN_KEY, Name: '_acme-challenge.x.', Type: 'TXT', Value: 'v' }]),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(
      textsLike(['/machine/ping-response/00ff', '/machine/whoami', '/machine/tka/init/begin', '/machine/id-token']),
      jsonLike([{}]),
    ),
  },
)

/** A client in Go drops its whole stream over one member that it cannot read. */
function checkPeer(node: MapNode): void {
  assert.ok(
    readNodeKey(node.Key) !== undefined && (node.DiscoKey === undefined || readDiscoKey(node.DiscoKey) !== undefined),
  )
  for (const prefix of [...node.Addresses, ...(node.AllowedIPs ?? []), ...(node.PrimaryRoutes ?? [])])
    assert.ok(parsePrefix(prefix) !== undefined, prefix)
  for (const endpoint of node.Endpoints) assert.ok(parseAddressPort(endpoint) !== undefined, endpoint)
  for (const number of [node.HomeDERP ?? 0, node['Cap'] as number]) assert.equal(number, number | 0)
  for (const time of [node.KeyExpiry, node.LastSeen, node['Created'] as string])
    assert.notEqual(parseTime(time ?? '0001-01-01T00:00:00Z'), null, time ?? '')
  assert.ok(isValidHostname(node.Name), node.Name)
  checkHostinfo(node.Hostinfo as Hostinfo)
}

/** What one request of somebody else's may cost a peer, in characters. */
const MOST_TOLD = 3 << 20

const core = slowDecoder({
  name: 'the coordination server',
  inputs: fc.array(fc.tuple(fc.constantFrom('POST', 'POST', 'POST', 'GET', ''), saying, fc.boolean()), {
    minLength: 1,
    maxLength: 6,
  }),
  async read(requests) {
    const world = await World.start()
    const peer = await world.joined('peer')
    const hostile = world.machine('hostile')
    hostile.nodeKey = OWN_KEY
    const joined = await hostile.register({ Auth: { AuthKey: await world.key({ tags: ['tag:a'] }) } })
    assert.equal(joined.status, 200)
    hostile.stream = await hostile.map()
    for (const [method, [path, body], foreign] of requests) {
      const from = foreign ? world.machine('stranger') : hostile
      const answer = await from.send(method, path, body)
      await world.pass(300)
      // A follow-up may wait for its login; everything else is answered.
      assert.ok(answer.status !== 0 || path === '/machine/register', `no answer to ${path}`)
      assert.ok(![500, 502, 503].includes(answer.status), `${path}: ${answer.status} ${answer.body}`)
    }
    // An administrator lets go of what a hostile node may have prepared.
    const held = world.coord.ledger.model.nodeByKey(OWN_KEY)
    if (held !== undefined) await world.change(held.node.id, () => ({ keyExpiryDisabled: false, authorized: true }))
    await world.pass(20_000)
    for (const node of peer.peers().values()) checkPeer(node)
    const fresh = await peer.map()
    for (const node of fresh.messages[0]?.Peers ?? []) checkPeer(node)
    const told = peer.stream.messages.reduce((sum, message) => sum + JSON.stringify(message).length, 0)
    assert.ok(told <= MOST_TOLD * (requests.length + 1), `a peer was told ${told} characters`)
    assert.equal(peer.node.name, 'peer')
  },
})

const anyRoute = fc.constantFrom(...ROUTE_IDS).chain((id) => {
  const { method, path }: RouteShape = routes[id]
  const params = fc.array(
    fc.oneof({ weight: 3, arbitrary: fc.constant('') }, { weight: 1, arbitrary: textsLike(['1', 'custom:a', '-']) }),
    { minLength: 3, maxLength: 3 },
  )
  const query = fc.option(textsLike(['fields=all', 'tags=a&tags=b', '__proto__=a&__proto__=b', 'hostname=laptop']), {
    nil: '',
  })
  return fc.record({
    method: fc.oneof({ weight: 9, arbitrary: fc.constant(method) }, fc.constantFrom('GET', 'POST', 'DELETE', 'PATCH')),
    path: fc.constant(path),
    params,
    query,
    body: jsonLike(BODIES),
    server: fc.boolean(),
  })
})

const api = slowDecoder({
  name: 'the API',
  inputs: fc.array(anyRoute, { minLength: 1, maxLength: 8 }),
  async read(requests) {
    const world = await RestWorld.make()
    const before = JSON.stringify(world.ledger.model.state(world.beta.num).get('tailnet', '1') ?? null)
    for (const { method, path, params, query, body, server } of requests) {
      let at = 0
      const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => {
        const odd = params[at++ % params.length] as string
        return odd === '' ? (REAL[name]?.(world) ?? 'x') : encodeURIComponent(odd.toWellFormed())
      })
      const target = `${filled}${query === '' ? '' : `?${query}`}`
      if (!URL.canParse(`http://sett.test/api/v2${target}`) || filled.includes('/../') || filled.includes('/./'))
        continue
      const asking = server ? ({ server } as const) : { token: world.alpha.tokens.owner }
      const told = await world.ask(method, target.toWellFormed(), { ...asking, ...(method === 'GET' ? {} : { body }) })
      assert.ok(
        told.status < 500 || told.status === 501,
        `${method} ${target}: ${told.status} ${told.text} ${String(world.errors[0])}`,
      )
    }
    assert.deepEqual(world.errors, [])
    assert.equal(({} as { polluted?: unknown }).polluted, undefined)
    assert.equal(JSON.stringify(world.ledger.model.state(world.beta.num).get('tailnet', '1') ?? null), before)
  },
})

/** Names of path parameters that are there. */
const REAL: { readonly [name: string]: (world: RestWorld) => string } = {
  tailnet: () => '-',
  deviceId: (world) => world.alpha.laptop.stableId,
  userId: (world) => world.alpha.userIds.member,
  keyId: () => 'kxCNTRL',
  key: () => 'custom:a',
  code: () => 'abcdefgh12345678',
}

const packet = (to: Uint8Array) => encodeClientMessage({ kind: 'send', to, packet: utf8('hello') })

const hub = slowDecoder({
  name: 'the relay',
  inputs: fc.tuple(
    fc.boolean(),
    bytesLike([
      packet(new Uint8Array(32)),
      encodeClientMessage({ kind: 'ping', data: new Uint8Array(8) }),
      encodeClientMessage({ kind: 'note-preferred', preferred: true }),
      encodeClientMessage({ kind: 'watch' }),
    ]),
    fc.array(fc.nat(), { maxLength: 4 }),
  ),
  async read([greets, said, cuts]) {
    const world = new RelayWorld(7)
    const [a, b, hostile] = [world.client(), world.client(), world.stranger()]
    if (greets) hostile.greet()
    else {
      const clear = encodeClientInfo({ version: 2, canAckPings: false, isProber: false, appName: 'x' })
      const sealed = sealBox(
        world.primitives,
        hostile.key,
        world.primitives.x25519Public(world.relayKey),
        new Uint8Array(24),
        clear,
      )
      hostile.write(
        concat([
          encodeClientMessage({ kind: 'client-info', key: hostile.raw, sealed }).subarray(0, (cuts[0] ?? 60) % 120),
        ]),
      )
    }
    const places = [...cuts.map((cut) => cut % (said.length + 1)).sort((x, y) => x - y), said.length]
    let from = 0
    for (const to of places) hostile.write(said.slice(from, (from = to)))
    world.run(11_000)
    if (!greets) assert.notEqual(hostile.closed, undefined, 'who does not greet is not waited for')
    a.packet(b, utf8('still here'))
    world.run(1000)
    assert.ok(
      b.arrivals.some((arrival) => arrival.from === a.raw.toHex()) && a.closed === undefined && b.closed === undefined,
    )
    assert.equal(world.hub.metrics().gauge_queued_bytes, 0)
  },
})

const ROWS: readonly unknown[] = [
  { counter: 'node', next: 18 },
  { tailnet: 1, seq: 42 },
  { claim: ['node-key', OWN_KEY, '1/17'] },
  { record: [1, 'node', '17', 40], value: { id: 17, name: 'web', list: [1, null, true] } },
]

/** A backup of these lines with a right end: what is inside is then believed. */
function backupOf(lines: readonly string[]): Uint8Array {
  const text = lines.map((line) => `${line}\n`).join('')
  const end = { end: lines.length - 1, sha256: createHash('sha256').update(text).digest('hex') }
  return gzipSync(`${text}${JSON.stringify(end)}\n`, { level: 1 })
}

const head = jsonLike([{ sett: 'backup', format: 1, at: 1_700_000_000_000 }])
const goodHead = fc.constant('{"sett":"backup","format":1,"at":1700000000000}')
const good = backupOf(['{"sett":"backup","format":1,"at":1700000000000}', ...ROWS.map((row) => JSON.stringify(row))])

let folder: string | undefined

const backup: Decoder = {
  ...slowDecoder({
    name: 'backups',
    inputs: fc.oneof(
      bytesLike([good]),
      fc
        .tuple(fc.oneof({ weight: 4, arbitrary: goodHead }, head), fc.array(jsonLike(ROWS), { maxLength: 3 }))
        .map(([first, rows]) => backupOf([first, ...rows])),
    ),
    async read(file) {
      folder ??= mkdtempSync(join(tmpdir(), 'sett-fuzz-'))
      const path = join(folder, 'backup')
      writeFileSync(path, file)
      const rows = readBackup(path)
      for (;;) {
        const { done, value } = await rows.next()
        if (done === true) {
          assert.match(formatTime(value), /^\d{4}-/)
          return
        }
        if (value.is === 'record') assert.equal(typeof JSON.parse(value.value), typeof JSON.parse(value.value))
      }
    },
    throws: ['store/corrupt', 'store/schema', 'config/invalid'],
  }),
  async close() {
    if (folder !== undefined) rmSync(folder, { recursive: true })
    folder = undefined
  },
}

const frames = [
  GREETING,
  request(1),
  request(3, [['content-length', '5']]),
  raw(FRAME.DATA, 1, 1, utf8('{}')),
  raw(FRAME.HEADERS, WHOLE | 1, 5, block([...POST.slice(0, 2), [':path', '/machine/map?x'], [':authority', 'a']])),
  raw(FRAME.PING, 0, 0, new Uint8Array(8)),
]
const inside = slowDecoder({
  name: 'what comes inside a control connection',
  inputs: fc.tuple(
    fc.boolean(),
    bytesLike([concat(frames), concat(frames.slice(0, 2)), ...frames]),
    fc.array(fc.nat(), { maxLength: 4 }),
  ),
  async read([greeted, bytes, cuts]) {
    const said = new Inside(({ body, path }, reply) => {
      assert.ok(body.length <= bytes.length && path.length <= bytes.length)
      reply.answer(200, 'fine')
    })
    const records = said.seal(concat([greeted ? GREETING : new Uint8Array(0), bytes]))
    const places = [...cuts.map((cut) => cut % (records.length + 1)).sort((x, y) => x - y), records.length]
    let from = 0
    for (const to of places) said.carry(records.slice(from, (from = to)))
    await setImmediate()
    said.connection.destroy()
    assert.ok(said.closed === 1 && said.connection.openStreams >= 0)
    assert.deepEqual(said.faults, [])
    assert.equal(said.bodies.left, BODIES_LEFT, 'what was collected for bodies is given back')
    assert.ok(said.sent <= 4096 + 64 * bytes.length, 'answers are of the size of what is asked')
  },
})

export const MACHINES: readonly Decoder[] = [core, api, hub, inside, backup]
