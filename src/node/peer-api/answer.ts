/**
 * What a node answers its peers over HTTP, without a socket (node.md §8.1). Who is calling is known by the address:
 * nobody else can have it inside the tunnel. A browser on a peer can call too, on behalf of any page; so whatever a page
 * may have caused is turned away, by its headers or by the name that it knows us by.
 *
 * This version has nothing to offer but a word of who we are. What other versions have is not found here.
 */

import { formatAddressPort } from '../../base/ip.ts'
import type { AddressPort } from '../../base/ip.ts'

export interface PeerApiRequest {
  readonly method: string
  /** With its query, as it came. */
  readonly target: string
  /** By lower-case name. */
  readonly header: (name: string) => string | undefined
}

/** Both ends, as far as they are shown. */
export interface PeerApiCall {
  readonly caller: { readonly name: string; readonly address: string }
  readonly ownName: string
  /** Where we listen. */
  readonly places: readonly AddressPort[]
}

export interface PeerApiAnswer {
  readonly status: number
  readonly body: string
  readonly headers?: { readonly [name: string]: string }
}

/** What peers may call us, whatever our address is. */
const PEER = 'peer'

export function answerPeer({ method, target, header }: PeerApiRequest, call: PeerApiCall): PeerApiAnswer {
  if (header('referer') !== undefined || header('origin') !== undefined)
    return refused(403, 'the PeerAPI is not for web pages')
  if (!isOurName(header('host'), call.places)) return refused(403, 'the PeerAPI does not go by this name')
  const path = target.split('?', 1)[0] as string
  if (path !== '/') return refused(404, 'not found')
  if (method !== 'GET' && method !== 'HEAD')
    return { ...refused(405, 'method not allowed'), headers: { Allow: 'GET, HEAD' } }
  const { caller, ownName } = call
  return { status: 200, body: `Sett node ${ownName}. It knows you as ${caller.name} (${caller.address}).\n` }
}

function isOurName(host: string | undefined, places: readonly AddressPort[]): boolean {
  return host === PEER || places.some((place) => formatAddressPort(place) === host)
}

function refused(status: number, why: string): PeerApiAnswer {
  return { status, body: `${why}\n` }
}
