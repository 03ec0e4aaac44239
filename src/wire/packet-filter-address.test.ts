import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { formatPrefix, parseIp, prefixOf } from '../base/ip.ts'
import type { Prefix } from '../base/ip.ts'
import { golden } from '../../test/support/golden.ts'
import type { GoldenCase } from '../../test/support/golden.ts'
import { AddressTexts, prefixesOfText } from './packet-filter-address.ts'
import { ipOfBytes } from './ip-bytes.ts'

interface Case extends GoldenCase {
  readonly text: string
  readonly prefixes?: readonly string[]
  readonly cap?: string
}

/** All that a text means, as sorted prefixes. */
function meaning(text: string): { prefixes: string[]; cap: string | undefined } | undefined {
  const all = new AddressTexts()
  all.add(text)
  if (all.refused.length > 0) return undefined
  return { prefixes: prefixesIn(all).map(formatPrefix).sort(), cap: all.capabilities[0] }
}

function prefixesIn(all: AddressTexts): Prefix[] {
  const single = (words: readonly number[]): Prefix => {
    const bytes = new Uint8Array(words.length * 4)
    words.forEach((word, i) => new DataView(bytes.buffer).setInt32(4 * i, word))
    return prefixOf(ipOfBytes(bytes))
  }
  return [
    ...all.prefixes,
    ...all.singles4.map((word) => single([word])),
    ...Array.from({ length: all.singles6.length / 4 }, (_, i) => single(all.singles6.slice(4 * i, 4 * i + 4))),
  ]
}

test('sources and destinations mean what they mean to official clients', () => {
  for (const c of golden<Case>('filter.json.gz', 'expression')) {
    const got = meaning(c.text)
    if (c.expect === 'reject') assert.equal(got, undefined, c.name)
    else
      assert.deepEqual(
        got,
        { prefixes: c.prefixes?.toSorted(), cap: c.text.startsWith('cap:') ? c.cap : undefined },
        c.name,
      )
  }
})

test('a plain address is read as the slow reader reads it', () => {
  const like = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc
      .array(fc.constantFrom('0', '1', '9', 'a', 'F', 'g', ':', '::', '.', '1.2', '255', '256', '00', 'ffff', '%'), {
        maxLength: 18,
      })
      .map((parts) => parts.join('')),
  )
  fc.assert(
    fc.property(like, (text) => {
      const ip = parseIp(text)
      assert.deepEqual(meaning(text)?.prefixes, ip && [formatPrefix(prefixOf(ip))], text)
    }),
    { numRuns: 3000, seed: 1 },
  )
})

test('a range is covered by the fewest prefixes, none of which reaches beyond it', () => {
  for (const [text, want] of [
    ['0.0.0.0-255.255.255.255', ['0.0.0.0/0']],
    ['::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', ['::/0']],
    ['0.0.0.0-0.0.0.0', ['0.0.0.0/32']],
    ['255.255.255.254-255.255.255.255', ['255.255.255.254/31']],
    ['10.0.0.255-10.0.1.0', ['10.0.0.255/32', '10.0.1.0/32']],
  ] as const)
    assert.deepEqual(prefixesOfText(text)?.map(formatPrefix), want, text)
})
