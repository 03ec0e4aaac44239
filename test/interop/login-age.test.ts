/**
 * A rule that asks for a login not older than a minute, between official daemons: the port of an old application opens
 * when its user logs in, closes when that is a minute ago, and opens again. The rest is test/conformance/login-age.test.ts.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { tunMissing } from '../lab/available.ts'
import { chosenClient, NEWEST } from './driver/build.ts'
import { Official } from './driver/official.ts'
import { addProvider, opens } from './driver/people.ts'
import { ranIn } from './driver/ran.ts'
import { until } from './driver/tsclient.ts'
import { interopMissing, World } from './driver/world.ts'

const skip =
  interopMissing() ||
  tunMissing() ||
  (chosenClient() === NEWEST ? false : 'the daemon is built for the newest version only')

const ANNA = 'anna@example.com'
const APPLICATION = `require('node:http').createServer((_, res) => res.end('old')).listen(8080, '0.0.0.0', () => console.log('up'))`

let world: World
let laptop: Official
let legacy: Official
let address = ''

before(async () => {
  if (skip !== false) return
  world = await World.open({ tls: true })
  const { server } = world
  await server.admin('users', 'create', ANNA)
  await addProvider(world, ['anna'])
  await server.api('POST', '/api/v2/tailnet/-/acl', {
    tagOwners: { 'tag:legacy': [] },
    postures: { 'posture:fresh': ['sett:loginAgeMinutes < 1'] },
    grants: [{ src: [ANNA], dst: ['tag:legacy'], ip: ['tcp:8080'], srcPosture: ['posture:fresh'] }],
  })
  const on = async (name: string): Promise<Official> => {
    const daemon = new Official(await world.machine(name), world)
    await daemon.start()
    return daemon
  }
  ;[laptop, legacy] = await Promise.all([on('laptop'), on('legacy')])
  const [annas, tagged] = await Promise.all([
    server.createKey({ user: ANNA }),
    server.createKey({ tags: ['tag:legacy'] }),
  ])
  await Promise.all([
    laptop.up({ url: world.control, key: annas.key }),
    legacy.up({ url: world.control, key: tagged.key }),
  ])
  address = (await legacy.addresses()).four
  await legacy.where.spawn(process.execPath, ['-e', APPLICATION]).waitFor(/^up$/m)
})
after(async () => {
  if (skip === false) await world?.close()
})

async function isOpen(): Promise<boolean> {
  const ask = `fetch('http://${address}:8080/', { signal: AbortSignal.timeout(1000) }).then((r) => r.text()).then((t) => console.log(t), () => {})`
  return (await ranIn(laptop.where, process.execPath, ['-e', ask])).out === 'old\n'
}

/** Resolves with when she logged in, by the server's clock, once the port is open. */
async function logsIn(browser: string, say: (text: string) => void): Promise<number> {
  const titles = await opens(world, `${world.control}/auth`, 'anna', 'nothing', browser)
  assert.equal(titles.at(-1), 'anna', 'the page of her account')
  const { logs } = await world.server.api<{ logs: readonly { eventTime: string; action: string }[] }>(
    'GET',
    '/api/v2/tailnet/-/logging/configuration?start=2020-01-01T00:00:00Z&end=2100-01-01T00:00:00Z',
  )
  const at = Date.parse(logs.findLast(({ action }) => action === 'LOGIN')?.eventTime ?? '')
  await until('the port is open', isOpen, 10_000)
  say(`open ${Date.now() - at} ms after the login`)
  return at
}

test('a port is open for a minute after a login, and again after the next', { skip }, async (t) => {
  const say = t.diagnostic.bind(t)
  assert.ok(!(await isOpen()), 'she has never logged in')
  const at = await logsIn('first', say)
  await until('the port is closed', async () => !(await isOpen()), 80_000)
  const age = Date.now() - at
  say(`found closed ${age} ms after the login`)
  assert.ok(age >= 60_000, 'not before its time')
  await logsIn('second', say)
})
