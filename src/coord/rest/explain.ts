/** Answers why a flow is allowed or refused: finds whom people mean, and puts the question to the policy. */

import { formatPrefix, parsePrefix } from '../../base/ip.ts'
import type { Prefix } from '../../base/ip.ts'
import { readProtocol } from '../../policy/document/protocols.ts'
import { hasPorts } from '../../policy/protocols.ts'
import { explainInSteps } from '../../policy/explain/index.ts'
import type { Explanation, Surroundings } from '../../policy/explain/index.ts'
import type { Policy } from '../../policy/policy.ts'
import type { PolicyNode } from '../../policy/tailnet.ts'
import type { Explanation as ExplanationObject } from '../../wire/api/explain-objects.ts'
import { done, refuse } from './answer.ts'
import type { Answer } from './answer.ts'
import type { At, Tools } from './call.ts'
import { routingsOf } from '../model/routes.ts'
import { engineOf, tailnetOf } from './candidate.ts'
import { findSubject, readDestination } from './flow-ends.ts'
import { takeSteps } from './long-work.ts'
import { nodeNames } from './views/node-names.ts'
import { writable } from './views/writable.ts'

export interface Asked {
  readonly src: string
  readonly dst: string
  readonly proto?: string | undefined
}

export async function explainFlow(
  at: At,
  tools: Tools,
  policy: Policy,
  asked: Asked,
): Promise<Answer<ExplanationObject>> {
  const protocol = readProtocol(asked.proto?.trim() || 'tcp')
  if (typeof protocol === 'string') return refuse(400, protocol)
  const wanted = readDestination(asked.dst, hasPorts(protocol))
  if (wanted.kind === 'refused') return wanted
  const { name, port } = wanted.reply

  const tailnet = await tailnetOf(at, tools)
  const byId = new Map(tailnet.nodes.map((node) => [node.id, node]))
  const src = findSubject(at, byId, policy, 'src', asked.src)
  if (src.kind === 'refused') return src
  const dst = findSubject(at, byId, policy, 'dst', name)
  if (dst.kind === 'refused') return dst
  const question = { src: src.reply, dst: dst.reply, protocol, port }
  const engine = await engineOf(tools, policy, tailnet)
  const explanation = await takeSteps(
    tools,
    explainInSteps(engine, question, { offered: offered(at, byId), ...preferred(at) }),
  )
  return done({ ...writable(explanation), nodes: nodeNames(at.tailnet, nodesIn(explanation)) })
}

/** Which of several routers is used now. */
function preferred(at: At): Pick<Surroundings, 'isPrimary' | 'goesBefore'> {
  const orders = new Map(
    routingsOf(at.tailnet, at.now).map(({ prefix, routers }) => [prefix, routers.map(({ id }) => id)]),
  )
  const placeOf = ({ id }: PolicyNode, route: Prefix): number => orders.get(formatPrefix(route))?.indexOf(id) ?? -1
  return {
    isPrimary: (node, route) => placeOf(node, route) === 0,
    goesBefore: (a, b, route) => placeOf(a, route) < placeOf(b, route),
  }
}

/** Routes that wait for somebody to approve them. */
function offered(at: At, byId: ReadonlyMap<number, PolicyNode>): { node: PolicyNode; route: Prefix }[] {
  const found: { node: PolicyNode; route: Prefix }[] = []
  for (const { id, hostinfo, approvedRoutes } of at.tailnet.nodesById.values()) {
    const node = byId.get(id)
    if (node === undefined) continue
    for (const text of hostinfo.RoutableIPs ?? []) {
      const route = approvedRoutes.includes(text) ? undefined : parsePrefix(text)
      if (route !== undefined) found.push({ node, route })
    }
  }
  return found
}

function nodesIn({ flows }: Explanation): Set<number> {
  const ids = new Set<number>()
  for (const { from, to, through, obstacles, remedies } of flows) {
    for (const node of [from.node, to.node, through?.node]) if (node !== undefined) ids.add(node)
    for (const one of [...obstacles, ...remedies.flatMap(({ edits }) => edits)]) if ('node' in one) ids.add(one.node)
  }
  return ids
}
