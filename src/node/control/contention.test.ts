/** A session whose map stream is taken from it, in simulated time: how often it comes back, and what it says. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Secret } from '../../base/secret.ts'
import { ControlWorld } from '../../../test/support/fake-control.ts'

function joined(): ControlWorld {
  const world = new ControlWorld({ session: { authKey: new Secret('tskey-auth-one', 'auth key') } }).start()
  assert.equal(world.session.state.online, true)
  return world
}

/** Has the server end the stream as soon as it is up. @returns ms until the next one was */
function take(world: ControlWorld): number {
  world.endStreams()
  const since = world.mono
  world.until('online', () => world.session.state.online)
  return world.mono - since
}

/** Lets time pass on a stream that is kept alive. */
function stand(world: ControlWorld, ms: number): void {
  for (let passed = 0; passed < ms; passed += 10_000) {
    world.pass(10_000)
    world.send({ KeepAlive: true })
  }
}

test('a stream that is taken again and again is begun later and later, and the state says so', () => {
  const world = joined()
  const waits: number[] = []
  const told: boolean[] = []
  for (let n = 0; n < 12; n++) {
    waits.push(take(world))
    told.push(world.session.state.contested === true)
  }
  assert.ok((waits[0] as number) <= 15, 'one end alone is nothing')
  assert.deepEqual(told.slice(0, 4), [false, false, true, true])
  const most = [15, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000, 30_000, 30_000, 30_000]
  for (const [n, wait] of waits.entries()) {
    assert.ok(wait <= (most[n] as number), `${n}: ${wait} ms`)
    if (n > 0) assert.ok(wait >= (most[n] as number) / 2, `${n}: ${wait} ms`)
  }
  // Two copies that wait so long hold it so long in between: that does not end it.
  stand(world, 40_000)
  assert.ok(take(world) >= 15_000)
  assert.equal(world.session.state.contested, true)
  // The other machine has a login of its own now.
  stand(world, 60_000)
  assert.deepEqual(world.session.state, { phase: 'joined', online: true })
  assert.ok(take(world) <= 15)
})

test('what ends streams otherwise is waited for as before', () => {
  const rows: readonly { readonly name: string; readonly end: (world: ControlWorld) => void }[] = [
    { name: 'the server is killed', end: (world) => world.cut() },
    { name: 'the server is restarted', end: (world) => (world.endStreams(), world.cut()) },
    { name: 'the stream has stood', end: (world) => (stand(world, 60_000), world.endStreams()) },
  ]
  for (const { name, end } of rows) {
    const world = joined()
    for (let n = 0; n < 6; n++) {
      end(world)
      const since = world.mono
      world.until('online', () => world.session.state.online)
      assert.ok(world.mono - since <= 15, `${name}: ${world.mono - since} ms`)
      assert.equal(world.session.state.contested, undefined, name)
    }
  }
})

test('a change of the network is a reason to try at once, a new key to forget', () => {
  const world = joined()
  for (let n = 0; n < 8; n++) take(world)
  world.endStreams()
  world.run((session, now) => session.networkChanged(now))
  assert.deepEqual([world.session.state.online, world.session.state.contested], [true, true])
  world.run((session, now) => session.login({ anew: true }, now))
  assert.deepEqual(world.session.state, { phase: 'joined', online: true })
  assert.ok(take(world) <= 15)
})
