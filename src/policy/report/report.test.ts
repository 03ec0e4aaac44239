/** What is reported of an office's policy. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { engineOf, POLICY, TAILNET } from '../../../test/support/policy-office.ts'
import { report, reportLines } from './index.ts'

test('an office: how much is open, and everything that does nothing', () => {
  assert.deepEqual(reportLines(report(engineOf(POLICY), TAILNET)), [
    '7 nodes of 2 users',
    // Six to web-1, one of them twice; ann-laptop to db-1; bob's two devices to each other.
    '9 of 42 pairs have something open (21.4%)',
    '4.8% of all TCP and UDP ports between them are open',
    'Open to everybody:',
    '  grants[4] (line 21, column 5): tag:web tcp:443',
    'Lets nobody through as the tailnet is:',
    '  grants[7] (line 24, column 5): it has no sources',
    'Changes nothing, since other rules allow the same:',
    '  grants[6] (line 23, column 5), because of grants[0] (line 17, column 5)',
    'Groups that nothing uses:',
    '  group:old (line 6, column 5)',
    'Hosts that nothing uses:',
    '  attic (line 10, column 38)',
    'IP sets that nothing uses:',
    '  ipset:none (line 11, column 29)',
    'Postures that nothing uses:',
    '  posture:spare (line 14, column 5)',
    'Tags that nothing uses and no node carries:',
    '  tag:spare (line 9, column 88)',
    'Tags whose owners are nobody in this tailnet:',
    '  tag:web (line 9, column 42)',
    'Reach the most nodes:',
    '  bob@example.com: 3',
    '  ann@example.com: 2',
  ])
})

const grants = (...list: readonly string[]): string =>
  `{"groups": {"group:a": ["ann@example.com", "bob@example.com"], "group:b": ["bob@example.com"]}, "tagOwners": {"tag:db": []}, "grants": [${list.join()}]}`
const grant = (src: string, dst: string, ip: string, more = ''): string =>
  `{"src": ["${src}"], "dst": ["${dst}"], "ip": [${ip}]${more}}`

/** `redundant`: the places of those rules. */
const redundant = [
  {
    name: 'the same rule again',
    rules: [grant('group:a', 'tag:db', '"22"'), grant('group:a', 'tag:db', '"22"')],
    want: [1],
  },
  {
    name: 'a narrower one, wherever it stands',
    rules: [grant('bob@example.com', 'tag:db', '"tcp:22"'), grant('group:a', 'tag:db', '"*"')],
    want: [0],
  },
  { name: 'a smaller group', rules: [grant('group:a', '*', '"22"'), grant('group:b', 'tag:db', '"22"')], want: [1] },
  {
    name: 'a larger group is not',
    rules: [grant('group:b', '*', '"22"'), grant('group:a', 'tag:db', '"22"')],
    want: [],
  },
  {
    name: 'ports that two others open together',
    rules: [grant('*', '*', '"1-100"'), grant('*', '*', '"101-200"'), grant('*', '*', '"50-150"')],
    want: [2],
  },
  {
    name: 'a port more is not',
    rules: [grant('*', '*', '"1-100"'), grant('*', '*', '"102-200"'), grant('*', '*', '"50-150"')],
    want: [],
  },
  {
    name: 'a prefix in another',
    rules: [grant('*', '10.0.0.0/8', '"*"'), grant('*', '10.1.0.0/16', '"*"')],
    want: [1],
  },
  {
    name: 'one with a capability says more than one without',
    rules: [grant('*', '*', '"*"'), grant('*', '*', '"*"', ', "app": {"example.com/cap/x": []}')],
    want: [0],
  },
] as const

for (const { name, rules, want } of redundant)
  test(`redundant: ${name}`, () => {
    const found = report(engineOf(grants(...rules)), TAILNET).redundant
    assert.deepEqual(
      found.map(({ rule }) => rule.index),
      want,
    )
  })
