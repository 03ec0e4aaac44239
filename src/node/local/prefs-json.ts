/** Preferences as JSON, as they are stored and as the local API speaks them (node.md §11): written in a fixed order. */

import type { Prefs } from './prefs.ts'

/** Left out when they say nothing. */
const OMITTED: ReadonlySet<keyof Prefs> = new Set([
  'AutoExitNode',
  'ForceDaemon',
  'Egg',
  'NoStatefulFiltering',
  'OperatorUser',
  'ProfileName',
  'RelayServerPort',
  'RelayServerStaticEndpoints',
])
const ZERO_PRIVATE_KEY = `privkey:${'0'.repeat(64)}`
const ZERO_LOCK_KEY = `nlpriv:${'0'.repeat(128)}`

/** For everybody to see: in place of private keys there are zeros. */
export function prefsJson(prefs: Prefs): object {
  const json: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(prefs) as [keyof Prefs, unknown][]) {
    if (OMITTED.has(name) && saysNothing(name, value)) continue
    json[name] = value
  }
  if (prefs.Config !== null)
    json['Config'] = {
      PrivateNodeKey: ZERO_PRIVATE_KEY,
      OldPrivateNodeKey: ZERO_PRIVATE_KEY,
      UserProfile: prefs.Config.UserProfile,
      NetworkLockKey: ZERO_LOCK_KEY,
      NodeID: prefs.Config.NodeID,
    }
  return json
}

function saysNothing(name: keyof Prefs, value: unknown): boolean {
  // Left open on purpose is something that is said.
  if (value === null) return name !== 'NoStatefulFiltering'
  return value === undefined || value === '' || value === false || (Array.isArray(value) && value.length === 0)
}
