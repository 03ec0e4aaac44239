/** Lines and columns, from 1; columns count bytes of UTF-8, as the reference's do (policy.md §1). */

import { byteLength } from './text.ts'

export interface Position {
  readonly line: number
  readonly column: number
}

/** Where `offset` stands in `text`. Reads the text up to there: to ask often, use `positionsIn`. */
export function positionIn(text: string, offset: number): Position {
  let line = 1
  let start = 0
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', start)) {
    line++
    start = at + 1
  }
  return { line, column: 1 + byteLength(text, start, offset) }
}

/** A mark is set every so many characters, so that columns within long lines are found without reading them whole. */
const STRIDE = 64

/** The same for many offsets of one text: reads it once, at the first question, and then looks lines up. */
export function positionsIn(text: string): (offset: number) => Position {
  const starts: number[] = []
  /** The bytes before each mark. */
  const bytes: number[] = []
  const index = (): void => {
    starts.push(0)
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
    let sum = 0
    for (let at = 0; at <= text.length; at += STRIDE) {
      bytes.push(sum)
      sum += byteLength(text, at, Math.min(at + STRIDE, text.length))
    }
  }
  const bytesBefore = (offset: number): number => {
    const mark = Math.floor(offset / STRIDE)
    return (bytes[mark] as number) + byteLength(text, mark * STRIDE, offset)
  }
  return (offset) => {
    if (starts.length === 0) index()
    let low = 0
    let high = starts.length
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if ((starts[middle] as number) <= offset) low = middle
      else high = middle
    }
    return { line: low + 1, column: 1 + bytesBefore(offset) - bytesBefore(starts[low] as number) }
  }
}
