/** How much of a tailnet is open: pairs, ports, and who reaches the most. Of IPv4 between nodes, since both families are alike there. */

import { BitSet } from '../../base/bit-set.ts'
import { comparingPace, crossings } from '../diff/crossings.ts'
import { Terrain } from '../diff/ends.ts'
import { flowWays } from '../diff/flows.ts'
import { shareOf } from '../diff/open.ts'
import { nodesIn } from '../diff/parties.ts'
import { TrafficLabels } from '../diff/traffic-labels.ts'
import type { Engine } from '../engine.ts'
import type { Steps } from '../steps.ts'
import type { PolicyNode } from '../tailnet.ts'
import type { Reach } from './findings.ts'

const MOST_USERS = 10

/** What a sender costs in looks: a set of all whom it reaches is made, of which a look makes so many. */
const SENDER_LOOKS = 10
const ENDS_PER_LOOK = 20

export function* reachOf(engine: Engine): Steps<Reach> {
  const pace = comparingPace()
  const terrain = yield* Terrain.of([engine], 4, pace, false, false)
  const labels = new TrafficLabels()
  const question = {
    sources: terrain.sources,
    targets: terrain.targets,
    sameAs: (end: number) => end,
    before: [],
    after: yield* flowWays(engine, terrain, labels, pace),
    meaning: (list: ReadonlySet<number>) => labels.meaning(list),
  }
  const { crossings: open, complete } = yield* crossings(question, pace)
  const count = terrain.nodes.length
  const pairs = count * (count - 1)
  const users = new Reached(terrain)
  let openPairs = 0
  let ports = 0
  for (const crossing of open) {
    const looks = SENDER_LOOKS + terrain.slots / ENDS_PER_LOOK
    if (pace.spent(crossing.from.size * looks)) yield
    openPairs += crossing.pairs
    ports += crossing.pairs * shareOf(labels.open(crossing.after))
    users.add(nodesIn(crossing.from, terrain), crossing.to, crossing.between)
  }
  return { pairs, openPairs, portShare: pairs === 0 ? 0 : ports / pairs, widest: users.widest(), complete }
}

/** Which nodes each person reaches from some device of theirs, their own devices included. */
class Reached {
  readonly #own = new Map<number, BitSet>()
  readonly #logins = new Map<number, string>()
  readonly #reached = new Map<number, BitSet>()

  constructor(terrain: Terrain) {
    for (const { slot, tags, user } of terrain.nodes) {
      if (tags.length > 0) continue
      this.#logins.set(user.id, user.login)
      setAt(this.#own, user.id).add(slot)
    }
  }

  add(from: readonly PolicyNode[], to: BitSet, between: 'all' | 'own' | 'others'): void {
    const senders = new Map<number, BitSet>()
    for (const { slot, tags, user } of from) if (tags.length === 0) setAt(senders, user.id).add(slot)
    for (const [id, devices] of senders) {
      const targets = to.clone()
      const own = this.#own.get(id) as BitSet
      if (between === 'own') targets.keepAll(own)
      if (between === 'others') targets.deleteAll(own)
      // One device does not reach itself.
      if (devices.size === 1) targets.deleteAll(devices)
      setAt(this.#reached, id).addAll(targets)
    }
  }

  widest(): Reach['widest'] {
    return [...this.#reached]
      .map(([id, { size }]) => ({ login: this.#logins.get(id) as string, nodes: size }))
      .filter(({ nodes }) => nodes > 0)
      .sort((a, b) => b.nodes - a.nodes || (a.login < b.login ? -1 : 1))
      .slice(0, MOST_USERS)
  }
}

function setAt(map: Map<number, BitSet>, key: number): BitSet {
  let set = map.get(key)
  if (set === undefined) map.set(key, (set = new BitSet()))
  return set
}
