/**
 * PATCH in the shapes that directories send: RFC 7644 §3.5.2, and what Okta and Microsoft Entra ID document of theirs
 * ("Okta and SCIM Version 2.0"; "Tutorial: Develop a SCIM endpoint … user provisioning from Microsoft Entra ID").
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyPatch } from './patch.ts'
import { ScimRefusal } from './refusal.ts'
import { GROUP, USER } from './schema.ts'
import type { Draft } from './schema.ts'

const user = (): Draft => ({
  userName: 'ann@example.com',
  name: { givenName: 'Ann', familyName: 'Lee' },
  emails: [{ value: 'ann@example.com', type: 'work', primary: true }],
  active: true,
})
const members = (...ids: string[]) => ids.map((value) => ({ value }))
const group = (): Draft => ({ displayName: 'Ops', members: members('1', '2') })

interface Row {
  readonly name: string
  readonly of?: 'group'
  readonly operations: readonly unknown[]
  /** Members that are other than before. */
  readonly want: Draft
}
const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'

const rows: readonly Row[] = [
  { name: 'Okta suspends', operations: [{ op: 'replace', value: { active: false } }], want: { active: false } },
  {
    name: 'Entra ID suspends',
    operations: [{ op: 'Replace', path: 'active', value: 'False' }],
    want: { active: false },
  },
  {
    name: 'Entra ID, as its compliant variant suspends',
    operations: [{ op: 'replace', path: 'active', value: false }],
    want: { active: false },
  },
  {
    name: 'Entra ID renames, in the shape of older tenants',
    operations: [
      { op: 'Add', path: 'nickName', value: 'Annie' },
      { op: 'Replace', path: 'name.givenName', value: 'Anna' },
      { op: 'Replace', path: 'emails[type eq "work"].value', value: 'anna@example.com' },
      { op: 'Add', path: `${ENTERPRISE}:department`, value: 'IT' },
    ],
    want: {
      name: { givenName: 'Anna', familyName: 'Lee' },
      emails: [{ value: 'anna@example.com', type: 'work', primary: true }],
    },
  },
  {
    name: 'Entra ID, without a path and with paths as names',
    operations: [
      {
        op: 'replace',
        value: {
          displayName: 'Ann L.',
          'name.familyName': 'Long',
          'emails[type eq "home"].value': 'ann@home.example',
          [ENTERPRISE]: { department: 'IT' },
          [`${ENTERPRISE}:manager`]: '7',
        },
      },
    ],
    want: {
      displayName: 'Ann L.',
      name: { givenName: 'Ann', familyName: 'Long' },
      emails: [
        { value: 'ann@example.com', type: 'work', primary: true },
        { type: 'home', value: 'ann@home.example' },
      ],
    },
  },
  {
    name: 'addresses that are the primary one now',
    operations: [{ op: 'add', path: 'emails', value: [{ value: 'a@example.com', type: 'other', primary: true }] }],
    want: {
      emails: [
        { value: 'ann@example.com', type: 'work', primary: false },
        { value: 'a@example.com', type: 'other', primary: true },
      ],
    },
  },
  {
    name: 'an attribute is taken away',
    operations: [
      { op: 'remove', path: 'name.familyName' },
      { op: 'remove', path: 'emails' },
    ],
    want: { name: { givenName: 'Ann' }, emails: [] },
  },
  {
    name: 'a complex attribute is replaced as far as it is given',
    operations: [{ op: 'replace', path: 'name', value: { givenName: 'A', honorificPrefix: 'Dr' } }],
    want: { name: { givenName: 'A', familyName: 'Lee' } },
  },
  {
    name: 'what is not kept changes nothing',
    operations: [
      { op: 'add', path: 'phoneNumbers[type eq "work"].value', value: '1' },
      { op: 'replace', path: 'title', value: 'CEO' },
    ],
    want: {},
  },
  {
    name: 'Okta adds members',
    of: 'group',
    operations: [{ op: 'add', path: 'members', value: [{ value: '3', display: 'c@example.com' }] }],
    want: { members: members('1', '2', '3') },
  },
  {
    name: 'Okta takes a member out',
    of: 'group',
    operations: [{ op: 'remove', path: 'members[value eq "1"]' }],
    want: { members: members('2') },
  },
  {
    name: 'Okta renames, and says the id too',
    of: 'group',
    operations: [{ op: 'replace', value: { id: 'abf4dd94', displayName: 'Operations' } }],
    want: { displayName: 'Operations' },
  },
  {
    name: 'Okta replaces all members',
    of: 'group',
    operations: [{ op: 'replace', path: 'members', value: [{ value: '9' }] }],
    want: { members: members('9') },
  },
  {
    name: 'Entra ID adds members',
    of: 'group',
    operations: [
      {
        op: 'Add',
        path: 'members',
        value: [
          { $ref: null, value: '3' },
          { $ref: null, value: '2' },
        ],
      },
    ],
    want: { members: members('1', '2', '3') },
  },
  {
    name: 'Entra ID takes a member out, named by the value',
    of: 'group',
    operations: [{ op: 'Remove', path: 'members', value: [{ $ref: null, value: '2' }] }],
    want: { members: members('1') },
  },
  {
    name: 'one after the other, each as things are then',
    of: 'group',
    operations: [
      { op: 'remove', path: 'members[value eq "1"]' },
      { op: 'remove', path: 'members[value eq "2"]' },
      { op: 'add', path: 'members', value: [{ value: '1' }] },
      { op: 'add', path: 'members', value: [{ value: '3' }] },
      { op: 'remove', path: 'members[value eq "3"]' },
      { op: 'replace', path: 'displayName', value: 'Last' },
      { op: 'add', path: 'members', value: { value: '4' } },
    ],
    want: { displayName: 'Last', members: members('1', '4') },
  },
  {
    name: 'who is not there is taken out without a word',
    of: 'group',
    operations: [{ op: 'remove', path: 'members[value eq "77"]' }],
    want: {},
  },
  {
    name: 'everybody is taken out',
    of: 'group',
    operations: [{ op: 'remove', path: 'members' }],
    want: { members: [] },
  },
]
test('operations as they are sent', () => {
  for (const { name, of, operations, want } of rows) {
    const [schema, draft, before] = of === 'group' ? [GROUP, group(), group()] : [USER, user(), user()]
    applyPatch(schema, draft, { schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], Operations: operations })
    assert.deepEqual(draft, { ...before, ...want }, name)
  }
})

const refused: readonly (readonly [operations: unknown, scimType: string])[] = [
  [undefined, 'invalidSyntax'],
  [[], 'invalidSyntax'],
  [[1], 'invalidSyntax'],
  [[{ op: 'move', path: 'active', value: true }], 'invalidSyntax'],
  [[{ op: 'remove' }], 'noTarget'],
  [[{ op: 'replace', value: 'x' }], 'invalidValue'],
  [[{ op: 'replace', path: 7, value: 'x' }], 'invalidPath'],
  [[{ op: 'replace', path: 'colour', value: 'x' }], 'invalidPath'],
  [[{ op: 'replace', path: 'active[value eq "x"]', value: true }], 'invalidPath'],
  [[{ op: 'replace', path: 'active', value: 'perhaps' }], 'invalidValue'],
  [[{ op: 'replace', path: 'displayName', value: 'x'.repeat(300) }], 'invalidValue'],
  [[{ op: 'replace', path: 'displayName', value: 'a\u001b[2J' }], 'invalidValue'],
  [[{ op: 'replace', path: 'id', value: '1' }], 'mutability'],
  [[{ op: 'add', path: 'groups', value: [{ value: '1' }] }], 'mutability'],
  [[{ op: 'remove', path: 'userName' }], 'mutability'],
  [[{ op: 'replace', path: 'emails[type co "x"].value', value: 'x' }], 'noTarget'],
  [Array.from({ length: 2001 }, () => ({ op: 'remove', path: 'emails' })), 'tooMany'],
]
test('operations that are refused, and how', () => {
  for (const [operations, scimType] of refused)
    assert.throws(
      () => applyPatch(USER, user(), { Operations: operations }),
      (error: unknown) => error instanceof ScimRefusal && error.status === 400 && error.scimType === scimType,
      JSON.stringify(operations)?.slice(0, 100),
    )
  assert.throws(
    () =>
      applyPatch(GROUP, group(), { Operations: [{ op: 'replace', path: 'members[value eq "9"].value', value: '8' }] }),
    (error: unknown) => error instanceof ScimRefusal && error.scimType === 'noTarget',
  )
})

test('many operations on many values are done quickly, or not at all', () => {
  const many = Array.from({ length: 10_000 }, (_, n) => String(n))
  const crowd: Draft = { displayName: 'All', members: members(...many) }
  const one = many.slice(0, 2000).map((id) => ({ op: 'remove', path: `members[value eq "${id}"]` }))
  applyPatch(GROUP, crowd, { Operations: one })
  assert.deepEqual(crowd['members'], members(...many.slice(2000)))
  const turns = many
    .slice(0, 2000)
    .map((id, n) => ({ op: n % 2 === 0 ? 'add' : 'remove', path: 'members', value: [{ value: id }] }))
  assert.throws(
    () => applyPatch(GROUP, crowd, { Operations: turns }),
    (error: unknown) => error instanceof ScimRefusal && error.scimType === 'tooMany',
  )
})

test('neither a name nor a value reaches the prototype of anything', () => {
  const draft = user()
  applyPatch(
    USER,
    draft,
    JSON.parse(
      '{"Operations":[{"op":"add","value":{"displayName":"x"}},{"op":"add","path":"name","value":{"__proto__":{"polluted":true}}}]}',
    ),
  )
  assert.throws(() =>
    applyPatch(USER, draft, { Operations: [{ op: 'add', path: '__proto__', value: { polluted: true } }] }),
  )
  assert.equal(({} as { polluted?: boolean }).polluted, undefined)
})
