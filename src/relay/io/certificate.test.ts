import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { DAY_MS } from '../../base/clock.ts'
import { MeshError } from '../../base/errors.ts'
import { nodeKeyOf } from '../../base/keys.ts'
import { bytes, golden } from '../../../test/support/golden.ts'
import type { GoldenCase } from '../../../test/support/golden.ts'
import { makeSelfSigned } from '../../crypto/io/self-signed.ts'
import { makeMetaCertificate, metaTbs, pinOf, readMetaCertificate } from './certificate.ts'
import { keepCertificate } from './keep-certificate.ts'

interface Case extends GoldenCase {
  readonly der: string
  readonly serial: string
  readonly server_public: string
  readonly not_before: string
}

const NOW = new Date('2026-01-02T03:04:05Z')
const HOSTS = ['relay.example.com', '192.0.2.7', '2001:db8::7']

for (const c of golden<Case>('derp.json', 'meta-cert')) {
  const key = nodeKeyOf(bytes(c.server_public))
  test('meta certificate: the golden one is read', () =>
    assert.deepEqual(readMetaCertificate(bytes(c.der)), { key, version: Number(c.serial) }))

  test('meta certificate: what is signed is written as in the golden one', () => {
    const spki = new X509Certificate(bytes(c.der)).publicKey.export({ type: 'spki', format: 'der' })
    const now = new Date(Date.parse(c.not_before) + 30 * DAY_MS)
    const tbs = Buffer.from(metaTbs(key, spki, now)).toString('hex')
    assert.equal(c.der.slice(8, 8 + tbs.length), tbs)
  })

  test('meta certificate: ours verifies and is read back', () => {
    const certificate = new X509Certificate(makeMetaCertificate(key, NOW))
    assert.ok(certificate.verify(certificate.publicKey))
    assert.equal(certificate.ca, false)
    assert.deepEqual(readMetaCertificate(certificate.raw), { key, version: 2 })
  })
}

test('meta certificate: others are not taken for one', () => {
  const other = new X509Certificate(makeSelfSigned(HOSTS, NOW).cert)
  assert.equal(readMetaCertificate(other.raw), undefined)
  assert.equal(readMetaCertificate(bytes('3003020101')), undefined)
})

test('self-signed: names every host, for ten years, and signs itself', () => {
  const made = makeSelfSigned(HOSTS, NOW)
  const certificate = new X509Certificate(made.cert)
  assert.equal(certificate.checkHost('relay.example.com'), 'relay.example.com')
  assert.equal(certificate.checkHost('other.example.com'), undefined)
  assert.equal(certificate.checkIP('192.0.2.7'), '192.0.2.7')
  assert.notEqual(certificate.checkIP('2001:db8::7'), undefined)
  assert.equal(certificate.checkIP('192.0.2.8'), undefined)
  assert.ok(certificate.verify(certificate.publicKey))
  assert.equal(certificate.ca, false)
  assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1'])
  assert.ok(certificate.validFromDate < NOW && certificate.validToDate > new Date('2035-12-01'))
  assert.match(certificate.serialNumber, /^[4-7]/, 'positive')
})

test('self-signed: years from 2050 on are written with four digits', () => {
  const certificate = new X509Certificate(makeSelfSigned(HOSTS, new Date('2045-01-01T00:00:00Z')).cert)
  assert.equal(certificate.validToDate.getUTCFullYear(), 2054)
})

test('pin: the hash of the certificate alone, whatever follows in the chain', () => {
  const made = makeSelfSigned(HOSTS, NOW)
  const hash = createHash('sha256').update(new X509Certificate(made.cert).raw).digest('hex')
  assert.equal(pinOf(made.cert + makeSelfSigned(['x'], NOW).cert), `sha256-raw:${hash}`)
})

const refusesDamage = (e: unknown) =>
  e instanceof MeshError && e.code === 'config/invalid' && /relay-certificate\.pem: want .*delete it/.test(e.message)

test('kept certificate: made once, private, replaced for another host or near its end, and never when damaged', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'relay-'))
  try {
    const data = join(folder, 'data')
    const first = await keepCertificate(data, HOSTS, NOW)
    assert.deepEqual(await keepCertificate(data, HOSTS.slice(0, 2), NOW), first)
    assert.equal((await stat(join(data, 'relay-certificate.pem'))).mode & 0o777, 0o600)
    const moved = await keepCertificate(data, ['new.example.com'], NOW)
    assert.notEqual(pinOf(moved.cert), pinOf(first.cert))
    const later = await keepCertificate(data, ['new.example.com'], new Date(NOW.getTime() + 3640 * DAY_MS))
    assert.notEqual(pinOf(later.cert), pinOf(moved.cert))
    const other = makeSelfSigned(HOSTS, NOW)
    for (const damaged of [
      '',
      'no certificate',
      later.cert,
      later.cert + other.key,
      `${later.cert}${later.key}`.slice(30),
    ]) {
      await writeFile(join(data, 'relay-certificate.pem'), damaged)
      await assert.rejects(keepCertificate(data, HOSTS, NOW), refusesDamage)
      assert.equal(await readFile(join(data, 'relay-certificate.pem'), 'utf8'), damaged)
    }
  } finally {
    await rm(folder, { recursive: true })
  }
})
