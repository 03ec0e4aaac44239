/** Which prefixes a device may route. (api-v2.md §4.1) */

import { formatPrefix, maskPrefix, parsePrefix } from '../../../base/ip.ts'
import type { DeviceRoutes } from '../../../wire/api/objects.ts'
import type { Plan } from '../../model/ledger.ts'
import { updateNode } from '../../model/node-changes.ts'
import type { Node } from '../../model/records.ts'
import { isExitRoute } from '../../model/routes.ts'
import { commit, done, refuse, settle } from '../answer.ts'
import type { Answer, Refusal } from '../answer.ts'
import type { At } from '../call.ts'
import { viewRoutes } from '../views/device.ts'

/** As many as one device may have, which is what one request may name. */
const ROUTES_MAX = 2048

/** Replaces what is enabled; the device need not offer it yet. */
export function setRoutes(at: At, node: Node, wanted: readonly string[]): Plan<Answer<DeviceRoutes>> {
  const approvedRoutes = prefixesOf(wanted)
  return isRefused(approvedRoutes) ? settle(approvedRoutes) : approved(at, node, approvedRoutes)
}

/** Approves some beside what is enabled, and withdraws others. */
export function changeRoutes(
  at: At,
  node: Node,
  { approve, withdraw }: { readonly approve: readonly string[]; readonly withdraw: readonly string[] },
): Plan<Answer<DeviceRoutes>> {
  const [more, less] = [prefixesOf(approve), prefixesOf(withdraw)]
  if (isRefused(more)) return settle(more)
  if (isRefused(less)) return settle(less)
  const both = more.find((prefix) => less.includes(prefix))
  if (both !== undefined) return settle(refuse(400, `Cannot approve ${both} and withdraw it at once`))
  const unknown = less.find((prefix) => !isExitRoute(prefix) && !node.approvedRoutes.includes(prefix))
  if (unknown !== undefined)
    return settle(refuse(404, `Cannot withdraw ${unknown}: it is not approved for ${node.name}`))
  const after = new Set([...node.approvedRoutes, ...more])
  for (const prefix of less) after.delete(prefix)
  if (after.size > ROUTES_MAX) return settle(refuse(400, `A device may route at most ${ROUTES_MAX} prefixes`))
  return approved(at, node, [...after])
}

const isRefused = (read: string[] | Refusal): read is Refusal => 'kind' in read

function approved(at: At, node: Node, approvedRoutes: readonly string[]): Plan<Answer<DeviceRoutes>> {
  const after = { ...node, approvedRoutes }
  return commit(updateNode(at.tailnet, node, after, at.now), done(viewRoutes(after)))
}

function prefixesOf(texts: readonly string[]): string[] | Refusal {
  const prefixes: string[] = []
  for (const text of texts) {
    const prefix = parsePrefix(text)
    if (prefix === undefined)
      return refuse(400, `Cannot enable route "${text}": want a prefix such as 192.0.2.0/24 or 2001:db8::/32`)
    const canonical = formatPrefix(maskPrefix(prefix))
    if (canonical !== formatPrefix(prefix))
      return refuse(400, `Cannot enable route "${text}": it has bits set behind its length; want ${canonical}`)
    if (!prefixes.includes(canonical)) prefixes.push(canonical)
  }
  return prefixes
}
