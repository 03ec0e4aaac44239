import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HOUR_MS, later, MINUTE_MS } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import { isForgettable, isOpen, isSameAsk, SSH_CHECK_MS } from './ssh-checks.ts'
import type { SshCheck } from './ssh-checks.ts'

const AT = Date.UTC(2026, 0, 1) as Wall
const check: SshCheck = {
  tailnet: 1,
  source: 2,
  target: 3,
  account: 'root',
  user: 4,
  created: AT,
  expires: later(AT, SSH_CHECK_MS),
}
const passed: SshCheck = {
  ...check,
  outcome: { kind: 'passed', authenticated: { at: later(AT, MINUTE_MS), method: 'passkey' } },
}
const refused: SshCheck = { ...check, outcome: { kind: 'refused' } }
const WEEK_MS = 168 * HOUR_MS

const ages = [
  { name: 'an open one', check, after: 0, open: true, forgettable: false },
  { name: 'an open one to its end', check, after: SSH_CHECK_MS - 1, open: true, forgettable: false },
  { name: 'one whose time is over', check, after: SSH_CHECK_MS, open: false, forgettable: false },
  { name: 'one that is long over', check, after: 2 * HOUR_MS, open: false, forgettable: true },
  { name: 'a refused one', check: refused, after: MINUTE_MS, open: false, forgettable: false },
  { name: 'one that was long refused', check: refused, after: 2 * HOUR_MS, open: false, forgettable: true },
  { name: 'a passed one', check: passed, after: MINUTE_MS, open: false, forgettable: false },
  { name: 'one that a policy may let hold', check: passed, after: WEEK_MS, open: false, forgettable: false },
  { name: 'one that no policy lets hold', check: passed, after: WEEK_MS + 2 * HOUR_MS, open: false, forgettable: true },
]
test('how long a check waits, and how long it is known', () => {
  for (const { name, check: one, after, open, forgettable } of ages) {
    const now = later(AT, after)
    assert.deepEqual({ open: isOpen(one, now), forgettable: isForgettable(one, now) }, { open, forgettable }, name)
  }
})

test('a check is about one login: another of anything is another', () => {
  assert.ok(isSameAsk(check, passed))
  for (const other of [{ tailnet: 9 }, { source: 9 }, { target: 9 }, { account: 'Root' }, { user: 9 }])
    assert.ok(!isSameAsk(check, { ...check, ...other }), JSON.stringify(other))
})
