/** Who may log in where and as whom, read from the policy as a person would; see plain.ts. (policy.md §7, §15.9) */

import type { Policy, Selector, SshRule, SshUser } from '../../src/policy/policy.ts'
import type { PolicyNode } from '../../src/policy/tailnet.ts'
import { isAutogroup, isNamed, meets, sameUser } from './plain.ts'

export type SshAnswer = 'accept' | 'check' | 'refuse'

/** May `from` log in to `to` as `account`? A check is asked for wherever some rule asks for one. */
export function mayLogIn(policy: Policy, from: PolicyNode, to: PolicyNode, account: string): SshAnswer {
  for (const action of ['check', 'accept'] as const)
    for (const rule of policy.ssh) if (rule.action === action && allows(policy, rule, from, to, account)) return action
  return 'refuse'
}

function allows(policy: Policy, rule: SshRule, from: PolicyNode, to: PolicyNode, account: string): boolean {
  if (!isSource(policy, rule, from)) return false
  const there = rule.destinations.some((target) => isTarget(policy, target, from, to))
  // Where people log in as who they are, each may between the machines of their own that the rule starts from.
  const amongOwn =
    rule.users.some(({ kind }) => kind === 'localpart') && isSource(policy, rule, to) && sameUser(from, to)
  return (there || amongOwn) && rule.users.some((user) => isAccount(user, from, account))
}

function isSource(policy: Policy, rule: SshRule, node: PolicyNode): boolean {
  return rule.sources.some((source) => isNamed(policy, source, node)) && meets(policy, rule.postures, node)
}

function isTarget(policy: Policy, target: Selector, from: PolicyNode, to: PolicyNode): boolean {
  if (isAutogroup(target, 'self')) return sameUser(from, to)
  return isNamed(policy, target, to) && (target.kind !== 'user' || sameUser(from, to))
}

function isAccount(user: SshUser, from: PolicyNode, account: string): boolean {
  if (user.kind === 'nonroot') return account !== 'root'
  if (user.kind === 'account') return account === user.name
  return from.tags.length === 0 && from.user.login.toLowerCase() === `${account}@${user.domain}`.toLowerCase()
}
