/** Finds where a policy names a person. */

import { positionsIn, parse } from '../../policy/hujson/index.ts'
import type { HuValue } from '../../policy/hujson/index.ts'
import { isString, unquote } from '../../policy/hujson/literal.ts'
import type { Place } from '../../wire/api/objects.ts'

export interface Mention extends Place {
  /** The section it stands in, such as `groups` or `tests`. */
  readonly section: string
}

/** In the order of the text; empty for what is no policy. */
export function mentionsOf(text: string, login: string): Mention[] {
  const placeOf = positionsIn(text)
  const found: Mention[] = []
  const wanted = login.toLowerCase()
  const walk = ({ node, start }: HuValue, section: string): void => {
    if (node.kind === 'array') for (const element of node.elements) walk(element, section)
    else if (node.kind === 'object') for (const { value } of node.members) walk(value, section)
    else if (names(node.text, wanted)) found.push({ section, ...placeOf(start) })
  }
  const { node } = treeOf(text)
  if (node.kind === 'object') for (const { name, value } of node.members) walk(value, textOf(name))
  return found
}

function treeOf(text: string): HuValue {
  const none: HuValue = { before: '', start: 0, node: { kind: 'literal', text: 'null' }, end: 0, after: '' }
  try {
    return parse(text)
  } catch {
    return none
  }
}

/** By itself, or with ports behind it as destinations have them. */
function names(literal: string, login: string): boolean {
  if (!isString(literal)) return false
  const text = unquote(literal).trim().toLowerCase()
  return text === login || text.startsWith(`${login}:`)
}

function textOf({ node }: HuValue): string {
  return node.kind === 'literal' ? unquote(node.text) : ''
}
