/**
 * Turns a batch into what every engine writes: checked texts, and values as JSON made once.
 *
 * Engines keep values as this text and never look inside. Whether a batch may happen is judge.ts.
 */

import type { Wall } from '../../base/clock.ts'
import { MeshError } from '../../base/errors.ts'
import { utf8 } from '../../base/bytes.ts'
import type { AuditEvent, AuditPeriod } from '../model/audit.ts'
import type { Batch, Change, Check, Claim, FeedEntry, Kind, TailnetNum } from '../model/records.ts'

/** One write as an engine stores it; `json` is null when the record goes. */
export interface EncodedWrite {
  readonly kind: Kind
  readonly id: string
  readonly expect: number | 'absent' | 'any'
  readonly json: string | null
}

/** One entry of an audit log, as its JSON is kept and hashed. */
export interface EncodedEvent {
  readonly log: TailnetNum
  readonly json: string
}

/** A batch that has been checked; it survives structured cloning. */
export interface EncodedBatch {
  readonly tailnet: TailnetNum
  readonly at: Wall
  readonly writes: readonly EncodedWrite[]
  readonly checks: readonly Check[]
  readonly claims: readonly Claim[]
  readonly events: readonly EncodedEvent[]
}

/** Longest record id, claim key or claim owner, in bytes of UTF-8. */
export const MAX_ID_BYTES = 512
/** Most JSON that one batch may carry, in UTF-16 units: far above any tailnet's, far below what engines refuse. */
export const MAX_BATCH_JSON = 64 * 1024 * 1024
/** Most numbers that one `reserve` hands out. */
export const MAX_RESERVE = 1_000_000

/** Checks and encodes a batch. Throws `input/invalid` for what no engine could keep exactly. */
export function encodeBatch(batch: Batch, at: Wall): EncodedBatch {
  checkTailnet(batch.tailnet)
  checkTime(at)
  let size = 0
  const seen = new Set<string>()
  const writes = batch.writes.map(({ kind, id, expect, value }): EncodedWrite => {
    checkText(`id of ${kind}`, id)
    if (seen.has(`${kind}/${id}`)) refuse(`it writes ${kind} "${id}" twice`)
    seen.add(`${kind}/${id}`)
    checkVersion(kind, id, expect)
    const json = value === null ? null : JSON.stringify(value)
    if (json === undefined) refuse(`${kind} "${id}" has no value that JSON can write`)
    size += json?.length ?? 0
    return { kind, id, expect, json }
  })
  const events = (batch.events ?? []).map(({ log, entry }: AuditEvent): EncodedEvent => {
    checkTailnet(log)
    const json = JSON.stringify(entry)
    size += json.length
    return { log, json }
  })
  if (size > MAX_BATCH_JSON) refuse(`it holds ${size} characters of JSON, at most ${MAX_BATCH_JSON} are kept`)
  const checks = (batch.checks ?? []).map(({ kind, id, version }): Check => {
    checkText(`id of ${kind}`, id)
    checkVersion(kind, id, version)
    return { kind, id, version }
  })
  const claims = (batch.claims ?? []).map(({ space, key, act, owner }): Claim => {
    checkText(`key of a ${space} claim`, key)
    checkText(`owner of a ${space} claim`, owner)
    return { space, key, act, owner }
  })
  return { tailnet: batch.tailnet, at, writes, checks, claims, events }
}

/** The changes of a batch as JSON, for the feed. */
export function changesJson(batch: EncodedBatch): string {
  const parts = batch.writes.map(
    ({ kind, id, json }) => `{"kind":${JSON.stringify(kind)},"id":${JSON.stringify(id)},"value":${json ?? 'null'}}`,
  )
  return `[${parts.join(',')}]`
}

/**
 * The feed entry of a batch under its number. Values are read back from their JSON, so that the process that
 * committed sees exactly what all others will.
 */
export function entryOf(batch: EncodedBatch, seq: number): FeedEntry {
  const changes = batch.writes.map(
    ({ kind, id, json }) => ({ kind, id, value: json === null ? null : JSON.parse(json) }) as Change,
  )
  return { tailnet: batch.tailnet, seq, at: batch.at, changes }
}

/** Throws `input/invalid` unless this can be a tailnet's number. */
export function checkTailnet(tailnet: TailnetNum): void {
  if (!Number.isSafeInteger(tailnet) || tailnet < 0) refuse(`${tailnet} is no tailnet number`)
}

/** Throws `input/invalid` unless the counter's name and the count are good. */
export function checkReserve(counter: string, count: number): void {
  checkText('name of a counter', counter)
  if (!Number.isSafeInteger(count) || count < 1 || count > MAX_RESERVE)
    refuse(`${count} numbers of a counter were asked for, want 1 to ${MAX_RESERVE}`)
}

/** Throws `input/invalid` unless this is a count of feed entries. */
export function checkCount(what: string, count: number): void {
  if (!Number.isSafeInteger(count) || count < 0) refuse(`${what} is ${count}, want a whole number from 0`)
}

/** Throws `input/invalid` unless this is a time in whole milliseconds. */
export function checkTime(at: Wall): void {
  if (!Number.isSafeInteger(at)) refuse(`a time is ${at}, want whole milliseconds`)
}

/** Throws `input/invalid` unless an audit log can be read by this. */
export function checkPeriod({ from, to, after }: AuditPeriod): void {
  for (const at of [from, to, ...(after === undefined ? [] : [after.at])]) checkTime(at)
  checkCount('where an audit log is read from', after?.number ?? 0)
}

function checkVersion(kind: Kind, id: string, version: number | string): void {
  if (version === 'absent' || version === 'any') return
  if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 1)
    refuse(`${kind} "${id}" is expected at version ${version}, want a whole number from 1`)
}

/** Texts that are looked up by must be the same bytes on every engine: PostgreSQL has no NUL, UTF-8 no half pair. */
function checkText(what: string, text: string): void {
  if (typeof text !== 'string' || text === '') refuse(`the ${what} is empty`)
  if (text.length > MAX_ID_BYTES || utf8(text).length > MAX_ID_BYTES)
    refuse(`the ${what} is longer than ${MAX_ID_BYTES} bytes: "${text.slice(0, 40).toWellFormed()}…"`)
  if (text.includes('\0')) refuse(`the ${what} holds a NUL character`)
  if (!text.isWellFormed()) refuse(`the ${what} holds half of a surrogate pair`)
}

function refuse(why: string): never {
  throw new MeshError('input/invalid', `Cannot use the store like this: ${why}`)
}
