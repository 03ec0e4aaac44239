/** Changes that an administrator makes to a device, each a transaction built from the tailnet as it is. (api-v2.md §4.1) */

import { trimDnsSuffix } from '../../../base/dns-name.ts'
import { DAY_MS, later } from '../../../base/clock.ts'
import { ipv6For, isAssignable, isFree } from '../../model/addressing.ts'
import type { Plan } from '../../model/ledger.ts'
import { freeName, labelFor, nameFault } from '../../model/naming.ts'
import { deleteNode, updateNode } from '../../model/node-changes.ts'
import { ownerIn } from '../../model/owner.ts'
import type { Node } from '../../model/records.ts'
import { commit, DONE, refuse, settle } from '../answer.ts'
import type { Answer } from '../answer.ts'
import { userIdOf } from '../caller.ts'
import type { At } from '../call.ts'
import { permittedTags } from './tags.ts'

type Change = Plan<Answer<undefined>>

function update(at: At, node: Node, after: Node): Change {
  return commit(updateNode(at.tailnet, node, after, at.now), DONE)
}

export function removeDevice(at: At, node: Node): Change {
  return commit(deleteNode(at.tailnet, node, at.now), DONE)
}

/** The key runs out now, even one that was never to. */
export function expireDevice(at: At, node: Node): Change {
  return update(at, node, { ...node, keyExpiry: at.now, keyExpiryDisabled: false })
}

export function setAuthorized(at: At, node: Node, authorized: boolean): Change {
  const { heldBack, ...rest } = node
  if (authorized && heldBack === true)
    return settle(refuse(400, 'The owner of this device is suspended: restore them, and their devices come back'))
  return update(at, node, { ...rest, authorized })
}

/**
 * @param wanted A label, or a full name in this tailnet. Empty: the host name decides again.
 */
export function renameDevice(at: At, node: Node, wanted: string): Change {
  if (wanted === '') {
    const name = freeName(at.tailnet, labelFor(node.hostinfo.Hostname ?? ''), node.id)
    return update(at, node, { ...node, name, named: false })
  }
  const name = trimDnsSuffix(wanted.toLowerCase(), at.record.domain)
  const fault = nameFault(name, at.record.domain)
  if (fault !== undefined) return settle(refuse(400, `Cannot rename the device: ${fault}`))
  const owner = at.tailnet.get('name', name)?.node
  if (owner !== undefined && owner !== node.id)
    return settle(refuse(409, `Cannot rename the device: another one is called "${name}"`))
  return update(at, node, { ...node, name, named: true })
}

export function setTags(at: At, node: Node, wanted: readonly string[]): Change {
  const tags = permittedTags(at, wanted)
  if (!Array.isArray(tags)) return settle(tags)
  if (tags.length > 0 || at.tailnet.usersById.has(node.user))
    return update(at, node, withStanding(at, { ...node, tags }))
  // Without tags it must be somebody's, and whoever registered it is gone.
  const user = userIdOf(at.caller) || ownerIn(at.tailnet)?.id
  if (user === undefined)
    return settle(refuse(400, 'Cannot take the last tag away: there is no user whose device it could be'))
  return update(at, node, withStanding(at, { ...node, tags, user }))
}

/** A device whose owner is suspended is held back; a tagged one has no owner to be held back for. */
function withStanding(at: At, node: Node): Node {
  const isCut = node.tags.length === 0 && at.tailnet.usersById.get(node.user)?.status === 'suspended'
  const { heldBack, ...rest } = node
  if (isCut) return node.authorized ? { ...node, authorized: false, heldBack: true } : node
  return heldBack === true ? { ...rest, authorized: true } : node
}

/** A key that was never to expire gets a whole new life when that ends. */
export function setKeyExpiry(at: At, node: Node, keyExpiryDisabled: boolean): Change {
  const keyExpiry = node.keyExpiry ?? later(at.now, at.record.settings.devicesKeyDurationDays * DAY_MS)
  return update(
    at,
    node,
    keyExpiryDisabled ? { ...node, keyExpiryDisabled } : { ...node, keyExpiryDisabled, keyExpiry },
  )
}

export function setAddress(at: At, node: Node, ipv4: string): Change {
  if (!isAssignable(ipv4))
    return settle(
      refuse(
        400,
        'Cannot give the device this address: want an IPv4 address in 100.64.0.0/10, outside its reserved parts',
      ),
    )
  const ipv6 = ipv6For(ipv4)
  if (![ipv4, ipv6].every((ip) => isFree(at.tailnet, ip, at.now, node.id)))
    return settle(
      refuse(409, 'Cannot give the device this address: another device has it, or had it in the last 90 days'),
    )
  return update(at, node, { ...node, ipv4, ipv6 })
}
