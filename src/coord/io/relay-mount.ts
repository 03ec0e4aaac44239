/**
 * What the coordination server wants of a relay. The two are programs of their own; main.ts brings them together.
 */

import { isIP } from 'node:net'
import type { NodeKey, PrivateKey } from '../../base/keys.ts'
import { EMBEDDED_REGION } from '../../wire/derp-map.ts'
import type { DerpMap, DerpNode } from '../../wire/derp-map.ts'
import type { Listen, TlsFiles } from './config/options.ts'

export interface RelayWish {
  readonly listen: Listen
  readonly stun: readonly Listen[]
  readonly key: PrivateKey
  /** The operator's certificate, or `off` for a self-signed one that is kept in `folder`. */
  readonly tls: 'off' | TlsFiles
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
  refreshAdmission(): void
  close(drainMs: number): Promise<void>
}

export type MountRelay = (wish: RelayWish) => Promise<MountedRelay>

/**
 * One region with one relay. The second STUN port stands as a node of its own, since clients compare what two
 * servers see to tell what their NAT does (derp.md §7).
 */
export function derpMapOf(host: string, relay: Pick<MountedRelay, 'port' | 'stunPorts' | 'pin'>): DerpMap {
  const family = isIP(host)
  const node = (letter: string, stunPort: number | undefined): DerpNode => ({
    Name: `${EMBEDDED_REGION}${letter}`,
    RegionID: EMBEDDED_REGION,
    HostName: host,
    ...(relay.pin === undefined ? {} : { CertName: relay.pin }),
    // An address needs no DNS, and there is none of the other family.
    ...(family === 4 ? { IPv4: host, IPv6: 'none' } : family === 6 ? { IPv4: 'none', IPv6: host } : {}),
    STUNPort: stunPort ?? -1,
    DERPPort: relay.port,
  })
  const nodes = [node('a', relay.stunPorts[0])]
  const second = relay.stunPorts[1]
  if (second !== undefined) nodes.push({ ...node('b', second), STUNOnly: true })
  return {
    Regions: {
      [EMBEDDED_REGION]: { RegionID: EMBEDDED_REGION, RegionCode: 'sett', RegionName: 'Sett', Nodes: nodes },
    },
  }
}
