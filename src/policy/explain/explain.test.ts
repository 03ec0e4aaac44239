/** What an explanation says of an office's policy, line by line. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { prefix } from '../../base/ip.ts'
import { engineOf, ip, nameOf, node, POLICY } from '../../../test/support/policy-office.ts'
import { explain, explanationLines } from './index.ts'
import type { Question, Subject } from './index.ts'

const machine = (name: string): Subject => ({ kind: 'node', node: node(name) })
const place = (text: string): Subject => ({ kind: 'address', ip: ip(text) })
const person = (login: string): Subject => ({ kind: 'user', login })

/** `lines`: some that are there, in this order; the first is the verdict. */
const cases: readonly (Question & { readonly name: string; readonly lines: readonly string[] })[] = [
  {
    name: 'through a group and a tag, by each rule that lets it pass',
    src: machine('ann-laptop'),
    dst: machine('db-1'),
    port: 5432,
    lines: [
      'allowed: ann-laptop (100.64.0.1, fd7a:115c:a1e0::1) to db-1 (100.64.0.4, fd7a:115c:a1e0::4), tcp 5432',
      '  by grants[0] (line 17, column 5), which opens tcp:5432',
      '    source group:dev (line 17, column 14): ann@example.com is in group:dev (line 4, column 7)',
      '    destination tag:db (line 17, column 36): db-1 carries tag:db',
      '  by grants[6] (line 23, column 5), which opens tcp:5432',
      '    source ann@example.com (line 23, column 14): ann-laptop belongs to ann@example.com',
      '  Answers need no rule: what comes back on the same connection passes.',
    ],
  },
  {
    name: 'through a subnet router, by a host and a posture',
    src: machine('ann-laptop'),
    dst: place('10.1.2.3'),
    port: 443,
    lines: [
      'allowed: ann-laptop (100.64.0.1) to 10.1.2.3, tcp 443',
      '  in 10.1.0.0/16, routed by router-1',
      '  by grants[1] (line 18, column 5), which opens tcp:443',
      '    destination office (line 18, column 43): 10.1.2.3 is in 10.1.0.0/16, which office stands for (line 10, column 13)',
      '    ann-laptop meets posture:safe',
    ],
  },
  {
    name: 'through an exit node',
    src: machine('ann-laptop'),
    dst: place('1.1.1.1'),
    port: 443,
    lines: ['allowed: ann-laptop (100.64.0.1) to 1.1.1.1, tcp 443', '  through exit node exit-1'],
  },
  {
    name: 'between the devices of one person',
    src: machine('bob-phone'),
    dst: machine('bob-laptop'),
    port: 0,
    protocol: 1,
    lines: [
      'allowed: bob-phone (100.64.0.2, fd7a:115c:a1e0::2) to bob-laptop (100.64.0.3, fd7a:115c:a1e0::3), icmp',
      '    both are devices of one person',
    ],
  },
  {
    name: 'who is not in the group',
    src: machine('bob-phone'),
    dst: machine('db-1'),
    port: 5432,
    lines: [
      'refused: bob-phone (100.64.0.2, fd7a:115c:a1e0::2) to db-1 (100.64.0.4, fd7a:115c:a1e0::4), tcp 5432',
      '    grants[0] (line 17, column 5) to tag:db (line 17, column 36):',
      '      bob-phone is none of its sources',
      '    - add "bob@example.com" to "group:dev" (line 3, column 5)',
      '    - add "bob@example.com" to src of grants[0] (line 17, column 5)',
      '    - add a grant {"src": ["bob@example.com"], "dst": ["tag:db"], "ip": ["tcp:5432"]}',
    ],
  },
  {
    name: 'the wrong port, which is nearer than the wrong source',
    src: machine('ann-laptop'),
    dst: machine('db-1'),
    port: 22,
    lines: [
      'refused: ann-laptop (100.64.0.1, fd7a:115c:a1e0::1) to db-1 (100.64.0.4, fd7a:115c:a1e0::4), tcp 22',
      '    grants[0] (line 17, column 5) to tag:db (line 17, column 36):',
      '      wrong port: it opens tcp:5432',
      '    grants[7] (line 24, column 5) to tag:db (line 24, column 38):',
      '      ann-laptop is none of its sources',
      '    - add "tcp:22" to ip of grants[0] (line 17, column 5)',
    ],
  },
  {
    name: 'the wrong protocol',
    src: machine('ann-laptop'),
    dst: machine('db-1'),
    port: 5432,
    protocol: 17,
    lines: [
      'refused: ann-laptop (100.64.0.1, fd7a:115c:a1e0::1) to db-1 (100.64.0.4, fd7a:115c:a1e0::4), udp 5432',
      '      wrong protocol: it opens tcp:5432',
      '    - add "udp:5432" to ip of grants[0] (line 17, column 5)',
    ],
  },
  {
    name: 'a posture that is not met, with what the device has instead',
    src: machine('bob-laptop'),
    dst: place('10.1.2.3'),
    port: 443,
    lines: [
      'refused: bob-laptop (100.64.0.3) to 10.1.2.3, tcp 443',
      '      bob-laptop does not meet posture:safe (line 13, column 5)',
      '        custom:tier >= 2 (line 13, column 44): custom:tier is 1',
      '    - have the device meet posture:safe: custom:tier >= 2',
    ],
  },
  {
    name: 'an attribute that is not set',
    src: machine('bob-phone'),
    dst: place('10.1.2.3'),
    port: 443,
    lines: [
      'refused: bob-phone (100.64.0.2) to 10.1.2.3, tcp 443',
      '        node:os == \'linux\' (line 13, column 22): node:os is "ios"',
      '        custom:tier >= 2 (line 13, column 44): custom:tier is not set',
    ],
  },
  {
    name: 'another person’s device, where each may reach their own',
    src: machine('bob-phone'),
    dst: machine('ann-laptop'),
    port: 22,
    lines: [
      'refused: bob-phone (100.64.0.2, fd7a:115c:a1e0::2) to ann-laptop (100.64.0.1, fd7a:115c:a1e0::1), tcp 22',
      '    grants[2] (line 19, column 5) to autogroup:self (line 19, column 43):',
      '      it is for devices of one person only',
    ],
  },
  {
    name: 'a route that waits for approval',
    src: machine('ann-laptop'),
    dst: place('10.9.1.1'),
    port: 443,
    lines: [
      'refused: ann-laptop (100.64.0.1) to 10.9.1.1, tcp 443',
      '  Nobody carries 10.9.1.1: there is no approved route for it.',
      '  router-1 offers 10.9.0.0/16, which is not approved.',
      '    - approve 10.9.0.0/16 of router-1; and add "10.9.1.1" to dst of grants[1] (line 18, column 5)',
    ],
  },
  {
    name: 'an exit node that one may not use',
    src: machine('bob-laptop'),
    dst: place('1.1.1.1'),
    port: 443,
    lines: [
      'refused: bob-laptop (100.64.0.3) to 1.1.1.1, tcp 443',
      '  The sender may not use exit-1 as its exit node.',
      '    - add "bob@example.com" to "group:dev" (line 3, column 5)',
    ],
  },
  {
    name: 'all devices of a person, of which some may',
    src: person('Ann@example.com'),
    dst: person('bob@example.com'),
    port: 22,
    lines: [
      'refused: ann-laptop (100.64.0.1, fd7a:115c:a1e0::1) to bob-phone (100.64.0.2, fd7a:115c:a1e0::2), tcp 22',
      'refused: ann-laptop (100.64.0.1, fd7a:115c:a1e0::1) to bob-laptop (100.64.0.3, fd7a:115c:a1e0::3), tcp 22',
    ],
  },
  {
    name: 'a person without a device',
    src: person('dee@example.com'),
    dst: machine('web-1'),
    port: 443,
    lines: ['refused: there is no device that would send it'],
  },
  {
    name: 'a tag that no device carries',
    src: machine('web-1'),
    dst: { kind: 'tag', tag: 'tag:nobody' },
    port: 443,
    lines: ['refused: there is no device that it would go to'],
  },
  {
    name: 'nobody, to nobody',
    src: person('dee@example.com'),
    dst: { kind: 'tag', tag: 'tag:nobody' },
    port: 443,
    lines: ['refused: there is no device at either end'],
  },
  {
    name: 'addresses of two kinds',
    src: place('100.64.0.1'),
    dst: place('2001:db8::1'),
    port: 443,
    lines: ['refused: one end has IPv4 addresses only, and the other IPv6'],
  },
  {
    name: 'a tag as the source',
    src: { kind: 'tag', tag: 'tag:db' },
    dst: machine('web-1'),
    port: 443,
    lines: [
      'allowed: db-1 (100.64.0.4, fd7a:115c:a1e0::4) to web-1 (100.64.0.5, fd7a:115c:a1e0::5), tcp 443',
      '    source * (line 21, column 14)',
    ],
  },
]

const engine = engineOf(POLICY)
const around = { offered: [{ node: node('router-1'), route: prefix('10.9.0.0/16') }] }

for (const { name, lines, ...question } of cases)
  test(name, () => {
    const told = explanationLines(explain(engine, question, around), nameOf)
    assert.equal(told[0], lines[0])
    let from = 0
    for (const line of lines) {
      const at = told.indexOf(line, from)
      assert.ok(at >= 0, `not said, or not here: ${line}\n${told.join('\n')}`)
      from = at + 1
    }
  })

test('a policy without rules allows everything, and says so', () => {
  const told = explanationLines(
    explain(engineOf('{}'), { src: machine('bob-phone'), dst: machine('db-1'), port: 22 }),
    nameOf,
  )
  assert.match(told[1] ?? '', /^ {2}by default: a policy without grants and acls allows everything/)
})

test('in part: one family of addresses, or one of several devices', () => {
  const half = engineOf('{"acls": [{"action": "accept", "src": ["100.64.0.2"], "dst": ["100.64.0.4:22"]}]}')
  const explained = explain(half, { src: person('bob@example.com'), dst: machine('db-1'), port: 22 })
  assert.equal(explained.verdict, 'in part')
  assert.deepEqual(
    explained.flows.map(({ from, allowed }) => [from.addresses.join(), allowed]),
    [
      ['100.64.0.2', true],
      ['fd7a:115c:a1e0::2', false],
      ['100.64.0.3', false],
      ['fd7a:115c:a1e0::3', false],
    ],
  )
  assert.equal(explanationLines(explained, nameOf)[0], 'allowed in part: 1 of 4 flows')
})
