/** Copies trees. */

import type { HuValue } from './ast.ts'
import { countOf, valueAt } from './items.ts'
import { pack } from './pack.ts'
import { parseText } from './parse.ts'

/** A tree of its own that has the same text; its offsets are those of that text. */
export function copyOf(value: HuValue): HuValue {
  return parseText(pack(value))
}

/**
 * A copy as the reference's `Clone` makes it: a trailing comma right behind its value is lost, since what tells of it
 * there, an empty text instead of none, doesn't survive. Patches copy so.
 */
export function withoutBareCommas(value: HuValue): HuValue {
  const copy = copyOf(value)
  const pending: HuValue[] = [copy]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { node } = next
    if (node.kind === 'literal') continue
    if (valueAt(node, countOf(node) - 1)?.after === '') node.trailingComma = false
    for (let i = 0; i < countOf(node); i++) pending.push(valueAt(node, i) as HuValue)
  }
  return copy
}
