/** Comparison of paths against the golden vectors. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { golden } from '../../../test/support/golden.ts'
import type { GoldenCase } from '../../../test/support/golden.ts'
import { better } from './better.ts'
import type { Quality } from './better.ts'
import { readEndpoint } from './endpoint.ts'

interface Told {
  readonly address: string
  readonly relay: number
  readonly latency_us: number
  readonly wire_mtu: number
}

interface BetterCase extends GoldenCase {
  readonly a: Told
  readonly b: Told
  readonly a_better: boolean
  readonly b_better: boolean
}

function quality(t: Told): Quality | undefined {
  const endpoint = readEndpoint(t.address)
  return endpoint && { endpoint, vni: t.relay, latencyMs: t.latency_us / 1000, wireMtu: t.wire_mtu }
}

test('golden: which of two paths is better', () => {
  for (const c of golden<BetterCase>('path.json', 'better')) {
    // The reference compares the MTU even of two paths that don't exist; here what does not exist has none.
    if (c.a.address === '' && c.b.address === '') continue
    assert.equal(better(quality(c.a), quality(c.b)), c.a_better, c.name)
    assert.equal(better(quality(c.b), quality(c.a)), c.b_better, `${c.name}, the other way round`)
  }
})
