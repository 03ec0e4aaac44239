/**
 * Rows of Headscale's database as SQLite gives them, read value by value: columns by name, since their order differs
 * between databases; what an older version did not have is absent.
 */

import { textOf } from '../../base/bytes.ts'
import { parseTime } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import { MeshError } from '../../base/errors.ts'

export type Cell = string | number | bigint | Uint8Array | null
export type Row = Readonly<Record<string, Cell | undefined>>

/** What is taken of the database. Rows in the order of their ids. */
export interface HeadscaleTables {
  readonly users: readonly Row[]
  readonly nodes: readonly Row[]
  readonly preAuthKeys: readonly Row[]
  readonly policies: readonly Row[]
  /** So many are left behind. */
  readonly apiKeys: number
  readonly oauthClients: number
}

/** The row's number. */
export function idOf(row: Row): number {
  const id = Number(row['id'])
  if (!Number.isSafeInteger(id) || id < 1)
    throw new MeshError('input/invalid', 'Cannot read the Headscale database: a row has no whole number as its id')
  return id
}

/** The number of another row; `undefined`: none. */
export function referenceIn(row: Row, column: string): number | undefined {
  const id = Number(row[column] ?? 0)
  return Number.isSafeInteger(id) && id > 0 ? id : undefined
}

/** A text, also one that is kept as bytes; empty when there is none. */
export function textIn(row: Row, column: string): string {
  const cell = row[column] ?? ''
  if (cell instanceof Uint8Array) return textOf(cell) ?? ''
  return String(cell)
}

export function flagIn(row: Row, column: string): boolean {
  return Number(row[column] ?? 0) !== 0
}

/** A time to the millisecond; `undefined` for none, and for the year 1, which older versions wrote for it. */
export function timeIn(row: Row, column: string): Wall | undefined {
  const text = textIn(row, column).trim()
  // `2026-11-22 22:09:13.160917829+00:00`, and ` +0000 UTC` behind it as Go prints times.
  const m = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d+)?) ?(Z|[+-]\d\d:?\d\d)?/.exec(text)
  if (m === null) return undefined
  const offset = (m[3] ?? 'Z').replace(/^([+-]\d\d):?(\d\d)$/, '$1:$2')
  return parseTime(`${m[1]}T${m[2]}${offset}`) ?? undefined
}

/** A JSON list of texts; empty for none, whichever way that was written. */
export function listIn(row: Row, column: string): string[] {
  const text = textIn(row, column).trim()
  if (text === '') return []
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : []
  } catch {
    return []
  }
}

/** Rows that were not deleted: a deletion may leave the row and note its time. */
export function living(rows: readonly Row[]): Row[] {
  return rows.filter((row) => (row['deleted_at'] ?? null) === null)
}
