/** JSON pointers (RFC 6901) into a tree. */

import type { HuValue } from './ast.ts'
import { countOf, valueAt } from './items.ts'
import type { Composite } from './items.ts'
import { unquote } from './literal.ts'

/** What a pointer points at. */
export type Place =
  | { readonly kind: 'root' }
  | { readonly kind: 'item'; readonly node: Composite; readonly index: number; readonly value: HuValue }
  /** Nothing is there, but its parent is. `index` is where it would be: the count for a new member and for `-`. */
  | { readonly kind: 'free'; readonly node: Composite; readonly index: number; readonly name: string }
  | { readonly kind: 'absent' }
  | { readonly kind: 'invalid'; readonly why: string }

/** The value at a pointer such as `/acls/0/src`; `undefined` when there is none. Of members of one name, the first. */
export function find(root: HuValue, pointer: string): HuValue | undefined {
  const place = locate(root, pointer)
  return place.kind === 'root' ? root : place.kind === 'item' ? place.value : undefined
}

export function locate(root: HuValue, pointer: string): Place {
  if (pointer === '') return { kind: 'root' }
  if (!pointer.startsWith('/')) return { kind: 'invalid', why: 'pointer: lacks a forward slash prefix' }
  const tokens = pointer.slice(1).split('/')
  let value = root
  for (const [depth, token] of tokens.entries()) {
    const { node } = value
    if (node.kind === 'literal') {
      const at = tokens.slice(0, depth).map((t) => `/${t}`)
      return { kind: 'invalid', why: `pointer: cannot index into literal at ${at.join('')}` }
    }
    const name = token.replaceAll('~1', '/').replaceAll('~0', '~')
    const index = node.kind === 'array' ? indexOf(name, countOf(node)) : memberOf(node, name)
    if (index === undefined) return { kind: 'invalid', why: `array index: ${name}` }
    const found = valueAt(node, index)
    const isLast = depth === tokens.length - 1
    if (found === undefined) return isLast ? { kind: 'free', node, index, name } : { kind: 'absent' }
    if (isLast) return { kind: 'item', node, index, value: found }
    value = found
  }
  return { kind: 'absent' }
}

const MAX_UINT64 = 18_446_744_073_709_551_615n

/** An array index, at most the count; `undefined` when it isn't one. Zeros may lead, but not to zero, as in the reference. */
function indexOf(name: string, count: number): number | undefined {
  if (name === '-') return count
  if (!/^[0-9]+$/.test(name) || /^00+$/.test(name)) return undefined
  const digits = name.replace(/^0+(?=.)/, '')
  if (digits.length > 20 || BigInt(digits) > MAX_UINT64) return undefined
  return Math.min(Number(digits), count)
}

function memberOf(node: Composite & { kind: 'object' }, name: string): number {
  const index = node.members.findIndex(
    (member) => member.name.node.kind === 'literal' && unquote(member.name.node.text) === name,
  )
  return index < 0 ? node.members.length : index
}
