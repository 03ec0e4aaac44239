/** What the network map says of a peer, as far as finding a path to it is concerned. */

import type { DiscoKey, NodeKey } from '../../base/keys.ts'

export interface Peer {
  readonly key: NodeKey
  /** Without one the peer can be reached by relay only. */
  readonly disco?: DiscoKey
  /** As the map writes them: read when the peer is first spoken with, since most never are. */
  readonly endpoints: readonly string[]
  /** Region of the relay where the peer listens; 0 when it says none. */
  readonly homeRegion: number
  /** Its key has expired: nothing is sent to it. */
  readonly expired?: boolean
}
