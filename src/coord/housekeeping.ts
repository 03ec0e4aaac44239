/**
 * What must happen although nobody asks: nodes that went offline are written down, ephemeral ones removed, logins
 * that nobody finished forgotten, the feed kept short. Each step may be repeated and may be cut off at any point.
 */

import { DAY_MS, HOUR_MS, later, MINUTE_MS, NEVER } from '../base/clock.ts'
import type { Mono, Wall } from '../base/clock.ts'
import type { Maps } from './maps.ts'
import { worker } from './model/actors.ts'
import type { Ledger } from './model/ledger.ts'
import { EXPIRIES_ID, expiredBetween } from './model/expiries.ts'
import type { Model, TailnetState } from './model/model.ts'
import { deleteNode } from './model/node-changes.ts'
import { SERVER } from './model/records.ts'
import type { AccessToken, Node, TailnetNum } from './model/records.ts'
import { isOver } from './model/session-life.ts'
import { isForgettable } from './model/ssh-checks.ts'
import type { SshCheck } from './model/ssh-checks.ts'
import type { Store } from './store/store.ts'

const HOUSEKEEPING = worker('housekeeping')
/** Readers that are further behind than this take a snapshot instead. */
const FEED_KEPT = 10_000
/** Keys that can't be used any more are still listed for so long. */
const KEY_KEPT_MS = 90 * DAY_MS

export interface HousekeepingOptions {
  readonly ledger: Ledger
  readonly store: Store
  readonly maps: Maps
  /** An ephemeral node without a stream is deleted after so long. */
  readonly ephemeralMs: number
  /** Entries of audit logs are kept for so long. */
  readonly auditMs: number
}

export class Housekeeping {
  readonly #options: HousekeepingOptions
  readonly #every: number
  #sweepAt: Mono
  #trimAuditAt: Mono
  #running = false

  constructor(options: HousekeepingOptions, now: Mono) {
    this.#options = options
    this.#every = Math.max(250, Math.min(MINUTE_MS, options.ephemeralMs / 4))
    this.#sweepAt = later(now, this.#every)
    this.#trimAuditAt = now
  }

  deadline(): Mono {
    return this.#running ? NEVER : this.#sweepAt
  }

  /** Does what is due. One run at a time; the next waits for it. */
  async tick(now: Mono): Promise<void> {
    if (this.#running) return
    this.#running = true
    try {
      const { ledger, maps } = this.#options
      await maps.writeOffline(ledger, now)
      if (now < this.#sweepAt) return
      this.#sweepAt = later(now, this.#every)
      for (const { num } of ledger.model.tailnets()) {
        // Before keys that are long of no use are forgotten.
        await this.#noteExpired(num)
        await this.#sweep(num)
      }
      await this.#forgetLogins()
      await this.#forgetSshChecks()
      await this.#forgetBrowsers()
      await this.#options.store.trim(FEED_KEPT)
      await this.#trimAudit(now)
    } finally {
      this.#running = false
    }
  }

  async #sweep(tailnet: TailnetNum): Promise<void> {
    const { ledger } = this.#options
    for (const node of this.#idleEphemeral(ledger.model, tailnet, ledger.now()))
      await ledger.transact(tailnet, HOUSEKEEPING, (model, now) => {
        const again = this.#idleEphemeral(model, tailnet, now).find(({ id }) => id === node.id)
        return again === undefined
          ? { result: undefined }
          : { batch: deleteNode(model.state(tailnet), again, now), result: undefined }
      })
    const state = ledger.model.state(tailnet)
    const old = [...state.all('key')].filter((key) => (key.revoked ?? key.expires) + KEY_KEPT_MS < ledger.now())
    const tokens = uselessTokens(state, ledger.now())
    const links = [...state.entries('ticket')].filter(([, { expires }]) => expires <= ledger.now())
    if (old.length === 0 && tokens.length === 0 && links.length === 0) return
    await ledger.transact(tailnet, HOUSEKEEPING, () => ({
      batch: {
        writes: [
          ...old.flatMap(({ id }) => [
            { kind: 'key', id, expect: 'any', value: null } as const,
            { kind: 'key-use', id, expect: 'any', value: null } as const,
          ]),
          ...tokens.map((id) => ({ kind: 'access-token', id, expect: 'any', value: null }) as const),
          ...links.map(([id]) => ({ kind: 'ticket', id, expect: 'any', value: null }) as const),
        ],
      },
      result: undefined,
    }))
  }

  /** Tells the audit log of keys that ran out by the clock; several servers tell it once. */
  async #noteExpired(tailnet: TailnetNum): Promise<void> {
    const { ledger } = this.#options
    const state = ledger.model.state(tailnet)
    const isNew = (now: Wall) => {
      const seen = state.get('expiries', EXPIRIES_ID)
      if (seen === undefined) return true
      const { nodes, keys } = expiredBetween(state, seen.until, now)
      return nodes.length + keys.length > 0
    }
    if (!isNew(ledger.now())) return
    await ledger.transact(tailnet, HOUSEKEEPING, (_, now) => {
      if (!isNew(now)) return { result: undefined }
      const expect = state.version('expiries', EXPIRIES_ID)
      const write = { kind: 'expiries', id: EXPIRIES_ID, expect, value: { until: now } } as const
      return { batch: { writes: [write] }, result: undefined }
    })
  }

  async #trimAudit(now: Mono): Promise<void> {
    if (now < this.#trimAuditAt) return
    this.#trimAuditAt = later(now, HOUR_MS)
    const { ledger, store, auditMs } = this.#options
    await store.trimAudit(later(ledger.now(), -auditMs))
  }

  #idleEphemeral(model: Model, tailnet: TailnetNum, now: Wall): Node[] {
    const state = model.state(tailnet)
    return [...state.all('node')].filter((node) => {
      if (!node.ephemeral || this.#options.maps.isConnected(tailnet, node.id)) return false
      const presence = state.presence(node.id)
      return !presence?.online && (presence?.lastSeen ?? node.loggedIn) + this.#options.ephemeralMs <= now
    })
  }

  async #forgetLogins(): Promise<void> {
    const { ledger } = this.#options
    const old = [...ledger.model.server.all('login')].filter((login) => login.expires + HOUR_MS < ledger.now())
    if (old.length === 0) return
    await ledger.transact(SERVER, HOUSEKEEPING, () => ({
      batch: { writes: old.map(({ code }) => ({ kind: 'login', id: code, expect: 'any', value: null }) as const) },
      result: undefined,
    }))
  }

  async #forgetSshChecks(): Promise<void> {
    const { ledger } = this.#options
    const isOld = ([, check]: readonly [string, SshCheck]) => isForgettable(check, ledger.now())
    const old = [...ledger.model.server.entries('ssh-check')].filter(isOld)
    if (old.length === 0) return
    await ledger.transact(SERVER, HOUSEKEEPING, () => ({
      batch: { writes: old.map(([id]) => ({ kind: 'ssh-check', id, expect: 'any', value: null }) as const) },
      result: undefined,
    }))
  }

  /** Sessions that are over, and logins under way that nobody came back from: only so many may be under way. */
  async #forgetBrowsers(): Promise<void> {
    const { ledger } = this.#options
    const now = ledger.now()
    const { server } = ledger.model
    const sessions = [...server.entries('session')].filter(([, session]) => isOver(session, now))
    const signIns = [...server.entries('sign-in')].filter(([, { expires }]) => expires <= now)
    if (sessions.length + signIns.length === 0) return
    await ledger.transact(SERVER, HOUSEKEEPING, () => ({
      batch: {
        writes: [
          ...sessions.map(([id]) => ({ kind: 'session', id, expect: 'any', value: null }) as const),
          ...signIns.map(([id]) => ({ kind: 'sign-in', id, expect: 'any', value: null }) as const),
        ],
      },
      result: undefined,
    }))
  }
}

/** Access tokens that have run out, or whose client is no more. */
function uselessTokens(state: TailnetState, now: Wall): string[] {
  const isUseless = ({ client, expires }: AccessToken): boolean => {
    const key = state.key(client)
    return expires <= now || key === undefined || key.revoked !== undefined
  }
  return [...state.entries('access-token')].filter(([, token]) => isUseless(token)).map(([id]) => id)
}
