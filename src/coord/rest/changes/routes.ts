/** Which prefixes a device may route. (api-v2.md §4.1) */

import { formatPrefix, maskPrefix, parsePrefix } from '../../../base/ip.ts'
import type { DeviceRoutes } from '../../../wire/api/objects.ts'
import type { Plan } from '../../model/ledger.ts'
import { updateNode } from '../../model/node-changes.ts'
import type { Node } from '../../model/records.ts'
import { commit, done, refuse, settle } from '../answer.ts'
import type { Answer } from '../answer.ts'
import type { At } from '../call.ts'
import { viewRoutes } from '../views/device.ts'

/** Replaces what is enabled; the device need not offer it yet. */
export function setRoutes(at: At, node: Node, wanted: readonly string[]): Plan<Answer<DeviceRoutes>> {
  const approvedRoutes: string[] = []
  for (const text of wanted) {
    const prefix = parsePrefix(text)
    if (prefix === undefined)
      return settle(refuse(400, `Cannot enable route "${text}": want a prefix such as 192.0.2.0/24 or 2001:db8::/32`))
    const canonical = formatPrefix(maskPrefix(prefix))
    if (canonical !== formatPrefix(prefix))
      return settle(refuse(400, `Cannot enable route "${text}": it has bits set behind its length; want ${canonical}`))
    if (!approvedRoutes.includes(canonical)) approvedRoutes.push(canonical)
  }
  const after = { ...node, approvedRoutes }
  return commit(updateNode(at.tailnet, node, after, at.now), done(viewRoutes(after)))
}
