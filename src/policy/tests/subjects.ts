/**
 * Whom the `src` and the destinations of a test name, in a tailnet as it is. A person, group or tag that has no device
 * yet is stood in for by one that nobody owns, so that a policy can be tested before its first node joins. (policy.md §8)
 */

import { formatIp, isSingleIp, parseIp, parsePrefix } from '../../base/ip.ts'
import type { Ip } from '../../base/ip.ts'
import { listed } from '../../base/listed.ts'
import { domainOf, hasRole, namesOf, syncedName } from '../people.ts'
import type { Autogroup, Group, Policy } from '../policy.ts'
import type { PolicyNode, PolicyTailnet, PolicyUser } from '../tailnet.ts'
import { Sharees } from '../sharees.ts'
import { FreeAddresses } from './free-addresses.ts'

export type Subject =
  /** Every device of it, of which each has to behave as the test says; never empty. */
  | { readonly kind: 'devices'; readonly key: string; readonly nodes: readonly PolicyNode[] }
  | { readonly kind: 'address'; readonly key: string; readonly ip: Ip }
  | { readonly kind: 'service'; readonly key: string; readonly service: string }
  /** Devices of other tailnets; `ip`: the one that has this address. */
  | { readonly kind: 'sharees'; readonly key: string; readonly nodes: readonly PolicyNode[]; readonly ip?: Ip }
  /** A test that names it fails, whatever it wants. */
  | { readonly kind: 'unusable'; readonly why: string }

/** Autogroups that are sets of devices by themselves, and not of what something else is. */
const DEVICE_GROUPS: ReadonlySet<string> = new Set<Autogroup>([
  'member',
  'tagged',
  'owner',
  'admin',
  'network-admin',
  'it-admin',
  'billing-admin',
  'auditor',
])

export class Subjects {
  readonly #policy: Policy
  readonly #tailnet: PolicyTailnet
  readonly #users = new Map<string, PolicyUser>()
  /** Untagged ones, by the login of their user. */
  readonly #devices = new Map<string, PolicyNode[]>()
  readonly #byTag = new Map<string, PolicyNode[]>()
  readonly #known = new Map<string, Subject>()
  readonly #standIns = new Map<string, PolicyNode>()
  readonly #joined = new Map<string, Group>()
  readonly #free: FreeAddresses
  readonly #sharees: Sharees
  #slot = 0
  #expectedId = NOBODY.id - 1

  constructor(policy: Policy, tailnet: PolicyTailnet) {
    this.#policy = policy
    this.#tailnet = tailnet
    for (const user of tailnet.users) for (const name of namesOf(user)) this.#users.set(name, user)
    for (const node of tailnet.nodes) {
      this.#slot = Math.max(this.#slot, node.slot + 1)
      for (const tag of node.tags) listed(this.#byTag, tag).push(node)
      if (node.tags.length === 0) listed(this.#devices, node.user.login.toLowerCase()).push(node)
    }
    this.#sharees = new Sharees(tailnet.sharees)
    for (const { slot } of this.#sharees.devices) this.#slot = Math.max(this.#slot, slot + 1)
    this.#free = new FreeAddresses(policy, tailnet)
  }

  /** The nodes of the tailnet, and behind them those that stand in for what was asked for. */
  get nodes(): readonly PolicyNode[] {
    return [...this.#tailnet.nodes, ...this.#standIns.values()]
  }

  /** The policy in which groups without members have the one that stands in for them. */
  get policy(): Policy {
    if (this.#joined.size === 0) return this.#policy
    return { ...this.#policy, groups: new Map([...this.#policy.groups, ...this.#joined]) }
  }

  /** `text` without a port. */
  named(text: string): Subject {
    const name = text.trim()
    let subject = this.#known.get(name)
    if (subject === undefined) this.#known.set(name, (subject = this.#resolve(name)))
    return subject
  }

  #resolve(name: string): Subject {
    if (name === '') return unusable('nothing is named')
    if (name === '*') return unusable('a test names somebody in particular, not "*"')
    if (name.startsWith('tag:')) return this.#tag(name)
    if (name.startsWith('group:')) return this.#group(name)
    if (name.startsWith('autogroup:')) return this.#autogroup(name.slice('autogroup:'.length), name)
    if (name.startsWith('svc:')) return { kind: 'service', key: name, service: name }
    const host = this.#policy.hosts.get(name)
    if (host !== undefined)
      return isSingleIp(host.prefix)
        ? this.#address(host.prefix.ip)
        : unusable('a test takes one address, and this host stands for many')
    const ip = parseIp(name)
    if (ip !== undefined) return this.#address(ip)
    if (parsePrefix(name) !== undefined) return unusable('a test takes an address, not a prefix')
    if (name.includes('@') && !name.startsWith('user:')) {
      const user = this.#users.get(name.toLowerCase())
      if (user !== undefined) return this.#devicesOf([user], name)
      const shared = this.#sharees.devicesOf(name)
      return shared.length === 0 ? unusable('user not found') : { kind: 'sharees', key: name, nodes: shared }
    }
    return unusable('no such user, group, tag, host or address')
  }

  #tag(tag: string): Subject {
    if (!this.#policy.tagOwners.has(tag)) return unusable('tag not found')
    return { kind: 'devices', key: tag, nodes: this.#byTag.get(tag) ?? [this.#standIn(tag, NOBODY, [tag])] }
  }

  /** Members who have joined; where none has, all whom the policy lists; where it lists none, somebody. */
  #group(name: string): Subject {
    const group = this.#policy.groups.get(name)
    if (group === undefined) return this.#synced(name)
    const users = new Map<string, PolicyUser>()
    for (const member of group.members) {
      if (member.kind === 'domain') {
        const domain = member.domain.toLowerCase()
        for (const user of this.#tailnet.users)
          if (domainOf(user.login.toLowerCase()) === domain) users.set(user.login.toLowerCase(), user)
      }
      const user = member.kind === 'user' ? this.#users.get(member.login.toLowerCase()) : undefined
      if (user !== undefined) users.set(user.login.toLowerCase(), user)
    }
    if (users.size > 0) return this.#devicesOf([...users.values()], name)
    const logins = group.members.flatMap((member) => (member.kind === 'user' ? [member.login] : []))
    if (logins.length > 0)
      return this.#devicesOf(
        logins.map((login) => this.#expected(login)),
        name,
      )
    const login = `member-of-${name.slice('group:'.length)}@${NOWHERE}`
    const member = { kind: 'user', login, text: login, at: group.at } as const
    this.#joined.set(name, { ...group, members: [member] })
    return this.#devicesOf([this.#expected(login)], name)
  }

  /** A group of an identity provider: its members, or somebody who stands in where it has none. */
  #synced(name: string): Subject {
    const group = syncedName(name)
    const users = this.#tailnet.users.filter(({ groups = [] }) => groups.includes(group))
    if (users.length > 0) return this.#devicesOf(users, name)
    if (this.#tailnet.groups?.has(group) !== true) return unusable('group not found')
    return this.#devicesOf([{ ...this.#expected(`member-of-${group}@${NOWHERE}`), groups: [group] }], name)
  }

  #autogroup(name: string, key: string): Subject {
    const shared = [...this.#sharees.devices]
    if (name === 'shared' && shared.length > 0) return { kind: 'sharees', key, nodes: shared }
    const autogroup = (name === 'members' ? 'member' : name) as Autogroup
    if (!DEVICE_GROUPS.has(autogroup)) return unusable('not an autogroup that a test can name')
    if (autogroup === 'tagged') {
      const nodes = this.#tailnet.nodes.filter(({ tags }) => tags.length > 0)
      if (nodes.length > 0) return { kind: 'devices', key, nodes }
      const [tag] = this.#policy.tagOwners.keys()
      return tag === undefined ? unusable('no tag is declared') : this.#tag(tag)
    }
    const users = this.#tailnet.users.filter((user) => hasRole(autogroup, user))
    return users.length > 0 ? this.#devicesOf(users, key) : unusable('nobody belongs to it')
  }

  /** People without a device count only where none of them has one. */
  #devicesOf(users: readonly PolicyUser[], key: string): Subject {
    const nodes = users.flatMap(({ login }) => this.#devices.get(login.toLowerCase()) ?? [])
    if (nodes.length > 0) return { kind: 'devices', key, nodes }
    return { kind: 'devices', key, nodes: users.map((user) => this.#standIn(user.login.toLowerCase(), user, [])) }
  }

  #address(ip: Ip): Subject {
    const device = this.#sharees.at(ip)
    const key = formatIp(ip)
    return device === undefined ? { kind: 'address', key, ip } : { kind: 'sharees', key, nodes: [device], ip }
  }

  /** Somebody whom the policy names and who hasn't joined. */
  #expected(login: string): PolicyUser {
    return { id: this.#expectedId--, login, role: 'member' }
  }

  #standIn(key: string, user: PolicyUser, tags: readonly string[]): PolicyNode {
    let node = this.#standIns.get(key)
    if (node === undefined) {
      const slot = this.#slot++
      const { ipv4, ipv6 } = this.#free.next()
      // Behind all others wherever the lowest number decides.
      node = { slot, id: LAST + slot, user, tags, ipv4, ipv6, routes: [], online: true, attributes: new Map() }
      this.#standIns.set(key, node)
    }
    return node
  }
}

/** A name that no mail domain can have. (RFC 2606, 2) */
const NOWHERE = 'invalid'
const NOBODY: PolicyUser = { id: -1, login: `nobody@${NOWHERE}`, role: 'member' }
const LAST = 2 ** 50

function unusable(why: string): Subject {
  return { kind: 'unusable', why }
}
