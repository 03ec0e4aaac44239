/**
 * Who a simulated node is, and what it says of itself: the requests of an official client, field by field, in the
 * three states that one goes through after it starts. (golden/wire/map-request.json)
 */

import { hex } from '../../src/base/bytes.ts'
import { discoKeyOf, lockKeyOf, nodeKeyOf, ZERO_NODE_KEY } from '../../src/base/keys.ts'
import type { DiscoKey, LockKey, NodeKey, PrivateKey } from '../../src/base/keys.ts'
import { nodePrimitives } from '../../src/crypto/io/node-primitives.ts'
import { generateKey } from '../../src/crypto/primitives.ts'

/** Capability version of Tailscale 1.102. */
export const VERSION = 142

/**
 * What the client has found out so far: at first nothing; then its engine runs and it has measured the relays;
 * then a second measurement has completed the picture.
 */
export type Stage = 'fresh' | 'measured' | 'settled'

export class Identity {
  readonly index: number
  readonly hostname: string
  readonly machineKey: PrivateKey = generateKey(nodePrimitives.random)
  readonly nodeKey: NodeKey = nodeKeyOf(nodePrimitives.random(32))
  readonly discoKey: DiscoKey = discoKeyOf(nodePrimitives.random(32))
  readonly lockKey: LockKey = lockKeyOf(nodePrimitives.random(32))
  readonly #logId = hex(nodePrimitives.random(32))
  readonly peerApiPort: number
  stage: Stage = 'fresh'
  endpoints: readonly string[]
  /** The relay region it prefers; 0 while it has measured none. */
  region = 0
  #latency = 0
  #port: number

  constructor(index: number) {
    this.index = index
    this.hostname = `machine-${index}`
    this.peerApiPort = 20_000 + ((index * 7919) % 40_000)
    this.#port = 30_000 + ((index * 104_729) % 30_000)
    this.endpoints = this.#atPort(this.#port)
  }

  /** The relays have been measured once, or once more. */
  measure(region: number): void {
    this.stage = this.stage === 'fresh' ? 'measured' : 'settled'
    this.region = region
    this.#latency = 1e-4 + Math.random() * 1e-2
  }

  /** It has moved: new endpoints, never seen before. */
  move(): void {
    this.#port = this.#port >= 64_000 ? 1_025 : this.#port + 1
    this.endpoints = this.#atPort(this.#port)
  }

  #atPort(port: number): readonly string[] {
    const { index } = this
    return [
      `198.51.${100 + ((index >> 8) & 127)}.${index & 255}:${port}`,
      `10.${(index >> 8) & 255}.${index & 255}.7:${port}`,
    ]
  }

  #hostinfo(): object {
    return {
      IPNVersion: '1.102.5-t3a1f2b4c5-g6d7e8f901',
      BackendLogID: this.#logId,
      OS: 'linux',
      OSVersion: '6.1.0',
      Container: false,
      Distro: 'debian',
      DistroVersion: '12.11',
      DistroCodeName: 'bookworm',
      Desktop: false,
      Hostname: this.hostname,
      Machine: 'x86_64',
      GoArch: 'amd64',
      GoArchVar: 'v1',
      GoVersion: 'go1.26.8',
      Services: [
        ...(this.stage === 'fresh'
          ? []
          : [
              { Proto: 'peerapi4', Port: this.peerApiPort },
              { Proto: 'peerapi6', Port: this.peerApiPort },
            ]),
        { Proto: 'peerapi-dns-proxy', Port: 1 },
      ],
      ...(this.stage === 'fresh' ? {} : { NetInfo: this.#netInfo() }),
      Userspace: false,
      UserspaceRouter: false,
      AppConnector: false,
      StateEncrypted: false,
    }
  }

  #netInfo(): object {
    return {
      ...(this.stage === 'settled' ? { MappingVariesByDestIP: false } : {}),
      WorkingIPv6: false,
      OSHasIPv6: true,
      WorkingUDP: true,
      WorkingICMPv4: false,
      UPnP: false,
      PMP: false,
      PCP: false,
      PreferredDERP: this.region,
      DERPLatency: { [`${this.region}-v4`]: this.#latency },
    }
  }

  register(authKey: string): object {
    return {
      Version: VERSION,
      NodeKey: this.nodeKey,
      OldNodeKey: ZERO_NODE_KEY,
      NLKey: this.lockKey,
      Auth: { AuthKey: authKey },
      Expiry: '0001-01-01T00:00:00Z',
      Followup: '',
      Hostinfo: this.#hostinfo(),
      NodeKeySignature: null,
    }
  }

  stream(): object {
    return { ...this.#map(), Stream: true, ...this.#where() }
  }

  lite(): object {
    return { ...this.#map(), ...this.#where(), OmitPeers: true }
  }

  #map(): object {
    return {
      Version: VERSION,
      Compress: 'zstd',
      KeepAlive: true,
      NodeKey: this.nodeKey,
      DiscoKey: this.discoKey,
      Hostinfo: this.#hostinfo(),
    }
  }

  #where(): object {
    return this.stage === 'fresh' ? {} : { Endpoints: this.endpoints, EndpointTypes: [2, 1] }
  }
}
