/**
 * SSH checks with the official daemon as SSH server and OpenSSH as client: the link, a login at a provider, and the
 * session; whom the link is no good for; how long it holds. The rules and refusals are test/conformance/ssh-check.test.ts.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { after, before, test } from 'node:test'

import { tunMissing } from '../lab/available.ts'
import type { LabProcess } from '../lab/process.ts'
import { chosenClient, NEWEST } from './driver/build.ts'
import { Official } from './driver/official.ts'
import { addProvider, opens } from './driver/people.ts'
import { until } from './driver/tsclient.ts'
import { interopMissing, World } from './driver/world.ts'

const sshMissing = spawnSync('ssh', ['-V']).status === 0 ? false : 'there is no ssh: install openssh-client'
const skip =
  interopMissing() ||
  tunMissing() ||
  sshMissing ||
  (chosenClient() === NEWEST ? false : 'the daemon is built for the newest version only')

const ANNA = 'anna@example.com'

let world: World
let laptop: Official
let target: Official
let address = ''

before(async () => {
  if (skip !== false) return
  world = await World.open({ tls: true })
  const { server } = world
  for (const user of [ANNA, 'ben@example.com']) await server.admin('users', 'create', user)
  await addProvider(world, ['anna', 'ben'])
  await server.api('POST', '/api/v2/tailnet/-/acl', {
    tagOwners: { 'tag:server': [] },
    grants: [{ src: ['*'], dst: ['*'], ip: ['*'] }],
    ssh: [{ action: 'check', src: [ANNA], dst: ['tag:server'], users: ['root', 'daemon'], checkPeriod: '1h' }],
  })
  const on = async (name: string): Promise<Official> => {
    const daemon = new Official(await world.machine(name), world)
    await daemon.start()
    return daemon
  }
  ;[laptop, target] = await Promise.all([on('laptop'), on('target')])
  const [annas, tagged] = await Promise.all([
    server.createKey({ user: ANNA }),
    server.createKey({ tags: ['tag:server'] }),
  ])
  await laptop.up({ url: world.control, key: annas.key })
  await target.up({ url: world.control, key: tagged.key }, '--ssh')
  address = (await target.addresses()).four
  await until(
    'both see each other',
    async () => (await laptop.run('ping', '--c=1', '--timeout=2s', address)).code === 0,
  )
})
after(async () => {
  if (skip === false) await world?.close()
})

const SSH = [
  ['StrictHostKeyChecking', 'no'],
  ['UserKnownHostsFile', '/dev/null'],
  ['ConnectTimeout', '20'],
].flatMap(([name, value]) => ['-o', `${name}=${value}`])

function ssh(account: string): LabProcess {
  return laptop.where.spawn('ssh', ['-F', 'none', ...SSH, `${account}@${address}`, 'echo here as $(id -un)'])
}

async function linkOf(session: LabProcess): Promise<string> {
  return (await session.waitFor(/# {3}(https:\/\/\S+\/ssh-check\/\S+)/, 30_000))[1] ?? ''
}

test('ssh shows a link; the right person logs in there, and the session opens', { skip }, async (t) => {
  const session = ssh('root')
  const link = await linkOf(session)
  const bens = await opens(world, link, 'ben', 'allow')
  assert.equal(bens.at(-1), 'This login is not yours')
  assert.ok(session.alive && !session.output.includes('here as'))
  const annas = await opens(world, link, 'anna', 'allow')
  const began = Date.now()
  assert.deepEqual(annas, ['A login by SSH waits for you', 'Let this login in?', 'The login goes on'])
  await session.waitFor(/^here as root$/m)
  t.diagnostic(`the session opened ${Date.now() - began} ms after the last page`)
  assert.equal((await session.ended).code, 0)
  const { logs } = await world.server.api<{ logs: readonly any[] }>(
    'GET',
    '/api/v2/tailnet/-/logging/configuration?start=2020-01-01T00:00:00Z&end=2100-01-01T00:00:00Z',
  )
  const checks = logs.filter(({ target: { property } }) => property === 'SSH_CHECK')
  assert.deepEqual(
    checks.map(({ action, actor, target: { name }, new: passed }) => [action, actor.loginName, name, passed.account]),
    [['ACCEPT', ANNA, 'target', 'root']],
  )
})

test('the next session, within the period, needs none', { skip }, async () => {
  const session = ssh('root')
  assert.equal((await session.ended).code, 0)
  assert.match(session.output, /^here as root$/m)
  assert.ok(!session.output.includes('/ssh-check/'), session.output)
})

test('who refuses a login ends it', { skip }, async () => {
  const session = ssh('daemon')
  const link = await linkOf(session)
  // Her browser is logged in, and that she refuses needs no new login; to let it in would.
  assert.equal((await opens(world, link, 'anna', 'refuse')).at(-1), 'The login has been refused')
  assert.equal((await session.ended).code, 255)
  assert.match(session.output, /# This login is refused: it was refused in the browser\./)
})

test('a login that waits goes on although the server is killed meanwhile and starts anew', { skip }, async (t) => {
  await world.server.api('POST', '/api/v2/tailnet/-/acl', {
    tagOwners: { 'tag:server': [] },
    grants: [{ src: ['*'], dst: ['*'], ip: ['*'] }],
    ssh: [{ action: 'check', src: [ANNA], dst: ['tag:server'], users: ['root'], checkPeriod: 'always' }],
  })
  const session = ssh('root')
  const link = await linkOf(session)
  await world.server.kill()
  await world.server.start()
  assert.equal((await opens(world, link, 'anna', 'allow')).at(-1), 'The login goes on')
  const began = Date.now()
  await session.waitFor(/^here as root$/m, 60_000)
  t.diagnostic(`the session opened ${Date.now() - began} ms after the last page`)
})
