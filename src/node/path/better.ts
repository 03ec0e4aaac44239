/** Which of two ways to reach a peer is better. Pure and total; when to ask is peer-path.ts. (disco.md §5.7) */

import { isLinkLocal, isLoopback, isPrivate } from '../../base/ip.ts'
import { addressOf } from './endpoint.ts'
import type { Endpoint } from './endpoint.ts'

/** What probing has measured of one way. */
export interface Quality {
  readonly endpoint: Endpoint
  /** Network identifier of a way through a peer relay; 0 for a direct one. */
  readonly vni: number
  /** `Infinity` where nothing was measured yet. */
  readonly latencyMs: number
  /** Largest packet known to pass; 0 when nobody has tried. */
  readonly wireMtu: number
}

/** Below this many points a gain is noise, and moving for it would flap. */
const NOISE_POINTS = 1

/** Is `a` better than `b`? Of two that are about alike neither is. */
export function better(a: Quality | undefined, b: Quality | undefined): boolean {
  if (a === undefined) return false
  if (b === undefined) return true
  if (a.endpoint === b.endpoint && a.vni === b.vni) return a.wireMtu > b.wireMtu
  if ((a.vni === 0) !== (b.vni === 0)) return a.vni === 0
  const [mine, theirs] = [points(a, b.latencyMs), points(b, a.latencyMs)]
  if (mine <= NOISE_POINTS && theirs === 0) return false
  return mine > theirs
}

function points(q: Quality, otherMs: number): number {
  const faster = q.latencyMs < otherMs ? 100 - Math.floor((q.latencyMs * 100) / otherMs) : 0
  return faster + kindPoints(q.endpoint)
}

/** Nearness by the kind of the address, and IPv6, which has no NAT to lose a mapping in. */
function kindPoints(e: Endpoint): number {
  const { ip } = addressOf(e)
  const near = isLoopback(ip) ? 50 : isLinkLocal(ip) ? 30 : isPrivate(ip) ? 20 : 0
  return near + (ip.family === 6 ? 10 : 0)
}
