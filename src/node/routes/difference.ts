/** What has to change on the machine so that one plan becomes another, and what two plans together may have left there. */

import type { Firewall } from './firewall.ts'
import type { HostPlan, HostRoute, HostRule, HostSetting } from './host-plan.ts'

export interface HostDifference {
  /** The device is another one, or its MTU is. */
  readonly link: boolean
  readonly addAddresses: readonly string[]
  readonly removeAddresses: readonly string[]
  readonly addRoutes: readonly HostRoute[]
  readonly removeRoutes: readonly HostRoute[]
  readonly addRules: readonly HostRule[]
  readonly removeRules: readonly HostRule[]
  /** All chains as they shall be; absent: they stay. */
  readonly firewall?: Firewall
  readonly set: readonly HostSetting[]
  /** Settings that nobody asks for any more: back to what they were. */
  readonly unset: readonly HostSetting[]
}

export const keyOfRoute = (route: HostRoute): string => `${route.to} ${route.prefix}`
export const keyOfRule = (rule: HostRule): string => `${rule.family} ${rule.priority} ${rule.bypass} ${rule.to}`
export const keyOfSetting = (setting: HostSetting): string => `${setting.path}=${setting.value}`
const itself = (text: string): string => text

/** Both plans are of one device. */
export function difference(before: HostPlan, after: HostPlan): HostDifference {
  const sameChains = JSON.stringify(before.firewall) === JSON.stringify(after.firewall)
  return {
    link: before.device !== after.device || before.mtu !== after.mtu,
    addAddresses: without(after.addresses, before.addresses, itself),
    removeAddresses: without(before.addresses, after.addresses, itself),
    addRoutes: without(after.routes, before.routes, keyOfRoute),
    removeRoutes: without(before.routes, after.routes, keyOfRoute),
    addRules: without(after.rules, before.rules, keyOfRule),
    removeRules: without(before.rules, after.rules, keyOfRule),
    ...(sameChains && before.udpPort === after.udpPort ? {} : { firewall: after.firewall }),
    set: without(after.settings, before.settings, keyOfSetting),
    unset: without(before.settings, after.settings, ({ path }) => path),
  }
}

/** Is there nothing to do? */
export function isNone(change: HostDifference): boolean {
  return Object.values(change).every((value) => value === false || (Array.isArray(value) && value.length === 0))
}

/** All that the machine may have while one plan becomes the other; the later one's chains. */
export function union(before: HostPlan, after: HostPlan): HostPlan {
  return {
    ...after,
    addresses: [...after.addresses, ...without(before.addresses, after.addresses, itself)],
    routes: [...after.routes, ...without(before.routes, after.routes, keyOfRoute)],
    rules: [...after.rules, ...without(before.rules, after.rules, keyOfRule)],
    settings: [...after.settings, ...without(before.settings, after.settings, ({ path }) => path)],
  }
}

function without<T>(all: readonly T[], some: readonly T[], keyOf: (item: T) => string): T[] {
  const keys = new Set(some.map(keyOf))
  return all.filter((item) => !keys.has(keyOf(item)))
}
