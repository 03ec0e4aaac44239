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
const isSameRoute = (a: HostRoute, b: HostRoute): boolean => a === b || (a.to === b.to && a.prefix === b.prefix)

/**
 * Both plans are of one device, and neither holds anything twice. In a large tailnet two plans differ in one route of
 * ten thousand, which costs a look at each and no more.
 */
export function difference(before: HostPlan, after: HostPlan): HostDifference {
  const sameChains = JSON.stringify(before.firewall) === JSON.stringify(after.firewall)
  return {
    link: before.device !== after.device || before.mtu !== after.mtu,
    addAddresses: without(after.addresses, before.addresses, itself),
    removeAddresses: without(before.addresses, after.addresses, itself),
    addRoutes: without(after.routes, before.routes, keyOfRoute, isSameRoute),
    removeRoutes: without(before.routes, after.routes, keyOfRoute, isSameRoute),
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
  const { removeAddresses, removeRoutes, removeRules, unset } = difference(before, after)
  return {
    ...after,
    addresses: [...after.addresses, ...removeAddresses],
    routes: [...after.routes, ...removeRoutes],
    rules: [...after.rules, ...removeRules],
    settings: [...after.settings, ...unset],
  }
}

/** Neither list holds anything twice. */
function without<T>(
  all: readonly T[],
  some: readonly T[],
  keyOf: (item: T) => string,
  isSame = (a: T, b: T): boolean => keyOf(a) === keyOf(b),
): T[] {
  const most = Math.min(all.length, some.length)
  let begin = 0
  while (begin < most && isSame(all[begin] as T, some[begin] as T)) begin++
  let end = 0
  while (end < most - begin && isSame(all[all.length - 1 - end] as T, some[some.length - 1 - end] as T)) end++
  // What both begin and end with is in both.
  const keys = new Set(some.slice(begin, some.length - end).map(keyOf))
  return all.slice(begin, all.length - end).filter((item) => !keys.has(keyOf(item)))
}
