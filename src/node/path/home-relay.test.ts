/** Choice of the home relay against the golden vectors. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Mono } from '../../base/clock.ts'
import { golden } from '../../../test/support/golden.ts'
import type { GoldenCase } from '../../../test/support/golden.ts'
import { HomeRelay } from './home-relay.ts'

interface HomeCase extends GoldenCase {
  readonly scores: Readonly<Record<string, number>> | null
  readonly forced: number
  readonly report_began_ms_ago: number
  readonly steps: readonly {
    readonly after_s: number
    readonly latency_ms: Readonly<Record<string, number>>
    readonly frame_heard_s_ago: Readonly<Record<string, number>>
    readonly chosen: number
  }[]
}

const numbered = (o: Readonly<Record<string, number>> | null) =>
  new Map(Object.entries(o ?? {}).map(([region, value]) => [Number(region), value]))

test('golden: home relays chosen', () => {
  for (const c of golden<HomeCase>('home-relay.json', 'home')) {
    const home = new HomeRelay()
    let now = 1_000_000
    for (const [i, step] of c.steps.entries()) {
      now += step.after_s * 1000
      const heard = [...numbered(step.frame_heard_s_ago)].map(([r, s]) => [r, (now - s * 1000) as Mono] as const)
      const report = {
        beganAt: (now - c.report_began_ms_ago) as Mono,
        latencies: numbered(step.latency_ms),
        heardAt: new Map(heard),
        scores: numbered(c.scores),
        forced: c.forced,
      }
      assert.equal(home.choose(report, now as Mono), step.chosen, `${c.name}, step ${i}`)
      assert.equal(home.home, step.chosen)
    }
  }
})
