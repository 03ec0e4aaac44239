/**
 * What people install: the project is built and packed, the tarball installed into an empty folder by npm, and the
 * commands started from where npm puts them; the store's worker comes along, and a machine joins.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Coord } from './coord.ts'
import { Node } from './node.ts'
import { Program, run } from './program.ts'
import { tunMissing } from '../lab/available.ts'

const ROOT = new URL('../../', import.meta.url).pathname
const folder = mkdtempSync(join(tmpdir(), 'sett-package-'))
const project = join(folder, 'project')
const home = join(folder, 'home')
const installed = join(home, 'node_modules/sett')
const bin = join(home, 'node_modules/.bin')
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  version: string
  bin: Record<string, string>
  dependencies: Record<string, string>
  devDependencies: Record<string, string>
}

/** The Node that runs this test comes first. */
const PATH = [dirname(process.execPath), process.env['PATH']].join(delimiter)
/** Npm's own settings of this repository, and the lifecycle it may run in, are nothing that an installer has. */
const env = {
  PATH,
  ...Object.fromEntries(
    Object.keys(process.env)
      .filter((name) => /^npm_/i.test(name))
      .map((name) => [name, undefined]),
  ),
  npm_config_cache: process.env['npm_config_cache'],
  npm_config_audit: 'false',
  npm_config_fund: 'false',
  npm_config_update_notifier: 'false',
}
/** Files of the tarball, below its `package/`. */
let packed: string[] = []

before(async () => {
  // A copy, so that what is built does not lie about in the clone.
  mkdirSync(project)
  for (const name of [
    'src',
    'bin',
    'docs',
    'test',
    'README.md',
    'LICENSE',
    'package.json',
    'tsconfig.base.json',
    'tsconfig.build.json',
  ])
    if (existsSync(join(ROOT, name))) cpSync(join(ROOT, name), join(project, name), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(project, 'node_modules'))
  await done('npm', ['run', 'build'], project)
  const { out } = await done('npm', ['pack', '--json', '--pack-destination', folder], project)
  const report = JSON.parse(out) as { filename: string; files: { path: string }[] }[] | Record<string, never>
  const [{ filename, files } = { filename: '', files: [] }] = Object.values(report)
  packed = files.map(({ path }) => path)
  mkdirSync(home)
  await done('npm', ['install', '--omit=dev', '--prefer-offline', join(folder, filename)], home)
})
after(() => rmSync(folder, { recursive: true, force: true }))

async function done(command: string, args: readonly string[], cwd: string) {
  const ran = await run(command, args, { cwd, env })
  assert.equal(ran.code, 0, `${command} ${args.join(' ')}: ${ran.out.slice(-3000)}${ran.err.slice(-3000)}`)
  return ran
}

test('the package holds the program, its licence and its manual, and no tests', () => {
  for (const want of ['package.json', 'LICENSE', 'README.md', 'bin/sett', 'bin/settd', 'bin/find-node.sh'])
    assert.ok(packed.includes(want), `${want} is missing`)
  const programs = ['cli/main', 'coord/main', 'node/main', 'coord/io/store/sqlite-worker', 'node/io/pump/worker']
  for (const want of [...programs, 'cli/try/inside', 'cli/try/transfer'])
    assert.ok(packed.includes(`dist/${want}.js`), `${want} is missing`)
  const stray = packed.filter(
    (path) =>
      !/^(bin|docs|dist)\/|^(package\.json|README\.md|LICENSE|CHANGELOG\.md)$/.test(path) ||
      /(\.test|\.contract|\.fuzz)\.|\.ts$(?<!\.d\.ts)|(^|\/)(test|vectors|bench|node_modules)\//.test(path) ||
      /(^|\/)\.|\.(pem|key|db|sock|env)$/.test(path),
  )
  assert.deepEqual(stray, [])
  // Whatever in it is loaded is in it, or is a dependency of it.
  const loads = [
    /^(?:import|export)\s(?:[^'"`;]*?\sfrom\s)?['"]([^'"]+)['"]/gm,
    /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g,
    /\bcreateRequire\(import\.meta\.url\)\(['"]([^'"]+)['"]\)/g,
  ]
  const named = new Set<string>()
  for (const path of packed.filter((each) => each.endsWith('.js'))) {
    const text = readFileSync(join(installed, path), 'utf8')
    for (const [, from = ''] of loads.flatMap((load) => [...text.matchAll(load)]))
      if (from.startsWith('.')) assert.ok(packed.includes(join(dirname(path), from)), `${path} loads ${from}`)
      else if (!from.startsWith('node:')) named.add(/^(@[^/]+\/)?[^/]+/.exec(from)?.[0] ?? from)
  }
  assert.ok(named.has('koffi') && named.has('zod'))
  assert.deepEqual(
    [...named].filter((name) => manifest.dependencies[name] === undefined),
    [],
  )
})

test('installing it brings no development tools, and compiles nothing', () => {
  const modules = join(home, 'node_modules')
  for (const name of Object.keys(manifest.dependencies))
    assert.ok(existsSync(join(modules, name)), `${name} is missing`)
  // Types are no tools, and some packages have those of others among their own dependencies.
  for (const name of Object.keys(manifest.devDependencies).filter((name) => !name.startsWith('@types/')))
    assert.ok(!existsSync(join(modules, name)), `${name} is there`)
  for (const name of Object.keys(manifest.bin)) assert.ok(lstatSync(join(bin, name)).isSymbolicLink(), name)
})

describe('from where npm puts them', () => {
  for (const name of ['sett', 'settd'])
    test(`${name} --version`, async () => {
      const { code, out, err } = await run(join(bin, name), ['--version'], { cwd: '/', env: { PATH } })
      assert.deepEqual([code, out, err], [0, `${manifest.version}\n`, ''])
    })

  test('sett coord serves, and a machine joins; it ends, comes back, and still knows it', async (t) => {
    const coord = await Coord.start({ command: join(bin, 'sett'), env: { PATH } })
    t.after(() => coord.remove())
    const node = await Node.join(coord, { authKey: coord.offeredKey, hostname: 'installed' })
    const second = await Node.join(coord, { authKey: await coord.createKey(), hostname: 'second' })
    await Promise.all([node.sees(1), second.sees(1)])
    const [a, b] = await Promise.all([node.relay(), second.relay()])
    a.packet(b.raw, Buffer.from('hello'))
    await b.until((m) => m.kind === 'packet')
    for (const each of [node, second, a, b]) each.close()
    const { out } = await run(join(bin, 'sett'), ['admin', '--socket', coord.socket, 'nodes', 'list'], {
      env: { PATH },
    })
    assert.match(out, / installed /)
    assert.equal(await coord.stop(), 0)
    await coord.start()
    await node.connect()
    await node.openMap()
    assert.equal(node.self?.Name, 'installed.home.sett.internal.')
    node.close()
    assert.equal(await coord.stop(), 0)
  })

  test('sett try brings up a network to try', { skip: tunMissing() }, async () => {
    const program = new Program(join(bin, 'sett'), ['try'], { cwd: '/', env: { PATH, TMPDIR: folder } })
    await program.says(/^Ctrl-C ends it; nothing stays\.$/m, { within: 60_000 })
    assert.match(program.out, /ben to anna: pong from anna/)
    assert.equal(await program.end('SIGINT'), 0)
    assert.equal(program.err, '')
  })

  test('a service is made of it where it is', async () => {
    const { out } = await run(join(bin, 'sett'), ['service', 'install', '--print'], { env: { PATH } })
    assert.match(out, new RegExp(`^ExecStart=${installed}/bin/settd `, 'm'))
  })

  const older = olderNode()
  for (const name of ['sett', 'settd'])
    test(
      `${name} under an older Node says what is needed`,
      { skip: older === undefined && 'no older Node here' },
      async () => {
        const { code, out, err } = await run(join(bin, name), ['--version'], { env: { PATH: older } })
        assert.deepEqual([code, out], [1, ''])
        assert.match(err, /^sett needs Node 26 or newer, and found only v\d+\.\d+\.\d+\. Install Node 26/)
      },
    )
})

/** A search path on which the first and only Node is an older one; `undefined` when this machine has none. */
function olderNode(): string | undefined {
  for (const place of (process.env['PATH'] ?? '').split(delimiter)) {
    const node = join(place, 'node')
    if (!existsSync(node) || place.includes('node_modules')) continue
    const tools = mkdtempSync(join(tmpdir(), 'sett-older-'))
    after(() => rmSync(tools, { recursive: true, force: true }))
    symlinkSync(node, join(tools, 'node'))
    for (const tool of ['dirname', 'readlink'])
      for (const where of ['/usr/bin', '/bin'])
        if (existsSync(join(where, tool)) && !existsSync(join(tools, tool)))
          symlinkSync(join(where, tool), join(tools, tool))
    const said = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout
    if (Number(/^v(\d+)/.exec(said)?.[1] ?? 99) < 26) return tools
  }
  return undefined
}
