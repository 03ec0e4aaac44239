/** Reads the operations of a patch (RFC 6902), and refuses what isn't one in the reference's words. */

import type { HuObject, HuValue } from './ast.ts'
import { HuJsonPatchError, quoteText } from './errors.ts'
import { isString, unquote } from './literal.ts'

interface Value {
  /** The operation's own object, which holds the value and the comments about it. */
  readonly holder: HuObject
  /** Where in it. */
  readonly at: number
}

export type Operation =
  | ({ readonly op: 'add' | 'replace' | 'test'; readonly path: string } & Value)
  | { readonly op: 'remove'; readonly path: string }
  | { readonly op: 'move' | 'copy'; readonly path: string; readonly from: string }

const NAMES: readonly string[] = ['add', 'remove', 'replace', 'move', 'copy', 'test']

/** @throws HuJsonPatchError */
export function readOperations(patch: HuValue): Operation[] {
  if (patch.node.kind !== 'array') throw new HuJsonPatchError('hujson: patch must be a JSON array')
  return patch.node.elements.map((element, index) => {
    if (element.node.kind !== 'object') throw failed(index, 'must be a JSON object')
    return readOperation(element.node, index)
  })
}

/** What is wrong with the operation at `index`. */
export function failed(index: number, why: string): HuJsonPatchError {
  return new HuJsonPatchError(`hujson: patch operation ${index}: ${why}`)
}

function readOperation(holder: HuObject, index: number): Operation {
  const seen = new Set<string>()
  const texts = new Map<string, string>()
  let at = -1
  holder.members.forEach((member, i) => {
    const name = stringOf(member.name) as string
    if (seen.has(name)) throw failed(index, `duplicate name ${quoteText(name)}`)
    seen.add(name)
    if (name === 'value') at = i
    else if (name === 'op' || name === 'path' || name === 'from') {
      const text = stringOf(member.value)
      if (text === undefined) throw failed(index, `member ${quoteText(name)} must be a JSON string`)
      if (name === 'op' && !NAMES.includes(text)) throw failed(index, `unknown operation ${quoteText(text)}`)
      texts.set(name, text)
    }
  })
  const required = (name: string): string => {
    const text = texts.get(name)
    if (text === undefined) throw failed(index, `missing required member ${quoteText(name)}`)
    return text
  }
  const op = required('op') as Operation['op']
  const path = required('path')
  if (op === 'remove') return { op, path }
  if (op === 'move' || op === 'copy') return { op, path, from: required('from') }
  if (at < 0) throw failed(index, 'missing required member "value"')
  return { op, path, holder, at }
}

function stringOf({ node }: HuValue): string | undefined {
  return node.kind === 'literal' && isString(node.text) ? unquote(node.text) : undefined
}
