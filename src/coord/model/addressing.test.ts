import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { Wall } from '../../base/clock.ts'
import { drawAddresses, ipv6For, isAssignable, isFree, releaseAddress, REST_MS, takeAddress } from './addressing.ts'
import { TailnetState } from './model.ts'
import type { Write } from './records.ts'

const assignable = [
  { ip: '100.64.0.1', want: true },
  { ip: '100.127.255.254', want: true },
  { ip: '100.115.94.1', want: true },
  { ip: '100.64.0.0', want: false },
  { ip: '100.127.255.255', want: false },
  { ip: '100.100.0.7', want: false },
  { ip: '100.100.100.100', want: false },
  { ip: '100.115.92.1', want: false },
  { ip: '100.115.93.255', want: false },
  { ip: '100.63.1.1', want: false },
  { ip: '100.128.1.1', want: false },
  { ip: '100.064.0.1', want: false },
  { ip: '100.64.1', want: false },
  { ip: '::1', want: false },
] as const
for (const { ip, want } of assignable)
  test(`${ip} ${want ? 'may' : 'may not'} be a node's`, () => assert.equal(isAssignable(ip), want))

test('the IPv6 address repeats the low 24 bits', () => assert.equal(ipv6For('100.90.1.2'), 'fd7a:115c:a1e0::5a:102'))

function write(state: TailnetState, write: Write): void {
  state.put({ kind: write.kind, id: write.id, value: write.value } as never, state.seq + 1)
}

test('an address rests for 90 days, but goes back to whoever had it', () => {
  const state = new TailnetState(1)
  const now = 1_000_000 as Wall
  write(state, takeAddress(state, '100.64.0.9', { id: 7, stableId: 'n7CNTRL', name: 'a' }, now))
  assert.equal(isFree(state, '100.64.0.9', now), false)
  assert.equal(isFree(state, '100.64.0.9', now, 7), true)
  const later = (now + 5000) as Wall
  write(state, releaseAddress(state, '100.64.0.9', { id: 7, stableId: 'n7CNTRL', name: 'b' }, later))
  assert.equal(isFree(state, '100.64.0.9', (later + REST_MS - 1) as Wall, 8), false)
  assert.equal(isFree(state, '100.64.0.9', (later + REST_MS - 1) as Wall, 7), true)
  const free = (later + REST_MS) as Wall
  assert.equal(isFree(state, '100.64.0.9', free, 8), true)
  write(state, takeAddress(state, '100.64.0.9', { id: 8, stableId: 'n8CNTRL', name: 'c' }, free))
  assert.deepEqual(state.address('100.64.0.9')?.holds, [
    { node: 7, stableId: 'n7CNTRL', name: 'b', since: now, until: later },
    { node: 8, stableId: 'n8CNTRL', name: 'c', since: free },
  ])
})

test('a draw avoids what is reserved, held or resting, and says so when all is', () => {
  const state = new TailnetState(1)
  const now = 0 as Wall
  // 100.100.100.100, then a held one, then a free one.
  const draws = [Uint8Array.of(0x24, 0x64, 0x64), Uint8Array.of(0, 0, 5), Uint8Array.of(0, 0, 6)]
  write(state, takeAddress(state, '100.64.0.5', { id: 1, stableId: 'n1CNTRL', name: 'a' }, now))
  const next = () => draws.shift() as Uint8Array<ArrayBuffer>
  assert.deepEqual(drawAddresses(state, next, now), { ipv4: '100.64.0.6', ipv6: 'fd7a:115c:a1e0::40:6' })
  assert.throws(() => drawAddresses(state, () => Uint8Array.of(0, 0, 5), now), /100\.64\.0\.0\/10 is taken/)
})
