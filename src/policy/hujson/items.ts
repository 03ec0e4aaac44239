/** The values of a composite as one list, with the gaps before, between and after them. */

import type { HuArray, HuObject, HuValue } from './ast.ts'

export type Composite = HuObject | HuArray

export function countOf(node: Composite): number {
  return node.kind === 'array' ? node.elements.length : node.members.length
}

/** The value of an element or member. */
export function valueAt(node: Composite, index: number): HuValue | undefined {
  return node.kind === 'array' ? node.elements[index] : node.members[index]?.value
}

/** The gap before an item: after the bracket or comma before it. At the count, the gap before the closing bracket. */
export function gapAt(node: Composite, index: number): string {
  const start = node.kind === 'array' ? node.elements[index] : node.members[index]?.name
  return start === undefined ? node.closing : start.before
}

export function setGap(node: Composite, index: number, gap: string): void {
  const start = node.kind === 'array' ? node.elements[index] : node.members[index]?.name
  if (start === undefined) node.closing = gap
  else start.before = gap
}
