/**
 * Our daemon beside official software on our server: the machines meet, and packets go both ways between our kernel
 * device and theirs (`tailscaled` with TUN, and tsnet, which has none), directly and by relay, as they were sent. What
 * may not pass and what ends is node-rights.test.ts.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'

import { tunMissing } from '../lab/available.ts'
import { Machine } from '../lab/machine.ts'
import type { Status } from '../lab/machine.ts'
import { datagrams, Pulse, reachable, serveDatagrams, serveEcho, transfer } from '../lab/traffic.ts'
import { chosenClient, NEWEST } from './driver/build.ts'
import { Official } from './driver/official.ts'
import { Stream } from './driver/stream.ts'
import { type TsClients, type TsNode, until } from './driver/tsclient.ts'
import { interopMissing, World } from './driver/world.ts'

const skip =
  interopMissing() ||
  tunMissing() ||
  (chosenClient() === NEWEST ? false : 'the daemon is built for the newest version only')

/** How long connections are kept in use while sessions are renewed every two minutes. */
const REKEY_SECONDS = Number(process.env['SETT_REKEY_SECONDS'] ?? 0)

describe('our daemon beside official software', { skip }, () => {
  let world: World
  let anna: Machine
  let ben: Official
  let carlas: TsClients
  let carla: TsNode
  let ips: { readonly anna: Pair; readonly ben: Pair; readonly carla: string }
  type Pair = { readonly four: string; readonly six: string }

  before(async () => {
    world = await World.open()
    anna = new Machine(await world.machine('anna'))
    ben = new Official(await world.machine('ben'), world)
    carlas = await world.clients('carla')
    await world.server.admin('users', 'create', 'anna@example.com')
    const { key } = await world.server.createKey({ reusable: true, user: 'anna@example.com' })
    const login = { url: world.control, key }
    const [, , joined] = await Promise.all([
      anna.start().then(() => anna.up(login)),
      ben.start().then(() => ben.up(login)),
      carlas.join('carla', { control: world.control, authKey: key }),
    ])
    carla = joined
    await carla.serve()
    ips = { anna: await anna.addresses(), ben: await ben.addresses(), carla: await carla.ip() }
  })
  after(async () => world?.close())

  test('each sees the others online, and nobody complains', async (t) => {
    const names = ['anna', 'ben', 'carla']
    for (const [name, status] of [
      ['anna', () => anna.status()],
      ['ben', () => ben.status()],
      ['carla', () => carla.status()],
    ] as const)
      await until(`${name} sees the others`, async () => {
        const peers = Object.values((await status()).Peer ?? {}).filter(({ Online }) => Online)
        return peers.length === 2 && peers.every(({ HostName }) => names.includes(HostName))
      })
    const shown = await ben.cli('status')
    t.diagnostic(shown.trim())
    assert.match(shown, /^100\.\d+\.\d+\.\d+ +anna +anna@ +linux/m)
    assert.doesNotMatch(shown, /# Health check/)
    assert.deepEqual((await anna.status()).Health, [])
  })

  test('their `whois` and ours say the same of each other', async () => {
    const [theirs, ours] = [await ben.cli('whois', ips.anna.four), await anna.sett('whois', ips.ben.four)]
    assert.match(theirs, /Name:\s+anna\./)
    assert.match(ours, /Name:\s+ben\./)
    const alike = (text: string): string => text.replaceAll('ben', 'anna').replace(/(ID|Addresses):.*\n/g, '')
    assert.equal(alike(ours), alike(theirs))
  })

  test('kernels reach each other both ways, over IPv4 and IPv6, up to the MTU', async () => {
    for (const [from, to] of [
      [anna.where, ips.ben],
      [ben.where, ips.anna],
    ] as const) {
      for (const address of [to.four, to.six]) {
        await reachable(from, address)
        const whole = 1280 - (address.includes(':') ? 48 : 28)
        for (const bytes of [0, 1, whole - 1, whole]) {
          const args = ['-c', '2', '-i', '0.05', '-W', '5', '-M', 'do', '-s', String(bytes), address]
          assert.match(await from.exec('ping', args), / 2 received/, `${bytes} bytes to ${address}`)
        }
        // More than fits is sent in pieces.
        assert.match(
          await from.exec('ping', ['-c', '2', '-i', '0.05', '-W', '5', '-s', '4000', address]),
          / 2 received/,
        )
      }
    }
  })

  test('disco pings go both ways, directly', async (t) => {
    const theirs = await ben.cli('ping', '--c=10', ips.anna.four)
    const ours = await anna.sett('ping', '--c=10', ips.ben.four)
    t.diagnostic(`${theirs}${ours}`.trim())
    assert.match(theirs, /pong from anna \(100\.\d+\.\d+\.\d+\) via 192\.168\.77\.11:41641 in \d+ms/)
    assert.match(ours, /pong from ben \(100\.\d+\.\d+\.\d+\) via 192\.168\.77\.12:41641 in (\d+m|0)s/)
    const pong = await carla.pingsBy('direct', ips.anna.four)
    assert.equal(pong.Endpoint, '192.168.77.11:41641')
    assert.match(
      await anna.sett('ping', '--c=10', ips.carla),
      /pong from carla \(100\.\d+\.\d+\.\d+\) via 192\.168\.77\.13:/,
    )
    assert.equal((await ben.peer('anna'))?.CurAddr, '192.168.77.11:41641')
    assert.equal((await anna.peer('ben'))?.CurAddr, '192.168.77.12:41641')
  })

  test('pings by TSMP, ICMP and PeerAPI go both ways', async () => {
    const pong = {
      tsmp: /^pong from \w+ \([\d.]+, \d+\) via TSMP in (\d+m|0)s\n$/,
      icmp: /^pong from \w+ \([\d.]+\) via ICMP in (\d+m|0)s\n$/,
      peerapi: /^hit peerapi of [\d.]+ \(\w+\..*\) at http:\S+ in (\d+m|0)s\n$/,
    }
    for (const [kind, wanted] of Object.entries(pong)) {
      assert.match(await ben.cli('ping', '--c=1', `--${kind}`, ips.anna.four), wanted)
      assert.match(await anna.sett('ping', '--c=1', `--${kind}`, ips.ben.four), wanted)
    }
  })

  test('TCP brings 16 MB there and back at once, whoever begins', async () => {
    for (const address of [ips.ben.four, ips.ben.six]) {
      await using echo = await serveEcho(ben.where, address)
      assert.equal(await transfer(anna.where, echo, 16), 'same')
    }
    for (const address of [ips.anna.four, ips.anna.six]) {
      await using echo = await serveEcho(anna.where, address)
      assert.equal(await transfer(ben.where, echo, 16), 'same')
    }
  })

  test('UDP datagrams come back as they were sent, whoever begins', async () => {
    const ways = [
      [anna.where, ben.where, ips.ben.four],
      [ben.where, anna.where, ips.anna.four],
      [anna.where, ben.where, ips.ben.six],
      [ben.where, anna.where, ips.anna.six],
    ] as const
    const back = ways.map(async ([from, at, address]) => {
      await using _ = await serveDatagrams(at, address)
      return await datagrams(from, address, 300, 1100)
    })
    // A busy machine may lose a few.
    for (const count of await Promise.all(back)) assert.ok(count >= 270, `${count} of 300`)
  })

  test('a program on tsnet serves us, and is served by us', async () => {
    const got = await anna.where.exec('curl', ['-sS', '--max-time', '30', `http://${ips.carla}/hello`])
    assert.equal(got, 'hello from carla')
    const program = `require('node:http').createServer((q, a) => {
      const sum = require('node:crypto').createHash('sha256'), n = 10_000_000
      a.setHeader('Trailer', 'Sha256')
      for (let sent = 0; sent < n; sent += 100_000) { const b = require('node:crypto').randomBytes(100_000); sum.update(b); a.write(b) }
      a.addTrailers({ Sha256: sum.digest('hex') })
      a.end()
    }).listen(80, '${ips.anna.four}', () => console.log('serving'))`
    const serving = anna.where.spawn(process.execPath, ['-e', program], { name: 'http' })
    await serving.waitFor(/serving/)
    const fetched = await carla.get(`http://${ips.anna.four}/`)
    assert.ok(fetched.intact && fetched.bytes === 10_000_000)
    await serving.stop('SIGKILL')
  })

  for (const blocked of ['anna', 'ben'] as const)
    test(`with UDP blocked at ${blocked} all goes by relay, and directly again afterwards`, async (t) => {
      const { where } = blocked === 'anna' ? anna : ben
      await where.blockUdp()
      const began = performance.now()
      await reachable(anna.where, ips.ben.four)
      t.diagnostic(`a ping comes back ${Math.round(performance.now() - began)} ms after the block`)
      for (const [from, at, address] of [
        [anna.where, ben.where, ips.ben.four],
        [ben.where, anna.where, ips.anna.four],
      ] as const) {
        await using echo = await serveEcho(at, address)
        assert.equal(await transfer(from, echo, 3), 'same')
      }
      t.diagnostic(`6 MB both ways after ${Math.round(performance.now() - began)} ms`)
      const theirs = await ben.cli('ping', '--c=1', '--until-direct=false', '--timeout=10s', ips.anna.four)
      const ours = await anna.sett('ping', '--c=1', '--until-direct=false', '--timeout=10s', ips.ben.four)
      for (const said of [theirs, ours]) assert.match(said, /via DERP\(\w+\) in/)
      await where.allowUdp()
      const opened = performance.now()
      await until(
        'the path is direct again, both ways',
        async () => {
          await reachable(anna.where, ips.ben.four)
          return (await anna.peer('ben'))?.CurAddr !== '' && (await ben.peer('anna'))?.CurAddr !== ''
        },
        60_000,
      )
      t.diagnostic(`direct again ${Math.round(performance.now() - opened)} ms after UDP is let through`)
    })
  test(
    'connections go on while sessions are renewed',
    { skip: REKEY_SECONDS > 0 ? false : 'takes SETT_REKEY_SECONDS, 240 in `npm run proof`' },
    async (t) => {
      const handshakes = new Set<string>()
      await using atBen = await serveEcho(ben.where, ips.ben.four)
      await using atAnna = await serveEcho(anna.where, ips.anna.six)
      const streams = [await Stream.open(anna.where, atBen, 20_000), await Stream.open(ben.where, atAnna, 20_000)]
      for (const end = performance.now() + REKEY_SECONDS * 1000; performance.now() < end; await wait(2000))
        handshakes.add((await ben.peer('anna'))?.LastHandshake ?? '')
      for (const stream of streams) {
        const { how, same, bytes, maxGapMs } = await stream.end()
        t.diagnostic(`${bytes} bytes; longest pause ${Math.round(maxGapMs)} ms`)
        assert.deepEqual({ how, same }, { how: 'ended', same: true })
        assert.ok(maxGapMs < 1000, `${maxGapMs} ms`)
      }
      t.diagnostic(`handshakes seen: ${handshakes.size}`)
      assert.ok(handshakes.size > Math.floor(REKEY_SECONDS / 121))
    },
  )

  test('our daemon starts while server and relay are away: theirs hears and answers it, and the way is direct', async () => {
    await reachable(anna.where, ips.ben.four)
    await anna.until('it is direct', isDirectTo('ben'))
    await world.server.kill()
    await anna.kill()
    await anna.start()
    await using pulse = new Pulse(anna.where, ips.ben.four, 50)
    await pulse.next()
    await anna.until('it is direct', isDirectTo('ben'))
    await pulse.next()
  })
})

const isDirectTo =
  (name: string) =>
  ({ Peer }: Status): boolean =>
    Object.values(Peer ?? {}).some(({ HostName, CurAddr }) => HostName === name && CurAddr !== '')
