/**
 * Says what happens to machines, people and keys, for the log: one event for each, with names and ids, in the order
 * in which the model learns of it. Every server says what it learns, whichever of them it happened at.
 *
 * Nothing here is secret: a login's code is left out, since whoever has it may decide about it.
 */

import { later, MINUTE_MS } from '../base/clock.ts'
import type { Wall } from '../base/clock.ts'
import { isExpired } from './model/model.ts'
import type { Changed, Model } from './model/model.ts'
import type { Key, Node, PendingLogin, Tailnet, TailnetNum, User } from './model/records.ts'

export type Say = (event: string, fields: Readonly<Record<string, unknown>>) => void

type Of<K extends Changed['kind']> = Extract<Changed, { kind: K }>

/** Clients may call themselves whatever they like. */
const CLAIM_MAX = 63

export class Journal {
  readonly #model: Model
  readonly #say: Say
  /** Keys that ran out by then have been spoken of. */
  #lookedAt: Wall
  /** Nodes whose key ran out since, by a change of their record rather than by the clock. */
  readonly #expired = new Set<string>()

  /** @param now keys that ran out before are old news */
  constructor(model: Model, say: Say, now: Wall) {
    this.#model = model
    this.#say = say
    this.#lookedAt = now
  }

  /** Takes in changes of the model, in order. */
  changed(changes: readonly Changed[], now: Wall): void {
    for (const change of changes) {
      if (change.kind === 'node') this.#node(change, now)
      else if (change.kind === 'user') this.#user(change)
      else if (change.kind === 'key') this.#key(change)
      else if (change.kind === 'login') this.#login(change)
      else if (change.kind === 'ssh-check') this.#sshCheck(change)
      else if (change.kind === 'tailnet') this.#tailnet(change)
      else if (change.kind === 'presence') this.#presence(change)
      else if (change.kind === 'route-order') this.#routeOrder(change)
    }
  }

  /** Looks for keys that have run out by the clock, if that was not done within the last minute. */
  tick(now: Wall): void {
    if (now >= later(this.#lookedAt, MINUTE_MS)) this.keysExpired(now)
  }

  /** Keys have run out by the clock. */
  keysExpired(now: Wall): void {
    const since = this.#lookedAt
    this.#lookedAt = now
    for (const { num } of this.#model.tailnets())
      for (const node of this.#model.state(num).nodesById.values())
        if (isExpired(node, now) && !isExpired(node, since) && !this.#expired.has(node.stableId))
          this.#say('node key expired', this.#aboutNode(num, node))
    this.#expired.clear()
  }

  #node({ tailnet, before, after }: Of<'node'>, now: Wall): void {
    const node = after ?? before
    if (node === undefined) return
    const about = this.#aboutNode(tailnet, node)
    if (after === undefined) return this.#say('node deleted', about)
    if (before === undefined) return this.#say('node joined', { ...about, ...onJoining(after) })
    if (before.nodeKey !== after.nodeKey || before.loggedIn !== after.loggedIn) this.#say('node logged in', about)
    if (before.authorized !== after.authorized)
      this.#say(after.authorized ? 'node approved' : 'node approval withdrawn', about)
    if (!isExpired(after, now)) return
    // Made to expire anew, it has still expired but once.
    const wasSaid = isExpired(before, this.#lookedAt) || this.#expired.has(after.stableId)
    if (wasSaid || !isExpired(before, now)) this.#expired.add(after.stableId)
    if (!wasSaid && !isExpired(before, now)) this.#say('node key expired', about)
  }

  #user({ tailnet, before, after }: Of<'user'>): void {
    const user = after ?? before
    if (user === undefined) return
    const about = { tailnet: this.#tailnetName(tailnet), user: user.loginName, id: user.id }
    if (after === undefined) return this.#say('user deleted', about)
    if (before === undefined) return this.#say('user added', { ...about, role: after.role })
    if (before.role !== after.role) this.#say('user has another role', { ...about, role: after.role })
    if (before.status !== after.status) this.#say(STATUS[after.status], about)
  }

  #key({ tailnet, before, after }: Of<'key'>): void {
    // Those that have long been of no use are forgotten without a word.
    if (after === undefined) return
    const about = { tailnet: this.#tailnetName(tailnet), key: after.id, type: after.type }
    if (before === undefined) this.#say('key created', { ...about, user: this.#maker(tailnet, after) })
    else if (before.revoked === undefined && after.revoked !== undefined) this.#say('key revoked', about)
  }

  #login({ before, after }: Of<'login'>): void {
    if (after === undefined) return
    const about = { hostname: claimed(after.hostname), os: claimed(after.os), from: after.from }
    if (before === undefined) this.#say('login asked for', about)
    if (after.outcome !== undefined && before?.outcome === undefined) this.#decided(after.outcome, about)
  }

  #decided(outcome: NonNullable<PendingLogin['outcome']>, about: Readonly<Record<string, unknown>>): void {
    if (outcome.kind === 'refused') return this.#say('login refused', { ...about, why: outcome.why })
    const { tailnet, user } = outcome
    this.#say('login approved', {
      tailnet: this.#tailnetName(tailnet),
      user: this.#userName(tailnet, user),
      ...about,
    })
  }

  #sshCheck({ before, after }: Of<'ssh-check'>): void {
    if (after?.outcome === undefined || before?.outcome !== undefined) return
    const { tailnet, user, source, target, account } = after
    const nameOf = (node: number): string | number => this.#model.state(tailnet).node(node)?.name ?? node
    this.#say(`ssh check ${after.outcome.kind}`, {
      tailnet: this.#tailnetName(tailnet),
      user: this.#userName(tailnet, user),
      from: nameOf(source),
      to: nameOf(target),
      account: claimed(account),
    })
  }

  #tailnet({ before, after }: Of<'tailnet'>): void {
    const tailnet = after ?? before
    if (tailnet === undefined || (before !== undefined && after !== undefined)) return
    this.#say(after === undefined ? 'tailnet deleted' : 'tailnet created', aboutTailnet(tailnet))
  }

  #presence({ tailnet, before, after }: Of<'presence'>): void {
    if (after?.unwell === before?.unwell) return
    const node = this.#model.state(tailnet).node(Number(after?.node ?? before?.node))
    if (node === undefined || after?.online !== true) return
    this.#say(
      after.unwell === undefined ? 'router answers again' : 'router does not answer',
      this.#aboutNode(tailnet, node),
    )
  }

  #routeOrder({ tailnet, id: route, before, after }: Of<'route-order'>): void {
    const [primary] = after?.nodes ?? []
    const node = primary === undefined ? undefined : this.#model.state(tailnet).node(primary)
    if (node !== undefined && primary !== before?.nodes[0])
      this.#say('route has another primary router', { ...this.#aboutNode(tailnet, node), route })
  }

  #aboutNode(tailnet: TailnetNum, node: Node): Readonly<Record<string, unknown>> {
    return {
      tailnet: this.#tailnetName(tailnet),
      node: node.name,
      id: node.stableId,
      ...(node.tags.length > 0 ? { tags: node.tags } : { user: this.#userName(tailnet, node.user) }),
    }
  }

  #tailnetName(num: TailnetNum): string | number {
    return this.#model.tailnet(num)?.name ?? num
  }

  #userName(tailnet: TailnetNum, id: number): string | number {
    return this.#model.state(tailnet).usersById.get(id)?.loginName ?? id
  }

  #maker(tailnet: TailnetNum, key: Key): string | number {
    if (key.client !== undefined) return key.client
    return key.user === 0 ? 'the server' : this.#userName(tailnet, key.user)
  }
}

const STATUS: Readonly<Record<User['status'], string>> = {
  active: 'user admitted',
  suspended: 'user suspended',
  'needs-approval': 'user needs approval',
}

function aboutTailnet({ name, stableId }: Tailnet): Readonly<Record<string, unknown>> {
  return { tailnet: name, id: stableId }
}

function onJoining(node: Node): Readonly<Record<string, unknown>> {
  return {
    address: node.ipv4,
    ...(node.authKey === undefined ? {} : { key: node.authKey }),
    ...(node.ephemeral ? { ephemeral: true } : {}),
    ...(node.authorized ? {} : { approved: false }),
  }
}

function claimed(text: string): string {
  return text.slice(0, CLAIM_MAX)
}
