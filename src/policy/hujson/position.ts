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

/** The same for many offsets of one text: reads it once, then finds each line by halving. */
export function positionsIn(text: string): (offset: number) => Position {
  const starts = [0]
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return (offset) => {
    let low = 0
    let high = starts.length
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if ((starts[middle] as number) <= offset) low = middle
      else high = middle
    }
    return { line: low + 1, column: 1 + byteLength(text, starts[low] as number, offset) }
  }
}
