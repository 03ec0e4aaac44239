import assert from 'node:assert/strict'
import { test } from 'node:test'
import { captureLines, readCapture } from './capture.ts'
import { compare } from './compare.ts'
import { EXCEPTIONS } from './exceptions.ts'
import { observe } from './observe.ts'

/** All of them are replayed by `npm run golden:policy`; here one in so many, of every category. */
const ONE_IN = 20

const LINES = [...captureLines(new URL('../vectors/policy', import.meta.url).pathname)]

for (const line of LINES.filter((_, i) => i % ONE_IN === 0)) {
  const capture = readCapture(line)
  test(`${capture.id}: the server answers, and shows every node, what was recorded`, async () => {
    assert.deepEqual(compare(capture, await observe(capture), EXCEPTIONS), [])
  })
}

test('no exception is more than what its capture needs', async () => {
  for (const exception of EXCEPTIONS) {
    const line = LINES.find((text) => readCapture(text).id === exception.id)
    if (line === undefined) continue
    const capture = readCapture(line)
    const others = EXCEPTIONS.filter((other) => other !== exception)
    assert.notDeepEqual(compare(capture, await observe(capture), others), [], exception.id)
  }
})

test('a capture whose policy says something else is found out', async () => {
  const capture = readCapture(LINES.find((line) => readCapture(line).status === 200) as string)
  const outcome = await observe({ ...capture, policy: '{"grants": []}' })
  assert.notDeepEqual(compare(capture, outcome, EXCEPTIONS), [])
})
