/**
 * When own endpoints and relay latencies are looked for again: when somebody asks, and every 20 to 26 s while the node is
 * used. (disco.md §4.3) Where nobody answered, as on a machine that is busy starting, sooner: until then peers are told
 * where we are behind our router, which is no use to them.
 *
 * One look at a time: what is asked for meanwhile, however often, is one more look right after. Looking is the shell's.
 */

import { later, NEVER, SECOND_MS } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'

const PERIOD_MS = 20 * SECOND_MS
const PERIOD_SPREAD_MS = 6 * SECOND_MS
/** Without a packet of the machine's own for so long, nobody needs to know where it is. */
const IDLE_MS = 45 * SECOND_MS
/** After looks in a row that nobody answered; where UDP is blocked, it ends with that. */
const UNANSWERED_MS = [1, 2, 4, 8].map((seconds) => seconds * SECOND_MS)

/** What must hold for looking without being asked. */
export interface RefreshNeeds {
  readonly networkUp: boolean
  readonly hasHome: boolean
  readonly hasPeers: boolean
  readonly hasKey: boolean
}

export class Refresh {
  readonly #dice: () => number
  #needs: RefreshNeeds = { networkUp: true, hasHome: false, hasPeers: false, hasKey: false }
  #usedAt = -Infinity as Mono
  #looking = false
  /** Why to look again right after; the newest reason counts. */
  #queued: string | undefined
  #nextAt = NEVER
  /** Looks in a row that nobody answered. */
  #unanswered = 0

  /** @param dice gives numbers from 0 to 1, so that nodes don't look in step */
  constructor(dice: () => number) {
    this.#dice = dice
  }

  setNeeds(needs: RefreshNeeds): void {
    this.#needs = needs
  }

  /** The machine sent a packet into the tailnet. */
  used(now: Mono): void {
    this.#usedAt = now
  }

  /** Somebody wants a look. Gives the reason to look for now, or `undefined` while one is under way. */
  want(why: string): string | undefined {
    if (this.#looking) {
      this.#queued = why
      return undefined
    }
    this.#looking = true
    this.#nextAt = NEVER
    return why
  }

  /** A look has ended. Gives the reason for the next, if one is to begin right now. */
  done(now: Mono, isAnswered = true): string | undefined {
    this.#looking = false
    const why = this.#queued
    this.#queued = undefined
    this.#unanswered = isAnswered ? 0 : this.#unanswered + 1
    if (why !== undefined) return this.want(why)
    const again = UNANSWERED_MS[this.#unanswered - 1]
    if (again !== undefined) this.#nextAt = later(now, again)
    else if (this.#isNeeded(now)) this.#nextAt = later(now, PERIOD_MS + PERIOD_SPREAD_MS * this.#dice())
    return undefined
  }

  /** Gives the reason for a look that is due. */
  tick(now: Mono): string | undefined {
    if (now < this.#nextAt) return undefined
    this.#nextAt = NEVER
    if (UNANSWERED_MS[this.#unanswered - 1] !== undefined) return this.want('nobody answered')
    return this.#isNeeded(now) ? this.want('periodic') : undefined
  }

  deadline(): Mono {
    return this.#nextAt
  }

  #isNeeded(now: Mono): boolean {
    const { networkUp, hasHome, hasPeers, hasKey } = this.#needs
    return networkUp && hasHome && hasPeers && hasKey && now - this.#usedAt <= IDLE_MS
  }
}
