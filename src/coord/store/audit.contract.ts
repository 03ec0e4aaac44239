/** What every store must do with audit logs: keep them whole, in the order of commits, and chained. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import type { Wall } from '../../base/clock.ts'
import { auditHash, emptyAuditHead } from '../../wire/audit-chain.ts'
import type { Bytes } from '../../base/bytes.ts'
import type { AuditEvent, AuditRow } from '../model/audit.ts'
import { SERVER } from '../model/records.ts'
import type { TailnetNum, Write } from '../model/records.ts'
import type { TestDatabase } from './store.contract.ts'
import type { Store } from './store.ts'

const AT = 1_700_000_000_000 as Wall
const ALL = 100_000

function sha256(...parts: Bytes[]): Uint8Array {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

function event(log: TailnetNum, name: string): AuditEvent {
  return {
    log,
    entry: {
      origin: 'CONFIG_API',
      actor: { id: '1', type: 'USER', loginName: 'ann' },
      target: { id: name, name, type: 'NODE' },
      action: 'UPDATE',
      // What JSON, hashing and databases get wrong when they do: other planes, escapes, half a pair, NUL.
      new: { text: '§ 𝕊 "\\ \ud800 \u0000 \n', 10: 'ten', 9: 'nine' },
    },
  }
}

function write(id: string, expect: Write['expect'] = 'any'): Write {
  return { kind: 'name', id, expect, value: { node: 1 } }
}

/** Checks that rows hang together, from the log's oldest end to its newest; returns the names of their targets. */
async function chained(store: Store, log: TailnetNum): Promise<string[]> {
  const { trimmed, newest } = await store.auditEnds(log)
  const rows = await store.audit(log, 0, ALL)
  let head = trimmed
  for (const row of rows) {
    assert.equal(row.number, head.number + 1)
    assert.equal(row.hash, auditHash(sha256, head.hash, row), `entry ${row.number} does not follow the one before`)
    head = { number: row.number, hash: row.hash }
  }
  assert.deepEqual(head, newest)
  return names(rows)
}

function names(rows: readonly AuditRow[]): string[] {
  return rows.map(({ entry }) => (JSON.parse(entry) as { target: { name: string } }).target.name)
}

export function auditContract(name: string, fresh: () => Promise<TestDatabase>, skip: string | false = false): void {
  describe(`audit logs: ${name}`, { skip }, () => {
    let database: TestDatabase
    let store: Store
    before(async () => {
      database = await fresh()
      store = await database.open()
    })
    after(async () => {
      await store.close()
      await database.remove()
    })
    let tailnets = 0
    const tailnet = () => ++tailnets

    test('a log that nothing was written to is empty, and differs from any other', async () => {
      const empty = emptyAuditHead(sha256, 900)
      assert.deepEqual(await store.auditEnds(900), { trimmed: empty, newest: empty })
      assert.notEqual((await store.auditEnds(901)).newest.hash, empty.hash)
      assert.deepEqual(await store.audit(900, 0, ALL), [])
      assert.deepEqual(await store.auditOf(900, { from: 0 as Wall, to: AT }, ALL), [])
    })

    test('a batch’s events are kept with it, in their order and in one group; without it, they are not', async () => {
      const t = tailnet()
      await store.commit({ tailnet: t, writes: [write('a')], events: [event(t, 'a'), event(t, 'b')] }, AT)
      const lost = await store.commit({ tailnet: t, writes: [write('a', 'absent')], events: [event(t, 'x')] }, AT)
      assert.equal(lost.kind, 'conflict')
      await store.commit({ tailnet: t, writes: [write('c')] }, AT)
      // There need be no record to change.
      await store.commit({ tailnet: t, writes: [], events: [event(t, 'd')] }, (AT + 5) as Wall)
      assert.deepEqual(await chained(store, t), ['a', 'b', 'd'])
      const rows = await store.audit(t, 0, ALL)
      assert.deepEqual(
        rows.map(({ group, at }) => [group, at]),
        [
          [`${t}-1`, AT],
          [`${t}-1`, AT],
          [`${t}-3`, AT + 5],
        ],
      )
      assert.deepEqual(JSON.parse(rows[0]?.entry ?? ''), JSON.parse(JSON.stringify(event(t, 'a').entry)))
      assert.equal((await store.feed(t, 0, 10)).length, 3)
    })

    test('another scope’s transaction writes to a tailnet’s log, and each log has numbers of its own', async () => {
      const [one, two] = [tailnet(), tailnet()]
      const events = [event(one, 'a'), event(two, 'b'), event(one, 'c'), event(SERVER, 'd')]
      await store.commit({ tailnet: SERVER, writes: [write('s')], events }, AT)
      await store.commit({ tailnet: two, writes: [write('t')], events: [event(two, 'e')] }, AT)
      assert.deepEqual(await chained(store, one), ['a', 'c'])
      assert.deepEqual(await chained(store, two), ['b', 'e'])
      assert.ok((await chained(store, SERVER)).includes('d'))
    })

    test('a reader goes on from any number, and by time page by page', async () => {
      const t = tailnet()
      // Two servers' clocks differ; the order of numbers is that of commits.
      const times = [0, 10, 5, 10, 20, 30]
      for (const [i, ms] of times.entries())
        await store.commit({ tailnet: t, writes: [], events: [event(t, `e${i}`)] }, (AT + ms) as Wall)
      assert.deepEqual(names(await store.audit(t, 2, 2)), ['e2', 'e3'])
      assert.deepEqual(names(await store.audit(t, 6, 2)), [])
      const periods = [
        { from: 0, to: 30, want: ['e0', 'e2', 'e1', 'e3', 'e4', 'e5'] },
        { from: 5, to: 20, want: ['e2', 'e1', 'e3', 'e4'] },
        { from: 6, to: 9, want: [] },
        { from: 30, to: 30, want: ['e5'] },
      ]
      for (const { from, to, want } of periods) {
        const found: AuditRow[] = []
        for (;;) {
          const last = found.at(-1)
          const period = {
            from: (AT + from) as Wall,
            to: (AT + to) as Wall,
            ...(last === undefined ? {} : { after: last }),
          }
          const page = await store.auditOf(t, period, 2)
          found.push(...page)
          if (page.length < 2) break
        }
        assert.deepEqual(names(found), want, `${from} to ${to}`)
      }
    })

    test('what is forgotten goes from the old end, and the rest still hangs together', async () => {
      const t = tailnet()
      const add = (name: string, ms: number) =>
        store.commit({ tailnet: t, writes: [], events: [event(t, name)] }, (AT + ms) as Wall)
      for (const [name, ms] of [
        ['a', 0],
        ['b', 10],
        ['c', 5],
        ['d', 20],
      ] as const)
        await add(name, ms)
      await store.trimAudit(AT)
      assert.deepEqual(await chained(store, t), ['a', 'b', 'c', 'd'])
      // c is older, but comes after b: no gap is left.
      await store.trimAudit((AT + 8) as Wall)
      assert.deepEqual(await chained(store, t), ['b', 'c', 'd'])
      assert.equal((await store.auditEnds(t)).trimmed.number, 1)
      await store.trimAudit((AT + 100) as Wall)
      assert.deepEqual(await chained(store, t), [])
      assert.equal((await store.auditEnds(t)).trimmed.number, 4)
      await add('e', 30)
      assert.deepEqual(await chained(store, t), ['e'])
      assert.equal((await store.audit(t, 0, 10))[0]?.number, 5)
      await store.trimAudit((AT + 30) as Wall)
      assert.deepEqual(await chained(store, t), ['e'])
    })

    test('many writers at once leave one chain, also where another scope writes to it', async () => {
      const [t, other] = [tailnet(), tailnet()]
      const count = database.shared ? 4 : 1
      const stores = await Promise.all(Array.from({ length: count - 1 }, () => database.open()))
      const all = [store, ...stores]
      const want: string[] = []
      const commits = all.flatMap((one, s) =>
        Array.from({ length: 40 }, (_, i) => {
          const id = `${s}-${i}`
          want.push(id)
          const scope = i % 4 === 0 ? SERVER : i % 4 === 1 ? other : t
          // In the order that is wrong for locks.
          const events = [event(t, id), ...(i % 8 === 0 ? [event(other, id)] : [])].reverse()
          return one.commit({ tailnet: scope, writes: [write(id)], events }, AT)
        }),
      )
      for (const done of await Promise.all(commits)) assert.equal(done.kind, 'done')
      assert.deepEqual((await chained(store, t)).toSorted(), want.toSorted())
      assert.equal((await chained(store, other)).length, all.length * 5)
      await Promise.all(stores.map((one) => one.close()))
    })

    test('a time or a number that is none is refused', async () => {
      const refused = { name: 'MeshError', code: 'input/invalid' }
      await assert.rejects(store.audit(1, -1, 1), refused)
      await assert.rejects(store.audit(1.5, 0, 1), refused)
      await assert.rejects(store.auditOf(1, { from: 0.5 as Wall, to: AT }, 1), refused)
      await assert.rejects(store.trimAudit(Number.NaN as Wall), refused)
      await assert.rejects(store.commit({ tailnet: 1, writes: [], events: [event(-1, 'a')] }, AT), refused)
    })
  })
}
