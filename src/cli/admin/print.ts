/**
 * What `sett admin` prints: tables and lines for people, the API's own JSON for programs.
 *
 * Host names and the like come from clients. Nothing of them reaches a terminal that could move its cursor.
 */

import Table from 'cli-table3'
import { plain } from '../plain.ts'

export { plain }

export interface Output {
  write(text: string): void
}

export function printJson(out: Output, value: unknown): void {
  out.write(`${JSON.stringify(value, null, 2)}\n`)
}

const NO_LINES = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
}

/** Columns under headings; `none` instead of a table without rows. */
export function printTable(
  out: Output,
  head: readonly string[],
  rows: readonly (readonly string[])[],
  none: string,
): void {
  if (rows.length === 0) return out.write(`${none}\n`)
  const table = new Table({
    head: [...head],
    chars: NO_LINES,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  })
  for (const row of rows) table.push(row.map(plain))
  out.write(`${table.toString().replace(/ +$/gm, '')}\n`)
}

/** One thing, a line for each of its members that says something. */
export function printLines(out: Output, lines: readonly (readonly [name: string, value: string])[]): void {
  const width = Math.max(...lines.map(([name]) => name.length)) + 1
  for (const [name, value] of lines) if (value !== '') out.write(`${`${name}:`.padEnd(width)} ${plain(value)}\n`)
}

/** Year 1 is how the API says that a time never comes. */
export function isNever(text: string): boolean {
  return text.startsWith('0001-')
}

/** A time of the API to the minute, in UTC. */
export function showTime(text: string | undefined): string {
  if (text === undefined || text === '') return ''
  return isNever(text) ? 'never' : `${text.slice(0, 10)} ${text.slice(11, 16)}`
}

export function yesNo(value: boolean): string {
  return value ? 'yes' : 'no'
}
