/** What the WireGuard machines ask their surroundings to do, and the names of what they drop. */

import type { Bytes } from '../../base/bytes.ts'
import type { NodeKey } from '../../base/keys.ts'
import type { Keypair } from './keypairs.ts'
import type { NotOpened } from './transport.ts'

/** Where a message came from, as far as handshakes care. Callers add what they need to answer there. */
export interface Source {
  /**
   * Whose share of our time it takes: an IP address (of IPv6, the network of 64 bits, since one host has all of it), or
   * the relay and key that it came through.
   */
  readonly host: string
  readonly port: number
}

/** Why a message or packet goes no further. */
export type Drop =
  | NotOpened
  /** A handshake message that was not made for our key. */
  | 'mac1'
  /** We are busy: its sender was sent a cookie and may try again with it. */
  | 'cookie-sent'
  /** We are busy, and this host has had its share. */
  | 'host-limit'
  /** Its keys do not fit: it is forged, or made for another handshake than the one it names. */
  | 'handshake'
  /** An initiation by a key that is none of our peers. */
  | 'unknown-peer'
  /** An initiation that is not later than one before it. */
  | 'old-timestamp'
  /** An initiation right after another by the same peer. */
  | 'too-soon'
  /** No session and no handshake has this index, any more or at all. */
  | 'unknown-index'
  /** A cookie reply that does not open. */
  | 'cookie'
  /** More packets wait for a session than may. */
  | 'too-many-waiting'
  /** Nobody answered, and these packets have waited long enough. */
  | 'unanswered'
  /** What came out is no IP packet. */
  | 'not-ip'
  /** The packet's source is no address of the peer that sent it. */
  | 'source'

/** What the handshake machine asks for. To be done in order. */
export type DeviceAction<From extends Source> =
  /** A handshake message for a peer, by whatever path there is to it. */
  | {
      readonly kind: 'send'
      readonly peer: NodeKey
      readonly bytes: Uint8Array
      /** Nobody has answered the one before it: that way may lead nowhere. */
      readonly isRepeated?: boolean
      /** Where the message came from that this one answers. */
      readonly answers?: From
    }
  /** A cookie reply: to exactly where the message came from, for nobody knows whose it was. */
  | { readonly kind: 'reply'; readonly to: From; readonly bytes: Uint8Array }
  /** This peer was proved to be there just now. Whether that changes its path is not decided here. */
  | { readonly kind: 'authenticated'; readonly peer: NodeKey; readonly from: From }
  /**
   * The peer's sessions, as they now are: seal with the one, open with any of the others. Whoever seals starts a
   * session's counter at 0 when it first sees it, and keeps its counter and window while it is listed.
   */
  | {
      readonly kind: 'sessions'
      readonly peer: NodeKey
      readonly sending: Keypair | undefined
      readonly receiving: readonly Keypair[]
    }
  /** Both ends have the keys of this session: it can be used from now on. */
  | { readonly kind: 'established'; readonly peer: NodeKey; readonly keypair: Keypair }
  /** Seal this packet with this session and send it. An empty one is a keepalive. */
  | { readonly kind: 'seal'; readonly peer: NodeKey; readonly keypair: Keypair; readonly packet: Bytes }
  /** The peer did not answer for a minute and a half; trying again takes a new packet. */
  | { readonly kind: 'unanswered'; readonly peer: NodeKey }
  /** Nothing of this peer is kept any more; it is made anew when it is needed. */
  | { readonly kind: 'forgotten'; readonly peer: NodeKey }
  | { readonly kind: 'dropped'; readonly why: Drop }

/** What the whole machine asks for: sessions and sealing are its own matter. */
export type Action<From extends Source> =
  | Exclude<DeviceAction<From>, { readonly kind: 'sessions' | 'seal' }>
  /** A packet that the peer sent, for the filter and then for the tun. */
  | { readonly kind: 'packet'; readonly peer: NodeKey; readonly packet: Uint8Array }

export const dropped = (why: Drop): { readonly kind: 'dropped'; readonly why: Drop } => ({ kind: 'dropped', why })
