/** Literals: where one ends, whether it is valid, what a string says, and how a string is written canonically. */

import { HuJsonError } from './errors.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const LOWER_U = 0x75

/** Does a literal other than a string begin, or go on, with this code unit? Words and numbers alike, good or bad. */
function isWordUnit(unit: number): boolean {
  return (
    (unit >= 0x30 && unit <= 0x39) ||
    (unit >= 0x61 && unit <= 0x7a) ||
    (unit >= 0x41 && unit <= 0x5a) ||
    unit === 0x2b ||
    unit === 0x2d ||
    unit === 0x2e
  )
}

const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/

/**
 * The offset after the literal at `at`; `at` itself when none begins there.
 *
 * @throws HuJsonError for a string that doesn't end, and a literal that JSON doesn't know
 */
export function literalEnd(text: string, at: number): number {
  if (text.charCodeAt(at) === QUOTE) return stringEnd(text, at)
  let end = at
  while (end < text.length && isWordUnit(text.charCodeAt(end))) end++
  if (end === at) return at
  const word = text.slice(at, end)
  if (word !== 'null' && word !== 'true' && word !== 'false' && !NUMBER.test(word)) throw invalid(text, at, end)
  return end
}

function stringEnd(text: string, at: number): number {
  let valid = true
  for (let i = at + 1; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit === QUOTE) {
      if (!valid) throw invalid(text, at, i + 1)
      return i + 1
    }
    if (unit < 0x20) valid = false
    else if (unit === BACKSLASH) {
      i++
      const escape = text.charCodeAt(i)
      if (escape === LOWER_U) valid &&= /^[0-9a-fA-F]{4}$/.test(text.slice(i + 1, i + 5))
      else valid &&= '"\\/bfnrt'.includes(text.charAt(i))
    }
  }
  throw new HuJsonError(text, text.length, 'parsing string: unexpected EOF')
}

function invalid(text: string, at: number, end: number): HuJsonError {
  return new HuJsonError(text, at, `invalid literal: ${text.slice(at, end)}`)
}

/** Is this literal a string? */
export function isString(literal: string): boolean {
  return literal.charCodeAt(0) === QUOTE
}

/** What a valid string literal says. Half a surrogate pair and bytes that aren't UTF-8 come as U+FFFD each. */
export function unquote(literal: string): string {
  // Stray bytes go first: an escaped high surrogate beside one is still half a pair.
  const clean = literal.toWellFormed()
  return clean.includes('\\') ? (JSON.parse(clean) as string).toWellFormed() : clean.slice(1, -1)
}

/** A string literal that says `text`, with no more escapes than JSON asks for. */
export function quote(text: string): string {
  return JSON.stringify(text.toWellFormed())
}

/** A literal as formatting writes it: strings that hold an escape are written anew, all else stays. */
export function canonicalLiteral(literal: string): string {
  return isString(literal) && literal.includes('\\') ? quote(unquote(literal)) : literal
}
