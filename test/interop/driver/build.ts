/**
 * Builds the official clients that the tests run, once, into a cache outside the source tree.
 *
 * A build is named by the hash of everything that it is made from, so a change builds anew and nothing else does.
 * The first build of a version takes minutes of processor time; test files that start meanwhile wait for it.
 */
import { execFile, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { isAlive } from '../../lab/process.ts'

const run = promisify(execFile)
const SOURCE = fileURLToPath(new URL('..', import.meta.url))

/** The client versions that the tests know, newest first, and the module file that pins each. */
export const CLIENTS = {
  'v1.102': { mod: 'go.mod', commands: true },
  'v1.90': { mod: 'v1.90.mod', commands: false },
  'v1.80': { mod: 'v1.80.mod', commands: false },
} as const

export type ClientVersion = keyof typeof CLIENTS

/** The version that `npm test` runs. */
export const NEWEST: ClientVersion = 'v1.102'

/** The version that this run is about: `SETT_CLIENT` names another than the newest. */
export function chosenClient(): ClientVersion {
  const asked = process.env['SETT_CLIENT'] ?? NEWEST
  if (asked in CLIENTS) return asked as ClientVersion
  throw new Error(`SETT_CLIENT is ${asked}; known are ${Object.keys(CLIENTS).join(', ')}`)
}

/** The reason why no client can be built here, or `false`. */
export function goMissing(): string | false {
  const tried = spawnSync('go', ['version'], { encoding: 'utf8' })
  if (tried.status !== 0) return 'there is no Go tool chain to build the official clients with'
  const minor = Number(/go1\.(\d+)/.exec(tried.stdout)?.[1] ?? 0)
  return minor >= 26 ? false : `building the official clients needs Go 1.26, and this is ${tried.stdout.trim()}`
}

export type Built = {
  /** The program of ../tsclient. */
  readonly tsclient: string
  /** The official daemon, command line and control server of tests; built for the newest version only. */
  readonly tailscaled: string
  readonly tailscale: string
  readonly testcontrol: string
}

/** Longest wait for another process that builds the same version: a cold build on two busy cores. */
const BUILD_PATIENCE_MS = 30 * 60_000

/** The programs of `version`, built if they are not there yet. */
export async function buildClients(version: ClientVersion): Promise<Built> {
  const { mod, commands } = CLIENTS[version]
  const folder = join(cacheFolder(), `${version}-${await hashOfSources(mod)}`)
  const built = {
    tsclient: join(folder, 'tsclient'),
    tailscaled: join(folder, 'tailscaled'),
    tailscale: join(folder, 'tailscale'),
    testcontrol: join(folder, 'testcontrol'),
  }
  await once(folder, () => build(mod, commands, folder))
  return built
}

/** The program of ../apiclient, which is a module of its own: built if it is not there yet. */
export async function buildApiClient(): Promise<string> {
  const source = join(SOURCE, 'apiclient')
  const hash = createHash('sha256').update(process.arch)
  for (const name of (await readdir(source)).sort()) hash.update(`${name}\0`).update(await readFile(join(source, name)))
  const folder = join(cacheFolder(), `apiclient-${hash.digest('hex').slice(0, 16)}`)
  await once(folder, () => compile(folder, source, '-mod=readonly', '.'))
  return join(folder, 'apiclient')
}

/** Makes what is in a folder of the cache, unless it is there; only one process makes it. */
async function once(folder: string, make: () => Promise<void>): Promise<void> {
  const lock = `${folder}.building`
  await mkdir(cacheFolder(), { recursive: true })
  const giveUpAt = performance.now() + BUILD_PATIENCE_MS
  while (!existsSync(folder)) {
    if (await takeLock(lock)) {
      try {
        if (!existsSync(folder)) await make()
      } finally {
        await rm(lock, { force: true })
      }
    } else if (performance.now() > giveUpAt) {
      throw new Error(`another process has been building ${folder} for half an hour; delete ${lock} if none is`)
    } else {
      await wait(500)
    }
  }
}

function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'sett', 'interop')
}

/** What is built beside our own client, and only where the module file pins what it needs. */
const COMMANDS = ['./testcontrol', 'tailscale.com/cmd/tailscaled', 'tailscale.com/cmd/tailscale']

async function build(mod: string, commands: boolean, folder: string): Promise<void> {
  const packages = ['./tsclient', ...(commands ? COMMANDS : [])]
  console.log(`building official clients (${mod}); the first time takes minutes`)
  await compile(folder, SOURCE, `-modfile=${mod}`, '-mod=readonly', ...packages)
}

/** `go build` into a folder that is there as a whole or not at all. */
async function compile(folder: string, source: string, ...args: string[]): Promise<void> {
  const unfinished = `${folder}.part`
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(unfinished)
  const flags = ['-trimpath', '-ldflags=-s -w', '-o', `${unfinished}/`]
  await run('nice', ['go', 'build', ...flags, ...args], { cwd: source, maxBuffer: 16 << 20 })
  await rename(unfinished, folder)
}

/** One process builds at a time: the lock file holds its number, and a lock whose owner is gone is no lock. */
async function takeLock(path: string): Promise<boolean> {
  try {
    await writeFile(path, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const owner = await readFile(path, 'utf8').catch(() => '')
  // A lock that is still empty was made a moment ago, unless its maker died in that moment.
  const age = await stat(path).then(
    (found) => Date.now() - found.mtimeMs,
    () => 0,
  )
  const orphaned = owner === '' ? age > 10_000 : !isAlive(owner)
  if (orphaned) await rm(path, { force: true })
  return false
}

async function hashOfSources(mod: string): Promise<string> {
  const hash = createHash('sha256')
  const sources: string[] = []
  for (const folder of ['testcontrol', 'tsclient'])
    for (const name of (await readdir(join(SOURCE, folder))).sort())
      if (name.endsWith('.go')) sources.push(`${folder}/${name}`)
  for (const path of [mod, mod.replace(/\.mod$/, '.sum'), ...sources]) {
    hash
      .update(path)
      .update('\0')
      .update(await readFile(join(SOURCE, path)))
  }
  hash.update(process.arch)
  return hash.digest('hex').slice(0, 16)
}

if (import.meta.main && goMissing() === false) await buildClients(chosenClient())
