/** Backup and restore on SQLite, and what happens to files that are not as they should be. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import type { Wall } from '../../../base/clock.ts'
import { MeshError } from '../../../base/errors.ts'
import type { Store } from '../../store/store.ts'
import { dumpSqlite } from './backup-sqlite.ts'
import { backupContract } from './backup.contract.ts'
import { backupTo, restoreFrom } from './backup.ts'
import { openStore } from './open.ts'

const AT = 1_700_000_000_000 as Wall

const sqlite = {
  name: 'SQLite',
  dump: dumpSqlite,
  fresh: async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sett-backup-'))
    return { url: join(folder, 'sett.db'), remove: async () => rmSync(folder, { recursive: true }) }
  },
}
backupContract(sqlite, sqlite)

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'sett-backup-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

async function withStore<T>(path: string, use: (store: Store) => Promise<T>): Promise<T> {
  const store = await openStore(path)
  try {
    return await use(store)
  } finally {
    await store.close()
  }
}

/** A database with one record, and a backup of it. */
async function small(folder: string): Promise<{ path: string; file: string }> {
  const [path, file] = [join(folder, 'sett.db'), join(folder, 'sett.backup')]
  await withStore(path, (store) =>
    store.commit({ tailnet: 1, writes: [{ kind: 'name', id: 'a', expect: 'any', value: { node: 1 } }] }, AT),
  )
  await backupTo(path, file)
  return { path, file }
}

function error(code: string, says: RegExp): (thrown: unknown) => boolean {
  return (thrown) => {
    assert.ok(thrown instanceof MeshError, String(thrown))
    assert.equal(thrown.code, code, thrown.message)
    assert.match(thrown.message, says)
    return true
  }
}

describe('a backup file', () => {
  // Made once: these tests read it, and leave both files as they are.
  let shared: ReturnType<typeof small> | undefined
  let sharedFolder: string
  before(() => {
    sharedFolder = mkdtempSync(join(tmpdir(), 'sett-backup-'))
  })
  after(() => rmSync(sharedFolder, { recursive: true }))
  const good = () => (shared ??= small(sharedFolder))

  test('is what its drawing says, private, and the only file that is left', async (t) => {
    const folder = folderFor(t)
    const { file } = await small(folder)
    assert.deepEqual(readdirSync(folder).toSorted(), ['sett.backup', 'sett.db', 'sett.db.lock'])
    assert.equal(statSync(file).mode & 0o777, 0o600)
    const lines = gunzipSync(readFileSync(file)).toString().split('\n')
    assert.match(lines[0] as string, /^\{"sett":"backup","format":2,"at":\d+\}$/)
    assert.deepEqual(lines.slice(1, 3), ['{"tailnet":1,"seq":1}', '{"record":[1,"name","a",1],"value":{"node":1}}'])
    assert.match(lines[3] as string, /^\{"end":2,"sha256":"[0-9a-f]{64}"\}$/)
    assert.deepEqual(lines.slice(4), [''])
  })

  test('replaces an older backup, and nothing else', async (t) => {
    const folder = folderFor(t)
    const { path, file } = await small(folder)
    await withStore(path, (store) => store.reserve('node', 1))
    await backupTo(path, file)
    assert.match(gunzipSync(readFileSync(file)).toString(), /"counter":"node"/)
    const notes = join(folder, 'notes')
    writeFileSync(notes, 'mine')
    await assert.rejects(backupTo(path, notes), error('config/invalid', /no Sett backup/))
    assert.equal(readFileSync(notes, 'utf8'), 'mine')
    await assert.rejects(backupTo(path, path), error('config/invalid', /the database itself/))
    await assert.rejects(
      backupTo(path, join(folder, 'no', 'where')),
      error('config/invalid', /there is no folder .*no$/),
    )
    await assert.rejects(backupTo(path, join(path, 'below')), error('config/invalid', /\.db is no folder$/))
    await assert.rejects(backupTo(path, folder), error('config/invalid', /it is a folder; name a file in it/))
    await assert.rejects(backupTo(join(folder, 'none.db'), file), error('config/invalid', /no such file/))
    assert.equal(existsSync(join(folder, 'none.db')), false)
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith('.')),
      [],
    )
  })

  const edits: readonly { name: string; edit: (file: Buffer) => Buffer; code: string; says: RegExp }[] = [
    { name: 'nothing', edit: () => Buffer.alloc(0), code: 'store/corrupt', says: /its end is missing/ },
    { name: 'its first half', edit: (b) => b.subarray(0, b.length / 2), code: 'store/corrupt', says: /cut off/ },
    {
      name: 'all but its last byte',
      edit: (b) => b.subarray(0, -1),
      code: 'store/corrupt',
      says: /its end is missing/,
    },
    { name: 'a text', edit: () => Buffer.from('Dear diary'), code: 'config/invalid', says: /no Sett backup/ },
    { name: 'another gzip', edit: () => gzipSync('{"a":1}\n'), code: 'config/invalid', says: /no Sett backup/ },
    { name: 'a gzip of no JSON', edit: () => gzipSync('hello\n'), code: 'store/corrupt', says: /no JSON/ },
    {
      name: 'a record changed by hand',
      edit: rewrite((text) => text.replace('"node":1', '"node":2')),
      code: 'store/corrupt',
      says: /checksum/,
    },
    {
      name: 'one line less',
      edit: rewrite((text) => text.replace(/\{"record.*\n/, '')),
      code: 'store/corrupt',
      says: /checksum/,
    },
    {
      name: 'no end',
      edit: rewrite((text) => text.replace(/\{"end.*\n/, '')),
      code: 'store/corrupt',
      says: /its end is missing/,
    },
    {
      name: 'more after the end',
      edit: rewrite((text) => `${text}{}\n`),
      code: 'store/corrupt',
      says: /follows its end/,
    },
    {
      name: 'a stranger line',
      edit: rewrite((text) => text.replace('"tailnet":1', '"tailnet":-1')),
      code: 'store/corrupt',
      says: /no backup has/,
    },
    {
      name: 'a newer format',
      edit: rewrite((text) => text.replace('"format":2', '"format":3')),
      code: 'store/schema',
      says: /newer Sett made it \(format 3; this one knows up to 2\)/,
    },
  ]
  test('of format 1, from before there were audit logs, is read', async (t) => {
    const folder = folderFor(t)
    const old = join(folder, 'old.backup')
    const body = gunzipSync(readFileSync((await good()).file))
      .toString()
      .replace('"format":2', '"format":1')
      .replace(/\{"end".*\n$/, '')
    const sha256 = createHash('sha256').update(body).digest('hex')
    writeFileSync(old, gzipSync(`${body}${JSON.stringify({ end: 2, sha256 })}\n`))
    const path = join(folder, 'restored.db')
    await restoreFrom(old, path)
    await withStore(path, async (store) => assert.equal((await store.snapshot(1)).records.length, 1))
  })

  for (const { name, edit, code, says } of edits) {
    test(`that holds ${name} is refused before anything is changed`, async (t) => {
      const [folder, { path, file }] = [folderFor(t), await good()]
      const changed = join(folder, 'changed.backup')
      writeFileSync(changed, edit(readFileSync(file)))
      const was = readFileSync(path)
      await assert.rejects(restoreFrom(changed, path, { force: true }), error(code, says))
      assert.ok(was.equals(readFileSync(path)))
      await assert.rejects(restoreFrom(changed, join(folder, 'other.db')), error(code, says))
      assert.deepEqual(readdirSync(folder), ['changed.backup'])
    })
  }

  test('with any one byte changed is refused, or means the same', async (t) => {
    const folder = folderFor(t)
    const bytes = readFileSync((await good()).file)
    const changed = join(folder, 'changed.backup')
    for (let at = 0; at < bytes.length; at += 3) {
      const flipped = Buffer.from(bytes)
      flipped[at] = (flipped[at] as number) ^ 0x55
      writeFileSync(changed, flipped)
      const other = join(folder, `other-${at}.db`)
      try {
        await restoreFrom(changed, other)
      } catch (thrown) {
        assert.ok(thrown instanceof MeshError, `byte ${at}: ${String(thrown)}`)
        assert.equal(existsSync(other), false)
        continue
      }
      // Such as the time in gzip's header.
      await withStore(other, async (store) =>
        assert.deepEqual((await store.snapshot(1)).records, [
          { kind: 'name', id: 'a', value: { node: 1 }, version: 1 },
        ]),
      )
    }
  })
})

test('a restore waits for no server: a database in use is refused', async (t) => {
  const folder = folderFor(t)
  const { path, file } = await small(folder)
  await withStore(path, async (store) => {
    await assert.rejects(restoreFrom(file, path, { force: true }), error('store/unavailable', /another Sett server/))
    assert.equal((await store.snapshot(1)).seq, 1)
  })
})

function rewrite(edit: (text: string) => string): (file: Buffer) => Buffer {
  return (file) => {
    const was = gunzipSync(file).toString()
    const text = edit(was)
    assert.notEqual(text, was)
    return gzipSync(text)
  }
}
