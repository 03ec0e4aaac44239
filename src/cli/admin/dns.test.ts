/** `sett admin dns` over the socket of a server. */

import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { AdminWorld } from '../../../test/support/admin-world.ts'

const at = await AdminWorld.make()
after(() => at.close())

const dns = (...args: string[]) => at.admin('dns', ...args)

test('everything is set, shown and taken away again', async () => {
  const rows: readonly [readonly string[], RegExp][] = [
    [['magicdns', 'off'], /^magicdns is off$/m],
    [['magicdns', 'on'], /^magicdns is on$/m],
    [['override', 'on'], /^override is on$/m],
    [['nameservers', '--use-with-exit-node', '9.9.9.9'], /^Devices ask 9\.9\.9\.9$/m],
    [['nameservers', '1.1.1.1', '[2606:4700:4700::1111]:53'], /^Devices ask 1\.1\.1\.1, \[2606:4700:4700::1111\]:53$/m],
    [['split', 'corp.example', '10.0.0.1,10.0.0.2'], /^corp\.example: Devices ask 10\.0\.0\.1, 10\.0\.0\.2$/m],
    [['split', 'gone.example', '10.0.0.9'], /./],
    [['split', 'gone.example', 'none'], /^gone\.example: nobody is asked$/m],
    [['search', 'corp.example', 'lab.example'], /^Search domains: corp\.example, lab\.example$/m],
    [['zones', 'add', 'Lan.Example'], /^Devices answer for lan\.example themselves$/m],
    [['records', 'add', 'grafana', '100.64.0.9'], /^grafana\.alpha\.sett\.internal is 100\.64\.0\.9$/m],
    [['records', 'add', 'nas.lan.example', '192.0.2.7'], /./],
    [['records', 'add', 'nas.lan.example', '2001:db8::7'], /./],
    [['records', 'rm', 'nas.lan.example', '192.0.2.7'], /^Removed nas\.lan\.example 192\.0\.2\.7$/m],
  ]
  for (const [args, want] of rows) assert.match(await dns(...args), want, args.join(' '))
  assert.equal(
    await dns('get'),
    `Domain:      alpha.sett.internal
MagicDNS:    on
Nameservers: 1.1.1.1, [2606:4700:4700::1111]:53
Override:    on: asked instead of a device’s own
Search:      alpha.sett.internal, corp.example, lab.example
Zones:       lan.example

SPLIT DNS     NAMESERVERS
corp.example  10.0.0.1, 10.0.0.2

RECORD                       TYPE  VALUE
grafana.alpha.sett.internal  A     100.64.0.9
nas.lan.example              AAAA  2001:db8::7
`,
  )
  assert.match(await dns('records', 'list'), /^grafana\.alpha\.sett\.internal +A +100\.64\.0\.9$/m)
  assert.match(await dns('zones', 'list'), /^lan\.example$/m)
  await dns('nameservers', 'none')
  await dns('search', 'none')
  await dns('split', 'corp.example', 'none')
  await dns('records', 'rm', 'grafana')
  await dns('records', 'rm', 'nas.lan.example')
  await dns('zones', 'rm', 'lan.example')
  await dns('override', 'off')
  assert.equal(
    await dns('get'),
    `Domain:      alpha.sett.internal
MagicDNS:    on
Nameservers: none
Override:    off: asked where a device has no others
Search:      alpha.sett.internal
Zones:       none
`,
  )
  assert.match(await dns('records', 'list'), /^No records\.$/m)
  assert.match(await dns('zones', 'list'), /^No zones\.$/m)
})

test('whoever sets nameservers that nobody is to prefer is told so', async () => {
  const { code, out, err } = await at.ran('dns', 'nameservers', '1.1.1.1')
  assert.deepEqual([code, out], [0, 'Devices ask 1.1.1.1\n'])
  assert.match(err, /dns override on/)
  await dns('nameservers', 'none')
})

test('programs get what the API answers', async () => {
  const added = await at.adminJson('dns', 'records', 'add', 'wiki', '2001:db8::1')
  assert.deepEqual(added, { name: 'wiki.alpha.sett.internal', type: 'AAAA', value: '2001:db8::1' })
  assert.deepEqual(await at.adminJson('dns', 'records', 'list'), { records: [added] })
  assert.deepEqual(await at.adminJson('dns', 'zones', 'list'), { zones: [] })
  assert.deepEqual((await at.adminJson('dns', 'override', 'on')).overrideLocalDNS, true)
  assert.deepEqual((await at.adminJson('dns', 'get')).records, [added])
  assert.deepEqual(await at.adminJson('dns', 'records', 'rm', 'wiki'), {})
})

test('what is wrong is told by the server, or as a wrong command line', async () => {
  const rows: readonly [readonly string[], number, RegExp][] = [
    [['nameservers', 'dns.example'], 1, /"dns\.example" is no nameserver/],
    [['nameservers', '1.1.1.1', 'none'], 2, /stands alone/],
    [['split', '*.example', '1.1.1.1'], 1, /without "\*\."/],
    [['search', 'a..b'], 1, /labels/],
    [['records', 'rm', 'nobody'], 1, /record not found/],
    [['records', 'add', 'laptop', '192.0.2.1'], 1, /a device is called "laptop"/],
    [['zones', 'rm', 'nobody.example'], 1, /zone not found/],
    [['magicdns', 'maybe'], 2, /on, off/],
    [['nameservers'], 2, /missing/],
  ]
  for (const [args, code, message] of rows) {
    const told = await at.ran('dns', ...args)
    assert.equal(told.code, code, args.join(' '))
    assert.match(told.err, message)
  }
})
