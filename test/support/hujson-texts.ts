/** Random HuJSON texts for property tests: comments, blanks and trailing commas wherever they may stand. */

import * as fc from 'fast-check'
import { anyText } from './any-text.ts'

const blank = fc.constantFrom(' ', '\n', '\t', '\r\n', '\n\n', '  ')
const comment = fc.constantFrom(
  '// c\n',
  '//\n',
  '/* b */',
  '/**/',
  '/*\n * s\n * t\n */',
  '/* m\n\tn\n  o */',
  '// é \r\n',
)

/** Blanks and comments; mostly nothing. */
export const extras: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: fc.constant('') },
  { weight: 2, arbitrary: blank },
  { weight: 1, arbitrary: fc.array(fc.oneof(blank, comment), { maxLength: 4 }).map((parts) => parts.join('')) },
)

const strings = fc
  .oneof(anyText({ maxLength: 8 }), fc.constantFrom('__proto__', 'constructor', 'a', 'b', 'x'.repeat(50)))
  .map((text) => JSON.stringify(text))

const literals = fc.oneof(
  strings,
  fc.constantFrom('null', 'true', 'false', '0', '-0', '1.50', '1e3', '"\\u0041\\/\\ud83d\\ude00"', '"\\ud800"'),
)

/** Items with extras around them, and perhaps a trailing comma. */
function listed(item: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc
    .tuple(fc.array(fc.tuple(extras, item, extras), { maxLength: 4 }), fc.boolean(), extras)
    .map(
      ([items, comma, last]) =>
        items.map((parts) => parts.join('')).join(',') + (comma && items.length > 0 ? ',' : '') + last,
    )
}

/** Texts that parse. */
export const huJsonTexts: fc.Arbitrary<string> = fc
  .letrec<{ value: string }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      literals,
      listed(tie('value')).map((text) => `[${text}]`),
      listed(fc.tuple(strings, extras, extras, tie('value')).map(([n, a, b, v]) => `${n}${a}:${b}${v}`)).map(
        (text) => `{${text}}`,
      ),
    ),
  }))
  .value.chain((value) => fc.tuple(extras, extras).map(([before, after]) => before + value + after))
