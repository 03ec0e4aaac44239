/**
 * The tailnet as the simulated nodes have heard of it: one description per state that anybody has been told of, so
 * that what a node knows of all others is one small number each; and when each change became known to whom.
 */

import { assertEqual } from './check.ts'
import type { Identity } from './identity.ts'

/** What a map says of a peer, as far as it is compared. */
export interface Shown {
  readonly name: string
  readonly key: string
  readonly disco: string
  readonly addresses: string
  readonly endpoints: string
  readonly region: number
  readonly online: boolean
  readonly peerApi: number
}

/** A node has changed its endpoints, and waits for everybody to hear of it. */
export interface Change {
  readonly node: number
  readonly endpoints: string
  readonly sent: number
  /** When each of those who have heard of it did, in ms after it was sent. */
  readonly lags: number[]
}

/** A node of a map, as JSON has it. */
export interface PeerJson {
  readonly ID: number
  readonly Name: string
  readonly Key: string
  readonly DiscoKey?: string
  readonly Addresses: readonly string[]
  readonly Endpoints?: readonly string[]
  readonly HomeDERP?: number
  readonly Online?: boolean
  readonly Hostinfo: { readonly Services?: readonly { readonly Proto: string; readonly Port: number }[] }
}

export interface PatchJson {
  readonly NodeID: number
  readonly DERPRegion?: number
  readonly Endpoints?: readonly string[]
  readonly DiscoKey?: string
  readonly Online?: boolean
}

export class Tailnet {
  readonly identities: Identity[] = []
  readonly #byKey = new Map<string, number>()
  readonly #byId = new Map<number, number>()
  /** By node, every state that somebody was told of; state 0 is "not known". */
  readonly #states: (Shown | undefined)[][] = []
  /** What the node itself was told: name and addresses. */
  readonly #own: { readonly name: string; readonly addresses: string }[] = []
  /** Changes that are being waited for, by node. */
  readonly #changes = new Map<number, Change>()
  /** By node, how many know it, and when the last of them learned of it. */
  readonly knownBy: number[] = []
  readonly lastKnownAt: number[] = []
  region = 0

  add(identity: Identity): void {
    this.#byKey.set(identity.nodeKey, identity.index)
    this.identities[identity.index] = identity
    this.#states[identity.index] = [undefined]
    this.knownBy[identity.index] = 0
    this.lastKnownAt[identity.index] = 0
  }

  /** The node that a map calls by this number. */
  indexOfId(id: number): number {
    const index = this.#byId.get(id)
    if (index === undefined) throw new Error(`a map speaks of node ${id}, which it never introduced`)
    return index
  }

  /** Takes note of what a node was told of itself. */
  self(index: number, node: PeerJson): void {
    assertEqual(this.#indexOf(node), index, 'whose own node a map holds')
    const own = { name: node.Name, addresses: node.Addresses.join() }
    const before = this.#own[index]
    if (before !== undefined) assertEqual(own, before, `name and addresses of machine ${index}`)
    this.#own[index] = own
  }

  #indexOf(node: PeerJson): number {
    const index = this.#byKey.get(node.Key)
    if (index === undefined) throw new Error(`a map holds ${node.Key}, which nobody has`)
    const before = this.#byId.get(node.ID)
    if (before === undefined) this.#byId.set(node.ID, index)
    else assertEqual(before, index, `the node with id ${node.ID}`)
    return index
  }

  /** Node and state number of a whole peer. */
  whole(node: PeerJson): readonly [index: number, state: number] {
    const index = this.#indexOf(node)
    return [
      index,
      this.#stateOf(index, {
        name: node.Name,
        key: node.Key,
        disco: node.DiscoKey ?? '',
        addresses: node.Addresses.join(),
        endpoints: (node.Endpoints ?? []).join(),
        region: node.HomeDERP ?? 0,
        online: node.Online ?? false,
        peerApi: node.Hostinfo.Services?.find(({ Proto }) => Proto === 'peerapi4')?.Port ?? 0,
      }),
    ]
  }

  /** The state that a patch leads to. */
  patched(index: number, state: number, patch: PatchJson): number {
    const before = this.#states[index]?.[state]
    if (before === undefined) throw new Error(`a patch for machine ${index}, which was not known there`)
    return this.#stateOf(index, {
      ...before,
      ...(patch.DERPRegion ? { region: patch.DERPRegion } : {}),
      ...(patch.Endpoints === undefined ? {} : { endpoints: patch.Endpoints.join() }),
      ...(patch.DiscoKey === undefined ? {} : { disco: patch.DiscoKey }),
      ...(patch.Online === undefined ? {} : { online: patch.Online }),
    })
  }

  #stateOf(index: number, shown: Shown): number {
    const states = this.#states[index] as (Shown | undefined)[]
    for (let i = states.length - 1; i > 0; i--) if (same(states[i] as Shown, shown)) return i
    return states.push(shown) - 1
  }

  // When changes become known.

  /** A node has just sent new endpoints. */
  changed(index: number): Change {
    const endpoints = (this.identities[index] as Identity).endpoints.join()
    const change = { node: index, endpoints, sent: performance.now(), lags: [] }
    this.#changes.set(index, change)
    return change
  }

  /** Somebody's map has moved from one state of a node to another. */
  learned(index: number, before: number, after: number, at: number): void {
    if (before === 0 && after !== 0) {
      this.knownBy[index] = (this.knownBy[index] as number) + 1
      this.lastKnownAt[index] = Math.max(this.lastKnownAt[index] as number, at)
    } else if (before !== 0 && after === 0) this.knownBy[index] = (this.knownBy[index] as number) - 1
    const change = this.#changes.get(index)
    if (change === undefined || at < change.sent) return
    const states = this.#states[index] as (Shown | undefined)[]
    if (states[after]?.endpoints === change.endpoints && states[before]?.endpoints !== change.endpoints)
      change.lags.push(at - change.sent)
  }

  // What must hold when it is quiet.

  /** Complains of all that is not as it should be about one node in somebody's map. */
  check(index: number, state: number): void {
    const shown = this.#states[index]?.[state]
    const { hostname, nodeKey, discoKey, endpoints, region, peerApiPort, stage } = this.identities[index] as Identity
    if (shown === undefined) throw new Error(`machine ${index} is missing from a map`)
    const own = this.#own[index]
    if (own === undefined) throw new Error(`machine ${index} never had a map`)
    const fresh = stage === 'fresh'
    const want: Shown = {
      name: own.name,
      key: nodeKey,
      disco: discoKey,
      addresses: own.addresses,
      endpoints: fresh ? '' : endpoints.join(),
      region,
      online: true,
      peerApi: fresh ? 0 : peerApiPort,
    }
    if (!same(shown, want)) assertEqual(shown, want, `machine ${index} as a peer sees it`)
    if (!own.name.startsWith(`${hostname}.`)) throw new Error(`${hostname} is called ${own.name}`)
  }

  /** Names and addresses belong to one node each. */
  checkUnique(): void {
    const seen = new Set<string>()
    for (const { name, addresses } of this.#own) {
      for (const one of [name, ...addresses.split(',')]) {
        if (seen.has(one)) throw new Error(`${one} belongs to two machines`)
        seen.add(one)
      }
    }
  }
}

function same(a: Shown, b: Shown): boolean {
  return (
    a.key === b.key &&
    a.disco === b.disco &&
    a.endpoints === b.endpoints &&
    a.region === b.region &&
    a.online === b.online &&
    a.peerApi === b.peerApi &&
    a.name === b.name &&
    a.addresses === b.addresses
  )
}
