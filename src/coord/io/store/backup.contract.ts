/** What backup and restore must do from any engine to any engine. */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Wall } from '../../../base/clock.ts'
import { MeshError } from '../../../base/errors.ts'
import type { AuditEntry } from '../../model/audit.ts'
import type { Snapshot } from '../../model/records.ts'
import type { Store } from '../../store/store.ts'
import type { BackupRow } from './backup-file.ts'
import { backupTo, restoreFrom } from './backup.ts'
import { openStore } from './open.ts'

export interface Engine {
  readonly name: string
  /** Reads a database for a backup. */
  readonly dump: (url: string) => AsyncIterable<BackupRow>
  /** An empty database. */
  fresh(): Promise<{ readonly url: string; readonly remove: () => Promise<void> }>
}

const AT = 1_700_000_000_000 as Wall
const TAILNETS = [0, 1, 2, 7]

export function backupContract(from: Engine, to: Engine, skip: string | false = false): void {
  describe(`a backup of ${from.name}, restored into ${to.name}`, { skip }, () => {
    let folder: string
    const databases: { readonly remove: () => Promise<void> }[] = []
    before(() => {
      folder = mkdtempSync(join(tmpdir(), 'sett-backup-'))
    })
    after(async () => {
      for (const database of databases) await database.remove()
      rmSync(folder, { recursive: true })
    })
    async function fresh(engine: Engine): Promise<string> {
      const database = await engine.fresh()
      databases.push(database)
      return database.url
    }

    test('holds every record, version, claim and counter, and goes on from there', async () => {
      const [source, target, file] = [await fresh(from), await fresh(to), join(folder, 'all.backup')]
      const before = await openStore(source)
      await fill(before)
      const was = await snapshots(before)
      const logsBefore = await logs(before)
      const info = await backupTo(source, file)
      assert.deepEqual([info.tailnets, info.records], [4, 4 * 53])
      await before.close()

      assert.deepEqual(await restoreFrom(file, target), info)
      const store = await openStore(target)
      const now = await snapshots(store)
      assert.deepEqual(await logs(store), logsBefore)
      const [log] = logsBefore
      assert.deepEqual([log?.ends.trimmed.number, log?.ends.newest.number, log?.rows.length], [2, 6, 4])
      for (const [i, snapshot] of was.entries()) {
        assert.deepEqual(now[i]?.records, snapshot.records)
        const seq = now[i]?.seq as number
        assert.ok(seq > snapshot.seq, 'a reader of the old feed must notice')
        assert.equal(await store.feed(snapshot.tailnet, snapshot.seq, 10), 'truncated')
        assert.deepEqual(await store.feed(snapshot.tailnet, seq, 10), [])
        const [first] = snapshot.records
        assert.ok(first !== undefined)
        const write = { kind: 'name', id: 'new', expect: 'absent', value: { node: 1 } } as const
        const checks = [{ kind: first.kind, id: first.id, version: first.version }]
        const got = await store.commit({ tailnet: snapshot.tailnet, writes: [write], checks }, AT)
        assert.equal(got.kind === 'done' && got.entry.seq, seq + 1)
        assert.equal((await store.feed(snapshot.tailnet, seq, 10)).length, 1)
      }
      const claims = [{ space: 'node-key', key: 'k1', act: 'take', owner: 'thief' }] as const
      assert.equal((await store.commit({ tailnet: 1, writes: [], claims }, AT)).kind, 'conflict')
      assert.ok((await store.reserve('node', 1)) > 17)
      assert.equal(await store.reserve('fresh', 1), 1)
      await store.close()
    })

    test('shows one moment, although a server goes on writing', async () => {
      const [source, target, file] = [await fresh(from), await fresh(to), join(folder, 'moment.backup')]
      const store = await openStore(source)
      const state = { commits: 0, writing: true }
      const write = (async () => {
        while (state.writing) {
          const id = `n${state.commits}`
          const writes = [
            { kind: 'name', id, expect: 'absent', value: { node: 1 } },
            { kind: 'key-use', id, expect: 'absent', value: { at: AT } },
          ] as const
          const claims = [{ space: 'node-key', key: id, act: 'take', owner: id }] as const
          await store.commit({ tailnet: 1, writes, claims }, AT)
          state.commits++
        }
      })()
      while (state.commits < 60) await new Promise(setImmediate)
      const atLeast = state.commits
      const info = await backupTo(source, file)
      // One more may be on the disk and not yet acknowledged.
      const atMost = state.commits + 1
      state.writing = false
      await write
      await store.close()
      await restoreFrom(file, target)
      const restored = await openStore(target)
      const { records } = await restored.snapshot(1)
      const kept = records.length / 2
      assert.equal(records.length, info.records)
      assert.ok(kept >= atLeast && kept <= atMost, `${kept} of ${atLeast} to ${atMost}`)
      assert.deepEqual(
        records.map((r) => `${r.kind}/${r.id}/${r.version}`).toSorted(),
        Array.from({ length: kept }, (_, i) => [`name/n${i}/${i + 1}`, `key-use/n${i}/${i + 1}`])
          .flat()
          .toSorted(),
      )
      // The claim of the last commit is there, that of the next one is not.
      const take = (key: string) =>
        restored.commit({ tailnet: 1, writes: [], claims: [{ space: 'node-key', key, act: 'take', owner: 'x' }] }, AT)
      assert.equal((await take(`n${kept - 1}`)).kind, 'conflict')
      assert.equal((await take(`n${kept}`)).kind, 'done')
      await restored.close()
    })

    test('is read from one moment, however slowly it is written', async () => {
      const source = await fresh(from)
      const store = await openStore(source)
      const commit = (id: string) =>
        store.commit({ tailnet: 1, writes: [{ kind: 'name', id, expect: 'any', value: { node: 1 } }] }, AT)
      await commit('before')
      const rows: BackupRow[] = []
      for await (const row of from.dump(source)) {
        if (rows.push(row) > 5) break
        await commit(`during-${rows.length}`)
      }
      assert.deepEqual(rows, [
        { is: 'tailnet', num: 1, seq: 1 },
        { is: 'record', tailnet: 1, kind: 'name', id: 'before', version: 1, value: '{"node":1}' },
      ])
      await store.close()
    })

    test('replaces what is there only when it is forced to', async () => {
      const [source, target, file] = [await fresh(from), await fresh(to), join(folder, 'forced.backup')]
      const first = await openStore(source)
      await fill(first)
      await first.reserve('node', 1000)
      await first.close()
      await backupTo(source, file)

      const store = await openStore(target)
      await Promise.all(
        Array.from({ length: 60 }, (_, i) =>
          store.commit({ tailnet: 1, writes: [{ kind: 'name', id: 'own', expect: 'any', value: { node: i } }] }, AT),
        ),
      )
      await store.commit({ tailnet: 99, writes: [{ kind: 'name', id: 'own', expect: 'any', value: { node: 1 } }] }, AT)
      await store.reserve('node', 5000)
      await store.reserve('other', 5)
      const was = await snapshots(store)
      await store.close()
      await assert.rejects(restoreFrom(file, target), (thrown: unknown) => {
        assert.ok(thrown instanceof MeshError && thrown.code === 'config/invalid', String(thrown))
        return /holds data.*force/.test(thrown.message)
      })
      const untouched = await openStore(target)
      assert.deepEqual(await snapshots(untouched), was)
      await untouched.close()

      await restoreFrom(file, target, { force: true })
      const now = await openStore(target)
      assert.equal((await now.heads()).has(99), false)
      assert.deepEqual((await now.snapshot(99)).records, [])
      assert.equal(
        (await now.snapshot(1)).records.some((r) => r.id === 'own'),
        false,
      )
      assert.ok((await now.snapshot(1)).seq > 60)
      assert.ok((await now.reserve('node', 1)) > 5000)
      assert.equal(await now.reserve('other', 1), 6)
      await now.close()
    })
  })
}

const TEXTS = ['plain', '€ and 😀', `'"\\`, 'line\u2028end', 'nul \0', 'half \ud800', '\n', '{"record":1}']

async function fill(store: Store): Promise<void> {
  const ids = ['€', `'"\\`, 'x'.repeat(512)]
  const special = ids.map((id) => ({ kind: 'key-use', id, expect: 'absent', value: { at: AT } }) as const)
  await Promise.all(
    TAILNETS.flatMap((tailnet) => [
      ...Array.from({ length: 50 }, (_, i) => {
        const value = { node: i, text: TEXTS[i % TEXTS.length] } as { node: number }
        return store.commit({ tailnet, writes: [{ kind: 'name', id: `n${i}`, expect: 'any', value }] }, AT)
      }),
      store.commit({ tailnet, writes: special }, AT),
    ]),
  )
  const claims = [{ space: 'node-key', key: 'k1', act: 'take', owner: '1/1' }] as const
  await store.commit({ tailnet: 1, writes: [], claims }, AT)
  await store.reserve('node', 17)
  for (const at of [0, 0, 1, 2, 3, 4]) {
    const entry: AuditEntry = {
      origin: 'CONFIG_API',
      actor: { id: '1', type: 'USER' },
      target: { id: 'a', name: 'a', type: 'NODE' },
      action: 'UPDATE',
      new: { text: TEXTS, 2: 'two', 1: '\ud800' },
    }
    await store.commit({ tailnet: 1, writes: [], events: [{ log: 1, entry }] }, (AT + at) as Wall)
  }
  await store.trimAudit((AT + 1) as Wall)
}

async function logs(store: Store) {
  const read = async (log: number) => ({ ends: await store.auditEnds(log), rows: await store.audit(log, 0, 1000) })
  return await Promise.all([1, 2].map(read))
}

async function snapshots(store: Store): Promise<Snapshot[]> {
  const all = await Promise.all(TAILNETS.map((t) => store.snapshot(t)))
  return all.map((snapshot) => ({
    ...snapshot,
    records: snapshot.records.toSorted((a, b) => (`${a.kind}/${a.id}` < `${b.kind}/${b.id}` ? -1 : 1)),
  }))
}
