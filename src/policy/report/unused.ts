/** Names that a policy defines and nothing in it uses; tags that nobody owns. */

import { formatPrefix, maskPrefix } from '../../base/ip.ts'
import { People } from '../people.ts'
import type { Place, Policy, Selector } from '../policy.ts'
import { Pace } from '../steps.ts'
import type { Steps } from '../steps.ts'
import type { PolicyTailnet } from '../tailnet.ts'
import type { Named, PolicyReport } from './findings.ts'

export function unusedNames(policy: Policy, { nodes, services = [] }: PolicyTailnet): PolicyReport['unused'] {
  const used = usedNames(policy)
  for (const { tags } of [...nodes, ...services]) for (const tag of tags) used.add(tag)
  const rest = (map: ReadonlyMap<string, { readonly at?: Place }>): Named[] =>
    [...map]
      .filter(([name]) => !used.has(name))
      .map(([name, { at }]) => ({ name, ...(at === undefined ? {} : { at }) }))
  const steps = new Set<string>()
  for (const step of [...policy.ipsets.values()].flat())
    if (step.target.kind === 'prefix') steps.add(formatPrefix(maskPrefix(step.target.prefix)))
  const ipsets = new Map(
    [...policy.ipsets].map(([name, [first]]) => [name, first === undefined ? {} : { at: first.at }]),
  )
  return {
    groups: rest(policy.groups),
    // A checked ipset no longer tells whether a prefix in it was written as a host.
    hosts: rest(policy.hosts).filter(({ name }) => {
      const host = policy.hosts.get(name)
      return host === undefined || !steps.has(formatPrefix(maskPrefix(host.prefix)))
    }),
    ipsets: rest(ipsets),
    postures: rest(policy.postures),
    tags: rest(policy.tagOwners),
  }
}

function usedNames(policy: Policy): Set<string> {
  const used = new Set<string>()
  const names = (texts: Iterable<string>): void => {
    for (const text of texts) used.add(text)
  }
  const { routes, exitNode, services } = policy.autoApprovers
  const owners = [...policy.tagOwners.values()].flatMap((tag) => tag.owners)
  for (const selector of [
    ...[...policy.rules, ...policy.ssh].flatMap(({ sources }) => sources),
    ...policy.rules.flatMap(({ destinations }) => destinations.map(({ target }) => target)),
    ...policy.ssh.flatMap(({ destinations }) => destinations),
    ...policy.nodeAttrs.flatMap(({ targets }) => targets),
    ...owners,
    ...routes.flatMap(({ approvers }) => approvers),
    ...exitNode,
    ...[...services.values()].flat(),
  ])
    used.add(nameOf(selector))
  names(services.keys())
  for (const { via, postures } of policy.rules) names([...via, ...postures])
  for (const { recorder, postures } of policy.ssh) names([...recorder, ...postures])
  for (const { target } of [...policy.ipsets.values()].flat()) if (target.kind === 'ipset') used.add(target.ipset)
  for (const { src, accept, deny } of policy.tests)
    names([src, ...[...accept, ...deny].map(({ text }) => hostOf(text))])
  for (const { src, dst } of policy.sshTests) names([src, ...dst.map(({ text }) => text)])
  // Capabilities name tags in ways of their own: recorders, connectors.
  for (const { app } of [...policy.rules, ...policy.nodeAttrs]) tagsIn([...app.values()], used)
  return used
}

function nameOf(selector: Selector): string {
  switch (selector.kind) {
    case 'group':
      return selector.group
    case 'tag':
      return selector.tag
    case 'prefix':
      return selector.host ?? ''
    case 'ipset':
      return selector.ipset
    default:
      return ''
  }
}

function hostOf(text: string): string {
  return text.slice(0, text.lastIndexOf(':')).trim()
}

/** Values are no deeper than a policy may be. */
function tagsIn(value: unknown, into: Set<string>): void {
  if (typeof value === 'string') into.add(value)
  else if (typeof value === 'object' && value !== null) for (const one of Object.values(value)) tagsIn(one, into)
}

/** People who are asked in one step whether they are the owner. */
const USERS_PER_STEP = 10_000

/** Tags whose owners are all nobody: people and groups without anybody in the tailnet, tags that no node carries. */
export function* ownerlessTags(policy: Policy, { users, nodes }: PolicyTailnet): Steps<Named[]> {
  const pace = new Pace(USERS_PER_STEP)
  const people = new People(policy)
  const carried = new Set(nodes.flatMap(({ tags }) => tags))
  const isSomebody = (owner: Selector): boolean => {
    if (owner.kind === 'tag') return carried.has(owner.tag)
    if (owner.kind === 'autogroup' && owner.autogroup === 'tagged') return carried.size > 0
    return users.some((user) => people.includes(owner, user))
  }
  const ownerless: Named[] = []
  for (const { tag, at, owners } of policy.tagOwners.values()) {
    let isOwned = false
    for (const owner of owners) {
      if (pace.spent(1 + users.length)) yield
      isOwned = isSomebody(owner)
      if (isOwned) break
    }
    if (!isOwned) ownerless.push({ name: tag, at })
  }
  return ownerless
}
