/** `kill -9` at any moment: a process that commits is killed again and again, and its database is asked what it kept. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Wall } from '../../../base/clock.ts'
import { openStore } from './open.ts'

const AT = 1_700_000_000_000 as Wall

/** Commits as fast as it can with eight writers, and says each number only once it is acknowledged. */
const VICTIM = `
import { writeSync } from 'node:fs'
import { openStore } from ${JSON.stringify(new URL('./open.ts', import.meta.url).href)}
const store = await openStore(process.argv[1])
// A pipe that nobody has read from for a while is full, and says so instead of waiting.
const say = (text) => {
  for (;;) {
    try {
      return writeSync(1, text)
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error
    }
  }
}
await Promise.all(Array.from({ length: 8 }, async (_, w) => {
  for (let i = 0; ; i++) {
    const id = await store.reserve('node', 1)
    const write = { kind: 'name', id: 'n' + id, expect: 'absent', value: { node: id } }
    const mark = { kind: 'name', id: 'last' + w, expect: 'any', value: { node: id } }
    const claim = { space: 'node-key', key: 'k' + id, act: 'take', owner: 'n' + id }
    const got = await store.commit({ tailnet: 1 + (id % 2), writes: [write, mark], claims: [claim] }, Date.now())
    say(JSON.stringify([got.entry.tailnet, got.entry.seq, id]) + '\\n')
  }
}))`

test('killed at any moment, SQLite keeps every commit that was acknowledged, and no half of one', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sett-store-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'sett.db')
  /** The ledger outside: tailnet, feed number, id. */
  const acknowledged: [number, number, number][] = []
  // The long proof asks for more.
  const kills = Number(process.env['SETT_STORE_KILLS'] ?? 20)
  for (let kill = 0; kill < kills; kill++) {
    const victim = spawn(process.execPath, ['--input-type=module', '-e', VICTIM, path], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let errors = ''
    victim.stderr.on('data', (text: Buffer) => (errors += text))
    const exit = once(victim, 'exit')
    let output = ''
    let lines = 0
    const wanted = Math.floor(Math.random() * 200)
    for await (const piece of victim.stdout) {
      output += String(piece)
      lines += String(piece).split('\n').length - 1
      if (lines >= wanted) victim.kill('SIGKILL')
    }
    assert.deepEqual(await exit, [null, 'SIGKILL'], errors)
    // A line that was cut off was acknowledged too, but cannot be read.
    for (const line of output.split('\n').slice(0, -1)) acknowledged.push(JSON.parse(line) as [number, number, number])

    const store = await openStore(path)
    const next = await store.reserve('node', 1)
    const ids = new Set<number>()
    for (const tailnet of [1, 2]) {
      const feed = await store.feed(tailnet, 0, 1e6)
      assert.ok(feed !== 'truncated')
      const byId = new Map<number, number>()
      const marks = new Map<string, unknown>()
      for (const [i, entry] of feed.entries()) {
        assert.equal(entry.seq, i + 1)
        const [write, mark] = entry.changes
        assert.ok(write?.kind === 'name' && write.value !== null && mark !== undefined)
        byId.set(write.value.node, entry.seq)
        marks.set(mark.id, mark.value)
        assert.ok(!ids.has(write.value.node), 'a number was handed out twice')
        ids.add(write.value.node)
      }
      for (const [at, seq, id] of acknowledged) if (at === tailnet) assert.equal(byId.get(id), seq)
      const { records } = await store.snapshot(tailnet)
      assert.equal(records.length, byId.size + marks.size)
      for (const record of records) if (marks.has(record.id)) assert.deepEqual(record.value, marks.get(record.id))
    }
    assert.ok([...ids].every((id) => id < next))
    // Every commit took its claim: nobody else gets it.
    for (const id of [...ids].slice(-5)) {
      const claims = [{ space: 'node-key', key: `k${id}`, act: 'take', owner: 'thief' }] as const
      assert.equal((await store.commit({ tailnet: 3, writes: [], claims }, AT)).kind, 'conflict')
    }
    await store.close()
  }
  assert.ok(acknowledged.length > 0)
})
