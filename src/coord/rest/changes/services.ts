/**
 * Changing Services: what is set of one, and which devices may host it. (api-v2.md §4.11; policy.md §15.10)
 *
 * Existing clients compare what they read with what they sent, member by member and in order, so nothing is tidied.
 */

import type { Dice } from '../../../base/bytes.ts'
import type { ServiceApproval, SetService, VipService } from '../../../wire/api/service-objects.ts'
import { ServiceName } from '../../../wire/api/service-objects.ts'
import { drawAddresses, ipv6For, isAssignable } from '../../model/addressing.ts'
import type { Plan } from '../../model/ledger.ts'
import type { Node, Write } from '../../model/records.ts'
import { addressWrites, isFreeFor, labelOf, labelWrite, serviceWrite } from '../../model/services.ts'
import type { ServiceRecord } from '../../model/services.ts'
import { commit, DONE, done, refuse, settle } from '../answer.ts'
import type { Answer, Refusal } from '../answer.ts'
import type { At } from '../call.ts'
import { approvalOf, viewService } from '../views/service.ts'
import { permittedTags } from './tags.ts'

export const NO_SERVICE = 'service not found'
const SERVICES_MAX = 1000
/** All annotations of one Service together, in characters. */
const ANNOTATIONS_MAX = 65_536

/** @param path The name in the path: of the Service that is there, or is to be. */
export function setService(at: At, path: string, wanted: SetService, dice: Dice): Plan<Answer<VipService>> {
  const name = wanted.name ?? path
  const before = at.tailnet.get('service', path)
  const fault = faultOf(at, path, name, wanted, before)
  if (fault !== undefined) return settle(fault)
  const addresses = before ?? addressesFor(at, name, wanted, dice)
  if ('kind' in addresses) return settle(addresses)
  const { annotations, displayName } = wanted
  const after: ServiceRecord = {
    name,
    ipv4: addresses.ipv4,
    ipv6: addresses.ipv6,
    comment: wanted.comment ?? '',
    ...(annotations == null ? {} : { annotations }),
    ports: wanted.ports ?? [],
    tags: wanted.tags ?? [],
    ...(displayName == null || displayName === '' ? {} : { displayName }),
    created: before?.created ?? at.now,
    approvals: before?.approvals ?? {},
  }
  const writes: Write[] = [serviceWrite(at.tailnet, name, after)]
  if (before === undefined) writes.push(...addressWrites(at.tailnet, after, at.now, 'take'))
  if (before === undefined || name !== path) writes.push(labelWrite(at.tailnet, name, true))
  if (before !== undefined && name !== path)
    writes.push(serviceWrite(at.tailnet, path, null), labelWrite(at.tailnet, path, false))
  return commit({ writes }, done(viewService(after)))
}

function faultOf(
  at: At,
  path: string,
  name: string,
  { addrs, tags, annotations }: SetService,
  before: ServiceRecord | undefined,
): Refusal | undefined {
  if (!ServiceName.safeParse(path).success)
    return refuse(400, 'Cannot set the Service: want a name such as svc:web, of lower-case letters, digits and hyphens')
  if (before === undefined && name !== path)
    return refuse(404, `${NO_SERVICE}: there is no ${path} to give another name`)
  if (before === undefined && at.tailnet.count('service') >= SERVICES_MAX)
    return refuse(400, `A tailnet has at most ${SERVICES_MAX} Services: remove one first`)
  if (before === undefined || name !== path) {
    const holder = at.tailnet.get('name', labelOf(name))
    if (holder !== undefined)
      return refuse(409, `Cannot call the Service ${name}: a device, a DNS record or a Service has that name already`)
  }
  const isMoved = before !== undefined && addrs?.some((ip) => ip !== before.ipv4 && ip !== before.ipv6)
  if (isMoved === true)
    return refuse(
      400,
      `The addresses of a Service stay what they are: those of ${path} are ${before?.ipv4} and ${before?.ipv6}`,
    )
  const size = Object.entries(annotations ?? {}).reduce((sum, [key, text]) => sum + key.length + text.length, 0)
  if (size > ANNOTATIONS_MAX)
    return refuse(400, `The annotations of a Service have room for ${ANNOTATIONS_MAX} characters in all`)
  const added = (tags ?? []).filter((tag) => before?.tags.includes(tag) !== true)
  const permitted = permittedTags(at, added)
  return Array.isArray(permitted) ? undefined : permitted
}

/** The one that was asked for, if it is free; any, if none was. */
function addressesFor(
  { tailnet, now }: At,
  name: string,
  { addrs }: SetService,
  dice: Dice,
): { readonly ipv4: string; readonly ipv6: string } | Refusal {
  const [ipv4, ipv6] = addrs ?? []
  if (ipv4 === undefined) return drawAddresses(tailnet, dice, now)
  if (!isAssignable(ipv4))
    return refuse(400, 'addrs: want an IPv4 address in 100.64.0.0/10 first, outside its reserved parts')
  const other = ipv6For(ipv4)
  if (ipv6 !== undefined && ipv6 !== other) return refuse(400, `addrs: the IPv6 address beside ${ipv4} is ${other}`)
  if (![ipv4, other].every((ip) => isFreeFor(tailnet, ip, name, now)))
    return refuse(409, `Cannot give the Service ${ipv4}: a device or Service has it, or had it in the last 90 days`)
  return { ipv4, ipv6: other }
}

export function deleteService(at: At, name: string): Plan<Answer<undefined>> {
  const service = at.tailnet.get('service', name)
  if (service === undefined) return settle(refuse(404, NO_SERVICE))
  const writes = [
    serviceWrite(at.tailnet, name, null),
    labelWrite(at.tailnet, name, false),
    ...addressWrites(at.tailnet, service, at.now, 'release'),
  ]
  return commit({ writes }, DONE)
}

export function setApproval(
  at: At,
  service: ServiceRecord,
  node: Node,
  approved: boolean,
): Plan<Answer<ServiceApproval>> {
  if (approved && node.tags.length === 0)
    return settle(refuse(400, 'Only a device with tags can host a Service: give it one first'))
  const approvals = { ...ofDevicesThere(at, service), [node.stableId]: approved }
  const after: ServiceRecord = { ...service, approvals }
  return commit({ writes: [serviceWrite(at.tailnet, service.name, after)] }, done(approvalOf(at, after, node)))
}

/** Decisions about devices that were deleted meanwhile fall away. */
function ofDevicesThere({ tailnet }: At, { approvals }: ServiceRecord): ServiceRecord['approvals'] {
  return Object.fromEntries(Object.entries(approvals).filter(([id]) => tailnet.nodesByStableId.has(id)))
}
