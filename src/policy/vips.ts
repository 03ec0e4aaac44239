/** The addresses of Services that a viewer is told of as those of one of their hosts. (policy.md §15.8, §15.10) */

import { prefixOf } from '../base/ip.ts'
import type { Prefix } from '../base/ip.ts'
import type { Access } from './access.ts'
import { addressesOf } from './services.ts'
import type { PolicyNode } from './tailnet.ts'
import type { IsPrimary } from './visibility.ts'

/** Where the viewer may send to them. Of several hosts one is told of, as of routers; a host goes to no other. */
export function vipsOf(access: Access, viewer: PolicyNode, peer: PolicyNode, isPrimary: IsPrimary): Prefix[] {
  const { services } = access
  const hosted = services.hostedBy(peer).filter(({ name }) => !services.isHost(viewer, name))
  if (hosted.length === 0) return []
  const parts = access.receiving(peer).filter((part) => !part.self && part.sources.touches(viewer.slot))
  return hosted.flatMap(addressesOf).flatMap((ip) => {
    const vip = prefixOf(ip)
    const leads = parts.some((part) =>
      part.targets.some(
        (target) =>
          part.reach.leads(target, peer) &&
          (target.selected.selector.kind === 'any' || (target.selected.addresses?.contains(ip) ?? false)),
      ),
    )
    return leads && isPrimary(peer, vip) ? [vip] : []
  })
}
