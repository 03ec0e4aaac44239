/** Filters and paths as directories write them, and what is none. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { matches, parseFilter, parseTarget } from './filter.ts'
import { ScimRefusal } from './refusal.ts'

const BJENSEN = {
  id: '7',
  userName: 'bjensen@example.com',
  externalId: 'Ab',
  name: { familyName: 'Jensen' },
  active: true,
  emails: [
    { type: 'work', value: 'b@example.com', primary: true },
    { type: 'home', value: 'b@example.org' },
  ],
  meta: { lastModified: '2026-05-13T04:42:34Z' },
}

const met: readonly (readonly [filter: string, meets: boolean])[] = [
  ['userName eq "bjensen@example.com"', true],
  ['userName eq "BJENSEN@example.com"', true],
  ['USERNAME Eq "bjensen@example.com"', true],
  ['userName eq "bjensen"', false],
  ['urn:ietf:params:scim:schemas:core:2.0:User:userName sw "bj"', true],
  ['externalId eq "Ab"', true],
  ['externalId eq "ab"', false],
  ['name.familyName co "ens"', true],
  ['userName ew ".com" and active eq true', true],
  ['active eq True', true],
  ['active eq "True"', false],
  ['active ne true', false],
  ['title pr', false],
  ['emails pr', true],
  ['not (title pr)', true],
  ['title pr or userName pr and active eq false', false],
  ['(title pr or userName pr) and active eq true', true],
  ['emails[type eq "work" and value co "@example.com"]', true],
  ['emails[type eq "work" and value co "@example.org"]', false],
  ['emails.type eq "home"', true],
  ['emails eq "b@example.org"', true],
  ['meta.lastModified gt "2026-05-13T04:42:33Z"', true],
  ['meta.lastModified le "2026-05-13T04:42:33Z"', false],
  ['userName eq "with \\"quotes\\" and \\u0041"', false],
]
test('a filter is met, or is not', () => {
  for (const [filter, meets] of met) assert.equal(matches(parseFilter(filter), BJENSEN), meets, filter)
})

const deep = `${'('.repeat(20)}a pr${')'.repeat(20)}`
test('what is no filter is refused as such', () => {
  for (const text of [
    '',
    'userName',
    'userName eq',
    'userName is "x"',
    'userName eq x',
    'userName eq "x',
    'userName eq "x" and',
    'userName eq "x")',
    '(userName eq "x"',
    'not userName eq "x"',
    'emails[type eq "work"',
    'a.b.c eq "x"',
    '"userName" eq "x"',
    `userName eq "${'x'.repeat(3000)}"`,
    deep,
  ])
    assert.throws(
      () => parseFilter(text),
      (error: unknown) => error instanceof ScimRefusal && error.status === 400 && error.scimType === 'invalidFilter',
      text,
    )
})

test('paths of PATCH', () => {
  const target = (text: string) => {
    const { filter, ...rest } = parseTarget(text)
    return { ...rest, ...(filter === undefined ? {} : { filter: true }) }
  }
  const CORE = 'urn:ietf:params:scim:schemas:core:2.0:User'
  for (const [text, want] of [
    ['members', { attribute: 'members' }],
    ['name.givenName', { attribute: 'name', sub: 'givenName' }],
    ['members[value eq "2819c223"]', { attribute: 'members', filter: true }],
    ['emails[type eq "work"].value', { attribute: 'emails', sub: 'value', filter: true }],
    [`${CORE}:name.familyName`, { schema: CORE, attribute: 'name', sub: 'familyName' }],
  ] as const)
    assert.deepEqual(target(text), want)
  for (const text of [
    '',
    'a b',
    'members[',
    'members[value eq "1"]x',
    'members[value eq "1"].a.b',
    'a.b.c',
    '.a',
    '[a pr]',
  ])
    assert.throws(
      () => parseTarget(text),
      (error: unknown) => error instanceof ScimRefusal && error.scimType === 'invalidPath',
      text,
    )
})
