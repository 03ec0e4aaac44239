/** Refusals with their positions, what plain JSON is made, and trees that keep every byte. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { huJsonTexts } from '../../../test/support/hujson-texts.ts'
import { bytesFrom, find, HuJsonError, isStandard, minimize, pack, parse, standardize } from './index.ts'

const stray = (...parts: (string | number)[]) =>
  Uint8Array.from(parts.flatMap((part) => (typeof part === 'number' ? [part] : [...new TextEncoder().encode(part)])))

const refused: readonly (readonly [string | Uint8Array, string])[] = [
  ['', '1, column 1: parsing value: unexpected EOF'],
  ['// a comment without its newline', '1, column 1: parsing comment: unexpected EOF'],
  ['[1, /* never ends\n', '1, column 5: parsing comment: unexpected EOF'],
  ['// \u2028 alert()\n1', "1, column 4: invalid character '\\u2028' in line comment"],
  ['// \u2029', "1, column 4: invalid character '\\u2029' in line comment"],
  [stray('/* ', 0xff, ' */ 1'), '1, column 1: invalid UTF-8 in comment'],
  [stray('[', 0xc3), "1, column 2: invalid character '\\xc3' at start of value"],
  ["'x'", "1, column 1: invalid character '\\'' at start of value"],
  ['\u00a0', "1, column 1: invalid character '\\u00a0' at start of value"],
  ['\u{e0001}', "1, column 1: invalid character '\\U000e0001' at start of value"],
  ['\ufeff{}', "1, column 1: invalid character '\\ufeff' at start of value"],
  ['["é" x', "1, column 7: invalid character 'x' after array value (expecting ',' or ']')"],
  ['{"a":1\n"b"', "2, column 1: invalid character '\"' after object value (expecting ',' or '}')"],
  ['{"a"}', "1, column 5: invalid character '}' after object name"],
  ['{"a"', '1, column 5: parsing object after name: unexpected EOF'],
  ['{"a":1', '1, column 7: parsing object after value: unexpected EOF'],
  ['[1', '1, column 3: parsing array after value: unexpected EOF'],
  ['{1:2}', "1, column 2: invalid character '1' at start of object name"],
  ['{[]:2}', "1, column 2: invalid character '[' at start of object name"],
  ['{1 /*', '1, column 4: parsing comment: unexpected EOF'],
  ['{nul:2}', '1, column 2: invalid literal: nul'],
  ['[,]', "1, column 2: invalid character ',' at start of value"],
  ['[1,,]', "1, column 4: invalid character ',' at start of value"],
  ['{} {}', "1, column 4: invalid character '{' after top-level value"],
  ['01', '1, column 1: invalid literal: 01'],
  ['-a.b+c_d', '1, column 1: invalid literal: -a.b+c'],
  ['"\\x41"', '1, column 1: invalid literal: "\\x41"'],
  ['"a\nb"', '1, column 1: invalid literal: "a\nb"'],
  ['"a\\', '1, column 4: parsing string: unexpected EOF'],
  ['\n\n"a', '3, column 3: parsing string: unexpected EOF'],
]
for (const [input, want] of refused)
  test(`refuses ${JSON.stringify(typeof input === 'string' ? input : Buffer.from(input).toString('latin1'))}`, () => {
    assert.throws(() => parse(input), { message: `hujson: line ${want}` })
  })

test('the error says where in numbers, too', () => {
  const error = assertThrows(() => parse('{\n  "é": nope,\n}'))
  assert.deepEqual([error.line, error.column, error.fact], [2, 9, 'invalid literal: nope'])
})

function assertThrows(run: () => unknown): HuJsonError {
  try {
    run()
  } catch (error) {
    assert.ok(error instanceof HuJsonError)
    return error
  }
  throw new assert.AssertionError({ message: 'nothing was thrown' })
}

test('a string may hold bytes that are not UTF-8, and keeps them', () => {
  const input = stray('["', 0xe2, 0x80, '", "', 0xed, 0xa0, 0x80, '😀"]')
  assert.deepEqual(bytesFrom(pack(parse(input))), input)
})

test('a lone surrogate in a text is what encoding makes of it', () => {
  assert.equal(pack(parse('"\udc80"')), '"\ufffd"')
})

test('nesting costs no stack, and ends where that of Go’s JSON reader does', () => {
  const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
  assert.equal(pack(parse(nested(10_000))), nested(10_000))
  assert.throws(() => parse(nested(10_001)), { message: 'hujson: line 1, column 10001: exceeded max depth' })
  assert.throws(() => parse('['.repeat(1_000_000)), { message: 'hujson: line 1, column 10001: exceeded max depth' })
})

test('values know where they stand and what is around them', () => {
  const text = '/*0*/ { "a" /*1*/ : /*2*/ [1,] /*3*/ , } //4\n'
  const root = parse(text)
  assert.equal(root.before, '/*0*/ ')
  assert.equal(root.after, ' //4\n')
  const list = find(root, '/a')
  assert.ok(list !== undefined)
  assert.equal(text.slice(list.start, list.end), '[1,]')
  assert.deepEqual([list.before, list.after], [' /*2*/ ', ' /*3*/ '])
})

const transformed = [
  ['[1,]', '[1 ]', '[1]'],
  ['// é\n{"a" /*\tb*/: 1,\r\n}', '     \n{"a"   \t   : 1 \r\n}', '{"a":1}'],
  ['[1 /* a // b */ , "//", /**/ 2]', '[1              , "//",      2]', '[1,"//",2]'],
] as const
for (const [text, standardized, minimized] of transformed)
  test(`makes plain JSON of ${JSON.stringify(text)}`, () => {
    assert.equal(standardize(parse(text)), standardized)
    assert.equal(minimize(parse(text)), minimized)
  })

test('random texts come back as they were, and as JSON with their lines in place', () => {
  fc.assert(
    fc.property(huJsonTexts, (text) => {
      const tree = parse(text)
      assert.equal(pack(tree), text.toWellFormed())
      const plain = standardize(tree)
      assert.equal(plain.split('\n').length, text.split('\n').length)
      assert.equal(Buffer.byteLength(plain), Buffer.byteLength(text))
      assert.ok(isStandard(parse(plain)))
      assert.equal(isStandard(tree), plain === text)
      assert.deepEqual(JSON.parse(plain), JSON.parse(minimize(tree)))
    }),
  )
})

test('random damage is refused with a position within the text, or accepted whole', () => {
  fc.assert(
    fc.property(
      huJsonTexts,
      fc.nat(),
      fc.constantFrom('', '"', '/', '{', ']', ',', '\u0000', 'é', '\\'),
      (text, at, put) => {
        const cut = at % (text.length + 1)
        const damaged = text.slice(0, cut) + put + text.slice(cut + 1)
        try {
          assert.equal(pack(parse(damaged)), damaged.toWellFormed())
        } catch (error) {
          assert.ok(error instanceof HuJsonError, String(error))
          const line = damaged.split('\n')[error.line - 1]
          assert.ok(line !== undefined && error.column <= Buffer.byteLength(line) + 1)
        }
      },
    ),
  )
})
