/** A test reporter for the proof: one line of JSON for each finished test, with the file it stands in. */

import { relative } from 'node:path'
import type { TestEvent } from 'node:test/reporters'

const root = new URL('../..', import.meta.url).pathname

export default async function* report(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of source) {
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue
    const { name, file, details, skip } = event.data
    // A file run as a process of its own is reported as a test of its own, named by its path.
    if (file === undefined || name.endsWith('.test.ts')) continue
    const status = skip !== undefined && skip !== false ? 'skipped' : event.type === 'test:pass' ? 'passed' : 'failed'
    yield `${JSON.stringify({ file: relative(root, file), name, status, ms: Math.round(details.duration_ms) })}\n`
  }
}
