import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { MeshError } from '../../base/errors.ts'
import { nodePrimitives } from '../../crypto/io/node-primitives.ts'
import { keepText, loadKey, openFolder, writeWhole } from './folder.ts'

const top = mkdtempSync(join(tmpdir(), 'sett-folder-'))
after(() => rmSync(top, { recursive: true, force: true }))
const invalid = (want: RegExp) => (error: unknown) =>
  error instanceof MeshError && error.code === 'config/invalid' && want.test(error.message)

test('a new folder is for its owner alone, and so are the keys in it', () => {
  const folder = openFolder(join(top, 'a', 'b'))
  assert.deepEqual([folder.fresh, folder.open], [true, false])
  assert.equal(statSync(folder.path).mode & 0o777, 0o700)
  loadKey(folder, 'noise.key', nodePrimitives)
  assert.equal(statSync(join(folder.path, 'noise.key')).mode & 0o777, 0o600)
  assert.deepEqual(readdirSync(folder.path), ['noise.key'], 'no draft is left')
})

test('a folder that cannot be is refused, and at once', { skip: process.platform !== 'linux' && 'needs /proc' }, () => {
  assert.throws(
    () => openFolder('/proc/sett/data'),
    invalid(/Cannot use the data folder \/proc\/sett\/data: the system makes no folder there/),
  )
  const file = join(top, 'file')
  writeFileSync(file, '')
  assert.throws(() => openFolder(file), invalid(/it is a file/))
  assert.throws(() => openFolder(join(file, 'below')), invalid(/one of the folders above it is a file/))
})

test('a folder that others may look into is said to be so', () => {
  const path = join(top, 'open')
  mkdirSync(path)
  chmodSync(path, 0o755)
  assert.deepEqual(openFolder(path), { path, fresh: false, open: true })
})

test('a key stays what it was, to the byte', () => {
  const folder = openFolder(join(top, 'stable'))
  const first = loadKey(folder, 'k', nodePrimitives).revealText()
  const file = readFileSync(join(folder.path, 'k'), 'utf8')
  assert.equal(loadKey(openFolder(folder.path), 'k', nodePrimitives).revealText(), first)
  assert.equal(readFileSync(join(folder.path, 'k'), 'utf8'), file)
  assert.notEqual(loadKey(folder, 'other', nodePrimitives).revealText(), first)
})

test('a damaged key is neither used nor replaced, nor shown', () => {
  const folder = openFolder(join(top, 'damaged'))
  for (const text of ['', 'privkey:abc', `privkey:${'0'.repeat(63)}`, 'hunter2']) {
    writeFileSync(join(folder.path, 'k'), text)
    assert.throws(
      () => loadKey(folder, 'k', nodePrimitives),
      (error: unknown) => invalid(/want "privkey:"/)(error) && !(error as Error).message.includes('hunter2'),
    )
    assert.equal(readFileSync(join(folder.path, 'k'), 'utf8'), text)
  }
})

test('a folder that can’t be one is refused', () => {
  writeFileSync(join(top, 'file'), '')
  assert.throws(() => openFolder(join(top, 'file', 'x')), invalid(/Cannot use the data folder/))
  assert.throws(() => openFolder(join(top, 'file')), invalid(/Cannot use the data folder/))
})

test('a file is written whole, and over an older one', () => {
  const file = join(top, 'whole')
  writeWhole(file, 'first')
  writeWhole(file, 'second')
  assert.equal(readFileSync(file, 'utf8'), 'second')
  assert.throws(() => writeWhole(join(top, 'nowhere', 'x'), ''), invalid(/Cannot write/))
})

test('a text is made once and kept, and never replaced when damaged', () => {
  const folder = openFolder(join(top, 'texts'))
  const digits = { is: /^\d+$/, want: 'digits' }
  assert.equal(
    keepText(folder, 'id', digits, () => '1'),
    '1',
  )
  assert.equal(
    keepText(folder, 'id', digits, () => '2'),
    '1',
  )
  for (const damaged of ['', 'junk', '1 1']) {
    writeFileSync(join(folder.path, 'id'), damaged)
    assert.throws(() => keepText(folder, 'id', digits, () => '3'), invalid(/id: want digits; restore .* or delete it/))
    assert.equal(readFileSync(join(folder.path, 'id'), 'utf8'), damaged)
  }
})
