/**
 * Headscale's nodes as ours: with their numbers, machine and node keys, names and addresses, so that clients that
 * start again are who they were. What only a running client knows (endpoints, relay) it says itself.
 */

import { MeshError } from '../../base/errors.ts'
import { isTag } from '../../base/dns-name.ts'
import { readObject } from '../../base/go-json.ts'
import { canonicalIp, formatPrefix, parseIp, parsePrefix } from '../../base/ip.ts'
import { isZeroKey, readDiscoKey, readMachineKey, readNodeKey } from '../../base/keys.ts'
import { readHostinfo } from '../../wire/hostinfo.ts'
import type { Hostinfo } from '../../wire/hostinfo.ts'
import { ipv6For, isAssignable } from '../model/addressing.ts'
import { followsHostname, labelFor, nameFault } from '../model/naming.ts'
import type { Key, Node, Presence } from '../model/records.ts'
import { freeLabel } from './free.ts'
import type { Wish } from './headscale.ts'
import type { People } from './people.ts'
import { idOf, listIn, living, referenceIn, textIn, timeIn } from './rows.ts'
import type { Row } from './rows.ts'

export interface ImportedNodes {
  readonly nodes: readonly Node[]
  readonly presences: readonly Presence[]
}

/** Headscale keeps no capability version; clients say theirs as soon as they are back. This is the oldest served. */
const CAP = 113
/** A node's own words about its host; clients send at most 1 MiB. */
const HOST_INFO_MAX = 1024 * 1024

/** Draws a free IPv4 address that is not among `taken`. */
export type DrawIpv4 = (taken: ReadonlySet<string>) => string

export interface NodeContext {
  readonly wish: Wish
  readonly people: People
  readonly keys: ReadonlyMap<number, Key>
  readonly draw: DrawIpv4
  readonly notes: string[]
}

export function importNodes(rows: readonly Row[], context: NodeContext): ImportedNodes {
  const { notes } = context
  const found = living(rows)
  const taken: Taken = { addresses: new Set(), names: new Set(), keys: new Set() }
  // Before any is drawn for a node that lacks one.
  const held = new Set(found.flatMap((row) => [textIn(row, 'ipv4'), textIn(row, 'ipv6')]).map(canonical))
  const nodes: Node[] = []
  const presences: Presence[] = []
  for (const row of found) {
    const node = importNode(row, context, taken, held)
    if (typeof node === 'string') {
      notes.push(`node ${idOf(row)} (${textIn(row, 'given_name')}) is not brought over: ${node}`)
      continue
    }
    nodes.push(node)
    // An ephemeral node is forgotten when it has been away for long; the move is not its fault.
    const lastSeen = node.ephemeral ? context.wish.now : (timeIn(row, 'last_seen') ?? node.created)
    presences.push({ node: node.id, online: false, lastSeen, server: '' })
  }
  return { nodes, presences }
}

interface Taken {
  readonly addresses: Set<string>
  readonly names: Set<string>
  readonly keys: Set<string>
}

/** The node, or why there is none. */
function importNode(row: Row, context: NodeContext, taken: Taken, held: ReadonlySet<string>): Node | string {
  const { wish, people, keys, notes } = context
  const id = idOf(row)
  const machineKey = readMachineKey(textIn(row, 'machine_key'))
  const nodeKey = readNodeKey(textIn(row, 'node_key'))
  if (machineKey === undefined || nodeKey === undefined || isZeroKey(machineKey) || isZeroKey(nodeKey))
    return 'it has no machine key and node key that could be read'
  if (taken.keys.has(nodeKey)) return 'another node has the same node key'
  const key = keys.get(referenceIn(row, 'auth_key_id') ?? 0)
  const tags = tagsOf(row)
  const user = referenceIn(row, 'user_id') ?? (tags.length > 0 ? key?.user || people.owner.id : 0)
  if (tags.length === 0 && !people.byId.has(user)) return 'it has neither tags nor a user'
  taken.keys.add(nodeKey)

  const hostinfo = hostinfoOf(row, notes)
  const hostname = hostinfo.Hostname ?? ''
  const name = nameOf(row, hostname, context, taken)
  const discoKey = readDiscoKey(textIn(row, 'disco_key'))
  const keyExpiry = tags.length > 0 ? undefined : timeIn(row, 'expiry')
  const created = timeIn(row, 'created_at') ?? wish.now
  return {
    id,
    // Headscale's stable id is the number; preferences of clients name exit nodes by it.
    stableId: String(id),
    machineKey,
    nodeKey,
    ...(discoKey === undefined || isZeroKey(discoKey) ? {} : { discoKey }),
    user,
    tags,
    name,
    named: !followsHostname({ name }, hostname),
    ...addressesOf(row, context, taken, held),
    created,
    loggedIn: created,
    ...(keyExpiry === undefined ? {} : { keyExpiry }),
    keyExpiryDisabled: keyExpiry === undefined,
    authorized: true,
    ephemeral: key?.ephemeral ?? false,
    ...(key === undefined ? {} : { authKey: key.id }),
    cap: CAP,
    hostinfo,
    endpoints: [],
    homeDerp: 0,
    approvedRoutes: routesOf(row),
  }
}

/** Older versions kept them under another name, and a user beside them. */
function tagsOf(row: Row): string[] {
  return [...new Set([...listIn(row, 'tags'), ...listIn(row, 'forced_tags')])].filter(isTag).sort()
}

function routesOf(row: Row): string[] {
  const routes = listIn(row, 'approved_routes').flatMap((text) => {
    const prefix = parsePrefix(text)
    return prefix === undefined ? [] : [formatPrefix(prefix)]
  })
  return [...new Set(routes)].sort()
}

/** Without what it says of relays: those of Headscale are not ours. */
function hostinfoOf(row: Row, notes: string[]): Hostinfo {
  const text = textIn(row, 'host_info')
  const hostname = textIn(row, 'hostname')
  try {
    const { NetInfo: _, ...hostinfo } = readHostinfo(
      readObject(text === '' ? '{}' : text, { what: 'host_info', maxLength: HOST_INFO_MAX }),
    )
    return { ...(hostname === '' ? {} : { Hostname: hostname }), ...hostinfo }
  } catch (error) {
    if (!(error instanceof MeshError)) throw error
    notes.push(`node ${idOf(row)}: what it says of its host can't be read (${error.message}); it says it anew`)
    return { Hostname: hostname }
  }
}

function nameOf(row: Row, hostname: string, { wish, notes }: NodeContext, taken: Taken): string {
  const given = textIn(row, 'given_name').toLowerCase()
  const wanted = given === '' || nameFault(given, wish.domain) !== undefined ? labelFor(given || hostname) : given
  const name = freeLabel(wanted, taken.names)
  taken.names.add(name)
  if (given !== '' && name !== given) notes.push(`node ${idOf(row)} (${given}) is called ${name} now: ${RENAMED}`)
  return name
}

const RENAMED = 'its name is no DNS label with a letter in it, or another node has it'

function canonical(text: string): string {
  return canonicalIp(text) ?? ''
}

/** Its own addresses; where it has one only, or somebody else has it too, one that is free. */
function addressesOf(
  row: Row,
  { draw, notes }: NodeContext,
  taken: Taken,
  held: ReadonlySet<string>,
): Pick<Node, 'ipv4' | 'ipv6'> {
  const id = idOf(row)
  const own = (column: 'ipv4' | 'ipv6', family: 4 | 6): string | undefined => {
    const text = canonical(textIn(row, column))
    if (parseIp(text)?.family !== family) return undefined
    if (!taken.addresses.has(text)) return text
    notes.push(`node ${id}: another node has its address ${text}`)
    return undefined
  }
  const ipv4 = own('ipv4', 4) ?? added(draw(new Set([...held, ...taken.addresses])))
  const ipv6 = own('ipv6', 6) ?? added(ipv6Beside(ipv4))
  if (!isAssignable(ipv4))
    notes.push(
      `node ${id} keeps ${ipv4}, which no new node is given: it lies outside of 100.64.0.0/10, or in a reserved part`,
    )
  taken.addresses.add(ipv4)
  taken.addresses.add(ipv6)
  return { ipv4, ipv6 }

  function ipv6Beside(ipv4: string): string {
    const isFree = (ip: string) => !held.has(ip) && !taken.addresses.has(ip)
    const beside = isAssignable(ipv4) ? ipv6For(ipv4) : undefined
    return beside !== undefined && isFree(beside) ? beside : ipv6For(draw(new Set([...held, ...taken.addresses])))
  }
  function added(ip: string): string {
    notes.push(`node ${id} gets the address ${ip} besides`)
    return ip
  }
}
