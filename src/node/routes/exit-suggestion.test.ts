import assert from 'node:assert/strict'
import { test } from 'node:test'
import { suggestExitNode } from './exit-suggestion.ts'
import type { ExitCandidate, ExitInputs } from './exit-suggestion.ts'

const VIENNA = { Latitude: 48.2, Longitude: 16.4 }
const at = (id: string, home: number, location?: ExitCandidate['location']): ExitCandidate =>
  location === undefined ? { id, home } : { id, home, location }

const inputs = (candidates: readonly ExitCandidate[], more: Partial<ExitInputs> = {}): ExitInputs => ({
  candidates,
  isSteered: false,
  self: 'nSelf',
  latencies: new Map(),
  previous: '',
  chance: () => 0,
  ...more,
})

test('suggestions: what decides, in the order in which it does', () => {
  const latencies = new Map([
    [1, 30],
    [2, 10],
    [3, 10],
  ])
  const rows: readonly (readonly [name: string, inputs: ExitInputs, want: string | undefined])[] = [
    ['nobody', inputs([]), undefined],
    ['the nearest region', inputs([at('a', 1), at('b', 2)], { latencies }), 'b'],
    ['of equal regions the first', inputs([at('c', 3), at('b', 2)], { latencies }), 'c'],
    ['by chance within a region', inputs([at('b', 2), at('d', 2)], { latencies, chance: () => 0.9 }), 'd'],
    ['the previous one stays', inputs([at('b', 2), at('d', 2)], { latencies, previous: 'd' }), 'd'],
    ['but not in a region that is farther', inputs([at('a', 1), at('b', 2)], { latencies, previous: 'a' }), 'b'],
    ['nothing was measured', inputs([at('a', 1), at('b', 2)], { chance: () => 0.9 }), 'b'],
    ['whoever has a relay before whoever has none', inputs([at('e', 0, VIENNA), at('a', 1)], { home: VIENNA }), 'a'],
    [
      'the nearest place',
      inputs(
        [
          at('tokyo', 0, { Latitude: 35.7, Longitude: 139.7, Priority: 9 }),
          at('brno', 0, { Latitude: 49.2, Longitude: 16.6 }),
        ],
        { home: VIENNA },
      ),
      'brno',
    ],
    [
      'within 100 km the higher priority',
      inputs([at('vienna', 0, VIENNA), at('bratislava', 0, { Latitude: 48.15, Longitude: 17.1, Priority: 5 })], {
        home: VIENNA,
      }),
      'bratislava',
    ],
    ['nobody knows where we are', inputs([at('x', 0), at('y', 0, { Priority: 1 })]), 'y'],
    [
      'steered: priority alone',
      inputs([at('a', 1, { Priority: 1 }), at('b', 2, { Priority: 7 })], { isSteered: true, latencies, previous: 'a' }),
      'b',
    ],
  ]
  for (const [name, given, want] of rows) assert.equal(suggestExitNode(given), want, name)
})

test('steered clients spread over equals, each always to the same', () => {
  const candidates = ['a', 'b', 'c', 'd'].map((id) => at(id, 1))
  const of = (self: string) => suggestExitNode(inputs(candidates, { isSteered: true, self }))
  const chosen = new Map<string | undefined, number>()
  for (let i = 0; i < 400; i++) {
    const id = of(`n${i}`)
    assert.equal(of(`n${i}`), id)
    chosen.set(id, (chosen.get(id) ?? 0) + 1)
  }
  for (const { id } of candidates) assert.ok((chosen.get(id) ?? 0) > 40, `${id}: ${chosen.get(id)}`)
})
