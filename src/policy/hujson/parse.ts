/**
 * Reads a HuJSON text into its tree (policy.md §1), one token after the other without recursion: nesting costs memory
 * in proportion to the text, never stack.
 */

import type { Bytes } from '../../base/bytes.ts'
import { finish } from '../steps.ts'
import type { Steps } from '../steps.ts'
import type { HuNode, HuValue } from './ast.ts'
import { HuJsonError, quoteCharacter, unexpected } from './errors.ts'
import { skipExtra } from './extra.ts'
import { countOf } from './items.ts'
import type { Composite } from './items.ts'
import { isString, literalEnd } from './literal.ts'
import { textFrom } from './text.ts'

/** Go's JSON reader takes no more (encoding/json), so deeper texts are nobody's policy; it bounds the width of indents. */
const MAX_DEPTH = 10_000

/** Values that are begun or ended in one step: a few milliseconds' worth. */
const VALUES_PER_STEP = 2000

/** A composite whose closing bracket hasn't come yet. */
interface Open {
  readonly value: HuValue
  readonly node: Composite
  /** Of an object: the name whose value comes next. */
  name: HuValue | undefined
}

/**
 * Reads a text; bytes may hold what isn't UTF-8 within strings (text.ts).
 *
 * @throws HuJsonError with the reference's message
 */
export function parse(input: string | Bytes): HuValue {
  return finish(parseInSteps(input))
}

/** The same in steps. */
export function parseInSteps(input: string | Bytes): Steps<HuValue> {
  return parseTextInSteps(textFrom(input))
}

/** The same for a text as of text.ts, whose stray bytes stay. */
export function parseText(text: string): HuValue {
  return finish(parseTextInSteps(text))
}

function* parseTextInSteps(text: string): Steps<HuValue> {
  const opened: Open[] = []
  let at = 0
  for (let values = 1; ; values++) {
    if (values % VALUES_PER_STEP === 0) yield
    // A value begins here, or the innermost composite ends.
    const inside = opened.at(-1)
    const start = skipExtra(text, at)
    const before = text.slice(at, start)
    const first = text.charAt(start)
    let value: HuValue
    if (first === '{' || first === '[') {
      const node: HuNode =
        first === '{'
          ? { kind: 'object', members: [], trailingComma: false, closing: '' }
          : { kind: 'array', elements: [], trailingComma: false, closing: '' }
      at = start + 1
      if (opened.length === MAX_DEPTH) throw new HuJsonError(text, start, 'exceeded max depth')
      opened.push({ value: { before, start, node, end: at, after: '' }, node, name: undefined })
      continue
    }
    if (inside !== undefined && inside.name === undefined && first === closingOf(inside.node)) {
      inside.node.trailingComma = countOf(inside.node) > 0
      inside.node.closing = before
      value = close(opened, start)
    } else {
      const end = literalEnd(text, start)
      if (end === start) throw unexpected(text, start, 'value', 'at start of value')
      value = { before, start, node: { kind: 'literal', text: text.slice(start, end) }, end, after: '' }
    }
    // A value is whole; so may be those around it.
    for (;;) {
      at = skipExtra(text, value.end)
      const after = text.slice(value.end, at)
      const outer = opened.at(-1)
      if (outer === undefined) {
        if (at < text.length) throw unexpected(text, at, '', 'after top-level value')
        value.after = after
        return value
      }
      const closed = add(text, outer, value, after, at)
      if (!closed) break
      value = close(opened, at)
    }
    at++
  }
}

/** Puts a whole value where it belongs; the punctuation at `at` says whether it was the last: then true. */
function add(text: string, outer: Open, value: HuValue, after: string, at: number): boolean {
  const next = text.charAt(at)
  const { node, name } = outer
  if (node.kind === 'object' && name === undefined) {
    if (value.node.kind !== 'literal' || !isString(value.node.text)) {
      throw new HuJsonError(
        text,
        value.start,
        `invalid character ${quoteCharacter(text, value.start)} at start of object name`,
      )
    }
    if (next !== ':') throw unexpected(text, at, 'object after name', 'after object name')
    value.after = after
    outer.name = value
    return false
  }
  const closing = closingOf(node)
  if (next !== ',' && next !== closing) {
    throw unexpected(text, at, `${node.kind} after value`, `after ${node.kind} value (expecting ',' or '${closing}')`)
  }
  if (node.kind === 'array') node.elements.push(value)
  else {
    node.members.push({ name: name as HuValue, value })
    outer.name = undefined
  }
  if (next === closing) node.closing = after
  else value.after = after
  return next === closing
}

/** Ends the innermost composite with the bracket at `at`. */
function close(opened: Open[], at: number): HuValue {
  const { value } = opened.pop() as Open
  value.end = at + 1
  return value
}

function closingOf(node: Composite): '}' | ']' {
  return node.kind === 'object' ? '}' : ']'
}
