/** Which test files belong to which suite, and how each suite is run. Shared by `npm test` and the proof. */

import { globSync } from 'node:fs'

export const ROOT = new URL('..', import.meta.url).pathname

export interface Suite {
  readonly name: string
  readonly files: readonly string[]
  /** All in one process, which is many times faster where they share no state; else a process a file, one by one. */
  readonly shared: boolean
  /** Longest time of one test. */
  readonly seconds: number
}

const all = (pattern: string): string[] => globSync(pattern, { cwd: ROOT }).sort()
/** Tests that need a database server, processes or privileges of their own run apart from the quick ones. */
const isSystem = (file: string): boolean => /\.(pg|system)\.test\.ts$/.test(file)

const isPolicy = (file: string): boolean => file.startsWith('src/policy/')

const quick = [...all('src/**/*.test.ts'), ...all('test/{conformance,sim}/**/*.test.ts')].filter(
  (f) => !isSystem(f) && !isPolicy(f),
)
const policy = [...all('src/policy/**/*.test.ts'), ...all('test/{policy,golden}/**/*.test.ts')]
const system = [...all('{src,test}/**/*.{pg,system}.test.ts'), ...all('test/{kills,e2e}/**/*.test.ts')]

export const LAYERS: Suite = {
  name: 'layers and documents',
  files: ['test/docs.test.ts', 'test/layers.test.ts'],
  shared: true,
  seconds: 30,
}
export const UNIT: Suite = { name: 'unit, golden, simulation', files: quick, shared: true, seconds: 300 }
/** In a process of its own beside the others: the runner itself grows slow with the number of tests in one process. */
export const POLICY: Suite = { name: 'policy and its recordings', files: policy, shared: true, seconds: 300 }
/** In a process of its own: it measures memory. Takes `SETT_FUZZ_SECONDS`, a dozen if nobody says. */
export const FUZZ: Suite = { name: 'fuzzing', files: all('test/fuzz/**/*.test.ts'), shared: true, seconds: 300 }
export const SYSTEM: Suite = {
  name: 'real processes, sockets and databases',
  files: [...new Set(system)],
  shared: false,
  seconds: 600,
}
export const LABORATORY: Suite = {
  name: 'laboratory',
  files: all('test/lab/**/*.test.ts'),
  shared: false,
  seconds: 120,
}
export const INTEROP: Suite = {
  name: 'official software',
  files: all('test/interop/**/*.test.ts'),
  shared: false,
  seconds: 900,
}

/** Arguments of `node` that run a suite. `scale` makes time limits fit a run at full size. */
export function argumentsOf(suite: Suite, scale = 1): string[] {
  const isolation = suite.shared ? '--test-isolation=none' : '--test-concurrency=1'
  return ['--test', isolation, `--test-timeout=${suite.seconds * 1000 * scale}`]
}
