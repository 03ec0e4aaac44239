import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Bodies } from './bodies.ts'

/** A body that notes when it has to go. */
function body(gone: string[], name: string) {
  return { giveUp: () => void gone.push(name) }
}

test('what is taken comes back once', () => {
  const bodies = new Bodies(10)
  const one = body([], 'one')
  assert.ok(bodies.take(one, 4) && bodies.take(one, 6))
  assert.equal(bodies.left, 0)
  bodies.release(one)
  bodies.release(one)
  assert.equal(bodies.left, 10)
})

test('the body that was begun first gives way, however little it has, and the newest stays', () => {
  const gone: string[] = []
  const bodies = new Bodies(100)
  const [first, second, third] = ['first', 'second', 'third'].map((name) => body(gone, name)) as [
    ReturnType<typeof body>,
    ReturnType<typeof body>,
    ReturnType<typeof body>,
  ]
  assert.ok(bodies.take(first, 1) && bodies.take(second, 90) && bodies.take(first, 8))
  assert.ok(bodies.take(third, 5))
  assert.deepEqual([gone, bodies.left], [['first'], 5])
  assert.ok(bodies.take(third, 80))
  assert.deepEqual([gone, bodies.left], [['first', 'second'], 15])
})

test('what all the room would not hold is refused, and takes nothing', () => {
  const gone: string[] = []
  const bodies = new Bodies(10)
  assert.ok(bodies.take(body(gone, 'small'), 3))
  const large = body(gone, 'large')
  assert.ok(bodies.take(large, 6))
  assert.equal(bodies.take(large, 5), false)
  assert.deepEqual(gone, ['small'])
  bodies.release(large)
  assert.equal(bodies.left, 10)
})

test('a body that is given up while another asks may give back what it has by itself', () => {
  const bodies = new Bodies(10)
  const clumsy = { giveUp: () => bodies.release(clumsy) }
  assert.ok(bodies.take(clumsy, 10))
  assert.ok(bodies.take(body([], 'next'), 7))
  assert.equal(bodies.left, 3)
})
