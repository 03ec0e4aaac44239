/**
 * What is wrong with a text, and where: the reference's words (policy.md §1), which tools match with
 * `line ([0-9]+), column ([0-9]+): (.*)$`.
 */

import { MeshError } from '../../base/errors.ts'
import { positionIn } from './position.ts'
import { strayByteAt } from './text.ts'

/** A text that isn't HuJSON. The message is whole: `hujson: line 1, column 2: …`. */
export class HuJsonError extends MeshError {
  /** From 1. */
  readonly line: number
  /** From 1, in bytes. */
  readonly column: number
  /** The message without its position. */
  readonly fact: string

  constructor(text: string, offset: number, fact: string) {
    const { line, column } = positionIn(text, offset)
    super('input/invalid', `hujson: line ${line}, column ${column}: ${fact}`)
    this.line = line
    this.column = column
    this.fact = fact
  }
}

/** A patch that can't be applied. The message is whole: `hujson: patch operation 0: …`. */
export class HuJsonPatchError extends MeshError {
  constructor(message: string) {
    super('input/invalid', message)
  }
}

/** Fails at `at`: the text ends there, or has a character that can't stand there. */
export function unexpected(text: string, at: number, whileParsing: string, where: string): HuJsonError {
  if (at >= text.length) return new HuJsonError(text, at, `parsing ${whileParsing}: unexpected EOF`)
  return new HuJsonError(text, at, `invalid character ${quoteCharacter(text, at)} ${where}`)
}

/** Go shows what its `unicode.IsPrint` allows, letters to symbols, and escapes the rest; other blanks than U+0020 too. */
const PRINTABLE = /^[ \p{L}\p{M}\p{N}\p{P}\p{S}]$/u

/** The character at `at` in single quotes, as Go quotes one. */
export function quoteCharacter(text: string, at: number): string {
  const stray = strayByteAt(text, at)
  if (stray !== undefined) return `'\\x${stray.toString(16)}'`
  const character = String.fromCodePoint(text.codePointAt(at) as number)
  if (character === "'" || character === '\\') return `'\\${character}'`
  return `'${PRINTABLE.test(character) ? character : escapePoint(character)}'`
}

const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
}

/** The others, and those that have a meaning between the quotes. */
const UNPRINTABLE = /["\\]|[^ \p{L}\p{M}\p{N}\p{P}\p{S}]/gu

/** Nothing in it needs an escape. */
const PLAIN = /^[ !#-[\]-~]*$/

/** A text in double quotes, as Go's `%q` has it. */
export function quoteText(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`
  return `"${text.toWellFormed().replace(UNPRINTABLE, escapeCharacter)}"`
}

function escapeCharacter(character: string): string {
  if (Object.hasOwn(SHORT, character)) return SHORT[character] as string
  if (character < '\x80') return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
  return escapePoint(character)
}

function escapePoint(character: string): string {
  const point = character.codePointAt(0) as number
  const digits = point.toString(16)
  return point > 0xffff ? `\\U${digits.padStart(8, '0')}` : `\\u${digits.padStart(4, '0')}`
}
