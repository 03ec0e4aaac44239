/** `postures` and `attrConfig`: conditions on devices, and the attributes of one's own that they may ask for. (policy.md §12) */

import { quoteText } from '../hujson/errors.ts'
import type { Assertion, AttributeConfig, AttributeValue, Posture } from '../policy.ts'
import type { Steps } from '../steps.ts'
import { readAssertion } from './assertions.ts'
import { fieldNames } from './part.ts'
import type { Part } from './part.ts'
import { PolicyRefusal } from './refusal.ts'

const CONFIG_FIELDS = fieldNames('type', 'allowSetByNode', 'broadcastToPeers')
const TYPES: ReadonlySet<string> = new Set<AttributeConfig['type']>(['string', 'bool', 'number'])
const MAX_ATTRIBUTE = 128

/** @param declared what `attrConfig` says of the types of attributes */
export function* readPostures(
  section: Part,
  declared: ReadonlyMap<string, AttributeConfig>,
): Steps<ReadonlyMap<string, Posture>> {
  const postures = new Map<string, Posture>()
  for (const { name, at, value } of yield* section.entries()) {
    if (section.pace.spent()) yield
    if (!/^posture:[^\s@:]+$/.test(name))
      throw new PolicyRefusal(`${value.what}: a posture must be named "posture:" and a name without blanks`, at)
    const assertions: Assertion[] = []
    for (const written of value.isNull ? [] : yield* value.words()) {
      const read = yield* readAssertion(written, section.pace)
      const fault = typeof read === 'string' ? read : typeFault(read, declared)
      if (fault !== undefined) throw new PolicyRefusal(`${value.what}: ${fault}`, written.at)
      assertions.push(read as Assertion)
      if (section.pace.spent()) yield
    }
    if (assertions.length === 0) throw new PolicyRefusal(`${value.what}: a posture must assert something`, at)
    postures.set(name, { name, at, assertions })
  }
  return postures
}

export function* readAttributeConfig(section: Part): Steps<ReadonlyMap<string, AttributeConfig>> {
  const configs = new Map<string, AttributeConfig>()
  const seen = new Set<string>()
  for (const { name, at, value } of yield* section.entries()) {
    if (section.pace.spent()) yield
    if (!/^custom:[A-Za-z0-9_:]+$/.test(name) || name.length > MAX_ATTRIBUTE)
      throw new PolicyRefusal(
        `${value.what}: an attribute must be "custom:" and letters, digits, "_" and ":", ${MAX_ATTRIBUTE} at most`,
        at,
      )
    if (seen.has(name.toLowerCase()))
      throw new PolicyRefusal(`${value.what}: differs from another attribute in letter case only`, at)
    seen.add(name.toLowerCase())
    const fields = value.fields(CONFIG_FIELDS)
    const type = fields.get('type')
    const word = type?.string().trim() ?? ''
    if (!TYPES.has(word))
      throw new PolicyRefusal(
        `${value.what}: type ${quoteText(word)} must be "string", "bool" or "number"`,
        type?.at ?? at,
      )
    configs.set(name, {
      type: word as AttributeConfig['type'],
      allowSetByNode: fields.boolean('allowSetByNode'),
      broadcastToPeers: yield* fields.eachWord('broadcastToPeers', ({ text }) => text),
    })
  }
  return configs
}

/** What an assertion says of an attribute that is declared to be of another type. */
function typeFault(assertion: Assertion, declared: ReadonlyMap<string, AttributeConfig>): string | undefined {
  const type = declared.get(assertion.attribute)?.type
  const values = 'values' in assertion ? assertion.values : 'value' in assertion ? [assertion.value] : []
  if (type === undefined) return undefined
  return values.every((value) => typeOf(value) === type)
    ? undefined
    : `${quoteText(assertion.text)}: attrConfig declares ${assertion.attribute} to be a ${type}`
}

function typeOf(value: AttributeValue): AttributeConfig['type'] {
  return typeof value === 'boolean' ? 'bool' : typeof value === 'number' ? 'number' : 'string'
}
