/** Plain values, where they stood, and names that are given twice or mean something to JavaScript. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { huJsonTexts } from '../../../test/support/hujson-texts.ts'
import { find, parse, positionIn, read, standardize } from './index.ts'
import type { JsonArray, JsonObject } from './index.ts'

const TEXT = '// é\n{\n\t"é": [1, "x",\n\t\ttrue], // c\n\t"acls": [{"src": ["*"]}],\n}\n'

test('values know the line and column they stood at', () => {
  const { value, positionOf, positionOfName } = read(TEXT)
  const root = value as JsonObject
  const list = root['é'] as JsonArray
  assert.deepEqual(list, [1, 'x', true])
  assert.deepEqual(positionOf(root), { line: 2, column: 1 })
  assert.deepEqual(positionOf(root, 'é'), { line: 3, column: 8 })
  assert.deepEqual(positionOfName(root, 'é'), { line: 3, column: 2 })
  assert.deepEqual(positionOf(list, 2), { line: 4, column: 3 })
  assert.deepEqual(positionOf((root['acls'] as JsonArray)[0] as JsonObject), { line: 5, column: 11 })
  assert.equal(positionOf(root, 'none'), undefined)
  assert.equal(positionOf(list, 3), undefined)
  assert.equal(positionOf({}), undefined)
})

test('names of prototypes are names', () => {
  const root = read('{"__proto__": {"polluted": true}, "constructor": 1, "toString": 2}').value as JsonObject
  assert.deepEqual(Object.keys(root), ['__proto__', 'constructor', 'toString'])
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined)
  assert.equal((root['__proto__'] as JsonObject)['polluted'], true)
  assert.equal(root['hasOwnProperty'], undefined)
})

test('a name given twice is told of, and the last one counts', () => {
  const { value, duplicates, position, positionOf } = read('{"a": 1,\n"\\u0061": 2, "b": {"c": 1, "c": 2}}')
  assert.deepEqual({ ...(value as JsonObject) }['a'], 2)
  assert.deepEqual(
    duplicates.map(({ name, first, again }) => [name, position(first), position(again)]),
    [
      ['a', { line: 1, column: 2 }, { line: 2, column: 1 }],
      ['c', { line: 2, column: 20 }, { line: 2, column: 28 }],
    ],
  )
  assert.deepEqual(positionOf(value as JsonObject, 'a'), { line: 2, column: 11 })
})

test('random texts read as JSON does, and positions are those of counting', () => {
  fc.assert(
    fc.property(huJsonTexts, (text) => {
      const tree = parse(text)
      const { value, position } = read(text)
      const plain = JSON.stringify(JSON.parse(standardize(tree)))
      assert.equal(
        JSON.stringify(value).replaceAll('\ufffd', '?'),
        plain.replace(/\\ud[89a-f][0-9a-f]{2}|\ufffd/g, '?'),
      )
      for (let i = 0; i <= text.length; i++) assert.deepEqual(position(i), positionIn(text, i))
    }),
  )
})

test('columns far into a long line are right, too', () => {
  const text = `["${'é😀x'.repeat(3000)}",\n"${'é'.repeat(3000)}"]`
  const { position } = read(text)
  for (const at of [0, 1023, 1024, 1025, 5000, 12_005, 14_000, text.length])
    assert.deepEqual(position(at), positionIn(text, at))
})

test('a pointer finds the first of a name, and nothing where nothing is', () => {
  const tree = parse('{"a/b": [10, {"": 5}], "x": 1, "x": 2}')
  const at = (pointer: string) => find(tree, pointer)?.start
  assert.deepEqual(['', '/a~1b/0', '/a~1b/1/', '/x', '/a~1b/2', '/a~1b/-', '/x/0', 'x', '/X'].map(at), [
    0,
    9,
    18,
    28,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ])
})
