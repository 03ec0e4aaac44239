/**
 * `npm test`: everything that proves the program, fast things first; and its parts by name.
 *
 *   node test/run.ts [check | unit | fuzz | system | interop | browser]...
 *
 * Ends with one line that counts: `N passed, N failed, N skipped`. Whatever is skipped says why in its own line.
 */

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { argumentsOf, BROWSER, FUZZ, INTEROP, LABORATORY, LAYERS, ROOT, SYSTEM, UNITS } from './suites.ts'
import type { Suite } from './suites.ts'

const BIN = join(ROOT, 'node_modules/.bin')

interface Counts {
  passed: number
  failed: number
  skipped: number
}
const counts: Counts = { passed: 0, failed: 0, skipped: 0 }
const failures: string[] = []

/** Runs a program with its output shown; what it printed comes back too. */
function run(name: string, command: string, args: readonly string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const began = Date.now()
    const child = spawn(command, args, {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, PATH: `${BIN}:${process.env['PATH']}` },
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString()
        process.stdout.write(chunk)
      })
    child.on('error', (error) => resolve({ code: 127, output: `${output}${error.message}` }))
    child.on('close', (code) => {
      console.log(`-- ${name}: ${code === 0 ? 'ok' : `exit ${code}`}, ${((Date.now() - began) / 1000).toFixed(1)} s`)
      resolve({ code: code ?? 1, output })
    })
  })
}

/** One tool that passes or fails as a whole. */
async function check(name: string, command: string, ...args: string[]): Promise<void> {
  const { code } = await run(name, command, args)
  if (code === 0) counts.passed++
  else {
    counts.failed++
    failures.push(name)
  }
}

async function tests(suite: Suite): Promise<void> {
  if (suite.files.length === 0) return
  const { code, output } = await run(suite.name, 'node', [
    ...argumentsOf(suite),
    '--test-reporter=spec',
    ...suite.files,
  ])
  const count = (word: string): number => Number(new RegExp(`^ℹ ${word} (\\d+)$`, 'm').exec(output)?.[1] ?? 0)
  counts.passed += count('pass')
  counts.failed += count('fail') + count('cancelled')
  counts.skipped += count('skipped')
  if (code === 0) return
  failures.push(suite.name)
  if (count('fail') + count('cancelled') === 0) counts.failed++
}

const PARTS: Readonly<Record<string, () => Promise<void>>> = {
  async check() {
    await check('types', 'tsc', '-p', 'tsconfig.json')
    await check('types of the pure folders', 'tsc', '-p', 'tsconfig.pure.json')
    await check('lint', 'oxlint', '--deny-warnings', 'src', 'test', 'bench')
    await check('format', 'oxfmt', '--check', 'src', 'test', 'bench')
    await tests(LAYERS)
  },
  async unit() {
    // Two at a time, which is what two cores take.
    const waiting = [...UNITS]
    const next = async (): Promise<void> => {
      for (let suite = waiting.shift(); suite !== undefined; suite = waiting.shift()) await tests(suite)
    }
    await Promise.all([next(), next()])
  },
  fuzz: () => tests(FUZZ),
  system: () => tests(SYSTEM),
  async interop() {
    await tests(LABORATORY)
    await tests(INTEROP)
  },
  browser: () => tests(BROWSER),
}

/** Installs the Debian packages that tests use, if that is possible here; tests say themselves what they miss. */
function installPackages(): void {
  const wanted = readFileSync(join(ROOT, 'test/interop/packages.txt'), 'utf8').split('\n').filter(Boolean)
  const installed = spawnSync('dpkg-query', ['-W', '-f=${Package} ${Status}\n', ...wanted], { encoding: 'utf8' })
  if (installed.error !== undefined) return
  const missing = wanted.filter((name) => !installed.stdout.includes(`${name} install ok installed`))
  if (missing.length === 0) return
  if (process.getuid?.() !== 0) {
    console.log(`missing Debian packages (not root, so not installed): ${missing.join(' ')}`)
    return
  }
  console.log(`installing ${missing.join(' ')}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  // Debian starts what it installs; these are for tests, and port 80 is not ours.
  const policy = '/usr/sbin/policy-rc.d'
  const ours = !existsSync(policy)
  if (ours) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  spawnSync('apt-get', ['update', '-qq'], { stdio: 'inherit', env })
  spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], { stdio: 'inherit', env })
  if (ours) rmSync(policy, { force: true })
}

const asked = process.argv.slice(2)
const unknown = asked.filter((name) => PARTS[name] === undefined)
if (unknown.length > 0) {
  console.error(`no such part: ${unknown.join(' ')}; there are ${Object.keys(PARTS).join(', ')}`)
  process.exit(2)
}
const parts = asked.length > 0 ? asked : Object.keys(PARTS)
let building: Promise<unknown> | undefined
if (['interop', 'system', 'browser'].some((part) => parts.includes(part))) installPackages()
// Building the official programs takes minutes of one core; it goes on beside the quick tests.
if (parts.includes('interop') && parts.length > 1)
  building = run('build of the official programs', 'nice', ['node', 'test/interop/driver/build.ts'])
for (const part of parts) {
  if (part === 'interop') await building
  await PARTS[part]?.()
}
if (failures.length > 0) console.log(`failed: ${failures.join(', ')}`)
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
process.exit(counts.failed > 0 ? 1 : 0)
