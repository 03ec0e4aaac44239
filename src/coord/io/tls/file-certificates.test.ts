/** A certificate that the operator gives as files: read again when they change, and kept when they cannot be used. */

import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { HOUR_MS } from '../../../base/clock.ts'
import type { Wall } from '../../../base/clock.ts'
import { makeSelfSigned } from '../../../crypto/io/self-signed.ts'
import type { CertifiedKey } from '../../../crypto/io/self-signed.ts'
import type { Log } from '../log.ts'
import { troubleOf } from './certificates.ts'
import { FileCertificates } from './file-certificates.ts'
import { validityOf } from './pair.ts'

const NOW = Date.UTC(2026, 10, 24) as Wall
const make = (days = 90) => makeSelfSigned(['sett.test'], new Date(NOW), { days })

function open() {
  const folder = mkdtempSync(join(tmpdir(), 'sett-tls-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  const write = ({ cert, key }: Partial<CertifiedKey>): void => {
    // By renaming, as whoever renews certificates does.
    for (const [file, text] of [
      [files.cert, cert],
      [files.key, key],
    ] as const) {
      if (text === undefined) continue
      writeFileSync(`${file}.new`, text)
      renameSync(`${file}.new`, file)
    }
  }
  const first = make()
  write(first)
  const logged: string[] = []
  const note = (event: string, fields?: object) => void logged.push(`${event} ${JSON.stringify(fields)}`)
  const log: Log = { trace: note, debug: note, info: note, warn: note, error: note }
  // Looked at by hand.
  const certificates = new FileCertificates(files, { log, wall: () => NOW, lookMs: HOUR_MS })
  after(() => certificates.close())
  const shown: CertifiedKey[] = []
  certificates.follow((pair) => shown.push(pair))
  return { folder, files, write, first, logged, certificates, shown }
}

test('files that are renewed are shown from then on; as long as they stay, nothing happens', () => {
  const { write, first, certificates, shown, logged } = open()
  certificates.look()
  write(first)
  certificates.look()
  assert.deepEqual(shown, [])
  const second = make()
  write(second)
  certificates.look()
  certificates.look()
  assert.deepEqual(shown, [second])
  assert.deepEqual(certificates.current, second)
  assert.deepEqual(certificates.state, { until: validityOf(second.cert).until })
  assert.deepEqual(
    logged.map((line) => line.split(' {')[0]),
    ['certificate replaced'],
  )
})

test('a link that leads to other files is followed', () => {
  const { folder, files, certificates, shown } = open()
  const second = make()
  for (const name of ['cert', 'key'] as const) {
    const target = join(folder, `archive-${name}.pem`)
    writeFileSync(target, second[name])
    unlinkSync(files[name])
    symlinkSync(target, files[name])
  }
  certificates.look()
  assert.deepEqual(shown, [second])
})

test('between two files nothing is wrong; what stays wrong is said once, and the old one shown until it is right', () => {
  const { files, write, first, certificates, shown, logged } = open()
  const second = make()
  write({ cert: second.cert })
  certificates.look()
  assert.deepEqual([certificates.current, certificates.failures, logged], [first, 0, []])
  certificates.look()
  certificates.look()
  assert.equal(certificates.failures, 1)
  assert.equal(logged.length, 1)
  assert.match(logged[0] as string, /^certificate not replaced, the old one stays .*the key is of another certificate/)
  assert.match(
    troubleOf(certificates.state, NOW) ?? '',
    /could not be replaced at 2026-11-24T00:00:00Z and is good until 2027-02-22/,
  )
  // Another trouble is another line.
  unlinkSync(files.key)
  certificates.look()
  certificates.look()
  assert.match(logged[1] as string, /ENOENT/)
  write({ key: second.key })
  certificates.look()
  assert.deepEqual(shown, [second])
  assert.equal(troubleOf(certificates.state, NOW), undefined)
})

test('what is said to everybody: nothing while all is well', () => {
  const until = NOW
  const failure = { at: NOW, why: 'a secret place' }
  const rows = [
    [{}, 0, 'there is no certificate yet'],
    [{ failure }, 0, 'there is no certificate yet'],
    [{ until }, -1, undefined],
    [{ until }, 0, 'the certificate ran out at 2026-11-24T00:00:00Z'],
    [
      { until, failure },
      -1,
      'the certificate could not be replaced at 2026-11-24T00:00:00Z and is good until 2026-11-24T00:00:00Z',
    ],
  ] as const
  for (const [state, after, want] of rows) assert.equal(troubleOf(state, (NOW + after) as Wall), want)
})
