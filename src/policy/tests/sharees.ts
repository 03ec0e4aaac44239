/** Do devices of other tailnets meet what a test asks about? Few, so that each is asked about with each. (policy.md §15.11) */

import type { Family, Ip } from '../../base/ip.ts'
import type { Steps } from '../steps.ts'
import type { PolicyNode } from '../tailnet.ts'
import { allowing } from '../verdict.ts'
import type { Meeting } from './crowds.ts'
import type { Ground, Usable } from './ground.ts'

/** @param from devices to which nodes are shared, or anybody, where `to` is such devices: nothing ever leads there */
export function* shareesMeeting(
  ground: Ground,
  from: Usable,
  to: Usable,
  protocols: readonly number[],
  port: number,
): Steps<Meeting> {
  const { engine, pace } = ground
  if (from.kind !== 'sharees') return { some: false, every: false }
  let [met, missed] = [false, false]
  for (const family of ground.families(from, to))
    for (const sender of from.nodes)
      for (const { ats, ip } of arrivals(ground, to, family)) {
        if (pace.spent(ats.length * engine.access.parts.length)) yield
        const source = family === 4 ? sender.ipv4 : sender.ipv6
        const passes = ats.some((at) =>
          protocols.some(
            (protocol) => allowing(engine.access, at, { from: source, to: ip, protocol, port }).length > 0,
          ),
        )
        if (passes) met = true
        else missed = true
      }
  return { some: met, every: met && !missed }
}

/** The addresses that are asked about, each with those at which it may arrive. */
function arrivals(ground: Ground, to: Usable, family: Family): { ats: readonly PolicyNode[]; ip: Ip }[] {
  const devices = ground.devices(to)
  if (devices.length > 0) return devices.map((at) => ({ ats: [at], ip: family === 4 ? at.ipv4 : at.ipv6 }))
  return to.kind === 'address' && to.ip.family === family ? [{ ats: ground.carriers(to.ip), ip: to.ip }] : []
}
