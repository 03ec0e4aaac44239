/** Do two trees say the same? For a patch's `test`. */

import type { HuNode } from './ast.ts'
import { canonicalLiteral } from './literal.ts'
import { walk } from './walk.ts'

/**
 * Compares as the reference does: what Go's JSON reader makes of either. Order of members, ways of writing numbers and
 * strings, and comments don't matter; of members of one name the last counts. What that reader refuses equals nothing,
 * and neither does a `null` that isn't within something.
 */
export function sameMeaning(a: HuNode, b: HuNode): boolean {
  const left = meaningOf(a)
  const right = meaningOf(b)
  return left !== undefined && right !== undefined && left !== null && same(left, right)
}

/** What JSON makes of it; `undefined` when a number is out of range. */
function meaningOf(node: HuNode): unknown {
  const parts: string[] = []
  let valid = true
  walk({ before: '', start: 0, node, end: 0, after: '' }, (part, text) => {
    if (part !== 'token') return
    if (/^[-0-9]/.test(text) && !Number.isFinite(Number(text))) valid = false
    parts.push(canonicalLiteral(text.toWellFormed()))
  })
  return valid ? JSON.parse(parts.join('')) : undefined
}

function same(a: unknown, b: unknown): boolean {
  const pairs: [unknown, unknown][] = [[a, b]]
  for (let pair = pairs.pop(); pair !== undefined; pair = pairs.pop()) {
    const [left, right] = pair
    if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) {
      if (left !== right) return false
      continue
    }
    if (Array.isArray(left) !== Array.isArray(right)) return false
    const names = Object.keys(left)
    if (names.length !== Object.keys(right).length) return false
    for (const name of names) {
      if (!Object.hasOwn(right, name)) return false
      pairs.push([(left as Record<string, unknown>)[name], (right as Record<string, unknown>)[name]])
    }
  }
  return true
}
