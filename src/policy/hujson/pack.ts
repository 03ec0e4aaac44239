/** Turns a tree into text: as it stands, or as plain JSON with its lines kept or with nothing left to drop. */

import { finish } from '../steps.ts'
import type { Steps } from '../steps.ts'
import type { HuValue } from './ast.ts'
import { byteLength } from './text.ts'
import { walk, walkInSteps } from './walk.ts'

/** The text of a tree; of one that was parsed, exactly the text it came from (text.ts turns it into bytes). */
export function pack(value: HuValue): string {
  const parts: string[] = []
  walk(value, (_, text) => parts.push(text))
  return parts.join('')
}

/** Plain JSON: comments and trailing commas give way to spaces, byte for byte, so that lines and columns stay. */
export function standardize(value: HuValue): string {
  const parts: string[] = []
  walk(value, (part, text) => {
    parts.push(part === 'token' ? text : part === 'extra' ? blank(text) : ' ')
  })
  return parts.join('')
}

/** Plain JSON without anything between its tokens. */
export function minimize(value: HuValue): string {
  return finish(minimizeInSteps(value))
}

/** The same in steps. */
export function* minimizeInSteps(value: HuValue): Steps<string> {
  const parts: string[] = []
  yield* walkInSteps(value, (part, text) => {
    if (part === 'token') parts.push(text)
  })
  return parts.join('')
}

/** Is it plain JSON already, without comments and trailing commas? */
export function isStandard(value: HuValue): boolean {
  return finish(isStandardInSteps(value))
}

/** The same in steps. */
export function* isStandardInSteps(value: HuValue): Steps<boolean> {
  let standard = true
  yield* walkInSteps(value, (part, text) => {
    if (part === 'trailing-comma' || (part === 'extra' && text.includes('/'))) standard = false
  })
  return standard
}

function blank(extra: string): string {
  return extra.includes('/') ? extra.replace(/[^ \t\r\n]+/g, (run) => ' '.repeat(byteLength(run))) : extra
}
