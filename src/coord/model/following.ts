/**
 * What passes between the network map and the streams: what a change means, what a stream has been told, and what
 * it must still be told. Two stages speak of it and neither knows the other.
 */

import { BitSet } from '../../base/bit-set.ts'
import type { Node } from './records.ts'

/** What a change of the model means for the maps of its tailnet. */
export type Effect =
  /** A node looks different to its peers, in the ways the mask says; only these nodes see it, if it says so. */
  | { readonly kind: 'peer'; readonly node: number; readonly mask: number; readonly to?: readonly number[] }
  /** A node is gone; `slot` may be given to another from now on. */
  | { readonly kind: 'gone'; readonly node: number; readonly slot: number; readonly was: Node }
  /** A node looks different to itself. */
  | { readonly kind: 'self'; readonly node: number }
  /** Whom a node may see must be asked anew. */
  | { readonly kind: 'view'; readonly node: number }
  /** Whether a node and these others see each other must be asked anew. */
  | { readonly kind: 'edges'; readonly node: number; readonly others: readonly number[] }
  /** What these nodes let in has changed. */
  | { readonly kind: 'rules'; readonly nodes: readonly number[] }
  /** Everything that the policy says must be asked anew, of everybody. */
  | { readonly kind: 'policy' }
  | { readonly kind: 'profile'; readonly user: number }
  /** No node of this profile is left: clients forget it sooner or later, and must be told when one comes again. */
  | { readonly kind: 'forgotten'; readonly profile: number }
  /** How the tailnet's nodes resolve names. */
  | { readonly kind: 'dns' }
  /** Something that is in everybody's map changed. */
  | { readonly kind: 'tailnet' }

/** What one stream has been told so far; whoever writes its messages keeps it up to date. */
export interface Told {
  /** Slots of the peers that the client knows. */
  readonly peers: BitSet
  readonly profiles: Set<number>
  /** Of routers that it knows, by slot: the routes that it was told of, as one text. */
  readonly routes: Map<number, string>
  /** Fields that are said again only when they say something else: a digest of what they said. */
  readonly said: Map<string, string>
}

export function nothingTold(): Told {
  return { peers: new BitSet(), profiles: new Set(), routes: new Map(), said: new Map() }
}

/** What has changed for one stream since its last message. */
export interface Pending {
  /** Its own node. */
  self: boolean
  /** Whom it may see must be asked anew. */
  view: boolean
  /** Its filter and its SSH rules. */
  rules: boolean
  dns: boolean
  /** The tailnet's own record: what it is called, and how it is set. */
  tailnet: boolean
  /** Peers by id, and in what they changed. */
  readonly peers: Map<number, number>
  /** Those of them whose being seen must be asked anew. */
  readonly edges: Set<number>
  /** Peers that are gone from the tailnet and that the client knew. */
  readonly gone: Set<number>
  readonly profiles: Set<number>
}

/** Messages made in one round of sending, by what they say, so that streams share them. */
export type Round = Map<string, Uint8Array>
