/** `sshTests`, case by case as policy.md §8 has them. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checked, failures } from '../../../test/support/policy-mesh.ts'
import type { Sections } from '../../../test/support/policy-mesh.ts'
import { refuseSshTarget } from './ssh-targets.ts'

type Rule = Readonly<Record<string, unknown>>
const rule = (src: readonly string[], dst: readonly string[], users: readonly string[], more: Rule = {}): Rule => ({
  action: 'accept',
  src,
  dst,
  users,
  ...more,
})
const check = { action: 'check' }
const ann = 'ann@example.com'
const annToWeb = [rule([ann], ['tag:web'], ['root'])]

const want = (address: string, user: string, asked: string, got: string): string =>
  `address "${address}", user "${user}": want: ${asked}, got: ${got}`

interface Case {
  readonly name: string
  readonly ssh: readonly Rule[]
  readonly test: Readonly<Record<string, unknown>>
  readonly errors?: readonly string[]
  readonly more?: Sections
}

/** §8, rows 1 and 2 of `sshTests`. */
const ends: readonly Case[] = [
  { name: 'a user', ssh: annToWeb, test: { src: ann, dst: ['tag:web'], accept: ['root'] } },
  {
    name: 'a member of the group',
    ssh: [rule(['group:ops'], ['tag:web'], ['root'])],
    test: { src: ann, dst: ['tag:web'], accept: ['root'] },
  },
  {
    name: 'a group',
    ssh: [rule(['group:ops'], ['tag:web'], ['root'])],
    test: { src: 'group:ops', dst: ['tag:web'], accept: ['root'] },
  },
  {
    name: 'a group with a member who may not',
    ssh: annToWeb,
    test: { src: 'group:ops', dst: ['tag:web'], accept: ['root'] },
    errors: [want('tag:web', 'root', 'Accept', 'Drop')],
  },
  {
    name: 'a group with a member who may',
    ssh: annToWeb,
    test: { src: 'group:ops', dst: ['tag:web'], deny: ['root'] },
    errors: [want('tag:web', 'root', 'Drop', 'Accept')],
  },
  {
    name: 'a user without devices',
    ssh: [rule(['group:dev'], ['tag:web'], ['root'])],
    test: { src: 'cy@example.org', dst: ['tag:web'], accept: ['root'] },
  },
  {
    name: 'a tag',
    ssh: [rule(['tag:web'], ['tag:db'], ['root'])],
    test: { src: 'tag:web', dst: ['tag:db'], accept: ['root'], deny: ['postgres'] },
  },
  {
    name: 'tags without nodes',
    ssh: [rule(['tag:new'], ['tag:newer'], ['root'])],
    test: { src: 'tag:new', dst: ['tag:newer'], accept: ['root'] },
  },
  {
    name: "the address of a user's device",
    ssh: annToWeb,
    test: { src: '100.64.0.2', dst: ['tag:web'], accept: ['root'] },
  },
  { name: 'its IPv6 address', ssh: annToWeb, test: { src: 'fd7a:115c:a1e0::2', dst: ['tag:web'], accept: ['root'] } },
  { name: 'an address that nobody has', ssh: annToWeb, test: { src: '100.64.0.99', dst: ['tag:web'], deny: ['root'] } },
  {
    name: 'an address that nobody has may nothing',
    ssh: annToWeb,
    test: { src: '100.64.0.99', dst: ['tag:web'], accept: ['root'] },
    errors: [want('tag:web', 'root', 'Accept', 'Drop')],
  },
  { name: 'a host', ssh: annToWeb, test: { src: 'ann-laptop', dst: ['web-1'], accept: ['root'] } },
  { name: 'an IPv4 address', ssh: annToWeb, test: { src: ann, dst: ['100.64.0.17'], accept: ['root'] } },
  {
    name: 'an IPv6 address',
    ssh: annToWeb,
    test: { src: ann, dst: ['fd7a:115c:a1e0::11'], accept: ['root'] },
    errors: ['dst "fd7a:115c:a1e0::11": an SSH test takes IPv4 addresses and hosts only'],
  },
  { name: 'an address that no node has', ssh: annToWeb, test: { src: ann, dst: ['100.64.0.99'], deny: ['root'] } },
  {
    name: 'several, one of them twice',
    ssh: [rule([ann], ['tag:web', 'tag:db'], ['root'])],
    test: { src: ann, dst: ['tag:web', 'tag:db', 'tag:web'], accept: ['root'] },
  },
  {
    name: 'several, of which one is closed',
    ssh: annToWeb,
    test: { src: ann, dst: ['tag:web', 'tag:db'], accept: ['root'] },
    errors: [want('tag:db', 'root', 'Accept', 'Drop')],
  },
  {
    name: 'own devices',
    ssh: [rule(['autogroup:member'], ['autogroup:self'], ['root'])],
    test: { src: ann, dst: [ann], accept: ['root'] },
  },
  {
    name: "another's devices",
    ssh: [rule(['autogroup:member'], ['autogroup:self'], ['root'])],
    test: { src: ann, dst: ['bob@example.com'], deny: ['root'] },
  },
  {
    name: 'the one user who may reach her own',
    ssh: [rule([ann], [ann], ['root'])],
    test: { src: ann, dst: [ann], accept: ['root'] },
  },
  {
    name: 'a host that is many',
    ssh: annToWeb,
    test: { src: ann, dst: ['office'], deny: ['root'] },
    errors: ['dst "office": a test takes one address, and this host stands for many'],
  },
  {
    name: 'no user',
    ssh: annToWeb,
    test: { src: 'eve@example.com', dst: ['tag:web'], deny: ['root'] },
    errors: ['src "eve@example.com": user not found'],
  },
  { name: 'no src', ssh: annToWeb, test: { dst: ['tag:web'], deny: ['root'] }, errors: ['src "": nothing is named'] },
  { name: 'no dst', ssh: annToWeb, test: { src: ann, deny: ['root'] }, errors: ['dst: nothing is named'] },
  {
    name: 'a user who is none, as dst',
    ssh: annToWeb,
    test: { src: ann, dst: ['eve@example.com'], deny: ['root'] },
    errors: ['dst "eve@example.com": user not found'],
  },
  {
    name: 'a host with a port',
    ssh: annToWeb,
    test: { src: ann, dst: ['web-1:22'], accept: ['root'] },
    errors: ['dst "web-1:22": no such user, group, tag, host or address'],
  },
]

/** §8, rows 5 to 8, and §7. */
const accounts: readonly Case[] = [
  {
    name: 'another account',
    ssh: annToWeb,
    test: { src: ann, dst: ['tag:web'], accept: ['ubuntu'] },
    errors: [want('tag:web', 'ubuntu', 'Accept', 'Drop')],
  },
  {
    name: 'several accounts by several rules',
    ssh: [...annToWeb, rule([ann], ['tag:web'], ['ubuntu'])],
    test: { src: ann, dst: ['tag:web'], accept: ['root', 'ubuntu'], deny: ['pi'] },
  },
  {
    name: 'a check',
    ssh: [rule([ann], ['tag:web'], ['root'], { ...check, checkPeriod: '12h' })],
    test: { src: ann, dst: ['tag:web'], check: ['root'] },
  },
  {
    name: 'a check is not acceptance',
    ssh: [rule([ann], ['tag:web'], ['root'], check)],
    test: { src: ann, dst: ['tag:web'], accept: ['root'] },
    errors: [want('tag:web', 'root', 'Accept', 'Check')],
  },
  {
    name: 'acceptance is not a check',
    ssh: annToWeb,
    test: { src: ann, dst: ['tag:web'], check: ['root'] },
    errors: [want('tag:web', 'root', 'Check', 'Accept')],
  },
  {
    name: 'neither',
    ssh: annToWeb,
    test: { src: ann, dst: ['tag:db'], check: ['root'] },
    errors: [want('tag:db', 'root', 'Check', 'Drop')],
  },
  {
    name: 'a check is no denial',
    ssh: [rule([ann], ['tag:web'], ['root'], check)],
    test: { src: ann, dst: ['tag:web'], deny: ['root'] },
    errors: [want('tag:web', 'root', 'Drop', 'Check')],
  },
  {
    name: 'where both match it is a check',
    ssh: [...annToWeb, rule([ann], ['tag:web'], ['root'], check)],
    test: { src: ann, dst: ['tag:web'], check: ['root'] },
  },
  {
    name: 'accepted for one, checked for the other',
    ssh: [rule(['group:ops'], ['tag:web'], ['root']), rule(['bob@example.com'], ['tag:web'], ['root'], check)],
    test: { src: 'group:ops', dst: ['tag:web'], accept: ['root'], check: ['root'] },
    errors: [want('tag:web', 'root', 'Accept', 'Check'), want('tag:web', 'root', 'Check', 'Accept')],
  },
  {
    name: 'variables of the session',
    ssh: [rule([ann], ['tag:web'], ['root'], { acceptEnv: ['GIT_*'] })],
    test: { src: ann, dst: ['tag:web'], accept: ['root'] },
  },
  {
    name: 'anybody but root',
    ssh: [rule([ann], ['tag:web'], ['autogroup:nonroot'])],
    test: { src: ann, dst: ['tag:web'], accept: ['alice', 'ubuntu'], deny: ['root'] },
  },
  {
    name: 'anybody, and root',
    ssh: [rule([ann], ['tag:web'], ['autogroup:nonroot', 'root'])],
    test: { src: ann, dst: ['tag:web'], accept: ['alice', 'root'] },
  },
  {
    name: 'her own account',
    ssh: [rule([ann], ['tag:web'], ['localpart:*@example.com'])],
    test: { src: ann, dst: ['tag:web'], accept: ['ann'], deny: ['bob', 'root'] },
  },
  {
    name: 'an own account of another domain',
    ssh: [rule(['cy@example.org'], ['tag:web'], ['localpart:*@example.com'])],
    test: { src: 'cy@example.org', dst: ['tag:web'], accept: ['cy'] },
    errors: [want('tag:web', 'cy', 'Accept', 'Drop')],
  },
  {
    name: 'own accounts of a group: to each their own',
    ssh: [rule(['group:ops'], ['tag:web'], ['localpart:*@example.com'])],
    test: { src: 'group:ops', dst: ['tag:web'], accept: ['ann'] },
    errors: [want('tag:web', 'ann', 'Accept', 'Drop')],
  },
  {
    name: 'the same account in accept and deny',
    ssh: annToWeb,
    test: { src: ann, dst: ['tag:web'], accept: ['root'], deny: ['root'] },
    errors: [want('tag:web', 'root', 'Drop', 'Accept')],
  },
  {
    name: 'the same account in accept and check',
    ssh: annToWeb,
    test: { src: ann, dst: ['tag:web'], accept: ['root'], check: ['root'] },
    errors: [want('tag:web', 'root', 'Check', 'Accept')],
  },
  {
    name: 'no lists',
    ssh: annToWeb,
    test: { src: ann, dst: ['tag:web'] },
    errors: ['the test neither accepts, checks nor denies anything'],
  },
  {
    name: 'an account without a name',
    ssh: annToWeb,
    test: { src: ann, dst: ['tag:web'], accept: [''] },
    errors: ['user "" is not valid'],
  },
  {
    name: 'network rules are not needed',
    ssh: annToWeb,
    test: { src: ann, dst: ['tag:web'], accept: ['root'] },
    more: { acls: [] },
  },
  {
    name: 'network rules are not enough',
    ssh: [],
    test: { src: ann, dst: ['tag:web'], accept: ['root'] },
    more: { acls: [{ action: 'accept', src: ['*'], dst: ['*:*'] }] },
    errors: [want('tag:web', 'root', 'Accept', 'Drop')],
  },
]

const mac = { postures: { 'posture:mac': ["node:os == 'macos'"] } }
const posed = [rule([ann], ['tag:web'], ['root'], { srcPosture: ['posture:mac'] })]
const postures: readonly Case[] = [
  {
    name: 'pretended, met',
    ssh: posed,
    more: mac,
    test: { src: ann, srcPostureAttrs: { 'node:os': 'macos' }, dst: ['tag:web'], accept: ['root'] },
  },
  {
    name: 'pretended, not met',
    ssh: posed,
    more: mac,
    test: { src: ann, srcPostureAttrs: { 'node:os': 'linux' }, dst: ['tag:web'], deny: ['root'] },
  },
  { name: 'as it is', ssh: posed, more: mac, test: { src: 'ann-laptop', dst: ['tag:web'], accept: ['root'] } },
  { name: 'as it is, not met', ssh: posed, more: mac, test: { src: '100.64.0.2', dst: ['tag:web'], deny: ['root'] } },
]

const tables = { ends, accounts, postures }
for (const [title, cases] of Object.entries(tables))
  test(title, () => {
    for (const { name, ssh, test: one, errors = [], more = {} } of cases) {
      const failed = failures({ ...more, ssh, sshTests: [one] })
      assert.deepEqual(
        failed.flatMap((failure) => failure.errors),
        errors,
        name,
      )
    }
  })

test('tests that pass do not make up for an SSH test that fails, and both are told', () => {
  const passing = { src: ann, deny: ['tag:web:22'] }
  const failing = { src: ann, accept: ['tag:web:22'] }
  const ssh = { ssh: annToWeb, acls: [], sshTests: [{ src: 'group:ops', dst: ['tag:db'], accept: ['root'] }] }
  assert.deepEqual(
    failures({ ...ssh, tests: [passing] }).map(({ user }) => user),
    ['group:ops'],
  )
  assert.deepEqual(
    failures({ ...ssh, tests: [failing] }).map(({ user }) => user),
    [ann, 'group:ops'],
  )
})

test('destinations that are refused before anything is run', () => {
  const policy = checked({})
  const refusals = [
    ['autogroup:internet', 'SSH tests dst contains disallowed element "autogroup:internet"'],
    ['10.33.0.0/16', 'SSH tests dst contains disallowed element "10.33.0.0/16"'],
    ['tag:web:22', 'SSH tests dst contains unknown tag "tag:web:22"'],
    ['tag:nil', 'SSH tests dst contains unknown tag "tag:nil"'],
    ['tag:web', undefined],
    ['web-1', undefined],
    ['100.64.0.17', undefined],
    [ann, undefined],
  ] as const
  for (const [text, message] of refusals) assert.equal(refuseSshTarget(text, policy), message, text)
})
