/** Lines up the values of neighbouring members in an expanded object (policy.md §1.2). */

import { Pace } from '../steps.ts'
import type { Steps } from '../steps.ts'
import type { HuMember, HuNode, HuObject } from './ast.ts'
import { gapText, readTrivia, setComments } from './format-extra.ts'
import type { Layout } from './format-measure.ts'
import { canonicalLiteral } from './literal.ts'
import { byteLength } from './text.ts'

const PLAIN = { indent: 0, blankFirst: false, blankLast: false }
const LOOSE = { indent: 0, blankFirst: true, blankLast: true }

/** Members whose labels are measured in one step. */
const MEMBERS_PER_STEP = 1000

/** The spaces before each member's value, in steps. */
export function* paddings(object: HuObject, layouts: Map<HuNode, Layout>): Steps<number[]> {
  const pace = new Pace(MEMBERS_PER_STEP)
  const spaces = object.members.map(() => 1)
  let from = 0
  const widths: number[] = []
  const flush = (to: number): void => {
    let widest = 0
    for (let i = from; i < to; i++) widest = Math.max(widest, widths[i] as number)
    for (let i = from; i < to; i++) spaces[i] = 1 + widest - (widths[i] as number)
    from = to
  }
  for (const [i, member] of object.members.entries()) {
    if (pace.spent()) yield
    const label = labelOf(member)
    const alone =
      label.includes('\n') ||
      commentsOf(member.value.after).includes('\n') ||
      (layouts.get(member.value.node)?.lined ?? false)
    widths.push(byteLength(label))
    if (from < i && (alone || startsBlock(member))) flush(i)
    if (alone) from = i + 1
  }
  if (from < object.members.length) flush(object.members.length)
  return spaces
}

/** Everything from the name up to the value, without the last space. */
function labelOf({ name, value }: HuMember): string {
  const literal = name.node.kind === 'literal' ? canonicalLiteral(name.node.text) : ''
  const before = readTrivia(value.before)
  if (before.comments.length === 0) return `${literal}${commentsOf(name.after)}:${before.breaks ? '\n' : ''}`
  return `${literal}${commentsOf(name.after)}:${setComments(before, PLAIN).replace(/ $/, '')}`
}

function commentsOf(extra: string): string {
  const trivia = readTrivia(extra)
  return trivia.comments.length === 0 ? '' : setComments(trivia, PLAIN)
}

/** Is there more than the end of its line between a member and the one before? */
function startsBlock({ name }: HuMember): boolean {
  const trivia = readTrivia(name.before)
  if (!trivia.breaks) return false
  const text = trivia.comments.length === 0 ? gapText(trivia.tail, 0, true) : setComments(trivia, LOOSE)
  return text.indexOf('\n') !== text.lastIndexOf('\n')
}
