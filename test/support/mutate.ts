/** Strangers' bytes for property tests: good messages with something done to them, which go deeper than noise does. */

import * as fc from 'fast-check'

/** One of the messages, with up to `edits` bytes changed, put in, taken out, or its end cut off or doubled. */
export function mutated(corpus: readonly Uint8Array[], edits = 3): fc.Arbitrary<Uint8Array> {
  const kind = fc.constantFrom('flip', 'set', 'insert', 'remove', 'cut', 'double')
  const edit = fc.record({ kind, at: fc.nat(), byte: fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255)) })
  return fc
    .tuple(fc.constantFrom(...corpus), fc.array(edit, { minLength: 1, maxLength: edits }))
    .map(([message, list]) => {
      const bytes = [...message]
      for (const { kind, at: place, byte } of list) {
        const at = place % (bytes.length + 1)
        switch (kind) {
          case 'flip':
            if (at < bytes.length) bytes[at] = (bytes[at] as number) ^ (1 << (byte & 7))
            break
          case 'set':
            if (at < bytes.length) bytes[at] = byte
            break
          case 'insert':
            bytes.splice(at, 0, byte)
            break
          case 'remove':
            bytes.splice(at, 1)
            break
          case 'cut':
            bytes.length = at
            break
          case 'double':
            bytes.push(...bytes.slice(at))
        }
      }
      return new Uint8Array(bytes)
    })
}
