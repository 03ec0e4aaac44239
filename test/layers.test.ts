/** Keeps the picture of the folders true: who leans on whom, and what the pure ones may not ask for. */

import { test } from 'node:test'
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative, sep } from 'node:path'

const SRC = new URL('../src/', import.meta.url).pathname
const STAGE = ['base', 'crypto', 'wire', 'policy', 'coord/model']
const NODE_STAGES = [
  'c2n',
  'ceiling',
  'control',
  'filter',
  'local',
  'packet',
  'path',
  'peer-api',
  'pings',
  'relay',
  'routes',
  'wireguard',
].map((stage) => `node/${stage}`)
const COORD_STAGES = [
  'coord/audit',
  'coord/store',
  'coord/enroll',
  'coord/import',
  'coord/netmap',
  'coord/stream',
  'coord/acme',
  'coord/rest',
  'coord/events',
  'coord/collectors',
  'coord/people',
  'coord/scim',
]

/** What each layer may import from; itself always. `io` folders and `main.ts` are edges of their program. */
const LEANS_ON: Readonly<Record<string, readonly string[]>> = {
  base: [],
  crypto: ['base'],
  'crypto/io': ['base', 'crypto'],
  wire: ['base'],
  policy: ['base', 'wire'],
  'coord/model': ['base', 'crypto', 'wire', 'policy'],
  'coord/audit': STAGE,
  'coord/store': STAGE,
  'coord/enroll': STAGE,
  'coord/import': STAGE,
  'coord/netmap': STAGE,
  'coord/stream': STAGE,
  'coord/rest': STAGE,
  'coord/events': STAGE,
  'coord/collectors': STAGE,
  'coord/acme': ['base'],
  'coord/people': STAGE,
  'coord/scim': STAGE,
  coord: [...STAGE, ...COORD_STAGES],
  'coord/io': [...STAGE, ...COORD_STAGES, 'coord', 'crypto/io', 'relay'],
  'relay/hub': ['base', 'crypto', 'wire'],
  'relay/io': ['base', 'crypto', 'wire', 'relay/hub', 'crypto/io'],
  relay: ['relay/io', 'relay/hub'],
  ...Object.fromEntries(NODE_STAGES.map((stage) => [stage, ['base', 'crypto', 'wire']])),
  node: ['base', 'crypto', 'wire', ...NODE_STAGES],
  'node/io': ['base', 'crypto', 'wire', ...NODE_STAGES, 'node', 'crypto/io'],
  sdk: ['base', 'wire'],
  cli: ['sdk', 'policy', 'base', 'wire'],
}
/** Longest names first, so that `coord/store/x.ts` is `coord/store` and not `coord`. */
const LAYERS = Object.keys(LEANS_ON).sort((a, b) => b.length - a.length)

/** Shells, where Node's own modules and the platform belong. */
const EDGE = /(^|\/)(io\/|main\.ts$)|^(cli|relay\/relay\.ts)/
/** Text of tests, suites and fuzzers may import what it likes. */
const EXEMPT = /\.(test|contract|fuzz)\.ts$/

function layerOf(file: string): string {
  // A program's main.ts is its edge.
  if (file === 'coord/main.ts' || file === 'node/main.ts') return `${dirname(file)}/io`
  const layer = LAYERS.find((name) => file.startsWith(`${name}/`))
  assert.ok(layer !== undefined, `src/${file} is in no layer: name its folder in test/layers.test.ts`)
  return layer
}

const files = globSync('**/*.ts', { cwd: SRC })
  .map((file) => file.split(sep).join('/'))
  .filter((file) => !EXEMPT.test(file) && file !== 'pure.d.ts')

function importsOf(file: string): { from: string; dynamic: boolean }[] {
  const text = readFileSync(join(SRC, file), 'utf8')
  const found: { from: string; dynamic: boolean }[] = []
  for (const m of text.matchAll(/^(?:import|export)\s(?:[^'"`;]*?\sfrom\s)?['"]([^'"]+)['"]/gm))
    found.push({ from: m[1] as string, dynamic: false })
  for (const m of text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g))
    found.push({ from: m[1] as string, dynamic: true })
  return found
}

test('folders lean only on what the picture shows', () => {
  const strays: string[] = []
  for (const file of files) {
    const layer = layerOf(file)
    const allowed = new Set([layer, ...(LEANS_ON[layer] as readonly string[])])
    for (const { from, dynamic } of importsOf(file)) {
      if (!from.startsWith('.')) continue
      const target = relative(SRC, normalize(join(SRC, dirname(file), from)))
        .split(sep)
        .join('/')
      // The command line starts a program by its main.ts, and only so.
      if (dynamic && layer === 'cli' && /^[a-z]+\/main\.ts$/.test(target)) continue
      if (!allowed.has(layerOf(target))) strays.push(`src/${file} leans on src/${target}`)
    }
  }
  assert.deepEqual(strays, [])
})

test('Node’s own modules are imported at the edges only', () => {
  const strays = files.filter(
    (file) =>
      !EDGE.test(file) &&
      importsOf(file).some(({ from }) => from.startsWith('node:') || from === 'koffi' || from === 'ws'),
  )
  assert.deepEqual(strays, [])
})

test('pure folders ask nobody for the time or for dice, and set no timers', () => {
  const asked =
    /\b(Date\.now|performance\.now|Math\.random|setTimeout|setInterval|setImmediate|queueMicrotask|new Date\(\))\b/
  const strays = files.filter((file) => {
    if (EDGE.test(file)) return false
    const code = readFileSync(join(SRC, file), 'utf8').replace(/\/\*[^]*?\*\/|\/\/.*/g, '')
    return asked.test(code)
  })
  assert.deepEqual(strays, [])
})

test('every file opens by saying what it is for', () => {
  const silent = files.filter((file) => !/^(#!.*\n)?\/\*\*/.test(readFileSync(join(SRC, file), 'utf8')))
  assert.deepEqual(silent, [])
})
