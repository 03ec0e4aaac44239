/**
 * Posture attributes of a node: what its client reports, how lately its owner has proved who they are, and what was
 * set by hand. (api-v2.md §4.1, policy.md §12)
 */

import { formatTime, MINUTE_MS } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import type { AttributeValue, PostureAttributes } from '../../wire/api/objects.ts'
import type { AttributesRecord, Node, User } from './records.ts'

/** Whole minutes since the owner of a node has last proved who they are; not set on tagged nodes. */
export const LOGIN_AGE = 'sett:loginAgeMinutes'
/** By what they did: `passkey`, or the id of their identity provider. */
export const LOGIN_METHOD = 'sett:loginMethod'

/** @param owner of the node, as far as known */
export function attributesOf(
  node: Node,
  owner: User | undefined,
  custom: AttributesRecord['values'],
  now: Wall,
): PostureAttributes {
  const attributes = { ...reported(node), ...proved(node, owner, now) }
  const expiries: Record<string, string> = {}
  for (const [key, { value, expires }] of Object.entries(custom)) {
    if (expires !== undefined && expires <= now) continue
    attributes[key] = value
    if (expires !== undefined) expiries[key] = formatTime(expires)
  }
  return { attributes, expiries }
}

function reported(node: Node): Record<string, AttributeValue> {
  const { OS, OSVersion, IPNVersion, AllowsUpdate, StateEncrypted } = node.hostinfo
  const attributes: Record<string, AttributeValue> = {}
  if (OS !== undefined) attributes['node:os'] = OS.toLowerCase()
  if (OSVersion !== undefined) attributes['node:osVersion'] = OSVersion
  const version = /^(\d+)\.(\d+)\.\d+/.exec(IPNVersion ?? '')
  if (version !== null) {
    attributes['node:tsVersion'] = version[0]
    // Releases count in even numbers, development builds in odd ones.
    attributes['node:tsReleaseTrack'] = Number(version[2]) % 2 === 0 ? 'stable' : 'unstable'
  }
  if (AllowsUpdate !== undefined) attributes['node:tsAutoUpdate'] = AllowsUpdate
  if (StateEncrypted !== undefined) attributes['node:tsStateEncrypted'] = StateEncrypted
  return attributes
}

/** A tagged node is nobody's: that whoever registered it has logged in says nothing about it. */
function proved({ tags }: Node, owner: User | undefined, now: Wall): Record<string, AttributeValue> {
  if (tags.length > 0 || owner?.authenticated === undefined) return {}
  const { at, method } = owner.authenticated
  return { [LOGIN_AGE]: loginAge(at, now), [LOGIN_METHOD]: method }
}

/** In whole minutes. Another server's clock may be a little ahead of ours. */
export function loginAge(at: Wall, now: Wall): number {
  return Math.max(0, Math.floor((now - at) / MINUTE_MS))
}
