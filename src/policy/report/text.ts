/** A report in lines for people, as the command line prints it. */

import type { Named, PolicyReport, RuleAt } from './findings.ts'

/** Without line ends. Parts with nothing to say are left out. */
export function reportLines(report: PolicyReport): string[] {
  const { reach, openToAll, unreachable, redundant, unused, ownerless } = report
  const { pairs, openPairs, portShare, widest, complete } = reach
  return [
    `${report.nodes} nodes of ${report.users} users`,
    `${openPairs} of ${pairs} pairs have something open (${percent(pairs === 0 ? 0 : openPairs / pairs)})`,
    `${percent(portShare)} of all TCP and UDP ports between them are open`,
    ...(complete ? [] : ['The tailnet is too large to be counted whole: there is more than these numbers say.']),
    ...part('Open to everybody:', openToAll, ({ rule, outside, opens }) => {
      const where = outside ? ', even from outside the tailnet' : ''
      return `${ruleText(rule)}${where}: ${opens.length === 0 ? 'capabilities only' : opens.join('; ')}`
    }),
    ...part('Lets nobody through as the tailnet is:', unreachable, ({ rule, lacks }) =>
      lacks === 'sources' ? `${ruleText(rule)}: it has no sources` : `${ruleText(rule)}: it leads nowhere`,
    ),
    ...part(
      'Changes nothing, since other rules allow the same:',
      redundant,
      ({ rule, by }) => `${ruleText(rule)}, because of ${by.map(ruleText).join(', ')}`,
    ),
    ...part('Groups that nothing uses:', unused.groups, namedText),
    ...part('Hosts that nothing uses:', unused.hosts, namedText),
    ...part('IP sets that nothing uses:', unused.ipsets, namedText),
    ...part('Postures that nothing uses:', unused.postures, namedText),
    ...part('Tags that nothing uses and no node carries:', unused.tags, namedText),
    ...part('Tags whose owners are nobody in this tailnet:', ownerless, namedText),
    ...part('Reach the most nodes:', widest, ({ login, nodes }) => `${login}: ${nodes}`),
  ]
}

function part<T>(title: string, found: readonly T[], text: (one: T) => string): string[] {
  return found.length === 0 ? [] : [title, ...found.map((one) => `  ${text(one)}`)]
}

function percent(share: number): string {
  const value = share * 100
  // A little is not nothing.
  return value > 0 && value < 0.1 ? 'less than 0.1%' : `${Number(value.toFixed(1))}%`
}

function ruleText({ kind, index, at }: RuleAt): string {
  if (kind === 'default') return 'there are neither grants nor acls, which allows everything'
  const section = kind === 'grant' ? 'grants' : kind === 'acl' ? 'acls' : 'ssh'
  return `${section}[${index}] (line ${at.line}, column ${at.column})`
}

function namedText({ name, at }: Named): string {
  return at === undefined ? name : `${name} (line ${at.line}, column ${at.column})`
}
