/**
 * What is set of a tailnet's DNS, in official daemons with a TUN device: what they say they were told, what they
 * answer, and what programs on their machines get.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { tunMissing } from '../lab/available.ts'
import type { LabProcess } from '../lab/process.ts'
import { chosenClient, NEWEST } from './driver/build.ts'
import { Official } from './driver/official.ts'
import { until } from './driver/tsclient.ts'
import { interopMissing, World } from './driver/world.ts'

const skip =
  interopMissing() ||
  tunMissing() ||
  (chosenClient() === NEWEST ? false : 'the daemon is built for the newest version only')

const NAME_SERVER = fileURLToPath(new URL('driver/name-server.ts', import.meta.url))

interface Told {
  readonly CurrentTailnet?: { readonly MagicDNSEnabled: boolean; readonly MagicDNSSuffix?: string }
  readonly Resolvers?: readonly { readonly Addr: string }[]
  readonly FallbackResolvers?: readonly { readonly Addr: string }[]
  readonly SplitDNSRoutes?: Readonly<Record<string, readonly { readonly Addr: string }[]>>
  readonly SearchDomains?: readonly string[]
  readonly CertDomains?: readonly string[]
  readonly ExtraRecords?: readonly { readonly Name: string; readonly Value: string }[]
}
interface Answered {
  readonly ResponseCode: string
  readonly Answers?: readonly { readonly Body: string }[]
}

let world: World
let anna: Official
let ben: Official
/** A server of the tailnet's, and one that the machine's network has. */
let corp: { readonly at: string; readonly process: LabProcess }
let domain = ''

async function nameServer(name: string, answer: string): Promise<typeof corp> {
  const machine = await world.machine(name)
  const at = /inet ([\d.]+)\/24/.exec(await machine.ip('addr', 'show', 'eth0'))?.[1] ?? ''
  const server = machine.spawn(process.execPath, [NAME_SERVER, at, answer])
  await server.waitFor(/^ready/m)
  return { at, process: server }
}

before(async () => {
  if (skip !== false) return
  world = await World.open()
  anna = new Official(await world.machine('anna'), world)
  ben = new Official(await world.machine('ben'), world)
  corp = await nameServer('corp', '198.51.100.53')
  await Promise.all([anna.start(), ben.start()])
  await world.server.admin('users', 'create', 'anna@example.com')
  const { key } = await world.server.createKey({ reusable: true, user: 'anna@example.com' })
  await Promise.all([anna, ben].map((each) => each.up({ url: world.control, key })))
  await until('anna sees ben', async () => (await anna.peer('ben')) !== undefined)
  domain = (await told(anna)).CurrentTailnet?.MagicDNSSuffix ?? ''
})
after(async () => {
  if (skip === false) await world?.close()
})

const dns = (...args: string[]) => world.server.admin('dns', ...args)

async function told(machine: Official): Promise<Told> {
  return JSON.parse(await machine.cli('dns', 'status', '--json', '--all')) as Told
}

/** What the daemon's own resolver, at 100.100.100.100, answers; empty where it has no answer. */
async function resolved(machine: Official, name: string, type = 'A'): Promise<{ code: string; bodies: string[] }> {
  const { out } = await machine.run('dns', 'query', '--json', name, type)
  if (out.trim() === '') return { code: '', bodies: [] }
  const { ResponseCode, Answers = [] } = JSON.parse(out) as Answered
  return { code: ResponseCode, bodies: Answers.map(({ Body }) => Body) }
}

/** What a program on the machine gets for a name. */
async function looked(machine: Official, name: string, database = 'ahostsv4'): Promise<string> {
  const found = await machine.where.exec('getent', [database, name]).catch(() => '')
  return found.split(' ', 1)[0] ?? ''
}

async function soon(what: string, isSo: (told: Told) => boolean): Promise<number> {
  const began = performance.now()
  for (const machine of [anna, ben])
    await until(`${machine.name} is told ${what}`, async () => isSo(await told(machine)), 10_000)
  return Math.round(performance.now() - began)
}

test('a new tailnet: MagicDNS answers names, short and full, by the daemon’s own resolver', { skip }, async () => {
  const { four } = await ben.addresses()
  const { CurrentTailnet, Resolvers, SearchDomains } = await told(anna)
  assert.equal(CurrentTailnet?.MagicDNSEnabled, true)
  assert.deepEqual([Resolvers ?? [], SearchDomains], [[], [domain]])
  assert.deepEqual((await resolved(anna, `ben.${domain}`)).bodies, [four])
  for (const name of ['ben', `ben.${domain}`])
    await until(`anna finds ${name}`, async () => (await looked(anna, name)) === four)
})

test('a record is answered on every device while it is there, by label and by full name', { skip }, async (t) => {
  await dns('records', 'add', 'grafana', '192.0.2.80')
  const ms = await soon('of the record', ({ ExtraRecords }) => ExtraRecords?.length === 1)
  t.diagnostic(`both daemons tell of the record ${ms} ms after the command`)
  for (const machine of [anna, ben]) {
    assert.deepEqual((await resolved(machine, `grafana.${domain}`)).bodies, ['192.0.2.80'])
    assert.equal(await looked(machine, 'grafana'), '192.0.2.80')
  }
  await dns('records', 'rm', 'grafana')
  await soon('that it is gone', ({ ExtraRecords }) => ExtraRecords === undefined)
  for (const machine of [anna, ben]) {
    assert.deepEqual(await resolved(machine, `grafana.${domain}`), { code: 'RCodeNameError', bodies: [] })
    assert.equal(await looked(machine, 'grafana'), '')
  }
})

test('a zone is answered by devices alone: what it has, and that there is no such name', { skip }, async () => {
  await dns('zones', 'add', 'lan.example')
  await dns('records', 'add', 'nas.lan.example', '192.0.2.7')
  await dns('records', 'add', 'nas.lan.example', '2001:db8::7')
  await soon('of the zone', ({ ExtraRecords }) => ExtraRecords?.length === 2)
  assert.deepEqual((await resolved(anna, 'nas.lan.example')).bodies, ['192.0.2.7'])
  assert.deepEqual((await resolved(anna, 'nas.lan.example', 'AAAA')).bodies, ['2001:db8::7'])
  assert.equal(await looked(anna, 'nas.lan.example'), '192.0.2.7')
  assert.deepEqual(await resolved(anna, 'other.lan.example'), { code: 'RCodeNameError', bodies: [] })
})

test(
  'a domain of split DNS is asked of its nameserver, and a record in it is answered all the same',
  { skip },
  async () => {
    await dns('split', 'corp.example', corp.at)
    await dns('records', 'add', 'wiki.corp.example', '192.0.2.8')
    await soon('of the domain', ({ SplitDNSRoutes, ExtraRecords }) => {
      const servers = SplitDNSRoutes?.['corp.example'] ?? SplitDNSRoutes?.['corp.example.']
      return servers?.[0]?.Addr === corp.at && ExtraRecords?.length === 3
    })
    assert.equal(await looked(anna, 'mail.corp.example'), '198.51.100.53')
    await corp.process.waitFor(/^asked mail\.corp\.example$/m)
    assert.equal(await looked(anna, 'wiki.corp.example'), '192.0.2.8')
    assert.doesNotMatch(corp.process.output, /^asked wiki\.corp\.example$/m)
    // Nobody is asked about anything else.
    assert.equal(await looked(anna, 'www.elsewhere.example'), '')
    assert.doesNotMatch(corp.process.output, /elsewhere/)
  },
)

test('nameservers are asked about everything once they override a device’s own', { skip }, async () => {
  await dns('nameservers', corp.at)
  await soon('of the nameserver', ({ FallbackResolvers }) => FallbackResolvers?.[0]?.Addr === corp.at)
  assert.deepEqual((await told(anna)).Resolvers ?? [], [])
  await dns('override', 'on')
  await soon('that it overrides', ({ Resolvers }) => Resolvers?.[0]?.Addr === corp.at)
  await until(
    'anna has an answer for a name of the world',
    async () => (await looked(anna, 'www.world.example')) === '198.51.100.53',
  )
  await corp.process.waitFor(/^asked www\.world\.example$/m)
  assert.equal(await looked(anna, 'ben'), (await ben.addresses()).four, 'and names of the tailnet stay')
  assert.doesNotMatch(corp.process.output, /^asked ben\./m)
})

test('search domains make short names long', { skip }, async () => {
  await dns('search', 'corp.example')
  await soon('of the search domain', ({ SearchDomains }) => SearchDomains?.includes('corp.example') === true)
  await until('anna finds a short name', async () => (await looked(anna, 'wiki')) === '192.0.2.8')
  // The tailnet's own comes first, so that nobody outside is asked about a device.
  assert.match(await anna.where.exec('cat', ['/etc/resolv.conf']), new RegExp(`^search ${domain} corp\\.example$`, 'm'))
})

test('attributes have IPv6 addresses answered as well, and names under a device’s own', { skip }, async () => {
  const name = `ben.${domain}`
  assert.deepEqual((await resolved(anna, name, 'AAAA')).bodies, [])
  const policy = {
    grants: [{ src: ['*'], dst: ['*'], ip: ['*'] }],
    nodeAttrs: [{ target: ['*'], attr: ['magicdns-aaaa', 'dns-subdomain-resolve'] }],
  }
  await world.server.api('POST', '/api/v2/tailnet/-/acl', policy)
  const { six } = await ben.addresses()
  await until('anna answers with it', async () => (await resolved(anna, name, 'AAAA')).bodies.join() === six)
  await until(
    'anna answers for a name under it',
    async () => (await resolved(anna, `deep.under.${name}`, 'AAAA')).bodies.join() === six,
  )
})

test('certificate domains are there while HTTPS is on', { skip }, async () => {
  await world.server.admin('tailnets', 'settings', 'httpsEnabled=true')
  await soon('of its certificate domain', ({ CertDomains }) => CertDomains?.length === 1)
  assert.deepEqual((await told(anna)).CertDomains, [`anna.${domain}`])
  await world.server.admin('tailnets', 'settings', 'httpsEnabled=false')
  await soon('of none', ({ CertDomains }) => CertDomains === undefined)
})

test('with MagicDNS off, devices’ names are found no more, and all else stays', { skip }, async () => {
  await dns('magicdns', 'off')
  await soon('that it is off', ({ CurrentTailnet }) => CurrentTailnet?.MagicDNSEnabled === false)
  assert.deepEqual((await told(anna)).SearchDomains, ['corp.example'])
  // The nameserver answers for a name that has become one of the world's.
  await until('anna does not find ben by the short name', async () => (await looked(anna, 'ben')) === '198.51.100.53')
  assert.equal(await looked(anna, 'nas.lan.example'), '192.0.2.7')
  await dns('nameservers', 'none')
  await dns('search', 'none')
  await until('anna finds nobody called ben', async () => (await looked(anna, 'ben')) === '')
  await dns('magicdns', 'on')
  const { four } = await ben.addresses()
  await until('anna finds ben again', async () => (await looked(anna, 'ben')) === four)
})
