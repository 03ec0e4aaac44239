/**
 * Describes what was decided about logins by SSH: whom somebody has let in, where, as which account, and by what they
 * proved who they are. That a check is asked for is nobody's decision. Its code stays out of the log.
 */

import { formatTime } from '../../base/clock.ts'
import type { Context, RecordChange, Said } from './describer.ts'
import { nodeTarget } from './nodes.ts'

const PROPERTY = 'SSH_CHECK'

export function describeSshCheck({ before, after }: RecordChange<'ssh-check'>, { model }: Context): readonly Said[] {
  const outcome = after?.outcome
  if (after === undefined || outcome === undefined || before?.outcome !== undefined) return []
  const state = model.state(after.tailnet)
  const [source, node] = [state.node(after.source), state.node(after.target)]
  const target = node === undefined ? { id: '', name: '', type: 'NODE' as const } : nodeTarget(node)
  const login = {
    account: after.account,
    user: state.usersById.get(after.user)?.loginName ?? String(after.user),
    from: source === undefined ? String(after.source) : { id: source.stableId, name: source.name },
  }
  const log = after.tailnet
  if (outcome.kind === 'refused')
    return [{ target: { ...target, property: PROPERTY }, action: 'CANCEL', old: login, log }]
  const { at, method } = outcome.authenticated
  const passed = { ...login, authenticated: formatTime(at), method }
  return [{ target: { ...target, property: PROPERTY }, action: 'ACCEPT', new: passed, log }]
}
