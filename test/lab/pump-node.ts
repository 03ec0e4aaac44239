/**
 * One end of a tunnel with fixed keys, without control and handshakes: what pumps need of a node, and no more.
 *
 *   node test/lab/pump-node.ts '{"side": "a", ...}'      (see `PumpNodeOptions`)
 *
 * Says `ready`, and then a line of JSON for each event. Commands come as lines of JSON on its input (see `Command`).
 */

import { execFileSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import { TableBuilder } from '../../src/base/address-table.ts'
import type { Mono } from '../../src/base/clock.ts'
import { parseIp, prefix } from '../../src/base/ip.ts'
import { nodeKeyOf } from '../../src/base/keys.ts'
import { filterSet } from '../../src/node/filter/settings.ts'
import { Pumps } from '../../src/node/io/pump/pumps.ts'
import type { PlaneSource } from '../../src/node/data-plane.ts'
import { openTun } from '../../src/node/io/tun.ts'
import { openUdp } from '../../src/node/io/udp.ts'
import { readEndpoint } from '../../src/node/path/endpoint.ts'
import { makeRoute } from '../../src/node/path/route.ts'
import type { Keypair } from '../../src/node/wireguard/keypairs.ts'

export interface PumpNodeOptions {
  readonly side: 'a' | 'b'
  /** How the far end is reached: an address and port, and a region of a relay, 0 for none. */
  readonly endpoint?: string
  readonly region?: number
  readonly port: number
  readonly mtu: number
  readonly pairs: number
  readonly plain: boolean
  /** Both pumps of a pair in one thread; where nobody says, as `Pumps` chooses. */
  readonly oneThread?: boolean
  /** Begin without a session. */
  readonly withoutSession?: boolean
}

export type Command =
  | { readonly do: 'session'; readonly live: boolean }
  | { readonly do: 'route'; readonly endpoint?: string; readonly region?: number }
  | { readonly do: 'seal'; readonly hex: string }
  | { readonly do: 'relayed'; readonly hex: string; readonly region: number }
  | { readonly do: 'send'; readonly to: string; readonly hex: string }
  | { readonly do: 'tun'; readonly hex: string }
  | { readonly do: 'counts' }
  | { readonly do: 'close' }
  | { readonly do: 'exit' }
  | { readonly do: 'throw' }

/** The addresses inside of the tunnel. */
export const INSIDE = {
  a: { four: '100.64.0.1', six: 'fd7a:115c:a1e0::1' },
  b: { four: '100.64.0.2', six: 'fd7a:115c:a1e0::2' },
} as const

const PEER = 7

if (import.meta.main) run(JSON.parse(process.argv[2] ?? '') as PumpNodeOptions)

function run(o: PumpNodeOptions): void {
  const clock = (): Mono => performance.now() as Mono
  const [own, far] = o.side === 'a' ? [INSIDE.a, INSIDE.b] : [INSIDE.b, INSIDE.a]
  const say = (event: string, fields: object = {}): void => console.log(JSON.stringify({ event, ...fields }))
  const hex = (bytes: Uint8Array): string => bytes.toHex()

  const pairs = Array.from({ length: o.pairs }, () => ({
    tun: openTun({ name: 'pump0', plain: o.plain, multiQueue: o.pairs > 1 }),
    sockets: ([4, 6] as const).map((family) =>
      openUdp({ family, port: o.port, plain: o.plain, reusePort: o.pairs > 1 }),
    ),
  }))
  execFileSync('ip', ['link', 'set', 'pump0', 'txqueuelen', '1000', 'mtu', String(o.mtu), 'up'])
  execFileSync('ip', ['addr', 'add', `${own.four}/10`, 'dev', 'pump0'])
  execFileSync('ip', ['addr', 'add', `${own.six}/48`, 'dev', 'pump0', 'nodad'])

  const pumps = new Pumps({
    pairs,
    mtu: o.mtu,
    clock,
    plain: o.plain,
    ...(o.oneThread !== undefined && { oneThread: o.oneThread }),
    events: {
      unsealed: (peer, packet) => say('unsealed', { peer, hex: hex(packet) }),
      datagram: (datagram, from) => say('datagram', { hex: hex(datagram), from: textOf(from) }),
      relay: (peer, message) => say('relay', { peer, hex: hex(message) }),
      toEngine: (packet) => say('engine', { hex: hex(packet) }),
      forEngine: (peer, packet) => say('for-engine', { peer, hex: hex(packet) }),
      activity: (activity, from) => say('activity', { ...activity, ...(from && { from: textOf(from) }) }),
      failed: (error) => say('failed', { error: String(error) }),
    },
  })

  const peers = new TableBuilder(1, 1)
  peers.addRanges(6, [{ prefix: prefix(`${far.six}/128`) }], () => PEER)
  peers.addSingle4(Number(parseIp(far.four)?.value) | 0, () => PEER)
  const engine = new TableBuilder(1, 0)
  engine.addSingle4((100 << 24) | (100 << 16) | (100 << 8) | 100, () => 1)
  pumps.setRoutes({ peers: peers.build(), engine: engine.build() })
  const anything = [{ IP: '*', Ports: { First: 0, Last: 65_535 } }]
  const { program, jailed } = filterSet({
    rules: [{ SrcIPs: ['*'], DstPorts: anything, IPProto: [], CapGrant: [] }],
    localNets: [`${own.four}/32`, `${own.six}/128`].map(prefix),
    peers: [],
    limitedPeers: [],
    isShieldsUp: false,
    peerApi: [],
  })
  pumps.setFilter({ program, jailed, jailedPeers: new Set() })

  const keys = [3, 5].map((n) => Uint8Array.from({ length: 32 }, (_, i) => (i * n) & 255)) as [Uint8Array, Uint8Array]
  const isA = o.side === 'a'
  const keypair: Keypair = {
    peer: nodeKeyOf(new Uint8Array(32)),
    localIndex: isA ? 0xfeed_0001 : 0x0000_0002,
    remoteIndex: isA ? 0x0000_0002 : 0xfeed_0001,
    sendKey: keys[isA ? 0 : 1],
    receiveKey: keys[isA ? 1 : 0],
    isInitiator: isA,
    // Long runs are no matter of rekeying here.
    createdAt: (clock() + 1e9) as Mono,
  }
  const route = (r: { readonly endpoint?: string; readonly region?: number }): void =>
    pumps.setEndpoint(PEER, makeRoute(r.endpoint === undefined ? undefined : readEndpoint(r.endpoint), r.region ?? 0))
  if (o.withoutSession !== true) pumps.setSessions(PEER, keypair, [keypair])
  route(o)

  async function close(): Promise<void> {
    await pumps.close()
    for (const { tun, sockets } of pairs) {
      tun.close()
      for (const socket of sockets) socket.close()
    }
    say('closed')
    process.stdin.destroy()
  }

  createInterface(process.stdin).on('line', (line) => {
    const command = JSON.parse(line) as Command
    switch (command.do) {
      case 'session':
        return pumps.setSessions(PEER, command.live ? keypair : undefined, command.live ? [keypair] : [])
      case 'route':
        return route(command)
      case 'seal':
        return pumps.seal(PEER, keypair, Uint8Array.fromHex(command.hex))
      case 'relayed':
        return pumps.receiveRelayed(Uint8Array.fromHex(command.hex), command.region)
      case 'send': {
        const [host = '', port] = command.to.split(' ')
        const ip = parseIp(host)
        if (ip !== undefined) pumps.sendTo({ ip, port: Number(port) }, Uint8Array.fromHex(command.hex))
        return
      }
      case 'tun':
        return void pumps.writeTun(Uint8Array.fromHex(command.hex))
      case 'counts': {
        const { drops, outbound, inbound } = pumps.counts()
        const lost = Object.fromEntries(Object.entries(drops).filter(([, n]) => n > 0))
        const [out, into] = [outbound, inbound].map((map) => Object.fromEntries(map))
        return say('counts', { drops: lost, out, into, traffic: pumps.traffic(PEER), rss: process.memoryUsage.rss() })
      }
      case 'close':
        return void close()
      case 'exit':
        return process.exit(0)
      case 'throw':
        throw new Error('thrown on demand')
    }
  })
  const timer = setInterval(() => {
    if (!pumps.areRunning) return
    clearInterval(timer)
    console.log('ready')
  }, 5)
}

const textOf = (from: PlaneSource): string =>
  from.kind === 'relay' ? `relay ${from.region}` : `port ${from.address.port}`
