/** Which test files belong to which suite, and how each suite is run. Shared by `npm test` and the proof. */

import { globSync } from 'node:fs'

export const ROOT = new URL('..', import.meta.url).pathname

export interface Suite {
  readonly name: string
  readonly files: readonly string[]
  /** All in one process, which is many times faster where they share no state; else a process a file. */
  readonly shared: boolean
  /** How many files at a time, where each has a process; one if nothing is said. */
  readonly atOnce?: number
  /** Longest time of one test. */
  readonly seconds: number
}

const all = (pattern: string): string[] => globSync(pattern, { cwd: ROOT }).sort()
/** Tests that need a database server, processes or privileges of their own run apart from the quick ones. */
const isSystem = (file: string): boolean => /\.(pg|system)\.test\.ts$/.test(file)

/**
 * The quick tests in several processes: the runner itself grows slow with the number of tests in one. A file belongs
 * to the part that holds the longest beginning of its name. The longest parts come first, so that two at a time end together.
 */
const UNIT_PARTS: readonly { readonly name: string; readonly holds: readonly string[] }[] = [
  { name: 'REST API and conformance', holds: ['src/coord/rest/', 'test/conformance/'] },
  { name: 'server and relay', holds: ['src/coord/', 'src/relay/'] },
  { name: 'node', holds: ['src/node/', 'src/wire/', 'test/sim/'] },
  { name: 'policy and its recordings', holds: ['src/policy/', 'test/policy/', 'test/golden/'] },
  { name: 'listeners and engines of the server', holds: ['src/coord/io/'] },
  { name: 'everything else', holds: [''] },
]

const quick = all('{src,test/{conformance,sim,policy,golden}}/**/*.test.ts').filter((file) => !isSystem(file))
/** How much of the file's name a part holds; -1: it is not there. */
const fits = (file: string, { holds }: (typeof UNIT_PARTS)[number]): number =>
  Math.max(...holds.map((start) => (file.startsWith(start) ? start.length : -1)))
const partOf = (file: string) => UNIT_PARTS.toSorted((a, b) => fits(file, b) - fits(file, a))[0]
const system = [...all('{src,test}/**/*.{pg,system}.test.ts'), ...all('test/{kills,e2e}/**/*.test.ts')]

export const LAYERS: Suite = {
  name: 'layers and documents',
  files: ['test/docs.test.ts', 'test/layers.test.ts'],
  shared: true,
  seconds: 30,
}
/** Unit, golden and simulation. */
export const UNITS: readonly Suite[] = UNIT_PARTS.map((part) => ({
  name: `unit: ${part.name}`,
  files: quick.filter((file) => partOf(file) === part),
  shared: true,
  seconds: 300,
}))
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
  // Each has its own namespaces, and they wait for their kernels as much as they work.
  atOnce: 2,
  seconds: 120,
}
/** With a real browser. One at a time: each file has several, and official clients beside them. */
export const BROWSER: Suite = {
  name: 'real browser',
  files: all('test/browser/**/*.test.ts'),
  shared: false,
  seconds: 300,
}
/** Only in the proof: it wants ten minutes. Takes `SETT_SOAK_SECONDS`, less than one if nobody says. */
export const SOAK: Suite = { name: 'soak', files: all('test/soak/**/*.test.ts'), shared: false, seconds: 400 }
export const INTEROP: Suite = {
  name: 'official software',
  files: all('test/interop/**/*.test.ts'),
  shared: false,
  seconds: 900,
}

/** Arguments of `node` that run a suite. `scale` makes time limits fit a run at full size. */
export function argumentsOf(suite: Suite, scale = 1): string[] {
  const isolation = suite.shared ? '--test-isolation=none' : `--test-concurrency=${suite.atOnce ?? 1}`
  return ['--test', isolation, `--test-timeout=${suite.seconds * 1000 * scale}`]
}
