/**
 * What a node's own reports change in its record: host information, endpoints, disco key, home relay, name.
 * (control.md §5.1, rules for lite updates)
 */

import { sameJson } from '../../base/same-json.ts'
import type { Wall } from '../../base/clock.ts'
import type { MapRequest } from '../../wire/map-request.ts'
import type { TailnetState } from '../model/model.ts'
import { followsHostname, freeName, labelFor } from '../model/naming.ts'
import type { Node } from '../model/records.ts'

/** Host information as reported now; a report without network information keeps what was known. */
export function mergedHost(before: Node, hostinfo: Node['hostinfo']): Node['hostinfo'] {
  const net = before.hostinfo.NetInfo
  return hostinfo.NetInfo === undefined && net !== undefined ? { ...hostinfo, NetInfo: net } : hostinfo
}

/** The name that goes with a host name: the one it has, unless that follows a host name that is no more. */
export function nameAfter(state: TailnetState, before: Node, hostname: string): string {
  if (before.named || hostname === '' || followsHostname(before, hostname)) return before.name
  return freeName(state, labelFor(hostname), before.id)
}

/** The node as a map request reports it. */
export function reported(state: TailnetState, node: Node, request: MapRequest, now: Wall): Node {
  const { forwardingOff: since = now, ...before } = node
  const hostinfo = request.hostinfo === undefined ? before.hostinfo : mergedHost(before, request.hostinfo)
  // Clients say 0 while they look for a relay; peers keep using the last one meanwhile.
  const homeDerp = request.hostinfo?.NetInfo?.PreferredDERP || before.homeDerp
  return {
    ...before,
    hostinfo,
    homeDerp,
    name: nameAfter(state, before, request.hostinfo?.Hostname ?? ''),
    cap: request.version,
    ...(request.discoKey === undefined ? {} : { discoKey: request.discoKey }),
    endpoints: request.endpoints ?? before.endpoints,
    ...(request.forwardingOff === undefined ? {} : { forwardingOff: since }),
  }
}

export function sameNode(a: Node, b: Node): boolean {
  return sameJson(a, b)
}
