/**
 * The coordination server, wired up. Read from top to bottom it is what happens to a request and to a change:
 *
 *   request --> machine --> enroll | maps --> ledger --> store
 *   store --feed--> model --> netmap --effects--> streams --messages--> clients
 *                         \-> journal
 *   audit log --> deliveries --webhooks, log streams--> elsewhere
 *
 *   router --sign of life, or none--> failover --> ledger
 *
 * It owns no socket, file or timer: the shell calls `handle` and `tick`, and is asked to call `tick` by `wake`.
 */

import { hex } from '../base/bytes.ts'
import type { Dice } from '../base/bytes.ts'
import { NEVER } from '../base/clock.ts'
import type { Clocks, Mono } from '../base/clock.ts'
import type { NodeKey } from '../base/keys.ts'
import type { Secret } from '../base/secret.ts'
import type { Pinged } from '../wire/api/sett-objects.ts'
import type { DerpMap } from '../wire/derp-map.ts'
import type { ControlHandler } from './control.ts'
import { Deliveries } from './deliveries.ts'
import type { DeliverySeams } from './deliveries.ts'
import { Enroll } from './enroll/enroll.ts'
import { Permits } from './enroll/permits.ts'
import { Failover } from './failover.ts'
import { firstTailnet, ownerLink, welcomeKey } from './first-start.ts'
import { Housekeeping } from './housekeeping.ts'
import { Journal } from './journal.ts'
import type { Say } from './journal.ts'
import { StoreLedger } from './ledger.ts'
import { Machine } from './machine.ts'
import { Maps } from './maps.ts'
import type { Bcrypt, Sha256 } from './model/credentials.ts'
import type { Ledger } from './model/ledger.ts'
import { isExpired } from './model/model.ts'
import type { Changed } from './model/model.ts'
import { Policies } from './model/policies.ts'
import type { Node, PendingLogin, TailnetNum } from './model/records.ts'
import { Pings, responseBody } from './pings.ts'
import { SshChecks } from './ssh-checks.ts'
import type { Store } from './store/store.ts'

export interface CoordOptions {
  readonly store: Store
  readonly clocks: Clocks
  readonly dice: Dice
  readonly sha256: Sha256
  /** For keys that came from Headscale; absent: they let nobody in. */
  readonly bcrypt?: Bcrypt
  /** One zstd frame. */
  readonly compress: (text: string) => Uint8Array
  /** Where clients reach this server, without a slash at its end. */
  readonly url: string
  readonly tailnetDomain: string
  readonly derpMap: DerpMap
  /** This server's name in presence records; the same after a restart. */
  readonly server: string
  readonly ephemeralMs: number
  /** Entries of audit logs are kept for so long. */
  readonly auditMs: number
  /** Rules of policies are written out in full, as the recorded service does; for replays. */
  readonly expandedRules?: boolean
  /** Asks for `tick` soon; may be called often. */
  readonly wake: () => void
  /** Node keys that may no longer use the relay, or may use it from now on. */
  readonly admissionChanged: () => void
  /** Something failed that nobody was waiting for. */
  readonly failed: (what: string, error: unknown) => void
  /** How webhooks and log streams are sent; absent: nothing is. */
  readonly deliver?: DeliverySeams
  /** Told what happens to machines, people and keys; absent: nobody keeps a log of it. */
  readonly say?: Say
}

export class Coord {
  readonly ledger: Ledger
  readonly handle: ControlHandler
  readonly maps: Maps
  readonly pings: Pings
  readonly policies: Policies
  /** Registrations that succeeded since the start. */
  joins = 0
  readonly #options: CoordOptions
  readonly #machine: Machine
  readonly #sshChecks: SshChecks
  readonly #housekeeping: Housekeeping
  readonly #failover: Failover
  readonly #deliveries: Deliveries | undefined
  readonly #store: StoreLedger
  readonly #journal: Journal

  private constructor(
    options: CoordOptions,
    ledger: StoreLedger,
    policies: Policies,
    maps: Maps,
    pings: Pings,
    journal: Journal,
  ) {
    this.#options = options
    this.#store = ledger
    this.#journal = journal
    this.ledger = ledger
    this.maps = maps
    this.pings = pings
    this.policies = policies
    const { dice, sha256, bcrypt, store, ephemeralMs, auditMs } = options
    const permits = new Permits(policies)
    this.#sshChecks = new SshChecks({
      ledger,
      dice,
      ruleOf: (tailnet, from, to, account) => maps.sshRule(tailnet, from, to, account),
      checkUrl: (code) => `${options.url}/ssh-check/${code}`,
    })
    this.#machine = new Machine({
      ledger,
      maps,
      pings,
      sshChecks: this.#sshChecks,
      dice,
      enroll: new Enroll({ ledger, dice, sha256, permits, ...(bcrypt === undefined ? {} : { bcrypt }) }),
      permits,
      loginUrl: (code) => `${options.url}/login/${code}`,
      joined: () => this.joins++,
      failed: options.failed,
    })
    this.handle = this.#machine.handle
    this.#failover = new Failover({
      ledger,
      maps,
      pings,
      server: options.server,
      mono: () => options.clocks.mono(),
      wake: options.wake,
      failed: (error) => options.failed('failover', error),
    })
    const { deliver, clocks, server, url, wake, failed } = options
    this.#deliveries =
      deliver === undefined ? undefined : new Deliveries({ ...deliver, ledger, clocks, server, url, wake, failed })
    this.#housekeeping = new Housekeeping({ ledger, store, maps, ephemeralMs, auditMs }, options.clocks.mono())
  }

  /** Reads everything the store holds, and is ready to serve. */
  static async open(options: CoordOptions): Promise<Coord> {
    const { store, clocks, dice, wake, say = () => undefined } = options
    let follow = (_changes: readonly Changed[]): void => undefined
    const ledger = new StoreLedger(store, clocks, (changes) => follow(changes))
    await ledger.open((error) => options.failed('following the store', error))
    const journal = new Journal(ledger.model, say, clocks.wall())
    const keysExpired = (): void => {
      options.admissionChanged()
      journal.keysExpired(clocks.wall())
    }
    const policies = new Policies(options.failed)
    const maps = new Maps({ ...options, model: ledger.model, policies, keysExpired })
    const pings = new Pings({ dice, wake, mono: () => clocks.mono(), push: (t, n, fields) => maps.push(t, n, fields) })
    const coord = new Coord(options, ledger, policies, maps, pings, journal)
    follow = (changes) => coord.#changed(changes)
    maps.expectBack(clocks.mono())
    return coord
  }

  /** Makes the first tailnet and its owner if there are none, and a key for the first machine. */
  async welcome(): Promise<Secret> {
    const { dice, sha256, tailnetDomain } = this.#options
    return await welcomeKey(this.ledger, await firstTailnet(this.ledger, dice, tailnetDomain), dice, sha256)
  }

  /** A link by which somebody becomes the owner; `undefined` once the owner has a way to log in. */
  async ownerLink(): Promise<Secret | undefined> {
    const { dice, sha256, tailnetDomain, url } = this.#options
    return await ownerLink(this.ledger, await firstTailnet(this.ledger, dice, tailnetDomain), dice, sha256, url)
  }

  /** The login behind a link; `undefined` when there is none, or it is over. */
  login(code: string): PendingLogin | undefined {
    const login = this.ledger.model.login(code)
    return login === undefined || login.expires <= this.ledger.now() ? undefined : login
  }

  /** The tailnet whose relay traffic a node key may join; `undefined`: nobody's. */
  realmOf(key: NodeKey): string | undefined {
    const found = this.ledger.model.nodeByKey(key)
    if (found === undefined || !found.node.authorized || isExpired(found.node, this.ledger.now())) return undefined
    return String(found.tailnet.num)
  }

  /** Asks a node over its map stream whether it is there: by a mere sign, or by having it echo a text. */
  async ping(tailnet: TailnetNum, node: Node, echo: boolean): Promise<Pinged> {
    const to = { tailnet: this.ledger.model.state(tailnet), node }
    const text = echo ? hex(this.#options.dice(16)) : ''
    const answer = echo ? await this.pings.c2n(to, 'POST', '/echo', text) : await this.pings.ping(to)
    if (answer.kind !== 'answered') return { outcome: answer.kind }
    if (echo && responseBody(answer.body) !== text) return { outcome: 'no-answer' }
    return { outcome: 'answered', latencyMs: Math.round(answer.ms * 10) / 10 }
  }

  /** Does what is due by now. */
  tick(now: Mono): void {
    this.#machine.expire(this.ledger.now())
    this.#sshChecks.expire(this.ledger.now())
    this.pings.tick(now)
    this.#failover.tick(now)
    this.#deliveries?.tick(now)
    this.maps.tick(now)
    this.#journal.tick(this.ledger.now())
    this.#housekeeping.tick(now).catch((error: unknown) => this.#options.failed('housekeeping', error))
  }

  /** When `tick` next has something to do, as far as is known now. */
  deadline(now: Mono): Mono {
    return Math.min(
      this.maps.deadline(now),
      this.pings.deadline(),
      this.#failover.deadline(),
      this.#deliveries?.deadline() ?? NEVER,
      this.#housekeeping.deadline(),
      this.#machine.deadline(this.ledger.now(), now),
      this.#sshChecks.deadline(this.ledger.now(), now),
    ) as Mono
  }

  /** Breaks off what is being sent, and lets another server go on with it. */
  async stopDelivering(): Promise<void> {
    await this.#deliveries?.stop()
  }

  /** Ends all streams, for a server that stops. Everything acknowledged is in the store already. */
  close(): void {
    this.maps.endAll()
    this.#store.close()
  }

  #changed(changes: readonly Changed[]): void {
    this.#journal.changed(changes, this.ledger.now())
    this.maps.changed(changes)
    this.#deliveries?.changed(changes)
    for (const change of changes) {
      if (change.kind === 'login' && change.after?.outcome !== undefined) this.#machine.decided(change.id)
      if (change.kind === 'ssh-check' && change.after !== undefined) this.#sshChecks.changed(change.id)
      if (change.kind === 'node' && affectsAdmission(change)) this.#options.admissionChanged()
    }
  }
}

function affectsAdmission({ before, after }: Extract<Changed, { kind: 'node' }>): boolean {
  return (
    before?.nodeKey !== after?.nodeKey ||
    before?.authorized !== after?.authorized ||
    before?.keyExpiry !== after?.keyExpiry ||
    before?.keyExpiryDisabled !== after?.keyExpiryDisabled
  )
}
