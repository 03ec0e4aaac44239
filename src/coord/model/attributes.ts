/** Posture attributes of a node: what its client reports, and what was set by hand. (api-v2.md §4.1, policy.md) */

import { formatTime } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import type { AttributeValue, PostureAttributes } from '../../wire/api/objects.ts'
import type { AttributesRecord, Node } from './records.ts'

export function attributesOf(node: Node, custom: AttributesRecord['values'], now: Wall): PostureAttributes {
  const attributes = reported(node)
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
