/**
 * `tailscale status --json`: how the node and each of its peers stand (node.md §9.1). Scripts read it: names, order
 * and whether a field is absent or `null` are fixed.
 */

import { formatTime, ZERO_TIME } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import { parsePrefix, formatIp } from '../../base/ip.ts'
import { ZERO_NODE_KEY } from '../../base/keys.ts'
import type { CapMap, MapNode } from '../../wire/map-node.ts'
import { capMapJson, suffixOf } from './node-json.ts'
import type { NodeView } from './node-view.ts'
import { leadsEverywhere } from './prefs.ts'

/** Stands first among our own capabilities, where a list of them is deprecated. */
const DEPRECATION =
  'HTTPS://TAILSCALE.COM/s/DEPRECATED-NODE-CAPS#see-https://github.com/tailscale/tailscale/issues/11508'
const FILE_SHARING = 'https://tailscale.com/cap/file-sharing'

/** @param peers `false`: without them */
export function statusJson(view: NodeView, peers = true): object {
  const { netmap, clientVersion } = view
  const self = netmap?.fields.self
  const suffix = self === undefined ? '' : suffixOf(self.Name)
  const dns = netmap?.fields.dns
  const addresses = self === undefined ? null : addressesOf(self)
  const exitNode = view.exitNode === undefined ? undefined : netmap?.peers.get(view.exitNode)
  return {
    Version: view.version,
    TUN: view.tun,
    BackendState: view.state,
    HaveNodeKey: view.hasNodeKey || undefined,
    AuthURL: view.authUrl,
    TailscaleIPs: addresses,
    Self: selfJson(view),
    ExitNodeStatus: exitNode && {
      ID: exitNode.StableID,
      Online: exitNode.Online ?? false,
      TailscaleIPs: exitNode.Addresses,
    },
    Health: view.health,
    MagicDNSSuffix: suffix,
    CurrentTailnet:
      netmap === undefined
        ? null
        : { Name: netmap.fields.domain, MagicDNSSuffix: suffix, MagicDNSEnabled: dns?.Proxied ?? false },
    CertDomains: dns?.CertDomains ?? null,
    ExtraRecords: dns?.ExtraRecords ?? null,
    Peer: netmap === undefined || !peers ? null : peersJson(view),
    User: netmap === undefined ? null : usersJson(view, peers),
    ClientVersion: clientVersion ?? null,
  }
}

function selfJson(view: NodeView): object {
  const self = view.netmap?.fields.self
  const { v4, v6 } = view.peerApi
  return {
    ID: self?.StableID ?? '',
    NodeID: self?.ID ?? 0,
    PublicKey: self?.Key ?? ZERO_NODE_KEY,
    HostName: view.hostname,
    DNSName: self?.Name ?? '',
    OS: view.os,
    UserID: self?.User ?? 0,
    ...routing(self),
    Addrs: view.endpoints,
    CurAddr: '',
    Relay: relayCode(view, view.homeRelay),
    ...NO_TRAFFIC,
    Created: timeJson(self?.Created),
    LastWrite: ZERO_TIME,
    LastSeen: ZERO_TIME,
    LastHandshake: ZERO_TIME,
    Online: view.online,
    ExitNode: false,
    ExitNodeOption: self !== undefined && offersExit(self),
    Active: false,
    PeerAPIURL: self === undefined ? null : peerApiUrls(self, v4, v6),
    TaildropTarget: 0,
    NoFileSharingReason: '',
    ...capabilities(self?.CapMap, DEPRECATION),
    sshHostKeys: self?.Hostinfo?.sshHostKeys,
    InNetworkMap: self !== undefined,
    InMagicSock: false,
    InEngine: false,
    ...lifetime(self),
  }
}

function peersJson(view: NodeView): { [key: string]: object } {
  const peers: { [key: string]: object } = {}
  for (const peer of view.netmap?.peers.values() ?? []) peers[peer.Key] = peerJson(view, peer)
  return peers
}

function peerJson(view: NodeView, peer: MapNode): object {
  const traffic = view.traffic(peer.Key)
  const host = peer.Hostinfo
  const port = (proto: string) => host?.Services?.find(({ Proto }) => Proto === proto)?.Port
  return {
    ID: peer.StableID,
    NodeID: peer.ID,
    PublicKey: peer.Key,
    HostName: host?.Hostname ?? '',
    DNSName: peer.Name,
    OS: host?.OS ?? '',
    UserID: peer.User,
    AltSharerUserID: peer.Sharer,
    ...routing(peer),
    Addrs: null,
    CurAddr: traffic?.direct ?? '',
    Relay: relayCode(view, peer.HomeDERP ?? 0),
    PeerRelay: '',
    RxBytes: traffic?.rxBytes ?? 0,
    TxBytes: traffic?.txBytes ?? 0,
    Created: timeJson(peer.Created),
    LastWrite: timeJson(traffic?.lastWrite),
    LastSeen: peer.Online === true ? ZERO_TIME : timeJson(peer.LastSeen),
    LastHandshake: timeJson(traffic?.lastHandshake),
    Online: peer.Online ?? false,
    ExitNode: view.exitNode === peer.ID,
    ExitNodeOption: offersExit(peer),
    Active: traffic?.active ?? false,
    PeerAPIURL: peerApiUrls(peer, port('peerapi4'), port('peerapi6')),
    TaildropTarget: taildropTarget(view, peer),
    NoFileSharingReason: '',
    ...capabilities(peer.CapMap),
    sshHostKeys: host?.sshHostKeys,
    ShareeNode: host?.ShareeNode,
    InNetworkMap: true,
    InMagicSock: traffic?.inPaths ?? false,
    InEngine: traffic?.inWireguard ?? false,
    ...lifetime(peer),
  }
}

const NO_TRAFFIC = { PeerRelay: '', RxBytes: 0, TxBytes: 0 }

function routing(node: MapNode | undefined): object {
  return {
    TailscaleIPs: node === undefined ? null : addressesOf(node),
    AllowedIPs: filled(node?.AllowedIPs),
    Tags: filled(node?.Tags),
    PrimaryRoutes: filled(node?.PrimaryRoutes),
  }
}

function capabilities(all: CapMap | undefined, first?: string): object {
  if (all === undefined || all.size === 0) return {}
  const names = [...all.keys()]
  return { Capabilities: first === undefined ? names : [first, ...names.sort()], CapMap: capMapJson(all) }
}

function lifetime(node: MapNode | undefined): object {
  return {
    Expired: node?.Expired,
    KeyExpiry:
      node?.KeyExpiry === undefined ? undefined : formatTime((Math.round(node.KeyExpiry / 1000) * 1000) as Wall),
    Location: node?.Hostinfo?.Location,
  }
}

/** Its own addresses, without lengths. */
export function addressesOf(node: MapNode): string[] {
  return node.Addresses.flatMap((text) => {
    const prefix = parsePrefix(text)
    return prefix === undefined ? [] : [formatIp(prefix.ip)]
  })
}

/** One for each family in which the node has an address and an open port. */
function peerApiUrls(node: MapNode, v4: number | undefined, v6: number | undefined): string[] | null {
  const addresses = addressesOf(node)
  const ip4 = addresses.find((ip) => !ip.includes(':'))
  const ip6 = addresses.find((ip) => ip.includes(':'))
  const urls: string[] = []
  if (ip4 !== undefined && v4 !== undefined && v4 !== 0) urls.push(`http://${ip4}:${v4}`)
  if (ip6 !== undefined && v6 !== undefined && v6 !== 0) urls.push(`http://[${ip6}]:${v6}`)
  return urls.length === 0 ? null : urls
}

/** The numbers of node.md §9.1. Never "available": there is no sending of files, so the last word is "unknown". */
function taildropTarget(view: NodeView, peer: MapNode): number {
  if (view.state !== 'Running') return 3
  if (view.netmap?.fields.self.CapMap?.has(FILE_SHARING) !== true) return 4
  return peer.Online === true ? 0 : 5
}

function usersJson(view: NodeView, peers: boolean): object {
  const { fields, peers: all } = view.netmap as NonNullable<NodeView['netmap']>
  const shown = new Set([fields.self.User])
  if (peers)
    for (const { User, Sharer } of all.values()) {
      shown.add(User)
      if (Sharer !== undefined) shown.add(Sharer)
    }
  return Object.fromEntries([...fields.profiles].filter(([id]) => shown.has(id)))
}

function relayCode(view: NodeView, region: number): string {
  return view.relays?.get(region)?.RegionCode ?? ''
}

/** Everything of both families goes there. */
function offersExit(node: MapNode): boolean {
  return leadsEverywhere(node.AllowedIPs)
}

function filled<T>(list: readonly T[] | undefined): readonly T[] | undefined {
  return list === undefined || list.length === 0 ? undefined : list
}

function timeJson(time: Wall | undefined): string {
  return time === undefined ? ZERO_TIME : formatTime(time)
}
