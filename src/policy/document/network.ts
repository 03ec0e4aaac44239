/** Settings of the whole network: relays of one's own, addresses, routes on macOS, ports. (policy.md §13) */

import { quoteText } from '../hujson/errors.ts'
import { parseIp } from '../../base/ip.ts'
import type { Policy } from '../policy.ts'
import type { Steps } from '../steps.ts'
import type { DerpNode, DerpRegion } from '../../wire/derp-map.ts'
import type { Names } from './names.ts'
import { fieldNames } from './part.ts'
import type { Part } from './part.ts'
import { PolicyRefusal } from './refusal.ts'

const MAP_FIELDS = fieldNames('regions', 'omitDefaultRegions')
const REGION_FIELDS = fieldNames('regionID', 'regionCode', 'regionName', 'avoid', 'latitude', 'longitude', 'nodes')
const NODE_FIELDS = fieldNames(
  'name',
  'regionID',
  'hostName',
  'certName',
  'ipv4',
  'ipv6',
  'stunPort',
  'stunOnly',
  'derpPort',
  'canPort80',
  'insecureForTests',
  'stunTestIP',
)
const MAX_REGION = 0x7fff_ffff

export function readOneCGNATRoute(part: Part): Policy['oneCGNATRoute'] {
  const text = part.string().trim()
  if (text === '' || text === 'mac-always' || text === 'mac-never') return text
  throw part.refusal(`${quoteText(text)} must be "", "mac-always" or "mac-never"`)
}

export function* readDerpMap(section: Part, names: Names): Steps<NonNullable<Policy['derpMap']>> {
  const fields = section.fields(MAP_FIELDS)
  const regions = new Map<number, DerpRegion | null>()
  for (const { name, at, value } of yield* fields.entries('regions')) {
    const id = /^[1-9]\d{0,9}$/.test(name) ? Number(name) : 0
    if (id < 1 || id > MAX_REGION)
      throw new PolicyRefusal(`${value.what}: a region must be a number from 1 to ${MAX_REGION}`, at)
    regions.set(id, value.isNull ? null : yield* readRegion(value, id, names))
  }
  const omitDefaultRegions = fields.boolean('omitDefaultRegions')
  const relays = [...regions.values()].some((region) => region?.Nodes.some(({ STUNOnly }) => STUNOnly !== true))
  if (omitDefaultRegions && !relays)
    names.warn('derpMap', 'derpMap: no relay is left, and without one clients do not start', section.at)
  return { regions, omitDefaultRegions }
}

/** Clients take the first node of a region for its relay, so there is one; they show people the code. */
function* readRegion(part: Part, id: number, names: Names): Steps<DerpRegion> {
  const fields = part.fields(REGION_FIELDS)
  checkRegion(fields.get('regionID'), id)
  const list = fields.get('nodes')
  const nodes = list === undefined ? [] : (yield* list.list()).map((node) => readNode(node, id))
  if (nodes.length === 0) throw (list ?? part).refusal('a region must have a node at least')
  const code = fields.get('regionCode')?.string() ?? ''
  if (code.trim() === '')
    names.warn('derpMap', `${part.what}: regionCode is empty, and clients name the relay by it`, part.at)
  return {
    RegionID: id,
    RegionCode: code,
    RegionName: fields.get('regionName')?.string() ?? '',
    ...(fields.boolean('avoid') ? { Avoid: true } : {}),
    Nodes: nodes,
  }
}

function readNode(part: Part, region: number): DerpNode {
  const fields = part.fields(NODE_FIELDS)
  checkRegion(fields.get('regionID'), region)
  const text = (name: 'certName' | 'stunTestIP'): string | undefined => fields.get(name)?.string() || undefined
  const port = (name: 'stunPort' | 'derpPort', least: number): number | undefined =>
    fields.get(name)?.integer(least, 65535) || undefined
  return withoutAbsent({
    Name: required(fields.get('name'), 'name', part),
    RegionID: region,
    HostName: required(fields.get('hostName'), 'hostName', part),
    CertName: text('certName'),
    IPv4: readAddress(fields.get('ipv4'), 4),
    IPv6: readAddress(fields.get('ipv6'), 6),
    STUNPort: port('stunPort', -1),
    STUNOnly: fields.boolean('stunOnly') || undefined,
    DERPPort: port('derpPort', 0),
    CanPort80: fields.boolean('canPort80') || undefined,
    InsecureForTests: fields.boolean('insecureForTests') || undefined,
    STUNTestIP: text('stunTestIP'),
  })
}

/** A region and its nodes repeat the number that the region is listed under. */
function checkRegion(part: Part | undefined, id: number): void {
  if (part !== undefined && part.integer(0, MAX_REGION) !== id)
    throw part.refusal(`must be ${id}, as the region is listed under`)
}

function required(part: Part | undefined, name: string, of: Part): string {
  const text = part?.string().trim() ?? ''
  if (text === '') throw of.refusal(`${name} must be given`)
  return text
}

/** `none` keeps clients from looking the address up. */
function readAddress(part: Part | undefined, family: 4 | 6): string | undefined {
  const text = part?.string().trim() ?? ''
  if (part === undefined || text === '') return undefined
  if (text !== 'none' && parseIp(text)?.family !== family)
    throw part.refusal(`${quoteText(text)} must be an IPv${family} address or "none"`)
  return text
}

function withoutAbsent<T extends object>(node: { readonly [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(node).filter(([, value]) => value !== undefined)) as T
}
