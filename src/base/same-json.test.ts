import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { sameJson } from './same-json.ts'

test('same JSON or not', () => {
  const rows: readonly (readonly [unknown, unknown, boolean])[] = [
    [1, 1, true],
    [1, '1', false],
    [null, null, true],
    [null, {}, false],
    [null, undefined, false],
    [{}, [], false],
    [[], [], true],
    [[1, 2], [2, 1], false],
    [[1], [1, 2], false],
    [{ a: 1, b: 2 }, { b: 2, a: 1 }, true],
    [{ a: 1 }, { a: 1, b: 2 }, false],
    [{ a: 1, b: undefined }, { a: 1 }, true],
    [{ a: 1 }, { a: 1, b: undefined }, true],
    [{ a: undefined }, { b: 1 }, false],
    [{ a: null }, {}, false],
    [{ a: { b: [{ c: 'x' }] } }, { a: { b: [{ c: 'x' }] } }, true],
    [{ a: { b: [{ c: 'x' }] } }, { a: { b: [{ c: 'y' }] } }, false],
    [{ toString: 1 }, {}, false],
    [{}, { toString: 1 }, false],
  ]
  for (const [a, b, want] of rows) assert.equal(sameJson(a, b), want, `${JSON.stringify(a)} and ${JSON.stringify(b)}`)
})

test('a copy is the same, and two are the same if their canonical texts are', () => {
  const canonical = (value: unknown): string =>
    JSON.stringify(value, (_, v: unknown) =>
      typeof v === 'object' && v !== null && !Array.isArray(v)
        ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)))
        : v,
    )
  const small = fc.jsonValue({ maxDepth: 2 })
  fc.assert(
    fc.property(small, small, (a, b) => {
      assert.ok(sameJson(a, JSON.parse(JSON.stringify(a))))
      assert.equal(sameJson(a, b), canonical(a) === canonical(b))
    }),
  )
})
