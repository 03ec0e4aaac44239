import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WaitingPings } from './waiting-pings.ts'

test('each ping gets its own answer, and none is left without one', async () => {
  const pings = new WaitingPings()
  const asked: string[] = []
  const ask = () => pings.ask((name) => void asked.push(name))
  const [first, second, third] = [ask(), ask(), ask()]
  assert.equal(new Set(asked).size, 3)
  const answer = { latencyMs: 3, via: { endpoint: '192.0.2.1:9' } } as never
  pings.answer(asked[1] as string, answer)
  pings.answer(asked[0] as string, undefined)
  pings.answer('unknown', answer)
  // Said twice, it counts once.
  pings.answer(asked[0] as string, answer)
  pings.end()
  assert.deepEqual(await Promise.all([first, second, third]), [undefined, answer, undefined])
})
