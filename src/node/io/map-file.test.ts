import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { textOf, utf8 } from '../../base/bytes.ts'
import { MapFile } from './map-file.ts'

test('a map is kept for its owner alone, grows, is replaced, and goes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sett-map-'))
  try {
    const path = join(folder, 'map')
    const file = new MapFile(path)
    const kept = (): string | undefined => {
      const bytes = file.read()
      return bytes && textOf(bytes)
    }
    assert.equal(kept(), undefined)
    assert.equal(file.write('replace', utf8('one')), undefined)
    assert.equal(file.write('append', utf8(' two')), undefined)
    assert.equal(kept(), 'one two')
    assert.equal(statSync(path).mode & 0o777, 0o600)
    assert.equal(file.write('replace', utf8('three')), undefined)
    assert.equal(kept(), 'three')
    // Where it can't be written, nothing of it stays, and the reason is told.
    mkdirSync(`${path}.new`)
    assert.match(file.write('replace', utf8('four')) ?? '', /EISDIR/)
    assert.equal(kept(), undefined)
    file.remove()
  } finally {
    rmSync(folder, { recursive: true })
  }
})
