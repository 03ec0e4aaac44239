/**
 * Says what a transaction means: one event for each thing that it changes, made from the records before and after.
 *
 * The ledger calls it for every transaction, so whoever changes records need not think of the log. A record that is
 * written without expecting a version is described by what it was when the transaction was built.
 */

import type { Wall } from '../../base/clock.ts'
import type { AuditEvent, By } from '../model/audit.ts'
import type { Model } from '../model/model.ts'
import { SERVER } from '../model/records.ts'
import type { Kind, Kinds, TailnetNum, Write } from '../model/records.ts'
import type { Context, Describer, Said } from './describer.ts'
import { DESCRIBERS } from './describers.ts'

export function describe(
  model: Model,
  tailnet: TailnetNum,
  writes: readonly Write[],
  by: By,
  now: Wall,
): readonly AuditEvent[] {
  const state = model.state(tailnet)
  let written: Map<string, Write> | undefined
  const context: Context = {
    tailnet,
    model,
    by,
    now,
    after<K extends Kind>(kind: K, id: string): Kinds[K] | undefined {
      written ??= new Map(writes.map((write) => [`${write.kind}/${write.id}`, write]))
      const write = written.get(`${kind}/${id}`)
      return write === undefined ? state.get(kind, id) : ((write.value as Kinds[K] | null) ?? undefined)
    },
  }
  const events: AuditEvent[] = []
  for (const { kind, id, value } of writes) {
    const describer = DESCRIBERS[kind] as Describer<Kind>
    for (const said of describer({ id, before: state.get(kind, id), after: value ?? undefined }, context))
      events.push(eventOf(said, context))
  }
  return events
}

function eventOf(said: Said, { tailnet, by }: Context): AuditEvent {
  const details = [said.details, by.details].filter((text) => text !== undefined).join('; ')
  return {
    log: said.log ?? (tailnet === SERVER ? (by.log ?? SERVER) : tailnet),
    entry: {
      origin: by.origin,
      actor: by.actor,
      target: said.target,
      action: said.action,
      ...(said.old === undefined ? {} : { old: said.old }),
      ...(said.new === undefined ? {} : { new: said.new }),
      ...(details === '' ? {} : { actionDetails: details }),
      ...(by.from === undefined ? {} : { from: by.from }),
    },
  }
}
