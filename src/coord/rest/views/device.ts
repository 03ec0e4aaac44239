/** A node as the API shows it. (api-v2.md §6.1) */

import { formatTime, ZERO_TIME } from '../../../base/clock.ts'
import type { Wall } from '../../../base/clock.ts'
import type { Device, DeviceRoutes } from '../../../wire/api/objects.ts'
import type { Hostinfo } from '../../../wire/hostinfo.ts'
import { fqdn } from '../../model/naming.ts'
import type { Node } from '../../model/records.ts'
import { isOnline } from '../call.ts'
import type { At } from '../call.ts'

/** What tagged devices show as their user once whoever registered them is gone. */
const NOBODY = 'tagged-devices'

/** What is shown of a device and does not stand in its record. */
export interface Around {
  readonly user: string
  readonly name: string
  readonly online: boolean
  readonly lastSeen: Wall | undefined
}

export function aroundOf(at: At, node: Node): Around {
  return {
    user: at.tailnet.usersById.get(node.user)?.loginName ?? NOBODY,
    name: fullName(at, node),
    online: isOnline(at, node),
    lastSeen: at.tailnet.presence(node.id)?.lastSeen,
  }
}

export function viewDevice(at: At, node: Node, fields: 'default' | 'all', around: Around = aroundOf(at, node)): Device {
  const { user, name, online, lastSeen } = around
  const info = node.hostinfo
  const basic: Device = {
    addresses: [node.ipv4, node.ipv6],
    id: String(node.id),
    nodeId: node.stableId,
    user,
    name,
    hostname: info.Hostname ?? '',
    clientVersion: info.IPNVersion ?? '',
    os: info.OS ?? '',
    updateAvailable: false,
    authorized: node.authorized,
    isExternal: false,
    keyExpiryDisabled: node.keyExpiryDisabled,
    blocksIncomingConnections: info.ShieldsUp === true,
    connectedToControl: online,
    isEphemeral: node.ephemeral,
    created: formatTime(node.created),
    expires: node.keyExpiry === undefined || node.keyExpiryDisabled ? ZERO_TIME : formatTime(node.keyExpiry),
    ...(online ? {} : { lastSeen: formatTime(lastSeen ?? node.loggedIn) }),
    machineKey: node.machineKey,
    nodeKey: node.nodeKey,
    tailnetLockKey: node.lockKey ?? '',
    tailnetLockError: '',
    ...(node.tags.length === 0 ? {} : { tags: [...node.tags] }),
  }
  if (fields === 'default') return basic
  return {
    ...basic,
    ...viewRoutes(node),
    clientConnectivity: viewConnectivity(at, node),
    sshEnabled: (info.sshHostKeys ?? []).length > 0,
    ...viewDistro(info),
  }
}

/** The name that people type: without the dot that ends it on the wire. */
export function fullName(at: Pick<At, 'record'>, node: Node): string {
  return fqdn(at.record, node).replace(/\.$/, '')
}

export function viewRoutes(node: Node): DeviceRoutes {
  return { advertisedRoutes: [...(node.hostinfo.RoutableIPs ?? [])], enabledRoutes: [...node.approvedRoutes] }
}

function viewConnectivity(at: At, node: Node): NonNullable<Device['clientConnectivity']> {
  const net = node.hostinfo.NetInfo ?? {}
  const region = (id: number) => at.live.regionName(id) ?? String(id)
  const latency: Record<string, { preferred?: boolean; latencyMs: number }> = {}
  for (const [key, seconds] of Object.entries(net.DERPLatency ?? {})) {
    const id = Number.parseInt(key, 10)
    const latencyMs = Math.min(seconds * 1000, latency[region(id)]?.latencyMs ?? Infinity)
    latency[region(id)] = { ...(id === node.homeDerp ? { preferred: true } : {}), latencyMs }
  }
  return {
    endpoints: [...node.endpoints],
    derp: node.homeDerp === 0 ? '' : region(node.homeDerp),
    mappingVariesByDestIP: net.MappingVariesByDestIP === true,
    latency,
    clientSupports: {
      hairPinning: net.HairPinning ?? null,
      ipv6: net.WorkingIPv6 ?? null,
      pcp: net.PCP ?? null,
      pmp: net.PMP ?? null,
      udp: net.WorkingUDP ?? null,
      upnp: net.UPnP ?? null,
    },
  }
}

function viewDistro(info: Hostinfo): Pick<Device, 'distro'> {
  const { Distro: name, DistroVersion: version = '', DistroCodeName: codeName = '' } = info
  return name === undefined ? {} : { distro: { name, version, codeName } }
}
