/** Durations as Go reads and writes them, which is how policies state them and how refusals show them. */

import { quoteText } from '../hujson/errors.ts'

const NANOSECOND = 1n
const SECOND = 1_000_000_000n
const UNITS: ReadonlyMap<string, bigint> = new Map([
  ['ns', NANOSECOND],
  ['us', 1_000n],
  ['µs', 1_000n],
  ['μs', 1_000n],
  ['ms', 1_000_000n],
  ['s', SECOND],
  ['m', 60n * SECOND],
  ['h', 3600n * SECOND],
])
const MAX = (1n << 63n) - 1n
/** More digits than these are behind what a nanosecond can tell, or beyond the longest duration. */
const MAX_DIGITS = 30

/** Nanoseconds of `1h30m`, `-1.5s`, `0`; or what is wrong with the text. */
export function parseDuration(text: string): bigint | string {
  const invalid = `time: invalid duration ${quoteText(text)}`
  const negative = text.startsWith('-')
  let rest = /^[-+]/.test(text) ? text.slice(1) : text
  if (rest === '0') return 0n
  if (rest === '') return invalid
  let total = 0n
  while (rest !== '') {
    const [whole, digits = '', fraction] = /^(\d*)(?:\.(\d*))?/.exec(rest) ?? ['']
    if (digits === '' && (fraction ?? '') === '') return invalid
    rest = rest.slice(whole.length)
    const unit = /^[^.\d]*/.exec(rest)?.[0] ?? ''
    if (unit === '') return `time: missing unit in duration ${quoteText(text)}`
    rest = rest.slice(unit.length)
    const size = UNITS.get(unit)
    if (size === undefined) return `time: unknown unit ${quoteText(unit)} in duration ${quoteText(text)}`
    if (digits.length > MAX_DIGITS) return invalid
    const part = (fraction ?? '').slice(0, MAX_DIGITS)
    total += BigInt(digits || '0') * size + (BigInt(part || '0') * size) / 10n ** BigInt(part.length)
    if (total > MAX) return invalid
  }
  return negative ? -total : total
}

/** `168h0m1s`, `-1m0s`, `1.5ms`. */
export function formatDuration(nanoseconds: bigint): string {
  if (nanoseconds === 0n) return '0s'
  const sign = nanoseconds < 0n ? '-' : ''
  const length = nanoseconds < 0n ? -nanoseconds : nanoseconds
  if (length < SECOND) {
    const [unit, size] = length < 1_000n ? ['ns', 1n] : length < 1_000_000n ? ['µs', 1_000n] : ['ms', 1_000_000n]
    return `${sign}${decimal(length, size as bigint)}${unit as string}`
  }
  const minutes = length / (60n * SECOND)
  const seconds = `${decimal(length % (60n * SECOND), SECOND)}s`
  if (minutes === 0n) return `${sign}${seconds}`
  return minutes < 60n ? `${sign}${minutes}m${seconds}` : `${sign}${minutes / 60n}h${minutes % 60n}m${seconds}`
}

function decimal(value: bigint, unit: bigint): string {
  const fraction = (value % unit)
    .toString()
    .padStart(unit.toString().length - 1, '0')
    .replace(/0+$/, '')
  return fraction === '' ? `${value / unit}` : `${value / unit}.${fraction}`
}
