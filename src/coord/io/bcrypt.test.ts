/** Comparing with bcrypt in a thread: what fits, and how much of it strangers may ask for. */

import { hashSync } from 'bcryptjs'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Mono } from '../../base/clock.ts'
import { Secret } from '../../base/secret.ts'
import { BcryptThread } from './bcrypt.ts'

/** The least that bcrypt takes: 2^4 rounds. */
const HASH = hashSync('right', 4)
const right = new Secret('right')

test('the right secret, wrong ones, and hashes that are none', async (t) => {
  const thread = new BcryptThread(() => 0 as Mono)
  t.after(() => thread.close())
  // Written by another program, with 2^10 rounds: keys of Headscale look like this.
  const foreign = '$2a$10$sxM5OtvXU3oBySXq2izH/unQX43q36lhkKPkX9fBgUX6zLAJaCoPq'
  const rows = [
    ['right', HASH, true],
    ['wrong', HASH, false],
    ['', HASH, false],
    ['right', '', false],
    ['right', '$2a$04$', false],
    ['right', 'x'.repeat(60), false],
    ['5b0a8f42595d1b2ce23a6cd8991d6172d778654859f90b55be85ef6b34d5a590', foreign, true],
    ['5b0a8f42595d1b2ce23a6cd8991d6172d778654859f90b55be85ef6b34d5a591', foreign, false],
  ] as const
  const answers = await Promise.all(
    rows.map(([text, hash], i) => thread.compare(new Secret(text), hash, `192.0.2.${i}`)),
  )
  assert.deepEqual(
    answers,
    rows.map(([, , want]) => want),
  )
})

test('one address may guess twenty times, then every two seconds; the same question of many counts once', async (t) => {
  let now = 0
  const thread = new BcryptThread(() => now as Mono)
  t.after(() => thread.close())
  const guess = (n: number, from = '192.0.2.1') => thread.compare(new Secret(`guess ${n}`), HASH, from)
  for (let n = 0; n < 20; n++) assert.equal(await guess(n), false)
  assert.equal(await guess(20), 'busy')
  assert.equal(await guess(20, '192.0.2.2'), false, 'others may')
  now += 2000
  assert.equal(await guess(20), false)
  assert.equal(await guess(21), 'busy')
  const crowd = Array.from({ length: 100 }, () => thread.compare(right, HASH, '192.0.2.3'))
  assert.deepEqual([...new Set(await Promise.all(crowd))], [true])
})

test('sixteen wait at most, and a server that stops waits for none of them', async (t) => {
  const thread = new BcryptThread(() => 0 as Mono)
  t.after(() => thread.close())
  const many = Array.from({ length: 17 }, (_, n) => thread.compare(new Secret(`${n}`), HASH, `192.0.2.${n}`))
  assert.equal(await many[16], 'busy')
  assert.deepEqual([...new Set(await Promise.all(many.slice(0, 16)))], [false])
  const left = thread.compare(new Secret('left'), HASH, '192.0.2.99')
  const refused = assert.rejects(left, /the server stops/)
  await thread.close()
  await refused
  assert.equal(await thread.compare(right, HASH, '192.0.2.99'), true, 'it would start again')
})
