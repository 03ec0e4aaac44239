/** Layouts as the reference makes them, and what holds for every text. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { huJsonTexts } from '../../../test/support/hujson-texts.ts'
import { format, isStandard, parse, standardize } from './index.ts'

const wide = (length: number) => `"${'x'.repeat(length - 2)}"`

/** What the reference made of the left side, line by line. */
const laidOut: readonly (readonly [what: string, text: string, lines: readonly string[]])[] = [
  ['blanks around the value go', ' \n\n 1 \n', ['1']],
  ['an inline composite stays inline', '[1,2 , {"a":1}]', ['[1, 2, {"a": 1}]']],
  ['a newline after a bracket expands', '[\n1,2]', ['[', '\t1,', '\t2', ']']],
  ['a newline before a comma does not', '[1\n,2]', ['[1, 2]']],
  ['plain JSON gets no trailing comma', '{"a":1\n}', ['{', '\t"a": 1', '}']],
  ['other texts do', '{"a":1 // x\n}', ['{', '\t"a": 1, // x', '}']],
  ['an inline trailing comma goes', '[1,]', ['[1]']],
  ['unless comments would meet', '[1/*a*/,/*b*/]', ['[1 /*a*/ , /*b*/ ]']],
  ['brackets share a line, and indent once', '[{"a":[\n1]}]', ['[{"a": [', '\t1', ']}]']],
  ['an empty composite collapses', '{"a":[\n]}', ['{"a": []}']],
  ['a comment keeps it open', '[ // c\n]', ['[ // c', ']']],
  ['empty lines become one at most', '[\n\n\n1,\n\n\n\n2\n\n]', ['[', '\t1,', '', '\t2', ']']],
  ['values are lined up', '{\n"a":1,"bbb":2}', ['{', '\t"a":   1,', '\t"bbb": 2', '}']],
  ['in bytes', '{\n"é":1,"bbb":2}', ['{', '\t"é":  1,', '\t"bbb": 2', '}']],
  ['up to an empty line', '{\n"a":1,\n\n"bbb":2}', ['{', '\t"a": 1,', '', '\t"bbb": 2', '}']],
  ['a comment line', '{\n"a":1,\n//c\n"bbb":2}', ['{', '\t"a": 1,', '\t//c', '\t"bbb": 2,', '}']],
  ['or a value of many lines', '{\n"a":1,"bbb":[\n2]}', ['{', '\t"a": 1,', '\t"bbb": [', '\t\t2', '\t]', '}']],
  ['comments on a line of members count', '{\n"a"/*x*/:1,"b":2}', ['{', '\t"a" /*x*/ : 1,', '\t"b":        2,', '}']],
  ['stars stay under each other', '[\n/*\n   * a\n   * b\n   */1]', ['[', '\t/*', '\t * a', '\t * b', '\t */ 1,', ']']],
  ['other comments keep their shape', '[\n/* a\n     b\n   c */1]', ['[', '\t/* a', '\t  b', '\tc */ 1,', ']']],
  ['a return beside a newline goes, another is a space', '//a\rb\r\n1', ['//a b', '1']],
  ['escapes are written anew', '["\\u0041\\/", "é", "\\u2028\\u0000"]', ['["A/", "é", "\u2028\\u0000"]']],
  ['a line of eighty is too long', `[1,${wide(74)}]`, ['[', '\t1,', `\t${wide(74)}`, ']']],
  ['one less is not', `[1,${wide(73)}]`, [`[1, ${wide(73)}]`]],
  ['only what is too long is expanded', `[{"a":${wide(80)}}]`, ['[{', `\t"a": ${wide(80)}`, '}]']],
  ['a newline after a colon stays, further in', '{"a":\n1}', ['{"a":', '\t\t1}']],
]
for (const [what, text, lines] of laidOut)
  test(`${what}: ${JSON.stringify(text).slice(0, 60)}`, () =>
    assert.equal(format(parse(text)), `${lines.join('\n')}\n`))

/** What JSON reads; half a surrogate pair as U+FFFD, since formatting writes it so. */
const meaning = (text: string) =>
  JSON.stringify(JSON.parse(standardize(parse(text)))).replace(/\\ud[89a-f][0-9a-f]{2}/g, '\ufffd')

test('formatting twice is formatting once, says the same, and leaves plain JSON plain', () => {
  fc.assert(
    fc.property(huJsonTexts, (text) => {
      const formatted = format(parse(text))
      assert.equal(format(parse(formatted)), formatted)
      assert.equal(meaning(formatted), meaning(text))
      if (isStandard(parse(text))) assert.ok(isStandard(parse(formatted)))
      assert.ok(formatted.endsWith('\n') && !formatted.includes('\n\n\n') && !/[ \t]\n/.test(formatted))
    }),
  )
})

test('little text does not become huge', () => {
  const deep = `${'[1,\n'.repeat(9999)}[\n${'1,\n'.repeat(20_000)}1]${']'.repeat(9999)}`
  const padded = `{\n"${'n'.repeat(100_000)}":1,${'"k":1,'.repeat(1000)}"k":1}`
  const commented = `${'[1,\n'.repeat(9999)}/*${'\n*'.repeat(100_000)}*/1${']'.repeat(9999)}`
  for (const text of [deep, padded, commented])
    assert.throws(() => format(parse(text)), /the result is longer than 67108864 characters/)
})

test('nesting costs no stack', () => {
  const text = '['.repeat(10_000) + ']'.repeat(10_000)
  assert.equal(format(parse(text)).replace(/\s/g, ''), text)
})
