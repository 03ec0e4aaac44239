/** Go-style JSON: what each getter takes and refuses, limits, hostile names, and that only one error comes out. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { anyText } from '../../test/support/any-text.ts'
import { utf8 } from './bytes.ts'
import { MeshError } from './errors.ts'
import { Fields, listOf, orNull, readInt, readObject, readText, textAs } from './go-json.ts'
import { readNodeKey } from './keys.ts'

const LIMITS = { what: 'Test', maxLength: 10_000 }
const read = (json: string) => readObject(json, LIMITS)
const refused = (path: string, fact: string) => ({
  code: 'json/malformed',
  message: `Cannot read JSON: ${path}: ${fact}`,
})

const accepted = [
  { name: 'a text', json: '{"A":"x"}', get: (f: Fields) => f.text('A'), want: 'x' },
  { name: 'an absent text', json: '{}', get: (f: Fields) => f.text('A'), want: '' },
  { name: 'a null text', json: '{"A":null}', get: (f: Fields) => f.text('A'), want: '' },
  { name: 'a name in another case', json: '{"nodeKEY":"x"}', get: (f: Fields) => f.text('NodeKey'), want: 'x' },
  {
    name: 'the last of two names that differ in case',
    json: '{"a":1,"A":2,"aB":0}',
    get: (f: Fields) => f.int('ab'),
    want: 0,
  },
  { name: 'the exact name before others', json: '{"AB":1,"ab":2}', get: (f: Fields) => f.int('AB'), want: 1 },
  { name: 'unknown fields of any kind', json: '{"Z":[{}],"A":"x"}', get: (f: Fields) => f.text('A'), want: 'x' },
  { name: 'an integer', json: '{"A":-7}', get: (f: Fields) => f.int('A'), want: -7 },
  { name: 'the largest integer', json: '{"A":9007199254740991}', get: (f: Fields) => f.int('A'), want: 2 ** 53 - 1 },
  { name: 'minus zero', json: '{"A":-0}', get: (f: Fields) => Object.is(f.int('A'), 0), want: true },
  {
    name: 'minus zero, which may have a fraction',
    json: '{"A":-0.0}',
    get: (f: Fields) => Object.is(f.number('A'), 0),
    want: true,
  },
  { name: 'an absent integer', json: '{}', get: (f: Fields) => f.int('A'), want: 0 },
  { name: 'a fraction', json: '{"A":0.25}', get: (f: Fields) => f.number('A'), want: 0.25 },
  { name: 'true', json: '{"A":true}', get: (f: Fields) => f.bool('A'), want: true },
  { name: 'an absent truth value', json: '{}', get: (f: Fields) => f.bool('A'), want: false },
  { name: 'a truth value left open', json: '{"A":null}', get: (f: Fields) => f.optBool('A'), want: undefined },
  { name: 'a truth value that says no', json: '{"A":false}', get: (f: Fields) => f.optBool('A'), want: false },
  {
    name: 'a time',
    json: '{"A":"2026-01-02T03:04:05.678901Z"}',
    get: (f: Fields) => f.time('A'),
    want: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  },
  {
    name: 'a time with an offset',
    json: '{"A":"1970-01-01T01:02:03+01:00"}',
    get: (f: Fields) => f.time('A'),
    want: 123_000,
  },
  { name: 'Go’s zero time', json: '{"A":"0001-01-01T00:00:00Z"}', get: (f: Fields) => f.time('A'), want: undefined },
  { name: 'bytes', json: '{"A":"AQI="}', get: (f: Fields) => [...f.bytes('A')], want: [1, 2] },
  { name: 'nil bytes', json: '{"A":null}', get: (f: Fields) => [...f.bytes('A')], want: [] },
  { name: 'an object', json: '{"A":{"b":1}}', get: (f: Fields) => f.object('A')?.int('B'), want: 1 },
  { name: 'an absent object', json: '{}', get: (f: Fields) => f.object('A'), want: undefined },
  { name: 'a list', json: '{"A":["x","y"]}', get: (f: Fields) => f.list('A', readText), want: ['x', 'y'] },
  { name: 'a nil list', json: '{"A":null}', get: (f: Fields) => f.list('A', readText), want: [] },
  {
    name: 'an empty list told from none',
    json: '{"A":[]}',
    get: (f: Fields) => [f.optional('A', listOf(readText)), f.optional('B', listOf(readText))],
    want: [[], undefined],
  },
  {
    name: 'null among elements',
    json: '{"A":["x",null]}',
    get: (f: Fields) => f.list('A', orNull(readText, '')),
    want: ['x', ''],
  },
  {
    name: 'a map',
    json: '{"A":{"12":true,"x":1}}',
    get: (f: Fields) => [...f.members('A', (v) => v)],
    want: [
      ['12', true],
      ['x', 1],
    ],
  },
  {
    name: 'a key',
    json: `{"A":"nodekey:${'AB'.repeat(32)}"}`,
    get: (f: Fields) => f.optional('A', textAs(readNodeKey, 'a node key')),
    want: `nodekey:${'ab'.repeat(32)}`,
  },
  {
    name: 'U+0000 in a text',
    json: '{"A":"a\\u0000b\\\\u0000\\\\\\u0000"}',
    get: (f: Fields) => f.text('A'),
    want: 'a\ufffdb\\u0000\\\ufffd',
  },
  { name: 'half a surrogate pair', json: '{"A":"\\ud800"}', get: (f: Fields) => f.text('A'), want: '\ufffd' },
  {
    name: 'brackets in a text',
    json: `{"A":"${'['.repeat(99)}\\"${'{'.repeat(99)}"}`,
    get: (f: Fields) => f.text('A').length,
    want: 199,
  },
  { name: 'space around', json: ' \n{"A":"x"}\n', get: (f: Fields) => f.text('A'), want: 'x' },
]
for (const c of accepted) test(`reads ${c.name}`, () => assert.deepEqual(c.get(read(c.json)), c.want))

const rejected = [
  {
    name: 'a number for a text',
    json: '{"A":1}',
    get: (f: Fields) => f.text('A'),
    path: 'Test.A',
    fact: 'want a text',
  },
  {
    name: 'a text for an integer',
    json: '{"A":"1"}',
    get: (f: Fields) => f.int('A'),
    path: 'Test.A',
    fact: 'want an integer',
  },
  {
    name: 'a fraction for an integer',
    json: '{"A":1.5}',
    get: (f: Fields) => f.int('A'),
    path: 'Test.A',
    fact: 'want an integer',
  },
  {
    name: 'an integer too large',
    json: '{"A":9007199254740993}',
    get: (f: Fields) => f.int('A'),
    path: 'Test.A',
    fact: 'want an integer',
  },
  {
    name: 'a number beyond all',
    json: '{"A":1e999}',
    get: (f: Fields) => f.number('A'),
    path: 'Test.A',
    fact: 'want a number',
  },
  {
    name: 'a text for a truth value',
    json: '{"A":"true"}',
    get: (f: Fields) => f.optBool('A'),
    path: 'Test.A',
    fact: 'want true or false',
  },
  {
    name: 'a day without a time',
    json: '{"A":"2026-01-02"}',
    get: (f: Fields) => f.time('A'),
    path: 'Test.A',
    fact: 'want a time as of RFC 3339',
  },
  {
    name: 'an empty time',
    json: '{"A":""}',
    get: (f: Fields) => f.time('A'),
    path: 'Test.A',
    fact: 'want a time as of RFC 3339',
  },
  {
    name: 'base64 without padding',
    json: '{"A":"AQI"}',
    get: (f: Fields) => f.bytes('A'),
    path: 'Test.A',
    fact: 'want base64',
  },
  {
    name: 'an array for an object',
    json: '{"A":[]}',
    get: (f: Fields) => f.object('A'),
    path: 'Test.A',
    fact: 'want an object',
  },
  {
    name: 'an object for an array',
    json: '{"A":{}}',
    get: (f: Fields) => f.list('A', readText),
    path: 'Test.A',
    fact: 'want an array',
  },
  {
    name: 'a wrong element',
    json: '{"A":{"B":["x",1]}}',
    get: (f: Fields) => f.object('A')?.list('B', readText),
    path: 'Test.A.B[1]',
    fact: 'want a text',
  },
  {
    name: 'a null element where none may be',
    json: '{"A":[null]}',
    get: (f: Fields) => f.list('A', readText),
    path: 'Test.A[0]',
    fact: 'want a text',
  },
  {
    name: 'a wrong member',
    json: '{"A":{"x":"y"}}',
    get: (f: Fields) => f.members('A', readInt),
    path: 'Test.A.*',
    fact: 'want an integer',
  },
  {
    name: 'an empty key',
    json: '{"A":""}',
    get: (f: Fields) => f.optional('A', textAs(readNodeKey, 'a node key')),
    path: 'Test.A',
    fact: 'want a node key',
  },
]
for (const c of rejected)
  test(`refuses ${c.name}`, () => assert.throws(() => c.get(read(c.json)), refused(c.path, c.fact)))

const unreadable = [
  { name: 'nothing', json: '', fact: 'not JSON' },
  { name: 'half an object', json: '{"A":"secret', fact: 'not JSON' },
  { name: 'two objects', json: '{}{}', fact: 'not JSON' },
  { name: 'a trailing comma', json: '{"A":1,}', fact: 'not JSON' },
  { name: 'an array', json: '[]', fact: 'want an object' },
  { name: 'null', json: 'null', fact: 'want an object' },
  { name: 'a text', json: '"x"', fact: 'want an object' },
  { name: 'too much', json: `{"A":"${'x'.repeat(10_000)}"}`, fact: 'longer than 10000 bytes' },
  { name: '33 levels', json: `{"A":${'['.repeat(32)}${']'.repeat(32)}}`, fact: 'nested deeper than 32 levels' },
  { name: 'brackets without an end', json: '['.repeat(9_000), fact: 'nested deeper than 32 levels' },
]
for (const c of unreadable)
  test(`refuses ${c.name}, and repeats nothing of it`, () => assert.throws(() => read(c.json), refused('Test', c.fact)))

test('32 levels pass', () => assert.ok(read(`{"A":${'['.repeat(31)}${']'.repeat(31)}}`).has('A')))

test('bytes are read as text, and must be UTF-8', () => {
  assert.equal(readObject(utf8('{"A":"ü"}'), LIMITS).text('A'), 'ü')
  assert.throws(() => readObject(new Uint8Array([0x7b, 0xff, 0x7d]), LIMITS), refused('Test', 'not UTF-8'))
})

test('names that every object has are absent unless sent, and stay data when sent', () => {
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    assert.equal(read('{}').has(name), false)
    const sent = read(`{"${name}":{"polluted":1}}`)
    assert.equal(sent.object(name)?.int('polluted'), 1)
    assert.deepEqual([...sent.object(name)!.members('x', readInt)], [])
    assert.equal(({} as { polluted?: number }).polluted, undefined)
  }
  assert.deepEqual([...read('{"A":{"__proto__":1}}').members('A', readInt)], [['__proto__', 1]])
})

test('whatever comes, only this one error comes out', () => {
  const getters: ((f: Fields, name: string) => unknown)[] = [
    (f, n) => f.text(n),
    (f, n) => f.int(n),
    (f, n) => f.number(n),
    (f, n) => f.optBool(n),
    (f, n) => f.time(n),
    (f, n) => f.bytes(n),
    (f, n) => f.object(n)?.text('x'),
    (f, n) => f.list(n, readText),
    (f, n) => f.members(n, readInt),
  ]
  const seeds = accepted.map((c) => c.json)
  const mutated = fc.tuple(fc.constantFrom(...seeds), fc.nat(), anyText({ maxLength: 3 })).map(([seed, at, put]) => {
    const i = at % seed.length
    return seed.slice(0, i) + put + seed.slice(i + 1)
  })
  fc.assert(
    fc.property(fc.oneof(mutated, fc.json(), fc.string()), (json) => {
      for (const get of getters) {
        try {
          const fields = read(json)
          for (const name of ['A', 'b', 'toString']) get(fields, name)
        } catch (e) {
          assert.ok(e instanceof MeshError && e.code === 'json/malformed', String(e))
        }
      }
    }),
    { numRuns: 300 },
  )
})
