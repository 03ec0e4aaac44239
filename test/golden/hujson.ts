/**
 * `npm run golden:hujson -- FILE`: replays HuJSON vectors and prints each difference; the last line is
 * `N passed, M failed`. Without a file, those in test/vectors/hujson.
 */

import { differences, readHuJsonVectors } from '../support/hujson-vectors.ts'
import type { Source } from '../support/hujson-vectors.ts'

const file = process.argv[2] ?? new URL('../vectors/hujson/hujson.jsonl.gz', import.meta.url)
const vectors = readHuJsonVectors(file)

const failures = (source: Source) =>
  vectors
    .map((vector) => ({ name: vector.name, found: differences(vector, source) }))
    .filter(({ found }) => found.length > 0)

// A file was made by one program, so it is held against one source as a whole.
const [parsed, cloned] = [failures('parsed'), failures('cloned')]
const failed = cloned.length < parsed.length ? cloned : parsed
for (const { name, found } of failed) console.log(`${name}\n  ${found.join('\n  ')}`)
if (vectors.length === 0) console.log('There are no vectors in this file.')
console.log(`${vectors.length - failed.length} passed, ${failed.length} failed`)
process.exitCode = failed.length === 0 && vectors.length > 0 ? 0 : 1
