/**
 * Answers SSH servers that ask whether to let somebody in whom a rule with `check` decides on. (control.md §10.2)
 *
 *   1st request:  a link to be shown, and where to ask next
 *   2nd request:  held until somebody has decided in a browser; then let in, or refused
 *
 * The server may be another one at every step: all that is known of a check is its record. What the person sees, and
 * what makes it theirs to decide, is people/.
 */

import type { Dice } from '../base/bytes.ts'
import { later, MINUTE_MS, SECOND_MS } from '../base/clock.ts'
import type { Mono, Wall } from '../base/clock.ts'
import type { SshRule } from '../policy/policy.ts'
import { ACCEPT } from '../policy/ssh.ts'
import { JSON_TYPE, PLAIN } from './control.ts'
import type { ControlReply, ControlRequest } from './control.ts'
import { byNode } from './model/actors.ts'
import { newCode } from './model/codes.ts'
import type { Ledger, Plan } from './model/ledger.ts'
import type { Located } from './model/model.ts'
import { SERVER } from './model/records.ts'
import type { TailnetNum } from './model/records.ts'
import { isOpen, isSameAsk, lastPassed, SSH_CHECK_MS } from './model/ssh-checks.ts'
import type { SshAsk, SshCheck } from './model/ssh-checks.ts'
import { Waiters } from './waiters.ts'

/** Every so often a held request is answered with "ask again", so that none hangs on a connection that is dead. */
const HOLD_MS = 2 * MINUTE_MS
/** A check that another server has begun may be heard of a little later than it is asked for. */
const UNHEARD_MS = 5 * SECOND_MS
/** A login may join a check that another one waits for already, if at least so much of its time is left. */
const JOIN_MS = SSH_CHECK_MS / 2
/** Open at one time: to one node, and on the whole server. */
const CHECKS_PER_TARGET = 64
const CHECKS_MAX = 10_000
/** Names of accounts are shorter on every system. */
const ACCOUNT_MAX = 256

const PATH = /^\/machine\/ssh\/action\/(\d{1,15})\/to\/(\d{1,15})$/

export interface SshChecksOptions {
  readonly ledger: Ledger
  readonly dice: Dice
  /** The rule by which one node logs in to another as this account, now. */
  readonly ruleOf: (tailnet: TailnetNum, from: number, to: number, account: string) => SshRule | undefined
  /** The link a user opens for the code of a check. */
  readonly checkUrl: (code: string) => string
}

/** What the SSH server does next; `SSHAction` on the wire. (control.md §10.1) */
interface SshAction {
  readonly accept?: boolean
  readonly reject?: boolean
  readonly message?: string
  readonly holdAndDelegate?: string
}

interface Asked {
  readonly source: number
  readonly target: number
  readonly account: string
  /** That of the check that it waits for; absent: it asks for the first time. */
  readonly code: string | undefined
}

export class SshChecks {
  readonly #options: SshChecksOptions
  readonly #waiters = new Waiters()

  constructor(options: SshChecksOptions) {
    this.#options = options
  }

  async answer(request: ControlRequest, reply: ControlReply): Promise<void> {
    const asked = readAsked(request)
    if (asked === undefined) return reply.answer(404, 'not found', PLAIN)
    if (request.method !== 'GET') return reply.answer(405, 'use GET', PLAIN)
    await this.#decide(request, asked, reply, this.#now())
  }

  /** Something has become of a check. */
  changed(code: string): void {
    this.#waiters.wake(code)
  }

  expire(now: Wall): void {
    this.#waiters.expire(now)
  }

  deadline(wall: Wall, now: Mono): Mono {
    return this.#waiters.deadline(wall, now)
  }

  async #decide(request: ControlRequest, asked: Asked, reply: ControlReply, since: Wall): Promise<void> {
    const { model } = this.#options.ledger
    const target = model.nodesOfMachine(request.machineKey).find(({ node }) => node.id === asked.target)
    if (target === undefined) return reply.answer(403, 'this machine is not the node that is logged in to', PLAIN)
    const permitted = this.#permitted(target, asked)
    if ('action' in permitted) return send(reply, permitted.action)
    const { ask, periodMs } = permitted
    const { code } = asked
    const known = code === undefined ? undefined : model.server.get('ssh-check', code)
    if (code !== undefined && known === undefined && later(since, UNHEARD_MS) > this.#now())
      return this.#hold(code, later(since, UNHEARD_MS), request, asked, reply, since)
    if (code === undefined || known === undefined) return await this.#begin(request, target, ask, periodMs, reply)
    if (!isSameAsk(known, ask)) return send(reply, reject('this check is about another login'))
    if (known.outcome?.kind === 'refused') return send(reply, reject('it was refused in the browser'))
    if (known.expires <= this.#now()) return send(reply, reject('nobody has confirmed it in time'))
    if (known.outcome?.kind === 'passed') return send(reply, { ...ACCEPT, message: say('The check is passed.') })
    const until = Math.min(known.expires, later(since, HOLD_MS)) as Wall
    if (until <= this.#now()) return send(reply, { holdAndDelegate: delegate(asked, code) })
    this.#hold(code, until, request, asked, reply, since)
  }

  #hold(code: string, until: Wall, request: ControlRequest, asked: Asked, reply: ControlReply, since: Wall): void {
    this.#waiters.hold(code, until, reply, () => {
      // The SSH server asks again after what is no answer.
      this.#decide(request, asked, reply, since).catch(() => reply.answer(500, 'try again', PLAIN))
    })
  }

  /** What has to be checked; or what is to happen without one, as the policy is now. */
  #permitted(
    { tailnet, node }: Located,
    { source, account }: Asked,
  ): { readonly action: SshAction } | { readonly ask: SshAsk; readonly periodMs: number } {
    const from = tailnet.node(source)
    const rule = from && this.#options.ruleOf(tailnet.num, source, node.id, account)
    if (from === undefined || rule === undefined) return { action: reject('no rule of the policy allows it any more') }
    if (rule.action === 'accept') return { action: ACCEPT }
    if (from.tags.length > 0)
      return { action: reject('a rule asks for a check, and a tagged device is nobody who could pass it') }
    const user = tailnet.usersById.get(from.user)
    if (user?.status !== 'active') return { action: reject('the device it comes from belongs to no active user') }
    const ask: SshAsk = { tailnet: tailnet.num, source, target: node.id, account, user: user.id }
    return { ask, periodMs: rule.checkPeriodMs }
  }

  /** Somebody who has passed a check lately is let in; anybody else is shown a link. */
  async #begin(
    request: ControlRequest,
    { node }: Located,
    ask: SshAsk,
    periodMs: number,
    reply: ControlReply,
  ): Promise<void> {
    const { ledger, dice, checkUrl } = this.#options
    const last = lastPassed(ledger.model, ask)
    if (last !== undefined && later(last, periodMs) > this.#now()) return send(reply, ACCEPT)
    const fresh = newCode(dice)
    const code = await ledger.transact(SERVER, byNode(node, request.from), (model, now): Plan<string | undefined> => {
      let [open, toTarget] = [0, 0]
      for (const [known, check] of model.server.entries('ssh-check')) {
        if (!isOpen(check, now)) continue
        open++
        // Where every login is to be checked, each has a check of its own.
        if (periodMs > 0 && isSameAsk(check, ask) && later(now, JOIN_MS) <= check.expires) return { result: known }
        if (check.tailnet === ask.tailnet && check.target === ask.target) toTarget++
      }
      if (toTarget >= CHECKS_PER_TARGET || open >= CHECKS_MAX) return { result: undefined }
      const value: SshCheck = { ...ask, created: now, expires: later(now, SSH_CHECK_MS) }
      return {
        batch: { writes: [{ kind: 'ssh-check', id: fresh, expect: 'absent', value }] },
        result: fresh,
      }
    })
    if (code === undefined) return send(reply, reject('too many logins wait for a check; try again later'))
    const message = say('This login needs a check. To prove who you are, visit:', `  ${checkUrl(code)}`)
    const { source, target, account } = ask
    send(reply, { message, holdAndDelegate: delegate({ source, target, account }, code) })
  }

  #now(): Wall {
    return this.#options.ledger.now()
  }
}

function readAsked({ path, query }: ControlRequest): Asked | undefined {
  const [, source, target] = PATH.exec(path) ?? []
  const account = field(query, 'local_user') ?? ''
  if (source === undefined || target === undefined || account === '' || account.length > ACCOUNT_MAX) return undefined
  return { source: Number(source), target: Number(target), account, code: field(query, 'check') }
}

/** The value of one field of a query, as Go writes it. */
function field(query: string, name: string): string | undefined {
  const found = query.split('&').find((part) => part.startsWith(`${name}=`))
  try {
    return found && decodeURIComponent(found.slice(name.length + 1).replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

/** Where the SSH server asks next. Its host is of no account: the request goes through Noise. */
function delegate({ source, target, account }: Omit<Asked, 'code'>, code: string): string {
  const query = `local_user=${encodeURIComponent(account)}&check=${encodeURIComponent(code)}`
  return `https://unused/machine/ssh/action/${source}/to/${target}?${query}`
}

function reject(why: string): SshAction {
  return { reject: true, message: say(`This login is refused: ${why}.`) }
}

/** As terminals show it, in the form of official messages. */
function say(...lines: readonly string[]): string {
  return lines.map((line) => `# ${line}\r\n`).join('')
}

function send(reply: ControlReply, action: SshAction): void {
  reply.answer(200, JSON.stringify(action), JSON_TYPE)
}
