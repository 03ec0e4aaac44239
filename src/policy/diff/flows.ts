/** The rules of one policy as ways between the ends of a terrain, for comparing and counting. */

import { BitSet } from '../../base/bit-set.ts'
import type { Engine } from '../engine.ts'
import type { Pace, Steps } from '../steps.ts'
import type { Selected } from '../selection.ts'
import type { Sources } from '../sources.ts'
import type { Way } from './crossings.ts'
import type { Terrain } from './ends.ts'
import type { TrafficLabels } from './traffic-labels.ts'

/** What it takes to ask whether a rule is for a node, in looks. */
const NODE_LOOKS = 10
/** And to say what it opens. */
const TARGET_LOOKS = 200

export function* flowWays({ access }: Engine, terrain: Terrain, labels: TrafficLabels, pace: Pace): Steps<Way[]> {
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
      ways.push({ from, to, own: self, label: labels.labelOf(target.destination.traffic) })
    }
  }
  return ways
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
