/**
 * When keys expire, by the server's clock: whose time has come is marked `Expired` (control.md §5.5 ControlTime, §5.7).
 *
 * A mark of ours is taken back when the key is prolonged, or the clock that made us set it turns out to have been
 * wrong. A mark of the server's stays.
 */

import { MINUTE_MS } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import type { MapNode } from '../../wire/map-node.ts'

/** A clock that says less than this was never set, so nobody is expired by it. (control.md §5.5) */
const EARLIEST_SANE = 1_673_373_066_000

export class Expiry {
  #skewMs = 0
  /** Peers that bear a mark of ours. */
  readonly #marked = new Set<number>()
  #nextAt = Infinity

  /** The server has said what time it is. Less than a minute is the way its message took. */
  serverTime(time: Wall, wall: Wall): void {
    this.#skewMs = Math.abs(time - wall) > MINUTE_MS ? time - wall : 0
  }

  /** What the server's clock says, as far as we know. */
  corrected(wall: Wall): Wall {
    return (wall + this.#skewMs) as Wall
  }

  /** By what our own key expires: a server whose clock was never set says nothing of it. */
  ownTime(wall: Wall): Wall {
    const now = this.corrected(wall)
    return now >= EARLIEST_SANE ? now : wall
  }

  isOwnExpired({ KeyExpiry: expiry }: MapNode, wall: Wall): boolean {
    const now = this.ownTime(wall)
    return expiry !== undefined && now >= EARLIEST_SANE && expiry <= now
  }

  isExpired(node: MapNode, wall: Wall): boolean {
    const now = this.corrected(wall)
    return node.KeyExpiry !== undefined && now >= EARLIEST_SANE && node.KeyExpiry <= now
  }

  /** Milliseconds until the next key of those looked at expires. */
  dueInMs(wall: Wall): number {
    return Math.max(0, this.#nextAt - this.corrected(wall))
  }

  /** Looks at all peers anew: at the start of a stream, when a key is due, when the clock has jumped. */
  scan(peers: Iterable<MapNode>, wall: Wall): MapNode[] {
    this.#nextAt = Infinity
    return this.mark(peers, wall)
  }

  /** Looks at some peers; gives those whose mark has to change, as they must be from now on. */
  mark(peers: Iterable<MapNode>, wall: Wall): MapNode[] {
    const now = this.corrected(wall)
    const changed: MapNode[] = []
    for (const peer of peers) {
      const expired = this.isExpired(peer, wall)
      if (!expired && peer.KeyExpiry !== undefined && peer.KeyExpiry > now)
        this.#nextAt = Math.min(this.#nextAt, peer.KeyExpiry)
      if (expired && peer.Expired !== true) {
        this.#marked.add(peer.ID)
        changed.push({ ...peer, Expired: true })
      } else if (!expired && peer.Expired === true && this.#marked.delete(peer.ID)) {
        const { Expired: _, ...rest } = peer
        changed.push(rest)
      }
    }
    return changed
  }

  /** Forgets marks: their peers are of a map that is over. */
  reset(): void {
    this.#marked.clear()
    this.#nextAt = Infinity
  }
}
