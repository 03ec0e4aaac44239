/** Demultiplexing and the relay header against the golden vectors. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { bytes, golden } from '../../test/support/golden.ts'
import type { GoldenCase } from '../../test/support/golden.ts'
import { mutated } from '../../test/support/mutate.ts'
import { classify, decodeRelayHeader, encodeRelayHeader, isInitiation, RELAY_HEADER_BYTES } from './classify.ts'

interface ClassifyCase extends GoldenCase {
  readonly bytes: string
  readonly is: 'stun' | 'disco' | 'wireguard'
  readonly relayed: boolean
  readonly wireguard_initiation: boolean
}

interface HeaderCase extends GoldenCase {
  readonly bytes: string
  readonly control: boolean
  readonly version: number
  readonly protocol: number
  readonly vni: number
}

test('golden: datagrams are told apart', () => {
  for (const c of golden<ClassifyCase>('classify.json', 'classify')) {
    const b = bytes(c.bytes)
    assert.equal(classify(b), c.relayed ? `relayed-${c.is}` : c.is, c.name)
    assert.equal(classify(b) === 'wireguard' && isInitiation(b), c.wireguard_initiation, c.name)
  }
})

test('golden: relay headers are written', () => {
  for (const { control, version, protocol, vni, ...c } of golden<HeaderCase>('classify.json', 'relay-header-make'))
    assert.equal(
      encodeRelayHeader({ control, version, protocol, vni })?.toHex(),
      c.expect === 'accept' ? c.bytes : undefined,
      c.name,
    )
})

test('golden: relay headers are read', () => {
  for (const { control, version, protocol, vni, ...c } of golden<HeaderCase>('classify.json', 'relay-header-read'))
    assert.deepEqual(
      decodeRelayHeader(bytes(c.bytes)),
      c.expect === 'accept' ? { control, version, protocol, vni } : undefined,
      c.name,
    )
})

test('WireGuard’s own messages are never taken for anything else, and nothing throws', () => {
  fc.assert(
    fc.property(fc.constantFrom(1, 2, 3, 4), fc.uint8Array({ maxLength: 200 }), (type, rest) =>
      assert.equal(classify(new Uint8Array([type, 0, 0, 0, ...rest])), 'wireguard'),
    ),
  )
  const corpus = golden<ClassifyCase>('classify.json', 'classify').map((c) => bytes(c.bytes))
  fc.assert(
    fc.property(mutated(corpus), (b) => {
      const kind = classify(b)
      if (kind.startsWith('relayed-')) assert.ok(b.length >= RELAY_HEADER_BYTES)
    }),
  )
})
