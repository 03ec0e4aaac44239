/** Headscale's settings, old and new, and what becomes of the DNS in them. */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { dnsWrites } from './dns.ts'
import { readSettings } from './settings.ts'

const top = mkdtempSync(join(tmpdir(), 'sett-settings-'))
after(() => rmSync(top, { recursive: true, force: true }))

function settings(text: string): ReturnType<typeof readSettings> {
  const file = join(top, 'config.yaml')
  writeFileSync(file, text)
  return readSettings(file)
}

const WHOLE = `
server_url: https://vpn.test # where it is
noise:
  private_key_path: /var/lib/headscale/noise_private.key
database:
  type: sqlite
  sqlite:
    path: db.sqlite
oidc:
  issuer: "https://login.test/"
policy:
  mode: file
  path: policy.hujson
dns:
  magic_dns: false
  base_domain: net.test
  override_local_dns: true
  nameservers:
    global: [1.1.1.1, "https://dns.nextdns.io/abc123"]
    split:
      corp.test: [10.0.0.53]
  search_domains: [corp.test]
  extra_records:
    - {name: printer.net.test, type: A, value: 100.64.0.9}
    - {name: grafana.corp.test, type: AAAA, value: "fd7a:115c:a1e0::9"}
    - {name: box.net.test, type: A, value: 100.64.0.9}
    - {name: bad.net.test, type: A, value: nowhere}
`

test('what settings say', () => {
  const { dns, ...rest } = settings(WHOLE)
  assert.deepEqual(rest, {
    serverUrl: 'https://vpn.test',
    baseDomain: 'net.test',
    noiseKey: '/var/lib/headscale/noise_private.key',
    database: join(top, 'db.sqlite'),
    postgres: false,
    policyInDatabase: false,
    policyFile: join(top, 'policy.hujson'),
    oidcIssuer: 'https://login.test/',
  })
  assert.equal(dns?.extraRecords.length, 4)
  assert.equal(settings('policy: {mode: database, path: x}').policyFile, undefined)
  assert.equal(settings('db_type: postgres').postgres, true)
  assert.equal(settings('dns_config: {base_domain: old.test}').baseDomain, 'old.test')
  assert.deepEqual(settings(''), { postgres: false, policyInDatabase: false })
  assert.equal(settings('policy: {mode: database}').policyInDatabase, true)
})

test('DNS as it comes over', () => {
  const notes: string[] = []
  const writes = dnsWrites(settings(WHOLE).dns, 'net.test', new Set(['box']), notes)
  assert.deepEqual(writes, [
    {
      kind: 'dns',
      id: 'current',
      expect: 'absent',
      value: {
        magicDNS: false,
        overrideLocalDNS: true,
        nameservers: [
          { address: '1.1.1.1', useWithExitNode: false },
          { address: 'https://dns.nextdns.io/abc123', useWithExitNode: false },
        ],
        splitDNS: [{ domain: 'corp.test', nameservers: [{ address: '10.0.0.53', useWithExitNode: false }] }],
        searchPaths: ['corp.test'],
        zones: [],
        records: [
          { name: 'printer.net.test', type: 'A', value: '100.64.0.9' },
          { name: 'grafana.corp.test', type: 'AAAA', value: 'fd7a:115c:a1e0::9' },
        ],
      },
    },
    { kind: 'name', id: 'printer', expect: 'absent', value: { node: 0 } },
  ])
  assert.deepEqual(
    notes.map((note) => note.slice(0, 60)),
    [
      'the DNS record box.net.test is not brought over: a device is',
      'the DNS record bad.net.test is not brought over: Cannot set ',
    ],
  )
})

test('records in a file of their own, and settings that are not taken whole', () => {
  writeFileSync(join(top, 'records.json'), JSON.stringify([{ name: 'a.net.test', type: 'A', value: '100.64.0.8' }]))
  const { dns } = settings('dns: {extra_records_path: records.json, nameservers: {global: [dns.test]}}')
  assert.deepEqual(dns?.extraRecords, [{ name: 'a.net.test', value: '100.64.0.8' }])
  const notes: string[] = []
  assert.deepEqual(dnsWrites(dns, 'net.test', new Set(), notes), [])
  assert.match(notes.join(), /^DNS settings are not brought over: .*dns\.test/)
  const lost: string[] = []
  dnsWrites(settings('dns: {extra_records_path: none.json}').dns, 'net.test', new Set(), lost)
  assert.match(lost.join(), /^DNS records are not brought over: .*none\.json: ENOENT/)
  assert.deepEqual(dnsWrites(undefined, 'net.test', new Set(), []), [])
})
