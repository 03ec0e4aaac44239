/**
 * Browsers in which somebody is logged in. The cookie holds 256 random bits; what they are worth stands in the store,
 * so that any server knows them, and ending them ends them everywhere at once.
 */

import type { Dice } from '../../base/bytes.ts'
import { later, MINUTE_MS } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import type { Secret } from '../../base/secret.ts'
import type { By } from '../model/audit.ts'
import type { Sha256 } from '../model/credentials.ts'
import type { Ledger } from '../model/ledger.ts'
import type { Model, TailnetState } from '../model/model.ts'
import { SERVER } from '../model/records.ts'
import type { Authentication, Session, TailnetNum, User, Write } from '../model/records.ts'
import { isOver, SESSION_MS } from '../model/session-life.ts'
import { isToken, newToken, tokenId } from '../model/tokens.ts'

/** How exactly it is known when a session was last used. */
const USED_STEP_MS = 5 * MINUTE_MS
/** Sessions of one user; whoever opens more ends the oldest. */
const SESSIONS_PER_USER = 50
/** What browsers say of themselves, as far as it is kept. */
const AGENT_MAX = 200

export interface SessionDeps {
  readonly ledger: Ledger
  readonly dice: Dice
  readonly sha256: Sha256
}

/** A session that holds, and whose it is. */
export interface SignedIn {
  readonly id: string
  readonly cookie: Secret
  readonly session: Session
  readonly tailnet: TailnetState
  readonly user: User
}

/** Who a session is worth now: nobody once it is over, or its user is suspended, waits for approval or is gone. */
export function userOfSession(model: Model, session: Session, now: Wall): User | undefined {
  if (isOver(session, now)) return undefined
  const user = model.state(session.tailnet).usersById.get(session.user)
  return user?.status === 'active' ? user : undefined
}

export class Sessions {
  readonly #deps: SessionDeps

  constructor(deps: SessionDeps) {
    this.#deps = deps
  }

  /** Who the holder of this cookie is. */
  of(cookie: Secret | undefined): SignedIn | undefined {
    const { ledger, sha256 } = this.#deps
    if (cookie === undefined || !isToken(cookie.reveal())) return undefined
    const id = tokenId(sha256, cookie.reveal())
    const session = ledger.model.server.get('session', id)
    if (session === undefined) return undefined
    const user = userOfSession(ledger.model, session, ledger.now())
    return user && { id, cookie, session, tailnet: ledger.model.state(session.tailnet), user }
  }

  /** Opens one; `before` ends, so that a browser's earlier cookie is worth nothing any more. */
  async open(
    who: { readonly tailnet: TailnetNum; readonly user: number; readonly authenticated: Authentication },
    browser: { readonly from: string; readonly agent: string; readonly before?: Secret },
    by: By,
  ): Promise<Secret> {
    const { ledger, dice, sha256 } = this.#deps
    const token = newToken(dice, sha256)
    await ledger.transact(SERVER, by, (model, now) => {
      const session: Session = {
        ...who,
        created: now,
        used: now,
        expires: later(now, SESSION_MS),
        from: browser.from,
        agent: browser.agent.slice(0, AGENT_MAX),
      }
      const ended = new Set(oldestOf(model, who.tailnet, who.user, SESSIONS_PER_USER - 1))
      const before = browser.before && tokenId(sha256, browser.before.reveal())
      if (before !== undefined && model.server.get('session', before) !== undefined) ended.add(before)
      const writes: Write[] = [...ended].map((id) => ({ kind: 'session', id, expect: 'any', value: null }))
      return {
        batch: { writes: [...writes, { kind: 'session', id: token.id, expect: 'absent', value: session }] },
        result: undefined,
      }
    })
    return token.text
  }

  /** Takes note that it was used, to within some minutes. */
  async touch(signedIn: SignedIn, by: By): Promise<void> {
    const { ledger } = this.#deps
    if (later(signedIn.session.used, USED_STEP_MS) > ledger.now()) return
    await ledger.transact(SERVER, by, (model, now) => {
      const session = model.server.get('session', signedIn.id)
      if (session === undefined || later(session.used, USED_STEP_MS) > now) return { result: undefined }
      return {
        batch: { writes: [write(model, signedIn.id, { ...session, used: now })] },
        result: undefined,
      }
    })
  }

  async end(signedIn: SignedIn, by: By): Promise<void> {
    await this.#deps.ledger.transact(SERVER, by, () => ({
      batch: { writes: [{ kind: 'session', id: signedIn.id, expect: 'any', value: null }] },
      result: undefined,
    }))
  }

  /** Ends all sessions of a user, in every browser. */
  async endAll(tailnet: TailnetNum, user: number, by: By): Promise<void> {
    await this.#deps.ledger.transact(SERVER, by, (model) => {
      const writes = oldestOf(model, tailnet, user, 0).map((id): Write => ({
        kind: 'session',
        id,
        expect: 'any',
        value: null,
      }))
      return writes.length === 0 ? { result: undefined } : { batch: { writes }, result: undefined }
    })
  }
}

function write(model: Model, id: string, session: Session): Write {
  return { kind: 'session', id, expect: model.server.version('session', id), value: session }
}

/** The sessions of a user but for the newest `keep`. */
function oldestOf(model: Model, tailnet: TailnetNum, user: number, keep: number): string[] {
  return [...model.server.entries('session')]
    .filter(([, session]) => session.tailnet === tailnet && session.user === user)
    .sort(([, a], [, b]) => b.created - a.created)
    .slice(keep)
    .map(([id]) => id)
}
