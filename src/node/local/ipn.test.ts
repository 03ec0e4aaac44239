import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ipnStateNumber, isIdle, nextIpnState } from './ipn.ts'
import type { IpnInputs, IpnState } from './ipn.ts'

const UP: IpnInputs = {
  storeWorks: true,
  wantRunning: true,
  loggedOut: false,
  blocked: false,
  hasNodeKey: true,
  needsPerson: false,
  netmap: { expired: false, authorized: true },
  liveSessions: 0,
  liveRelays: 0,
}
const { netmap: _, ...NO_MAP } = UP
const EXPIRED = { expired: true, authorized: true }
const UNAPPROVED = { expired: false, authorized: false }

const rows: readonly (readonly [string, IpnState, IpnInputs, IpnState])[] = [
  ['1: the state file fails', 'Running', { ...UP, storeWorks: false, liveRelays: 1 }, 'NoState'],
  ['2: off, with a key', 'Running', { ...UP, wantRunning: false }, 'Stopped'],
  ['2: off before there is a map', 'NoState', { ...NO_MAP, wantRunning: false }, 'Stopped'],
  ['3: no map, a person has to log in', 'NoState', { ...NO_MAP, needsPerson: true }, 'NeedsLogin'],
  [
    '3: no map, logged out',
    'Running',
    { ...NO_MAP, wantRunning: false, loggedOut: true, hasNodeKey: false },
    'NeedsLogin',
  ],
  ['4: no map, was off', 'Stopped', NO_MAP, 'Starting'],
  ['5: no map, otherwise', 'NoState', NO_MAP, 'NoState'],
  ['5: no map, was waiting for a login', 'NeedsLogin', NO_MAP, 'NeedsLogin'],
  ['6: off without a key', 'Running', { ...UP, wantRunning: false, hasNodeKey: false }, 'Stopped'],
  ['6: off while blocked', 'NeedsLogin', { ...UP, wantRunning: false, blocked: true, netmap: EXPIRED }, 'Stopped'],
  ['7: own key expired', 'Running', { ...UP, netmap: EXPIRED, liveRelays: 1 }, 'NeedsLogin'],
  ['7 before 8', 'Running', { ...UP, netmap: { expired: true, authorized: false } }, 'NeedsLogin'],
  ['8: not approved', 'Running', { ...UP, netmap: UNAPPROVED, liveRelays: 1 }, 'NeedsMachineAuth'],
  ['9: approved just now', 'NeedsMachineAuth', { ...UP, liveRelays: 1 }, 'Starting'],
  ['10: nothing is connected yet', 'Starting', UP, 'Starting'],
  ['10: a relay is connected', 'Starting', { ...UP, liveRelays: 1 }, 'Running'],
  ['10: a peer has a session', 'Starting', { ...UP, liveSessions: 1 }, 'Running'],
  ['11: running stays so without connections', 'Running', UP, 'Running'],
  ['12: a map after a login', 'NeedsLogin', { ...UP, liveRelays: 1 }, 'Starting'],
  ['12: a map after nothing', 'NoState', UP, 'Starting'],
]

test('each row of the table of states', () => {
  for (const [name, was, inputs, want] of rows) assert.equal(nextIpnState(was, inputs), want, name)
})

test('numbers and what is out of service', () => {
  const numbers = [
    'NoState',
    'InUseOtherUser',
    'NeedsLogin',
    'NeedsMachineAuth',
    'Stopped',
    'Starting',
    'Running',
  ] as const
  assert.deepEqual(numbers.map(ipnStateNumber), [0, 1, 2, 3, 4, 5, 6])
  assert.deepEqual(numbers.filter(isIdle), ['NoState', 'NeedsLogin', 'Stopped'])
})

test('off is off, whatever else there is', () => {
  const states = ['NoState', 'NeedsLogin', 'NeedsMachineAuth', 'Stopped', 'Starting', 'Running'] as const
  for (const was of states)
    for (const netmap of [undefined, { expired: false, authorized: true }, EXPIRED, UNAPPROVED])
      for (const hasNodeKey of [true, false]) {
        const next = nextIpnState(was, {
          ...NO_MAP,
          ...(netmap === undefined ? {} : { netmap }),
          wantRunning: false,
          hasNodeKey,
          liveRelays: 1,
        })
        assert.ok(
          netmap === undefined && !hasNodeKey ? next === 'Starting' || next === was : isIdle(next),
          `${was} ${next}`,
        )
      }
})
