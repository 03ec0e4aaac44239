/** Looks at the machine for what a daemon has left without a journal. What of it is ours is routes/remains.ts. */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import type { Family } from '../../../base/ip.ts'
import { TABLE } from '../../routes/host-plan.ts'
import { ownRules, remainsIn } from '../../routes/remains.ts'
import type { Remains } from '../../routes/remains.ts'
import { ipJson, nftList } from './run.ts'

/** Whether rules are there that a node makes; a cheap look, for every start. */
export async function hasOwnRules(): Promise<boolean> {
  return ownRules(4, await ipJson('-4', 'rule', 'show')).length > 0
}

/** @param own device that this process has just opened, if any */
export async function findRemains(own?: string): Promise<Remains> {
  const ways = (family: Family) => ipJson(`-${family}`, 'route', 'show', 'table', String(TABLE))
  const [rules4, rules6, routes4, routes6, links, nft = []] = await Promise.all([
    ipJson('-4', 'rule', 'show'),
    ipJson('-6', 'rule', 'show'),
    ways(4),
    ways(6),
    ipJson('link', 'show'),
    nftList('list ruleset'),
  ])
  const rules = new Map<Family, typeof rules4>().set(4, rules4).set(6, rules6)
  const routes = new Map<Family, typeof routes4>().set(4, routes4).set(6, routes6)
  return remainsIn({ rules, routes, links, nft, tailscaled: tailscaledRuns() }, own)
}

/** Whether Tailscale's own daemon runs in this network. */
function tailscaledRuns(): boolean {
  const net = readlinkSync('/proc/self/ns/net')
  return readdirSync('/proc').some((pid) => {
    if (!/^\d+$/.test(pid)) return false
    try {
      if (readFileSync(`/proc/${pid}/comm`, 'utf8').trim() !== 'tailscaled') return false
      return readlinkSync(`/proc/${pid}/ns/net`) === net
    } catch {
      // It has ended meanwhile.
      return false
    }
  })
}
