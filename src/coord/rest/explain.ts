/** Answers why a flow is allowed or refused: finds whom people mean, and puts the question to the policy. */

import { parseIp, parsePrefix } from '../../base/ip.ts'
import type { Prefix } from '../../base/ip.ts'
import { readProtocol } from '../../policy/document/protocols.ts'
import { hasPorts } from '../../policy/protocols.ts'
import { explainInSteps } from '../../policy/explain/index.ts'
import type { Explanation, Subject } from '../../policy/explain/index.ts'
import type { Policy } from '../../policy/policy.ts'
import type { PolicyNode } from '../../policy/tailnet.ts'
import type { Explanation as ExplanationObject } from '../../wire/api/explain-objects.ts'
import type { Node } from '../model/records.ts'
import { done, refuse } from './answer.ts'
import type { Answer } from './answer.ts'
import { nodeIn } from './authorise.ts'
import type { At, Tools } from './call.ts'
import { engineOf, tailnetOf } from './candidate.ts'
import { findUser } from './find.ts'
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
  const m = /^(.+?)(?::(\d{1,5}))?$/.exec(asked.dst.trim())
  const isBareIp = parseIp(asked.dst.trim()) !== undefined
  const host = isBareIp ? asked.dst : (m?.[1] ?? '')
  const port = isBareIp || m?.[2] === undefined ? undefined : Number(m[2])
  if (hasPorts(protocol) && (port === undefined || port < 1 || port > 65535))
    return refuse(400, 'dst: want a port behind it, such as web:443, 100.64.0.1:22 or [2001:db8::1]:443')

  const tailnet = await tailnetOf(at, tools)
  const byId = new Map(tailnet.nodes.map((node) => [node.id, node]))
  const [src, dst] = [subject(at, byId, asked.src), subject(at, byId, host)]
  if (src === undefined) return refuse(404, `src: ${NOBODY}`)
  if (dst === undefined) return refuse(404, `dst: ${NOBODY}`)
  const question = { src, dst, protocol, port: hasPorts(protocol) ? (port as number) : 0 }
  const engine = await engineOf(tools, policy, tailnet)
  const explanation = await takeSteps(tools, explainInSteps(engine, question, { offered: offered(at, byId) }))
  return done({ ...writable(explanation), nodes: nodeNames(at.tailnet, nodesIn(explanation)) })
}

const NOBODY = 'no such device, user, tag or address in this tailnet'

/** A device by id, address, full or short name; a person; a tag; an address that may be anywhere. */
function subject(at: At, byId: ReadonlyMap<number, PolicyNode>, given: string): Subject | undefined {
  const text = given.trim().replace(/^\[(.*)\]$/, '$1')
  if (text.startsWith('tag:')) return { kind: 'tag', tag: text }
  const ip = parseIp(text)
  if (ip !== undefined) return { kind: 'address', ip }
  const node = nodeNamed(at, text)
  const found = node === undefined ? undefined : byId.get(node.id)
  if (found !== undefined) return { kind: 'node', node: found }
  const user = findUser(at.tailnet, text)
  return user === undefined ? undefined : { kind: 'user', login: user.loginName }
}

function nodeNamed({ tailnet, record }: At, text: string): Node | undefined {
  const name = text.toLowerCase().replace(/\.$/, '')
  const suffix = `.${record.domain}`
  const label = name.endsWith(suffix) ? name.slice(0, -suffix.length) : name
  const holder = tailnet.get('name', label)?.node
  return (holder === undefined ? undefined : tailnet.node(holder)) ?? nodeIn(tailnet, text)
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
