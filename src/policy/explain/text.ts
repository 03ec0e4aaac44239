/** An explanation in lines for people, as the command line prints it. */

import { protocolName } from '../traffic-text.ts'
import type { Place } from '../policy.ts'
import type {
  Edit,
  End,
  Explanation,
  Fact,
  Failing,
  FlowExplanation,
  Naming,
  NearMiss,
  Obstacle,
  Passing,
  RuleRef,
} from './explanation.ts'

/** What a node, by its number, is called. */
export type NameOf = (node: number) => string

/** Indented by two spaces a level; without line ends. */
export function explanationLines(explanation: Explanation, nameOf: NameOf): string[] {
  const { flows, protocol, port, omitted } = explanation
  if (flows.length === 0) return [`refused: ${whyNone(explanation.missing)}`]
  const what = `${protocolName(protocol)}${port === 0 ? '' : ` ${port}`}`
  const lines = flows.flatMap((flow) => flowLines(flow, what, nameOf))
  if (explanation.verdict === 'in part') {
    const allowed = flows.filter((flow) => flow.allowed).length
    lines.unshift(`allowed in part: ${allowed} of ${flows.length} flows`)
  }
  if (omitted > 0) lines.push(`and ${omitted} more pairs of devices, which are not listed`)
  return lines
}

function whyNone(missing: Explanation['missing'] = []): string {
  if (missing.length === 2) return 'there is no device at either end'
  if (missing.length === 0) return 'one end has IPv4 addresses only, and the other IPv6'
  return missing[0] === 'src' ? 'there is no device that would send it' : 'there is no device that it would go to'
}

function flowLines(flow: FlowExplanation, what: string, nameOf: NameOf): string[] {
  const { from, to, allowed, through, service, by, obstacles, near, remedies } = flow
  const [source, target] = [endText(from, nameOf), endText(to, nameOf)]
  const lines = [`${allowed ? 'allowed' : 'refused'}: ${source} to ${target}, ${what}`]
  if (through !== undefined && obstacles.length === 0)
    lines.push(
      through.exit
        ? `  through exit node ${nameOf(through.node)}`
        : `  in ${through.route}, routed by ${nameOf(through.node)}`,
    )
  if (service?.host !== undefined && obstacles.length === 0)
    lines.push(`  to ${service.name}, which ${nameOf(service.host)} hosts`)
  const [sender, receiver] = [nodeOf(from, nameOf), nodeOf(to, nameOf)]
  for (const passing of by)
    if (allowed) lines.push(...passingLines(passing, sender, receiver).map((line) => `  ${line}`))
  if (allowed) lines.push(`  Answers need no rule: what comes back on the same connection passes.`)
  for (const obstacle of obstacles) lines.push(`  ${obstacleText(obstacle, nameOf)}`)
  if (near.length > 0) lines.push('  What comes closest:')
  for (const miss of near) lines.push(...missLines(miss, sender).map((line) => `    ${line}`))
  if (!allowed && near.length === 0 && obstacles.length === 0) lines.push('  No rule is about these two.')
  if (remedies.length > 0) lines.push('  Any of these would allow it:')
  for (const { edits } of remedies) lines.push(`    - ${edits.map((edit) => editText(edit, nameOf)).join('; and ')}`)
  return lines
}

function endText({ addresses, node }: End, nameOf: NameOf): string {
  return node === undefined ? addresses.join(', ') : `${nameOf(node)} (${addresses.join(', ')})`
}

function nodeOf({ addresses, node }: End, nameOf: NameOf): string {
  return node === undefined ? (addresses[0] ?? '') : nameOf(node)
}

function passingLines(passing: Passing, sender: string, receiver: string): string[] {
  const { rule, source, destination, traffic, posture, via, own } = passing
  return [
    `by ${ruleText(rule)}, which opens ${traffic}`,
    ...source.map((naming) => `  source ${namingText(naming, sender)}`),
    `  destination ${namingText(destination, receiver)}`,
    ...(own ? ['  both are devices of one person'] : []),
    ...(posture === undefined ? [] : [`  ${sender} meets ${posture}`]),
    ...(via.length === 0 ? [] : [`  by way of ${via.join(', ')}`]),
  ]
}

function ruleText({ kind, index, at }: RuleRef): string {
  if (kind === 'default') return 'default: a policy without grants and acls allows everything'
  return `${kind === 'grant' ? 'grants' : 'acls'}[${index}] ${placeText(at)}`
}

function placeText({ line, column }: Place): string {
  return `(line ${line}, column ${column})`
}

function namingText({ text, at, why }: Naming, who: string): string {
  const fact = factText(why, who)
  return `${text} ${placeText(at)}${fact === '' ? '' : `: ${fact}`}`
}

function factText(fact: Fact, who: string): string {
  switch (fact.kind) {
    case 'any':
      return ''
    case 'user':
      return `${who} belongs to ${fact.login}`
    case 'domain':
      return `${who} belongs to ${fact.login}, who is of ${fact.domain}`
    case 'group':
      return `${fact.login} is in ${fact.group} ${placeText(fact.at)}`
    case 'synced-group':
      return `${fact.login} is in ${fact.group}, as their identity provider says`
    case 'tag':
      return `${who} carries ${fact.tag}`
    case 'autogroup':
      if (fact.autogroup === 'tagged') return `${who} carries a tag`
      if (fact.autogroup === 'member') return `${who} belongs to ${fact.login ?? 'a member'}`
      if (fact.autogroup === 'shared') return `it is shared to ${fact.login ?? who}`
      if (fact.autogroup === 'self' || fact.login === undefined) return ''
      return `${fact.login} has the role ${fact.autogroup}`
    case 'prefix': {
      const named =
        fact.host === undefined || fact.at === undefined ? '' : `, which ${fact.host} stands for ${placeText(fact.at)}`
      return `${fact.address} is in ${fact.prefix}${named}`
    }
    case 'ipset':
      return `${fact.address} is in ${fact.ipset}${fact.at === undefined ? '' : ` ${placeText(fact.at)}`}`
    case 'service':
      return `it is an address of ${fact.service}`
    default:
      return ''
  }
}

function missLines({ rule, destination, at, failing }: NearMiss, sender: string): string[] {
  return [
    `${ruleText(rule)} to ${destination} ${placeText(at)}:`,
    ...failing.flatMap((one) => failingLines(one, sender).map((line) => `  ${line}`)),
  ]
}

function failingLines(failing: Failing, sender: string): string[] {
  switch (failing.kind) {
    case 'source':
      return [`${sender} is none of its sources`]
    case 'own':
      return ['it is for devices of one person only']
    case 'posture':
      return failing.postures.flatMap(({ posture, at, assertions }) => [
        `${sender} does not meet ${posture} ${placeText(at)}`,
        ...assertions.map(({ text, at: where, attribute, value }) => {
          const is = value === undefined ? 'is not set' : `is ${JSON.stringify(value)}`
          return `  ${text} ${placeText(where)}: ${attribute} ${is}`
        }),
      ])
    case 'destination':
      return ['it does not lead there']
    case 'via':
      return [`it leads through routers with ${failing.tags.join(' or ')} only`]
    case 'protocol':
      return [`wrong protocol: it opens ${failing.traffic}`]
    case 'port':
      return [`wrong port: it opens ${failing.traffic}`]
    default:
      return ['it gives capabilities and opens no ports']
  }
}

function obstacleText(obstacle: Obstacle, nameOf: NameOf): string {
  switch (obstacle.kind) {
    case 'no route':
      return obstacle.exit
        ? `Nobody carries ${obstacle.address}: there is no approved route or exit node for it.`
        : `Nobody carries ${obstacle.address}: there is no approved route for it.`
    case 'not approved':
      return `${nameOf(obstacle.node)} offers ${obstacle.route}, which is not approved.`
    case 'itself':
      return `${nameOf(obstacle.node)} carries ${obstacle.route} itself: what it sends there does not cross the tailnet.`
    case 'from service':
      return `${obstacle.service} opens no connections.`
    case 'no host':
      return `No device is approved as a host of ${obstacle.service}.`
    case 'own service':
      return `The sender hosts ${obstacle.service}: what it sends there does not cross the tailnet.`
    case 'not offered':
      return `${obstacle.service} takes ${obstacle.ports} only.`
    case 'not shared':
      return obstacle.node === undefined
        ? `Nothing that is shared to ${obstacle.login} leads there: subnets and Services are not shared, and exit nodes only where the invitation says so.`
        : `${nameOf(obstacle.node)} is not shared to ${obstacle.login}.`
    case 'one way':
      return `What is shared to ${obstacle.login} does not reach their devices.`
    default:
      return obstacle.exit
        ? `The sender may not use ${nameOf(obstacle.node)} as its exit node.`
        : `The sender is not told that ${nameOf(obstacle.node)} carries ${obstacle.route}.`
  }
}

function editText(edit: Edit, nameOf: NameOf): string {
  switch (edit.kind) {
    case 'approve route':
      return `approve ${edit.route} of ${nameOf(edit.node)}`
    case 'add to group':
      return `add "${edit.login}" to "${edit.group}" ${placeText(edit.at)}`
    case 'add source':
      return `add "${edit.text}" to src of ${ruleText(edit.rule)}`
    case 'add destination':
      return `add "${edit.text}" to dst of ${ruleText(edit.rule)}`
    case 'add port':
      return `add port ${edit.port} to "${edit.destination}" of ${ruleText(edit.rule)}`
    case 'add ip':
      return `add "${edit.text}" to ip of ${ruleText(edit.rule)}`
    case 'meet posture':
      return `have the device meet ${edit.posture}: ${edit.assertions.join(', ')}`
    default:
      return `add a grant {"src": ${JSON.stringify(edit.src)}, "dst": ["${edit.dst}"], "ip": ["${edit.ip}"]}`
  }
}
