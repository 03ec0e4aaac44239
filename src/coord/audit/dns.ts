/** Describes changes of how a tailnet's devices resolve names, member by member. */

import { DEFAULT_DNS } from '../model/dns.ts'
import type { DnsRecord } from '../model/dns.ts'
import type { AuditValue } from '../model/audit.ts'
import { became, switched } from './describer.ts'
import type { Context, RecordChange, Said } from './describer.ts'
import { ownTarget } from './tailnets.ts'

export function describeDns({ before, after }: RecordChange<'dns'>, context: Context): readonly Said[] {
  const target = ownTarget(context)
  const { magicDNS: was, ...old } = { ...DEFAULT_DNS, ...before }
  const { magicDNS: is, ...now } = { ...DEFAULT_DNS, ...after }
  return [...switched(target, 'MAGIC_DNS', was, is), ...became(target, 'DNS_CONFIG', moved(old, now), moved(now, old))]
}

type Rest = Omit<DnsRecord, 'magicDNS'>

/** The members in which the two differ, as the first has them: a zone of hundreds of records is told when it changes. */
function moved(one: Rest, other: Rest): AuditValue {
  const members = Object.entries(one) as [keyof Rest, Rest[keyof Rest]][]
  const differ = members.filter(([member, value]) => JSON.stringify(value) !== JSON.stringify(other[member]))
  return Object.fromEntries(differ) as unknown as AuditValue
}
