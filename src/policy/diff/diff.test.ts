/** What is said of edits to an office's policy. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { engineOf, nameOf, POLICY } from '../../../test/support/policy-office.ts'
import { diff, diffInSteps, diffLines } from './index.ts'

const edits = [
  {
    name: 'the same text',
    from: 'group:dev',
    to: 'group:dev',
    lines: ['Nothing changes: who may reach whom, and how, stays as it is.'],
  },
  {
    name: 'another port, beside one that another rule still opens',
    from: '"ip": ["tcp:5432"]},\n    {"src": ["autogroup:member"], "dst": ["office"]',
    to: '"ip": ["tcp:5433"]},\n    {"src": ["autogroup:member"], "dst": ["office"]',
    lines: ['+ ann@example.com to tag:db: tcp:5433'],
  },
  {
    name: 'one more in a group',
    from: '"ann@example.com",\n    ]',
    to: '"ann@example.com", "bob@example.com"]',
    lines: ['+ bob@example.com to tag:db: tcp:5432 icmp', '+ visible bob@example.com and tag:db, tag:router (exit-1)'],
  },
  {
    name: 'a check that is no longer asked for, on own devices',
    from: '"check"',
    to: '"accept"',
    lines: [
      '+ ssh ann@example.com, bob@example.com to ann@example.com, bob@example.com, own devices only: as any account but root, now without a check',
    ],
  },
  {
    name: 'one account more',
    from: '"users": ["autogroup:nonroot"]',
    to: '"users": ["autogroup:nonroot", "root"]',
    lines: [
      '+ ssh ann@example.com, bob@example.com to ann@example.com, bob@example.com, own devices only: as root, after a check',
    ],
  },
  {
    name: 'an exit node that nobody may use any more',
    from: '{"src": ["group:dev"], "dst": ["autogroup:internet"], "ip": ["*"]},',
    to: '',
    lines: [
      '- ann@example.com to 2000::/3 behind exit-1: *',
      '- route 0.0.0.0/0 of exit-1, told to ann@example.com',
      '- visible ann@example.com and tag:router (exit-1)',
    ],
  },
] as const

for (const { name, from, to, lines } of edits)
  test(name, () => {
    assert.ok(POLICY.includes(from))
    const told = diffLines(diff(engineOf(POLICY), engineOf(POLICY.replace(from, to))), nameOf)
    for (const line of lines) assert.ok(told.includes(line), `not said: ${line}\n${told.join('\n')}`)
  })

test('in steps it comes to the same', () => {
  const [before, after] = [engineOf(POLICY), engineOf('{"grants": []}')]
  const steps = diffInSteps(before, after)
  let count = 0
  for (;;) {
    const step = steps.next()
    if (step.done === true) {
      assert.deepEqual(step.value, diff(before, after))
      break
    }
    count++
  }
  assert.ok(count > 5)
})
