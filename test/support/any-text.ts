/**
 * Texts of any code points, for property tests. Those of fast-check's own unit `binary` are the same, but it lists all
 * of Unicode before the first, which takes more than a second in each process.
 */

import * as fc from 'fast-check'

const codePoint = fc
  .oneof(fc.nat(0x7f), fc.nat(0xd7ff), fc.integer({ min: 0xe000, max: 0x10ffff }))
  .map((point) => String.fromCodePoint(point))

/** A text of so many code points; no surrogate stands alone in it. */
export function anyText(
  length: { readonly minLength?: number; readonly maxLength?: number } = {},
): fc.Arbitrary<string> {
  return fc.string({ ...length, unit: codePoint })
}
