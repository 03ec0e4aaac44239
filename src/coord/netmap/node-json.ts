/**
 * One node as the map shows it: to itself and to its peers. (control.md §6.1)
 *
 * The text for peers is the same for all of them, so it is made once per change and shared by every map.
 */

import { formatTime, SECOND_MS } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import type { CapMap } from '../../policy/node-attributes.ts'
import { isExpired } from '../model/model.ts'
import { fqdn } from '../model/naming.ts'
import type { Node, Presence, Tailnet, User } from '../model/records.ts'
import type { Hostinfo } from '../../wire/hostinfo.ts'
import { isExitRoute } from '../model/routes.ts'

/** The profile under which tagged nodes appear. */
export const TAGGED_DEVICES = { ID: 2147455555, LoginName: 'tagged-devices', DisplayName: 'Tagged Devices' } as const

/** A tagged node is nobody's, and to itself a user of its own: with a number beyond all of users. */
const OWN_PROFILES = 2 ** 52

/** What peers need of a node's Hostinfo: what it is, where it serves, and what it offers to route. */
const SHOWN_TO_PEERS: readonly (keyof Hostinfo)[] = [
  'OS',
  'Hostname',
  'RoutableIPs',
  'Services',
  'sshHostKeys',
  'Location',
  'AppConnector',
  'PeerRelay',
]

/** Clients take it for given from the capability version that the node shows beside it. (control.md §6.1, `Cap`) */
const IMPLIED_SERVICE = 'peerapi-dns-proxy'

/** What every node may do until policy says otherwise. (control.md §6.4, baseline) */
const SELF_CAPABILITIES = {
  'https://tailscale.com/cap/file-sharing': null,
  'https://tailscale.com/cap/ssh': null,
  'https://tailscale.com/cap/tailnet-lock': null,
  'probe-udp-lifetime': null,
  'ssh-behavior-v1': null,
  'ssh-env-vars': null,
  'store-appc-routes': null,
} as const

/** What a node's place in the map is made of. */
export interface Shown {
  readonly node: Node
  readonly presence: Presence | undefined
  /** Prefixes that it is shown to route. */
  readonly routes: readonly string[]
  /** It has no IPv4 address for anybody. */
  readonly hidesIPv4: boolean
}

/** The same, for peers. */
export interface ShownToPeers extends Shown {
  /** Names of capabilities that it carries for all who see it. */
  readonly sharedNames: readonly string[]
}

/** The user whose profile goes with a node. */
export function profileOf(node: Node): number {
  return node.tags.length > 0 ? TAGGED_DEVICES.ID : node.user
}

/** The user whose profile the node itself goes by. */
export function ownProfileOf(node: Node): number {
  return node.tags.length > 0 ? OWN_PROFILES + node.id : node.user
}

/** The node whose own profile this is. */
export function nodeOfProfile(id: number): number | undefined {
  return id > OWN_PROFILES ? id - OWN_PROFILES : undefined
}

export function ownProfileJson(tailnet: Tailnet, node: Node): string {
  const LoginName = fqdn(tailnet, node).slice(0, -1)
  return JSON.stringify({ ID: ownProfileOf(node), LoginName, DisplayName: node.name })
}

export function profileJson(id: number, user: User | undefined): string {
  if (id === TAGGED_DEVICES.ID) return JSON.stringify(TAGGED_DEVICES)
  return JSON.stringify({
    ID: id,
    LoginName: user?.loginName ?? '',
    DisplayName: user?.displayName ?? '',
    ...(user?.profilePicUrl ? { ProfilePicURL: user.profilePicUrl } : {}),
  })
}

export function isOnline(shown: Shown): boolean {
  return shown.presence?.online ?? false
}

/** Never absent: a client whose exit node has no Hostinfo crashes. (control.md §16.1, item 30) */
function shownHostinfo(node: Node): Partial<Hostinfo> {
  const shown: Record<string, unknown> = {}
  for (const field of SHOWN_TO_PEERS) if (node.hostinfo[field]) shown[field] = node.hostinfo[field]
  const services = node.hostinfo.Services?.filter(({ Proto }) => Proto !== IMPLIED_SERVICE)
  if (services?.length === 0) delete shown['Services']
  else if (services !== undefined) shown['Services'] = services
  return shown
}

/** A time as maps say it. Everybody is told, and nobody needs the fraction; what ends, ends no later than it says. */
export function mapTime(t: Wall): string {
  return formatTime((t - (t % SECOND_MS)) as Wall)
}

/** Do two states of a node differ in what peers see of its host? */
export function sameShownHostinfo(a: Node, b: Node): boolean {
  return a.hostinfo === b.hostinfo || JSON.stringify(shownHostinfo(a)) === JSON.stringify(shownHostinfo(b))
}

function common(tailnet: Tailnet, shown: Shown): Record<string, unknown> {
  const { node } = shown
  const addresses = [...(shown.hidesIPv4 ? [] : [`${node.ipv4}/32`]), `${node.ipv6}/128`]
  const primary = shown.routes.filter((prefix) => !isExitRoute(prefix))
  return {
    ID: node.id,
    StableID: node.stableId,
    Name: fqdn(tailnet, node),
    User: profileOf(node),
    Key: node.nodeKey,
    ...(node.keyExpiryDisabled || node.keyExpiry === undefined ? {} : { KeyExpiry: mapTime(node.keyExpiry) }),
    ...(node.discoKey === undefined ? {} : { DiscoKey: node.discoKey }),
    Addresses: addresses,
    // Absent means "its addresses" from capability version 112 on, and older clients are not served.
    ...(shown.routes.length === 0 ? {} : { AllowedIPs: [...addresses, ...shown.routes] }),
    Endpoints: node.endpoints,
    ...(node.homeDerp === 0 ? {} : { HomeDERP: node.homeDerp }),
    Created: mapTime(node.created),
    ...(node.tags.length === 0 ? {} : { Tags: node.tags }),
    ...(primary.length === 0 ? {} : { PrimaryRoutes: primary }),
  }
}

export function peerJson(tailnet: Tailnet, shown: ShownToPeers, now: Wall): string {
  const { node, presence } = shown
  // Whoever may use an exit node may be pointed to it.
  const capabilities = [...(shown.routes.some(isExitRoute) ? ['suggest-exit-node'] : []), ...shown.sharedNames]
  const online = isOnline(shown)
  return JSON.stringify({
    ...common(tailnet, shown),
    Hostinfo: shownHostinfo(node),
    Cap: node.cap,
    ...(online || presence === undefined ? {} : { LastSeen: mapTime(presence.lastSeen) }),
    Online: online,
    MachineAuthorized: node.authorized,
    ...(isExpired(node, now) ? { Expired: true } : {}),
    ...(capabilities.length === 0 ? {} : { CapMap: Object.fromEntries(capabilities.map((name) => [name, null])) }),
  })
}

/** What of a node only the node itself is told. */
export interface Own extends Shown {
  /** All prefixes that it may route, those included that another one is the primary router of. */
  readonly enabled: readonly string[]
  readonly user: User | undefined
  /** What policy adds to what every node may. */
  readonly capabilities: CapMap
  /** Shows the key as run out whatever the record says: the farewell to a node that is deleted. */
  readonly expiry?: Wall
}

export function selfJson(tailnet: Tailnet, own: Own): string {
  return JSON.stringify(selfFields(tailnet, own))
}

/** What only news of a node comes to: without what it has reported itself, which is never worth a message to it. */
export function essenceOf(fields: SelfFields): string {
  const { DiscoKey: _0, Endpoints: _1, HomeDERP: _2, Hostinfo: _3, Cap: _4, ...news } = fields
  return JSON.stringify(news)
}

export type SelfFields = Readonly<Record<string, unknown>>

export function selfFields(tailnet: Tailnet, own: Own): SelfFields {
  const { node, user, enabled, expiry } = own
  const admin = node.tags.length === 0 && (user?.role === 'owner' || user?.role === 'admin')
  const { AllowedIPs: _, ...fields } = common(tailnet, own)
  const routes = [...enabled.filter((prefix) => !isExitRoute(prefix)), ...enabled.filter(isExitRoute)]
  return {
    ...fields,
    User: ownProfileOf(node),
    ...(enabled.length === 0 ? {} : { AllowedIPs: [...(fields['Addresses'] as string[]), ...routes] }),
    ...(expiry === undefined ? {} : { KeyExpiry: mapTime(expiry) }),
    Machine: node.machineKey,
    Hostinfo: shownHostinfo(node),
    Cap: node.cap,
    Online: true,
    MachineAuthorized: node.authorized,
    CapMap: {
      ...SELF_CAPABILITIES,
      'default-auto-update': [tailnet.settings.devicesAutoUpdatesOn],
      ...(tailnet.settings.httpsEnabled ? { https: null } : {}),
      ...(admin ? { 'https://tailscale.com/cap/is-admin': null } : {}),
      ...(user?.role === 'owner' ? { 'https://tailscale.com/cap/is-owner': null } : {}),
      'tailnet.maxKeyDuration': [tailnet.settings.devicesKeyDurationDays * 86_400],
      'tailnet-display-name': [tailnet.name],
      ...Object.fromEntries(own.capabilities),
    },
  }
}
