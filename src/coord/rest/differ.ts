/** Answers what a policy would change: between the one in force and one that somebody wants. */

import { diffInSteps } from '../../policy/diff/index.ts'
import type { Party, PolicyDiff } from '../../policy/diff/index.ts'
import type { Policy } from '../../policy/policy.ts'
import type { PolicyDiff as DiffObject } from '../../wire/api/diff-objects.ts'
import type { At, Tools } from './call.ts'
import { engineOf, tailnetOf } from './candidate.ts'
import { takeSteps } from './long-work.ts'
import { nodeNames } from './views/node-names.ts'
import { writable } from './views/writable.ts'

export async function diffPolicies(at: At, tools: Tools, before: Policy, after: Policy): Promise<DiffObject> {
  const tailnet = await tailnetOf(at, tools)
  const [was, is] = [await engineOf(tools, before, tailnet), await engineOf(tools, after, tailnet)]
  const found = await takeSteps(tools, diffInSteps(was, is))
  return { ...writable(found), nodes: nodeNames(at.tailnet, nodesIn(found)) }
}

/** A difference this large is not kept with a proposal; whoever wants it asks for it anew. */
const MOST_KEPT = 1 << 20

/** As much of it as is kept: all, or that there is more than is kept. */
export function keptDiff(found: DiffObject): DiffObject {
  if (JSON.stringify(found).length <= MOST_KEPT) return found
  return { flows: [], logins: [], sight: [], routes: [], complete: false, nodes: {} }
}

function nodesIn({ flows, logins, sight, routes }: PolicyDiff): Set<number> {
  const ids = new Set<number>()
  const note = (parties: readonly Party[]): void => {
    for (const party of parties) {
      if ('node' in party) ids.add(party.node)
      if ('nodes' in party) for (const id of party.nodes ?? []) ids.add(id)
    }
  }
  for (const { from, to } of [...flows, ...logins, ...sight]) {
    note(from)
    note(to)
  }
  for (const { viewers, node } of routes) {
    note(viewers)
    ids.add(node)
  }
  return ids
}
