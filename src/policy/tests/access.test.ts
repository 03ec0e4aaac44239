/** `tests`: who may be named, what may be reached, what may be pretended, as policy.md §8 has them. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accept, failures, grant, MESH } from '../../../test/support/policy-mesh.ts'
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

/** §8, row 1. */
const sources: readonly Case[] = [
  { name: 'a user', policy: web22, test: { src: 'ann@example.com', accept: ['tag:web:22'] } },
  { name: 'a user in other letters', policy: web22, test: { src: ' Ann@Example.com ', accept: ['tag:web:22'] } },
  {
    name: 'a user of whose devices only one is named',
    policy: accept(['ann-laptop'], ['tag:web:22']),
    test: { src: 'ann@example.com', accept: ['tag:web:22'] },
    errors: [want('tag:web:22', 'Accept')],
  },
  {
    name: 'a user of whose devices one is named too many',
    policy: accept(['ann-laptop'], ['tag:web:22']),
    test: { src: 'ann@example.com', deny: ['tag:web:22'] },
    errors: [want('tag:web:22', 'Drop')],
  },
  {
    name: 'a user without devices',
    policy: accept(['group:dev'], ['tag:web:22']),
    test: { src: 'cy@example.org', accept: ['tag:web:22'], deny: ['tag:web:23', 'tag:db:22'] },
  },
  {
    name: 'a group, each member',
    policy: accept(['ann@example.com', 'bob@example.com'], ['tag:web:22']),
    test: { src: 'group:ops', accept: ['tag:web:22'] },
  },
  {
    name: 'a group with a member who may not',
    policy: web22,
    test: { src: 'group:ops', accept: ['tag:web:22'] },
    errors: [want('tag:web:22', 'Accept')],
  },
  {
    name: 'a group with a member who may',
    policy: web22,
    test: { src: 'group:ops', deny: ['tag:web:22'] },
    errors: [want('tag:web:22', 'Drop')],
  },
  {
    name: 'a group, each member who has joined',
    policy: accept(['cy@example.org'], ['tag:web:22']),
    test: { src: 'group:half', accept: ['tag:web:22'] },
  },
  {
    name: 'a group of whom nobody has joined',
    policy: accept(['group:later'], ['tag:web:22']),
    test: { src: 'group:later', accept: ['tag:web:22'], deny: ['tag:db:22'] },
  },
  {
    name: 'a group without members',
    policy: accept(['group:empty'], ['tag:web:22']),
    test: { src: 'group:empty', accept: ['tag:web:22'], deny: ['tag:db:22'] },
  },
  { name: 'a tag', policy: accept(['tag:web'], ['tag:db:5432']), test: { src: 'tag:web', accept: ['tag:db:5432'] } },
  {
    name: 'a tag that no node has yet',
    policy: accept(['tag:new'], ['tag:db:5432']),
    test: { src: 'tag:new', accept: ['tag:db:5432'], deny: ['tag:db:22', 'tag:web:5432'] },
  },
  {
    name: 'an autogroup of people',
    policy: accept(['autogroup:member'], ['tag:web:22']),
    test: { src: 'autogroup:member', accept: ['tag:web:22'] },
  },
  {
    name: 'an autogroup of tags',
    policy: accept(['autogroup:tagged'], ['tag:web:22']),
    test: { src: 'autogroup:tagged', accept: ['tag:web:22'] },
  },
  {
    name: 'the address of a device, by whose it is',
    policy: web22,
    test: { src: '100.64.0.1', accept: ['tag:web:22'] },
  },
  {
    name: 'one address, where only the other is named',
    policy: accept(['fd7a:115c:a1e0::1'], ['tag:web:22']),
    test: { src: '100.64.0.1', deny: ['tag:web:22'] },
  },
  { name: 'an IPv6 address', policy: web22, test: { src: 'fd7a:115c:a1e0::1', accept: ['tag:web:22'] } },
  { name: 'an address that nobody has', policy: everything, test: { src: '100.64.0.99', accept: ['tag:web:22'] } },
  {
    name: 'an address that nobody has, and nobody names',
    policy: web22,
    test: { src: '100.64.0.99', accept: ['tag:web:22'] },
    errors: [want('tag:web:22', 'Accept')],
  },
  {
    name: 'an address behind a router',
    policy: accept(['10.33.0.0/16'], ['tag:web:22']),
    test: { src: '10.33.7.7', accept: ['tag:web:22'], deny: ['tag:db:22'] },
  },
  { name: 'a host', policy: web22, test: { src: 'ann-laptop', accept: ['tag:web:22'] } },
  {
    name: 'no user',
    policy: everything,
    test: { src: 'eve@example.com', deny: ['tag:web:22'] },
    errors: ['src "eve@example.com": user not found'],
  },
  {
    name: 'no group',
    policy: everything,
    test: { src: 'group:nil', deny: ['tag:web:22'] },
    errors: ['src "group:nil": group not found'],
  },
  {
    name: 'no tag',
    policy: everything,
    test: { src: 'tag:nil', deny: ['tag:web:22'] },
    errors: ['src "tag:nil": tag not found'],
  },
  {
    name: 'no host',
    policy: everything,
    test: { src: 'nil', accept: ['tag:web:22'] },
    errors: ['src "nil": no such user, group, tag, host or address'],
  },
  {
    name: 'a name of every object',
    policy: everything,
    test: { src: '__proto__', accept: ['tag:web:22'] },
    errors: ['src "__proto__": no such user, group, tag, host or address'],
  },
  {
    name: 'no autogroup',
    policy: everything,
    test: { src: 'autogroup:bogus', accept: ['tag:web:22'] },
    errors: ['src "autogroup:bogus": not an autogroup that a test can name'],
  },
  {
    name: 'everybody',
    policy: everything,
    test: { src: '*', accept: ['tag:web:22'] },
    errors: ['src "*": a test names somebody in particular, not "*"'],
  },
  {
    name: 'a subnet',
    policy: everything,
    test: { src: '10.33.0.0/16', accept: ['tag:web:22'] },
    errors: ['src "10.33.0.0/16": a test takes an address, not a prefix'],
  },
  {
    name: 'a service',
    policy: everything,
    test: { src: 'svc:api', accept: ['tag:web:22'] },
    errors: ['src "svc:api": a service opens no connections'],
  },
  {
    name: 'nobody',
    policy: everything,
    test: { src: '', accept: ['tag:web:22'] },
    errors: ['src "": nothing is named'],
  },
  { name: 'no src', policy: everything, test: { accept: ['tag:web:22'] }, errors: ['src "": nothing is named'] },
]

/** §8, rows 2 and 3: what can be tested. */
const targets: readonly Case[] = [
  { name: 'a tag', policy: web22, test: { src: 'ann@example.com', accept: ['tag:web:22'], deny: ['tag:db:22'] } },
  {
    name: 'a tag of whose nodes only one is named',
    policy: accept(['ann@example.com'], ['web-1:22', '[fd7a:115c:a1e0::11]:22']),
    test: { src: 'ann@example.com', accept: ['tag:web:22'], deny: ['tag:web:22'] },
    errors: [want('tag:web:22', 'Accept'), want('tag:web:22', 'Drop')],
  },
  {
    name: 'a tag with nodes that different rules name, together all of them',
    policy: {
      acls: [
        { action: 'accept', src: ['ann@example.com'], dst: ['100.64.0.17:22', '[fd7a:115c:a1e0::11]:22'] },
        { action: 'accept', src: ['group:ops'], dst: ['100.64.0.18:22', '[fd7a:115c:a1e0::12]:22'] },
      ],
    },
    test: { src: 'ann@example.com', accept: ['tag:web:22'] },
  },
  {
    name: 'a tag that no node has yet',
    policy: accept(['ann@example.com'], ['tag:new:22']),
    test: { src: 'ann@example.com', accept: ['tag:new:22'], deny: ['tag:new:23'] },
  },
  {
    name: 'a user',
    policy: accept(['tag:web'], ['bob@example.com:80']),
    test: { src: 'tag:web', accept: ['bob@example.com:80'], deny: ['ann@example.com:80'] },
  },
  {
    name: 'a user without devices',
    policy: accept(['tag:web'], ['cy@example.org:80']),
    test: { src: 'tag:web', accept: ['cy@example.org:80'] },
  },
  {
    name: 'a group, each member',
    policy: accept(['tag:web'], ['bob@example.com:80']),
    test: { src: 'tag:web', accept: ['group:ops:80'], deny: ['group:ops:80'] },
    errors: [want('group:ops:80', 'Accept'), want('group:ops:80', 'Drop')],
  },
  {
    name: 'own devices',
    policy: accept(['autogroup:member'], ['autogroup:self:22']),
    test: { src: 'ann@example.com', accept: ['ann@example.com:22'], deny: ['bob@example.com:22'] },
  },
  {
    name: "a group's own devices, which each member has for herself",
    policy: accept(['autogroup:member'], ['autogroup:self:22']),
    test: { src: 'group:ops', accept: ['group:ops:22'], deny: ['group:ops:22'] },
    errors: [want('group:ops:22', 'Accept'), want('group:ops:22', 'Drop')],
  },
  {
    name: 'a host',
    policy: accept(['ann@example.com'], ['web-1:22']),
    test: { src: 'ann@example.com', accept: ['web-1:22'], deny: ['100.64.0.18:22'] },
  },
  {
    name: 'an address',
    policy: web22,
    test: { src: 'ann@example.com', accept: ['100.64.0.17:22'], deny: ['100.64.0.33:22'] },
  },
  {
    name: 'an IPv6 address',
    policy: web22,
    test: { src: 'ann@example.com', accept: ['[fd7a:115c:a1e0::11]:22'], deny: ['[fd7a:115c:a1e0::21]:22'] },
  },
  {
    name: 'the IPv6 address, where only the other one is named',
    policy: accept(['ann@example.com'], ['web-1:22']),
    test: { src: 'ann@example.com', deny: ['[fd7a:115c:a1e0::11]:22'] },
  },
  {
    name: 'IPv6, from a device that was named by IPv4',
    policy: web22,
    test: { src: '100.64.0.1', accept: ['[fd7a:115c:a1e0::11]:22'] },
  },
  {
    name: 'an IPv6 address that nobody has, from a device that was named by IPv4',
    policy: accept(['ann@example.com'], ['2001:db8::/32:22']),
    test: { src: '100.64.0.1', accept: ['[2001:db8::1]:22'] },
  },
  {
    name: 'a device that is named by IPv6, from an IPv4 address that nobody has',
    policy: accept(['10.33.0.0/16'], ['tag:web:22']),
    test: { src: '10.33.7.7', accept: ['[fd7a:115c:a1e0::11]:22'], deny: ['[fd7a:115c:a1e0::21]:22'] },
  },
  {
    name: 'no flow: addresses of two families that nobody has',
    policy: everything,
    test: { src: '10.33.7.7', accept: ['[2001:db8::1]:22'], deny: ['[2001:db8::1]:22'] },
    errors: [want('[2001:db8::1]:22', 'Accept')],
  },
  {
    name: 'an address that no node has',
    policy: accept(['ann@example.com'], ['100.64.0.99:22']),
    test: { src: 'ann@example.com', accept: ['100.64.0.99:22'], deny: ['100.64.0.98:22'] },
  },
  {
    name: 'an address behind a router',
    policy: accept(['ann@example.com'], ['10.33.0.0/16:443']),
    test: { src: 'ann@example.com', accept: ['10.33.7.7:443'], deny: ['10.33.7.7:22', '10.34.0.1:443'] },
  },
  {
    name: 'an address that nobody carries yet',
    policy: accept(['ann@example.com'], ['192.168.1.0/24:443']),
    test: { src: 'ann@example.com', accept: ['192.168.1.7:443'], deny: ['192.168.2.7:443'] },
  },
  {
    name: 'the internet, through an exit node',
    policy: accept(['ann@example.com'], ['autogroup:internet:*']),
    test: { src: 'ann@example.com', accept: ['9.9.9.9:53'], deny: ['10.1.1.1:53', '100.64.0.17:53'] },
  },
  {
    name: 'by way of a tag that its router has',
    policy: grant({ src: ['ann@example.com'], dst: ['10.33.0.0/16'], ip: ['443'], via: ['tag:router'] }),
    test: { src: 'ann@example.com', accept: ['10.33.7.7:443'] },
  },
  {
    name: 'by way of a tag that its router has not',
    policy: grant({ src: ['ann@example.com'], dst: ['10.33.0.0/16'], ip: ['443'], via: ['tag:web'] }),
    test: { src: 'ann@example.com', deny: ['10.33.7.7:443'] },
  },
  {
    name: 'a service',
    policy: grant({ src: ['ann@example.com'], dst: ['svc:api'], ip: ['tcp:443'] }),
    test: { src: 'ann@example.com', accept: ['svc:api:443'], deny: ['svc:api:80', 'svc:other:443'] },
  },
  {
    name: 'by acls and grants alike',
    policy: { ...web22, ...grant({ src: ['ann@example.com'], dst: ['tag:db'], ip: ['tcp:5432'] }) },
    test: { src: 'ann@example.com', accept: ['tag:web:22', 'tag:db:5432'], deny: ['tag:db:22'] },
  },
  {
    name: 'nothing is allowed',
    policy: { acls: [] },
    test: { src: 'ann@example.com', deny: ['tag:web:22', '8.8.8.8:53'] },
  },
  {
    name: 'everything is allowed',
    policy: {},
    test: { src: 'ann@example.com', accept: ['tag:web:22', 'tag:new:1', 'bob@example.com:9'] },
  },
  {
    name: 'a grant of capabilities lets nothing pass',
    policy: grant({ src: ['*'], dst: ['*'], app: { 'example.com/cap/x': [{}] } }),
    test: { src: 'ann@example.com', deny: ['tag:web:22'] },
  },
]

const posed = {
  postures: { 'posture:mac': ["node:os == 'macos'"], 'posture:linux': ["node:os == 'linux'"] },
  acls: [
    { action: 'accept', src: ['ann@example.com'], dst: ['tag:web:22'], srcPosture: ['posture:mac'] },
    { action: 'accept', src: ['ann@example.com'], dst: ['tag:web:80'] },
  ],
}
/** §8, `srcPostureAttrs`; §21, 22. ann's laptop is a Mac, her desktop runs Linux. */
const postures: readonly Case[] = [
  {
    name: 'pretended, met',
    policy: posed,
    test: { src: 'ann@example.com', srcPostureAttrs: { 'node:os': 'macos' }, accept: ['tag:web:22', 'tag:web:80'] },
  },
  {
    name: 'pretended, not met',
    policy: posed,
    test: {
      src: 'ann@example.com',
      srcPostureAttrs: { 'node:os': 'linux' },
      accept: ['tag:web:80'],
      deny: ['tag:web:22'],
    },
  },
  {
    name: 'pretended to have none',
    policy: posed,
    test: { src: 'ann-laptop', srcPostureAttrs: {}, accept: ['tag:web:80'], deny: ['tag:web:22'] },
  },
  { name: 'as it is, met', policy: posed, test: { src: 'ann-laptop', accept: ['tag:web:22'] } },
  { name: 'as it is, not met', policy: posed, test: { src: '100.64.0.2', deny: ['tag:web:22'] } },
  {
    name: 'as they are, met by one',
    policy: posed,
    test: { src: 'ann@example.com', accept: ['tag:web:22'] },
    errors: [want('tag:web:22', 'Accept')],
  },
  {
    name: 'pretended by who is not named',
    policy: posed,
    test: { src: 'bob@example.com', srcPostureAttrs: { 'node:os': 'macos' }, deny: ['tag:web:22'] },
  },
  {
    name: 'pretended where none is asked for',
    policy: web22,
    test: { src: 'ann@example.com', srcPostureAttrs: { 'node:os': 'macos' }, accept: ['tag:web:22'] },
  },
  {
    name: 'asked for by default',
    policy: { ...posed, defaultSrcPosture: ['posture:linux'] },
    test: {
      src: 'ann@example.com',
      srcPostureAttrs: { 'node:os': 'macos' },
      accept: ['tag:web:22'],
      deny: ['tag:web:80'],
    },
  },
  {
    name: 'pretended for devices of one user',
    policy: {
      ...posed,
      acls: [{ action: 'accept', src: ['autogroup:member'], dst: ['autogroup:self:22'], srcPosture: ['posture:mac'] }],
    },
    test: {
      src: 'bob@example.com',
      srcPostureAttrs: { 'node:os': 'macos' },
      accept: ['bob@example.com:22'],
      deny: ['ann@example.com:22'],
    },
  },
]

const tables = { sources, targets, postures }
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

test('no stand-in is taken for another device, or for one of the tailnet', () => {
  const policy = accept(['tag:new', 'tag:newer'], ['tag:db:1'])
  const tests = [
    { src: 'tag:new', accept: ['tag:db:1'], deny: ['tag:newer:1', 'tag:web:1'] },
    { src: 'tag:web', deny: ['tag:db:1'] },
    { src: 'autogroup:tagged', deny: ['tag:web:1'] },
    // Where they would have been put, had the test not asked for it.
    { src: '100.127.255.254', deny: ['tag:db:1'] },
  ]
  assert.deepEqual(failures({ ...policy, tests }), [])
  assert.equal(MESH.nodes.length, 8)
})
