/**
 * What a daemon that died has left on a machine, told without its journal: by what nobody else makes. That is a table
 * of nft with our name, whose device is gone or idle, and a route of last resort to nowhere in our routing table.
 *
 * Rules and the number of the routing table are those of the field: Tailscale's own daemon makes the same. They are
 * taken for ours only beside something that is, and only where no other daemon of the kind is about.
 */

import type { Family } from '../../base/ip.ts'
import { MARK_BYPASS, MARK_MASK } from './firewall.ts'
import { METRIC_LAST, PRIORITY_BASE, PRIORITY_BASE_MWAN3, rulesOf, TABLE } from './host-plan.ts'
import type { HostRoute, HostRule } from './host-plan.ts'
import { OWN_TABLES } from './nft-program.ts'

type Json = Readonly<Record<string, unknown>>

/** A machine as its tools show it, in JSON's terms. */
export interface Sighting {
  /** `ip rule show`, by family. */
  readonly rules: ReadonlyMap<Family, readonly Json[]>
  /** `ip route show` of our table, by family. */
  readonly routes: ReadonlyMap<Family, readonly Json[]>
  /** `nft list ruleset` */
  readonly nft: readonly Json[]
  /** `ip link show` */
  readonly links: readonly Json[]
  /** A process of Tailscale's own daemon runs in this network. */
  readonly tailscaled: boolean
}

type SeenRoute = HostRoute & { readonly device?: string }

export interface Remains {
  /** Devices whose firewall tables, and rules in those of others, are ours and idle. */
  readonly devices: readonly string[]
  readonly rules: readonly HostRule[]
  readonly routes: readonly HostRoute[]
  /** What is there and may be ours or not, as a sentence. */
  readonly doubtful?: string
}

/** @param own device that this process has just opened, if any: what is of its name was left by another process */
export function remainsIn(seen: Sighting, own?: string): Remains {
  const busy = new Set(seen.links.filter(isBusy).map(({ ifname }) => String(ifname)))
  if (own !== undefined) busy.delete(own)
  const named = devicesIn(seen.nft)
  const devices = [...named].filter((device) => !busy.has(device))
  const rules = ([4, 6] as const).flatMap((family) => ownRules(family, seen.rules.get(family) ?? []))
  const table = ([4, 6] as const).flatMap((family) =>
    (seen.routes.get(family) ?? []).flatMap((route) => readRoute(family, route)),
  )
  // Those into a device go with it, unless it outlived its daemon.
  const isLeft = ({ to, device }: SeenRoute): boolean => to !== 'device' || (own !== undefined && device === own)
  const routes = table.filter(isLeft).map(({ prefix, to }): HostRoute => ({ prefix, to }))
  const guards = routes.filter(({ to }) => to === 'unreachable')
  if (rules.length === 0 && routes.length === 0) return { devices, rules, routes }
  const isInUse = table.some(({ to, device }) => to === 'device' && device !== undefined && busy.has(device))
  // Another of ours runs here, and all of it is its own.
  if (devices.length < named.size || (isInUse && !seen.tailscaled)) return { devices, rules: [], routes: [] }
  // It may have found the rules there, and be content with them; a way to nowhere would cut it off.
  if (seen.tailscaled) return { devices, rules: [], routes: guards }
  const isForeign = hasForeignChains(seen.nft)
  if (!isForeign && devices.length + guards.length > 0) return { devices, rules, routes }
  const doubtful =
    `Policy rules, or routes in table ${TABLE}, were left by Sett or by Tailscale's own daemon: they can't be told ` +
    'apart, so they stay. Start the one that was here and end it, or restart this machine, and they go.'
  return { devices, rules: [], routes: isForeign ? guards : [], doubtful }
}

/** A TUN device has a carrier for as long as a process has it open and up. */
function isBusy({ flags }: Json): boolean {
  return Array.isArray(flags) && flags.includes('LOWER_UP')
}

/** Devices that tables of ours, and our rules in those of others, are named after. */
function devicesIn(nft: readonly Json[]): Set<string> {
  const names = new Set<string>()
  for (const { table, rule } of nft as readonly { table?: Json; rule?: Json }[])
    for (const name of [table?.['name'], rule?.['comment']])
      if (typeof name === 'string' && OWN_TABLES.test(name)) names.add(name.replace(OWN_TABLES, ''))
  return names
}

/** Tailscale's own daemon has its chains in tables that others share with it. */
function hasForeignChains(nft: readonly Json[]): boolean {
  return (nft as readonly { chain?: Json }[]).some(
    ({ chain }) => String(chain?.['name']).startsWith('ts-') && !OWN_TABLES.test(String(chain?.['table'])),
  )
}

/** Those of the listed rules that a node makes. */
export function ownRules(family: Family, listed: readonly Json[]): HostRule[] {
  const isThere = (rule: HostRule): boolean => listed.some((each) => isRule(each, rule))
  return [PRIORITY_BASE, PRIORITY_BASE_MWAN3].flatMap((base) => rulesOf(family, base)).filter(isThere)
}

function isRule(listed: Json, { priority, bypass, to }: HostRule): boolean {
  const { src, fwmark, fwmask, table, action } = listed
  const marks = bypass ? [MARK_BYPASS, MARK_MASK] : [NaN, NaN]
  return (
    listed['priority'] === priority &&
    src === 'all' &&
    Object.is(Number(fwmark), marks[0]) &&
    Object.is(Number(fwmask), marks[1]) &&
    (to === 'unreachable' ? action === to : table === String(to))
  )
}

function readRoute(family: Family, route: Json): SeenRoute[] {
  const { dst, type, dev, metric } = route
  if (typeof dst !== 'string') return []
  const everything = family === 4 ? '0.0.0.0/0' : '::/0'
  const prefix = dst === 'default' ? everything : dst.includes('/') ? dst : `${dst}/${family === 4 ? 32 : 128}`
  if (type === 'throw') return [{ prefix, to: 'throw' }]
  if (type === 'unreachable') return metric === METRIC_LAST ? [{ prefix, to: 'unreachable' }] : []
  return type === undefined && typeof dev === 'string' ? [{ prefix, to: 'device', device: dev }] : []
}
