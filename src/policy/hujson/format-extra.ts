/**
 * Formats blanks and comments: what a run of them is made of, how each comment is re-indented, and how they are set
 * between two tokens. Which of them get a line of their own is format.ts's matter.
 */

import { commentEnd } from './extra.ts'

/** Blanks and comments taken apart. A line comment's newline counts to the gap after it. */
export interface Trivia {
  readonly comments: readonly Comment[]
  /** Newlines after the last comment, or in all when there is none. */
  readonly tail: number
  /** Is there a newline anywhere, comments included? */
  readonly breaks: boolean
}

export interface Comment {
  /** As written; of a line comment, without its newline. */
  readonly raw: string
  /** Newlines between the comment and what is before it. */
  readonly gap: number
}

const NOTHING: Trivia = { comments: [], tail: 0, breaks: false }

export function readTrivia(extra: string): Trivia {
  if (extra === '' || extra === ' ') return NOTHING
  const comments: Comment[] = []
  let newlines = 0
  for (let at = 0; at < extra.length;) {
    const end = commentEnd(extra, at)
    if (end > at) {
      const isLine = extra.startsWith('//', at)
      comments.push({ raw: extra.slice(at, isLine ? end - 1 : end), gap: newlines })
      newlines = isLine ? 1 : 0
      at = end
    } else {
      if (extra.charAt(at) === '\n') newlines++
      at++
    }
  }
  return { comments, tail: newlines, breaks: extra.includes('\n') }
}

/** How trivia are set between two tokens. */
export interface Setting {
  /** Tabs before each line within. */
  readonly indent: number
  /** May an empty line come first? */
  readonly blankFirst: boolean
  /** May an empty line come last? */
  readonly blankLast: boolean
}

/** Comments with what is between, before and after them: a space, a newline and the indent, or an empty line at most. */
export function setComments(trivia: Trivia, setting: Setting): string {
  const { indent, blankFirst, blankLast } = setting
  let text = ''
  trivia.comments.forEach((comment, i) => {
    text += gapText(comment.gap, indent, i > 0 || blankFirst) + formatComment(comment.raw, indent)
  })
  return text + gapText(trivia.tail, indent, blankLast)
}

/** The blank for so many newlines. */
export function gapText(newlines: number, indent: number, blankLine: boolean): string {
  if (newlines === 0) return ' '
  return (newlines > 1 && blankLine ? '\n\n' : '\n') + '\t'.repeat(indent)
}

/** One comment, its further lines indented anew: under their star, or as they stood to each other. */
function formatComment(raw: string, indent: number): string {
  const isLine = raw.startsWith('//')
  if (!isLine && !raw.includes('\n')) return raw.replaceAll('\r', ' ')
  const [first, ...rest] = raw.split('\n').map(cleanLine) as [string, ...string[]]
  const margin = commonMargin(rest)
  const bare = rest.map((line, i) => line.slice(i === rest.length - 1 && isEnd(line) ? marginOf(line) : margin))
  const starred = bare.every((line) => line.startsWith('*'))
  const lead = '\t'.repeat(indent) + (starred ? ' ' : '')
  return [first, ...bare.map((line) => (line === '' ? '' : lead + line))].join('\n')
}

/** A line without blanks at its end; a carriage return beside a newline is half of it, one alone is a space. */
function cleanLine(line: string, index: number): string {
  let start = 0
  if (index > 0) while (line.charAt(start) === '\r') start++
  let end = line.length
  while (end > start && isBlank(line.charCodeAt(end - 1))) end--
  return line.slice(start, end).replaceAll('\r', ' ')
}

/** White space as Go's `unicode.IsSpace` has it. */
function isBlank(unit: number): boolean {
  if (unit < 0x80) return unit === 0x20 || (unit >= 0x09 && unit <= 0x0d)
  return unit === 0x85 || (unit !== 0xfeff && String.fromCharCode(unit).trim() === '')
}

function marginOf(line: string): number {
  let length = 0
  while (line.charAt(length) === ' ' || line.charAt(length) === '\t') length++
  return length
}

/** The length of the blanks that all lines begin with; empty lines, and an end alone on its line, have no say. */
function commonMargin(lines: readonly string[]): number {
  let margin: string | undefined
  lines.forEach((line, i) => {
    if (line === '' || (i === lines.length - 1 && isEnd(line))) return
    margin ??= line.slice(0, marginOf(line))
    let same = 0
    while (same < margin.length && margin[same] === line[same]) same++
    margin = margin.slice(0, same)
  })
  return margin?.length ?? 0
}

function isEnd(line: string): boolean {
  return line.slice(marginOf(line)) === '*/'
}
