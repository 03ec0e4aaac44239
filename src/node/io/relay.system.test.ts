/** Relay connections over real sockets with the real relay: certificates, packets both ways, restarts, races. */

import assert from 'node:assert/strict'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { test } from 'node:test'
import type { Mono, Wall } from '../../base/clock.ts'
import { rawKey } from '../../base/keys.ts'
import type { NodeKey } from '../../base/keys.ts'
import { nodePrimitives as p } from '../../crypto/io/node-primitives.ts'
import { generateKey, nodeKeyFor } from '../../crypto/primitives.ts'
import { makeSelfSigned } from '../../crypto/io/self-signed.ts'
import { pinOf } from '../../relay/io/certificate.ts'
import { startRelay } from '../../relay/io/start.ts'
import type { Relay, RelayOptions } from '../../relay/io/start.ts'
import type { RelayNode, RelayRegion } from '../../wire/derp-map-reader.ts'
import { DerpClient } from '../../../test/support/derp-client.ts'
import { RelayClients } from '../relay/index.ts'
import type { RelayReport } from '../relay/index.ts'
import { RelayShell } from './relay-shell.ts'
import type { RelayOwnerAction, RelayShellOptions } from './relay-shell.ts'

const clocks = { mono: () => performance.now() as Mono, wall: () => Date.now() as Wall }
const TLS = makeSelfSigned(['relay.test', '127.0.0.1'], new Date())
const PIN = pinOf(TLS.cert)
const HOME = 900

async function openRelay(options: Partial<RelayOptions> = {}): Promise<Relay> {
  return startRelay({
    listen: { host: '127.0.0.1', port: 0 },
    key: generateKey(p.random),
    tls: TLS,
    stun: [],
    admission: { admits: () => ({ realm: 'one' }) },
    log: () => {},
    ...options,
  })
}

function nodeAt(port: number, more: Partial<RelayNode> = {}): RelayNode {
  const node = { Name: `${HOME}a`, RegionID: HOME, HostName: 'relay.test', IPv4: '127.0.0.1', IPv6: 'none' }
  return { ...node, DERPPort: port, CertName: PIN, ...more }
}

const mapOf = (...regions: (readonly RelayNode[])[]): Map<number, RelayRegion> =>
  new Map(
    regions.map((Nodes, i) => [HOME + i, { RegionID: HOME + i, RegionCode: `r${i}`, RegionName: `R${i}`, Nodes }]),
  )

/** The relay side of a node alone. */
class Node {
  readonly relays: RelayClients
  readonly shell: RelayShell
  readonly actions: RelayOwnerAction[] = []
  readonly key: NodeKey
  #watchers = new Set<() => void>()

  constructor(map: Map<number, RelayRegion>, more: Partial<RelayShellOptions> = {}) {
    const key = generateKey(p.random)
    this.key = nodeKeyFor(p, key)
    this.relays = new RelayClients({ primitives: p, key })
    this.shell = new RelayShell(this.relays, {
      clocks,
      on: (action) => {
        this.actions.push(action.kind === 'packet' ? { ...action, bytes: action.bytes.slice() } : action)
        for (const look of this.#watchers) look()
      },
      ...more,
    })
    this.shell.run((relays, now) => relays.setMap(map, now))
    this.shell.run((relays, now) => relays.setHome(HOME, now))
  }

  report(region = HOME): RelayReport {
    return this.relays.reports().get(region) as RelayReport
  }

  send(to: NodeKey, bytes: Uint8Array, region = HOME): void {
    this.shell.run((relays, now) => relays.send(region, to, bytes, now))
  }

  packets(): { from: NodeKey; length: number; first: number | undefined }[] {
    return this.actions
      .filter((action) => action.kind === 'packet')
      .map(({ from, bytes }) => ({ from, length: bytes.length, first: bytes[0] }))
  }

  /** Resolves once something holds, looking after each thing that happens. */
  async until(what: string, holds: () => boolean): Promise<void> {
    if (holds()) return
    await new Promise<void>((resolve, reject) => {
      const give = (act: () => void) => {
        clearTimeout(timer)
        this.#watchers.delete(look)
        act()
      }
      const timer = setTimeout(
        () => give(() => reject(new Error(`never: ${what}; ${JSON.stringify(this.report().state)}`))),
        20_000,
      )
      const look = () => {
        if (holds()) give(resolve)
      }
      this.#watchers.add(look)
    })
  }

  connected(): Promise<void> {
    return this.until('connected', () => this.report().state.phase === 'connected')
  }

  /** Why the last connection failed, once one has. */
  async failure(): Promise<string> {
    await this.until('failed', () => this.report().state.why !== undefined)
    return this.report().state.why as string
  }
}

/** What comes from behind goes to the front, and they end together. */
function join(front: Socket, behind: Socket): void {
  for (const [one, other] of [
    [front, behind],
    [behind, front],
  ] as const) {
    one.on('error', () => one.destroy())
    one.on('close', () => other.destroy())
  }
  behind.pipe(front)
}

async function withNodes(
  relays: Relay[],
  body: (begin: (...a: ConstructorParameters<typeof Node>) => Node) => Promise<void>,
) {
  const nodes: Node[] = []
  try {
    await body((...a) => {
      const node = new Node(...a)
      nodes.push(node)
      return node
    })
  } finally {
    for (const node of nodes) node.shell.close()
    for (const relay of relays) await relay.close()
  }
}

test('two nodes exchange packets both ways, before and after their relay has restarted', async () => {
  const key = generateKey(p.random)
  const relays = [await openRelay({ key })]
  const { port } = (relays[0] as Relay).address
  await withNodes(relays, async (begin) => {
    const [a, b] = [begin(mapOf([nodeAt(port)])), begin(mapOf([nodeAt(port)]))]
    await Promise.all([a.connected(), b.connected()])
    assert.equal((relays[0] as Relay).metrics().hub.gauge_current_home_connections, 2)

    const sizes = [0, 1, 1280, 65_536]
    for (const [i, size] of sizes.entries()) {
      a.send(b.key, new Uint8Array(size).fill(i))
      b.send(a.key, new Uint8Array(size).fill(i))
    }
    for (const [to, from] of [
      [b, a],
      [a, b],
    ] as const) {
      await to.until('all packets', () => to.packets().length === sizes.length)
      assert.deepEqual(
        to.packets(),
        sizes.map((length, i) => ({ from: from.key, length, first: length === 0 ? undefined : i })),
      )
    }
    const { sentPackets, sentBytes, receivedPackets, receivedBytes, connects, failures } = a.report().counters
    const bytes = sizes.reduce((sum, size) => sum + size)
    assert.deepEqual(
      { sentPackets, sentBytes, receivedPackets, receivedBytes, connects, failures },
      { sentPackets: 4, sentBytes: bytes, receivedPackets: 4, receivedBytes: bytes, connects: 1, failures: 0 },
    )

    await (relays[0] as Relay).close({ drainMs: 50 })
    await Promise.all([a, b].map((node) => node.until('lost', () => node.report().state.phase !== 'connected')))
    // What is sent meanwhile waits.
    a.send(b.key, new Uint8Array([42]))
    relays.push(await openRelay({ key, listen: { host: '127.0.0.1', port } }))
    await Promise.all([a.connected(), b.connected()])
    b.send(a.key, new Uint8Array([43]))
    await a.until('a packet over the new relay', () => a.packets().at(-1)?.first === 43)
    assert.equal(a.report().counters.connects, 2)
  })
})

test('certificates: pinned, of a known root, or refused', async () => {
  const relay = await openRelay()
  const { port } = relay.address
  const other = makeSelfSigned(['relay.test'], new Date())
  const accepted: { name: string; node: Partial<RelayNode>; more?: Partial<RelayShellOptions> }[] = [
    { name: 'pinned', node: {} },
    { name: 'pinned in capitals', node: { CertName: `sha256-raw:${PIN.slice(11).toUpperCase()}` } },
    { name: 'pinned, by address', node: { HostName: '127.0.0.1' } },
    { name: 'of a known root', node: { CertName: '' }, more: { roots: [TLS.cert] } },
    {
      name: 'of a known root, for another name',
      node: { HostName: 'front.test', CertName: 'relay.test' },
      more: { roots: [TLS.cert] },
    },
    { name: 'found by name', node: { IPv4: '' }, more: { resolve: async () => '127.0.0.1' } },
    { name: 'over a socket made for marking', node: {}, more: { mark: 0 } },
    { name: 'for tests', node: { CertName: '', HostName: 'nobody.test', InsecureForTests: true } },
  ]
  const refused: ((typeof accepted)[number] & { why: RegExp })[] = [
    { name: 'another pin', node: { CertName: pinOf(other.cert) }, why: /not the pinned one/ },
    {
      name: 'another pin, though the root is known',
      node: { CertName: pinOf(other.cert) },
      more: { roots: [TLS.cert] },
      why: /not the pinned one/,
    },
    { name: 'the pin, but another host', node: { HostName: 'else.test' }, why: /for another host/ },
    {
      name: 'the pin, another time',
      node: {},
      more: { clocks: { ...clocks, wall: () => 0 as Wall } },
      why: /not valid now/,
    },
    { name: 'no pin and no root', node: { CertName: '' }, why: /self-signed/ },
    {
      name: 'a known root, but another name',
      node: { CertName: 'else.test' },
      more: { roots: [TLS.cert] },
      why: /altnames/,
    },
    {
      name: 'no name to find',
      node: { IPv4: '' },
      more: { resolve: async () => Promise.reject(new Error('no such name')) },
      why: /no such name/,
    },
  ]
  await withNodes([relay], async (begin) => {
    for (const { name, node, more } of accepted) {
      const one = begin(mapOf([nodeAt(port, node)]), more)
      await one.connected().catch((error: Error) => assert.fail(`${name}: ${error.message}`))
    }
    const before = relay.peers().length
    for (const { name, node, more, why } of refused) {
      const one = begin(mapOf([nodeAt(port, node)]), more)
      assert.match(await one.failure(), why, name)
      assert.equal(one.report().counters.connects, 0, name)
      one.shell.close()
    }
    assert.equal(relay.peers().length, before)
  })
})

test('fast start is for TLS 1.3 alone, and either way packets go', async () => {
  const relay = await openRelay()
  await withNodes([relay], async (begin) => {
    // A relay whose certificates state no key: the same one, behind a front that has only the pinned certificate.
    const heads: string[] = []
    const front = createTlsServer({ cert: TLS.cert, key: TLS.key, maxVersion: 'TLSv1.2' }, (socket) => {
      const behind = connectTls({ port: relay.address.port, host: '127.0.0.1', ca: TLS.cert })
      socket.once('data', (head: Buffer) => heads.push(head.toString('latin1')))
      join(socket, behind)
      socket.pipe(behind)
    })
    await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve))
    try {
      const slow = begin(mapOf([nodeAt((front.address() as AddressInfo).port)]))
      const fast = begin(mapOf([nodeAt(relay.address.port)]))
      await Promise.all([slow.connected(), fast.connected()])
      assert.match(
        heads[0] as string,
        /^GET \/derp HTTP\/1.1\r\nHost: relay.test\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n\r\n$/,
      )
      slow.send(fast.key, new Uint8Array([1]))
      fast.send(slow.key, new Uint8Array([2]))
      await fast.until('packet', () => fast.packets()[0]?.first === 1)
      await slow.until('packet', () => slow.packets()[0]?.first === 2)
      slow.shell.close()
    } finally {
      front.close()
    }
  })
})

test('several regions at once: a second is opened for a peer there, and its node behind a dead one is found', async () => {
  const relays = [await openRelay(), await openRelay()]
  const [one, two] = relays.map((relay) => relay.address.port) as [number, number]
  const closed = createServer()
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve))
  const dead = (closed.address() as AddressInfo).port
  closed.close()
  await withNodes(relays, async (begin) => {
    const peer = await DerpClient.connect({ port: two, ca: TLS.cert }, rawKey((relays[1] as Relay).key))
    try {
      const node = begin(mapOf([nodeAt(one)], [nodeAt(dead, { Name: 'x' }), nodeAt(two, { Name: 'y' })]))
      await node.connected()
      node.send(peer.node, new Uint8Array([7]), HOME + 1)
      const got = await peer.until((m) => m.kind === 'packet')
      assert.deepEqual(got.kind === 'packet' && [...got.packet], [7])
      await node.until(
        'both',
        () => node.report(HOME + 1).state.node === 'y' && node.report(HOME + 1).state.phase === 'connected',
      )
      assert.equal(node.report().state.phase, 'connected')
      assert.equal((relays[1] as Relay).metrics().hub.gauge_current_notideal_connections, 1)
      // The region is not home there: the relay has not been told so.
      assert.equal((relays[1] as Relay).metrics().hub.gauge_current_home_connections, 0)
      peer.packet(rawKey(node.key), new Uint8Array([8]))
      await node.until('an answer', () => node.packets()[0]?.from === peer.node)
      peer.close()
      await node.until('gone', () =>
        node.actions.some((a) => a.kind === 'peer-gone' && a.peer === peer.node && a.why === 'disconnected'),
      )
    } finally {
      peer.close()
    }
  })
})

test('a relay that stops reading is not sent without end, and what is fresh gets through once it reads', async () => {
  const relay = await openRelay()
  await withNodes([relay], async (begin) => {
    // A front that can stop reading.
    let paused = false
    const lines: Socket[] = []
    const front = createServer((socket) => {
      const behind = connect(relay.address.port, '127.0.0.1')
      lines.push(socket)
      join(socket, behind)
      socket.on('data', (bytes) => {
        behind.write(bytes)
        if (paused) socket.pause()
      })
    })
    await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve))
    try {
      const a = begin(mapOf([nodeAt((front.address() as AddressInfo).port)]))
      const b = begin(mapOf([nodeAt(relay.address.port)]))
      await Promise.all([a.connected(), b.connected()])
      paused = true
      const big = new Uint8Array(60_000)
      const dropped = () => a.report().counters.drops.get('queue full') ?? 0
      // Loopback buffers take some megabytes before they are full.
      for (let i = 0; i < 2000 && dropped() < 100; i++) {
        a.send(b.key, big)
        await new Promise((resolve) => setImmediate(resolve))
      }
      assert.ok(dropped() >= 100)
      a.send(b.key, new Uint8Array([99]))
      paused = false
      for (const line of lines) line.resume()
      await b.until('the last packet', () => b.packets().at(-1)?.first === 99)
      a.shell.close()
    } finally {
      front.close()
    }
  })
})
