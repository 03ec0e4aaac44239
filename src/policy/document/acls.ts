/** `acls`: network access in its older form, with ports beside each destination; the oldest names too. (policy.md §6) */

import { quoteText } from '../hujson/errors.ts'
import type { AccessRule, Destination, Selector } from '../policy.ts'
import type { Pace, Steps } from '../steps.ts'
import type { Names } from './names.ts'
import { fieldNames } from './part.ts'
import type { Part, Written } from './part.ts'
import { portlessFault, readPortList } from './ports.ts'
import { readProtocol } from './protocols.ts'
import { PolicyRefusal } from './refusal.ts'
import { ruleOfPostures } from './rule-postures.ts'
import { checkSelf, readSource, readTarget } from './rule-sides.ts'

const FIELDS = fieldNames('action', 'src', 'users', 'dst', 'ports', 'proto', 'srcPosture')
const NOTHING: ReadonlyMap<string, readonly unknown[]> = new Map()

interface Protocol {
  readonly name: string
  readonly number: number
}

/** @param defaultPostures for rules that name none */
export function readAcls(section: Part, names: Names, defaultPostures: readonly string[]): Steps<AccessRule[]> {
  return section.each((part, index) => readAcl(part, index, names, defaultPostures))
}

function* readAcl(part: Part, index: number, names: Names, defaultPostures: readonly string[]): Steps<AccessRule> {
  const fields = part.fields(FIELDS)
  const action = fields.get('action')
  const word = action?.string().trim() ?? ''
  if (word !== 'accept') throw new PolicyRefusal(`action=${quoteText(word)} is not supported`, action?.at ?? fields.at)
  const protocol = readProto(fields.get('proto'))
  const from = fields.either('src', 'users')
  const sources = from === undefined ? [] : yield* from.eachWord((written) => readSource(written, names))
  const to = fields.either('dst', 'ports')
  const destinations: Destination[] = []
  for (const written of to === undefined ? [] : yield* to.words()) {
    if (part.pace.spent()) yield
    destinations.push(yield* readDestination(written, protocol, names, part.pace))
  }
  const targets: readonly Selector[] = destinations.map(({ target }) => target)
  checkSelf(sources, targets, 'any')
  return {
    kind: 'acl',
    index,
    at: fields.at,
    sources,
    destinations,
    app: NOTHING,
    via: [],
    postures: yield* ruleOfPostures(fields.get('srcPosture'), names, defaultPostures),
  }
}

function readProto(part: Part | undefined): Protocol | undefined {
  const name = part?.string().trim() ?? ''
  if (part === undefined || name === '') return undefined
  const number = readProtocol(name)
  if (typeof number === 'string') throw new PolicyRefusal(number, part.at)
  return { name, number }
}

/** `target:ports`; an IPv6 address may have brackets around it. The ports are judged first, as the service does. */
function* readDestination(
  { text, at }: Written,
  protocol: Protocol | undefined,
  names: Names,
  pace: Pace,
): Steps<Destination> {
  const refuse = (fault: string): PolicyRefusal => new PolicyRefusal(`dst=${quoteText(text)}: ${fault}`, at)
  const colon = text.lastIndexOf(':')
  if (colon < 0) throw refuse('ports are missing: want "target:ports", such as "server:22" or "server:*"')
  const ports = yield* readPortList(text.slice(colon + 1), pace)
  if (typeof ports === 'string') throw refuse(ports)
  const bare = text
    .slice(0, colon)
    .trim()
    .replace(/^\[([^\]]*)\](\/\d+)?$/, '$1$2')
  const target = readTarget({ text: bare, at }, names)
  if (protocol === undefined) return { target, traffic: [{ ports }] }
  const fault = portlessFault(protocol.number, protocol.name, ports)
  if (fault !== undefined) throw refuse(fault)
  return { target, traffic: [{ protocol: protocol.number, ports }] }
}
