/** A tailnet's DNS over the API: Tailscale's routes and Sett's own. (api-v2.md §4.5, §8.2, §10 items 25 to 27) */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RestWorld } from '../../../test/support/rest-world.ts'

let world: RestWorld
function inWorld(name: string, run: () => Promise<void>): void {
  test(name, async () => {
    world = await RestWorld.make()
    await run()
  })
}

const T = '/tailnet/-/dns'
const OWN = '/sett/tailnet/-/dns'
const SERVER = { server: true } as const
const ask = (method: string, path: string, body?: unknown) => world.ask(method, path, { ...SERVER, body })

async function done(method: string, path: string, body?: unknown) {
  const told = await ask(method, path, body)
  assert.equal(told.status, 200, `${method} ${path} ${JSON.stringify(body)}: ${told.text}`)
  return told.body
}

const NEW = {
  domain: 'alpha.sett.internal',
  magicDNS: true,
  overrideLocalDNS: false,
  nameservers: [],
  splitDNS: {},
  searchPaths: [],
  zones: [],
  records: [],
}

inWorld('a new tailnet has MagicDNS and nothing else, whichever route is asked', async () => {
  const rows: readonly [string, unknown][] = [
    [`${T}/nameservers`, { dns: [] }],
    [`${T}/preferences`, { magicDNS: true }],
    [`${T}/searchpaths`, { searchPaths: [] }],
    [`${T}/split-dns`, {}],
    [
      `${T}/configuration`,
      { nameservers: [], splitDNS: {}, searchPaths: [], preferences: { overrideLocalDNS: false, magicDNS: true } },
    ],
    [`${T}/config`, { resolvers: [], fallbackResolvers: [], routes: {}, domains: [], nameservers: [], proxied: true }],
    [OWN, NEW],
  ]
  for (const [path, want] of rows) assert.deepEqual(await world.get(path), want, path)
})

inWorld(
  '25. emptying the nameservers turns MagicDNS off and says so; on it goes without any, by either route',
  async () => {
    const post = (dns: unknown) => done('POST', `${T}/nameservers`, { dns })
    assert.deepEqual(await post(['1.1.1.1', '2606:4700:4700::1111']), {
      dns: ['1.1.1.1', '2606:4700:4700::1111'],
      magicDNS: true,
    })
    for (const none of [[], null]) {
      await done('POST', `${T}/preferences`, { magicDNS: true })
      assert.deepEqual(await post(none), { dns: [], magicDNS: false })
      assert.deepEqual(await world.get(`${T}/preferences`), { magicDNS: false })
    }
    assert.deepEqual(await post(['1.1.1.1']), { dns: ['1.1.1.1'], magicDNS: false }, 'it does not come back by itself')
    await post([])
    assert.deepEqual(await done('POST', `${T}/preferences`, { magicDNS: true }), { magicDNS: true })
    const preferences = { magicDNS: true, overrideLocalDNS: true }
    assert.deepEqual((await done('POST', `${T}/configuration`, { preferences })).preferences, preferences)
    assert.deepEqual(await world.get(`${T}/nameservers`), { dns: [] })
  },
)

inWorld('26. PATCH of split DNS with null or [] clears that domain alone, PUT of {} clears all', async () => {
  const patch = (body: unknown) => done('PATCH', `${T}/split-dns`, body)
  const put = (body: unknown) => done('PUT', `${T}/split-dns`, body)
  const a = ['10.0.0.1', '10.0.0.2:5353']
  assert.deepEqual(await patch({ 'a.example': a }), { 'a.example': a })
  assert.deepEqual(await patch({ 'b.example': ['10.0.0.3'] }), { 'a.example': a, 'b.example': ['10.0.0.3'] })
  assert.deepEqual(await patch({ 'b.example': null }), { 'a.example': a })
  assert.deepEqual(await patch({ 'c.example': ['10.0.0.4'], 'A.Example.': [] }), { 'c.example': ['10.0.0.4'] })
  assert.deepEqual(await patch({ 'nobody.example': null, '*not a domain*': [] }), { 'c.example': ['10.0.0.4'] })
  assert.deepEqual(await patch({}), { 'c.example': ['10.0.0.4'] })
  assert.deepEqual(await put({ 'd.example': a, 'e.example': null }), { 'd.example': a })
  assert.deepEqual(await put({}), {})
  assert.deepEqual(await world.get(`${T}/split-dns`), {})
})

inWorld('27. a configuration comes back as it went in, its nameservers sorted by address', async () => {
  const at = (address: string, useWithExitNode = false) => ({ address, useWithExitNode })
  const sent = {
    nameservers: [at('9.9.9.9'), at('2620:fe::fe'), at('1.1.1.1', true), at('https://dns.google/dns-query')],
    splitDNS: { 'corp.example': [at('10.0.0.9', true), at('10.0.0.10')], 'lab.example': [at('10.1.0.1')] },
    searchPaths: ['z.example', 'a.example'],
    preferences: { overrideLocalDNS: true, magicDNS: true },
  }
  const want = {
    ...sent,
    nameservers: [sent.nameservers[2], sent.nameservers[1], sent.nameservers[0], sent.nameservers[3]],
    splitDNS: { ...sent.splitDNS, 'corp.example': [at('10.0.0.10'), at('10.0.0.9', true)] },
  }
  assert.deepEqual(await done('POST', `${T}/configuration`, sent), want)
  assert.deepEqual(await world.get(`${T}/configuration`), want)
  assert.deepEqual(await done('POST', `${T}/configuration`, want), want)
  // As sent again, for the order that the lists keep.
  await done('POST', `${T}/configuration`, sent)
  assert.deepEqual(await world.get(`${T}/nameservers`), { dns: sent.nameservers.map(({ address }) => address) })
  // As a Go client writes it: what is false or empty is left out.
  const short = { nameservers: [{ address: '1.1.1.1' }], preferences: { magicDNS: true } }
  assert.deepEqual(await done('POST', `${T}/configuration`, short), {
    nameservers: [at('1.1.1.1')],
    splitDNS: {},
    searchPaths: [],
    preferences: { overrideLocalDNS: false, magicDNS: true },
  })
})

inWorld('an empty configuration resets everything but what is Sett’s own', async () => {
  await done('PATCH', OWN, {
    overrideLocalDNS: true,
    nameservers: [{ address: '1.1.1.1' }],
    splitDNS: { 'corp.example': [{ address: '10.0.0.1' }] },
    searchPaths: ['corp.example'],
    zones: ['lan.example'],
    records: [{ name: 'nas.lan.example', value: '192.0.2.7' }],
  })
  const reset = {
    nameservers: [],
    splitDNS: {},
    searchPaths: [],
    preferences: { overrideLocalDNS: false, magicDNS: false },
  }
  for (const body of [{ preferences: {} }, {}, undefined])
    assert.deepEqual(await done('POST', `${T}/configuration`, body), reset)
  assert.deepEqual(await world.get(OWN), {
    ...NEW,
    magicDNS: false,
    zones: ['lan.example'],
    records: [{ name: 'nas.lan.example', type: 'A', value: '192.0.2.7' }],
  })
})

inWorld('lists of bare addresses keep what is known of exit nodes', async () => {
  const at = (address: string, useWithExitNode: boolean) => ({ address, useWithExitNode })
  await done('PATCH', OWN, {
    nameservers: [at('1.1.1.1', true), at('9.9.9.9', false)],
    splitDNS: { 'corp.example': [at('10.0.0.1', true)] },
  })
  await done('POST', `${T}/nameservers`, { dns: ['8.8.8.8', '1.1.1.1'] })
  await done('PATCH', `${T}/split-dns`, { 'corp.example': ['10.0.0.1', '10.0.0.2'] })
  const { nameservers, splitDNS } = await world.get(OWN)
  assert.deepEqual(nameservers, [at('8.8.8.8', false), at('1.1.1.1', true)])
  assert.deepEqual(splitDNS, { 'corp.example': [at('10.0.0.1', true), at('10.0.0.2', false)] })
})

inWorld('the older form says the same in its own words', async () => {
  const sent = {
    resolvers: [
      { addr: '1.1.1.1', bootstrapResolution: ['1.1.1.1'] },
      { addr: '9.9.9.9', useWithExitNode: true },
    ],
    fallbackResolvers: null,
    routes: { 'corp.example': [{ addr: '10.0.0.1' }], 'lan.example': [], 'more.example': null },
    domains: ['corp.example'],
    nameservers: null,
    proxied: true,
  }
  const want = {
    resolvers: [{ addr: '1.1.1.1' }, { addr: '9.9.9.9', useWithExitNode: true }],
    fallbackResolvers: [],
    routes: { 'lan.example': [], 'more.example': [], 'corp.example': [{ addr: '10.0.0.1' }] },
    domains: ['corp.example'],
    nameservers: [],
    proxied: true,
  }
  assert.deepEqual(await done('POST', `${T}/config`, sent), want)
  assert.deepEqual(await done('POST', `${T}/config`, want), want)
  const { overrideLocalDNS, zones } = await world.get(OWN)
  assert.deepEqual([overrideLocalDNS, zones], [true, ['lan.example', 'more.example']])
  const fallback = await done('POST', `${T}/config`, { fallbackResolvers: [{ addr: '1.1.1.1' }] })
  assert.deepEqual(
    [fallback.resolvers, fallback.fallbackResolvers, fallback.proxied],
    [[], [{ addr: '1.1.1.1' }], false],
  )
  assert.deepEqual((await done('POST', `${T}/config`, { nameservers: ['8.8.8.8'] })).resolvers, [{ addr: '8.8.8.8' }])
  const both = await ask('POST', `${T}/config`, {
    resolvers: [{ addr: '1.1.1.1' }],
    fallbackResolvers: [{ addr: '9.9.9.9' }],
  })
  assert.equal(both.status, 400)
})

inWorld('what is no nameserver is refused by every route, named, and nothing is changed', async () => {
  const bad = [
    ['', /want an IP address/],
    ['dns.example', /want an IP address/],
    ['1.1.1.1 ', /want an IP address/],
    ['01.1.1.1', /want an IP address/],
    ['1.1.1.1:0', /want an IP address/],
    ['1.1.1.1:99999', /want an IP address/],
    ['2001:db8::1:53:', /want an IP address/],
    ['1.1.1.0/24', /want an IP address/],
    ['tls://1.1.1.1', /want an IP address/],
    ['fe80::1%eth0', /names an interface/],
    ['::ffff:1.1.1.1', /want 1\.1\.1\.1/],
    ['100.100.100.100', /in circles/],
    ['100.100.100.100:53', /in circles/],
    ['fd7a:115c:a1e0::53', /in circles/],
    ['0.0.0.0', /nobody/],
    ['::', /nobody/],
    ['255.255.255.255', /nobody/],
    ['[ff02::1]:53', /nobody/],
    ['https://doh.example/dns-query', /no provider that clients know/],
    ['https://dns.nextdns.io/', /no provider that clients know/],
    ['http://192.0.2.1:53/dns-query', /address of a device/],
    ['http://100.64.0.1/dns-query', /address of a device/],
    ['http://100.100.100.100:53/dns-query', /in circles/],
    ['1.1.1.1\n', /want an IP address/],
  ] as const
  for (const [address, message] of bad)
    for (const [method, path, body] of [
      ['POST', `${T}/nameservers`, { dns: ['9.9.9.9', address] }],
      ['PATCH', `${T}/split-dns`, { 'corp.example': [address] }],
      ['PUT', `${T}/split-dns`, { 'corp.example': [address] }],
      ['POST', `${T}/configuration`, { nameservers: [{ address }] }],
      ['POST', `${T}/configuration`, { splitDNS: { 'corp.example': [{ address }] } }],
      ['POST', `${T}/config`, { resolvers: [{ addr: address }] }],
      ['PATCH', OWN, { nameservers: [{ address }] }],
    ] as const) {
      const told = await ask(method, path, body)
      assert.equal(told.status, 400, `${path} ${address}`)
      assert.match(told.body.message, message)
    }
  assert.deepEqual(await world.get(OWN), NEW)
  const good = [
    '1.1.1.1',
    '10.0.0.1:5353',
    '127.0.0.1',
    '2606:4700:4700::1111',
    '[2001:DB8::1]:53',
    'https://dns.nextdns.io/abc123',
    'http://100.64.0.9:8053/dns-query',
    'http://[fd7a:115c:a1e0::9]:8053/dns-query',
  ]
  assert.deepEqual((await done('POST', `${T}/nameservers`, { dns: good })).dns, good)
})

inWorld('a domain that is none is refused, wherever one stands', async () => {
  const long = `${'a'.repeat(60)}.`.repeat(4)
  const bad = [
    ['.', /labels between dots/],
    ['a..example', /labels between dots/],
    ['.example', /labels between dots/],
    ['-a.example', /labels between dots/],
    ['a-.example', /labels between dots/],
    ['a b.example', /labels between dots/],
    ['a.example..', /labels between dots/],
    ['a\u0000.example', /labels between dots/],
    [`${'a'.repeat(64)}.example`, /labels between dots/],
    [`${long}${'b'.repeat(10)}`, /at most 253/],
    ['*.example', /without/],
    ['bücher.example', /xn--/],
    ['10.0.0.1', /not an address/],
  ] as const
  for (const [domain, message] of bad)
    for (const [method, path, body] of [
      ['POST', `${T}/searchpaths`, { searchPaths: [domain] }],
      ['PATCH', `${T}/split-dns`, { [domain]: ['10.0.0.1'] }],
      ['POST', `${T}/configuration`, { searchPaths: [domain] }],
      ['PATCH', OWN, { zones: [domain] }],
      ['POST', `${OWN}/zones`, { zone: domain }],
      ...(domain === '.' || domain === '.example'
        ? []
        : ([['POST', `${OWN}/records`, { name: domain, value: '192.0.2.1' }]] as const)),
    ] as const) {
      const told = await ask(method, path, body)
      assert.equal(told.status, 400, `${path} ${domain}`)
      assert.match(told.body.message, message, domain)
    }
  assert.deepEqual(await world.get(OWN), NEW)
  const good = ['Corp.Example', '_msdcs.corp.example', '10.in-addr.arpa', 'xn--bcher-kva.example', 'internal', 'x.']
  assert.deepEqual((await done('POST', `${T}/searchpaths`, { searchPaths: good })).searchPaths, good)
  const split = Object.fromEntries(good.map((domain) => [domain, ['10.0.0.1']]))
  assert.deepEqual(await done('PUT', `${T}/split-dns`, split), split)
})

inWorld('doubles, too much, and what contradicts itself', async () => {
  const many = (count: number, of: (i: number) => unknown) => Array.from({ length: count }, (_, i) => of(i))
  const rows: readonly [string, string, unknown, RegExp][] = [
    ['POST', `${T}/nameservers`, { dns: ['1.1.1.1', '1.1.1.1:53'] }, /twice/],
    ['POST', `${T}/nameservers`, { dns: ['2001:db8::1', '2001:DB8:0::1'] }, /twice/],
    ['POST', `${T}/nameservers`, { dns: many(33, (i) => `10.0.0.${i}`) }, /33 nameservers, and 32/],
    ['POST', `${T}/searchpaths`, { searchPaths: ['a.example', 'A.example.'] }, /twice/],
    ['POST', `${T}/searchpaths`, { searchPaths: many(33, (i) => `a${i}.example`) }, /33 search domains, and 32/],
    ['PATCH', `${T}/split-dns`, { 'a.example': ['1.1.1.1'], 'A.example': ['1.1.1.1'] }, /twice/],
    [
      'PUT',
      `${T}/split-dns`,
      Object.fromEntries(many(513, (i) => [`a${i}.example`, ['1.1.1.1']]) as [string, string[]][]),
      /513 domains of split DNS, and 512/,
    ],
    ['PATCH', `${T}/split-dns`, { 'alpha.sett.internal': ['1.1.1.1'] }, /own domain/],
    ['PATCH', OWN, { zones: ['a.example', 'A.example'] }, /twice/],
    ['PATCH', OWN, { zones: ['alpha.sett.internal'] }, /own domain/],
    ['PATCH', OWN, { zones: ['a.example'], splitDNS: { 'a.example': [{ address: '1.1.1.1' }] } }, /is a zone/],
    ['PATCH', OWN, { zones: many(129, (i) => `a${i}.example`) }, /129 zones, and 128/],
    ['PATCH', OWN, { records: many(2, () => ({ name: 'a.example', value: '192.0.2.1' })) }, /twice/],
    [
      'PATCH',
      OWN,
      { records: many(2049, (i) => ({ name: `a${i}.example`, value: '192.0.2.1' })) },
      /2049 records, and 2048/,
    ],
    [
      'PATCH',
      OWN,
      { records: many(2000, (i) => ({ name: `${'a'.repeat(60)}.${'b'.repeat(60)}.a${i}`, value: '192.0.2.1' })) },
      /characters, and 262144 are the most/,
    ],
    ['POST', `${T}/nameservers`, {}, /dns/],
    ['POST', `${T}/preferences`, {}, /magicDNS/],
    ['POST', `${T}/searchpaths`, {}, /searchPaths/],
    ['POST', `${T}/configuration`, { nameservers: ['1.1.1.1'] }, /nameservers\.0/],
    ['PATCH', `${T}/split-dns`, { 'a.example': '1.1.1.1' }, /a\.example/],
  ]
  for (const [method, path, body, message] of rows) {
    const told = await ask(method, path, body)
    assert.equal(told.status, 400, `${path}: ${told.text.slice(0, 200)}`)
    assert.match(told.body.message, message)
  }
  assert.deepEqual(await world.get(OWN), NEW)
})

inWorld('records are added, listed and removed; a label stands under the tailnet’s own domain', async () => {
  const add = (body: unknown) => done('POST', `${OWN}/records`, body)
  const grafana = { name: 'grafana.alpha.sett.internal', type: 'A', value: '100.64.0.9' }
  assert.deepEqual(await add({ name: 'Grafana', value: '100.64.0.9' }), grafana)
  const six = { name: 'grafana.alpha.sett.internal', type: 'AAAA', value: '2001:db8::9' }
  assert.deepEqual(await add({ name: 'grafana.alpha.sett.internal.', type: 'AAAA', value: '2001:DB8:0::9' }), six)
  const nas = { name: 'nas.lan.example', type: 'A', value: '192.0.2.7' }
  assert.deepEqual(await add(nas), nas)
  assert.deepEqual((await world.get(OWN)).records, [grafana, six, nas])

  const rows: readonly [unknown, number, RegExp][] = [
    [nas, 409, /already/],
    [{ name: 'nas.lan.example', value: 'elsewhere.example' }, 400, /no address/],
    [{ name: 'nas.lan.example', value: '::ffff:192.0.2.7' }, 400, /no address/],
    [{ name: 'nas.lan.example', value: 'fe80::1%eth0' }, 400, /no address/],
    [{ name: 'nas.lan.example', value: '192.0.2.8', type: 'AAAA' }, 400, /type A/],
    [{ name: 'nas.lan.example', value: '2001:db8::1', type: 'A' }, 400, /type AAAA/],
    [{ name: 'nas.lan.example', value: '192.0.2.8', type: 'CNAME' }, 400, /type/],
    [{ name: 'nas.lan.example' }, 400, /value/],
    [{ name: 'laptop', value: '192.0.2.8' }, 409, /device is called "laptop"/],
    [{ name: 'printer.alpha.sett.internal', value: '192.0.2.8' }, 409, /device is called "printer"/],
  ]
  for (const [body, status, message] of rows) {
    const told = await ask('POST', `${OWN}/records`, body)
    assert.deepEqual([told.status, message.test(told.body.message)], [status, true], told.text)
  }

  const remove = (query: string) => ask('DELETE', `${OWN}/records?${query}`)
  assert.equal((await remove('name=nobody.example')).status, 404)
  assert.equal((await remove('name=grafana&value=192.0.2.1')).status, 404)
  assert.equal((await remove('name=grafana&value=x')).status, 400)
  assert.equal((await remove('')).status, 400)
  assert.equal((await remove('name=grafana&value=2001:db8:0::9')).status, 200)
  assert.deepEqual((await world.get(OWN)).records, [grafana, nas])
  await add({ name: 'grafana', value: '192.0.2.9' })
  assert.equal((await remove('name=GRAFANA')).status, 200)
  assert.deepEqual((await world.get(OWN)).records, [nas])
})

inWorld('no device gets the name of a record, and the name is free when the record is gone', async () => {
  const { num, laptop, userIds } = world.alpha
  const nameOf = (id: number) => world.node(num, id)?.name
  await done('POST', `${OWN}/records`, { name: 'grafana', value: '192.0.2.9' })
  await done('POST', `${OWN}/records`, { name: 'grafana', value: '192.0.2.10' })
  const joined = await world.join(num, Number(userIds.owner), 'grafana')
  assert.equal(nameOf(joined.id), 'grafana-1')
  const rename = () => ask('POST', `/device/${laptop.id}/name`, { name: 'grafana' })
  assert.equal((await rename()).status, 409)
  await ask('DELETE', `${OWN}/records?name=grafana&value=192.0.2.9`)
  assert.equal((await rename()).status, 409, 'another record has the name')
  await ask('DELETE', `${OWN}/records?name=grafana`)
  assert.equal((await rename()).status, 200)
  assert.equal((await ask('PATCH', OWN, { records: [{ name: 'grafana', value: '192.0.2.9' }] })).status, 409)
  // Under another name than the tailnet's own, or deeper, it is nobody's.
  await done('PATCH', OWN, {
    records: [
      { name: 'grafana.example', value: '192.0.2.9' },
      { name: 'x.grafana.alpha.sett.internal', value: '192.0.2.9' },
    ],
  })
})

inWorld('zones are added and removed, and hold no other resolvers', async () => {
  assert.deepEqual(await done('POST', `${OWN}/zones`, { zone: 'Lan.Example.' }), { zone: 'lan.example' })
  assert.equal((await ask('POST', `${OWN}/zones`, { zone: 'lan.example' })).status, 409)
  assert.equal((await ask('PATCH', `${T}/split-dns`, { 'lan.example.': ['10.0.0.1'] })).status, 400)
  await done('PATCH', `${T}/split-dns`, { 'deep.lan.example': ['10.0.0.1'] })
  assert.equal((await ask('DELETE', `${OWN}/zones?zone=other.example`)).status, 404)
  assert.equal((await ask('DELETE', `${OWN}/zones?zone=LAN.example`)).status, 200)
  assert.deepEqual((await world.get(OWN)).zones, [])
  await done('PATCH', `${T}/split-dns`, { 'lan.example.': ['10.0.0.1'] })
})

inWorld('a patch changes what it names, and what changes nothing writes nothing', async () => {
  const { alpha, ledger } = world
  const before = ledger.model.state(alpha.num).seq
  for (const body of [{}, { magicDNS: true, overrideLocalDNS: null, nameservers: null, records: [] }])
    assert.deepEqual(await done('PATCH', OWN, body), NEW)
  assert.equal(ledger.model.state(alpha.num).seq, before)
  const nameservers = [{ address: '1.1.1.1', useWithExitNode: false }]
  assert.deepEqual(await done('PATCH', OWN, { nameservers, overrideLocalDNS: true }), {
    ...NEW,
    nameservers,
    overrideLocalDNS: true,
  })
  const splitDNS = { 'a.example': nameservers, 'b.example': nameservers }
  await done('PATCH', OWN, { splitDNS })
  assert.deepEqual((await done('PATCH', OWN, { splitDNS: { 'b.example': null } })).splitDNS, {
    'a.example': nameservers,
  })
  assert.deepEqual(await world.get('/sett/tailnet/beta/dns'), { ...NEW, domain: 'beta.sett.internal' })
})

inWorld('who writes needs the scope dns and a role that keeps the network; who reads, any that reads', async () => {
  const rows = [
    { user: 'owner', scopes: ['dns'], read: 200, write: 200 },
    { user: 'network-admin', scopes: ['all'], read: 200, write: 200 },
    { user: 'it-admin', scopes: ['all'], read: 200, write: 403 },
    { user: 'auditor', scopes: ['all'], read: 200, write: 403 },
    { user: 'member', scopes: ['all'], read: 403, write: 403 },
    { user: 'owner', scopes: ['dns:read'], read: 200, write: 403 },
    { user: 'owner', scopes: ['networking_settings'], read: 403, write: 403 },
    { user: undefined, scopes: ['dns'], read: 200, write: 200 },
  ]
  for (const { user, scopes, read, write } of rows) {
    const token = await world.token('alpha', { ...(user === undefined ? {} : { user }), scopes })
    const told = [
      await world.ask('GET', `${T}/configuration`, { token }),
      await world.ask('POST', `${T}/preferences`, { token, body: { magicDNS: true } }),
      await world.ask('POST', `${OWN}/zones`, {
        token,
        body: { zone: `${user}.${scopes[0]?.replace(/\W/, '')}.example` },
      }),
    ]
    assert.deepEqual(
      told.map(({ status }) => status),
      [read, write, write],
      `${user} ${scopes.join()}`,
    )
  }
})
