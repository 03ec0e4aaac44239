/** How a map's nodes, and what the server says is wrong, are shown to people. */

import { hex, utf8 } from '../../base/bytes.ts'
import type { Bytes } from '../../base/bytes.ts'
import type { MapNode } from '../../wire/map-node.ts'
import type { DisplayMessage } from '../../wire/map-response.ts'
import type { NetmapFields } from './netmap.ts'

/** What names of one's own tailnet end with, without dots around it; empty when the node has no full name. */
export function magicDnsSuffix(self: MapNode): string {
  const name = withoutDot(self.Name)
  const dot = name.indexOf('.')
  return dot < 0 ? '' : name.slice(dot + 1)
}

/** A node's name as people see it: bare within one's own tailnet, else whole. */
export function displayName(node: MapNode, suffix: string): string {
  const name = withoutDot(node.Name)
  return suffix !== '' && name.endsWith(`.${suffix}`) ? name.slice(0, -suffix.length - 1) : name
}

/**
 * What the server says is wrong, by a name that stays the same while it says so. Messages of the newer form stand in
 * for the older texts. (control.md §5.5)
 */
export function displayMessages(
  { messages, health }: NetmapFields,
  sha256: (bytes: Bytes) => Uint8Array,
): ReadonlyMap<string, DisplayMessage> {
  if (messages.size > 0) return messages
  const told = new Map<string, DisplayMessage>()
  for (const text of health)
    told.set(`health-${hex(sha256(utf8(text)))}`, {
      Title: 'Coordination server reports an issue',
      Text: `The coordination server is reporting a health issue: ${text}`,
      Severity: 'medium',
    })
  return told
}

function withoutDot(name: string): string {
  return name.endsWith('.') ? name.slice(0, -1) : name
}
