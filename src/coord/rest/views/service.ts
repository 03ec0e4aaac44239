/** Services as the API shows them. (api-v2.md §4.11, §6.2) */

import { Approvals } from '../../../policy/approvals.ts'
import type { ServiceApproval, ServiceHost, VipService } from '../../../wire/api/service-objects.ts'
import type { Node } from '../../model/records.ts'
import type { ServiceRecord } from '../../model/services.ts'
import type { At } from '../call.ts'

export function viewService(service: ServiceRecord): VipService {
  const { name, ipv4, ipv6, comment, annotations, ports, tags, displayName } = service
  return {
    name,
    addrs: [ipv4, ipv6],
    comment,
    ...(annotations === undefined ? {} : { annotations: { ...annotations } }),
    ports: [...ports],
    tags: [...tags],
    ...(displayName === undefined ? {} : { displayName }),
  }
}

/** What was said by hand counts before what the policy says. */
export function approvalOf(at: At, { name, tags, approvals }: ServiceRecord, node: Node): ServiceApproval {
  const said = Object.hasOwn(approvals, node.stableId) ? approvals[node.stableId] : undefined
  // Without tags it hosts nothing, whatever was said while it had some.
  if (node.tags.length === 0) return { approved: false, autoApproved: false }
  if (said !== undefined) return { approved: said, autoApproved: false }
  const isAuto = new Approvals(at.policies.of(at.tailnet)).approvesService({ tags: node.tags }, name, tags)
  return { approved: isAuto, autoApproved: isAuto }
}

/** Devices about which somebody decided. */
export function viewHosts(at: At, service: ServiceRecord): ServiceHost[] {
  return Object.keys(service.approvals)
    .map((id) => at.tailnet.nodesByStableId.get(id))
    .filter((node) => node !== undefined)
    .sort((a, b) => a.id - b.id)
    .map((node) => {
      const { approved, autoApproved } = approvalOf(at, service, node)
      const approvalLevel = !approved ? 'not-approved' : autoApproved ? 'approved:auto' : 'approved:manual'
      return { stableNodeID: node.stableId, approvalLevel, configured: '' }
    })
}
