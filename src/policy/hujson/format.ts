/**
 * Lays a HuJSON text out as the reference does (policy.md §1.2); ETags are hashes of the result.
 *
 * format-measure.ts decides what gets lines of its own, format-extra.ts sets comments, format-align.ts lines values up;
 * here it is all written down, token by token and without recursion.
 */

import { MeshError } from '../../base/errors.ts'
import { finish, Pace } from '../steps.ts'
import type { Steps } from '../steps.ts'
import type { HuNode, HuValue } from './ast.ts'
import { paddings } from './format-align.ts'
import { gapText, readTrivia, setComments } from './format-extra.ts'
import type { Setting, Trivia } from './format-extra.ts'
import { measure } from './format-measure.ts'
import type { Layout } from './format-measure.ts'
import { countOf } from './items.ts'
import type { Composite } from './items.ts'
import { canonicalLiteral } from './literal.ts'
import { isStandardInSteps } from './pack.ts'
import { childAt } from './walk.ts'

/** Indents and padding can make little text huge: ten thousand levels, or a name of a megabyte among many short ones. */
const MAX_LENGTH = 64 * 1024 * 1024

/** Values that are written in one step. */
const VALUES_PER_STEP = 2000

/** A composite that is being written. */
interface Frame {
  readonly node: Composite
  readonly expanded: boolean
  /** Tabs before its closing bracket when that has a line of its own. */
  readonly depth: number
  /** The spaces before each member's value, where values are lined up; absent until its first value is written. */
  paddings?: readonly number[]
  next: number
}

/**
 * The formatted text of a tree, which stays as it is.
 *
 * @throws MeshError `input/invalid` when the text would be out of all proportion
 */
export function format(root: HuValue): string {
  return finish(formatInSteps(root))
}

/** The same in steps. */
export function* formatInSteps(root: HuValue): Steps<string> {
  const layouts = yield* measure(root)
  const writer = new Writer(layouts, !(yield* isStandardInSteps(root)))
  yield* writer.writeTop(root)
  return writer.text()
}

class Writer {
  readonly #layouts: Map<HuNode, Layout>
  /** Does the last value of an expanded composite get a comma? Plain JSON stays plain. */
  readonly #commas: boolean
  /** What the steps before this one wrote, and what this one has. */
  readonly #written: string[] = []
  #out: string[] = []
  readonly #opened: Frame[] = []
  #length = 0

  constructor(layouts: Map<HuNode, Layout>, commas: boolean) {
    this.#layouts = layouts
    this.#commas = commas
  }

  text(): string {
    this.#flush()
    return this.#written.join('')
  }

  #flush(): void {
    this.#written.push(this.#out.join(''))
    this.#out = []
  }

  #put(text: string): void {
    this.#grow(text.length)
    this.#out.push(text)
  }

  #grow(by: number): void {
    this.#length += by
    if (this.#length <= MAX_LENGTH) return
    throw new MeshError('input/invalid', `Cannot format HuJSON: the result is longer than ${MAX_LENGTH} characters`)
  }

  /** `setComments`, unless the indents of all the lines would be too much already. */
  #set(trivia: Trivia, setting: Setting): string {
    let lines = 0
    for (const { raw } of trivia.comments) {
      lines++
      for (let at = raw.indexOf('\n'); at >= 0; at = raw.indexOf('\n', at + 1)) lines++
    }
    const tabs = lines * setting.indent
    this.#grow(tabs)
    this.#length -= tabs
    return setComments(trivia, setting)
  }

  *writeTop(root: HuValue): Steps<void> {
    const pace = new Pace(VALUES_PER_STEP)
    const before = readTrivia(root.before)
    if (before.comments.length > 0) {
      this.#put(this.#set(before, { indent: 0, blankFirst: false, blankLast: true }).slice(1))
    }
    this.#open(root, 0)
    for (let frame = this.#opened.at(-1); frame !== undefined; frame = this.#opened.at(-1)) {
      if (pace.spent()) {
        this.#flush()
        yield
      }
      const { node, expanded } = frame
      frame.paddings ??= expanded && node.kind === 'object' ? yield* paddings(node, this.#layouts) : []
      this.#step(frame)
    }
    const after = readTrivia(root.after)
    if (after.comments.length > 0) {
      this.#put(this.#set({ ...after, tail: 0 }, { indent: 0, blankFirst: true, blankLast: false }).slice(0, -1))
    }
    this.#put('\n')
  }

  /** Writes a literal or an empty composite; of others the opening bracket. */
  #open({ node }: HuValue, depth: number): void {
    if (node.kind === 'literal') {
      this.#put(canonicalLiteral(node.text))
      return
    }
    this.#put(node.kind === 'object' ? '{' : '[')
    if (countOf(node) === 0) {
      const closing = readTrivia(node.closing)
      if (closing.comments.length > 0) {
        const setting = { indent: depth + 1, blankFirst: false, blankLast: false }
        this.#put(this.#set({ ...closing, tail: 0 }, setting).slice(0, -1))
        this.#put(gapText(closing.breaks ? 1 : 0, depth, false))
      }
      this.#put(node.kind === 'object' ? '}' : ']')
      return
    }
    const { expanded } = this.#layouts.get(node) as Layout
    this.#opened.push({ node, expanded, depth, next: 0 })
  }

  /** Writes the next value of a composite, or its end. */
  #step(frame: Frame): void {
    const { node, expanded, depth } = frame
    const index = frame.next++
    const previous = index > 0 ? childAt(node, index - 1) : undefined
    if (previous !== undefined) this.#comments(previous.after, depth + 2)
    const value = childAt(node, index)
    if (value === undefined) {
      this.#close(frame, previous as HuValue)
      return
    }
    const isMember = node.kind === 'object' && index % 2 === 1
    let inside = expanded ? depth + 1 : depth
    if (isMember) {
      this.#put(':')
      if (this.#beforeMember(previous as HuValue, value, depth + 2, frame.paddings?.[index >> 1] ?? 1)) inside++
    } else {
      if (index > 0) this.#put(',')
      if (expanded) this.#beforeLine(value.before, depth + 1, index === 0)
      else if (!this.#comments(value.before, depth + 2) && index > 0) this.#put(' ')
    }
    this.#open(value, inside)
  }

  /** Writes what is between two tokens of one line; false when there are no comments. */
  #comments(extra: string, indent: number): boolean {
    const trivia = readTrivia(extra)
    if (trivia.comments.length === 0) return false
    this.#put(this.#set(trivia, { indent, blankFirst: false, blankLast: false }))
    return true
  }

  /** Writes what stands between a colon and its value; true when the value is on another line than its name. */
  #beforeMember(name: HuValue, value: HuValue, indent: number, padding: number): boolean {
    const trivia = readTrivia(value.before)
    const broken = trivia.breaks || (name.after.includes('\n') && name.after.includes('/'))
    if (trivia.comments.length === 0 && trivia.breaks) this.#put(gapText(1, indent, false))
    else {
      this.#comments(value.before, indent)
      this.#put(' '.repeat(trivia.comments.length === 0 ? padding : padding - 1))
    }
    return broken
  }

  /** Writes what stands before a value that has a line of its own. */
  #beforeLine(extra: string, indent: number, first: boolean): void {
    const trivia = readTrivia(extra)
    if (trivia.comments.length === 0) this.#put(gapText(Math.max(trivia.tail, 1), indent, !first))
    else {
      const text = this.#set(trivia, { indent, blankFirst: !first, blankLast: true })
      this.#put(trivia.breaks ? text : gapText(1, indent, false) + text.slice(1))
    }
  }

  #close({ node, expanded, depth }: Frame, last: HuValue): void {
    const closing = readTrivia(node.closing)
    const commented = closing.comments.length > 0
    if (expanded) {
      if (this.#commas) this.#put(',')
      const setting = { indent: depth + 1, blankFirst: true, blankLast: false }
      if (commented) this.#put(this.#set({ ...closing, tail: 0 }, setting).slice(0, -1))
      this.#put(gapText(1, depth, false))
    } else {
      // Between two comments the comma stays: without it the first would belong to what the second belongs to.
      if (node.trailingComma && commented && readTrivia(last.after).comments.length > 0) this.#put(',')
      this.#comments(node.closing, depth + 2)
    }
    this.#put(node.kind === 'object' ? '}' : ']')
    this.#opened.pop()
  }
}
