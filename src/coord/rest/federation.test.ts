/** Globs of federated identities, and which texts name an issuer. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { issuerFault, matchesGlob } from './federation.ts'

test('a star stands for any text, and nothing else does', () => {
  const rows: [pattern: string, text: string, want: boolean][] = [
    ['abc', 'abc', true],
    ['abc', 'abcd', false],
    ['', '', true],
    ['', 'a', false],
    ['*', '', true],
    ['*', 'anything at all\n', true],
    ['a*', 'a', true],
    ['a*', 'ba', false],
    ['*a', 'ba', true],
    ['*a', 'ab', false],
    ['a*a', 'a', false],
    ['a*a', 'aa', true],
    ['ab*ba', 'aba', false],
    ['a*b*c', 'aXbXc', true],
    ['a*b*c', 'acb', false],
    ['a*b*b', 'ab', false],
    ['a**c', 'abc', true],
    ['repo:org/*:ref:refs/heads/*', 'repo:org/x:ref:refs/heads/y', true],
    ['repo:org/*:ref:refs/heads/*', 'repo:org2/x:ref:refs/heads/y', false],
    ['a.c', 'abc', false],
    ['a?c', 'abc', false],
    ['[a]', 'a', false],
    ['A', 'a', false],
  ]
  for (const [pattern, text, want] of rows) assert.equal(matchesGlob(text, pattern), want, `${pattern} ~ ${text}`)
})

test('a glob agrees with the regular expression that says the same', () => {
  const texts = ['', 'a', 'b', 'aa', 'ab', 'ba', 'aab', 'aba', 'abab', 'bbaab']
  const patterns = ['*', 'a*', '*a', '*a*', 'a*b', '*ab*', 'a*b*a', '**', 'ab', '*b*b', 'a**b', '*aba']
  for (const pattern of patterns)
    for (const text of texts)
      assert.equal(
        matchesGlob(text, pattern),
        new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(text),
        `${pattern} ~ ${text}`,
      )
})

test('an issuer is an https URL, or one of this machine itself', () => {
  for (const good of [
    'https://i.example',
    'https://i.example/',
    'https://i.example:8443/realm',
    'http://127.0.0.1:80',
    'http://[::1]:1/x',
    'http://localhost',
  ])
    assert.equal(issuerFault(good), undefined, good)
  for (const bad of [
    '',
    'i.example',
    'http://i.example',
    'http://localhost.example',
    'http://0.0.0.0',
    'http://127.1.example',
    'ftp://i.example',
    'https://u@i.example',
    'https://i.example#x',
    'https://i.example?',
    'https://i.example/ x',
  ])
    assert.notEqual(issuerFault(bad), undefined, bad)
})
