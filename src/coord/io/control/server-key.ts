/**
 * `GET /key`: under which key clients find this server (control.md §2).
 *
 * Before every register call a client asks whether the *legacy* key it has cached is zero, and fetches `/key` again
 * if so. A key other than zero saves that request, and nothing in scope uses it for more than a name in a
 * signature. So it is derived from the real one by a hash: stable, and nobody has its private half.
 */

import { concat, utf8 } from '../../../base/bytes.ts'
import { machineKeyOf, rawKey } from '../../../base/keys.ts'
import type { MachineKey } from '../../../base/keys.ts'
import type { Primitives } from '../../../crypto/primitives.ts'

export function legacyKey(p: Primitives, publicKey: MachineKey): MachineKey {
  return machineKeyOf(p.sha256(concat([utf8('sett: the legacy key of server '), rawKey(publicKey)])))
}

/** The body of `/key`. */
export function keyBody(p: Primitives, publicKey: MachineKey): string {
  return JSON.stringify({ legacyPublicKey: legacyKey(p, publicKey), publicKey })
}

/** The capability version in a query such as `v=113`; `undefined` when there is none. */
export function versionInQuery(query: string): number | undefined {
  const v = new URLSearchParams(query).get('v')
  return v !== null && /^[1-9]\d{0,5}$/.test(v) ? Number(v) : undefined
}
