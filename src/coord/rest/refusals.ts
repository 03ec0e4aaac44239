/**
 * Notes calls that were refused for lack of permission in the audit log, as the service does (api-v2.md §7.2): so many
 * a minute for each credential, so that a script which goes on trying does not fill the log. What is left out is
 * counted in the next one.
 */

import { MINUTE_MS } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import { routes } from '../../wire/api/routes.ts'
import type { RouteId } from '../../wire/api/routes.ts'
import type { AuditEntry } from '../model/audit.ts'
import type { Ledger } from '../model/ledger.ts'
import type { TailnetNum } from '../model/records.ts'
import type { Refusal } from './answer.ts'
import { byOf } from './caller.ts'
import type { Caller } from './caller.ts'

/** Enough to see what somebody tries. */
const PER_MINUTE = 10
/** Credentials that are remembered; the oldest are forgotten first. */
const CREDENTIALS_MAX = 10_000

interface Minute {
  readonly since: Wall
  readonly count: number
  readonly leftOut: number
}

export class Refusals {
  readonly #ledger: Ledger
  readonly #minutes = new Map<string, Minute>()

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  /**
   * Resolves when it is noted, or was too much to note.
   *
   * @param from Address of the caller
   */
  async note(caller: Caller, route: RouteId, { message }: Refusal, from: string | undefined): Promise<void> {
    // The server's own administrator lacks no permission; what they are refused is no secret of anybody's.
    if (caller.kind === 'server') return
    const leftOut = this.#take(caller.id, this.#ledger.now())
    if (leftOut === undefined) return
    const by = byOf(caller, from)
    const details = [by.details, ...(leftOut === 0 ? [] : [`${leftOut} more were refused before`])]
    const { method, path } = routes[route]
    const entry: AuditEntry = {
      origin: by.origin,
      actor: by.actor,
      target: { id: route, name: `${method} ${path}`, type: 'FAILED_REQUEST' },
      action: 'UPDATE',
      actionDetails: details.filter((text) => text !== undefined).join('; '),
      error: message,
      ...(by.from === undefined ? {} : { from: by.from }),
    }
    const log: TailnetNum = caller.tailnet.num
    try {
      await this.#ledger.transact(log, by, () => ({
        batch: { writes: [], events: [{ log, entry }] },
        result: undefined,
      }))
    } catch {
      // That it goes unnoted changes nothing about the answer.
    }
  }

  /** How many were left out before this one; `undefined`: so is this one. */
  #take(id: string, now: Wall): number | undefined {
    const last = this.#minutes.get(id)
    const isNew = last === undefined || now - last.since >= MINUTE_MS || now < last.since
    const { since, count, leftOut } = isNew ? { since: now, count: 0, leftOut: last?.leftOut ?? 0 } : last
    const isFull = count >= PER_MINUTE
    this.#minutes.delete(id)
    this.#minutes.set(id, { since, count: count + 1, leftOut: isFull ? leftOut + 1 : 0 })
    if (this.#minutes.size > CREDENTIALS_MAX) this.#minutes.delete(this.#minutes.keys().next().value as string)
    return isFull ? undefined : leftOut
  }
}
