/**
 * The control session: reaches the server, registers, holds a map stream, reports how the node is, and comes back by
 * itself whatever happens to the server, the network or the clocks (control.md §15). While the server is away the node
 * goes on with its last map.
 *
 * A machine: bytes, events and both clocks in, actions out; `deadline` says when `tick` has something to do. Every
 * input ends in `#advance`, which looks at what is wanted and what is there, and does the next thing; so it does not
 * matter in which order things happen. The connection is reach.ts, registration registering.ts, stream and
 * reports mapping.ts, the map's life netmap-keeper.ts, and what is beside the map aside.ts.
 */

import type { Bytes } from '../../base/bytes.ts'
import { later, MINUTE_MS, NEVER, SECOND_MS } from '../../base/clock.ts'
import type { Mono, Wall } from '../../base/clock.ts'
import type { Secret } from '../../base/secret.ts'
import type { Endpoint } from '../../wire/control-requests.ts'
import type { Hostinfo, NetInfo } from '../../wire/hostinfo.ts'
import { LOCKED_WHY } from './actions.ts'
import type { ControlAction, ControlState, Fetched, Now, Phase, SessionOptions } from './actions.ts'
import { Aside } from './aside.ts'
import { parseServerAddress } from './dial.ts'
import { Expiring } from './expiring.ts'
import { Identity } from './identity.ts'
import type { ControlLink, LinkAnswer, LinkEvent } from './link.ts'
import { Mapping } from './mapping.ts'
import { CAPABILITY_VERSION } from '../../wire/capability-version.ts'
import type { NetworkMap } from './netmap.ts'
import { NetmapKeeper } from './netmap-keeper.ts'
import type { PingResponse } from './pings.ts'
import { Reach } from './reach.ts'
import { Registering } from './registering.ts'

/** The clocks have moved apart by more than this: the machine slept, or somebody set the time. */
const JUMP_MS = 10 * SECOND_MS
/** How often the calendar is looked at while a key has a time to expire: it may jump meanwhile. */
const CALENDAR_MS = MINUTE_MS
/** What an ephemeral node that ends may take for its farewell. */
const FAREWELL_MS = 5 * SECOND_MS

type Want = 'nothing' | 'join' | 'log-out' | 'farewell'

export class ControlSession {
  readonly #options: SessionOptions
  readonly #version: number
  readonly #reach: Reach
  readonly #identity: Identity
  readonly #registering: Registering
  readonly #keeper: NetmapKeeper
  readonly #mapping: Mapping
  readonly #aside: Aside
  readonly #expiring: Expiring
  #want: Want = 'nothing'
  #farewellUntil: Mono = NEVER
  #hostinfo: Hostinfo
  #netInfo: NetInfo | undefined
  #endpoints: readonly Endpoint[] = []
  #last: Now | undefined
  #why: string | undefined
  #loggedOut = false
  #locked = false
  #told: ControlState = { phase: 'stopped', online: false }
  #out: ControlAction[] = []

  /** Throws `config/invalid` for an address that is none. */
  constructor(options: SessionOptions) {
    const { primitives, hostinfo } = options
    this.#options = options
    this.#version = options.version ?? CAPABILITY_VERSION
    this.#hostinfo = hostinfo
    const server = parseServerAddress(options.server)
    const emit = (action: ControlAction) => void this.#out.push(action)
    this.#reach = new Reach(options, server, this.#version, emit)
    this.#aside = new Aside(this.#reach, emit)
    this.#expiring = new Expiring(server, emit)
    this.#mapping = new Mapping(options)
    this.#identity = new Identity(primitives, options.nodeKey, options.oldNodeKey)
    this.#registering = new Registering(options, this.#identity, server, this.#version)
    this.#keeper = new NetmapKeeper(options)
  }

  get state(): ControlState {
    return this.#told
  }

  /** The map as it is now; `undefined` while there is none. */
  get netmap(): NetworkMap | undefined {
    return this.#keeper.map
  }

  // What the owner wants.

  /** Begins: with the cached map at once, and with the server as soon as it is there. */
  start(now: Now): ControlAction[] {
    this.#want = 'join'
    this.#last = now
    const own = this.#identity.ownPublic
    if (own !== undefined) this.#emitAll(this.#keeper.restore(own, now.wall))
    return this.#settle(now)
  }

  /** Ends without a word to the server. */
  stop(now: Now): ControlAction[] {
    this.#want = 'nothing'
    this.#drop('stopped')
    return this.#settle(now)
  }

  /** Ends; an ephemeral node takes its leave first, for five seconds at most. Then `done` comes. */
  shutdown(now: Now): ControlAction[] {
    const leaves = this.#options.ephemeral === true && this.#identity.own !== undefined && this.#want === 'join'
    this.#want = leaves ? 'farewell' : 'nothing'
    if (leaves) {
      this.#farewellUntil = later(now.mono, FAREWELL_MS)
      this.#closeStream()
      this.#cancelRegistration()
      this.#registering.logOut()
      this.#reach.wakeUp(now.mono)
    } else this.#end()
    return this.#settle(now)
  }

  /**
   * A person wants to log in, or a program with a key.
   *
   * @param anew with a new node key, whether or not the server still takes the old one
   */
  login({ authKey, anew = false }: { readonly authKey?: Secret; readonly anew?: boolean }, now: Now): ControlAction[] {
    this.#want = 'join'
    this.#locked = false
    this.#loggedOut = false
    this.#cancelRegistration()
    this.#registering.logIn(authKey, anew || this.#isExpired(now.wall))
    this.#closeStream()
    this.#wakeUp(now)
    return this.#settle(now)
  }

  /** Gives the node key back; `keys-gone` comes when the server has heard of it. */
  logout(now: Now): ControlAction[] {
    if (this.#identity.own === undefined) {
      this.#forget()
      return this.#settle(now)
    }
    this.#want = 'log-out'
    this.#closeStream()
    this.#cancelRegistration()
    this.#registering.logOut()
    this.#wakeUp(now)
    return this.#settle(now)
  }

  /** Asks for a sooner end of the node key; `expiry-answered` says what has come of it. */
  expireSooner(expiry: Wall, now: Now): ControlAction[] {
    const { link } = this.#reach
    const nodeKey = this.#identity.ownPublic
    if (link === undefined || nodeKey === undefined || !this.#registering.isDone || this.#want !== 'join')
      this.#expiring.refuse('there is no connection with the server')
    else {
      const { lockKey } = this.#options
      this.#expiring.ask(link, { version: this.#version, nodeKey, lockKey, expiry, hostinfo: this.#allHostinfo() })
    }
    return this.#settle(now)
  }

  setHostinfo(hostinfo: Hostinfo, now: Now): ControlAction[] {
    this.#hostinfo = hostinfo
    this.#mapping.changed(now.mono)
    return this.#settle(now)
  }

  /** What measuring the network has shown; the home relay goes with it. */
  setNetInfo(netInfo: NetInfo, now: Now): ControlAction[] {
    this.#netInfo = netInfo
    this.#mapping.changed(now.mono)
    return this.#settle(now)
  }

  /** Candidate addresses of this node, the preferred first. */
  setEndpoints(endpoints: readonly Endpoint[], now: Now): ControlAction[] {
    this.#endpoints = endpoints
    this.#mapping.changed(now.mono)
    return this.#settle(now)
  }

  /** Addresses or routes of the machine have changed, or it woke up: connections may be dead without knowing it. */
  networkChanged(now: Now): ControlAction[] {
    this.#wakeUp(now)
    return this.#settle(now)
  }

  answerC2n(id: number, response: Bytes | undefined, now: Now): ControlAction[] {
    this.#aside.answerC2n(id, response)
    return this.#settle(now)
  }

  answerPing(id: number, response: PingResponse | undefined, now: Now): ControlAction[] {
    this.#aside.answerPing(id, response)
    return this.#settle(now)
  }

  // What the shell has to say.

  connected(conn: number, now: Now): ControlAction[] {
    this.#reach.connected(conn, now.mono)
    return this.#settle(now)
  }

  received(conn: number, bytes: Bytes, now: Now): ControlAction[] {
    const { up, events } = this.#reach.received(conn, bytes, now.mono)
    if (up) {
      this.#mapping.restart()
      this.#why = undefined
    }
    this.#take(events, now)
    return this.#settle(now)
  }

  /** A connection has ended, or has not come about. */
  closed(conn: number, why: string, now: Now): ControlAction[] {
    if (this.#reach.closed(conn, why, now.mono)) this.#lost(why, now.mono)
    return this.#settle(now)
  }

  fetched(id: number, result: Fetched, now: Now): ControlAction[] {
    this.#reach.fetched(id, result, now.mono)
    return this.#settle(now)
  }

  tick(now: Now): ControlAction[] {
    return this.#settle(now)
  }

  /** When `tick` has something to do. */
  deadline(): Mono {
    const times: Mono[] = []
    const { mono, wall } = this.#last ?? { mono: 0 as Mono, wall: 0 as Wall }
    const expiry = this.#keeper.dueInMs(wall)
    if (expiry !== Infinity) times.push(later(mono, Math.min(CALENDAR_MS, expiry)))
    if (this.#want === 'nothing' || !this.#isActive()) return Math.min(NEVER, ...times) as Mono
    times.push(this.#farewellUntil, this.#reach.deadline())
    if (this.#reach.link === undefined) return Math.min(...times) as Mono
    if (!this.#registering.isDone) times.push(this.#registering.deadline())
    else times.push(this.#mapping.deadline(mono))
    return Math.min(...times) as Mono
  }

  // The next thing to do.

  #settle(now: Now): ControlAction[] {
    this.#noteClocks(now)
    this.#calendar(now)
    this.#advance(now)
    this.#reach.flush()
    this.#tellState(now.wall)
    const out = this.#out
    this.#out = []
    return out
  }

  #advance(now: Now): void {
    const { mono } = now
    if (this.#want === 'nothing' || !this.#isActive()) return
    if (mono >= this.#farewellUntil) return this.#end()
    this.#watch(mono)
    const { link } = this.#reach
    if (link === undefined) this.#reach.advance(mono)
    else this.#converse(link, now)
  }

  /** A connection is up: registers, reports, and holds the stream. */
  #converse(link: ControlLink, now: Now): void {
    if (!this.#registering.isDone) return this.#registering.advance(link, this.#allHostinfo(), now.mono)
    const own = this.#identity.ownPublic
    if (own === undefined) return
    const hostinfo = this.#allHostinfo()
    const { discoKey } = this.#options
    const ask = { version: this.#version, nodeKey: own, discoKey, endpoints: this.#endpoints, hostinfo }
    this.#mapping.advance(link, ask, now.mono)
    if (this.#mapping.isHolding(now.mono)) this.#learn(this.#mapping.resume(link, now.mono), now)
  }

  /** Silence, on the stream and on the connection. */
  #watch(mono: Mono): void {
    // A connection under a silent stream is not to be trusted either.
    const why = this.#mapping.isSilent(mono) ? 'the map stream is silent' : this.#reach.watch(mono)
    if (why !== undefined) this.#giveUp(why, mono)
  }

  // What comes over the connection.

  #take(events: readonly LinkEvent[], now: Now): void {
    for (const event of events) {
      const { link } = this.#reach
      if (link === undefined) return
      if (event.kind === 'down') return this.#giveUp(event.why, now.mono)
      if (event.kind === 'piece') this.#learn(this.#mapping.receive(link, event.call, event.bytes, now.mono), now)
      else if (event.kind === 'answer') this.#answered(event.call, event.answer, now)
      else if (event.kind === 'ended') this.#ended(event.call, event.why, now.mono)
    }
  }

  #answered(call: number, answer: LinkAnswer, now: Now): void {
    if (this.#aside.ended(call) || this.#expiring.answered(call, answer, now.wall)) return
    if (this.#registering.isCall(call)) return this.#registered(answer, now)
    this.#streamEnded(this.#mapping.answered(call, answer, now.mono))
  }

  #ended(call: number, why: string, mono: Mono): void {
    if (this.#aside.ended(call) || this.#expiring.ended(call, why)) return
    if (this.#registering.isCall(call)) return this.#registering.failed(why, mono)
    this.#streamEnded(this.#mapping.ended(call, why, mono))
  }

  #registered(answer: LinkAnswer, now: Now): void {
    const { event, actions } = this.#registering.answered(answer, now)
    this.#emitAll(actions)
    if (event === 'locked') this.#lock()
    else if (event === 'joined') {
      this.#why = undefined
      this.#mapping.registered()
    } else if (event === 'logged-out') {
      this.#forget()
      if (this.#want === 'farewell') this.#end()
      else {
        this.#want = 'nothing'
        this.#drop('logged out')
      }
    }
  }

  /** What has come of the stream. */
  #learn({ messages, broken }: ReturnType<Mapping['receive']>, now: Now): void {
    for (const { message, frame } of messages) {
      this.#aside.take(message)
      // A lock is not looked past, whatever its head says.
      if (message.TKAInfo !== undefined && !message.TKAInfo.Disabled && message.TKAInfo.Head !== '') return this.#lock()
      this.#emitAll(this.#keeper.take(message, frame, now.wall))
      this.#why = undefined
    }
    this.#streamEnded(broken)
  }

  // Ends.

  /** @param why `undefined`: it has not */
  #streamEnded(why: string | undefined): void {
    if (why === undefined) return
    this.#keeper.streamEnded()
    this.#note('stream-ended', why)
  }

  #closeStream(): void {
    this.#mapping.close(this.#reach.link)
    this.#keeper.streamEnded()
  }

  #cancelRegistration(): void {
    const call = this.#registering.call
    if (call !== undefined) this.#reach.link?.cancel(call)
  }

  #giveUp(why: string, mono: Mono): void {
    this.#reach.giveUp()
    this.#lost(why, mono)
  }

  /** The connection is gone, and with it all that was asked over it. */
  #lost(why: string, mono: Mono): void {
    this.#aside.cutOff()
    this.#expiring.cutOff()
    this.#registering.cutOff(mono)
    if (this.#mapping.cutOff(mono)) this.#streamEnded(why)
    else this.#note('connection-lost', why)
  }

  /** Lets go of the network. */
  #drop(why: string): void {
    this.#closeStream()
    this.#reach.end()
    this.#aside.cutOff()
    this.#expiring.cutOff()
    this.#registering.restart()
    this.#why = why === 'stopped' ? undefined : this.#why
  }

  #end(): void {
    this.#want = 'nothing'
    this.#farewellUntil = NEVER
    this.#drop('stopped')
    this.#out.push({ kind: 'done' })
  }

  #lock(): void {
    this.#locked = true
    this.#drop('locked')
    this.#emitAll(this.#keeper.forget())
  }

  #forget(): void {
    this.#identity.forget()
    this.#loggedOut = true
    this.#out.push({ kind: 'keys-gone' })
    this.#emitAll(this.#keeper.forget())
  }

  // Clocks.

  #noteClocks(now: Now): void {
    const last = this.#last
    this.#last = now
    if (last === undefined) return
    const jump = now.wall - last.wall - (now.mono - last.mono)
    if (Math.abs(jump) < JUMP_MS) return
    this.#emitAll(this.#keeper.scan(now.wall))
    // The calendar went on while our clock stood: the machine slept.
    if (jump > 0) this.#wakeUp(now)
  }

  #calendar({ wall }: Now): void {
    if (this.#keeper.dueInMs(wall) === 0) this.#emitAll(this.#keeper.scan(wall))
  }

  /** Tries at once what was waiting to be tried, and asks the connection whether it lives. */
  #wakeUp({ mono }: Now): void {
    this.#mapping.hurry()
    this.#registering.hurry()
    this.#reach.wakeUp(mono)
  }

  // State.

  #isActive(): boolean {
    return !this.#locked && (this.#want !== 'join' || this.#registering.isWanted)
  }

  #isExpired(wall: Wall): boolean {
    const { map } = this.#keeper
    return map !== undefined && map.fields.self.Key === this.#identity.ownPublic && this.#keeper.isSelfExpired(wall)
  }

  #allHostinfo(): Hostinfo {
    // We send nobody our logs, and say so. (control.md §15 item 13)
    return { NoLogsNoSupport: true, ...this.#hostinfo, ...(this.#netInfo && { NetInfo: this.#netInfo }) }
  }

  #phase(wall: Wall): Phase {
    if (this.#locked) return 'locked'
    if (this.#want === 'log-out' || this.#want === 'farewell') return 'logging-out'
    if (this.#loggedOut) return 'logged-out'
    if (this.#want === 'nothing') return 'stopped'
    if (this.#registering.url !== undefined) return 'log-in'
    if (this.#registering.refusal !== undefined) return 'refused'
    if (!this.#registering.isWanted) return 'needs-login'
    if (this.#isExpired(wall)) return 'expired'
    const { map } = this.#keeper
    if (map === undefined) return 'connecting'
    return map.fields.self.MachineAuthorized === true ? 'joined' : 'needs-approval'
  }

  #tellState(wall: Wall): void {
    const phase = this.#phase(wall)
    const online = this.#mapping.isOnline
    const why =
      phase === 'locked'
        ? LOCKED_WHY
        : (this.#registering.refusal ??
          this.#registering.trouble ??
          (online ? undefined : (this.#reach.why ?? this.#why)))
    const url = phase === 'log-in' ? this.#registering.url : undefined
    const contested = this.#mapping.isContested
    const told = this.#told
    const isSame = told.phase === phase && told.online === online && told.why === why && told.url === url
    if (isSame && (told.contested ?? false) === contested) return
    this.#told = {
      phase,
      online,
      ...(why === undefined ? {} : { why }),
      ...(url === undefined ? {} : { url }),
      ...(contested ? { contested } : {}),
    }
    this.#out.push({ kind: 'state', state: this.#told })
  }

  #note(event: string, why: string): void {
    this.#why = why
    this.#out.push({ kind: 'log', event, why })
  }

  #emitAll(actions: readonly ControlAction[]): void {
    for (const action of actions) this.#out.push(action)
  }
}
