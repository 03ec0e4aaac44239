/**
 * Our daemon on a network that is not ours: the official module's control server of tests, with its relay and its STUN
 * server. It meets official peers there, exchanges traffic with them directly and by that relay, and obeys that server.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import { tunMissing } from '../lab/available.ts'
import { Lab } from '../lab/lab.ts'
import { Machine } from '../lab/machine.ts'
import type { Namespace } from '../lab/namespace.ts'
import type { LabProcess } from '../lab/process.ts'
import { answers, datagrams, reachable, serveDatagrams, serveEcho, transfer } from '../lab/traffic.ts'
import { buildClients, chosenClient, NEWEST } from './driver/build.ts'
import { Official } from './driver/official.ts'
import { TsClients, type TsNode, until } from './driver/tsclient.ts'
import { interopMissing, NET, SERVER_HOST } from './driver/world.ts'

const skip =
  interopMissing() ||
  tunMissing() ||
  (chosenClient() === NEWEST ? false : 'the control server is built for the newest version only')

describe("our daemon on the official module's control server", { skip }, () => {
  let lab: Lab
  let control: LabProcess
  let url: string
  let anna: Machine
  let ben: Official
  let carla: TsNode
  let ips: { readonly anna: Pair; readonly ben: Pair; readonly carla: string }
  type Pair = { readonly four: string; readonly six: string }

  before(async () => {
    const built = await buildClients(NEWEST)
    const clientEnv = { TS_NO_LOGS_NO_SUPPORT: 'true' }
    lab = await Lab.open()
    const net = await lab.segment()
    const [home, a, b, c] = (await Promise.all(
      ['server', 'anna', 'ben', 'carla'].map((name) => lab.namespace(name)),
    )) as [Namespace, Namespace, Namespace, Namespace]
    await lab.plug(home, net, `${SERVER_HOST}/24`)
    for (const [n, each] of [a, b, c].entries()) await lab.plug(each, net, `${NET}.${11 + n}/24`)
    control = home.spawn(built.testcontrol, [SERVER_HOST])
    ;[, url = ''] = await control.waitFor(/"control":"([^"]+)"/)
    anna = new Machine(a)
    ben = new Official(b, { built, clientEnv })
    const [, , joined] = await Promise.all([
      // This server asks for no key.
      anna.start().then(() => anna.sett('up', `--login-server=${url}`, '--hostname=anna', '--timeout=60s')),
      ben.start().then(() => ben.cli('up', `--login-server=${url}`, '--hostname=ben', '--timeout=60s')),
      new TsClients(c, built.tsclient, clientEnv).join('carla', { control: url }),
    ])
    carla = joined
    await carla.serve()
    ips = { anna: await anna.addresses(), ben: await ben.addresses(), carla: await carla.ip() }
  })
  after(async () => lab?.close())

  test('all are there, and nobody complains', async () => {
    for (const [name, status] of [
      ['anna', () => anna.status()],
      ['ben', () => ben.status()],
      ['carla', () => carla.status()],
    ] as const)
      await until(`${name} sees the others`, async () => Object.keys((await status()).Peer ?? {}).length === 2)
    assert.match(await ben.cli('status'), /^100\.64\.\d+\.\d+ +anna\b/m)
    assert.match(await anna.sett('status'), /^100\.64\.\d+\.\d+ +ben\b/m)
    assert.deepEqual((await anna.status()).Health, [])
    assert.match(await anna.sett('whois', ips.ben.four), /Name:\s+ben\./)
    assert.match(await ben.cli('whois', ips.anna.four), /Name:\s+anna\./)
  })

  test('pings and traffic go directly, both ways', async () => {
    for (const [from, to] of [
      [anna.where, ips.ben],
      [ben.where, ips.anna],
    ] as const)
      for (const address of [to.four, to.six]) await reachable(from, address)
    assert.match(
      await ben.cli('ping', '--c=10', ips.anna.four),
      /pong from anna \([\d.]+\) via 192\.168\.77\.11:41641 in/,
    )
    assert.match(
      await anna.sett('ping', '--c=10', ips.ben.four),
      /pong from ben \([\d.]+\) via 192\.168\.77\.12:41641 in/,
    )
    const ways = [
      [anna.where, ben.where, ips.ben.four],
      [ben.where, anna.where, ips.anna.six],
    ] as const
    const brought = ways.map(async ([from, at, address]) => {
      await using echo = await serveEcho(at, address)
      await using _ = await serveDatagrams(at, address)
      const back = await datagrams(from, address, 300, 1100)
      return { sum: await transfer(from, echo, 8), most: back >= 270 }
    })
    // A busy machine may lose a few.
    assert.deepEqual(
      await Promise.all(brought),
      ways.map(() => ({ sum: 'same', most: true })),
    )
    const got = await anna.where.exec('curl', ['-sS', '--max-time', '30', `http://${ips.carla}/hello`])
    assert.equal(got, 'hello from carla')
  })

  test('with UDP blocked everything goes by that relay', async () => {
    await ben.where.blockUdp()
    for (const [from, at, address] of [
      [anna.where, ben.where, ips.ben.four],
      [ben.where, anna.where, ips.anna.four],
    ] as const) {
      await reachable(from, address)
      await using echo = await serveEcho(at, address)
      assert.equal(await transfer(from, echo, 2), 'same')
    }
    const pings = ['ping', '--c=1', '--until-direct=false', '--timeout=10s']
    assert.match(await ben.cli(...pings, ips.anna.four), /via DERP\(test\) in/)
    assert.match(await anna.sett(...pings, ips.ben.four), /via DERP\(test\) in/)
    await ben.where.allowUdp()
    await reachable(anna.where, ips.ben.four)
  })

  test('keys that expire end it, and keys that are good again bring it back', async () => {
    control.write('expire\n')
    await until('anna has expired', async () => (await anna.status()).BackendState === 'NeedsLogin')
    assert.equal(await answers(ben.where, ips.anna.four), false)
    control.write('renew\n')
    await until('anna runs', async () => (await anna.status()).BackendState === 'Running')
    await reachable(anna.where, ips.ben.four)
  })
})
