/** The difference of two plans beside a plain twin: what one has and the other has not, wherever in their lists it is. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { difference, isNone, keyOfRoute, union } from './difference.ts'
import { emptyPlan } from './host-plan.ts'
import type { HostPlan, HostRoute } from './host-plan.ts'

const routes = fc.uniqueArray(
  fc.record({ n: fc.integer({ min: 0, max: 9 }), to: fc.constantFrom('device', 'throw', 'unreachable') }),
  { selector: ({ n, to }) => `${n} ${to}`, maxLength: 12 },
)
const planOf = (list: readonly { readonly n: number; readonly to: HostRoute['to'] }[]): HostPlan => ({
  ...emptyPlan('sett0'),
  addresses: [...new Set(list.map(({ n }) => `100.64.0.${n}/32`))],
  routes: list.map(({ n, to }) => ({ prefix: `10.0.${n}.0/24`, to })),
  settings: [...new Map(list.map(({ n, to }) => [n, to]))].map(([n, to]) => ({ path: `net/${n}`, value: to })),
})

function twin<T>(all: readonly T[], some: readonly T[], keyOf: (item: T) => string): T[] {
  return all.filter((item) => some.every((other) => keyOf(other) !== keyOf(item)))
}

test('whatever two plans hold, their difference and their union are those of the plain twin', () => {
  const itself = (text: string): string => text
  const property = fc.property(routes, routes, fc.boolean(), (first, second, isNear) => {
    const before = planOf(first)
    // Most plans differ from the one before in a place or two.
    const after = planOf(
      isNear ? [...second.slice(0, 1), ...first.slice(1).filter(isNotIn(second.slice(0, 1)))] : second,
    )
    const change = difference(before, after)
    assert.deepEqual(change.addRoutes, twin(after.routes, before.routes, keyOfRoute))
    assert.deepEqual(change.removeRoutes, twin(before.routes, after.routes, keyOfRoute))
    assert.deepEqual(change.addAddresses, twin(after.addresses, before.addresses, itself))
    assert.deepEqual(change.removeAddresses, twin(before.addresses, after.addresses, itself))
    const key = ({ path, value }: { readonly path: string; readonly value: string }): string => `${path}=${value}`
    assert.deepEqual(change.set, twin(after.settings, before.settings, key))
    assert.deepEqual(
      change.unset,
      twin(before.settings, after.settings, ({ path }) => path),
    )
    assert.deepEqual(union(before, after).routes, [...after.routes, ...change.removeRoutes])
    assert.ok(isNone(difference(after, structuredClone(after))))
  })
  fc.assert(property, { numRuns: 500 })
})

function isNotIn<R extends { readonly n: number; readonly to: string }>(some: readonly R[]): (item: R) => boolean {
  return ({ n, to }) => some.every((other) => other.n !== n || other.to !== to)
}
