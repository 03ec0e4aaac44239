/** `nodeAttrs`: what nodes are told of themselves, and where their addresses come from. (policy.md §11) */

import { CGNAT, RESERVED4 } from '../../base/address-plan.ts'
import { formatPrefix, maskPrefix, parsePrefix, prefixCovers } from '../../base/ip.ts'
import type { Prefix } from '../../base/ip.ts'
import { quoteText } from '../hujson/errors.ts'
import type { NodeAttrs, Selector } from '../policy.ts'
import type { Steps } from '../steps.ts'
import { readAppConnectors } from './app-connectors.ts'
import type { Names } from './names.ts'
import { fieldNames } from './part.ts'
import type { Part, Written } from './part.ts'
import { PolicyRefusal } from './refusal.ts'
import { isFault, isLegal, readSelector } from './selectors.ts'

const FIELDS = fieldNames('target', 'attr', 'app', 'ipPool')

export function readNodeAttrs(section: Part, names: Names): Steps<NodeAttrs[]> {
  return section.each(function* (part, index) {
    const fields = part.fields(FIELDS)
    const app = fields.get('app')
    return {
      index,
      at: fields.at,
      targets: yield* fields.eachWord('target', (written) => readTarget(written, names)),
      attrs: yield* fields.eachWord('attr', ({ text, at }) => {
        if (text === '') throw new PolicyRefusal('attr values cannot be empty', at)
        return text
      }),
      app: app === undefined ? new Map<string, readonly unknown[]>() : yield* readAppConnectors(app, names),
      ipPool: yield* fields.eachWord('ipPool', readPool),
    }
  })
}

function readTarget(written: Written, names: Names): Selector {
  const { text, at } = written
  const read = readSelector(written, names)
  if (isFault(read)) throw new PolicyRefusal(read.fault, at)
  if (isLegal(read, 'target')) return read
  // The service has no message for this one: it answers so.
  if (read.kind === 'autogroup' && read.autogroup === 'self')
    throw new PolicyRefusal('internal server error', at, { status: 500 })
  throw new PolicyRefusal(`target ${quoteText(text)} is not valid: want devices, people, tags or addresses`, at)
}

function readPool({ text, at }: Written): Prefix {
  const refuse = (fact: string): PolicyRefusal => new PolicyRefusal(`IPPool(${text}): ${fact}`, at)
  const prefix = parsePrefix(text)
  if (prefix === undefined) throw refuse('want a prefix, such as "100.81.0.0/16"')
  const pool = maskPrefix(prefix)
  if (!prefixCovers(CGNAT, pool)) throw refuse(`network not within ${formatPrefix(CGNAT)}`)
  if (RESERVED4.some((reserved) => prefixCovers(reserved, pool))) throw refuse('network within reserved range')
  return pool
}
