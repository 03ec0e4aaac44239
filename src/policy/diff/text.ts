/** Differences of policies in lines for people, as the command line prints them. */

import { openText } from './open.ts'
import type { AccountChange, Ports, PolicyDiff } from './diff.ts'
import type { Sides } from './sides.ts'
import type { Party } from './parties.ts'

/** What a node, by its number, is called. */
export type NameOf = (node: number) => string

/** Of a long list of people or devices, this many are named. */
const MOST_NAMED = 6

/** Without line ends; `+` opens, `-` closes. */
export function diffLines(diff: PolicyDiff, nameOf: NameOf): string[] {
  const lines: string[] = []
  for (const flow of diff.flows) {
    const where = `${sidesText(flow, nameOf)}${flow.families.length === 2 || isPlace(flow) ? '' : `, IPv${flow.families[0] ?? 4} only`}`
    if (flow.opens.length > 0) lines.push(`+ ${where}: ${portsText(flow.opens)}`)
    if (flow.closes.length > 0) lines.push(`- ${where}: ${portsText(flow.closes)}`)
  }
  for (const login of diff.logins)
    for (const change of login.accounts) lines.push(loginText(change, sidesText(login, nameOf)))
  for (const route of diff.routes)
    lines.push(
      `${route.told ? '+' : '-'} route ${route.route} of ${nameOf(route.node)}, told to ${partiesText(route.viewers, nameOf)}`,
    )
  for (const sight of diff.sight) lines.push(`${sight.sees ? '+' : '-'} visible ${sidesText(sight, nameOf, ' and ')}`)
  if (lines.length === 0) lines.push('Nothing changes: who may reach whom, and how, stays as it is.')
  if (!diff.complete) lines.push('This is not all: the change is too large to be compared whole.')
  return lines
}

function loginText({ account, except = [], before, after }: AccountChange, sides: string): string {
  const who = account === '*' ? `any account but ${['root', ...except].join(', ')}` : account
  const now = after === 'check' ? ', after a check' : ''
  if (before === undefined) return `+ ssh ${sides}: as ${who}${now}`
  if (after === undefined) return `- ssh ${sides}: as ${who}`
  return `${after === 'check' ? '-' : '+'} ssh ${sides}: as ${who}, ${after === 'check' ? 'now after a check' : 'now without a check'}`
}

function isPlace({ pairs }: Sides): boolean {
  return pairs === 0
}

function sidesText({ from, to, between }: Sides, nameOf: NameOf, joint = ' to '): string {
  const sides = `${partiesText(from, nameOf)}${joint}${partiesText(to, nameOf)}`
  if (between === 'all') return sides
  return between === 'own' ? `${sides}, own devices only` : `${sides}, other than own devices`
}

function partiesText(parties: readonly Party[], nameOf: NameOf): string {
  const named = parties.slice(0, MOST_NAMED).map((party) => partyText(party, nameOf))
  const rest = parties.length - named.length
  return rest > 0 ? `${named.join(', ')} and ${rest} more` : named.join(', ')
}

function partyText(party: Party, nameOf: NameOf): string {
  switch (party.kind) {
    case 'everybody':
      return 'everybody'
    case 'user':
      return `${party.login}${devicesText(party.nodes, nameOf)}`
    case 'tags':
      return `${party.tags.join('+')}${devicesText(party.nodes, nameOf)}`
    case 'addresses':
      return shortened(party.ranges).join(', ')
    case 'service':
      return `${party.service} at ${nameOf(party.node)}`
    default:
      return `${shortened(party.ranges).join(', ')} behind ${nameOf(party.node)}`
  }
}

function devicesText(nodes: readonly number[] | undefined, nameOf: NameOf): string {
  return nodes === undefined ? '' : ` (${shortened(nodes.map(nameOf)).join(', ')})`
}

function shortened(texts: readonly string[]): string[] {
  if (texts.length <= MOST_NAMED) return [...texts]
  return [...texts.slice(0, MOST_NAMED), `${texts.length - MOST_NAMED} more`]
}

function portsText(ports: readonly Ports[]): string {
  return openText(new Map(ports.map(({ protocol, ports: ranges }) => [protocol, ranges])))
}
