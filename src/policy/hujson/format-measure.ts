/**
 * Decides for each composite whether it stands on one line or has a line for each of its values (policy.md §1.2).
 *
 * From the inside out: an inner composite that was expanded is two pieces of line for those around it.
 */

import { Pace } from '../steps.ts'
import type { Steps } from '../steps.ts'
import type { HuMember, HuNode, HuValue } from './ast.ts'
import type { Comment, Trivia } from './format-extra.ts'
import { readTrivia } from './format-extra.ts'
import { countOf, valueAt } from './items.ts'
import type { Composite } from './items.ts'
import { canonicalLiteral } from './literal.ts'
import { byteLength } from './text.ts'

/** A line longer than this, indentation not counted, is broken. */
const MAX_LINE_BYTES = 80

/** Values that are looked at in one step. */
const VALUES_PER_STEP = 2000

export interface Layout {
  readonly expanded: boolean
  /** Has it more than one line? A comment in an empty composite doesn't count. */
  readonly lined: boolean
}

/** The bytes of a piece of text on its first line and, if it has more than one, on its last. */
interface Extent {
  readonly first: number
  readonly last: number
  readonly breaks: boolean
}

const EMPTY_COMPOSITE: Extent = { first: 2, last: 2, breaks: false }

/** The layout of each composite, in steps. */
export function* measure(root: HuValue): Steps<Map<HuNode, Layout>> {
  const pace = new Pace(VALUES_PER_STEP)
  const layouts = new Map<HuNode, Layout>()
  const extents = new Map<HuNode, Extent>()
  for (const node of yield* innermostFirst(root, pace)) {
    if (pace.spent()) yield
    const inline = yield* extentInline(node, extents, pace)
    const expanded = countOf(node) > 0 && (wantsLines(node) || inline.tooLong)
    const extent = expanded ? extentExpanded(node) : inline
    extents.set(node, extent)
    layouts.set(node, { expanded, lined: expanded || hasLines(node, layouts) })
  }
  return layouts
}

function* innermostFirst(root: HuValue, pace: Pace): Steps<Composite[]> {
  const found: Composite[] = []
  const pending: HuNode[] = [root.node]
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (pace.spent()) yield
    if (node.kind === 'literal') continue
    found.push(node)
    for (let i = 0; i < countOf(node); i++) {
      const inner = (valueAt(node, i) as HuValue).node
      if (inner.kind !== 'literal') pending.push(inner)
      if (pace.spent()) yield
    }
  }
  return found.reverse()
}

/** Did the writer give its values lines of their own? */
function wantsLines(node: Composite): boolean {
  if (node.closing.includes('\n')) return true
  const last = valueAt(node, countOf(node) - 1)
  if (node.trailingComma && last !== undefined && last.after.includes('/') && last.after.includes('\n')) return true
  return node.kind === 'array'
    ? node.elements.some((element) => element.before.includes('\n'))
    : node.members.some((member) => member.name.before.includes('\n'))
}

/** Has a composite that stands inline a line break within, other than in an empty composite? */
function hasLines(node: Composite, layouts: Map<HuNode, Layout>): boolean {
  const valueHasLines = (value: HuValue): boolean =>
    breaksLine(value.before, true) || breaksLine(value.after, false) || (layouts.get(value.node)?.lined ?? false)
  return node.kind === 'array'
    ? node.elements.some(valueHasLines)
    : node.members.some((member) => breaksLine(member.name.after, false) || valueHasLines(member.value))
}

/** Adds pieces of text up, line by line. */
class Line {
  #first = -1
  #now = 0
  tooLong = false

  add(bytes: number): void {
    this.#now += bytes
  }

  addExtent(extent: Extent): void {
    this.#now += extent.first
    if (!extent.breaks) return
    this.#end()
    this.#now = extent.last
  }

  #end(): void {
    if (this.#now > MAX_LINE_BYTES) this.tooLong = true
    if (this.#first < 0) this.#first = this.#now
  }

  done(): Extent & { tooLong: boolean } {
    const breaks = this.#first >= 0
    this.#end()
    return { first: this.#first, last: this.#now, breaks, tooLong: this.tooLong }
  }
}

function* extentInline(
  node: Composite,
  extents: Map<HuNode, Extent>,
  pace: Pace,
): Steps<Extent & { tooLong: boolean }> {
  if (countOf(node) === 0) return { ...extentOfEmpty(node), tooLong: false }
  const line = new Line()
  line.add(1)
  const addValue = (value: HuValue): void => {
    addTrivia(line, value.before, true)
    const { node: inner } = value
    if (inner.kind === 'literal') line.add(byteLength(canonicalLiteral(inner.text)))
    else line.addExtent(extents.get(inner) as Extent)
    addTrivia(line, value.after, false)
    // A comma or colon and its space; the reference counts them after the last value, too.
    line.add(2)
  }
  for (let i = 0; i < countOf(node); i++) {
    if (node.kind === 'object') addValue((node.members[i] as HuMember).name)
    addValue(valueAt(node, i) as HuValue)
    if (pace.spent()) yield
  }
  line.add(1)
  return line.done()
}

function addTrivia(line: Line, extra: string, isBefore: boolean): void {
  if (extra.includes('/')) line.addExtent(extentOfComments(readTrivia(extra)))
  else if (breaksLine(extra, isBefore)) line.addExtent({ first: 0, last: 0, breaks: true })
}

/** Does formatting keep a newline of this extra? Before commas and colons only comments keep theirs. */
function breaksLine(extra: string, isBefore: boolean): boolean {
  return extra.includes('\n') && (isBefore || extra.includes('/'))
}

/**
 * As the reference sees them: as they were written, but with one space before and after each, even where a newline
 * takes its place; and what follows a comment of several lines on its last line goes uncounted.
 */
function extentOfComments({ comments, tail }: Trivia): Extent {
  let first = -1
  let now = 0
  let uncounted = false
  const end = (space: number): void => {
    if (first < 0) first = now + space
    now = 0
  }
  comments.forEach(({ raw, gap }, i) => {
    if (gap > 0) {
      end(i > 0 && !isLineComment(comments[i - 1]) ? 1 : 0)
      uncounted = false
    }
    if (uncounted) return
    const newline = raw.indexOf('\n')
    now += 1 + byteLength(raw, 0, newline < 0 ? raw.length : newline)
    if (newline < 0) return
    end(0)
    uncounted = true
  })
  if (tail > 0) end(isLineComment(comments.at(-1)) ? 0 : 1)
  else if (!uncounted) now++
  return first < 0 ? { first: now, last: 0, breaks: false } : { first, last: now, breaks: true }
}

function isLineComment(comment: Comment | undefined): boolean {
  return comment?.raw.startsWith('//') ?? false
}

function extentOfEmpty(node: Composite): Extent {
  const trivia = readTrivia(node.closing)
  if (trivia.comments.length === 0 || !trivia.breaks) return EMPTY_COMPOSITE
  return { first: 1 + extentOfComments(trivia).first, last: 1, breaks: true }
}

function extentExpanded(node: Composite): Extent {
  const start = node.kind === 'array' ? node.elements[0] : node.members[0]?.name
  const trivia = readTrivia((start as HuValue).before)
  // Comments beside the bracket count, even if formatting will put them on the next line.
  const beside = trivia.comments.length > 0 ? extentOfComments(trivia).first : 0
  return { first: 1 + beside, last: 1, breaks: true }
}
