/** What a client that follows a map stream knows of its peers, by the rules that official clients go by (control.md §5.5, §5.6). */

import { formatTime } from '../../src/base/clock.ts'
import type { Wall } from '../../src/base/clock.ts'
import type { MapMessage, MapNode } from './world.ts'

/**
 * The peers after the messages, which are applied in order.
 *
 * @param now what the client's clock says: it stamps a peer that is reported as seen
 */
export function peersAfter(messages: readonly MapMessage[], now = 0 as Wall): Map<number, MapNode> {
  let peers = new Map<number, MapNode>()
  const amend = (id: number, fields: Partial<MapNode>) => {
    const peer = peers.get(id)
    if (peer !== undefined) peers.set(id, { ...peer, ...fields })
  }
  for (const message of messages) {
    // A whole list stands alone; what else the message says of peers is passed over.
    if (message.Peers?.length) {
      peers = new Map(message.Peers.map((peer) => [peer.ID, peer]))
      continue
    }
    for (const id of message.PeersRemoved ?? []) peers.delete(id)
    for (const peer of message.PeersChanged ?? []) peers.set(peer.ID, peer)
    for (const [id, seen] of Object.entries(message.PeerSeenChange ?? {}))
      amend(Number(id), { LastSeen: seen ? formatTime(now) : undefined })
    for (const [id, online] of Object.entries(message.OnlineChange ?? {})) amend(Number(id), { Online: online })
    for (const { NodeID, DERPRegion, Cap, ...rest } of message.PeersChangedPatch ?? []) {
      // Zeros and nulls say nothing.
      const said = Object.entries(rest).filter(([, value]) => value !== null)
      amend(NodeID, {
        ...Object.fromEntries(said),
        ...(DERPRegion ? { HomeDERP: DERPRegion } : {}),
        ...(Cap ? { Cap } : {}),
      })
    }
  }
  return peers
}
