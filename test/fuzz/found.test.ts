/** What fuzzing has found once, each as a plain case. */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { utf8 } from '../../src/base/bytes.ts'
import { verifyBackup } from '../../src/coord/io/store/backup-file.ts'
import { decodeClientInfo } from '../../src/wire/derp/info.ts'
import { RestWorld } from '../support/rest-world.ts'
import { World } from '../support/world.ts'

test('whatever a client sends, the answer is a status and not an error in the server', async () => {
  const world = await World.start()
  const client = await world.joined()
  for (const body of ['null', '', '[]', '{"NodeKey":1}'])
    for (const path of ['/machine/set-dns', '/machine/map', '/machine/register'])
      assert.equal((await client.send('POST', path, body)).status, 400, `${path} ${body}`)
})

test('a login name that is short in characters and long in bytes is refused', async () => {
  const world = await RestWorld.make()
  const told = await world.ask('POST', '/sett/tailnet/alpha/users', {
    server: true,
    body: { loginName: '漢'.repeat(200) },
  })
  assert.equal(told.status, 400)
  assert.match(told.text, /254 bytes/)
})

test('a relay client’s version is 0 where it says -0, and no number beyond all', () => {
  assert.ok(Object.is(decodeClientInfo(utf8('{"version":-0}'))?.version, 0))
  assert.equal(decodeClientInfo(utf8('{"version":1e300}')), undefined)
})

test('a backup of a time that has no text is no good backup', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sett-found-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'backup')
  writeFileSync(file, gzipSync('{"sett":"backup","format":1,"at":9007199254740991}\n'))
  await assert.rejects(verifyBackup(file), { code: 'store/corrupt', message: /its head has no time/ })
})
