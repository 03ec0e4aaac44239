import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MeshError } from '../../base/errors.ts'
import { openCeiling } from './ceiling-file.ts'

const isRoot = process.getuid?.() === 0
const NOBODY = 65_534

describe('the ceiling’s file', () => {
  const dir = mkdtempSync(join(tmpdir(), 'ceiling-'))
  after(() => rmSync(dir, { recursive: true, force: true }))
  const made = (name: string, text = '{"forbid": ["ssh"]}'): string => {
    const path = join(dir, name)
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, text, { mode: 0o644 })
    return path
  }
  const refused = (path: string, why: RegExp): void =>
    assert.throws(
      () => openCeiling(path),
      (error) => error instanceof MeshError && error.code === 'config/invalid' && why.test(error.message),
    )

  test('root’s own is read', { skip: !isRoot }, () => {
    assert.deepEqual([...openCeiling(made('good.json')).forbids], ['ssh'])
  })

  test('one that anybody else could have written is refused, with the reason', { skip: !isRoot }, () => {
    const rows: readonly (readonly [string, (path: string) => string | void, RegExp])[] = [
      ['owner', (path) => chownSync(path, NOBODY, 0), /belongs to user 65534/],
      ['group', (path) => chmodSync(path, 0o664), /others than root may write .*mode 664/],
      ['world', (path) => chmodSync(path, 0o646), /others than root may write/],
      ['folder/file', (path) => chmodSync(join(path, '..'), 0o777), /others than root may write/],
      ['theirs/file', (path) => chownSync(join(path, '..'), NOBODY, 0), /belongs to user 65534/],
      [
        'link',
        (path) => {
          chmodSync(path, 0o666)
          symlinkSync(path, `${path}.link`)
          return `${path}.link`
        },
        /others than root may write/,
      ],
      ['folder-itself/x', (path) => join(path, '..'), /it is no file/],
      ['text', (path) => writeFileSync(path, '{"forbid": ["shh"]}'), /unknown word "shh"/],
    ]
    for (const [name, change, why] of rows) {
      const path = made(name)
      refused(change(path) ?? path, why)
    }
  })

  test('one that was named must be there', () => {
    refused(join(dir, 'nowhere.json'), /ENOENT/)
  })

  test('whoever is not root can’t make one', { skip: isRoot }, () => {
    refused(made('mine.json'), /must belong to root/)
  })
})
