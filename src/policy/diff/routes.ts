/** Who is told of which routes by one policy and not by another. */

import { BitSet } from '../../base/bit-set.ts'
import { formatPrefix } from '../../base/ip.ts'
import { formatRange } from '../address-set.ts'
import type { Engine } from '../engine.ts'
import { primaryBy } from '../explain/routes.ts'
import type { Selected } from '../selection.ts'
import type { PolicyNode } from '../tailnet.ts'
import type { IsPrimary } from '../visibility.ts'
import { Terrain } from './ends.ts'
import { Parties } from './parties.ts'
import type { Party } from './parties.ts'

/** Who is told of a route, or no more. `node`: the router's number. */
export interface RouteChange {
  readonly viewers: readonly Party[]
  readonly node: number
  readonly route: string
  readonly told: boolean
}

/** Viewers times routers times rules. Some seconds' worth. */
const MOST_ROUTE_STEPS = 40_000_000

export function* routeChanges(
  before: Engine,
  after: Engine,
  isPrimary: IsPrimary | undefined,
): Generator<undefined, { readonly found: readonly RouteChange[]; readonly complete: boolean }> {
  const terrain = new Terrain([after, before], 4, false)
  const routers = terrain.nodes.filter(({ routes }) => routes.length > 0)
  if (routers.length === 0) return { found: [], complete: true }
  const engines = [before, after] as const
  const primaries = engines.map((engine) => isPrimary ?? remembered(primaryBy(engine))) as [IsPrimary, IsPrimary]
  const facts = engines.map((engine) => new RouteFacts(engine)) as [RouteFacts, RouteFacts]
  const parties = new Parties(terrain.nodes)
  const steps = before.access.parts.length + after.access.parts.length
  const changes = new Map<string, { readonly change: Omit<RouteChange, 'viewers'>; readonly nodes: PolicyNode[] }>()
  let left = MOST_ROUTE_STEPS
  for (const peer of routers) {
    yield
    if (facts[0].about(peer) === facts[1].about(peer)) continue
    for (const group of alike(engines, terrain, peer)) {
      const viewer = group[0] as PolicyNode
      if (viewer === peer) continue
      if ((left -= steps) < 0) return { found: routesSorted(changes, parties), complete: false }
      const [was, is] = engines.map(
        (engine, i) =>
          new Set(engine.routes(viewer.slot, peer.slot, primaries[i] as IsPrimary).map((route) => formatPrefix(route))),
      ) as [Set<string>, Set<string>]
      for (const route of was.symmetricDifference(is)) {
        const change = { node: peer.id, route, told: is.has(route) }
        const key = JSON.stringify(change)
        const same = changes.get(key)
        if (same === undefined) changes.set(key, { change, nodes: [...group] })
        else same.nodes.push(...group)
      }
    }
  }
  return { found: routesSorted(changes, parties), complete: true }
}

function routesSorted(
  changes: ReadonlyMap<string, { readonly change: Omit<RouteChange, 'viewers'>; readonly nodes: PolicyNode[] }>,
  parties: Parties,
): RouteChange[] {
  return [...changes.values()].map(({ change, nodes }) => ({ viewers: parties.ofNodes(nodes), ...change }))
}

/** All that decides who is told of a peer's routes, as a text: two policies of which it is the same tell the same. */
class RouteFacts {
  readonly #engine: Engine
  readonly #targets = new Map<Selected, string>()

  constructor(engine: Engine) {
    this.#engine = engine
  }

  about(peer: PolicyNode): string {
    const facts: string[] = []
    for (const { self, sources, reach, targets } of this.#engine.access.parts) {
      if (self) continue
      if (reach.nodes.has(peer.slot)) {
        const leading = targets.filter((target) => reach.leads(target, peer))
        facts.push(`${sources.admitted.key} to ${targets.map(({ selected }) => this.#text(selected)).join()}`)
        facts.push(
          `${leading.map(({ selected }) => this.#text(selected)).join()} ${reach.isVia ? reach.nodes.key : ''}`,
        )
      }
      if (peer.routes.some((route) => sources.includesRoute(route))) facts.push(`back ${reach.nodes.key}`)
    }
    return facts.join('\n')
  }

  /** An ipset of one name may be another one in another policy. */
  #text(selected: Selected): string {
    let text = this.#targets.get(selected)
    if (text === undefined) {
      const { selector, addresses } = selected
      text = addresses === undefined ? selector.text : addresses.ranges().map(formatRange).join(' ')
      this.#targets.set(selected, text)
    }
    return text
  }
}

/** Nodes that are told the same of the peer's routes; a router is told apart, since its own routes count. */
function alike(engines: readonly Engine[], terrain: Terrain, peer: PolicyNode): PolicyNode[][] {
  const classOf = new Map<number, number>()
  let next = 1
  const seen = new Set<string>()
  const split = (set: BitSet): void => {
    const { key } = set
    if (seen.has(key)) return
    seen.add(key)
    const parts = new Map<number, number>()
    for (const slot of set) {
      const old = classOf.get(slot) ?? 0
      let now = parts.get(old)
      if (now === undefined) parts.set(old, (now = next++))
      classOf.set(slot, now)
    }
  }
  for (const { access } of engines)
    for (const { self, sources, reach } of access.parts) {
      if (self) continue
      if (reach.nodes.has(peer.slot)) split(sources.admitted)
      if (peer.routes.some((route) => sources.includesRoute(route))) split(reach.nodes)
    }
  for (const { slot, routes } of terrain.nodes) if (routes.length > 0) split(BitSet.of([slot]))
  const groups = new Map<number, PolicyNode[]>()
  for (const node of terrain.nodes) {
    const id = classOf.get(node.slot) ?? 0
    const group = groups.get(id)
    if (group === undefined) groups.set(id, [node])
    else group.push(node)
  }
  return [...groups.values()]
}

function remembered(isPrimary: IsPrimary): IsPrimary {
  const known = new Map<string, boolean>()
  return (node, route) => {
    const key = `${node.id} ${formatPrefix(route)}`
    let is = known.get(key)
    if (is === undefined) known.set(key, (is = isPrimary(node, route)))
    return is
  }
}
