/**
 * Describes what was decided about machines that ask to join. That one asks is nobody's decision; that it has joined,
 * the node says. A login's code stays out: whoever has it may decide about it.
 */

import type { AuditTarget } from '../model/audit.ts'
import type { Context, RecordChange, Said } from './describer.ts'

export function describeLogin({ before, after }: RecordChange<'login'>, { model }: Context): readonly Said[] {
  const outcome = after?.outcome
  if (after === undefined || outcome === undefined || before?.outcome !== undefined) return []
  const target: AuditTarget = { id: '', name: after.hostname, type: 'NODE', isEphemeral: after.ephemeral }
  const asked = { hostname: after.hostname, os: after.os, from: after.from, nodeKey: after.nodeKey }
  if (outcome.kind === 'refused') return [{ target, action: 'CANCEL', old: asked, details: outcome.why }]
  const user = model.state(outcome.tailnet).usersById.get(outcome.user)?.loginName ?? String(outcome.user)
  return [{ target, action: 'ACCEPT', new: { ...asked, user }, log: outcome.tailnet }]
}
