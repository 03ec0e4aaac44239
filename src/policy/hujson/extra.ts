/** Reads blanks and comments, which may stand between any two tokens. */

import { HuJsonError, quoteCharacter } from './errors.ts'

const TAB = 0x09
const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const SLASH = 0x2f
const STAR = 0x2a

/**
 * The offset after the blanks and comments at `at`. A slash that begins no comment is left to the caller.
 *
 * @throws HuJsonError for a comment that doesn't end (a line comment ends with its newline), isn't UTF-8, or hides a line break
 */
export function skipExtra(text: string, at: number): number {
  for (;;) {
    const unit = text.charCodeAt(at)
    if (unit === SPACE || unit === LF || unit === TAB || unit === CR) at++
    else if (unit === SLASH) {
      const end = commentEnd(text, at)
      if (end === at) return at
      at = end
    } else return at
  }
}

/** The offset after the comment at `at`; `at` itself when there is none. */
export function commentEnd(text: string, at: number): number {
  if (text.charCodeAt(at) !== SLASH) return at
  const second = text.charCodeAt(at + 1)
  if (second !== SLASH && second !== STAR) return at
  const mark = second === SLASH ? '\n' : '*/'
  const found = text.indexOf(mark, at + 2)
  const end = found < 0 ? text.length : found + mark.length
  const comment = text.slice(at, end)
  if (found >= 0 && !comment.isWellFormed()) throw new HuJsonError(text, at, 'invalid UTF-8 in comment')
  // Where JavaScript ends a line, a reader could take what follows for part of the policy.
  const broken = second === SLASH ? comment.search(/[\u2028\u2029]/) : -1
  if (broken >= 0) {
    const character = quoteCharacter(text, at + broken)
    throw new HuJsonError(text, at + broken, `invalid character ${character} in line comment`)
  }
  if (found < 0) throw new HuJsonError(text, at, 'parsing comment: unexpected EOF')
  return end
}
