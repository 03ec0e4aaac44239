/** Reads the two ends of a flow that somebody asks about: whom a name means, and which port. */

import { SERVICE4, SERVICE6 } from '../../base/address-plan.ts'
import { formatPrefix, isSingleIp, parseIp, prefixContains } from '../../base/ip.ts'
import type { Subject } from '../../policy/explain/index.ts'
import { quoteText } from '../../policy/hujson/index.ts'
import type { Policy } from '../../policy/policy.ts'
import type { PolicyNode } from '../../policy/tailnet.ts'
import type { Node } from '../model/records.ts'
import { done, refuse } from './answer.ts'
import type { Answer } from './answer.ts'
import { nodeIn } from './authorise.ts'
import type { At } from './call.ts'
import { findUser } from '../model/people.ts'

/** Who is sent to, as written, and the port behind it: 0 where the protocol has none. */
export interface Destination {
  readonly name: string
  readonly port: number
}

/** @param wantsPort the protocol has ports */
export function readDestination(given: string, wantsPort: boolean): Answer<Destination> {
  const { name, port } = portBehind(given.trim())
  if (port === undefined) {
    if (!wantsPort) return done({ name, port: 0 })
    return refuse(400, 'dst: want a port behind it, such as web:443, 100.64.0.1:22 or [2001:db8::1]:443')
  }
  const isPort = /^\d{1,5}$/.test(port) && Number(port) <= 65_535 && (Number(port) >= 1 || !wantsPort)
  if (!isPort)
    return refuse(400, `dst: ${quoteText(port)} is no port: want one number from 1 to 65535, such as ${name}:443`)
  return done({ name, port: wantsPort ? Number(port) : 0 })
}

function portBehind(text: string): { readonly name: string; readonly port?: string } {
  // An IPv6 address without brackets has no port, and neither has a tag without a second colon.
  const m = parseIp(text) === undefined ? /^(\[[^\]]*\]|tag:[^:]*|(?!tag:)[^:]*):(.*)$/s.exec(text) : null
  return m === null ? { name: text } : { name: m[1] ?? '', port: m[2] ?? '' }
}

/** A device by id, address, full or short name; a person; a tag; an address that may be anywhere, or a host that stands for one. */
export function findSubject(
  at: At,
  byId: ReadonlyMap<number, PolicyNode>,
  { hosts, tagOwners }: Policy,
  end: 'src' | 'dst',
  given: string,
): Answer<Subject> {
  const text = given.trim().replace(/^\[(.*)\]$/, '$1')
  const ip = parseIp(text)
  if (ip !== undefined) {
    if (![SERVICE4, SERVICE6].some((service) => prefixContains(service, ip))) return done({ kind: 'address', ip })
    return refuse(
      400,
      `${end}: ${text} is every client itself, which answers without sending anything: no policy is asked`,
    )
  }
  const node = nodeNamed(at, text)
  const found = node === undefined ? undefined : byId.get(node.id)
  if (found !== undefined) return done({ kind: 'node', node: found })
  const user = findUser(at.tailnet, text)
  if (user !== undefined) return done({ kind: 'user', login: user.loginName })
  if (tagOwners.has(text) || [...byId.values()].some(({ tags }) => tags.includes(text)))
    return done({ kind: 'tag', tag: text })
  const prefix = hosts.get(text)?.prefix
  if (prefix === undefined)
    return refuse(404, `${end}: there is no device, user, tag, host or address ${quoteText(text)} in this tailnet`)
  if (isSingleIp(prefix)) return done({ kind: 'address', ip: prefix.ip })
  return refuse(400, `${end}: ${quoteText(text)} stands for ${formatPrefix(prefix)}: want one address in it`)
}

function nodeNamed({ tailnet, record }: At, text: string): Node | undefined {
  const name = text.toLowerCase().replace(/\.$/, '')
  const suffix = `.${record.domain}`
  const label = name.endsWith(suffix) ? name.slice(0, -suffix.length) : name
  const holder = tailnet.get('name', label)?.node
  return (holder === undefined ? undefined : tailnet.node(holder)) ?? nodeIn(tailnet, text)
}
