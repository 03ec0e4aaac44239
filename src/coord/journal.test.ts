import { test } from 'node:test'
import assert from 'node:assert/strict'
import { START, World } from '../../test/support/world.ts'
import type { Machine } from '../../test/support/world.ts'
import { DAY_MS, HOUR_MS, later } from '../base/clock.ts'
import type { Wall } from '../base/clock.ts'
import { createLog } from './io/log.ts'
import { MemoryStore } from './store/memory.ts'
import { SERVER } from './model/records.ts'
import type { Kind, Kinds, Node, TailnetNum } from './model/records.ts'
import type { SshCheck } from './model/ssh-checks.ts'
import { TESTER, memoryDatabase } from '../../test/support/ledger.ts'

/** A server whose log is kept, as lines without their time. */
async function logged(store = new MemoryStore(memoryDatabase())) {
  let text = ''
  const log = createLog({ level: 'info', format: 'text', sink: { write: (line) => void (text += line) } })
  const world = await World.start({ store, say: (event, fields) => log.info(event, fields) })
  /** The lines since the last call. */
  const lines = (): string[] => {
    const said = text.split('\n').slice(0, -1)
    text = ''
    return said.map((line) => line.replace(/^\S+ info {2}/, ''))
  }
  return { world, lines }
}

const nodeOf = (world: World, machine: Machine): Node => {
  const found = world.coord.ledger.model.nodeByKey(machine.nodeKey)
  assert.ok(found !== undefined)
  return found.node
}

/** An administrator changes a record. */
async function change<K extends Kind>(
  world: World,
  kind: K,
  id: string,
  how: ((before: Kinds[K]) => Kinds[K]) | null,
  tailnet: TailnetNum = world.tailnet.num,
): Promise<void> {
  await world.coord.ledger.transact(tailnet, TESTER, (model) => {
    const before = model.state(tailnet).get(kind, id)
    assert.ok(before !== undefined)
    const write = { kind, id, expect: 'any', value: how === null ? null : how(before) } as never
    return { batch: { writes: [write] }, result: undefined }
  })
  await world.settle()
}

test('what happens to people, keys and machines is said in a line each, and nothing secret with it', async () => {
  const { world, lines } = await logged()
  const secrets: string[] = []
  const said: string[] = []
  const expect = (...want: string[]): void => {
    const got = lines()
    said.push(...got)
    assert.deepEqual(got, want)
  }
  const home = world.tailnet
  const admin = [...world.state().usersById.values()][0]
  assert.ok(admin !== undefined)
  expect(
    `tailnet created tailnet=home id=${home.stableId}`,
    `user added tailnet=home user=${admin.loginName} id=${admin.id} role=owner`,
  )

  const anna = await world.user('anna@example.com')
  expect(`user added tailnet=home user=anna@example.com id=${anna.id} role=member`)
  await change(world, 'user', String(anna.id), (user) => ({ ...user, role: 'admin' }))
  await change(world, 'user', String(anna.id), (user) => ({ ...user, status: 'suspended' }))
  await change(world, 'user', String(anna.id), (user) => ({ ...user, status: 'active' }))
  expect(
    `user has another role tailnet=home user=anna@example.com id=${anna.id} role=admin`,
    `user suspended tailnet=home user=anna@example.com id=${anna.id}`,
    `user admitted tailnet=home user=anna@example.com id=${anna.id}`,
  )

  // A machine by an auth key, which then gives its key up.
  const text = await world.key({ user: anna.id, reusable: true })
  const [, , keyId = '', secret = ''] = text.split('-')
  secrets.push(secret, world.coord.ledger.model.keyById(keyId)?.key.hash ?? '')
  expect(`key created tailnet=home key=${keyId} type=auth user=anna@example.com`)
  const laptop = world.machine('Laptop')
  await laptop.register({ Auth: { AuthKey: text } })
  laptop.stream = await laptop.map({})
  await world.pass(300)
  const first = nodeOf(world, laptop)
  const about = `tailnet=home node=laptop id=${first.stableId} user=anna@example.com`
  expect(`node joined ${about} address=${first.ipv4} key=${keyId}`)
  await laptop.map({})
  await laptop.register({ Auth: { AuthKey: text } })
  assert.deepEqual(lines(), [], 'coming back is no news')
  await laptop.register({ Expiry: '2020-01-01T00:00:00Z' })
  expect(`node key expired ${about}`)
  await world.pass(HOUR_MS)
  await laptop.register({ Auth: { AuthKey: text } })
  expect(`node logged in ${about}`)
  await change(world, 'key', keyId, (key) => ({ ...key, revoked: world.wall() }))
  await change(world, 'key', keyId, null)
  expect(`key revoked tailnet=home key=${keyId} type=auth`)

  // A machine by a link, in a tailnet where devices wait for approval.
  await world.changeTailnet({ devicesApprovalOn: true })
  const phone = world.machine('phone "x\nnode deleted id=1', '192.0.2.9')
  const url = (await phone.register()).json['AuthURL'] as string
  const code = url.split('/').at(-1) as string
  secrets.push(code)
  const asks = 'hostname="phone \\"x\\nnode deleted id=1" os=linux from=192.0.2.9'
  expect(`login asked for ${asks}`)
  await world.decideLogin(code, { kind: 'approved', tailnet: home.num, user: anna.id })
  await phone.register({ Followup: url })
  const second = nodeOf(world, phone)
  const phoneIs = `tailnet=home node=${second.name} id=${second.stableId} user=anna@example.com`
  expect(
    `login approved tailnet=home user=anna@example.com ${asks}`,
    `node joined ${phoneIs} address=${second.ipv4} approved=false`,
  )
  await world.change(second.id, () => ({ authorized: true }))
  await world.change(second.id, () => ({ authorized: false }))
  expect(`node approved ${phoneIs}`, `node approval withdrawn ${phoneIs}`)
  const other = world.machine('other', '192.0.2.9')
  const otherUrl = (await other.register()).json['AuthURL'] as string
  secrets.push(otherUrl.split('/').at(-1) as string)
  await world.decideLogin(otherUrl.split('/').at(-1) as string, { kind: 'refused', why: 'not ours' })
  expect(
    'login asked for hostname=other os=linux from=192.0.2.9',
    'login refused hostname=other os=linux from=192.0.2.9 why="not ours"',
  )

  // A login by SSH that somebody has let in.
  const check: SshCheck = {
    tailnet: home.num,
    source: second.id,
    target: second.id,
    account: 'root',
    user: anna.id,
    created: START,
    expires: later(START, HOUR_MS),
  }
  await world.coord.ledger.transact(SERVER, TESTER, () => ({
    batch: { writes: [{ kind: 'ssh-check', id: 'abcdefgh23456789', expect: 'absent', value: check }] },
    result: undefined,
  }))
  assert.deepEqual(lines(), [], 'that it waits is no news')
  const authenticated = { at: START, method: 'passkey' }
  await change(
    world,
    'ssh-check',
    'abcdefgh23456789',
    (one) => ({ ...one, outcome: { kind: 'passed', authenticated } }),
    SERVER,
  )
  expect(`ssh check passed tailnet=home user=anna@example.com from=${second.name} to=${second.name} account=root`)
  secrets.push('abcdefgh23456789')

  // A tagged one that is gone for good when it logs out.
  const ci = await world.joined('ci', { tags: ['tag:ci'], ephemeral: true, preauthorized: true })
  const third = nodeOf(world, ci)
  const ciIs = `tailnet=home node=ci id=${third.stableId} tags=["tag:ci"]`
  await ci.register({ Expiry: '2020-01-01T00:00:00Z' })
  const [created, ...rest] = lines()
  assert.match(created ?? '', /^key created tailnet=home key=\w+ type=auth user=admin@/)
  assert.deepEqual(rest, [
    `node joined ${ciIs} address=${third.ipv4} key=${third.authKey} ephemeral=true`,
    `node deleted ${ciIs}`,
  ])
  await change(world, 'user', String(anna.id), null)
  expect(`user deleted tailnet=home user=anna@example.com id=${anna.id}`)
  await change(world, 'key', third.authKey as string, null)
  assert.deepEqual(lines(), [], 'keys long out of use are forgotten without a word')

  for (const machine of [laptop, phone, ci])
    for (const key of [machine.nodeKey, machine.machineKey, machine.discoKey]) secrets.push(key.split(':')[1] as string)
  for (const secret of secrets) {
    assert.ok(secret.length >= 16)
    assert.ok(!said.join('\n').includes(secret), 'a secret in the log')
  }
  world.coord.close()
})

test('a key that runs out by the clock is told of once, whether anybody is connected or not, and not again at a restart', async () => {
  const store = new MemoryStore(memoryDatabase())
  const { world, lines } = await logged(store)
  const connected = await world.joined('connected')
  const away = world.machine('away')
  await away.register({ Auth: { AuthKey: await world.key() } })
  const never = world.machine('never')
  await never.register({ Auth: { AuthKey: await world.key() } })
  const at = later(START, HOUR_MS) as Wall
  for (const machine of [connected, away]) await world.change(nodeOf(world, machine).id, () => ({ keyExpiry: at }))
  await world.change(nodeOf(world, never).id, () => ({ keyExpiry: at, keyExpiryDisabled: true }))
  lines()
  await world.pass(2 * HOUR_MS)
  const about = (machine: Machine) => {
    const { name, stableId } = nodeOf(world, machine)
    return `node key expired tailnet=home node=${name} id=${stableId} user=admin@home.sett.internal`
  }
  assert.deepEqual(lines().sort(), [about(away), about(connected)])
  // An administrator who expires it once more changes nothing.
  await world.change(nodeOf(world, away).id, () => ({ keyExpiry: world.wall() }))
  await world.pass(HOUR_MS)
  assert.deepEqual(lines(), [])
  world.coord.close()
  await world.open()
  connected.stream = await connected.map({})
  await world.pass(HOUR_MS)
  assert.deepEqual(lines(), [])
  world.coord.close()
})

test('where nobody is connected, a key that ran out is told of within a minute', async () => {
  const { world, lines } = await logged()
  const away = world.machine('away')
  await away.register({ Auth: { AuthKey: await world.key() } })
  await world.change(nodeOf(world, away).id, () => ({ keyExpiry: later(START, DAY_MS) }))
  lines()
  await world.pass(DAY_MS + 60_000)
  const told = lines()
  assert.ok(told.length === 1 && told[0]?.startsWith('node key expired tailnet=home node=away '), told.join())
  world.coord.close()
})
