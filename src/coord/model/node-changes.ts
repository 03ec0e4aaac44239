/**
 * The writes by which a node comes, changes and goes, with everything that must change beside it: its name, its
 * addresses, its claim on its node key. Whoever decides that it should (enroll, rest) does so elsewhere.
 */

import type { Wall } from '../../base/clock.ts'
import type { NodeKey } from '../../base/keys.ts'
import { releaseAddress, takeAddress } from './addressing.ts'
import type { TailnetState } from './model.ts'
import { nameWrites } from './naming.ts'
import type { Batch, Claim, Node } from './records.ts'

type Changes = Required<Pick<Batch, 'writes' | 'claims'>>

/** Who holds a node key, as claims name it. */
export function claimOwner(tailnet: number, node: number): string {
  return `${tailnet}/${node}`
}

function claim(state: TailnetState, node: number, key: NodeKey, act: Claim['act']): Claim {
  return { space: 'node-key', key, act, owner: claimOwner(state.num, node) }
}

export function createNode(state: TailnetState, node: Node, now: Wall): Changes {
  return {
    writes: [
      { kind: 'node', id: String(node.id), expect: 'absent', value: node },
      ...nameWrites(state, node.id, undefined, node.name),
      takeAddress(state, node.ipv4, node, now),
      takeAddress(state, node.ipv6, node, now),
    ],
    claims: [claim(state, node.id, node.nodeKey, 'take')],
  }
}

/** `after` is the node as it is to be; its id stays. */
export function updateNode(state: TailnetState, before: Node, after: Node, now: Wall): Changes {
  const writes: Batch['writes'][number][] = [
    { kind: 'node', id: String(before.id), expect: state.version('node', String(before.id)), value: after },
    ...nameWrites(state, before.id, before.name, after.name),
  ]
  const claims: Claim[] = []
  for (const family of ['ipv4', 'ipv6'] as const)
    if (before[family] !== after[family])
      writes.push(releaseAddress(state, before[family], before, now), takeAddress(state, after[family], after, now))
  if (before.nodeKey !== after.nodeKey)
    claims.push(claim(state, before.id, before.nodeKey, 'release'), claim(state, before.id, after.nodeKey, 'take'))
  return { writes, claims }
}

export function deleteNode(state: TailnetState, node: Node, now: Wall): Changes {
  const id = String(node.id)
  const presence = state.version('presence', id)
  const attributes = state.version('attributes', id)
  return {
    writes: [
      { kind: 'node', id, expect: state.version('node', id), value: null },
      ...(presence === 'absent' ? [] : [{ kind: 'presence', id, expect: 'any', value: null } as const]),
      ...(attributes === 'absent' ? [] : [{ kind: 'attributes', id, expect: attributes, value: null } as const]),
      ...nameWrites(state, node.id, node.name, undefined),
      releaseAddress(state, node.ipv4, node, now),
      releaseAddress(state, node.ipv6, node, now),
    ],
    claims: [claim(state, node.id, node.nodeKey, 'release')],
  }
}
