/** What clients get of a tailnet's DNS, to the byte, and when: control.md §8, set over the API. */

import { test } from 'node:test'
import assert from 'node:assert/strict'
import { zstdDecompressSync } from 'node:zlib'
import { MemoryStore } from '../../src/coord/store/memory.ts'
import { memoryDatabase } from '../support/ledger.ts'
import type { Answer, Machine } from '../support/world.ts'
import { World } from '../support/world.ts'
import { apiOf } from '../support/world-api.ts'
import type { Api } from '../support/world-api.ts'

const OWN = '/sett/tailnet/-/dns'
const NEW_TAILNET = '"DNSConfig":{"Routes":{"home.sett.internal":[]},"Domains":["home.sett.internal"],"Proxied":true}'

const textsOf = (answer: Answer) => answer.frames.map((frame) => zstdDecompressSync(frame.subarray(4)).toString())
const lastFrame = (machine: Machine) => Buffer.from(machine.stream.frames.at(-1) as Uint8Array).toString('hex')

/** The DNS configuration that a client has after all that its stream said. */
function known(machine: Machine): Record<string, unknown> | undefined {
  return machine.stream.messages.findLast(({ DNSConfig }) => DNSConfig !== undefined)?.DNSConfig
}

interface Setting {
  readonly world: World
  readonly api: Api
  readonly all: readonly Machine[]
}

/** Machines that have read their first maps. */
async function tailnetOf(...names: string[]): Promise<Setting> {
  const world = await World.start()
  const all: Machine[] = []
  for (const name of names) all.push(await world.joined(name))
  await world.pass(5000)
  for (const machine of all) machine.news()
  return { world, api: apiOf(world), all }
}

test('a tailnet that changed nothing has the maps that it always had', async () => {
  const { world, api, all } = await tailnetOf('a')
  const [a] = all as [Machine]
  assert.ok(textsOf(a.stream)[0]?.includes(`,${NEW_TAILNET},`))
  // There and back: a record is written, and says what none says.
  await api('POST', '/tailnet/-/dns/preferences', { magicDNS: false })
  await api('POST', '/tailnet/-/dns/preferences', { magicDNS: true })
  assert.ok(world.state().get('dns', 'current') !== undefined)
  assert.ok(textsOf(await a.map({ Stream: false }))[0]?.includes(`,${NEW_TAILNET},`))
})

test('a change is one message to every stream of the tailnet, of nothing but DNS, made once for all', async () => {
  const { world, api, all } = await tailnetOf('a', 'b', 'c')
  const stranger = await world.joined('stranger', {}, await world.addTailnet('other'))
  stranger.news()
  const rows: readonly [string, string, unknown, string][] = [
    [
      'POST',
      '/tailnet/home/dns/nameservers',
      { dns: ['1.1.1.1'] },
      '"Routes":{"home.sett.internal":[]},"Domains":["home.sett.internal"],"Proxied":true,"FallbackResolvers":[{"Addr":"1.1.1.1"}]',
    ],
    [
      'PATCH',
      '/sett/tailnet/home/dns',
      { overrideLocalDNS: true },
      '"Routes":{"home.sett.internal":[]},"Domains":["home.sett.internal"],"Proxied":true,"Resolvers":[{"Addr":"1.1.1.1"}]',
    ],
    [
      'PATCH',
      '/tailnet/home/dns/split-dns',
      { 'corp.example': ['10.0.0.1'] },
      '"Routes":{"home.sett.internal":[],"corp.example":[{"Addr":"10.0.0.1"}]},"Domains":["home.sett.internal"],"Proxied":true,"Resolvers":[{"Addr":"1.1.1.1"}]',
    ],
    [
      'POST',
      '/tailnet/home/dns/searchpaths',
      { searchPaths: ['corp.example'] },
      '"Routes":{"home.sett.internal":[],"corp.example":[{"Addr":"10.0.0.1"}]},"Domains":["home.sett.internal","corp.example"],"Proxied":true,"Resolvers":[{"Addr":"1.1.1.1"}]',
    ],
    [
      'POST',
      '/tailnet/home/dns/configuration',
      { nameservers: [{ address: '9.9.9.9', useWithExitNode: true }], preferences: { overrideLocalDNS: true } },
      '"Resolvers":[{"Addr":"9.9.9.9","UseWithExitNode":true}]',
    ],
    ['POST', '/tailnet/home/dns/configuration', { preferences: {} }, ''],
    [
      'POST',
      '/sett/tailnet/home/dns/records',
      { name: 'git', value: '100.64.0.9' },
      '"Routes":{"git.home.sett.internal":[]},"ExtraRecords":[{"Name":"git.home.sett.internal","Value":"100.64.0.9"}]',
    ],
    [
      'POST',
      '/sett/tailnet/home/dns/zones',
      { zone: 'lan.example' },
      '"Routes":{"lan.example":[],"git.home.sett.internal":[]},"ExtraRecords":[{"Name":"git.home.sett.internal","Value":"100.64.0.9"}]',
    ],
  ]
  for (const [method, path, body, want] of rows) {
    const began = world.mono()
    await api(method, path, body)
    for (const machine of all)
      assert.deepEqual(machine.news(), [{ DNSConfig: JSON.parse(`{${want}}`) as unknown }], path)
    assert.equal(world.mono(), began, 'at once, since the streams were quiet')
    for (const machine of all) assert.equal(textsOf(machine.stream).at(-1), `{"DNSConfig":{${want}}}`)
    assert.equal(new Set(all.map(lastFrame)).size, 1)
    await world.pass(1000)
  }
  assert.deepEqual(stranger.news(), [])
})

test('what changes nothing for clients is no message', async () => {
  const { world, api, all } = await tailnetOf('a', 'b')
  // There is nothing to override with.
  await api('PATCH', OWN, { overrideLocalDNS: true })
  await api('POST', '/tailnet/-/dns/searchpaths', { searchPaths: ['home.sett.internal'] })
  await world.pass(1000)
  for (const machine of all) assert.deepEqual(machine.news(), [])
})

test('changes in a row, and others along with them, are one message that says how it came out', async () => {
  const { world, api, all } = await tailnetOf('a', 'b')
  const [a, b] = all as [Machine, Machine]
  a.stream.slow = true
  world.coord.maps.push(world.tailnet.num, a.node.id, { Filler: Array.from({ length: 9000 }, (_, i) => `${i * i}`) })
  assert.ok(a.stream.queued > 32 << 10)
  a.news()
  for (const dns of [['1.1.1.1'], ['8.8.8.8'], ['9.9.9.9']]) await api('POST', '/tailnet/-/dns/nameservers', { dns })
  b.endpoints = ['198.51.100.1:7']
  await b.lite()
  await world.pass(1000)
  assert.deepEqual(a.news(), [])
  a.stream.drain()
  await world.pass(1000)
  const [message, ...more] = a.news()
  assert.deepEqual(more, [])
  assert.deepEqual(message?.DNSConfig?.['FallbackResolvers'], [{ Addr: '9.9.9.9' }])
  assert.deepEqual(
    message?.PeersChangedPatch?.map(({ NodeID }) => NodeID),
    [b.node.id],
  )
  assert.deepEqual(known(b), known(a))
})

test('MagicDNS off takes the tailnet’s domain out of routes and search domains; names stay what they are', async () => {
  const { api, all } = await tailnetOf('a', 'b')
  const [a] = all as [Machine]
  await api('POST', '/tailnet/-/dns/configuration', { searchPaths: ['corp.example'], preferences: {} })
  assert.deepEqual(a.news(), [{ DNSConfig: { Domains: ['corp.example'] } }])
  const [first] = (await a.map({ Stream: false })).messages
  assert.deepEqual(first?.DNSConfig, { Domains: ['corp.example'] })
  assert.deepEqual([first?.Node?.Name, first?.Peers?.[0]?.Name], ['a.home.sett.internal.', 'b.home.sett.internal.'])
})

test('a certificate domain is the node’s own name, and there while HTTPS is on', async () => {
  const { world, api, all } = await tailnetOf('a', 'b')
  const [a, b] = all as [Machine, Machine]
  const domains = () => all.map((machine) => known(machine)?.['CertDomains'])
  assert.deepEqual(domains(), [undefined, undefined])
  assert.ok(!Object.hasOwn(a.stream.messages[0]?.Node?.['CapMap'] as object, 'https'))
  await api('PATCH', '/tailnet/-/settings', { httpsEnabled: true })
  await world.pass(1000)
  assert.deepEqual(domains(), [['a.home.sett.internal'], ['b.home.sett.internal']])
  assert.ok(Object.hasOwn(a.news().at(-1)?.Node?.['CapMap'] as object, 'https'))
  b.news()
  await world.change(a.node.id, () => ({ name: 'web', named: true }))
  await world.pass(1000)
  assert.deepEqual(domains(), [['web.home.sett.internal'], ['b.home.sett.internal']])
  assert.ok(
    b.news().every(({ DNSConfig }) => DNSConfig === undefined),
    'another’s name is no news of DNS',
  )
  await api('PATCH', OWN, { records: [{ name: 'git', value: '100.64.0.9' }] })
  await world.pass(1000)
  for (const machine of all) {
    const fresh = await machine.map({ Stream: false })
    assert.deepEqual(known(machine), fresh.messages[0]?.DNSConfig)
    assert.equal((known(machine)?.['ExtraRecords'] as unknown[] | undefined)?.length, 1)
  }
  await api('PATCH', '/tailnet/-/settings', { httpsEnabled: false })
  await world.pass(1000)
  assert.deepEqual(domains(), [undefined, undefined])
})

test('a node that policy gives a NextDNS profile of its own is sent there, from its attribute on', async () => {
  const { world, api, all } = await tailnetOf('a', 'b')
  const [a, b] = all as [Machine, Machine]
  const asked = () => all.map((machine) => (known(machine)?.['Resolvers'] as { Addr: string }[] | undefined)?.[0]?.Addr)
  const [all1, own] = ['https://dns.nextdns.io/aaaa11', 'https://dns.nextdns.io/bbbb22']
  await api('PATCH', OWN, { overrideLocalDNS: true, nameservers: [{ address: all1 }, { address: '9.9.9.9' }] })
  await world.pass(1000)
  assert.deepEqual(asked(), [all1, all1])
  const policy = (target: string) =>
    api('POST', '/tailnet/-/acl', {
      grants: [{ src: ['*'], dst: ['*'], ip: ['*'] }],
      nodeAttrs: [{ target: [target], attr: ['nextdns:bbbb22', 'nextdns:no-device-info', 'magicdns-aaaa'] }],
    })
  await policy(b.node.ipv4)
  await world.pass(1000)
  assert.deepEqual(asked(), [all1, own])
  const attributes = b.news().findLast(({ Node }) => Node !== undefined)?.Node?.['CapMap'] as object
  for (const name of ['nextdns:bbbb22', 'magicdns-aaaa']) assert.ok(Object.hasOwn(attributes, name), name)
  a.news()
  await policy(a.node.ipv4)
  await world.pass(1000)
  assert.deepEqual(asked(), [own, all1])
  for (const machine of all)
    assert.deepEqual(known(machine), (await machine.map({ Stream: false })).messages[0]?.DNSConfig)
})

test('peers are told of a node whose subdomains are its own', async () => {
  const { world, api, all } = await tailnetOf('a', 'b')
  const [a, b] = all as [Machine, Machine]
  const capabilities = () => Object.keys((a.peers().get(b.node.id)?.['CapMap'] as object | undefined) ?? {})
  const policy = (nodeAttrs: readonly unknown[]) =>
    api('POST', '/tailnet/-/acl', { grants: [{ src: ['*'], dst: ['*'], ip: ['*'] }], nodeAttrs })
  assert.deepEqual(capabilities(), [])
  await policy([{ target: [b.node.ipv4], attr: ['dns-subdomain-resolve', 'magicdns-aaaa'] }])
  await world.pass(1000)
  assert.deepEqual(capabilities(), ['dns-subdomain-resolve'])
  await policy([])
  await world.pass(1000)
  assert.deepEqual(capabilities(), [])
})

test('two servers on one store tell of a change, whichever was asked', async () => {
  const database = memoryDatabase()
  const [one, two] = [
    await World.start({ store: new MemoryStore(database), server: 'one' }),
    await World.start({ store: new MemoryStore(database), server: 'two' }),
  ]
  const a = await one.joined('a')
  await apiOf(two)('POST', '/tailnet/-/dns/searchpaths', { searchPaths: ['corp.example'] })
  await one.pass(1000)
  assert.deepEqual(known(a)?.['Domains'], ['home.sett.internal', 'corp.example'])
})
