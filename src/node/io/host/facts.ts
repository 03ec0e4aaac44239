/** What the machine is like, as far as plans depend on it. Changes nothing. */

import { existsSync, readFileSync } from 'node:fs'
import { forwardingProblem } from '../../routes/checks.ts'
import { PRIORITY_BASE, PRIORITY_BASE_MWAN3 } from '../../routes/host-plan.ts'
import type { Ipv6Ability } from '../../routes/host-plan.ts'
import { hasSetting, readSetting } from './kernel-settings.ts'
import type { HostProblem } from './problems.ts'
import { ipJson } from './run.ts'

export interface HostFacts {
  readonly ipv6: Ipv6Ability
  readonly priorityBase: number
  readonly problems: readonly HostProblem[]
}

/** Bits of marks that mwan3 uses, by which its rules are known. */
const MWAN3_MASK = 0x3f00

/** @param device the TUN device, which is there */
export async function readFacts(device: string): Promise<HostFacts> {
  const rules = await ipJson('-4', 'rule', 'show')
  const hasMwan3 = rules.some(({ fwmask }) => Number(fwmask) === MWAN3_MASK)
  const ipv6 = ipv6Ability(device)
  const problems: HostProblem[] = []
  if (ipv6 !== 'full') {
    const reason = ipv6 === 'none' ? 'this kernel has none' : 'it is switched off for the tunnel (disable_ipv6)'
    const text = `Peers can't be reached by their IPv6 addresses: ${reason}. IPv4 addresses work.`
    problems.push({ code: 'ipv6-off', text })
  }
  const legacy = legacyTables()
  if (legacy.includes('filter')) problems.push({ code: 'firewall-locked', text: LEGACY })
  return { ipv6, priorityBase: hasMwan3 ? PRIORITY_BASE_MWAN3 : PRIORITY_BASE, problems }
}

const LEGACY =
  'A firewall of this machine is made with iptables-legacy, which can not be changed from here. If it drops traffic ' +
  'of the tailnet, let the tunnel through there, or have it use iptables-nft.'

function ipv6Ability(device: string): Ipv6Ability {
  if (!hasSetting('net/ipv6/conf')) return 'none'
  return readSetting(`net/ipv6/conf/${device}/disable_ipv6`) === '0' ? 'full' : 'blocking'
}

/** Tables of the older kind of iptables that are in use here. */
function legacyTables(): string[] {
  const path = '/proc/net/ip_tables_names'
  try {
    return existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []
  } catch {
    return []
  }
}

/** What is wrong with advertising these routes, given what the kernel forwards now. (node.md §4.7) */
export function checkForwarding(routes: readonly string[]): HostProblem | undefined {
  if (routes.length === 0) return undefined
  const text = forwardingProblem(routes, {
    ipv4: readSetting('net/ipv4/ip_forward') === '1',
    ipv6: readSetting('net/ipv6/conf/all/forwarding') === '1',
  })
  return text === undefined ? undefined : { code: 'ip-forwarding-off', text }
}
