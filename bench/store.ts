/**
 * How fast the store acknowledges and reads: SQLite with every commit synced, and PostgreSQL with fsync on.
 *
 *   node bench/store.ts [--seconds 3] [--json] [--engine sqlite|postgres]
 *
 * A commit is one node record of about 2 kB, one claim and one version check, as a join writes them; latencies are
 * from call to acknowledgement, at 1 and at 64 writers. The raw sync rate of the disk is measured beside it: one
 * writer can never be faster than that.
 */

import { closeSync, existsSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import type { Wall } from '../src/base/clock.ts'
import { openStore } from '../src/coord/io/store/open.ts'
import type { Write } from '../src/coord/model/records.ts'
import type { Store } from '../src/coord/store/store.ts'
import { startPostgres } from '../test/support/postgres.ts'

const { values: flags } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    engine: { type: 'string', default: 'sqlite,postgres' },
    json: { type: 'boolean', default: false },
  },
})
const SECONDS = Number(flags.seconds)
const WRITERS = [1, 64]
const AT = 1_700_000_000_000 as Wall
/** The size of a node's record with the Hostinfo of a Linux client. */
const HOSTINFO = { OS: 'linux', Hostname: 'bench', pad: 'x'.repeat(1800) }

interface Figure {
  readonly what: string
  readonly perSecond: number
  readonly p50Ms?: number
  readonly p99Ms?: number
}

// Not /tmp, which may be no disk.
const disk = existsSync('/var/tmp') ? '/var/tmp' : tmpdir()
const folder = mkdtempSync(join(disk, 'sett-bench-'))
const figures: Figure[] = []
try {
  figures.push(syncs())
  if (flags.engine.includes('sqlite')) await measure('SQLite', await openStore(join(folder, 'sett.db')))
  if (flags.engine.includes('postgres')) {
    const postgres = await startPostgres({ durable: true, under: disk })
    if (typeof postgres === 'string') console.error(`Not measured: PostgreSQL (${postgres})`)
    else {
      await measure('PostgreSQL', await openStore(await postgres.createDatabase()))
      await postgres.stop()
    }
  }
} finally {
  rmSync(folder, { recursive: true })
}
print()

/** How often a second the disk syncs one small appended write. */
function syncs(): Figure {
  const fd = openSync(join(folder, 'syncs'), 'w')
  const page = new Uint8Array(4096)
  let count = 0
  const start = performance.now()
  for (; performance.now() - start < 1000; count++) {
    writeSync(fd, page)
    fdatasyncSync(fd)
  }
  closeSync(fd)
  return { what: 'disk: syncs of 4 kB', perSecond: count / ((performance.now() - start) / 1000) }
}

async function measure(name: string, store: Store): Promise<void> {
  try {
    for (const [i, writers] of WRITERS.entries())
      figures.push({ what: `${name}: commits, ${writers} at a time`, ...(await commits(store, i + 1, writers)) })
    const entries = (await store.heads()).get(WRITERS.length) ?? 0
    figures.push({ what: `${name}: feed entries read, 500 at a time`, perSecond: await feed(store, WRITERS.length) })
    const start = performance.now()
    const { records } = await store.snapshot(WRITERS.length)
    const perSecond = records.length / ((performance.now() - start) / 1000)
    figures.push({ what: `${name}: records of one snapshot (${records.length} of ${entries} commits)`, perSecond })
  } finally {
    await store.close()
  }
}

async function commits(store: Store, tailnet: number, writers: number): Promise<Omit<Figure, 'what'>> {
  const latencies: number[] = []
  const start = performance.now()
  const end = start + SECONDS * 1000
  await Promise.all(
    Array.from({ length: writers }, async (_, w) => {
      await store.commit({ tailnet, writes: [put(`check${w}`)] }, AT)
      for (let i = 0; performance.now() < end; i++) {
        const id = `${w}-${i}`
        const asked = performance.now()
        const got = await store.commit(
          {
            tailnet,
            writes: [put(id)],
            checks: [{ kind: 'node', id: `never-${id}`, version: 'absent' }],
            claims: [{ space: 'node-key', key: `${tailnet}/${id}`, act: 'take', owner: id }],
          },
          AT,
        )
        if (got.kind !== 'done') throw new Error(`A commit met a conflict on ${got.on} ${got.id}`)
        latencies.push(performance.now() - asked)
      }
    }),
  )
  const seconds = (performance.now() - start) / 1000
  latencies.sort((a, b) => a - b)
  const at = (part: number) => latencies[Math.floor((latencies.length - 1) * part)] as number
  return { perSecond: latencies.length / seconds, p50Ms: at(0.5), p99Ms: at(0.99) }
}

/** Reads the whole feed in pieces, and counts it: every number must be there. */
async function feed(store: Store, tailnet: number): Promise<number> {
  const start = performance.now()
  let seen = 0
  for (;;) {
    const entries = await store.feed(tailnet, seen, 500)
    if (entries === 'truncated') throw new Error('The feed is not whole')
    if (entries.length === 0) break
    for (const entry of entries) if (entry.seq !== ++seen) throw new Error(`The feed jumps at ${seen}`)
  }
  return seen / ((performance.now() - start) / 1000)
}

function put(id: string): Write {
  return { kind: 'node', id, expect: 'absent', value: { id: 1, hostinfo: HOSTINFO } as never }
}

function print(): void {
  if (flags.json) return console.log(JSON.stringify({ figures }))
  const table = new Table({
    head: ['', 'per second', 'p50 ms', 'p99 ms'],
    colAligns: ['left', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  })
  const text = (ms: number | undefined) => ms?.toFixed(2) ?? ''
  for (const { what, perSecond, p50Ms, p99Ms } of figures)
    table.push([what, perSecond.toFixed(0), text(p50Ms), text(p99Ms)])
  console.log(table.toString())
}
