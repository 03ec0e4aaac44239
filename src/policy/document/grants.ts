/** `grants`: network and application access. (policy.md §5) */

import type { AccessRule, Selector } from '../policy.ts'
import type { Steps } from '../steps.ts'
import { capabilityFault } from './capabilities.ts'
import type { Names } from './names.ts'
import { fieldNames } from './part.ts'
import type { Part, Written } from './part.ts'
import { gatherTraffic, readTraffic } from './ports.ts'
import type { TrafficEntry } from './ports.ts'
import { ruleOfPostures } from './rule-postures.ts'
import { PolicyRefusal } from './refusal.ts'
import { checkSelf, readSource, readTarget } from './rule-sides.ts'

const FIELDS = fieldNames('src', 'dst', 'ip', 'app', 'via', 'srcPosture')

/** @param defaultPostures for grants that name none */
export function readGrants(section: Part, names: Names, defaultPostures: readonly string[]): Steps<AccessRule[]> {
  return section.each((part, index) => readGrant(part, index, names, defaultPostures))
}

function* readGrant(part: Part, index: number, names: Names, defaultPostures: readonly string[]): Steps<AccessRule> {
  const fields = part.fields(FIELDS)
  const traffic = gatherTraffic(yield* fields.eachWord('ip', readEntry))
  const app = yield* readApp(fields.get('app'))
  if (traffic.length === 0 && app.size === 0) throw new PolicyRefusal('ip and app can not both be empty', fields.at)
  const sources = yield* fields.eachWord('src', (written) => readSource(written, names))
  const targets = yield* fields.eachWord('dst', (written) => readTarget(written, names))
  checkSelf(sources, targets)
  const internet = targets.find((target) => target.kind === 'autogroup' && target.autogroup === 'internet')
  if (internet !== undefined && app.size > 0)
    throw new PolicyRefusal('cannot use app grants with autogroup:internet', internet.at)
  return {
    kind: 'grant',
    index,
    at: fields.at,
    sources,
    destinations: targets.map((target: Selector) => ({ target, traffic })),
    app,
    via: yield* fields.eachWord('via', (written) => readVia(written, names)),
    postures: yield* ruleOfPostures(fields.get('srcPosture'), names, defaultPostures),
  }
}

function readEntry({ text, at }: Written): TrafficEntry {
  const read = readTraffic(text)
  if (typeof read === 'string') throw new PolicyRefusal(read, at)
  return read
}

function* readApp(section: Part | undefined): Steps<ReadonlyMap<string, readonly unknown[]>> {
  const app = new Map<string, readonly unknown[]>()
  for (const { name, at, value } of section === undefined ? [] : yield* section.entries()) {
    const fault = capabilityFault(name)
    if (fault !== undefined) throw new PolicyRefusal(fault, at)
    app.set(name, value.isNull ? [] : yield* value.each((part) => part.json()))
  }
  return app
}

function readVia({ text, at }: Written, { tags }: Names): string {
  if (!text.startsWith('tag:')) throw new PolicyRefusal('via can only be a tag', at)
  if (!tags.has(text)) throw new PolicyRefusal(`tag ${JSON.stringify(text)} not found`, at)
  return text
}
