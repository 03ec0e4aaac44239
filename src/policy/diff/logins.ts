/** SSH rules as ways between nodes, and what several of them come to: as whom one may log in, asked again or not. (policy.md §7, §15.9) */

import { BitSet } from '../../base/bit-set.ts'
import type { Engine } from '../engine.ts'
import { domainOf } from '../people.ts'
import type { SshRule, SshUser } from '../policy.ts'
import type { Pace, Steps } from '../steps.ts'
import type { Way } from './crossings.ts'
import type { Terrain } from './ends.ts'
import { untagged } from './flows.ts'

/** What it takes to see whose a node is, in looks. */
const NODE_LOOKS = 10

interface Allowed {
  readonly action: SshRule['action']
  readonly accounts: readonly Account[]
}
/** `*`: any but root. */
type Account = string

export class LoginLabels {
  readonly #labels: Allowed[] = []
  readonly #ids = new Map<string, number>()

  labelOf(action: SshRule['action'], users: readonly SshUser[], localpart: string | undefined): number {
    const accounts = new Set<Account>()
    for (const user of users) {
      if (user.kind === 'nonroot') accounts.add('*')
      else if (user.kind === 'account') accounts.add(user.name)
      else if (localpart !== undefined) accounts.add(localpart)
    }
    const allowed = { action, accounts: [...accounts].sort() }
    const key = JSON.stringify(allowed)
    let id = this.#ids.get(key)
    if (id === undefined) this.#ids.set(key, (id = this.#labels.push(allowed) - 1))
    return id
  }

  /** Accounts with what is done for each, as JSON: the same for what comes to the same. */
  meaning(labels: Iterable<number>): string {
    const actions = new Map<Account, SshRule['action']>()
    for (const label of labels) {
      const { action, accounts } = this.#labels[label] as Allowed
      // Rules with a check come first, whatever the order in which they were written.
      for (const account of accounts) if (actions.get(account) !== 'check') actions.set(account, action)
    }
    const others = actions.get('*')
    const entries = [...actions].map(([account, action]): [Account, SshRule['action']] =>
      account !== 'root' && others === 'check' ? [account, 'check'] : [account, action],
    )
    const told = entries.filter(([account, action]) => account === '*' || account === 'root' || action !== others)
    return JSON.stringify(told.sort(([a], [b]) => (a < b ? -1 : 1)))
  }
}

export function* loginWays({ ssh }: Engine, terrain: Terrain, labels: LoginLabels, pace: Pace): Steps<Way[]> {
  const ways: Way[] = []
  for (const { rule, sources, targets } of ssh.rules) {
    const [anybody, own] = [new BitSet(), new BitSet()]
    for (const { selector, nodes } of targets) {
      const isOwn = selector.kind === 'user' || (selector.kind === 'autogroup' && selector.autogroup === 'self')
      ;(isOwn ? own : anybody).addAll(nodes)
    }
    const isPersonal = rule.users.some(({ kind }) => kind === 'localpart')
    // Whoever may log in elsewhere as themselves may do so on their own devices.
    if (isPersonal) own.addAll(untagged(sources.admitted, terrain))
    const senders = isPersonal ? byPerson(sources.admitted, terrain) : [{ from: sources.admitted.clone(), login: '' }]
    const theirs = untagged(own, terrain)
    if (pace.spent((sources.admitted.size + own.size) * NODE_LOOKS)) yield
    for (const { from, login } of senders) {
      const label = labels.labelOf(rule.action, rule.users, localpart(rule.users, login))
      ways.push(
        { from, to: anybody, own: false, label },
        { from: untagged(from, terrain), to: theirs, own: true, label },
      )
      if (pace.spent((from.size + rule.users.length) * NODE_LOOKS)) yield
    }
  }
  return ways
}

/** Tagged nodes are nobody's, and have no name to log in by. */
function byPerson(slots: BitSet, terrain: Terrain): { readonly from: BitSet; readonly login: string }[] {
  const people = new Map<string, BitSet>()
  for (const slot of slots) {
    const node = terrain.node(slot)
    const login = node === undefined || node.tags.length > 0 ? '' : node.user.login.toLowerCase()
    let theirs = people.get(login)
    if (theirs === undefined) people.set(login, (theirs = new BitSet()))
    theirs.add(slot)
  }
  return [...people].map(([login, from]) => ({ from, login }))
}

function localpart(users: readonly SshUser[], login: string): string | undefined {
  const theirs = users.some((user) => user.kind === 'localpart' && user.domain.toLowerCase() === domainOf(login))
  return login !== '' && theirs ? login.slice(0, login.lastIndexOf('@')) : undefined
}
