/** The rules of one policy as ways between the ends of a terrain, for comparing and counting. */

import { BitSet } from '../../base/bit-set.ts'
import type { Engine } from '../engine.ts'
import type { Pace, Steps } from '../steps.ts'
import type { Selected } from '../selection.ts'
import { admitsDevice, ledTo } from '../shared-in.ts'
import type { Sources } from '../sources.ts'
import type { PolicyService } from '../tailnet.ts'
import type { Way } from './crossings.ts'
import type { Terrain } from './ends.ts'
import type { TrafficLabels } from './traffic-labels.ts'

/** What it takes to ask whether a rule is for a node, in looks. */
const NODE_LOOKS = 10
/** And to say what it opens. */
const TARGET_LOOKS = 200

export function* flowWays(engine: Engine, terrain: Terrain, labels: TrafficLabels, pace: Pace): Steps<Way[]> {
  const { access } = engine
  const splits = new Map<BitSet, ReturnType<Terrain['splitServices']>>()
  const ways: Way[] = []
  const lists = new Map<Sources, BitSet>()
  const own = new Map<Sources, BitSet>()
  const reached = new Map<string, BitSet>()
  const numbers = new Map<Selected, number>()
  for (const part of access.parts) {
    const { sources, self, rule } = part
    const known = self ? own : lists
    if (!known.has(sources)) pace.add(sources.admitted.size * NODE_LOOKS)
    const from = remembered(known, sources, () =>
      self ? untagged(sources.admitted, terrain) : terrain.admitted(sources),
    )
    for (const target of part.targets) {
      if (pace.spent(TARGET_LOOKS)) yield
      if (target.destination.traffic.length === 0) continue
      const number = remembered(numbers, target.selected, () => numbers.size)
      const to = remembered(reached, `${number} ${rule.via.join()}`, () => {
        pace.add((part.reach.nodes.size + terrain.arrivals.length) * NODE_LOOKS)
        return terrain.reached(part, target)
      })
      const label = labels.labelOf(target.destination.traffic)
      const { rest, services } = remembered(splits, to, () => terrain.splitServices(to))
      ways.push({ from, to: rest, own: self, label })
      // A host does not reach what it hosts.
      for (const [service, some] of services)
        ways.push({ from: withoutHosts(engine, terrain, service, from), to: some, own: self, label })
    }
  }
  yield* addShareeWays(engine, terrain, labels, ways, pace)
  return ways
}

function withoutHosts({ services }: Engine, terrain: Terrain, { name }: PolicyService, from: BitSet): BitSet {
  const others = from.clone()
  for (const slot of from) {
    const node = terrain.node(slot)
    if (node !== undefined && services.isHost(node, name)) others.delete(slot)
  }
  return others
}

/** From devices of other tailnets to what is shared to them. */
function* addShareeWays(
  { access }: Engine,
  terrain: Terrain,
  labels: TrafficLabels,
  ways: Way[],
  pace: Pace,
): Steps<void> {
  if (terrain.sharees.isEmpty) return
  for (const node of terrain.nodes)
    for (const shared of terrain.sharees.has(node.slot) ? [] : access.sharees.of(node))
      for (const part of access.receiving(node)) {
        if (pace.spent(TARGET_LOOKS)) yield
        if (!admitsDevice(part, shared, terrain.addressOf(shared.device))) continue
        for (const target of part.targets) {
          if (pace.spent(terrain.arrivals.length + TARGET_LOOKS)) yield
          const led = ledTo(part, target, node, shared)
          const to = new BitSet()
          if (led.contains(terrain.addressOf(node))) to.add(node.slot)
          for (const [i, { node: carrier, place }] of terrain.arrivals.entries())
            if (carrier === node && led.contains(place.ip)) to.add(terrain.slots + i)
          const { traffic } = target.destination
          if (to.isEmpty || traffic.length === 0) continue
          ways.push({ from: BitSet.of([shared.device.slot]), to, own: false, label: labels.labelOf(traffic) })
        }
      }
}

/** Rules between the devices of one user leave tagged ones out. */
export function untagged(slots: BitSet, terrain: Terrain): BitSet {
  const left = new BitSet()
  for (const slot of slots) if (terrain.node(slot)?.tags.length === 0) left.add(slot)
  return left
}

function remembered<K, V>(map: Map<K, V>, key: K, compute: () => V): V {
  let value = map.get(key)
  if (value === undefined) map.set(key, (value = compute()))
  return value
}
