/** Reads what people write after a command: durations, lists, `name=value`. */

import { InvalidArgumentError } from 'commander'

const UNIT_S = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 } as const

/** `90d`, `1h30m`, in seconds. */
export function parseDuration(text: string): number {
  if (!/^(\d+[smhdw])+$/.test(text)) throw new InvalidArgumentError('Want a time such as 30m, 12h or 90d.')
  let seconds = 0
  for (const [, count, unit] of text.matchAll(/(\d+)([smhdw])/g)) seconds += Number(count) * UNIT_S[unit as 's']
  if (seconds === 0) throw new InvalidArgumentError('Want a time longer than nothing.')
  return seconds
}

/** Texts between commas; the empty text is the empty list. */
export function parseList(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}
