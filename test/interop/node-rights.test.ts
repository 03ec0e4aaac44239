/**
 * What may pass between our daemon and official ones, and what ends: a policy means the same on both, for both
 * families and all protocols; keys expire, daemons restart under a running connection, machines log out.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import { tunMissing } from '../lab/available.ts'
import { Machine } from '../lab/machine.ts'
import type { Namespace } from '../lab/namespace.ts'
import { answers, datagrams, knock, reachable, serveDatagrams, serveEcho } from '../lab/traffic.ts'
import { SETT } from '../support/server.ts'
import { chosenClient, NEWEST } from './driver/build.ts'
import { Official } from './driver/official.ts'
import { ranIn } from './driver/ran.ts'
import { Stream } from './driver/stream.ts'
import { until } from './driver/tsclient.ts'
import { interopMissing, World } from './driver/world.ts'

const skip =
  interopMissing() ||
  tunMissing() ||
  (chosenClient() === NEWEST ? false : 'the daemon is built for the newest version only')

/** Listens on these ports by TCP, in both families. */
const LISTEN = `const net = require('node:net'), ports = process.argv.slice(1); let left = ports.length
for (const port of ports) net.createServer((s) => s.on('error', () => {}).end('hello')).listen(Number(port), '::', () => --left || console.log('listening'))`

describe('what may pass between our daemon and official ones, and what ends', { skip }, () => {
  let world: World
  let anna: Machine
  let ben: Official
  let carla: Official
  let ips: { readonly [name in 'anna' | 'ben' | 'carla']: { readonly four: string; readonly six: string } }
  let login: { readonly url: string; readonly key: string }

  before(async () => {
    world = await World.open()
    anna = new Machine(await world.machine('anna'))
    ben = new Official(await world.machine('ben'), world)
    carla = new Official(await world.machine('carla'), world)
    await world.server.admin('users', 'create', 'anna@example.com')
    const { key } = await world.server.createKey({ reusable: true, user: 'anna@example.com' })
    login = { url: world.control, key }
    await Promise.all([anna, ben, carla].map((each) => each.start().then(() => each.up(login))))
    ips = { anna: await anna.addresses(), ben: await ben.addresses(), carla: await carla.addresses() }
    await Promise.all([
      reachable(anna.where, ips.ben.four),
      reachable(anna.where, ips.carla.four),
      reachable(ben.where, ips.carla.four),
    ])
  })
  after(async () => world?.close())

  /** Saves a policy, and waits until the machine behind `address` closes `port`, which has been open. */
  async function save(grants: readonly object[], closed: readonly (readonly [from: Namespace, address: string])[]) {
    await world.server.api('POST', '/api/v2/tailnet/-/acl', { grants })
    for (const [from, address] of closed)
      await until('the policy is in force', async () => (await knock(from, address, 7003, 300)) === 'silence')
  }

  /** What comes of everything that may be tried from one machine to another. */
  async function verdicts(from: { where: Namespace }, to: { name: string; where: Namespace }) {
    const { four, six } = ips[to.name as keyof typeof ips]
    const [tcp4, tcp6, udp, ping] = await Promise.all([
      Promise.all([7001, 7002, 7003].map((port) => knock(from.where, four, port))),
      Promise.all([7001, 7002].map((port) => knock(from.where, six, port))),
      Promise.all([four, six].map(async (address) => (await datagrams(from.where, address, 20, 100, 7002)) > 0)),
      Promise.all([four, six].map((address) => answers(from.where, address))),
    ])
    return { tcp4, tcp6, udp, ping }
  }

  test('a policy lets the same pass to our machine and to an official one', async () => {
    const listening = [anna, ben, carla].map(({ where }) =>
      where.spawn(process.execPath, ['-e', LISTEN, '7001', '7002', '7003'], { name: 'listen' }),
    )
    await using reflectors = new AsyncDisposableStack()
    for (const { where, name } of [anna, ben, carla])
      for (const address of Object.values(ips[name as keyof typeof ips]))
        reflectors.use(await serveDatagrams(where, address, 7002))
    await Promise.all(listening.map((each) => each.waitFor(/listening/)))
    const [a, b, c] = [ips.anna, ips.ben, ips.carla].map(({ four, six }) => [four, six]) as [
      string[],
      string[],
      string[],
    ]
    const common = [
      { src: c, dst: [...a, ...b], ip: ['tcp:7001', 'udp:7002'] },
      { src: [ips.carla.six], dst: [ips.anna.six, ips.ben.six], ip: ['tcp:7002'] },
      { src: [...a, ...b], dst: c, ip: ['tcp:7002'] },
    ]
    await save(
      [...common, { src: b, dst: a, ip: ['tcp:7001'] }],
      [
        [carla.where, ips.anna.four],
        [carla.where, ips.ben.four],
        [anna.where, ips.carla.four],
      ],
    )
    const [toOurs, toTheirs] = await Promise.all([verdicts(carla, anna), verdicts(carla, ben)])
    assert.deepEqual(toOurs, {
      tcp4: ['open', 'silence', 'silence'],
      tcp6: ['open', 'open'],
      udp: [true, true],
      ping: [true, true],
    })
    assert.deepEqual(toTheirs, toOurs, 'carla to ben is as carla to anna')
    const [fromOurs, fromTheirs] = await Promise.all([verdicts(anna, carla), verdicts(ben, carla)])
    assert.deepEqual(fromOurs, {
      tcp4: ['silence', 'open', 'silence'],
      tcp6: ['silence', 'open'],
      udp: [false, false],
      ping: [true, true],
    })
    assert.deepEqual(fromTheirs, fromOurs, 'ben to carla is as anna to carla')

    const [permitted, refused] = await Promise.all([verdicts(ben, anna), verdicts(anna, ben)])
    await save([...common, { src: a, dst: b, ip: ['tcp:7001'] }], [])
    await until('the policy is in force', async () => (await knock(anna.where, ips.ben.four, 7001, 300)) === 'open')
    await until('the policy is in force', async () => (await knock(ben.where, ips.anna.four, 7001, 300)) === 'silence')
    const [permittedThere, refusedHere] = await Promise.all([verdicts(anna, ben), verdicts(ben, anna)])
    assert.deepEqual(refused, {
      tcp4: Array(3).fill('silence'),
      tcp6: Array(2).fill('silence'),
      udp: [false, false],
      ping: [false, false],
    })
    assert.deepEqual(refusedHere, refused, 'what has no grant is refused by either')
    assert.deepEqual(permittedThere, permitted, 'anna to ben is as ben to anna before')

    for (const each of listening) await each.stop('SIGKILL')
    await world.server.api('POST', '/api/v2/tailnet/-/acl', { grants: [{ src: ['*'], dst: ['*'], ip: ['*'] }] })
    await Promise.all([reachable(anna.where, ips.ben.four), reachable(ben.where, ips.anna.four)])
  })
  test('daemons restart and are killed under connections that go on', async (t) => {
    await using atBen = await serveEcho(ben.where, ips.ben.four)
    await using atAnna = await serveEcho(anna.where, ips.anna.six)
    const streams = [await Stream.open(anna.where, atBen), await Stream.open(carla.where, atAnna)]
    const rows = [
      ['ours is stopped', () => anna.stop(), anna],
      ['theirs is stopped', async () => void (await ben.daemon?.stop('SIGTERM')), ben],
      ['ours is killed', () => anna.kill(), anna],
      ['theirs is killed', async () => void (await ben.daemon?.stop('SIGKILL')), ben],
    ] as const
    for (const [what, end, machine] of rows) {
      const [from, to] = machine === anna ? [ben.where, ips.anna.four] : [anna.where, ips.ben.four]
      await end()
      await machine.start()
      const began = performance.now()
      await reachable(from, to, 40)
      t.diagnostic(`${what}: a ping comes back ${Math.round(performance.now() - began)} ms after it answers again`)
    }
    for (const stream of streams) {
      const { how, same, bytes, maxGapMs } = await stream.end()
      t.diagnostic(`${bytes} bytes came back; longest pause ${Math.round(maxGapMs)} ms`)
      assert.deepEqual({ how, same }, { how: 'ended', same: true })
    }
  })

  test('an expired key of either is the end, until a new login', async (t) => {
    const expire = async (name: string): Promise<void> =>
      void (await world.server.admin('nodes', 'expire', (await world.server.device(name)).nodeId))
    await expire('anna')
    await anna.until('its key has expired', ({ BackendState }) => BackendState === 'NeedsLogin')
    await until('ben sees it', async () => (await ben.peer('anna'))?.Expired === true)
    assert.equal(await answers(ben.where, ips.anna.four), false)
    assert.equal(await answers(anna.where, ips.ben.four), false)
    t.diagnostic((await ranIn(anna.where, SETT, [`--socket=${anna.socket}`, 'status'])).out.trim())
    await anna.up(login, '--force-reauth')
    await reachable(ben.where, ips.anna.four)

    await expire('ben')
    await until('ben sees it', async () => (await ben.status()).BackendState === 'NeedsLogin')
    await until('anna sees it', async () => (await anna.peer('ben'))?.Expired === true)
    assert.equal(await answers(anna.where, ips.ben.four), false)
    assert.equal(await answers(ben.where, ips.anna.four), false)
    await ben.up(login, '--force-reauth')
    await reachable(anna.where, ips.ben.four)
    assert.equal((await anna.peer('ben'))?.Expired ?? false, false)
  })

  test('a logout of either is the end for the other', async () => {
    const isGone = (peer: { readonly Expired?: boolean; readonly Online: boolean } | undefined): boolean =>
      peer === undefined || peer.Expired === true || !peer.Online
    await anna.sett('logout')
    await until('ben sees it', async () => isGone(await ben.peer('anna')))
    assert.equal(await answers(ben.where, ips.anna.four), false)
    await anna.up(login)
    ips = { ...ips, anna: await anna.addresses() }
    await reachable(anna.where, ips.ben.four)
    await ben.cli('logout')
    await until('anna sees it', async () => isGone(await anna.peer('ben')))
    assert.equal(await answers(anna.where, ips.ben.four), false)
  })
})
