/** What a node says of its machine and of what its owner wants (control.md §6.2). */

import { readFileSync } from 'node:fs'
import { arch, hostname, machine, release } from 'node:os'
import type { AddressPort } from '../../base/ip.ts'
import type { Endpoint } from '../../wire/control-requests.ts'
import type { Hostinfo, Service } from '../../wire/hostinfo.ts'
import type { Prefs } from '../local/prefs.ts'
import type { OwnEndpoint } from '../path/index.ts'

/** What the node is called: as its owner says, or else as the machine is. */
export function ownName(prefs: Pick<Prefs, 'Hostname'>): string {
  return prefs.Hostname === '' ? hostname() : prefs.Hostname
}

export interface HostinfoFacts {
  readonly version: string
  readonly logId: string
  /** Where PeerAPI listens. */
  readonly peerApi: readonly AddressPort[]
}

export function ownHostinfo(prefs: Prefs, { version, logId, peerApi }: HostinfoFacts): Hostinfo {
  const { AdvertiseRoutes: routes, AdvertiseTags: tags, ExitNodeID: exitNode } = prefs
  return {
    IPNVersion: version,
    BackendLogID: logId,
    OS: 'linux',
    OSVersion: release(),
    ...distribution(),
    Hostname: ownName(prefs),
    Machine: machine(),
    GoArch: arch() === 'x64' ? 'amd64' : arch(),
    ...(peerApi.length === 0 ? {} : { Services: peerApi.map(serviceOf) }),
    ...(prefs.ShieldsUp ? { ShieldsUp: true } : {}),
    ...(routes !== null && routes.length > 0 ? { RoutableIPs: routes } : {}),
    ...(tags !== null && tags.length > 0 ? { RequestTags: tags } : {}),
    ...(exitNode === '' ? {} : { ExitNodeID: exitNode }),
  }
}

function serviceOf({ ip, port }: AddressPort): Service {
  return { Proto: ip.family === 4 ? 'peerapi4' : 'peerapi6', Port: port }
}

function distribution(): Pick<Hostinfo, 'Distro' | 'DistroVersion' | 'DistroCodeName'> {
  let text: string
  try {
    text = readFileSync('/etc/os-release', 'utf8')
  } catch {
    return {}
  }
  const of = (name: string): string => new RegExp(`^${name}="?([^"\n]*)"?$`, 'm').exec(text)?.[1] ?? ''
  const known = { Distro: of('ID'), DistroVersion: of('VERSION_ID'), DistroCodeName: of('VERSION_CODENAME') }
  return Object.fromEntries(Object.entries(known).filter(([, value]) => value !== ''))
}

/** Our endpoints as the server is told of them. */
export function toldEndpoints(endpoints: readonly OwnEndpoint[]): Endpoint[] {
  return endpoints.map(({ endpoint, type }) => ({ address: endpoint, type }))
}
