/** The SSH policy of one node, as its SSH server reads it. (policy.md §7, §15.9; control.md §7.3) */

import { BitSet, intersection } from '../base/bit-set.ts'
import { formatIp } from '../base/ip.ts'
import type { Access } from './access.ts'
import { BySelector } from './by-selector.ts'
import { domainOf } from './people.ts'
import type { SshRule, SshUser } from './policy.ts'
import type { Selected, Selection } from './selection.ts'
import type { Sources } from './sources.ts'
import type { PolicyNode } from './tailnet.ts'

export interface WireSshRule {
  readonly principals: readonly ({ readonly nodeIP: string } | { readonly userLogin: string })[]
  /** Asked for to local account; `=`: the same; `""`: refused. */
  readonly sshUsers: Readonly<Record<string, string>>
  readonly action: Readonly<Record<string, unknown>>
  readonly acceptEnv?: readonly string[]
}

/** Clients put in who asks, for what; the server decides, and knows how long a check holds. */
const DELEGATE = 'https://unused/machine/ssh/action/$SRC_NODE_ID/to/$DST_NODE_ID?local_user=$LOCAL_USER'
/** What lets somebody in. */
export const ACCEPT = {
  accept: true,
  allowAgentForwarding: true,
  allowLocalPortForwarding: true,
  allowRemotePortForwarding: true,
}

/** An SSH rule and the nodes on its two sides. */
export interface CompiledSsh {
  readonly rule: SshRule
  readonly sources: Sources
  readonly targets: readonly Selected[]
}

export class Ssh {
  readonly rules: readonly CompiledSsh[]
  readonly #from = new Map<Sources, CompiledSsh[]>()
  /** By what names the nodes that they may say something to. */
  readonly #rules = new BySelector<CompiledSsh>()
  readonly #selection: Selection
  readonly #compact: boolean

  /**
   * @param compact names people by their login, which stays the same when they get another device; else each of
   *   their devices by its addresses, as the recorded service does
   */
  constructor(rules: readonly SshRule[], access: Access, selection: Selection, compact: boolean) {
    this.#selection = selection
    this.#compact = compact
    const compiled = rules.map((rule) => ({
      rule,
      sources: access.sources(rule.sources, rule.postures),
      targets: rule.destinations.map((target) => selection.watch(target, 'destination')),
    }))
    // A check is asked for before anything is let through unasked.
    this.rules = [...compiled.filter(isCheck), ...compiled.filter((c) => !isCheck(c))]
    for (const rule of this.rules) {
      this.#rules.add(rule, [...rule.targets, ...(isPersonal(rule.rule) ? rule.sources.selected : [])])
      const others = this.#from.get(rule.sources)
      if (others === undefined) this.#from.set(rule.sources, [rule])
      else others.push(rule)
    }
  }

  /** The rules with this very list of sources. */
  from(list: Sources): readonly CompiledSsh[] {
    return this.#from.get(list) ?? []
  }

  of(node: PolicyNode): WireSshRule[] {
    return this.#rules.of(this.#selection.namers(node.slot)).flatMap((compiled) => this.#rule(compiled, node))
  }

  /** The rule by which `from` logs in to `to` as `account`: the first that fits, as the SSH server finds it too. */
  ruleOf(from: PolicyNode, to: PolicyNode, account: string): SshRule | undefined {
    const isAdmitted = (compiled: CompiledSsh): boolean => {
      const leads = compiled.sources.admitted.has(from.slot) ? this.leads(compiled, to) : undefined
      return leads === 'all' || (leads === 'own' && this.#selection.devicesOfOwner(to).has(from.slot))
    }
    return this.rules.find((compiled) => letsIn(compiled.rule.users, account, from) && isAdmitted(compiled))?.rule
  }

  /** Whom the rule lets in at `node`: all its sources, those of the node's own user, or nobody. */
  leads({ rule, sources, targets }: CompiledSsh, node: PolicyNode): 'all' | 'own' | undefined {
    // Those who may log in elsewhere as themselves are told so for their own node too.
    const personal = isPersonal(rule) && node.tags.length === 0 && sources.admits(node.slot)
    let leads: 'own' | undefined = personal ? 'own' : undefined
    for (const target of targets) {
      if (!target.nodes.has(node.slot)) continue
      if (!isOwn(target)) return 'all'
      leads = 'own'
    }
    return leads
  }

  /** The nodes that may log in to `node` by this rule. */
  admitted(compiled: CompiledSsh, node: PolicyNode): BitSet {
    const leads = this.leads(compiled, node)
    if (leads === undefined) return new BitSet()
    const admitted = compiled.sources.admitted.clone()
    if (leads === 'own') admitted.keepAll(this.#selection.devicesOfOwner(node))
    return admitted
  }

  /** Adds the nodes whose rules say something else when one that the rule admits, or doesn't, changes. */
  addTold(compiled: CompiledSsh, was: PolicyNode | undefined, is: PolicyNode | undefined, told: BitSet): void {
    const { rule, sources, targets } = compiled
    const anew =
      this.#principal(compiled, was) !== this.#principal(compiled, is) || (this.#byLogin(rule) && isRenamed(was, is))
    if (!anew && (this.#byLogin(rule) || ownerOf(was) === ownerOf(is))) return
    const own = new BitSet()
    for (const node of [was, is]) if (node !== undefined) own.addAll(this.#selection.devicesOfOwner(node))
    for (const target of targets) {
      if (isOwn(target)) told.addAll(intersection(own, target.nodes))
      else if (anew) told.addAll(target.nodes)
    }
    if (isPersonal(rule)) told.addAll(intersection(own, sources.admitted))
  }

  /** Are people written by their login? Not where only some of their devices are let in. */
  #byLogin({ postures }: SshRule): boolean {
    return this.#compact && postures.length === 0
  }

  /** What the rule says of a node that it admits, to whoever reads it; nothing of one that it does not. */
  #principal({ rule, sources }: CompiledSsh, node: PolicyNode | undefined): string {
    if (node === undefined) return ''
    if (this.#byLogin(rule) && node.tags.length === 0) {
      const others = intersection(this.#selection.devicesOfOwner(node), sources.admitted)
      others.delete(node.slot)
      return others.isEmpty ? node.user.login : ''
    }
    const person = isPersonal(rule)
      ? `${ownerOf(node) ?? ''} ${localpart(rule.users, node) ?? ''}`
      : timesListed(sources, node)
    return `${node.ipv4.value} ${node.ipv6.value} ${person}`
  }

  #principals(rule: SshRule, nodes: readonly PolicyNode[]): WireSshRule['principals'] {
    const named = this.#byLogin(rule) ? nodes.filter(({ tags }) => tags.length === 0) : []
    const listed = named.length === 0 ? nodes : nodes.filter(({ tags }) => tags.length > 0)
    return [
      // In an order that no change of devices changes.
      ...[...new Set(named.map(({ user }) => user.login))].sort().map((userLogin) => ({ userLogin })),
      ...[...listed.map(({ ipv4 }) => ipv4), ...listed.map(({ ipv6 }) => ipv6)].map((ip) => ({ nodeIP: formatIp(ip) })),
    ]
  }

  #rule(compiled: CompiledSsh, node: PolicyNode): WireSshRule[] {
    if (this.#byLogin(compiled.rule) && !isPersonal(compiled.rule) && this.leads(compiled, node) === 'own') {
      // All own devices are as good as one.
      const some = intersection(this.#selection.devicesOfOwner(node), compiled.sources.admitted)
      return some.isEmpty ? [] : [this.#wire(compiled, [node], compiled.rule.users)]
    }
    const admitted = this.admitted(compiled, node)
    if (isPersonal(compiled.rule)) return this.#perPerson(compiled, admitted)
    return admitted.isEmpty ? [] : [this.#wire(compiled, this.#listed(compiled, admitted), compiled.rule.users)]
  }

  /** For each person a rule of what everybody may, then the one of the account that is named as they are. */
  #perPerson(compiled: CompiledSsh, from: BitSet): WireSshRule[] {
    const { rule } = compiled
    const others = rule.users.filter(({ kind }) => kind !== 'localpart')
    const people = new Map<number, PolicyNode[]>()
    for (const slot of from) {
      const node = this.#selection.node(slot) as PolicyNode
      const id = node.tags.length > 0 ? 0 : node.user.id
      people.set(id, [...(people.get(id) ?? []), node])
    }
    const rules: WireSshRule[] = []
    for (const [, nodes] of [...people].sort(([a], [b]) => a - b)) {
      rules.push(this.#wire(compiled, nodes, others))
      const [first] = nodes
      if (first === undefined) continue
      const name = localpart(rule.users, first)
      if (name !== undefined) rules.push(this.#wire(compiled, nodes, [{ kind: 'account', name }], false))
    }
    return rules
  }

  #wire({ rule }: CompiledSsh, nodes: Iterable<PolicyNode>, users: readonly SshUser[], root = true): WireSshRule {
    return {
      principals: this.#principals(rule, [...nodes]),
      sshUsers: accounts(users, root),
      action: rule.action === 'accept' ? ACCEPT : { holdAndDelegate: DELEGATE },
      ...(rule.acceptEnv.length === 0 ? {} : { acceptEnv: rule.acceptEnv }),
    }
  }

  /** A node that several selectors or tags name is listed for each tag. (policy.md §3.3, `tagged`) */
  *#listed({ sources }: CompiledSsh, admitted: BitSet): Generator<PolicyNode> {
    for (const slot of admitted) {
      const node = this.#selection.node(slot) as PolicyNode
      for (let i = 0; i < timesListed(sources, node); i++) yield node
    }
  }
}

function isCheck({ rule }: CompiledSsh): boolean {
  return rule.action === 'check'
}

/** A person's devices change one by one, and the first to do so already has another login than the rest. */
function isRenamed(was: PolicyNode | undefined, is: PolicyNode | undefined): boolean {
  const owner = ownerOf(was)
  return owner !== undefined && owner === ownerOf(is) && was?.user.login !== is?.user.login
}

function ownerOf(node: PolicyNode | undefined): number | undefined {
  return node === undefined || node.tags.length > 0 ? undefined : node.user.id
}

/** Does the target stand for nodes of whoever logs in only? */
function isOwn({ selector }: Selected): boolean {
  return selector.kind === 'user' || (selector.kind === 'autogroup' && selector.autogroup === 'self')
}

/** `autogroup:tagged` lists a node once for each of its tags. (policy.md §3.3) */
function timesListed({ selected }: Sources, { tags }: PolicyNode): number {
  const byTags = selected.some(({ selector }) => selector.kind === 'autogroup' && selector.autogroup === 'tagged')
  return byTags ? Math.max(1, tags.length) : 1
}

function isPersonal({ users }: SshRule): boolean {
  return users.some(({ kind }) => kind === 'localpart')
}

/** The account that is named as the person is, where the rule gives it to people of their mail domain. */
function localpart(users: readonly SshUser[], { tags, user: { login } }: PolicyNode): string | undefined {
  if (tags.length > 0) return undefined
  const domain = domainOf(login.toLowerCase())
  const theirs = users.some((user) => user.kind === 'localpart' && user.domain.toLowerCase() === domain)
  return theirs ? login.toLowerCase().slice(0, login.lastIndexOf('@')) : undefined
}

/** May `node`, a source of the rule, log in as `account`? What the rules on the wire say, for one account. */
export function letsIn(users: readonly SshUser[], account: string, node: PolicyNode): boolean {
  return (
    users.some((user) =>
      user.kind === 'nonroot' ? account !== 'root' : user.kind === 'account' && user.name === account,
    ) || localpart(users, node) === account
  )
}

/** Root is refused unless it is named. */
function accounts(users: readonly SshUser[], root: boolean): Record<string, string> {
  const map = new Map<string, string>(root ? [['root', '']] : [])
  for (const user of users) {
    if (user.kind === 'nonroot') map.set('*', '=')
    else if (user.kind === 'account') map.set(user.name, user.name)
  }
  return Object.fromEntries(map)
}
