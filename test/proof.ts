/**
 * `npm run proof`: everything at full size, benches included, written down in docs/proof.md.
 *
 *   node test/proof.ts [--only SUITE,…] [--resume FOLDER] [--out FILE]
 *
 * Results are kept in a folder, named at the start; with `--resume` what is there already is not run again.
 *
 * Takes about an hour and a half. Tests run as in `npm test`, with longer simulations, 20 minutes of fuzzing, 100
 * kills and three generations of official clients; benches run three times, and every run is shown.
 */

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, release, tmpdir, totalmem } from 'node:os'
import { join, matchesGlob } from 'node:path'
import { parseArgs } from 'node:util'
import { REQUIREMENTS } from './proof/requirements.ts'
import type { Requirement } from './proof/requirements.ts'
import { argumentsOf, BROWSER, FUZZ, INTEROP, LABORATORY, LAYERS, ROOT, SOAK, SYSTEM, UNITS } from './suites.ts'
import type { Suite } from './suites.ts'

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string' },
    resume: { type: 'string' },
    out: { type: 'string', default: join(ROOT, 'docs/proof.md') },
  },
})
/**
 * What each run of the control plane's bench is about: the growth to 3,000 nodes once, the figures at 650 each time, and
 * beside them what it takes to enrol as many under a policy.
 */
const BENCH_RUNS = [
  ['--policy', 'tags', '--nodes', '650,3000'],
  ['--policy', 'tags', '--nodes', '650'],
  ['--policy', 'tags', '--nodes', '650'],
]
const FULL_SIZE = {
  SETT_FULL_SIZE: '1',
  SETT_SIM_RUNS: '500',
  SETT_FUZZ_SECONDS: '1200',
  SETT_KILLS: '100',
  SETT_SOAK_SECONDS: '600',
  SETT_STORE_KILLS: '100',
  SETT_LAB_NODES: '20',
  SETT_LAB_MEGABYTES: '256',
}
/** Longer than proxies let idle connections live, and than sessions do; the newest client is enough for that. */
const LONG_HOLD = { SETT_PROXY_HOLD_MS: '90000', SETT_REKEY_SECONDS: '240' }
/** Official clients, newest first; `npm test` has the first one only. */
const CLIENTS = ['v1.102', 'v1.90', 'v1.80']

interface Told {
  readonly file: string
  readonly name: string
  readonly status: 'passed' | 'failed' | 'skipped'
  readonly ms: number
}
interface Ran {
  readonly suite: string
  readonly told: readonly Told[]
  readonly code: number
  readonly seconds: number
}
interface Row {
  readonly what: string
  readonly unit: string
  readonly limit: number
  readonly headscale?: number
  readonly measured: number
  readonly passed: boolean
}

const work = flags.resume ?? mkdtempSync(join(tmpdir(), 'sett-proof-'))
console.log(`results are kept in ${work}`)
const env = { ...process.env, PATH: `${join(ROOT, 'node_modules/.bin')}:${process.env['PATH']}` }

/** Runs a program, its output shown; gives what it wrote to standard output. */
function run(
  command: string,
  args: readonly string[],
  more: NodeJS.ProcessEnv = {},
): Promise<{ code: number; out: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: ROOT, env: { ...env, ...more }, stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString()
      process.stdout.write(chunk)
    })
    child.on('close', (code) => resolve({ code: code ?? 1, out }))
  })
}

async function runSuite(suite: Suite, name: string, more: NodeJS.ProcessEnv): Promise<Ran> {
  const file = join(work, `${name.replace(/\W+/g, '-')}.jsonl`)
  const began = Date.now()
  const reporters = [
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    '--test-reporter=./test/proof/reporter.ts',
    `--test-reporter-destination=${file}`,
  ]
  const { code } = await run('node', [...argumentsOf(suite, 10), ...reporters, ...suite.files], more)
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean)
  const told = lines.map((line) => JSON.parse(line) as Told)
  return { suite: name, told, code, seconds: Math.round((Date.now() - began) / 1000) }
}

/** The control plane's bench, several times; its rows by run. */
async function runControlBench(): Promise<Row[][]> {
  const runs: Row[][] = []
  for (const args of BENCH_RUNS) {
    const { out } = await run('node', ['bench/control.ts', '--json', ...args])
    const { held, grown } = JSON.parse(out) as { held: { rows: Row[] }; grown: { nodes: number; rows: Row[] }[] }
    runs.push([
      ...held.rows,
      ...grown.flatMap(({ nodes, rows }) =>
        rows.map((row) => ({ ...row, what: `${row.what}, ${nodes} nodes against 650` })),
      ),
    ])
  }
  return runs
}

/** What was kept under this name, else what `make` gives. */
async function kept<T>(name: string, make: () => Promise<T>): Promise<T | undefined> {
  const file = join(work, `${name.replace(/\W+/g, '-')}.json`)
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as T
  if (!wanted(name)) return undefined
  const made = await make()
  writeFileSync(file, JSON.stringify(made))
  return made
}

const wanted = (name: string): boolean =>
  flags.only === undefined || flags.only.split(',').some((part) => name.includes(part))
const ran: Ran[] = []
let figures: Row[][] = []
const texts: { name: string; out: string }[] = []

const suites: [Suite, string, NodeJS.ProcessEnv][] = [
  [LAYERS, LAYERS.name, {}],
  ...UNITS.map((suite): [Suite, string, NodeJS.ProcessEnv] => [suite, suite.name, FULL_SIZE]),
  [FUZZ, FUZZ.name, FULL_SIZE],
  [SYSTEM, SYSTEM.name, FULL_SIZE],
  [BROWSER, BROWSER.name, FULL_SIZE],
  [LABORATORY, LABORATORY.name, FULL_SIZE],
  [SOAK, SOAK.name, FULL_SIZE],
  ...CLIENTS.map((client): [Suite, string, NodeJS.ProcessEnv] => [
    INTEROP,
    `${INTEROP.name}, ${client}`,
    { ...(client === CLIENTS[0] ? LONG_HOLD : {}), SETT_CLIENT: client },
  ]),
]
for (const [suite, name, more] of suites) {
  const result = await kept(name, () => runSuite(suite, name, more))
  if (result !== undefined) ran.push(result)
}
figures = (await kept('bench control', runControlBench)) ?? []
for (const file of globSync('bench/*.ts', { cwd: ROOT }).sort()) {
  const name = file.replace(/^bench\/|\.ts$/g, '')
  if (name === 'run' || name === 'control') continue
  const result = await kept(`bench ${name}`, () => run('node', [file]))
  if (result !== undefined) texts.push({ name, out: result.out })
}

writeFileSync(flags.out, document())
console.log(`written: ${flags.out}`)
process.exit(ran.every(({ code }) => code === 0) && figures.flat().every(({ passed }) => passed) ? 0 : 1)

function document(): string {
  const git = (...args: string[]): string => spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' }).stdout.trim()
  const processor = cpus()[0]?.model ?? 'unknown'
  return [
    '# Proof',
    '',
    'Written by `npm run proof`: every requirement, what showed it, and what was measured.',
    '',
    `- Commit ${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain') === '' ? '' : ' with uncommitted changes'}, ${new Date().toISOString().slice(0, 10)}`,
    `- Machine: ${cpus().length} × ${processor}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}; Node ${process.versions.node}`,
    '',
    '## Suites',
    '',
    '| suite | passed | failed | skipped | seconds |',
    '| --- | --- | --- | --- | --- |',
    ...ran.map(
      ({ suite, told, seconds }) =>
        `| ${suite} | ${count(told, 'passed')} | ${count(told, 'failed')} | ${count(told, 'skipped')} | ${seconds} |`,
    ),
    '',
    ...REQUIREMENTS.flatMap(({ part, rows }) => [
      `## ${part}`,
      '',
      '| number | what | shown by | result |',
      '| --- | --- | --- | --- |',
      ...rows.map(line),
      '',
    ]),
    '## The control plane, every run',
    '',
    'Simulated nodes and a real server process on the same two cores; everybody sees everybody, unless tags are named: then only who has the same. The ratio is the measured value to the limit; the last column is what Headscale needed on such a machine.',
    '',
    `| what | limit | ${figures.map((_, n) => `run ${n + 1}`).join(' | ')} | ratio | Headscale |`,
    `| --- | --- | ${figures.map(() => '---').join(' | ')} | --- | --- |`,
    ...(figures[0] ?? []).map((row) => {
      const values = figures.flatMap((rows) => rows.find(({ what }) => what === row.what)?.measured ?? [])
      const middle = values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number
      return `| ${row.what}, ${row.unit} | ${row.limit} | ${figures.map((_, run) => (values[run] === undefined ? '' : short(values[run]))).join(' | ')} | ${short(middle / row.limit)} | ${row.headscale ?? ''} |`
    }),
    '',
    ...texts.flatMap(({ name, out }) => [`## bench ${name}`, '', '```', out.trimEnd(), '```', '']),
    '## Skipped, and why',
    '',
    ...ran.flatMap(({ suite, told }) =>
      told.filter((t) => t.status === 'skipped').map((t) => `- ${suite}: ${t.name} (${t.file})`),
    ),
    '',
  ].join('\n')
}

function count(told: readonly Told[], status: Told['status']): number {
  return told.filter((t) => t.status === status).length
}

function line(requirement: Requirement): string {
  const { number, what, tests = [], named = /./, rows = [], documents = [] } = requirement
  const results: string[] = []
  if (tests.length > 0) {
    const found = ran
      .flatMap(({ told }) => told)
      .filter((t) => tests.some((glob) => matchesGlob(t.file, glob)) && named.test(t.name))
    const failed = count(found, 'failed')
    results.push(
      found.length === 0 ? 'NOT RUN' : `${count(found, 'passed')} passed${failed > 0 ? `, ${failed} FAILED` : ''}`,
    )
  }
  for (const row of figures[0] ?? []) {
    if (!rows.some((start) => row.what.startsWith(start))) continue
    const all = figures.flatMap((run) => run.find(({ what }) => what === row.what) ?? [])
    results.push(
      `${row.what}: ${all.map((r) => short(r.measured)).join(', ')} of ${row.limit} ${row.unit}${all.every((r) => r.passed) ? '' : ' MISSED'}`,
    )
  }
  for (const document of documents) results.push(document)
  const shown = [...tests, ...(rows.length > 0 ? ['bench/control.ts'] : [])]
  return `| ${number} | ${what} | ${shown.map((t) => `\`${t}\``).join(' ')} | ${results.join('; ')} |`
}

function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}
