/** Whose comments go where, refusals in the reference’s words, and what patches do to the JSON. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { huJsonTexts } from '../../../test/support/hujson-texts.ts'
import { find, HuJsonPatchError, minimize, pack, parse, patch, standardize } from './index.ts'

const LIST = '[\n//a\n1,//at\n//b\n2,//bt\n\n//free\n\n//c\n3,//ct\n//end\n]'
const MAP = '{\n//a\n"a"/*1*/:/*2*/1/*3*/,//at\n//b\n"b":2,//bt\n}'

/** What the reference made of it. */
const patched: readonly (readonly [what: string, text: string, patch: string, want: string])[] = [
  [
    'the first goes with what is above and beside it',
    LIST,
    '[{"op":"remove","path":"/0"}]',
    '[\n//b\n2,//bt\n\n//free\n\n//c\n3,//ct\n//end\n]',
  ],
  ['what stands free stays', LIST, '[{"op":"remove","path":"/1"}]', '[\n//a\n1,//at\n//free\n\n//c\n3,//ct\n//end\n]'],
  [
    'the last takes its comma along',
    LIST,
    '[{"op":"remove","path":"/2"}]',
    '[\n//a\n1,//at\n//b\n2//bt\n\n//free\n\n//end\n]',
  ],
  [
    'a newcomer stands behind its neighbour’s comment',
    LIST,
    '[{"op":"add","path":"/1","value":9}]',
    '[\n//a\n1,//at\n9,\n//b\n2,//bt\n\n//free\n\n//c\n3,//ct\n//end\n]',
  ],
  [
    'comments come along from the patch',
    '[\n1,\n2\n]',
    '[{"op":"add","path":"/1",\n\n//L\n"value":/*no*/9,//T\n}]',
    '[\n1,\n//L\n9,//T\n2\n]',
  ],
  ['and move with the moved', MAP, '[{"op":"move","from":"/a","path":"/c"}]', '{\n//b\n"b":2,//bt\n//a\n"c":1//at\n}'],
  [
    'a replaced value has its place',
    MAP,
    '[{"op":"replace","path":"/a","value":9}]',
    '{\n//a\n"a"/*1*/:/*2*/9/*3*/,//at\n//b\n"b":2,//bt\n}',
  ],
  [
    'and new comments if there are any',
    MAP,
    '[{"op":"replace","path":"/a",\n//L\n"value":9,//T\n}]',
    '{\n//L\n"a"/*1*/:/*2*/9/*3*/,//T\n//b\n"b":2,//bt\n}',
  ],
  ['adding what is there replaces it', '{"a":1}', '[{"op":"add","path":"/a","value":{}}]', '{"a":{}}'],
  [
    'names are found and written as JSON says',
    '{"\\u0061":1}',
    '[{"op":"remove","path":"/a"},{"op":"add","path":"/~0~1\\"","value":1}]',
    '{"~/\\"":1}',
  ],
  ['beyond the end is the end', '[1]', '[{"op":"add","path":"/18446744073709551615","value":2}]', '[1,2]'],
  ['the root may be added', '// h\n1', '[{"op":"add","path":"","value":[2],//t\n}]', '[2]//t\n'],
  [
    'a copy is a copy',
    '{"a":[1]}',
    '[{"op":"copy","from":"/a","path":"/b"},{"op":"add","path":"/b/-","value":2}]',
    '{"a":[1],"b":[1,2]}',
  ],
  [
    'a test that holds changes nothing',
    '{"a":[1.0,"\\u0061"],}',
    '[{"op":"test","path":"","value":{"a":[1,"a"]}}]',
    '{"a":[1.0,"\\u0061"],}',
  ],
  [
    'a comma that adding took comes back',
    '[1,]',
    '[{"op":"add","path":"/-","value":2},{"op":"remove","path":"/1"}]',
    '[1,]',
  ],
]
for (const [what, text, operations, want] of patched)
  test(`${what}: ${operations.slice(0, 50)}`, () => {
    const tree = parse(text)
    assert.equal(pack(patch(tree, operations)), want)
    assert.equal(pack(tree), text, 'the given tree has changed')
  })

const DOCUMENT = '{"a":1,"b":[1,2],"c":{"d":null}}'
const refused: readonly (readonly [operation: string, why: string])[] = [
  ['1', 'must be a JSON object'],
  ['{}', 'missing required member "op"'],
  ['{"op":"add"}', 'missing required member "path"'],
  ['{"op":"add","path":"/a"}', 'missing required member "value"'],
  ['{"op":"copy","path":"/a"}', 'missing required member "from"'],
  ['{"op":1}', 'member "op" must be a JSON string'],
  ['{"op":"merge"}', 'unknown operation "merge"'],
  ['{"op":"\\u0001\\"\\n\\u2028\\u0007é"}', 'unknown operation "\\x01\\"\\n\\u2028\\aé"'],
  ['{"x":1,"x":2}', 'duplicate name "x"'],
  ['{"op":"remove","path":"a"}', 'invalid pointer: lacks a forward slash prefix'],
  ['{"op":"remove","path":"/b/0/x"}', 'invalid pointer: cannot index into literal at /b/0'],
  ['{"op":"remove","path":"/zz"}', 'value not found'],
  ['{"op":"add","path":"/zz/y","value":1}', 'value not found'],
  ['{"op":"remove","path":"/b/-"}', 'value not found'],
  ['{"op":"remove","path":"/b/00"}', 'invalid array index: 00'],
  ['{"op":"remove","path":"/b/~1"}', 'invalid array index: /'],
  ['{"op":"add","path":"/b/18446744073709551616","value":1}', 'invalid array index: 18446744073709551616'],
  ['{"op":"remove","path":""}', 'cannot remove root value'],
  ['{"op":"replace","path":"","value":1}', 'cannot replace root value'],
  ['{"op":"move","from":"/c","path":"/c/d"}', 'cannot move "/c" into "/c/d"'],
  ['{"op":"copy","from":"","path":"/x"}', 'cannot copy "" into "/x"'],
  ['{"op":"test","path":"/a","value":2}', 'values differ at "/a"'],
  ['{"op":"test","path":"/c/d","value":null}', 'values differ at "/c/d"'],
]
for (const [operation, why] of refused)
  test(`refuses ${operation}`, () => {
    const isMine = (error: unknown) =>
      error instanceof HuJsonPatchError && error.message === `hujson: patch operation 1: ${why}`
    assert.throws(() => patch(parse(DOCUMENT), `[{"op":"test","path":"/a","value":1},${operation}]`), isMine)
  })

test('a patch is a HuJSON array', () => {
  assert.throws(() => patch(parse('1'), '{}'), { message: 'hujson: patch must be a JSON array' })
  assert.throws(() => patch(parse('1'), '[}'), {
    message: "hujson: line 1, column 2: invalid character '}' at start of value",
  })
})

test('on random texts, operations do to the JSON what they say, and what is added and removed leaves no trace of itself', () => {
  fc.assert(
    fc.property(huJsonTexts, huJsonTexts, fc.nat(), (text, other, at) => {
      const list = `[${text}\n,${other}\n,${text}\n]`
      const index = at % 4
      const plain = JSON.parse(standardize(parse(list))) as unknown[]
      const added = JSON.parse(standardize(parse(other))) as unknown
      const with_ = patch(parse(list), `[{"op":"add","path":"/${index}","value":${other}\n}]`)
      assert.deepEqual(JSON.parse(standardize(with_)), plain.toSpliced(index, 0, added))
      const without = patch(with_, `[{"op":"remove","path":"/${index}"}]`)
      assert.equal(minimize(without), minimize(parse(list)))
    }),
  )
})

test('offsets after a patch are those of the new text', () => {
  const tree = patch(parse('{"a":1}'), '[{"op":"add","path":"/b","value":[true]}]')
  const found = find(tree, '/b/0')
  assert.ok(found !== undefined)
  assert.equal(pack(tree).slice(found.start, found.end), 'true')
})
