/**
 * The lexical forms of selectors (policy.md §3.1) and where each of them may stand (§3.2). What is wrong with one is
 * given back without the words that a section puts before it.
 */

import { isServiceName } from '../../base/dns-name.ts'
import { maskPrefix, parseIp, parsePrefix, prefixOf } from '../../base/ip.ts'
import type { Prefix } from '../../base/ip.ts'
import { quoteText } from '../hujson/errors.ts'
import type { Autogroup, Selector } from '../policy.ts'
import type { Names } from './names.ts'
import type { Written } from './part.ts'

/** A selector that can't be read, and why. */
export interface Fault {
  readonly fault: string
  /** Wrong by itself, whichever section it stands in: nothing goes before it but the section's own mark. */
  readonly kind?: 'domain'
}

/** Where a selector stands. */
export type Side = 'src' | 'dst' | 'ssh src' | 'ssh dst' | 'target' | 'owner' | 'approver'

const ROLES: readonly Autogroup[] = [
  'member',
  'owner',
  'admin',
  'network-admin',
  'it-admin',
  'billing-admin',
  'auditor',
]
const PEOPLE: readonly Selector['kind'][] = ['user', 'domain', 'group', 'synced-group']
const IDENTITIES: readonly Selector['kind'][] = [...PEOPLE, 'tag', 'autogroup']

const LEGAL: Readonly<Record<Side, { readonly kinds: ReadonlySet<string>; readonly autogroups: ReadonlySet<string> }>> =
  {
    src: {
      kinds: new Set([...IDENTITIES, 'any', 'prefix', 'ipset']),
      autogroups: new Set([...ROLES, 'tagged', 'shared', 'danger-all']),
    },
    dst: {
      kinds: new Set([...IDENTITIES, 'any', 'prefix', 'ipset', 'service']),
      autogroups: new Set([...ROLES, 'tagged', 'self', 'internet']),
    },
    'ssh src': { kinds: new Set(IDENTITIES), autogroups: new Set(['member', 'tagged']) },
    'ssh dst': { kinds: new Set(['user', 'tag', 'autogroup']), autogroups: new Set(['tagged', 'self']) },
    target: { kinds: new Set([...IDENTITIES, 'any', 'prefix']), autogroups: new Set([...ROLES, 'tagged']) },
    owner: { kinds: new Set(IDENTITIES), autogroups: new Set([...ROLES, 'tagged']) },
    approver: { kinds: new Set(IDENTITIES), autogroups: new Set([...ROLES, 'tagged']) },
  }

const AUTOGROUPS: ReadonlySet<string> = new Set([...ROLES, 'tagged', 'self', 'internet', 'shared', 'danger-all'])

/** May the selector stand there? */
export function isLegal(selector: Selector, side: Side): boolean {
  const { kinds, autogroups } = LEGAL[side]
  return kinds.has(selector.kind) && (selector.kind !== 'autogroup' || autogroups.has(selector.autogroup))
}

/** Reads a selector; `text` has no blanks around it, and no ports. */
export function readSelector({ text, at }: Written, names: Names): Selector | Fault {
  if (text === '*') return { kind: 'any', text, at }
  switch (text.slice(0, Math.max(text.indexOf(':'), 0))) {
    case 'autogroup':
      return readAutogroup({ text, at }, names)
    case 'tag':
      return names.tags.has(text) ? { kind: 'tag', tag: text, text, at } : missing('tag', text)
    case 'group':
      return readGroup({ text, at }, names)
    case 'ipset':
      return names.ipsets.has(text) ? { kind: 'ipset', ipset: text, text, at } : missing('ipset', text)
    case 'svc':
      if (!isServiceName(text))
        return { fault: `${quoteText(text)}: must be "svc:" and one name of letters, digits and "-"` }
      return { kind: 'service', service: text, text, at }
    case 'posture':
      return { fault: `${quoteText(text)}: a posture can only be named in srcPosture and defaultSrcPosture` }
    case 'user':
      return readDomain({ text, at }, names)
    default:
      return readOther({ text, at }, names)
  }
}

export function isFault(read: Selector | Fault): read is Fault {
  return 'fault' in read
}

/** An address alone, or a prefix, which loses the bits behind its length; not one with a zone. */
export function readPrefix(text: string): Prefix | undefined {
  const ip = parseIp(text)
  if (ip !== undefined) return ip.zone === undefined ? prefixOf(ip) : undefined
  const prefix = parsePrefix(text)
  return prefix && maskPrefix(prefix)
}

/** Looks like a login: a name, `@`, and where the name is from. Or a name and `@` alone, as Headscale's policies have. */
export function isLogin(text: string): boolean {
  return /^[^\s@:/][^\s@]*@[^\s@]*$/.test(text)
}

function readAutogroup({ text, at }: Written, names: Names): Selector | Fault {
  const name = text.slice('autogroup:'.length)
  if (name === 'member' || name === 'members') {
    names.spellMember(name, at)
    return { kind: 'autogroup', autogroup: 'member', text, at }
  }
  if (!AUTOGROUPS.has(name)) return missing('autogroup', text)
  return { kind: 'autogroup', autogroup: name as Autogroup, text, at }
}

function readGroup({ text, at }: Written, names: Names): Selector | Fault {
  if (names.groups.has(text)) return { kind: 'group', group: text, text, at }
  if (!/^group:[^@\s]+@[^@\s]+$/.test(text)) return missing('group', text)
  names.expectSynced(text, at)
  return { kind: 'synced-group', group: text, text, at }
}

function readDomain({ text, at }: Written, names: Names): Selector | Fault {
  const domain = /^user:\*@(.*)$/s.exec(text)?.[1]
  if (domain === undefined) return { fault: `${quoteText(text)}: must have the form user:*@<domain>` }
  const fault = names.domainFault(domain)
  return fault === undefined ? { kind: 'domain', domain, text, at } : { fault, kind: 'domain' }
}

function readOther({ text, at }: Written, names: Names): Selector | Fault {
  const host = names.hosts.get(text)
  if (host !== undefined) return { kind: 'prefix', prefix: host.prefix, host: text, text, at }
  const prefix = readPrefix(text)
  if (prefix !== undefined) return { kind: 'prefix', prefix, text, at }
  if (!isLogin(text)) return invalid(text)
  names.expectUser(text, text, at)
  return { kind: 'user', login: text, text, at }
}

function missing(what: string, text: string): Fault {
  return { fault: `${what} not found: ${quoteText(text)}` }
}

function invalid(text: string): Fault {
  return { fault: `${quoteText(text)}: invalid address` }
}
