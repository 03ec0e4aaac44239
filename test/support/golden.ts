/** Reads the golden vectors in test/vectors: what the reference implementation was seen to do. */

import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

/** One case of a golden file. `op` says which of the other members it has. */
export interface GoldenCase {
  readonly name: string
  readonly op: string
  readonly expect?: 'accept' | 'reject'
}

/** The cases of `test/vectors/<file>` (`.json` or `.json.gz`) of the named tables. */
export function golden<Case extends GoldenCase>(file: string, ...ops: readonly Case['op'][]): readonly Case[] {
  const raw = readFileSync(new URL(`../vectors/${file}`, import.meta.url))
  const text = (file.endsWith('.gz') ? gunzipSync(raw) : raw).toString('utf8')
  const { cases } = JSON.parse(text) as { cases: Case[] }
  const picked = ops.length === 0 ? cases : cases.filter((c) => ops.includes(c.op))
  if (picked.length === 0) throw new Error(`No cases of ${ops.join(', ')} in ${file}`)
  return picked
}

/** The bytes that a golden file writes as hex. */
export function bytes(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromHex(hex)
}
