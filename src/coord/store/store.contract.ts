/**
 * What every store must do, whatever it is made of; each engine's test file calls `storeContract`. (ARCHITECTURE: Store)
 *
 * What only one engine can show (kills, full disks, lost connections) is in that engine's own tests.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Wall } from '../../base/clock.ts'
import { MeshError } from '../../base/errors.ts'
import type { Batch, Claim, FeedEntry, Kind, Snapshot, Write } from '../model/records.ts'
import { auditContract } from './audit.contract.ts'
import type { Store } from './store.ts'

/** A database of its own for one test. */
export interface TestDatabase {
  /** May several stores be open on it at once? */
  readonly shared: boolean
  /** Opens a store on it; the test closes it. */
  open(): Promise<Store>
  /** Gives up the database. */
  remove(): Promise<void>
}

const AT = 1_700_000_000_000 as Wall
const EVERYTHING = 100_000

export function storeContract(name: string, fresh: () => Promise<TestDatabase>, skip: string | false = false): void {
  auditContract(name, fresh, skip)
  describe(`store contract: ${name}`, { skip }, () => {
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

    // Each test has tailnets of its own, so that they share one database without seeing each other.
    let tailnets = 0
    const tailnet = () => ++tailnets

    /** A store for each of `count` writers, on connections of their own where the engine allows it. */
    async function writers(count: number): Promise<{ stores: Store[]; close: () => Promise<void> }> {
      if (!database.shared) return { stores: Array.from({ length: count }, () => store), close: async () => {} }
      const stores = await Promise.all(Array.from({ length: count }, () => database.open()))
      return { stores, close: async () => void (await Promise.all(stores.map((s) => s.close()))) }
    }

    test('an unknown tailnet is empty, and has no feed', async () => {
      const t = tailnet()
      assert.deepEqual(await store.snapshot(t), { tailnet: t, seq: 0, records: [] })
      assert.deepEqual(await store.feed(t, 0, 10), [])
      assert.equal((await store.heads()).has(t), false)
    })

    const expectations = [
      { name: 'absent, and there is none', there: false, expect: 'absent', want: 'done' },
      { name: 'absent, and there is one', there: true, expect: 'absent', want: 'conflict' },
      { name: 'any, and there is none', there: false, expect: 'any', want: 'done' },
      { name: 'any, and there is one', there: true, expect: 'any', want: 'done' },
      { name: 'its version', there: true, expect: 'same', want: 'done' },
      { name: 'an older version', there: true, expect: 'older', want: 'conflict' },
      { name: 'a version, and there is none', there: false, expect: 'same', want: 'conflict' },
    ] as const
    for (const row of expectations) {
      for (const act of ['write', 'remove'] as const) {
        test(`${act} a record expected to be: ${row.name}`, async () => {
          const t = tailnet()
          await done(store, { tailnet: t, writes: [put('name', 'other', { node: 9 })] })
          if (row.there) await done(store, { tailnet: t, writes: [put('name', 'a', { node: 1 })] })
          else await done(store, { tailnet: t, writes: [put('name', 'b', { node: 1 })] })
          const expect = row.expect === 'same' ? 2 : row.expect === 'older' ? 1 : row.expect
          const seen = await store.snapshot(t)
          const value = act === 'write' ? { node: 2 } : null
          const got = await store.commit({ tailnet: t, writes: [{ kind: 'name', id: 'a', expect, value }] }, AT)
          if (row.want === 'conflict') {
            assert.deepEqual(got, { kind: 'conflict', on: 'name', id: 'a' })
            assert.deepEqual(await store.snapshot(t), seen)
            assert.equal((await entries(store, t)).length, 2)
          } else {
            assert.deepEqual(got, {
              kind: 'done',
              entry: { tailnet: t, seq: 3, at: AT, changes: [{ kind: 'name', id: 'a', value }] },
            })
            const now = (await store.snapshot(t)).records.find((r) => r.id === 'a')
            assert.deepEqual(now, value === null ? undefined : { kind: 'name', id: 'a', value, version: 3 })
          }
        })
      }
    }

    test('a record that was removed is absent again', async () => {
      const t = tailnet()
      await done(store, { tailnet: t, writes: [put('name', 'a', { node: 1 }, 'absent')] })
      await done(store, { tailnet: t, writes: [{ kind: 'name', id: 'a', expect: 1, value: null }] })
      const entry = await done(store, { tailnet: t, writes: [put('name', 'a', { node: 3 }, 'absent')] })
      assert.equal(entry.seq, 3)
    })

    test('records of one id and several kinds are several records', async () => {
      const t = tailnet()
      const writes: Write[] = [put('name', '1', { node: 1 }, 'absent'), put('key-use', '1', { at: AT }, 'absent')]
      await done(store, { tailnet: t, writes })
      const snapshot = await store.snapshot(t)
      assert.deepEqual(sorted(snapshot), [
        { kind: 'key-use', id: '1', value: { at: AT }, version: 1 },
        { kind: 'name', id: '1', value: { node: 1 }, version: 1 },
      ])
    })

    const checks = [
      { name: 'the version it has', version: 1, want: 'done' },
      { name: 'another version', version: 2, want: 'conflict' },
      { name: 'absent', version: 'absent', want: 'conflict' },
      { name: 'absent, and there is none', version: 'absent', id: 'free', want: 'done' },
      { name: 'a version, and there is none', version: 1, id: 'free', want: 'conflict' },
    ] as const
    for (const row of checks) {
      test(`a check for ${row.name}: ${row.want}`, async () => {
        const t = tailnet()
        await done(store, { tailnet: t, writes: [put('name', 'a', { node: 1 })] })
        const id = 'id' in row ? row.id : 'a'
        const batch: Batch = {
          tailnet: t,
          writes: [put('name', 'b', { node: 2 })],
          checks: [{ kind: 'name', id, version: row.version }],
        }
        const got = await store.commit(batch, AT)
        if (row.want === 'conflict') assert.deepEqual(got, { kind: 'conflict', on: 'name', id })
        assert.equal(got.kind, row.want)
        assert.equal((await store.snapshot(t)).seq, row.want === 'done' ? 2 : 1)
      })
    }

    test('a conflict writes nothing of its batch: no record, no claim, no number', async () => {
      const [t, key] = [tailnet(), uniqueKey()]
      await done(store, { tailnet: t, writes: [put('name', 'a', { node: 1 })] })
      const writes = [put('name', 'b', { node: 2 }), put('name', 'a', { node: 2 }, 'absent')]
      const got = await store.commit({ tailnet: t, writes, claims: [claim('take', key, 'x')] }, AT)
      assert.deepEqual(got, { kind: 'conflict', on: 'name', id: 'a' })
      assert.deepEqual(
        (await store.snapshot(t)).records.map((r) => r.id),
        ['a'],
      )
      await done(store, { tailnet: t, writes: [], claims: [claim('take', key, 'y')] })
      assert.deepEqual(
        (await entries(store, t)).map((e) => e.seq),
        [1, 2],
      )
    })

    const claimCases: readonly {
      name: string
      held: string | undefined
      acts: [Claim['act'], string][]
      want: string
    }[] = [
      { name: 'take what is free', held: undefined, acts: [['take', 'a']], want: 'a' },
      { name: 'take what is ours', held: 'a', acts: [['take', 'a']], want: 'a' },
      { name: "take somebody else's", held: 'b', acts: [['take', 'a']], want: 'conflict' },
      { name: 'release what is ours', held: 'a', acts: [['release', 'a']], want: 'free' },
      { name: "release somebody else's", held: 'b', acts: [['release', 'a']], want: 'b' },
      { name: 'release what is free', held: undefined, acts: [['release', 'a']], want: 'free' },
      {
        name: 'hand over in one batch',
        held: 'b',
        acts: [
          ['release', 'b'],
          ['take', 'a'],
        ],
        want: 'a',
      },
      {
        name: 'take and release in one batch',
        held: undefined,
        acts: [
          ['take', 'a'],
          ['release', 'a'],
        ],
        want: 'free',
      },
      {
        name: 'take twice for two',
        held: undefined,
        acts: [
          ['take', 'a'],
          ['take', 'b'],
        ],
        want: 'conflict',
      },
    ]
    for (const row of claimCases) {
      test(`claims: ${row.name}`, async () => {
        // The owner is in another tailnet than the one that asks: claims hold for the whole server.
        const [t, there, key] = [tailnet(), tailnet(), uniqueKey()]
        if (row.held !== undefined)
          await done(store, { tailnet: there, writes: [], claims: [claim('take', key, row.held)] })
        const claims = row.acts.map(([act, owner]) => claim(act, key, owner))
        const got = await store.commit({ tailnet: t, writes: [put('name', 'n', { node: 1 })], claims }, AT)
        assert.equal(got.kind, row.want === 'conflict' ? 'conflict' : 'done')
        if (got.kind === 'conflict') {
          assert.deepEqual(got, { kind: 'conflict', on: 'claim', id: key })
          assert.equal((await store.snapshot(t)).seq, 0)
        }
        const owner = row.want === 'conflict' ? row.held : row.want === 'free' ? undefined : row.want
        const probe = await store.commit({ tailnet: t, writes: [], claims: [claim('take', key, 'probe')] }, AT)
        assert.equal(probe.kind, owner === undefined ? 'done' : 'conflict')
        if (owner !== undefined) await done(store, { tailnet: t, writes: [], claims: [claim('take', key, owner)] })
      })
    }

    test('of 32 that take one claim at once, from tailnets of their own, one gets it', async () => {
      const key = uniqueKey()
      const { stores, close } = await writers(8)
      const got = await Promise.all(
        Array.from({ length: 32 }, (_, i) =>
          (stores[i % 8] as Store).commit(
            { tailnet: tailnet(), writes: [put('name', 'n', { node: i })], claims: [claim('take', key, `o${i}`)] },
            AT,
          ),
        ),
      )
      await close()
      assert.equal(got.filter((g) => g.kind === 'done').length, 1)
      assert.ok(got.every((g) => g.kind === 'done' || g.on === 'claim'))
    })

    test('claims in opposite orders do not lock each other out', async () => {
      const keys = Array.from({ length: 20 }, uniqueKey)
      const { stores, close } = await writers(8)
      await Promise.all(
        stores.map(async (s, i) => {
          const [t, owner] = [tailnet(), `o${i}`]
          const order = i % 2 === 0 ? keys : keys.toReversed()
          for (let round = 0; round < 10; round++) {
            const got = await s.commit(
              { tailnet: t, writes: [], claims: order.map((k) => claim('take', k, owner)) },
              AT,
            )
            if (got.kind === 'done')
              await done(s, { tailnet: t, writes: [], claims: order.map((k) => claim('release', k, owner)) })
          }
        }),
      )
      await close()
      await done(store, { tailnet: tailnet(), writes: [], claims: keys.map((k) => claim('take', k, 'last')) })
    })

    test('8 writers at once: no gap in the feed, and no reader steps over a number', async () => {
      const t = tailnet()
      const each = 40
      const { stores, close } = await writers(8)
      const reader = database.shared ? await database.open() : store
      let writing = true
      const seen: number[] = []
      const read = (async () => {
        for (;;) {
          const last = !writing
          const more = await reader.feed(t, seen.at(-1) ?? 0, 7)
          assert.notEqual(more, 'truncated')
          for (const entry of more as readonly FeedEntry[]) seen.push(entry.seq)
          if (last && more.length === 0) return
          await new Promise(setImmediate)
        }
      })()
      const acknowledged = await Promise.all(
        stores.map(async (s, w) => {
          const seqs: number[] = []
          for (let i = 0; i < each; i += 2) {
            const pair = [0, 1].map((k) =>
              done(s, { tailnet: t, writes: [put('name', `w${w}-${i + k}`, { node: i + k })] }),
            )
            seqs.push(...(await Promise.all(pair)).map((e) => e.seq))
          }
          return seqs
        }),
      )
      writing = false
      await read
      const all = Array.from({ length: 8 * each }, (_, i) => i + 1)
      assert.deepEqual(
        acknowledged.flat().sort((a, b) => a - b),
        all,
      )
      assert.deepEqual(seen, all)
      assert.equal((await reader.heads()).get(t), all.length)
      assert.equal((await reader.snapshot(t)).records.length, all.length)
      await close()
      if (reader !== store) await reader.close()
    })

    test('8 that count one record up with its version lose no step', async () => {
      const t = tailnet()
      const { stores, close } = await writers(8)
      await done(store, { tailnet: t, writes: [put('name', 'counter', { node: 0 })] })
      let conflicts = 0
      await Promise.all(
        stores.map(async (s) => {
          for (let mine = 0; mine < 10;) {
            const [record] = (await s.snapshot(t)).records
            assert.ok(record?.kind === 'name' && record.value !== null)
            const write = put('name', 'counter', { node: record.value.node + 1 }, record.version)
            if ((await s.commit({ tailnet: t, writes: [write] }, AT)).kind === 'done') mine++
            else conflicts++
          }
        }),
      )
      await close()
      const { seq, records } = await store.snapshot(t)
      assert.deepEqual(records, [{ kind: 'name', id: 'counter', value: { node: 80 }, version: 81 }])
      assert.equal(seq, 81)
      assert.ok(conflicts > 0, 'the writers never met')
    })

    test('of 32 that make one record at once, one does', async () => {
      const t = tailnet()
      const { stores, close } = await writers(8)
      const got = await Promise.all(
        Array.from({ length: 32 }, (_, i) =>
          (stores[i % 8] as Store).commit({ tailnet: t, writes: [put('name', 'one', { node: i }, 'absent')] }, AT),
        ),
      )
      await close()
      assert.equal(got.filter((g) => g.kind === 'done').length, 1)
      assert.equal((await store.snapshot(t)).seq, 1)
    })

    test('a snapshot is the feed up to its number, while others write', async () => {
      const t = tailnet()
      const { stores, close } = await writers(2)
      const snapshots: Snapshot[] = []
      const look = (async () => {
        do snapshots.push(await (stores[1] as Store).snapshot(t))
        while ((snapshots.at(-1) as Snapshot).seq < 60)
      })()
      for (let i = 0; i < 60; i++) {
        const id = `n${i % 7}`
        const value = i % 5 === 4 ? null : { node: i }
        await done(stores[0] as Store, { tailnet: t, writes: [{ kind: 'name', id, expect: 'any', value }] })
      }
      await look
      await close()
      const feed = await entries(store, t)
      for (const snapshot of snapshots) assert.deepEqual(sorted(snapshot), replay(feed.slice(0, snapshot.seq)))
    })

    test('the feed is read in pieces', async () => {
      const t = tailnet()
      for (let i = 1; i <= 5; i++) await done(store, { tailnet: t, writes: [put('name', `n${i}`, { node: i })] })
      const seqs = async (from: number, limit: number) => {
        const got = await store.feed(t, from, limit)
        return got === 'truncated' ? got : got.map((e) => e.seq)
      }
      assert.deepEqual(await seqs(0, 2), [1, 2])
      assert.deepEqual(await seqs(2, 2), [3, 4])
      assert.deepEqual(await seqs(4, 2), [5])
      assert.deepEqual(await seqs(5, 2), [])
      assert.deepEqual(await seqs(0, 0), [])
    })

    test('a reader that is ahead of the store is told to load it anew', async () => {
      const t = tailnet()
      await done(store, { tailnet: t, writes: [] })
      assert.equal(await store.feed(t, 2, 10), 'truncated')
    })

    test('trimming forgets the oldest entries, and says so to whoever asks for them', async () => {
      const [long, short, never] = [tailnet(), tailnet(), tailnet()]
      for (let i = 1; i <= 6; i++) await done(store, { tailnet: long, writes: [put('name', `n${i}`, { node: i })] })
      await done(store, { tailnet: short, writes: [put('name', 'n', { node: 1 })] })
      const whole = await store.snapshot(long)
      await store.trim(4)
      assert.equal(await store.feed(long, 0, 10), 'truncated')
      assert.equal(await store.feed(long, 1, 10), 'truncated')
      assert.deepEqual(
        (await entries(store, long, 2)).map((e) => e.seq),
        [3, 4, 5, 6],
      )
      assert.deepEqual(
        (await entries(store, short)).map((e) => e.seq),
        [1],
      )
      assert.deepEqual(await store.feed(never, 0, 10), [])
      assert.deepEqual(await store.snapshot(long), whole)
      // A wider trim brings nothing back; numbers run on.
      await store.trim(100)
      assert.equal(await store.feed(long, 1, 10), 'truncated')
      assert.equal((await done(store, { tailnet: long, writes: [] })).seq, 7)
      await store.trim(0)
      assert.deepEqual(await store.feed(long, 7, 10), [])
      assert.equal(await store.feed(long, 6, 10), 'truncated')
    })

    test('counters run from 1, each on its own, and never repeat a number', async () => {
      const [a, b] = [`a-${uniqueKey()}`, `b-${uniqueKey()}`]
      assert.equal(await store.reserve(a, 1), 1)
      assert.equal(await store.reserve(a, 5), 2)
      assert.equal(await store.reserve(b, 1), 1)
      assert.equal(await store.reserve(a, 1), 7)
      const { stores, close } = await writers(8)
      const firsts = await Promise.all(Array.from({ length: 40 }, (_, i) => (stores[i % 8] as Store).reserve(a, 3)))
      await close()
      const numbers = firsts.flatMap((first) => [first, first + 1, first + 2]).sort((x, y) => x - y)
      assert.deepEqual(
        numbers,
        Array.from({ length: 120 }, (_, i) => i + 8),
      )
    })

    test('tailnets are apart: records, feeds and numbers of one are nothing to another', async () => {
      const [t, u] = [tailnet(), tailnet()]
      await done(store, { tailnet: t, writes: [put('name', 'a', { node: 1 })] })
      await done(store, { tailnet: t, writes: [put('name', 'a', { node: 2 })] })
      await done(store, { tailnet: u, writes: [put('name', 'a', { node: 77 }, 'absent')] })
      assert.deepEqual(await store.commit({ tailnet: u, writes: [put('name', 'a', { node: 0 }, 2)] }, AT), {
        kind: 'conflict',
        on: 'name',
        id: 'a',
      })
      await done(store, { tailnet: u, writes: [{ kind: 'name', id: 'a', expect: 'any', value: null }] })
      assert.deepEqual((await store.snapshot(t)).records, [{ kind: 'name', id: 'a', value: { node: 2 }, version: 2 }])
      assert.deepEqual((await store.snapshot(u)).records, [])
      assert.deepEqual(
        (await entries(store, t)).map((e) => [e.tailnet, e.seq]),
        [
          [t, 1],
          [t, 2],
        ],
      )
      assert.deepEqual(
        (await entries(store, u)).map((e) => [e.tailnet, e.seq]),
        [
          [u, 1],
          [u, 2],
        ],
      )
      const heads = await store.heads()
      assert.deepEqual([heads.get(t), heads.get(u)], [2, 2])
    })

    test("the server's own scope is a scope like the others", async () => {
      const before = (await store.snapshot(0)).seq
      const entry = await done(store, { tailnet: 0, writes: [put('name', uniqueKey(), { node: 1 })] })
      assert.deepEqual([entry.tailnet, entry.seq], [0, before + 1])
      assert.equal((await store.heads()).get(0), before + 1)
    })

    const ids = [
      'a/b',
      "'; drop table records; --",
      '%_',
      'é',
      'e\u0301',
      'İı',
      '😀',
      '\u202e',
      ' ',
      'A',
      'a',
      '1',
      '01',
    ]
    test('ids are kept as they are, and none is mistaken for another', async () => {
      const t = tailnet()
      const all = [...ids, 'x'.repeat(512), '€'.repeat(170)]
      await done(store, { tailnet: t, writes: all.map((id, i) => put('name', id, { node: i }, 'absent')) })
      const snapshot = await store.snapshot(t)
      assert.deepEqual(
        new Map(snapshot.records.map((r) => [r.id, r.value])),
        new Map(all.map((id, i) => [id, { node: i }])),
      )
    })

    test('values come back as JSON has them, whatever text is in them', async () => {
      const t = tailnet()
      const hostinfo = {
        nul: 'a\0b',
        half: '\ud800 and \udc00',
        emoji: '😀',
        quotes: `'"\\\n\u2028`,
        big: 2 ** 53,
        small: 5e-324,
        long: 'x'.repeat(300_000),
        ['__proto__']: { polluted: true },
        deep: JSON.parse('['.repeat(200) + ']'.repeat(200)) as unknown,
        none: null,
      }
      const value = { node: 1, hostinfo } as unknown as { node: number }
      const entry = await done(store, { tailnet: t, writes: [put('name', 'a', value)] })
      const exact = JSON.stringify(value)
      assert.equal(JSON.stringify(entry.changes[0]?.value), exact)
      assert.equal(JSON.stringify((await store.snapshot(t)).records[0]?.value), exact)
      assert.equal(JSON.stringify((await entries(store, t))[0]?.changes[0]?.value), exact)
    })

    test('whoever commits sees what everybody will: what JSON leaves out is gone, and nothing is shared', async () => {
      const t = tailnet()
      const value = { node: 1, extra: undefined }
      const entry = await done(store, { tailnet: t, writes: [put('name', 'a', value)] })
      assert.deepEqual(entry.changes, [{ kind: 'name', id: 'a', value: { node: 1 } }])
      value.node = 2
      assert.deepEqual((await store.snapshot(t)).records[0]?.value, { node: 1 })
    })

    test('one batch of 5,000 records is one entry', async () => {
      const t = tailnet()
      const writes = Array.from({ length: 5000 }, (_, i) => put('name', `n${i}`, { node: i }, 'absent'))
      const claims = Array.from({ length: 500 }, () => claim('take', uniqueKey(), 'big'))
      const entry = await done(store, { tailnet: t, writes, claims })
      assert.equal(entry.changes.length, 5000)
      assert.deepEqual(await entries(store, t), [entry])
      assert.equal((await store.snapshot(t)).records.length, 5000)
      const again = await store.commit({ tailnet: t, writes: writes.toReversed() }, AT)
      assert.deepEqual(again, { kind: 'conflict', on: 'name', id: 'n4999' })
    })

    const refused: readonly { name: string; batch: Partial<Batch>; says: RegExp }[] = [
      { name: 'an id of 513 bytes', batch: { writes: [put('name', 'x'.repeat(513), { node: 1 })] }, says: /512 bytes/ },
      { name: 'an id of 171 euros', batch: { writes: [put('name', '€'.repeat(171), { node: 1 })] }, says: /512 bytes/ },
      { name: 'an id of 10 MB', batch: { writes: [put('name', 'x'.repeat(1e7), { node: 1 })] }, says: /512 bytes/ },
      { name: 'an empty id', batch: { writes: [put('name', '', { node: 1 })] }, says: /empty/ },
      { name: 'an id with a NUL', batch: { writes: [put('name', 'a\0', { node: 1 })] }, says: /NUL/ },
      {
        name: 'an id with half a character',
        batch: { writes: [put('name', 'a\ud800', { node: 1 })] },
        says: /surrogate/,
      },
      {
        name: 'one record twice',
        batch: { writes: [put('name', 'a', { node: 1 }), put('name', 'a', { node: 2 })] },
        says: /twice/,
      },
      { name: 'a value that is no JSON', batch: { writes: [put('name', 'a', undefined as never)] }, says: /JSON/ },
      { name: 'a version of 0', batch: { writes: [put('name', 'a', { node: 1 }, 0)] }, says: /version 0/ },
      { name: 'a tailnet of -1', batch: { tailnet: -1 }, says: /tailnet/ },
      { name: 'a tailnet of 1.5', batch: { tailnet: 1.5 }, says: /tailnet/ },
      {
        name: 'a check of a huge id',
        batch: { checks: [{ kind: 'name', id: 'x'.repeat(513), version: 1 }] },
        says: /512/,
      },
      { name: 'a claim of a huge key', batch: { claims: [claim('take', 'x'.repeat(513), 'o')] }, says: /512 bytes/ },
      { name: 'a claim for nobody', batch: { claims: [claim('take', 'k', '')] }, says: /owner/ },
    ]
    test('what no engine could keep is refused with words, and nothing happens', async () => {
      const t = tailnet()
      for (const row of refused) {
        const batch = { tailnet: t, writes: [], ...row.batch }
        await assert.rejects(store.commit(batch, AT), code('input/invalid', row.says), row.name)
      }
      await assert.rejects(store.commit({ tailnet: t, writes: [] }, NaN as Wall), code('input/invalid', /time/))
      await assert.rejects(store.reserve('', 1), code('input/invalid', /counter/))
      await assert.rejects(store.reserve('c', 0), code('input/invalid', /counter/))
      await assert.rejects(store.feed(t, -1, 1), code('input/invalid', /feed/))
      await assert.rejects(store.trim(-1), code('input/invalid', /keep/))
      assert.equal((await store.snapshot(t)).seq, 0)
    })

    test('a watcher hears of what another store commits, until it stops listening', { timeout: 20_000 }, async (t) => {
      if (!database.shared) return t.skip('one store at a time')
      const [heard, silent] = [tailnet(), tailnet()]
      const other = await database.open()
      const hints: number[] = []
      let wake = () => {}
      const stop = store.watch((num) => {
        hints.push(num)
        wake()
      })
      await done(other, { tailnet: heard, writes: [put('name', 'a', { node: 1 })] })
      while (!hints.includes(heard)) await new Promise<void>((resolve) => (wake = resolve))
      stop()
      await done(other, { tailnet: silent, writes: [put('name', 'a', { node: 1 })] })
      await store.heads()
      assert.equal(hints.includes(silent), false)
      await other.close()
    })

    test('what was acknowledged is there after closing and opening', async () => {
      const own = await fresh()
      const first = await own.open()
      const key = uniqueKey()
      await first.reserve('node', 3)
      await done(first, { tailnet: 3, writes: [put('name', 'a', { node: 1 })], claims: [claim('take', key, 'o')] })
      await done(first, { tailnet: 3, writes: [put('name', 'b', { node: 2 })] })
      // Not awaited: closing waits for what was asked before it.
      const last = first.commit({ tailnet: 3, writes: [put('name', 'c', { node: 3 })] }, AT)
      await first.close()
      assert.equal((await last).kind, 'done')
      const second = await own.open()
      assert.deepEqual(replay(await entries(second, 3)), sorted(await second.snapshot(3)))
      assert.equal((await second.snapshot(3)).seq, 3)
      assert.equal(await second.reserve('node', 1), 4)
      const taken = await second.commit({ tailnet: 4, writes: [], claims: [claim('take', key, 'p')] }, AT)
      assert.equal(taken.kind, 'conflict')
      await second.close()
      await own.remove()
    })

    test('a closed store says so; closing twice is once', async () => {
      const own = await fresh()
      const closed = await own.open()
      const stop = closed.watch(() => {})
      await closed.close()
      await closed.close()
      stop()
      const unavailable = code('store/unavailable', /closed/)
      await assert.rejects(closed.commit({ tailnet: 1, writes: [] }, AT), unavailable)
      await assert.rejects(closed.feed(1, 0, 1), unavailable)
      await assert.rejects(closed.snapshot(1), unavailable)
      await assert.rejects(closed.heads(), unavailable)
      await assert.rejects(closed.reserve('c', 1), unavailable)
      await assert.rejects(closed.trim(1), unavailable)
      await own.remove()
    })
  })
}

/** Commits a batch that must not meet a conflict. */
async function done(store: Store, batch: Batch): Promise<FeedEntry> {
  const got = await store.commit(batch, AT)
  if (got.kind !== 'done') assert.fail(`conflict on ${got.on} ${got.id}`)
  return got.entry
}

async function entries(store: Store, tailnet: number, after = 0): Promise<readonly FeedEntry[]> {
  const got = await store.feed(tailnet, after, EVERYTHING)
  if (got === 'truncated') assert.fail('the feed is truncated')
  return got
}

function put<K extends Kind>(
  kind: K,
  id: string,
  value: Extract<Write, { kind: K }>['value'],
  expect: Write['expect'] = 'any',
): Extract<Write, { kind: K }> {
  return { kind, id, expect, value } as Extract<Write, { kind: K }>
}

let keys = 0
/** A claim's key that no other test takes. */
function uniqueKey(): string {
  return `nodekey:${++keys}`
}

function claim(act: Claim['act'], key: string, owner: string): Claim {
  return { space: 'node-key', key, act, owner }
}

function sorted(snapshot: Snapshot): Snapshot['records'] {
  return snapshot.records.toSorted((a, b) => (`${a.kind}/${a.id}` < `${b.kind}/${b.id}` ? -1 : 1))
}

/** The records that a feed leaves behind, sorted. */
function replay(feed: readonly FeedEntry[]): Snapshot['records'] {
  const records = new Map<string, Snapshot['records'][number]>()
  for (const { seq, changes } of feed)
    for (const change of changes) {
      if (change.value === null) records.delete(`${change.kind}/${change.id}`)
      else records.set(`${change.kind}/${change.id}`, { ...change, version: seq })
    }
  return sorted({ tailnet: 0, seq: 0, records: [...records.values()] })
}

function code(want: string, says: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof MeshError, String(error))
    assert.equal(error.code, want)
    assert.match(error.message, says)
    return true
  }
}
