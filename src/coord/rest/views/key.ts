/** Auth keys, API tokens, OAuth clients and federated identities as the API shows them: everything but the secret. (api-v2.md §4.4, §6.2) */

import { DAY_MS, formatTime } from '../../../base/clock.ts'
import type { Wall } from '../../../base/clock.ts'
import type { Key as KeyObject } from '../../../wire/api/objects.ts'
import { isSpent, isTailnets, isTrust, keyState } from '../../model/credentials.ts'
import type { TailnetState } from '../../model/model.ts'
import type { Key } from '../../model/records.ts'
import type { At } from '../call.ts'

/** A key that has become invalid is still shown for so long, then answers 404. */
export const INVALID_SHOWN_MS = 30 * DAY_MS

/** `joined` finds the nodes that joined by a key; for many keys, make it once with `joinedBy`. */
export function viewKey(at: At, key: Key, joined = joinedBy(at.tailnet)): KeyObject {
  const state = keyState(at.tailnet, key, at.now)
  const creator = at.tailnet.usersById.get(key.user)
  const lastUsed = at.tailnet.keyUse(key.id)?.at
  return {
    id: key.id,
    keyType: key.type,
    description: key.description,
    ...(key.type === 'auth' ? { expirySeconds: Math.round((key.expires - key.created) / 1000) } : {}),
    created: formatTime(key.created),
    ...(key.updated === undefined ? {} : { updated: formatTime(key.updated) }),
    ...(isTailnets(key) ? {} : { expires: formatTime(key.expires) }),
    ...(key.revoked === undefined ? {} : { revoked: formatTime(key.revoked) }),
    ...(state === 'valid' ? {} : { invalid: true }),
    ...(key.type === 'auth'
      ? { capabilities: viewCapabilities(key) }
      : key.type === 'scim'
        ? {}
        : { scopes: [...key.scopes] }),
    ...(isTrust(key) ? viewTrust(key) : {}),
    ...(key.provider === undefined ? {} : { provider: key.provider }),
    userId: key.user === 0 ? '' : String(key.user),
    creator: key.user === 0 ? (key.client ?? '') : (creator?.loginName ?? key.formerUser ?? `deleted user ${key.user}`),
    ...(lastUsed === undefined ? {} : { lastUsed: formatTime(lastUsed) }),
    // Whatever came after, such as the end of whoever made it.
    ...(isSpent(key) ? { used: true } : {}),
    ...(key.type === 'auth' ? { devices: joined(key.id) } : {}),
  }
}

function viewTrust({ tags, federation }: Key): Partial<KeyObject> {
  return {
    ...(tags.length === 0 ? {} : { tags: [...tags] }),
    ...(federation === undefined
      ? {}
      : {
          issuer: federation.issuer,
          subject: federation.subject,
          audience: federation.audience,
          ...(Object.keys(federation.claims).length === 0 ? {} : { customClaimRules: { ...federation.claims } }),
        }),
  }
}

function viewCapabilities(key: Key): NonNullable<KeyObject['capabilities']> {
  const { reusable, ephemeral, preauthorized, tags } = key
  return {
    devices: {
      create: { reusable, ephemeral, preauthorized, ...(tags.length === 0 ? {} : { tags: [...tags] }) },
    },
  }
}

/** Stable ids of the nodes that joined by each key. */
export function joinedBy(tailnet: TailnetState): (key: string) => string[] {
  let byKey: Map<string, string[]> | undefined
  return (key) => {
    if (byKey === undefined) {
      byKey = new Map()
      for (const node of tailnet.nodesById.values()) {
        if (node.authKey === undefined) continue
        const nodes = byKey.get(node.authKey)
        if (nodes === undefined) byKey.set(node.authKey, [node.stableId])
        else nodes.push(node.stableId)
      }
    }
    return byKey.get(key) ?? []
  }
}

/** Has this key been invalid for so long that the API no longer knows it? */
export function isForgotten(key: Key, now: Wall): boolean {
  return Math.min(key.revoked ?? Infinity, key.expires) + INVALID_SHOWN_MS <= now
}
