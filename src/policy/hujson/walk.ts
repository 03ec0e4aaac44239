/** Goes through a tree in the order of its text, without recursion: trees may be as deep as their text is long. */

import { finish, Pace } from '../steps.ts'
import type { Steps } from '../steps.ts'
import type { HuNode, HuValue } from './ast.ts'

/** Values that are gone through in one step. */
const VALUES_PER_STEP = 4000

/** Blanks and comments; what JSON needs; the comma that JSON doesn't know. */
export type Part = 'extra' | 'token' | 'trailing-comma'

/** Shows every part of the text of `root`, first to last; extras may be empty. */
export function walk(root: HuValue, show: (part: Part, text: string) => void): void {
  finish(walkInSteps(root, show))
}

/** The same in steps. */
export function* walkInSteps(root: HuValue, show: (part: Part, text: string) => void): Steps<void> {
  const pace = new Pace(VALUES_PER_STEP)
  const opened: { readonly value: HuValue; next: number }[] = []
  let value: HuValue | undefined = root
  for (;;) {
    if (pace.spent()) yield
    if (value !== undefined) {
      show('extra', value.before)
      if (value.node.kind === 'literal') {
        show('token', value.node.text)
        show('extra', value.after)
      } else {
        show('token', value.node.kind === 'object' ? '{' : '[')
        opened.push({ value, next: 0 })
      }
    }
    const inside = opened.at(-1)
    if (inside === undefined) return
    const { node, after } = inside.value
    if (node.kind === 'literal') throw new Error('A literal holds nothing')
    const index = inside.next++
    value = childAt(node, index)
    if (value === undefined) {
      if (node.trailingComma) show('trailing-comma', ',')
      show('extra', node.closing)
      show('token', node.kind === 'object' ? '}' : ']')
      show('extra', after)
      opened.pop()
    } else if (index > 0) show('token', node.kind === 'object' && index % 2 === 1 ? ':' : ',')
  }
}

/** The values within: elements of an array; names and values of an object in turn. */
export function childAt(node: HuNode, index: number): HuValue | undefined {
  if (node.kind === 'array') return node.elements[index]
  if (node.kind === 'literal') return undefined
  const member = node.members[index >> 1]
  return index % 2 === 0 ? member?.name : member?.value
}
