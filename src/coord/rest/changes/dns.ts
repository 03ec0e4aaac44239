/**
 * Changes of a tailnet's DNS: each from what there is to what there is to be, which is looked at as a whole before it
 * is kept. (api-v2.md §4.5)
 */

import type {
  DnsPatch,
  SetDnsConfiguration,
  SetLegacyDnsConfig,
  WantedNameserver,
  WantedRecord,
} from '../../../wire/api/routes/dns.ts'
import { bareDomain, dnsOf, DNS_ID, labelIn } from '../../model/dns.ts'
import type { DnsRecord, HostRecord, Nameserver } from '../../model/dns.ts'
import type { Plan } from '../../model/ledger.ts'
import type { Write } from '../../model/records.ts'
import { SERVICE_HOLDER } from '../../model/services.ts'
import { commit, done, refuse, settle } from '../answer.ts'
import type { Answer, Refusal } from '../answer.ts'
import type { At } from '../call.ts'
import { domainFault, readNameservers, readRecord } from './dns-words.ts'

const MAX_SPLIT = 512
const MAX_SEARCH = 32
const MAX_ZONES = 128
const MAX_RECORDS = 2048
/** Every client gets all of it whenever it connects. */
const MAX_JSON = 256 << 10

type Split = DnsRecord['splitDNS'][number]
/** By domain; `null` or none removes it, or says nothing. */
type WantedSplit = Readonly<Record<string, readonly (string | WantedNameserver)[] | null | undefined>>

/** Keeps what `of` makes of the DNS that there is, and answers with what `view` makes of that. */
export function changeDns<T>(
  at: At,
  of: (before: DnsRecord) => Answer<DnsRecord>,
  view: (after: DnsRecord) => T,
): Plan<Answer<T>> {
  const before = dnsOf(at.tailnet)
  const wanted = of(before)
  if (wanted.kind === 'refused') return settle(wanted)
  const after = wanted.reply
  const json = JSON.stringify(after)
  if (json === JSON.stringify(before)) return settle(done(view(after)))
  const fault = faultOf(after, at.record.domain, json)
  if (fault !== undefined) return settle(refuse(400, fault))
  const names = namesAlong(at, before, after)
  if ('kind' in names) return settle(names)
  const write: Write = { kind: 'dns', id: DNS_ID, expect: at.tailnet.version('dns', DNS_ID), value: after }
  return commit({ writes: [write, ...names] }, done(view(after)))
}

/** Legacy: without nameservers there is no MagicDNS either. Those that stay keep what is said of exit nodes. */
export function withNameservers(before: DnsRecord, addresses: readonly string[]): Answer<DnsRecord> {
  const read = readNameservers('nameservers', flagged(addresses, before.nameservers))
  if (read.kind === 'refused') return read
  return done({ ...before, nameservers: read.reply, magicDNS: before.magicDNS && read.reply.length > 0 })
}

export function withSearchPaths(before: DnsRecord, paths: readonly string[]): Answer<DnsRecord> {
  const searchPaths = readDomains('search domain', paths)
  return searchPaths.kind === 'refused' ? searchPaths : done({ ...before, searchPaths: searchPaths.reply })
}

/** @param merge domains that are not named stay */
export function withSplit(before: DnsRecord, wanted: WantedSplit, merge: boolean): Answer<DnsRecord> {
  const named = new Set<string>()
  const added: Split[] = []
  for (const [domain, list] of Object.entries(wanted)) {
    const bare = bareDomain(domain)
    if (named.has(bare)) return refuse(400, `Cannot set split DNS: ${bare} is there twice`)
    named.add(bare)
    // What is no domain cannot be there, and removing what is not there is no mistake.
    if (list == null || list.length === 0) continue
    const fault = domainFault('split DNS of', domain)
    if (fault !== undefined) return refuse(400, fault)
    const known = before.splitDNS.find((split) => bareDomain(split.domain) === bare)?.nameservers ?? []
    const read = readNameservers(`split DNS of ${bare}`, flagged(list, known))
    if (read.kind === 'refused') return read
    added.push({ domain, nameservers: read.reply })
  }
  const kept = merge ? before.splitDNS.filter(({ domain }) => !named.has(bareDomain(domain))) : []
  return done({ ...before, splitDNS: [...kept, ...added] })
}

/** What is left out is empty or off; zones and records are Sett's own and stay. */
export function withConfiguration(before: DnsRecord, wanted: SetDnsConfiguration): Answer<DnsRecord> {
  const { nameservers, splitDNS, searchPaths, preferences } = wanted
  return withPatch(withoutSplit(before), {
    magicDNS: preferences?.magicDNS ?? false,
    overrideLocalDNS: preferences?.overrideLocalDNS ?? false,
    nameservers: nameservers ?? [],
    splitDNS,
    searchPaths: searchPaths ?? [],
  })
}

/** A domain with a list of no resolvers is a zone. */
export function withLegacyConfig(before: DnsRecord, wanted: SetLegacyDnsConfig): Answer<DnsRecord> {
  const resolvers = wanted.resolvers?.length ? wanted.resolvers : (wanted.nameservers ?? []).map((addr) => ({ addr }))
  const fallback = wanted.fallbackResolvers ?? []
  if (resolvers.length > 0 && fallback.length > 0)
    return refuse(400, 'Cannot set resolvers beside fallbackResolvers: all nameservers are the one or the other here')
  const serversOf = (list: readonly { addr: string; useWithExitNode?: boolean | null | undefined }[]) =>
    list.map(({ addr, useWithExitNode }) => ({ address: addr, useWithExitNode }))
  const routes = Object.entries(wanted.routes ?? {})
  const split = routes.flatMap(([domain, list]) => (list?.length ? [[domain, serversOf(list)] as const] : []))
  return withPatch(withoutSplit(before), {
    magicDNS: wanted.proxied ?? false,
    overrideLocalDNS: resolvers.length > 0,
    nameservers: serversOf(resolvers.length > 0 ? resolvers : fallback),
    splitDNS: Object.fromEntries(split),
    searchPaths: wanted.domains ?? [],
    zones: routes.flatMap(([domain, list]) => (list?.length ? [] : [domain])),
  })
}

export function withPatch(before: DnsRecord, patch: DnsPatch, own = ''): Answer<DnsRecord> {
  let after: DnsRecord = {
    ...before,
    magicDNS: patch.magicDNS ?? before.magicDNS,
    overrideLocalDNS: patch.overrideLocalDNS ?? before.overrideLocalDNS,
  }
  if (patch.nameservers != null) {
    const read = readNameservers('nameservers', patch.nameservers)
    if (read.kind === 'refused') return read
    after = { ...after, nameservers: read.reply }
  }
  const steps: readonly ((dns: DnsRecord) => Answer<DnsRecord>)[] = [
    (dns) => (patch.splitDNS == null ? done(dns) : withSplit(dns, patch.splitDNS, true)),
    (dns) => (patch.searchPaths == null ? done(dns) : withSearchPaths(dns, patch.searchPaths)),
    (dns) => (patch.zones == null ? done(dns) : withZones(dns, patch.zones)),
    (dns) => (patch.records == null ? done(dns) : withRecords(dns, patch.records, own)),
  ]
  for (const step of steps) {
    const stepped = step(after)
    if (stepped.kind === 'refused') return stepped
    after = stepped.reply
  }
  return done(after)
}

function withZones(before: DnsRecord, wanted: readonly string[]): Answer<DnsRecord> {
  const zones = readDomains('zone', wanted)
  return zones.kind === 'refused' ? zones : done({ ...before, zones: zones.reply.map(bareDomain) })
}

function withRecords(before: DnsRecord, wanted: readonly WantedRecord[], own: string): Answer<DnsRecord> {
  const records: HostRecord[] = []
  for (const each of wanted) {
    const read = readRecord(each, own)
    if (read.kind === 'refused') return read
    records.push(read.reply)
  }
  return done({ ...before, records })
}

export function addRecord(at: At, wanted: WantedRecord): Plan<Answer<HostRecord>> {
  const read = readRecord(wanted, at.record.domain)
  if (read.kind === 'refused') return settle(read)
  const record = read.reply
  return changeDns(
    at,
    (before) =>
      before.records.some((other) => isSame(other, record))
        ? refuse(409, `Cannot add record: ${record.name} is ${record.value} already`)
        : done({ ...before, records: [...before.records, record] }),
    () => record,
  )
}

/** @param value one of its addresses; all of them, if not given */
export function deleteRecords(at: At, name: string, value: string | undefined): Plan<Answer<undefined>> {
  const { domain } = at.record
  const bare = bareDomain(name)
  const full = bare.includes('.') ? bare : `${bare}.${domain}`
  const only = value === undefined ? undefined : readRecord({ name: full, value }, domain)
  if (only?.kind === 'refused') return settle(only)
  return removal(at, 'records', (record) => record.name === full && (only === undefined || isSame(record, only.reply)))
}

export function addZone(at: At, text: string): Plan<Answer<{ readonly zone: string }>> {
  const zone = bareDomain(text)
  return changeDns(
    at,
    (before) =>
      before.zones.includes(zone)
        ? refuse(409, `Cannot add zone: ${zone} is one already`)
        : withZones(before, [...before.zones, text]),
    () => ({ zone }),
  )
}

export function deleteZone(at: At, text: string): Plan<Answer<undefined>> {
  return removal(at, 'zones', (zone) => zone === bareDomain(text))
}

function removal<M extends 'records' | 'zones'>(
  at: At,
  member: M,
  isMeant: (item: DnsRecord[M][number]) => boolean,
): Plan<Answer<undefined>> {
  const items: readonly DnsRecord[M][number][] = dnsOf(at.tailnet)[member]
  const kept = items.filter((item) => !isMeant(item))
  if (kept.length === items.length)
    return settle(refuse(404, member === 'zones' ? 'zone not found' : 'record not found'))
  return changeDns(
    at,
    (before) => done({ ...before, [member]: kept }),
    () => undefined,
  )
}

function isSame(a: HostRecord, b: HostRecord): boolean {
  return a.name === b.name && a.value === b.value
}

function withoutSplit(dns: DnsRecord): DnsRecord {
  return { ...dns, splitDNS: [] }
}

/** Legacy lists name addresses alone: what is known of them beyond that stays. */
function flagged(list: readonly (string | WantedNameserver)[], known: readonly Nameserver[]): WantedNameserver[] {
  return list.map((each) =>
    typeof each === 'string' ? (known.find(({ address }) => address === each) ?? { address: each }) : each,
  )
}

function readDomains(what: string, wanted: readonly string[]): Answer<readonly string[]> {
  const seen = new Set<string>()
  for (const text of wanted) {
    const fault = domainFault(what, text)
    if (fault !== undefined) return refuse(400, fault)
    const bare = bareDomain(text)
    if (seen.has(bare)) return refuse(400, `Cannot set ${what}s: ${bare} is there twice`)
    seen.add(bare)
  }
  return done(wanted)
}

/** What is wrong with the whole of it, where each part is right. */
function faultOf(dns: DnsRecord, own: string, json: string): string | undefined {
  const { splitDNS, searchPaths, zones, records } = dns
  for (const [what, count, most] of [
    ['domains of split DNS', splitDNS.length, MAX_SPLIT],
    ['search domains', searchPaths.length, MAX_SEARCH],
    ['zones', zones.length, MAX_ZONES],
    ['records', records.length, MAX_RECORDS],
  ] as const)
    if (count > most) return `Cannot change DNS: that would be ${count} ${what}, and ${most} are the most`
  if (json.length > MAX_JSON)
    return `Cannot change DNS: all of it together would be ${json.length} characters, and ${MAX_JSON} are the most`
  for (const zone of zones)
    if (zone === own) return `Cannot set zone "${zone}": it is the tailnet’s own domain, where records need no zone`
  for (const { domain } of splitDNS) {
    const bare = bareDomain(domain)
    if (bare === own) return `Cannot set split DNS of "${bare}": it is the tailnet’s own domain`
    if (zones.includes(bare)) return `Cannot set split DNS of "${bare}": it is a zone, which devices ask nobody about`
  }
  const seen = new Set<string>()
  for (const { name, value } of records) {
    if (seen.has(`${name} ${value}`)) return `Cannot set records: ${name} is ${value} twice`
    seen.add(`${name} ${value}`)
  }
  return undefined
}

/** Names under the tailnet's own domain are given once: no device has that of a record, nor a record that of a device. */
function namesAlong({ tailnet, record }: At, before: DnsRecord, after: DnsRecord): Write[] | Refusal {
  const labels = ({ records }: DnsRecord) => new Set(records.flatMap(({ name }) => labelIn(name, record.domain) ?? []))
  const [had, has] = [labels(before), labels(after)]
  const writes: Write[] = []
  for (const label of has.difference(had)) {
    const holder = tailnet.get('name', label)?.node
    if (holder !== undefined && holder !== 0) {
      const what = holder === SERVICE_HOLDER ? 'Service' : 'device'
      return refuse(409, `Cannot set record: a ${what} is called "${label}"; rename it first, or choose another name`)
    }
    writes.push({ kind: 'name', id: label, expect: tailnet.version('name', label), value: { node: 0 } })
  }
  for (const label of had.difference(has))
    if (tailnet.get('name', label)?.node === 0)
      writes.push({ kind: 'name', id: label, expect: tailnet.version('name', label), value: null })
  return writes
}
