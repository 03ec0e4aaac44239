/** Puts a policy in force in a tailnet of a test world, as saving it does. */

import { CURRENT_POLICY } from '../../src/coord/model/policies.ts'
import { TESTER } from './ledger.ts'
import type { World } from './world.ts'

export async function savePolicy(world: World, policy: object): Promise<void> {
  await world.coord.ledger.transact(world.tailnet.num, TESTER, (model, at) => {
    const state = model.state(world.tailnet.num)
    const before = state.get('policy', CURRENT_POLICY)
    const value = {
      version: (before?.version ?? 0) + 1,
      text: JSON.stringify(policy),
      at,
      by: 'test',
      comment: '',
      domains: ['example.com'],
    }
    const expect = state.version('policy', CURRENT_POLICY)
    return { batch: { writes: [{ kind: 'policy', id: CURRENT_POLICY, expect, value }] }, result: undefined }
  })
  await world.pass(300)
}
