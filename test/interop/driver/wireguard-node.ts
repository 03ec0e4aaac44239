/**
 * One end of a plain WireGuard tunnel: our handshakes and our data path as they stand in the node, with one peer that
 * is configured, and neither control nor disco nor relays.
 *
 *   node test/interop/driver/wireguard-node.ts '{"own": "…", …}'      (see `WireGuardNodeOptions`)
 *
 * Says `ready`, then a line of JSON for each handshake. Speaks IPv4 between the two ends.
 */

import { execFileSync } from 'node:child_process'
import { TableBuilder } from '../../../src/base/address-table.ts'
import type { Mono, Wall } from '../../../src/base/clock.ts'
import { formatIp, parseIp, prefix } from '../../../src/base/ip.ts'
import type { AddressPort } from '../../../src/base/ip.ts'
import { nodeKeyOf, PrivateKey } from '../../../src/base/keys.ts'
import { nodePrimitives } from '../../../src/crypto/io/node-primitives.ts'
import { filterSet } from '../../../src/node/filter/settings.ts'
import { Pumps } from '../../../src/node/io/pump/pumps.ts'
import { openTun } from '../../../src/node/io/tun.ts'
import { openUdp } from '../../../src/node/io/udp.ts'
import { addressOf, endpointOf, readEndpoint } from '../../../src/node/path/endpoint.ts'
import type { Endpoint } from '../../../src/node/path/endpoint.ts'
import { makeRoute } from '../../../src/node/path/route.ts'
import type { DeviceAction, Source } from '../../../src/node/wireguard/actions.ts'
import { Device } from '../../../src/node/wireguard/device.ts'

export interface WireGuardNodeOptions {
  /** Private key, the peer's public one, and 32 bytes that both know; in hex. */
  readonly own: string
  readonly peer: string
  readonly psk?: string
  readonly port: number
  readonly mtu: number
  /** Addresses in the tunnel. */
  readonly address: { readonly four: string; readonly six: string }
  readonly peerAddress: { readonly four: string; readonly six: string }
  /** Where the peer is, if that is known before it has said so. */
  readonly endpoint?: string
}

type From = Source & { readonly address: AddressPort }

const PEER = 1

run(JSON.parse(process.argv[2] ?? '') as WireGuardNodeOptions)

function run(o: WireGuardNodeOptions): void {
  const clock = (): Mono => performance.now() as Mono
  const peerKey = nodeKeyOf(Uint8Array.fromHex(o.peer))
  const { psk } = o
  let endpoint: Endpoint | undefined
  let timer: NodeJS.Timeout | undefined

  const device: Device<From> = new Device({
    primitives: nodePrimitives,
    privateKey: new PrivateKey(Uint8Array.fromHex(o.own)),
    isPeer: (key) => key === peerKey,
    ...(psk === undefined ? {} : { presharedKey: () => Uint8Array.fromHex(psk) }),
    wall: Date.now() as Wall,
    now: clock(),
  })

  const sockets = ([4, 6] as const).map((family) => openUdp({ family, port: o.port }))
  const pumps = new Pumps({
    pairs: [{ tun: openTun({ name: 'wg0' }), sockets }],
    mtu: o.mtu,
    clock,
    events: {
      unsealed: (_, packet) => feed(device.stage(peerKey, packet, clock())),
      datagram: (bytes, from) => {
        if (from.kind !== 'direct') return
        const { address } = from
        feed(device.receive(bytes, { host: formatIp(address.ip), port: address.port, address }, clock()))
      },
      activity: (activity, from) => {
        if (from?.kind === 'direct') follow(from.address)
        feed(device.report(activity, clock()))
      },
      relay: () => {},
      toEngine: () => {},
      forEngine: () => {},
      failed: (error) => {
        throw error
      },
    },
  })

  /** Packets go to where the peer was heard last. */
  function follow(address: AddressPort): void {
    const found = endpointOf(address)
    if (found === endpoint) return
    endpoint = found
    pumps.setEndpoint(PEER, makeRoute(endpoint, 0))
  }

  function feed(actions: readonly DeviceAction<From>[]): void {
    for (const action of actions)
      switch (action.kind) {
        case 'send':
          if (endpoint !== undefined) pumps.sendTo(addressOf(endpoint), action.bytes)
          break
        case 'reply':
          pumps.sendTo(action.to.address, action.bytes)
          break
        case 'authenticated':
          follow(action.from.address)
          break
        case 'sessions':
          pumps.setSessions(PEER, action.sending, action.receiving)
          break
        case 'seal':
          pumps.seal(PEER, action.keypair, action.packet)
          break
        case 'established':
          console.log(JSON.stringify({ event: 'established', initiator: action.keypair.isInitiator }))
          break
        case 'dropped':
          console.log(JSON.stringify({ event: 'dropped', why: action.why }))
          break
        case 'unanswered':
        case 'forgotten':
          break
      }
    const at = device.deadline()
    clearTimeout(timer)
    if (at < Infinity)
      timer = setTimeout(() => feed(device.tick(clock())), Math.min(60_000, Math.max(0, Math.ceil(at - clock()))))
  }

  execFileSync('ip', ['link', 'set', 'wg0', 'mtu', String(o.mtu), 'up'])
  execFileSync('ip', ['addr', 'add', `${o.address.four}/10`, 'dev', 'wg0'])
  execFileSync('ip', ['addr', 'add', `${o.address.six}/48`, 'dev', 'wg0', 'nodad'])
  const peers = new TableBuilder(1, 1)
  peers.addRanges(6, [{ prefix: prefix(`${o.peerAddress.six}/128`) }], () => PEER)
  peers.addSingle4(Number(parseIp(o.peerAddress.four)?.value) | 0, () => PEER)
  pumps.setRoutes({ peers: peers.build() })
  const { program, jailed } = filterSet({
    rules: [{ SrcIPs: ['*'], DstPorts: [{ IP: '*', Ports: { First: 0, Last: 65_535 } }], IPProto: [], CapGrant: [] }],
    localNets: [`${o.address.four}/32`, `${o.address.six}/128`].map(prefix),
    peers: [],
    limitedPeers: [],
    isShieldsUp: false,
    peerApi: [],
  })
  pumps.setFilter({ program, jailed, jailedPeers: new Set() })
  const known = o.endpoint === undefined ? undefined : readEndpoint(o.endpoint)
  if (known !== undefined) follow(addressOf(known))
  console.log('ready')
}
