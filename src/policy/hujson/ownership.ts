/**
 * Whose comments are whose (policy.md §1.1).
 *
 * The gap between two items of a composite holds, in this order, what belongs to the one before, what belongs to
 * neither, and what belongs to the one after:
 *
 *   1, // with the 1
 *   // with the 1, since an empty line follows
 *
 *   // with neither
 *
 *   // with the 2
 *   2
 */

import { commentEnd } from './extra.ts'

interface Found {
  readonly start: number
  /** Of a line comment, before its newline. */
  readonly end: number
  /** Newlines before it. */
  readonly newlines: number
}

interface Gap {
  readonly comments: readonly Found[]
  /** Newlines after the last comment. */
  readonly tail: number
}

/**
 * Where what belongs to the item before ends; `undefined` when nothing can. A line comment's newline isn't part of it,
 * nor is that of a gap which is the end of a line and no more: there, nothing but blanks belongs to the item.
 */
export function endOfOwned(gap: string): number | undefined {
  const { comments, tail } = readGap(gap)
  const blank = comments.findIndex((comment) => comment.newlines > 1)
  if (blank >= 0) return comments[blank - 1]?.end
  if (tail > 1) return comments.at(-1)?.end
  const first = comments[0]
  if (first === undefined) return tail === 1 && gap.endsWith('\n') ? gap.length - 1 : undefined
  return first.newlines === 0 && gap.startsWith('//', first.start) ? first.end : undefined
}

/** What belongs to the item before, as far as it is more than blanks. */
export function ownedBefore(gap: string): string {
  const owned = gap.slice(0, endOfOwned(gap) ?? 0)
  return owned.includes('/') ? owned : ''
}

/** The gap without what belongs to the item before. */
export function withoutOwned(gap: string): string {
  return gap.slice(endOfOwned(gap) ?? 0)
}

/** Where what belongs to the item after starts; the end of the gap when nothing does. */
export function startOfOwned(gap: string): number {
  const { comments, tail } = readGap(gap)
  if (tail > 1) return gap.length
  const blank = comments.findLast((comment) => comment.newlines > 1)
  if (blank !== undefined) return blank.start
  const first = comments[ownedBefore(gap) === '' ? 0 : 1]
  return first?.start ?? gap.length
}

/** Joins what is left of two gaps when the item between them goes. */
export function joinGaps(left: string, right: string): string {
  // Blanks alone stood there to set off what has gone.
  return left.includes('/') ? left + right.replace(/^[ \t\r\n]+/, '') : right
}

/** Sets comments that belong to the item before in front of a gap, which has none. */
export function setOwnedBefore(owned: string, gap: string): string {
  return endsOpen(owned) && !gap.startsWith('\n') ? `${owned}\n${gap}` : owned + gap
}

/** Sets comments that belong to the item after at the end of a gap, in place of those there. */
export function setOwnedAfter(gap: string, owned: string): string {
  const kept = gap.slice(0, startOfOwned(gap))
  return /\n[ \t\r]*$/.test(kept) ? kept + owned : `${kept}\n${owned}`
}

/** Does it end in a line comment that lacks its newline? */
function endsOpen(owned: string): boolean {
  const { comments, tail } = readGap(owned)
  const last = comments.at(-1)
  return last !== undefined && tail === 0 && owned.startsWith('//', last.start)
}

function readGap(gap: string): Gap {
  const comments: Found[] = []
  let newlines = 0
  for (let at = 0; at < gap.length;) {
    const isLine = gap.startsWith('//', at)
    // What was cut from a gap may end in a line comment without its newline.
    const end = isLine ? endOfLine(gap, at) : commentEnd(gap, at)
    if (end > at) {
      comments.push({ start: at, end, newlines })
      newlines = 0
      at = end
    } else {
      if (gap.charAt(at) === '\n') newlines++
      at++
    }
  }
  return { comments, tail: newlines }
}

function endOfLine(gap: string, at: number): number {
  const newline = gap.indexOf('\n', at)
  return newline < 0 ? gap.length : newline
}
