/** `sett admin log` against the REST API behind a real Unix socket. */

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { runAdmin } from './main.ts'
import { AdminWorld } from '../../../test/support/admin-world.ts'
import type { LinkedRow } from '../../coord/store/chain.ts'

suite('sett admin log', () => {
  let at: AdminWorld
  before(async () => {
    at = await AdminWorld.make()
    await at.admin('nodes', 'rename', 'laptop', 'desk')
    await at.admin('nodes', 'rename', 'desk', 'laptop')
  })
  after(() => at.close())

  const exported = async (...args: string[]) => {
    const file = join(at.dir, `log-${args.length}-${args.at(-1) ?? ''}`)
    writeFileSync(file, await at.admin('log', 'export', ...args))
    return file
  }
  const rows = () => at.world.database.logs.get(at.world.alpha.num)?.rows as LinkedRow[]

  test('lists who did what to what, and what it was before', async () => {
    const out = await at.admin('log', '--event', 'NODE.UPDATE.MACHINE_NAME', '--target', '~desk')
    const [head, line, ...more] = out.trimEnd().split('\n')
    assert.match(head ?? '', /^TIME +WHO +FROM +EVENT +TARGET +CHANGE$/)
    assert.match(line ?? '', /^2026-01-02 03:04:05 +root@sett +NODE\.UPDATE\.MACHINE_NAME +desk +laptop → desk$/)
    assert.deepEqual(more, [])
    assert.match(await at.admin('log', '--from', '2020-01-01T00:00:00Z', '--to', '2020-01-02T00:00:00Z'), /^Nothing/)
    const { logs } = await at.adminJson('log', 'list', '--actor', '~root', '--since', '1h')
    assert.ok(logs.length > 10)
    assert.ok(logs.every((record: { actor: { loginName: string } }) => record.actor.loginName === 'root@sett'))
    for (const wrong of [
      ['--since', 'soon'],
      ['--from', 'yesterday'],
      ['--follow', '--to', '2026-01-01T00:00:00Z'],
    ])
      assert.equal((await at.ran('log', ...wrong)).code, 2, wrong.join(' '))
  })

  test('follows what happens, and shows each change once', async () => {
    const lines: string[] = []
    const enough = new Error('enough')
    const write = (text: string) => {
      lines.push(text)
      if (lines.length === 1) void at.admin('nodes', 'rename', 'laptop', 'moved')
      if (text.includes('→ moved')) throw enough
    }
    const args = ['--socket', at.socket, 'log', '-f', '--event', 'NODE.UPDATE.MACHINE_NAME']
    await assert.rejects(
      runAdmin(args, { out: { write }, err: { write: (text) => assert.fail(text) }, env: {} }),
      enough,
    )
    assert.equal(new Set(lines).size, lines.length)
    assert.match(
      lines.at(-1) ?? '',
      /^2026-01-02 03:04:05 {2}root@sett {2}NODE\.UPDATE\.MACHINE_NAME {2}moved {2}laptop → moved\n$/,
    )
    await at.admin('nodes', 'rename', 'moved', 'laptop')
  })

  test('exports lines that are verified without the server, and the server against them', async () => {
    const file = await exported()
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
    assert.equal(lines.length, rows().length + 1)
    assert.match(lines[0] ?? '', /"tailnet":"alpha"/)
    assert.match(await at.admin('log', 'verify', file), new RegExp(`entries 1 to ${rows().length}\n`))
    // One export goes on where the last one ended.
    const next = await exported('--after', String(rows().length - 3))
    assert.equal(readFileSync(next, 'utf8').trimEnd().split('\n').length, 4)
    assert.match(await at.admin('log', 'verify', next), new RegExp(`entries ${rows().length - 2} to ${rows().length};`))
    assert.match((await at.ran('log', 'export', '--after', '99999')).err, /its newest is/)
    await at.admin('nodes', 'rename', 'laptop', 'other')
    await at.admin('nodes', 'rename', 'other', 'laptop')
    assert.match(await at.admin('log', 'verify', file), new RegExp(`entries 1 to ${rows().length}\n`))
    assert.match(await at.admin('log', 'verify'), new RegExp(`entries 1 to ${rows().length}\nIts newest hash is `))
    assert.match(await at.admin('log', 'verify', '--server'), /empty|whole/)
  })

  const spoils: readonly { name: string; edit: (lines: string[]) => string[]; says: RegExp }[] = [
    {
      name: 'a changed entry',
      edit: (l) => l.map((x, i) => (i === 5 ? x.replace('USER', 'NODE') : x)),
      says: /entry 5 is not the one that was written/,
    },
    { name: 'a missing entry', edit: (l) => l.toSpliced(5, 1), says: /entry 5 is missing/ },
    {
      name: 'two that changed places',
      edit: (l) => l.toSpliced(5, 2, l[6] as string, l[5] as string),
      says: /entry 5 is missing/,
    },
    {
      name: 'another time',
      edit: (l) => l.map((x, i) => (i === 3 ? x.replace(/"at":(\d+)\d/, '"at":$19') : x)),
      says: /entry 3 is not/,
    },
    {
      name: 'another beginning',
      edit: (l) => l.map((x, i) => (i === 0 ? x.replace(/"hash":"../, '"hash":"00') : x)),
      says: /does not begin/,
    },
    { name: 'a cut line', edit: (l) => [l.join('\n').slice(0, -9)], says: /last line is not whole|no JSON/ },
    { name: 'no log', edit: () => ['{}'], says: /first line is not that of an audit log/ },
  ]
  test('finds what was done to a file', async () => {
    const lines = readFileSync(await exported(), 'utf8')
      .trimEnd()
      .split('\n')
    for (const { name, edit, says } of spoils) {
      const file = join(at.dir, 'spoilt')
      writeFileSync(file, `${edit([...lines]).join('\n')}\n`)
      const { code, err } = await at.ran('log', 'verify', file)
      assert.equal(code, 1, name)
      assert.match(err, says, name)
    }
  })

  test('finds what was done to the database, and what was forgotten in good order', async () => {
    const file = await exported()
    const kept = [...rows()]
    const seventh = kept[6] as LinkedRow
    rows()[6] = { ...seventh, entry: seventh.entry.replace('"USER"', '"NODE"') }
    const changed = await at.ran('log', 'verify')
    assert.deepEqual(
      [changed.code, changed.err],
      [1, 'The log is not whole: entry 7 is not the one that was written\n'],
    )
    rows().splice(0, kept.length, ...kept.slice(0, 20))
    assert.match((await at.ran('log', 'verify', file)).err, /is not in it any more|ends with/)
    rows().splice(0, 20, ...kept)
    assert.equal((await at.ran('log', 'verify')).code, 0)
    at.world.clock.advance(86_400_000)
    await at.admin('nodes', 'rename', 'laptop', 'last')
    const logs = at.world.database.logs.get(at.world.alpha.num)
    assert.ok(logs !== undefined)
    const last = kept.at(-1) as LinkedRow
    logs.rows.splice(0, kept.length)
    logs.trimmed = { number: last.number, hash: last.hash }
    assert.match(await at.admin('log', 'verify'), /; older ones are no longer kept/)
    assert.match((await at.ran('log', 'export', '--after', '3')).err, /Entry 3 is no longer kept: the oldest one is/)
  })
})
