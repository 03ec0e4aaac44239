/** Reads what people write after a command: durations, lists, tags. */

import { InvalidArgumentError } from 'commander'
import { isTag } from '../../base/dns-name.ts'
import { MAX_EXPIRY_S } from '../../wire/api/words.ts'

const UNIT_S = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 } as const

/** `90d`, `1h30m`, in seconds. */
export function parseDuration(text: string): number {
  if (!/^(\d+[smhdw])+$/.test(text)) throw new InvalidArgumentError('Want a time such as 30m, 12h or 90d.')
  let seconds = 0
  for (const [, count, unit] of text.matchAll(/(\d+)([smhdw])/g)) seconds += Number(count) * UNIT_S[unit as 's']
  if (seconds === 0) throw new InvalidArgumentError('Want a time longer than nothing.')
  return seconds
}

/** How long a key or token is to live, in seconds. */
export function parseLifetime(text: string): number {
  const seconds = parseDuration(text)
  if (seconds > MAX_EXPIRY_S)
    throw new InvalidArgumentError(`Want at most ${MAX_EXPIRY_S / UNIT_S.d}d: nothing lives longer.`)
  return seconds
}

/** A number from 1, in decimal and as a text. */
export function parseNumber(text: string): string {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('Want a number from 1.')
  return text
}

/** At least one tag. */
export function parseTags(text: string): string[] {
  const tags = parseList(text)
  if (tags.length === 0) throw new InvalidArgumentError('Want tags such as tag:a,tag:b.')
  const wrong = tags.find((tag) => !isTag(tag))
  if (wrong === undefined) return tags
  const corrected = tags.map((tag) => (isTag(tag) ? tag : `tag:${tag}`))
  throw new InvalidArgumentError(
    corrected.every(isTag)
      ? `Every tag begins with "tag:"; want ${corrected.join(',')}`
      : `"${wrong}" is no tag: want "tag:", a letter, then letters, digits and hyphens, such as tag:web-1.`,
  )
}

/** Tags, or `none` of them. */
export function parseTagsOrNone(text: string): string[] {
  if (text.trim() === '') throw new InvalidArgumentError('Want tags such as tag:a,tag:b, or none.')
  return text === 'none' ? [] : parseTags(text)
}

/** Texts between commas; the empty text is the empty list. */
export function parseList(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}
