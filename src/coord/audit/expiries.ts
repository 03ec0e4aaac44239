/** Describes keys that ran out by the clock. */

import { formatTime } from '../../base/clock.ts'
import { expiredBetween } from '../model/expiries.ts'
import type { Context, RecordChange, Said } from './describer.ts'
import { keyTarget } from './keys.ts'
import { nodeTarget } from './nodes.ts'

export function describeExpiries(
  { before, after }: RecordChange<'expiries'>,
  { model, tailnet }: Context,
): readonly Said[] {
  // The first one says from when on.
  if (before === undefined || after === undefined) return []
  const { nodes, keys } = expiredBetween(model.state(tailnet), before.until, after.until)
  return [
    ...nodes.map((node): Said => ({
      target: { ...nodeTarget(node), property: 'KEY_EXPIRY_TIME' },
      action: 'EXPIRED',
      ...(node.keyExpiry === undefined ? {} : { new: formatTime(node.keyExpiry) }),
    })),
    ...keys.map((key): Said => ({ target: keyTarget(key), action: 'EXPIRED', new: formatTime(key.expires) })),
  ]
}
