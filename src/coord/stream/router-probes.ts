/**
 * Which routers of one tailnet still answer: those that others could stand in for are asked for a sign of life every
 * second, and whoever stays silent while another answers is found unwell.
 *
 *   the stream ends, as when the process is killed or says goodbye    LEFT_MS
 *   silence, as when the cable is pulled                              SILENT_MS
 *
 * Nobody is found unwell for what the server itself slept through, nor while nobody answers better: a server that has
 * lost its network must not blame the routers. It asks, hears and decides; writing the verdict down is the caller's matter.
 */

import { later, NEVER } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'

const ASK_MS = 1000
/** Longer than two pauses of a second in a row, and short enough that traffic goes on within five seconds. */
export const SILENT_MS = 3500
/** Until a stream has answered once: its client may still be reading its first map. */
const FIRST_MS = 15_000
/** A stream that ends may be followed by another at once, as when a client changes networks. */
export const LEFT_MS = 100
/** Who was unwell has to answer for so long, without a gap, to be well again. */
export const WELL_MS = 5000
/** An answer that is out for longer is a gap. */
const GAP_MS = 2000
/** A verdict that nobody has written down is said again. */
const AGAIN_MS = 1000
/** So late a turn means that this process, or its machine, did nothing. */
const LATE_MS = 250

/** What is known of nodes elsewhere. */
export interface KnownOfRouters {
  /** The stream that the node holds here; any object, another one for another stream. */
  streamOf(node: number): object | undefined
  /** Is it this server whose word counts: does the record say that the node is online here? */
  isOurs(node: number): boolean
  /** On record: online, well, its key good; here or at another server. */
  isUsable(node: number): boolean
  isUnwell(node: number): boolean
}

export type ProbeStep =
  | { readonly kind: 'ask'; readonly node: number }
  | { readonly kind: 'unwell'; readonly node: number }
  | { readonly kind: 'well'; readonly node: number }

interface Router {
  readonly node: number
  /** Routers of the same subnets. */
  rivals: ReadonlySet<number>
  stream: object | undefined
  connectedAt: Mono
  leftAt: Mono | undefined
  heardAt: Mono
  /** This stream has answered. */
  answered: boolean
  /** When the oldest question without an answer was asked. */
  askedAt: Mono | undefined
  askAt: Mono
  /** It has answered everything since. */
  wellSince: Mono
  saidUntil: Mono
}

export class RouterProbes {
  readonly #known: KnownOfRouters
  readonly #routers = new Map<number, Router>()
  #due = NEVER

  constructor(known: KnownOfRouters) {
    this.#known = known
  }

  /** @param groups routers of one subnet each */
  watch(groups: Iterable<readonly number[]>, now: Mono): void {
    const rivals = new Map<number, Set<number>>()
    for (const group of groups)
      for (const node of group) {
        let set = rivals.get(node)
        if (set === undefined) rivals.set(node, (set = new Set()))
        for (const other of group) if (other !== node) set.add(other)
      }
    for (const node of this.#routers.keys()) if (!rivals.has(node)) this.#routers.delete(node)
    for (const [node, others] of rivals) {
      const router = this.#routers.get(node)
      if (router !== undefined) router.rivals = others
      else this.#routers.set(node, newRouter(node, others, now))
    }
    this.#due = now
  }

  /** An answer has come, to whichever question. */
  heard(node: number, now: Mono): void {
    const router = this.#routers.get(node)
    if (router === undefined) return
    if (router.askedAt !== undefined && now - router.askedAt > GAP_MS) router.wellSince = now
    router.heardAt = now
    router.answered = true
    router.askedAt = undefined
  }

  tick(now: Mono): ProbeStep[] {
    this.#forgive(now)
    const steps: ProbeStep[] = []
    for (const router of this.#routers.values()) this.#follow(router, now, steps)
    // Behind, so that each is judged by what all others have done.
    for (const router of this.#routers.values()) this.#judge(router, now, steps)
    this.#due = this.#nextDue(now)
    return steps
  }

  deadline(): Mono {
    return this.#due
  }

  /** What was slept through here is nobody's silence. */
  #forgive(now: Mono): void {
    const late = now - this.#due
    if (late < LATE_MS) return
    for (const router of this.#routers.values()) {
      router.heardAt = later(router.heardAt, late)
      if (router.askedAt !== undefined) router.askedAt = later(router.askedAt, late)
      if (router.leftAt !== undefined) router.leftAt = later(router.leftAt, late)
    }
  }

  #follow(router: Router, now: Mono, steps: ProbeStep[]): void {
    const stream = this.#known.streamOf(router.node)
    if (stream !== router.stream) {
      router.stream = stream
      router.answered = false
      router.askedAt = undefined
      if (stream === undefined) router.leftAt = now
      else {
        router.leftAt = undefined
        router.connectedAt = router.heardAt = router.wellSince = now
        router.askAt = later(now, spread(router.node))
      }
    }
    if (stream === undefined || router.askAt > now) return
    steps.push({ kind: 'ask', node: router.node })
    router.askedAt ??= now
    router.askAt = later(now, ASK_MS)
  }

  #judge(router: Router, now: Mono, steps: ProbeStep[]): void {
    const { node } = router
    if (router.saidUntil > now || !this.#known.isOurs(node)) return
    if (this.#known.isUnwell(node)) {
      if (isAnswering(router, now) && router.heardAt - router.wellSince >= WELL_MS)
        this.#say({ kind: 'well', node }, now, steps)
    } else if (this.#hasFailed(router, now) && [...router.rivals].some((rival) => this.#isBetter(rival, router, now)))
      this.#say({ kind: 'unwell', node }, now, steps)
  }

  #hasFailed(router: Router, now: Mono): boolean {
    return failsAt(router) <= now
  }

  /** Could this one stand in? One that is connected here has to have been so all the while, and to answer. */
  #isBetter(rival: number, failed: Router, now: Mono): boolean {
    if (!this.#known.isUsable(rival)) return false
    if (!this.#known.isOurs(rival)) return true
    const router = this.#routers.get(rival)
    if (router === undefined || !isAnswering(router, now)) return false
    // Where all streams end at once, as behind a proxy that starts anew, who is back first is no better.
    return failed.leftAt === undefined || router.connectedAt <= failed.leftAt
  }

  #say(step: ProbeStep, now: Mono, steps: ProbeStep[]): void {
    const router = this.#routers.get(step.node) as Router
    router.saidUntil = later(now, AGAIN_MS)
    steps.push(step)
  }

  #nextDue(now: Mono): Mono {
    let due = NEVER
    for (const router of this.#routers.values()) {
      const times = [router.stream === undefined ? NEVER : router.askAt, failsAt(router), router.saidUntil]
      for (const at of times) if (at > now && at < due) due = at
    }
    return due
  }
}

function newRouter(node: number, rivals: ReadonlySet<number>, now: Mono): Router {
  return {
    node,
    rivals,
    stream: undefined,
    connectedAt: now,
    // One that has not come yet has not left either.
    leftAt: undefined,
    heardAt: now,
    answered: false,
    askedAt: undefined,
    askAt: now,
    wellSince: now,
    saidUntil: now,
  }
}

/** When it will have failed if nothing is heard of it. */
function failsAt({ stream, leftAt, askedAt, answered, heardAt }: Router): Mono {
  if (stream === undefined) return leftAt === undefined ? NEVER : later(leftAt, LEFT_MS)
  return askedAt === undefined ? NEVER : later(heardAt, answered ? SILENT_MS : FIRST_MS)
}

function isAnswering({ stream, answered, askedAt }: Router, now: Mono): boolean {
  return stream !== undefined && answered && (askedAt === undefined || now - askedAt <= GAP_MS)
}

/** Not all are asked in the same moment. */
function spread(node: number): number {
  return (node * 137) % ASK_MS
}
