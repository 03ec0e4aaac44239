import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Buckets, limitKey, Slots } from './limits.ts'

const keys = [
  ['192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:db8:1:2::9', '2001:db8:1:2'],
  ['2001:db8::9', '2001:db8:0:0'],
  ['::1', '0:0:0:0'],
  ['unknown', 'unknown'],
] as const
for (const [address, want] of keys) test(`${address} counts as ${want}`, () => assert.equal(limitKey(address), want))

test('a bucket empties, refills with time, and is each address’s own', () => {
  const buckets = new Buckets({ burst: 3, perSecond: 1, customers: 10 })
  assert.deepEqual(
    [1, 2, 3, 4].map(() => buckets.take('a', 0)),
    [true, true, true, false],
  )
  assert.equal(buckets.take('b', 0), true)
  assert.equal(buckets.take('a', 500), false)
  assert.equal(buckets.take('a', 1000), true)
  assert.equal(buckets.take('a', 1000), false)
  assert.equal(buckets.take('a', 900), false, 'a clock that goes back gives nothing')
  assert.deepEqual(
    [1, 2, 3, 4].map(() => buckets.take('a', 100_000)),
    [true, true, true, false],
    'never above the burst',
  )
})

test('the table forgets who was quiet longest', () => {
  const buckets = new Buckets({ burst: 1, perSecond: 0, customers: 2 })
  for (const who of ['a', 'b', 'a']) buckets.take(who, 0)
  buckets.take('c', 0)
  assert.equal(buckets.take('a', 0), false, 'a was used after b')
  assert.equal(buckets.take('b', 0), true, 'b was forgotten')
})

test('slots are held and given back once', () => {
  const slots = new Slots({ perAddress: 2, total: 3 })
  const first = slots.take('a')
  const second = slots.take('a')
  assert.ok(first !== undefined && second !== undefined)
  assert.equal(slots.take('a'), undefined, 'no more for this address')
  assert.notEqual(slots.take('b'), undefined)
  assert.equal(slots.take('c'), undefined, 'no more for anybody')
  first()
  first()
  assert.equal(slots.count, 2)
  assert.notEqual(slots.take('a'), undefined)
  assert.equal(slots.take('a'), undefined)
})
