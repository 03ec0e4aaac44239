/** What the reference library did with 802 inputs: test/vectors/hujson. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { differences, readHuJsonVectors } from '../../../test/support/hujson-vectors.ts'

const vectors = readHuJsonVectors(new URL('../../../test/vectors/hujson/hujson.jsonl.gz', import.meta.url))

test('every HuJSON vector comes out as the reference had it', () => {
  assert.equal(vectors.length, 802)
  const failed = vectors.flatMap((vector) => {
    const found = differences(vector, 'cloned')
    return found.length === 0 ? [] : [`${vector.name}: ${found.join('; ')}`]
  })
  assert.deepEqual(failed, [])
})

test('a vector with any field altered is noticed', () => {
  const altered = vectors.flatMap((vector) =>
    Object.entries(vector)
      .filter(([field]) => !['name', 'input', 'patch'].includes(field))
      .map(([field, value]) => ({ ...vector, [field]: typeof value === 'string' ? `${value} ` : !value })),
  )
  assert.deepEqual(
    altered.filter((vector) => differences(vector, 'cloned').length === 0).map((vector) => vector.name),
    [],
  )
})
