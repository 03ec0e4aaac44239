import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { lockFolder, lockStateFile } from './state-lock.ts'

const skip = process.platform === 'linux' ? false : 'only on Linux'

test('a folder has one owner at a time, who may let it go while another waits', { skip }, async (t) => {
  const folder = join(mkdtempSync(join(tmpdir(), 'sett-lock-')), 'state')
  t.after(() => rmSync(join(folder, '..'), { recursive: true }))
  const first = await lockFolder(folder)
  assert.ok(first !== undefined)
  assert.deepEqual(
    [folder, join(folder, 'lock')].map((path) => statSync(path).mode & 0o777),
    [0o700, 0o600],
  )
  assert.equal(await lockFolder(folder, { patienceMs: 0 }), undefined)
  const waiting = lockFolder(folder)
  first.close()
  const second = await waiting
  assert.ok(second !== undefined)
  assert.equal(await lockFolder(folder, { patienceMs: 0 }), undefined)
  second.close()
})

test(
  'files in one folder are locked apart, from each other and from the folder, by whatever path',
  { skip },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'sett-lock-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const [one, two] = [join(folder, 'in', 'one.state'), join(folder, 'in', 'two.state')]
    const held = [await lockStateFile(one), await lockStateFile(two), await lockFolder(join(folder, 'in'))]
    assert.ok(held.every((lock) => lock !== undefined))
    symlinkSync('in', join(folder, 'alias'))
    for (const path of [one, join(folder, 'alias', 'one.state')]) {
      // What a daemon does with its state file.
      renameSync(touched(join(folder, 'in', 'draft')), one)
      assert.equal(await lockStateFile(path, { patienceMs: 0 }), undefined, path)
    }
    for (const lock of held) lock?.close()
  },
)

function touched(path: string): string {
  writeFileSync(path, '')
  return path
}

test('what can be no lock is told with its folder', { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sett-lock-'))
  t.after(() => rmSync(folder, { recursive: true }))
  mkdirSync(join(folder, 'a', 'lock'), { recursive: true })
  mkdirSync(join(folder, 'b'))
  symlinkSync('/dev/null', join(folder, 'b', 'lock'))
  for (const name of ['a', 'b'])
    await assert.rejects(lockFolder(join(folder, name)), {
      code: 'store/unavailable',
      message: new RegExp(`^Cannot lock state folder ${join(folder, name)}: `),
    })
})
