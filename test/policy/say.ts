/** A failing case in few lines: policies as people write them, nodes by what counts. */

import { formatIp, formatPrefix } from '../../src/base/ip.ts'
import type { Ip, Prefix } from '../../src/base/ip.ts'
import type { Policy } from '../../src/policy/policy.ts'
import type { PolicyTailnet } from '../../src/policy/tailnet.ts'

export function say(policy: Policy, { nodes, services, sharees }: PolicyTailnet, ...more: unknown[]): string {
  const { allowAll, rules, ssh, groups, ipsets, postures } = policy
  const lines: unknown[] = [
    ...(allowAll ? ['allow all'] : rules),
    ...ssh,
    ...groups.values(),
    ipsets,
    postures,
    ...nodes,
  ]
  lines.push(services, sharees, ...more)
  return `\n${lines.map((line) => JSON.stringify(line, shorten)).join('\n')}`
}

function shorten(key: string, value: unknown): unknown {
  if (key === 'at' && typeof value === 'object') return undefined
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Map) return Object.fromEntries(value)
  if (value === null || typeof value !== 'object') return value
  const { text, ip, bits, family, value: number } = value as Partial<Prefix & Ip & { text: string }>
  if (text !== undefined && text !== '') return text
  if (ip !== undefined && bits !== undefined) return formatPrefix({ ip, bits })
  return family !== undefined && number !== undefined ? formatIp({ family, value: number }) : value
}
