/**
 * Shapes of hostile input: bytes and texts made of good ones with something done to them, and the small things that
 * have broken parsers before.
 */

import * as fc from 'fast-check'
import { anyText as textOfAny } from '../support/any-text.ts'
import { concat, utf8 } from '../../src/base/bytes.ts'
import { mutated } from '../support/mutate.ts'

const noise = fc.uint8Array({ size: 'max', maxLength: 300 })

/** Lengths and counts as they are lied about. */
const WORDS = [
  '00',
  'ff',
  '0000',
  'ffff',
  '7fff',
  '8000',
  '00000000',
  'ffffffff',
  '7fffffff',
  '80000000',
  '00010000',
  '00ffffff',
]

/** Bytes like those of the corpus: damaged, cut, strung together, with lengths that lie, or noise. */
export function bytesLike(corpus: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const good = fc.constantFrom(...corpus)
  const lying = fc
    .tuple(good, fc.nat(), fc.constantFrom(...WORDS), fc.boolean())
    .map(([message, place, word, early]) => {
      const bytes = message.slice()
      // Headers come early; that is where lengths are.
      const at = place % (early ? Math.min(bytes.length, 12) + 1 : bytes.length + 1)
      bytes.set(Uint8Array.fromHex(word).subarray(0, bytes.length - at), at)
      return bytes
    })
  const strung = fc.array(fc.oneof(good, mutated(corpus), lying), { minLength: 2, maxLength: 4 }).map(concat)
  return fc.oneof(
    { weight: 4, arbitrary: mutated(corpus, 4) },
    { weight: 3, arbitrary: lying },
    { weight: 2, arbitrary: strung },
    { weight: 1, arbitrary: good },
    { weight: 1, arbitrary: noise },
    { weight: 1, arbitrary: fc.tuple(good, noise).map(([start, rest]) => concat([start, rest])) },
  )
}

/** Small texts that mean something to somebody: JavaScript, Go, HTTP, shells, terminals, file systems. */
export const STRANGE: readonly string[] = [
  '',
  ' ',
  '\t',
  '\0',
  '\n',
  '\r\n',
  '\u007f',
  '\u0085',
  '\u00a0',
  '\u200b',
  '\u2028',
  '\u202e',
  '\ufeff',
  '\ufffd',
  '\ud800',
  '\udc00',
  '\udfff\ud800',
  '😀',
  'İ',
  'ı',
  'ſ',
  '\u212a',
  'é',
  '１',
  '٣',
  '__proto__',
  'constructor',
  'prototype',
  'hasOwnProperty',
  'toString',
  'then',
  'null',
  'undefined',
  'NaN',
  'true',
  '0',
  '-0',
  '-1',
  '00',
  '0x10',
  '1e999',
  '1e1',
  '1.0',
  '.5',
  '65535',
  '65536',
  '4294967296',
  '9007199254740993',
  '9'.repeat(400),
  '%',
  '%00',
  '%2f',
  '%zz',
  '%c0%af',
  '%eth0',
  '/',
  '//',
  '/../',
  '..',
  '?',
  '#',
  '&',
  '=',
  ';',
  ',',
  '"',
  "'",
  '`',
  '\\',
  '\\u0000',
  '<script>',
  '${x}',
  '$&',
  '*',
  '[',
  ']',
  '[::]',
  '::',
  ':',
  '::ffff:1.2.3.4',
  '@',
  '+',
  '-',
  '.',
  'a'.repeat(300),
  '.a'.repeat(130),
  ':'.repeat(60),
  ','.repeat(600),
  '"'.repeat(301),
  ' '.repeat(500),
  '0'.repeat(500),
]

/** Any text, halves of characters included. */
export const anyText = fc.oneof(
  textOfAny({ maxLength: 60 }),
  fc.array(fc.constantFrom(...STRANGE), { maxLength: 5 }).map((parts) => parts.join('')),
)

/** Texts like those of the corpus: damaged, joined, drawn out, with strange things in them, or just any. */
export function textsLike(corpus: readonly string[]): fc.Arbitrary<string> {
  const good = fc.constantFrom(...corpus)
  const latin = mutated(
    corpus.map((text) => utf8(text)),
    4,
  ).map((bytes) => Buffer.from(bytes).toString('latin1'))
  const spliced = fc
    .tuple(good, fc.nat(), fc.oneof(fc.constantFrom(...STRANGE), anyText), fc.nat(3))
    .map(([text, place, part, out]) => {
      const at = place % (text.length + 1)
      return text.slice(0, at) + part + text.slice(at + out)
    })
  const joined = fc.tuple(good, fc.constantFrom(...STRANGE), good).map((parts) => parts.join(''))
  const drawnOut = fc.tuple(good, fc.nat(), fc.integer({ min: 2, max: 4000 })).map(([text, place, times]) => {
    const at = place % (text.length + 1)
    return text.slice(0, at) + text.slice(at, at + 1 + (place % 3)).repeat(times) + text.slice(at)
  })
  return fc.oneof(
    { weight: 4, arbitrary: latin },
    { weight: 4, arbitrary: spliced },
    { weight: 1, arbitrary: joined },
    { weight: 1, arbitrary: drawnOut },
    { weight: 1, arbitrary: good },
    { weight: 1, arbitrary: anyText },
  )
}
