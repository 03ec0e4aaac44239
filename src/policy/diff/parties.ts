/** Sets of ends as people name them: everybody, a person, machines with the same tags, and ranges behind routers. */

import type { BitSet } from '../../base/bit-set.ts'
import { AddressSet, formatRange } from '../address-set.ts'
import type { PolicyNode } from '../tailnet.ts'
import type { Terrain } from './ends.ts'

/** `nodes`: only these devices of theirs, by number; absent: all. */
export type Party =
  | { readonly kind: 'everybody' }
  | { readonly kind: 'user'; readonly login: string; readonly nodes?: readonly number[] }
  | { readonly kind: 'tags'; readonly tags: readonly string[]; readonly nodes?: readonly number[] }
  /** As they come in from behind any router. */
  | { readonly kind: 'addresses'; readonly ranges: readonly string[] }
  | { readonly kind: 'behind'; readonly node: number; readonly ranges: readonly string[] }
  | { readonly kind: 'service'; readonly service: string; readonly node: number }

export class Parties {
  readonly #all: number
  readonly #sharees: BitSet
  /** How many devices each has. */
  readonly #sizes = new Map<string, number>()

  constructor({ nodes, sharees }: Pick<Terrain, 'nodes' | 'sharees'>) {
    this.#sharees = sharees
    this.#all = nodes.length - sharees.size
    for (const node of nodes) this.#sizes.set(identityOf(node), (this.#sizes.get(identityOf(node)) ?? 0) + 1)
  }

  /** Sorted: people, then tags. */
  ofNodes(nodes: readonly PolicyNode[]): Party[] {
    const others = nodes.filter(({ slot }) => this.#sharees.has(slot))
    // Who belongs to another tailnet is told apart.
    if (others.length > 0 && others.length < nodes.length)
      return [...this.ofNodes(nodes.filter(({ slot }) => !this.#sharees.has(slot))), ...this.ofNodes(others)]
    if (others.length === 0 && nodes.length === this.#all) return [{ kind: 'everybody' }]
    const groups = new Map<string, PolicyNode[]>()
    for (const node of nodes) {
      const key = identityOf(node)
      const group = groups.get(key)
      if (group === undefined) groups.set(key, [node])
      else group.push(node)
    }
    return [...groups]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, group]) => {
        const [{ tags, user }] = group as [PolicyNode, ...PolicyNode[]]
        const some =
          group.length === this.#sizes.get(key) ? {} : { nodes: group.map(({ id }) => id).sort((a, b) => a - b) }
        if (tags.length > 0) return { kind: 'tags', tags: [...tags].sort(), ...some }
        return { kind: 'user', login: user.login, ...some }
      })
  }
}

/** People before tags when sorted. */
function identityOf({ tags, user }: PolicyNode): string {
  return tags.length > 0 ? `t ${[...tags].sort().join()}` : `p ${user.login.toLowerCase()} ${user.id}`
}

export function nodesIn(ends: BitSet, terrain: Terrain): PolicyNode[] {
  const nodes: PolicyNode[] = []
  for (const end of ends) {
    if (end >= terrain.slots) break
    const node = terrain.node(end)
    if (node !== undefined) nodes.push(node)
  }
  return nodes
}

export function sourcePlaces(ends: BitSet, { slots, places }: Terrain): Party[] {
  const set = new AddressSet()
  for (const end of ends) if (end >= slots) set.add((places[end - slots] as Terrain['places'][number]).range)
  const ranges = set.ranges().map(formatRange)
  return ranges.length === 0 ? [] : [{ kind: 'addresses', ranges }]
}

export function targetPlaces(ends: BitSet, { slots, arrivals }: Terrain): Party[] {
  const byNode = new Map<number, AddressSet>()
  const services: Party[] = []
  for (const end of ends) {
    if (end < slots) continue
    const { node, place } = arrivals[end - slots] as Terrain['arrivals'][number]
    if (place.service !== undefined) {
      services.push({ kind: 'service', service: place.service.name, node: node.id })
      continue
    }
    let set = byNode.get(node.id)
    if (set === undefined) byNode.set(node.id, (set = new AddressSet()))
    set.add(place.range)
  }
  const behind = [...byNode]
    .sort(([a], [b]) => a - b)
    .map(([node, set]): Party => ({ kind: 'behind', node, ranges: set.ranges().map(formatRange) }))
  return [...behind, ...services]
}
