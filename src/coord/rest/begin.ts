/**
 * Makes what a handler has in hand. Every transaction looks again at who the caller is and what they may do, and
 * rests on the records that say so: a right taken away while a request is under way is gone.
 */

import type { Wall } from '../../base/clock.ts'
import type { RouteId } from '../../wire/api/routes.ts'
import type { Ledger, Plan } from '../model/ledger.ts'
import type { Model } from '../model/model.ts'
import { SERVER } from '../model/records.ts'
import type { Check, TailnetNum } from '../model/records.ts'
import type { Answer } from './answer.ts'
import { settle } from './answer.ts'
import { authorise, visiblePlaces } from './authorise.ts'
import type { Permit, Place } from './authorise.ts'
import type { At, Call, Live, OpenCall, ServerCall, Shared, Tools } from './call.ts'
import { byOf, callerOf, checksOf } from './caller.ts'
import type { Caller, Proof } from './caller.ts'

export interface Beginning {
  readonly id: RouteId
  readonly params: Readonly<Record<string, unknown>>
  readonly proof: Proof
  readonly caller: Caller
  readonly permit: Extract<Permit, { kind: 'permit' }>
  readonly now: Wall
  /** Address that the caller asks from. */
  readonly from: string | undefined
  readonly ledger: Ledger
  readonly live: Live
  readonly tools: Tools
}

/** A handler takes the shape that its route calls for; see `call.ts`. */
export type AnyCall = Call | ServerCall | OpenCall

export function beginCall(begin: Beginning): AnyCall {
  const { caller, permit, now, from, ledger, live, tools } = begin
  const { model } = ledger
  const open: OpenCall = { caller, now, live, tools, visible: visiblePlaces(caller, model) }
  const { place } = permit
  if (place !== undefined) return tailnetCall(begin, open, place)
  if (caller.kind !== 'server') return open
  return {
    ...open,
    scope: model.server,
    change: (build) => ledger.transact(SERVER, byOf(caller, from), (model, now) => build(model.server, now)),
  } satisfies ServerCall
}

function tailnetCall(begin: Beginning, open: OpenCall, place: Place): Call {
  const { caller, now, from, ledger, live } = begin
  const { policies } = begin.tools
  const num = place.record.num

  function transact<T>(scope: TailnetNum, build: (at: At, model: Model) => Plan<Answer<T>>): Promise<Answer<T>> {
    return ledger.transact<Answer<T>>(scope, { ...byOf(caller, from), log: num }, (model, now) => {
      const caller = callerOf(begin.proof, model, now)
      if (caller.kind === 'refused') return settle(caller)
      const permit = authorise(begin.id, begin.params, caller, model)
      if (permit.kind === 'refused') return settle(permit)
      const at: At = { ...(permit.place ?? place), caller, now, live, policies }
      const plan = build(at, model)
      // The records that a caller rests on are those of its tailnet; another scope's transaction can't hold them.
      return scope === num ? resting(plan, checksOf(caller)) : plan
    })
  }

  return {
    ...open,
    at: { ...place, caller, now, live, policies },
    change: (build) => transact(num, (at) => build(at)),
    shared: sharedOf(ledger.model),
    changeShared: (build) => transact(SERVER, (at, model) => build(at, sharedOf(model))),
  }
}

/** The plan, made to fail when one of the records has changed meanwhile; what it writes is checked as it is. */
function resting<T>(plan: Plan<T>, checks: readonly Check[]): Plan<T> {
  const { batch } = plan
  if (batch === undefined) return plan
  const written = new Set(batch.writes.map((write) => `${write.kind}/${write.id}`))
  const added = checks.filter((check) => !written.has(`${check.kind}/${check.id}`))
  return { ...plan, batch: { ...batch, checks: [...(batch.checks ?? []), ...added] } }
}

function sharedOf(model: Model): Shared {
  const { server } = model
  return {
    server,
    login: (code) => model.login(code),
    writeLogin: (login) => ({
      kind: 'login',
      id: login.code,
      expect: server.version('login', login.code),
      value: login,
    }),
    writeTailnet: (record) => ({
      kind: 'tailnet',
      id: String(record.num),
      expect: server.version('tailnet', String(record.num)),
      value: record,
    }),
  }
}
