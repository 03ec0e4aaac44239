/** `/machine/map`: what a client asks and reports. (control.md §5.1) */

import { listUpTo, readInt, readInt32, readObject, readText, textAs } from '../base/go-json.ts'
import { formatAddressPort, isLinkLocal, parseAddressPort } from '../base/ip.ts'
import { isZeroKey, readDiscoKey, readNodeKey } from '../base/keys.ts'
import type { DiscoKey, NodeKey } from '../base/keys.ts'
import { readHostinfo } from './hostinfo.ts'
import type { Hostinfo } from './hostinfo.ts'
import { REQUEST_MAX } from './register.ts'

/** More candidate addresses than this no client has use for, and far more than any has. */
const ENDPOINTS_MAX = 64
const ENDPOINTS_READ_MAX = 1024

export interface MapRequest {
  readonly version: number
  readonly nodeKey: NodeKey
  readonly discoKey?: DiscoKey
  readonly stream: boolean
  readonly omitPeers: boolean
  readonly readOnly: boolean
  readonly hostinfo?: Hostinfo
  /** Candidate UDP addresses in order of preference, without those of one link only and repetitions. Absent: not said. */
  readonly endpoints?: readonly string[]
  /** It routes for others, and its system does not forward IP packets. */
  readonly forwardingOff?: true
}

/** What clients say then. */
const FORWARDING_OFF = 'warn-ip-forwarding-off'
const FLAGS_READ_MAX = 1024

const readEndpoint = textAs((text) => (text === '' ? null : parseAddressPort(text)), 'an address and port')

/** Throws `json/malformed`. */
export function readMapRequest(body: Uint8Array): MapRequest {
  const fields = readObject(body, { what: 'MapRequest', maxLength: REQUEST_MAX })
  const nodeKey = fields.optional('NodeKey', textAs(readNodeKey, 'a node key'))
  const discoKey = fields.optional('DiscoKey', textAs(readDiscoKey, 'a disco key'))
  const hostinfo = fields.object('Hostinfo')
  const endpoints = fields.optional('Endpoints', listUpTo(ENDPOINTS_READ_MAX, readEndpoint))
  fields.optional('EndpointTypes', listUpTo(ENDPOINTS_READ_MAX, readInt))
  const flags = fields.optional('DebugFlags', listUpTo(FLAGS_READ_MAX, readText)) ?? []
  return {
    version: fields.optional('Version', readInt32) ?? 0,
    nodeKey: nodeKey ?? ('nodekey:' as NodeKey),
    ...(discoKey === undefined || isZeroKey(discoKey) ? {} : { discoKey }),
    stream: fields.bool('Stream'),
    omitPeers: fields.bool('OmitPeers'),
    readOnly: fields.bool('ReadOnly'),
    ...(hostinfo === undefined ? {} : { hostinfo: readHostinfo(hostinfo) }),
    ...(endpoints === undefined ? {} : { endpoints: usable(endpoints) }),
    ...(flags.includes(FORWARDING_OFF) ? { forwardingOff: true } : {}),
  }
}

function usable(endpoints: readonly (ReturnType<typeof parseAddressPort> | null)[]): string[] {
  const texts = new Set<string>()
  for (const endpoint of endpoints) {
    if (!endpoint || texts.size >= ENDPOINTS_MAX) continue
    // What names an interface means something on that machine only, and may be of any length.
    if (isLinkLocal(endpoint.ip) || endpoint.ip.zone !== undefined) continue
    texts.add(formatAddressPort(endpoint))
  }
  return [...texts]
}
