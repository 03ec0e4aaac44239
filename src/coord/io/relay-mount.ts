/**
 * What the coordination server wants of a relay. The two are programs of their own; main.ts brings them together.
 */

import { isIP } from 'node:net'
import type { NodeKey, PrivateKey } from '../../base/keys.ts'
import { EMBEDDED_REGION, SECOND_STUN_REGION } from '../../wire/derp-map.ts'
import type { DerpMap, DerpRegion } from '../../wire/derp-map.ts'
import type { Listen } from './config/options.ts'
import type { Certificates } from './tls/certificates.ts'

export interface RelayWish {
  readonly listen: Listen
  readonly stun: readonly Listen[]
  readonly key: PrivateKey
  /** The server's certificate, or `off` for a self-signed one that is kept in `folder`. */
  readonly tls: 'off' | Pick<Certificates, 'current' | 'follow'>
  readonly folder: string
  /** Name or address in the DERP map. */
  readonly host: string
  /** The tailnet of a key; `undefined`: turned away. */
  realmOf(key: NodeKey): string | undefined
  log(event: string, fields: Readonly<Record<string, unknown>>): void
  /** Addresses of the control server, for clients whose DNS fails. */
  bootstrapDns(): Readonly<Record<string, readonly string[]>>
}

export interface RelayCounts {
  readonly connections: number
  readonly queuedBytes: number
  readonly bytesReceived: number
  readonly bytesSent: number
  readonly packetsReceived: number
  readonly packetsSent: number
  /** Packets by reason. */
  readonly dropped: readonly (readonly [reason: string, packets: number])[]
  readonly stunAnswers: number
}

export interface MountedRelay {
  readonly port: number
  readonly stunPorts: readonly number[]
  /** `CertName` of the DERP map; absent when clients trust the certificate anyway. */
  readonly pin: string | undefined
  counts(): RelayCounts
  /** From now on `realmOf` knows; connections that came earlier have waited for it. */
  open(): void
  refreshAdmission(): void
  close(drainMs: number): Promise<void>
}

export type MountRelay = (wish: RelayWish) => Promise<MountedRelay>

/** So much slower must the second region seem than it is that nobody makes it their home. */
const NOT_HOME = 100

/**
 * The relay as clients see it. A second STUN port makes a second region of the same relay: clients tell what their
 * NAT does by comparing what two servers see of them, and ask no second server of a region whose first has
 * answered (disco.md §9.3).
 */
export function derpMapOf(host: string, relay: Pick<MountedRelay, 'port' | 'stunPorts' | 'pin'>): DerpMap {
  const family = isIP(host)
  const region = (id: number, name: string, stunPort: number | undefined): DerpRegion => ({
    RegionID: id,
    RegionCode: id === EMBEDDED_REGION ? 'sett' : 'sett-stun',
    RegionName: name,
    Nodes: [
      {
        Name: `${id}a`,
        RegionID: id,
        HostName: host,
        ...(relay.pin === undefined ? {} : { CertName: relay.pin }),
        // An address needs no DNS, and there is none of the other family.
        ...(family === 4 ? { IPv4: host, IPv6: 'none' } : family === 6 ? { IPv4: 'none', IPv6: host } : {}),
        STUNPort: stunPort ?? -1,
        DERPPort: relay.port,
      },
    ],
  })
  const first = region(EMBEDDED_REGION, 'Sett', relay.stunPorts[0])
  const second = relay.stunPorts[1]
  if (second === undefined) return { Regions: { [EMBEDDED_REGION]: first } }
  return {
    HomeParams: { RegionScore: { [SECOND_STUN_REGION]: NOT_HOME } },
    Regions: {
      [EMBEDDED_REGION]: first,
      [SECOND_STUN_REGION]: region(SECOND_STUN_REGION, 'Sett, second STUN port', second),
    },
  }
}
