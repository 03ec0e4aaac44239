/** `tests`: ports and protocols, and what no test can ask for, as policy.md §8 has them. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accept, failures, grant } from '../../../test/support/policy-mesh.ts'
import type { Sections } from '../../../test/support/policy-mesh.ts'

interface Case {
  readonly name: string
  readonly policy: Sections
  readonly test: Readonly<Record<string, unknown>>
  /** Of the only test; none: it passes. */
  readonly errors?: readonly string[]
}

const want = (address: string, asked: 'Accept' | 'Drop'): string =>
  `address "${address}": want: ${asked}, got: ${asked === 'Accept' ? 'Drop' : 'Accept'}`
const web22 = accept(['ann@example.com'], ['tag:web:22'])
const everything = accept(['*'], ['*:*'])

/** §8, row 3: what fails whether it is accepted or denied, with all or nothing allowed. */
const unusable: readonly (readonly [string, string])[] = [
  ['10.0.0.0/8:443', 'a test takes an address, not a prefix'],
  ['100.64.0.17/32:22', 'a test takes an address, not a prefix'],
  ['10.0.0.0/33:443', 'no such user, group, tag, host or address'],
  ['office:22', 'a test takes one address, and this host stands for many'],
  ['*:*', 'a test takes one port, not "*"'],
  ['*:22', 'a test names somebody in particular, not "*"'],
  ['autogroup:internet:443', 'a test takes a destination of its own, not an autogroup'],
  ['autogroup:self:22', 'a test takes a destination of its own, not an autogroup'],
  ['autogroup:member:22', 'a test takes a destination of its own, not an autogroup'],
  ['user:*@example.com:22', 'no such user, group, tag, host or address'],
  ['ipset:x:22', 'no such user, group, tag, host or address'],
  ['tag:nil:22', 'tag not found'],
  ['group:nil:22', 'group not found'],
  ['eve@example.com:22', 'user not found'],
  ['nil:22', 'no such user, group, tag, host or address'],
  ['fd7a:115c:a1e0::11:22', 'an IPv6 address stands in brackets, and nothing else does'],
  ['[web-1]:22', 'an IPv6 address stands in brackets, and nothing else does'],
  [':22', 'nothing is named'],
  ['web-1', 'a test takes host:port'],
  ['', 'a test takes host:port'],
  ['web-1:', 'a test takes one port, not ""'],
  ['web-1:22,80', 'a test takes one port, not "22,80"'],
  ['web-1:22-80', 'a test takes one port, not "22-80"'],
  ['web-1:*', 'a test takes one port, not "*"'],
  ['web-1:ssh', 'a test takes one port, not "ssh"'],
  ['web-1:-1', 'a test takes one port, not "-1"'],
  ['web-1:22.5', 'a test takes one port, not "22.5"'],
  ['web-1:0', 'there is no port 0'],
  ['web-1:65536', 'there is no port 65536'],
  ['web-1:1000000', 'a test takes one port, not "1000000"'],
]

/** §8, row 5: a rule, what the test says, and whether the flow passes by it. */
const protocols: readonly Case[] = [
  {
    name: 'none: TCP',
    policy: grant({ src: ['tag:web'], dst: ['tag:db'], ip: ['tcp:53'] }),
    test: { src: 'tag:web', accept: ['tag:db:53'] },
  },
  {
    name: 'none: or UDP',
    policy: grant({ src: ['tag:web'], dst: ['tag:db'], ip: ['udp:53'] }),
    test: { src: 'tag:web', accept: ['tag:db:53'] },
  },
  {
    name: 'none, denied: neither',
    policy: grant({ src: ['tag:web'], dst: ['tag:db'], ip: ['udp:53'] }),
    test: { src: 'tag:web', deny: ['tag:db:53'] },
    errors: [want('tag:db:53', 'Drop')],
  },
  {
    name: 'none: not SCTP',
    policy: grant({ src: ['tag:web'], dst: ['tag:db'], ip: ['sctp:53'] }),
    test: { src: 'tag:web', deny: ['tag:db:53'] },
  },
  {
    name: 'tcp',
    policy: grant({ src: ['tag:web'], dst: ['tag:db'], ip: ['tcp:53'] }),
    test: { src: 'tag:web', proto: 'tcp', accept: ['tag:db:53'] },
  },
  {
    name: 'udp',
    policy: grant({ src: ['tag:web'], dst: ['tag:db'], ip: ['tcp:53'] }),
    test: { src: 'tag:web', proto: 'udp', deny: ['tag:db:53'] },
  },
  {
    name: 'a number',
    policy: grant({ src: ['tag:web'], dst: ['tag:db'], ip: ['tcp:53'] }),
    test: { src: 'tag:web', proto: '6', accept: ['tag:db:53'] },
  },
  {
    name: 'in capitals',
    policy: grant({ src: ['tag:web'], dst: ['tag:db'], ip: ['tcp:53'] }),
    test: { src: 'tag:web', proto: 'TCP', accept: ['tag:db:53'] },
  },
  {
    name: 'empty',
    policy: grant({ src: ['tag:web'], dst: ['tag:db'], ip: ['udp:53'] }),
    test: { src: 'tag:web', proto: '', accept: ['tag:db:53'] },
  },
  {
    name: 'icmp with port 0',
    policy: accept(['tag:web'], ['tag:db:*']),
    test: { src: 'tag:web', proto: 'icmp', accept: ['tag:db:0'], deny: ['tag:router:0'] },
  },
  {
    name: 'icmp with every port',
    policy: accept(['tag:web'], ['tag:db:*']),
    test: { src: 'tag:web', proto: 'icmp', accept: ['tag:db:*'] },
    errors: ['address "tag:db:*": a test takes one port, not "*"'],
  },
  {
    name: 'icmp with a port',
    policy: accept(['tag:web'], ['tag:db:*']),
    test: { src: 'tag:web', proto: 'icmp', accept: ['tag:db:22'] },
    errors: ['address "tag:db:22": a protocol without ports is tested with port 0'],
  },
  {
    name: 'gre',
    policy: accept(['tag:web'], ['tag:db:*'], { proto: 'gre' }),
    test: { src: 'tag:web', proto: '47', accept: ['tag:db:0'] },
  },
  {
    name: 'no gre',
    policy: accept(['tag:web'], ['tag:db:*']),
    test: { src: 'tag:web', proto: 'gre', deny: ['tag:db:0'] },
  },
  {
    name: 'unknown',
    policy: everything,
    test: { src: 'tag:web', proto: 'tpc', accept: ['tag:db:22'] },
    errors: ['protocol "tpc" not known'],
  },
  {
    name: 'any',
    policy: everything,
    test: { src: 'tag:web', proto: '*', accept: ['tag:db:22'] },
    errors: ['protocol "*" not known'],
  },
  {
    name: 'a leading zero',
    policy: everything,
    test: { src: 'tag:web', proto: '06', accept: ['tag:db:22'] },
    errors: ['protocol "06" not known'],
  },
  {
    name: 'too large',
    policy: everything,
    test: { src: 'tag:web', proto: '256', accept: ['tag:db:22'] },
    errors: ['protocol "256" not known'],
  },
]

const whole: readonly Case[] = [
  {
    name: 'neither accept nor deny',
    policy: everything,
    test: { src: 'tag:web' },
    errors: ['the test neither accepts nor denies anything'],
  },
  {
    name: 'empty lists',
    policy: everything,
    test: { src: 'tag:web', accept: [], deny: [] },
    errors: ['the test neither accepts nor denies anything'],
  },
  {
    name: 'each thing that does not hold is told, in the order of the test',
    policy: web22,
    test: { src: 'ann@example.com', accept: ['tag:db:1', 'tag:web:22', '*:1'], deny: ['tag:web:22', 'tag:db:2'] },
    errors: [
      want('tag:db:1', 'Accept'),
      'address "*:1": a test names somebody in particular, not "*"',
      want('tag:web:22', 'Drop'),
    ],
  },
]

const tables = { protocols, whole }
for (const [title, cases] of Object.entries(tables))
  test(title, () => {
    for (const { name, policy, test: one, errors = [] } of cases) {
      const failed = failures({ ...policy, tests: [one] })
      assert.deepEqual(
        failed.flatMap((failure) => failure.errors),
        errors,
        name,
      )
      if (errors.length > 0)
        assert.deepEqual(
          failed.map(({ user }) => user),
          [one['src'] ?? ''],
          name,
        )
    }
  })

test('destinations that no test can have', () => {
  for (const [address, why] of unusable)
    for (const policy of [everything, { acls: [] }])
      for (const list of ['accept', 'deny']) {
        const failed = failures({ ...policy, tests: [{ src: 'ann@example.com', [list]: [address] }] })
        assert.deepEqual(
          failed.flatMap(({ errors }) => errors),
          [`address ${JSON.stringify(address)}: ${why}`],
          list,
        )
      }
})

test('tests that are there twice, and those behind one that fails, are run like any other', () => {
  const good = { src: 'ann@example.com', accept: ['tag:web:22'] }
  const bad = { src: 'bob@example.com', accept: ['tag:web:22'] }
  assert.deepEqual(failures({ ...web22, tests: [good, good] }), [])
  assert.deepEqual(
    failures({ ...web22, tests: [bad, good, bad] }).map(({ user }) => user),
    [bad.src, bad.src],
  )
})
