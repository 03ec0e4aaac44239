/** What maps say of a tailnet's DNS, as tables. (control.md §8.1) */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readDnsConfig } from '../../wire/dns-config.ts'
import { DEFAULT_DNS } from '../model/dns.ts'
import type { DnsRecord, Nameserver } from '../model/dns.ts'
import { DnsTexts, profileIn } from './dns.ts'

const at = (address: string, useWithExitNode = false): Nameserver => ({ address, useWithExitNode })
const record = (name: string, value: string) => ({ name, type: value.includes(':') ? 'AAAA' : 'A', value }) as const
const HOME = 'home.sett.internal'
const OFF = { magicDNS: false }

const rows: readonly { readonly name: string; readonly dns: Partial<DnsRecord>; readonly want: string }[] = [
  {
    name: 'a new tailnet',
    dns: {},
    want: '{"Routes":{"home.sett.internal":[]},"Domains":["home.sett.internal"],"Proxied":true}',
  },
  { name: 'MagicDNS off, and nothing else', dns: OFF, want: '{}' },
  {
    name: 'nameservers, for want of better ones',
    dns: { ...OFF, nameservers: [at('1.1.1.1'), at('2606:4700:4700::1111', true)] },
    want: '{"FallbackResolvers":[{"Addr":"1.1.1.1"},{"Addr":"2606:4700:4700::1111","UseWithExitNode":true}]}',
  },
  {
    name: 'nameservers instead of those of the system',
    dns: { ...OFF, overrideLocalDNS: true, nameservers: [at('9.9.9.9'), at('192.0.2.1:5353')] },
    want: '{"Resolvers":[{"Addr":"9.9.9.9"},{"Addr":"192.0.2.1:5353"}]}',
  },
  { name: 'nothing to override with', dns: { ...OFF, overrideLocalDNS: true }, want: '{}' },
  {
    name: 'split DNS, spelt as people do',
    dns: {
      ...OFF,
      splitDNS: [
        { domain: 'Corp.Example.', nameservers: [at('10.0.0.53')] },
        { domain: '10.in-addr.arpa', nameservers: [at('10.0.0.53', true)] },
      ],
    },
    want: '{"Routes":{"corp.example":[{"Addr":"10.0.0.53"}],"10.in-addr.arpa":[{"Addr":"10.0.0.53","UseWithExitNode":true}]}}',
  },
  {
    name: 'search domains behind the own one, each once',
    dns: { searchPaths: ['corp.example', 'Home.Sett.Internal', 'corp.example.'] },
    want: '{"Routes":{"home.sett.internal":[]},"Domains":["home.sett.internal","corp.example"],"Proxied":true}',
  },
  {
    name: 'search domains alone',
    dns: { ...OFF, searchPaths: ['b.example', 'a.example'] },
    want: '{"Domains":["b.example","a.example"]}',
  },
  {
    name: 'a record under the own domain needs no route of its own',
    dns: { records: [record('git.home.sett.internal', '100.64.0.9')] },
    want:
      '{"Routes":{"home.sett.internal":[]},"Domains":["home.sett.internal"],"Proxied":true,' +
      '"ExtraRecords":[{"Name":"git.home.sett.internal","Value":"100.64.0.9"}]}',
  },
  {
    name: 'and needs one while MagicDNS is off',
    dns: { ...OFF, records: [record('git.home.sett.internal', '100.64.0.9')] },
    want: '{"Routes":{"git.home.sett.internal":[]},"ExtraRecords":[{"Name":"git.home.sett.internal","Value":"100.64.0.9"}]}',
  },
  {
    name: 'a zone, and a record in it of either family',
    dns: {
      ...OFF,
      zones: ['lan.example'],
      records: [record('nas.lan.example', '192.0.2.7'), record('nas.lan.example', '2001:db8::7')],
    },
    want:
      '{"Routes":{"lan.example":[]},"ExtraRecords":[{"Name":"nas.lan.example","Value":"192.0.2.7"},' +
      '{"Name":"nas.lan.example","Value":"2001:db8::7"}]}',
  },
  {
    name: 'a record under a domain that others answer for, and one nowhere',
    dns: {
      ...OFF,
      splitDNS: [{ domain: 'corp.example', nameservers: [at('10.0.0.53')] }],
      records: [record('wiki.corp.example', '192.0.2.7'), record('alone', '192.0.2.8')],
    },
    want:
      '{"Routes":{"corp.example":[{"Addr":"10.0.0.53"}],"wiki.corp.example":[],"alone":[]},' +
      '"ExtraRecords":[{"Name":"wiki.corp.example","Value":"192.0.2.7"},{"Name":"alone","Value":"192.0.2.8"}]}',
  },
  {
    name: 'the nearest route counts: a zone in a domain that others answer for',
    dns: {
      ...OFF,
      splitDNS: [{ domain: 'example', nameservers: [at('10.0.0.53')] }],
      zones: ['lan.example'],
      records: [record('nas.lan.example', '192.0.2.7')],
    },
    want:
      '{"Routes":{"lan.example":[],"example":[{"Addr":"10.0.0.53"}]},' +
      '"ExtraRecords":[{"Name":"nas.lan.example","Value":"192.0.2.7"}]}',
  },
  {
    name: 'nobody takes the own domain over, whatever the tailnet came to be called later',
    dns: { splitDNS: [{ domain: HOME, nameservers: [at('10.0.0.53')] }], zones: [HOME] },
    want: '{"Routes":{"home.sett.internal":[]},"Domains":["home.sett.internal"],"Proxied":true}',
  },
  {
    name: 'names like those of objects’ own members',
    dns: { ...OFF, splitDNS: [{ domain: '__proto__', nameservers: [at('10.0.0.53')] }], zones: ['constructor'] },
    want: '{"Routes":{"constructor":[],"__proto__":[{"Addr":"10.0.0.53"}]}}',
  },
]

test('every setting has its place in the map, and what says nothing is left out', () => {
  for (const { name, dns, want } of rows) {
    const { json } = new DnsTexts(HOME, { ...DEFAULT_DNS, ...dns }).of({})
    assert.equal(json, want, name)
    // As a client reads it.
    readDnsConfig(JSON.parse(json), 'DNSConfig')
  }
})

test('certificate domains and NextDNS profiles are one node’s, all else is one text for all', () => {
  const nextDns = { ...DEFAULT_DNS, ...OFF, nameservers: [at('https://dns.nextdns.io/abc123', true), at('1.1.1.1')] }
  const plain = { ...DEFAULT_DNS, ...OFF, nameservers: [at('1.1.1.1')] }
  const told = (dns: DnsRecord, own: Parameters<DnsTexts['of']>[0]) => JSON.parse(new DnsTexts(HOME, dns).of(own).json)
  assert.deepEqual(told({ ...DEFAULT_DNS, ...OFF }, { certDomain: 'a.home' }), { CertDomains: ['a.home'] })
  assert.deepEqual(told(plain, { certDomain: 'a.home', profile: 'ff' }), {
    CertDomains: ['a.home'],
    FallbackResolvers: [{ Addr: '1.1.1.1' }],
  })
  assert.deepEqual(told(nextDns, { profile: 'ff00' }), {
    FallbackResolvers: [{ Addr: 'https://dns.nextdns.io/ff00', UseWithExitNode: true }, { Addr: '1.1.1.1' }],
  })
  const texts = new DnsTexts(HOME, nextDns)
  const keys = [{}, { profile: 'ff00' }, { certDomain: 'a.home' }, { certDomain: 'a.home', profile: 'ff00' }].map(
    (own) => texts.of(own).key,
  )
  assert.equal(new Set(keys).size, keys.length, 'texts that differ have other keys')
  assert.equal(texts.of({ profile: 'ff00' }).json, texts.of({ profile: 'ff00' }).json)
  const ordinary = new DnsTexts(HOME, plain)
  assert.deepEqual(ordinary.of({ profile: 'ff00' }), ordinary.of({}), 'profiles count with NextDNS only')
})

test('it knows whether a change is one, and never gives a key again', () => {
  const texts = new DnsTexts(HOME, DEFAULT_DNS)
  const seen = new Set([texts.of({}).key])
  assert.equal(texts.update(HOME, { ...DEFAULT_DNS, overrideLocalDNS: true }), false)
  for (const [domain, dns] of [
    [HOME, { ...DEFAULT_DNS, ...OFF }],
    [HOME, DEFAULT_DNS],
    ['other.sett.internal', DEFAULT_DNS],
  ] as const) {
    assert.equal(texts.update(domain, dns), true)
    const { key } = texts.of({})
    assert.ok(!seen.has(key))
    seen.add(key)
  }
})

test('the profile of a node is what its attributes say of NextDNS', () => {
  const profile = (...names: string[]) => profileIn(new Map(names.map((name) => [name, null])))
  assert.equal(profile('funnel', 'nextdns:ABC123'), 'abc123')
  assert.equal(profile('nextdns:ff', 'nextdns:0e'), '0e', 'always the same of several')
  for (const other of ['nextdns:', 'nextdns:no-device-info', 'nextdns:xyz', 'nextdns:abc', 'xnextdns:ab', 'https'])
    assert.equal(profile(other), undefined, other)
})
