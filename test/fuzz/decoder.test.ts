/** The fuzzer itself finds what it is there to find, and nothing where there is nothing. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import * as fc from 'fast-check'
import { MeshError } from '../../src/base/errors.ts'
import { decoder, slowDecoder } from './decoder.ts'
import { bytesLike, textsLike } from './shapes.ts'
import { jsonLike } from './json.ts'

const planted: readonly { readonly name: string; readonly read: (text: string) => unknown; readonly says?: RegExp }[] =
  [
    { name: 'a decoder that is right', read: (text) => text.length },
    { name: 'an error of another class', read: (text) => JSON.parse(text), says: /this came out: SyntaxError/ },
    {
      name: 'an error of another code',
      read() {
        throw new MeshError('internal', 'oops')
      },
      says: /this came out: MeshError: oops/,
    },
    {
      name: 'an error of its code',
      read() {
        throw new MeshError('key/malformed', 'no key')
      },
    },
    { name: 'a broken promise', read: (text) => assert.ok(text.length < 5), says: /falsy value/ },
    {
      name: 'more memory than its input is worth',
      read: (text) => (text.includes('9') ? new Uint8Array(16 << 20) : 0),
      says: /bytes, more than/,
    },
    {
      name: 'more memory, in many pieces',
      read: (text) => (text.includes('9') ? Array.from({ length: 200_000 }, () => ({})) : 0),
      says: /bytes, more than/,
    },
  ]
for (const { name, read, says } of planted)
  test(`fuzzing ${says === undefined ? 'lets pass' : 'finds'}: ${name}`, async () => {
    const inputs = textsLike(['[1,2]', '{"a":99}'])
    const { run } = decoder({ name, inputs, read, throws: ['key/malformed'] })
    const { inputs: count, fault } = await run(1, 2000)
    assert.ok(count > 0)
    if (says === undefined) assert.equal(fault, undefined)
    else assert.match(`${fault?.message} ${String(fault?.cause)}`, says)
  })

test('fuzzing finds what comes out later', async () => {
  const read = async (text: string) => {
    await setImmediate()
    if (text.includes('9')) throw new TypeError('late')
  }
  const { run } = slowDecoder({ name: 'late', inputs: textsLike(['{"a":99}']), read })
  assert.match(String((await run(1, 2000)).fault?.cause), /TypeError: late/)
})

test('one seed, one series of inputs', () => {
  const shapes: readonly fc.Arbitrary<unknown>[] = [
    textsLike(['abc', 'def']),
    bytesLike([new Uint8Array(9)]),
    jsonLike([{ a: [1, { b: 'x' }] }]),
  ]
  for (const shape of shapes)
    assert.deepEqual(fc.sample(shape, { seed: 7, numRuns: 50 }), fc.sample(shape, { seed: 7, numRuns: 50 }))
})

test('hostile JSON is both well made and not, and says what JavaScript cannot', () => {
  const texts = fc.sample(jsonLike([{ a: [1, { b: 'x' }], c: null }]), { seed: 3, numRuns: 3000 })
  const good = texts.filter((text) => {
    try {
      JSON.parse(text)
      return true
    } catch {
      return false
    }
  })
  assert.ok(good.length > 1000 && good.length < 3000)
  for (const what of ['1e999', '-0', '__proto__', '\\ud800', '['.repeat(1000), '"a":'])
    assert.ok(
      good.some((text) => text.includes(what)),
      what,
    )
  assert.ok(
    good.some((text) => (text.match(/"c":/g) ?? []).length > 1),
    'a name twice',
  )
})
