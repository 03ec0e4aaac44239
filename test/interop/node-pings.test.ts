/**
 * What our daemon and official software say to each other beside the traffic that they carry: pings in each of the four
 * ways, both ways round, PeerAPI, and why a connection was refused.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'

import { tunMissing } from '../lab/available.ts'
import { Machine } from '../lab/machine.ts'
import { chosenClient, NEWEST } from './driver/build.ts'
import { Official } from './driver/official.ts'
import { until } from './driver/tsclient.ts'
import { interopMissing, World } from './driver/world.ts'

const skip =
  interopMissing() ||
  tunMissing() ||
  (chosenClient() === NEWEST ? false : 'the daemon is built for the newest version only')

const FETCH =
  'fetch(process.argv[1], { signal: AbortSignal.timeout(4000) }).then(async (r) => console.log(r.status, await r.text()))'
const CONNECT =
  "require('node:net').connect(5000, process.argv[1]).on('error', () => {}); setTimeout(process.exit, 300)"

describe('our daemon and the official one say to each other', { skip }, () => {
  let world: World
  let anna: Machine
  let ben: Official
  let pairs: readonly {
    readonly name: string
    readonly other: string
    readonly ping: (...args: readonly string[]) => Promise<string>
    readonly exec: (...args: readonly string[]) => Promise<string>
    readonly theirs: readonly [four: string, six: string]
  }[]

  before(async () => {
    world = await World.open()
    anna = new Machine(await world.machine('anna'))
    ben = new Official(await world.machine('ben'), world)
    const { key } = await world.server.createKey({ reusable: true })
    const login = { url: world.control, key }
    await Promise.all([anna.start().then(() => anna.up(login)), ben.start().then(() => ben.up(login))])
    await until('they know of each other', async () => {
      return (await anna.peer('ben')) !== undefined && (await ben.peer('anna')) !== undefined
    })
    const [ours, other] = await Promise.all([anna.addresses(), ben.addresses()])
    pairs = [
      {
        name: 'anna',
        other: 'ben',
        ping: (...args) => anna.sett('ping', ...args),
        exec: (...args) => anna.where.exec(process.execPath, ['-e', ...args]),
        theirs: [other.four, other.six],
      },
      {
        name: 'ben',
        other: 'anna',
        ping: (...args) => ben.cli('ping', ...args),
        exec: (...args) => ben.where.exec(process.execPath, ['-e', ...args]),
        theirs: [ours.four, ours.six],
      },
    ]
  })
  after(async () => world?.close())

  test('TSMP and ICMP pings are answered both ways, over IPv4 and IPv6', async () => {
    for (const { other, ping, theirs } of pairs)
      for (const address of theirs)
        for (const kind of ['TSMP', 'ICMP']) {
          const said = await ping(`--${kind.toLowerCase()}`, '-c=1', '--timeout=10s', address)
          assert.match(said, new RegExp(`^pong from ${other} \\(${address}(, \\d+)?\\) via ${kind} in `), said)
        }
  })

  test('each hits the other’s PeerAPI, and TSMP tells its port', async () => {
    for (const { name, other, ping, exec, theirs } of pairs) {
      const said = await until(`${name} knows where PeerAPI is`, async () =>
        ping('--peerapi', '-c=1', '--timeout=5s', theirs[0]).catch(() => undefined),
      )
      const [, url = '', port = ''] =
        new RegExp(`^hit peerapi of ${theirs[0]} \\(${other}\\.[^)]*\\) at (http://[0-9.]+:(\\d+)) in `).exec(said) ??
        []
      assert.notEqual(port, '', said)
      assert.match(await ping('--tsmp', '-c=1', '--timeout=5s', theirs[0]), new RegExp(`, ${port}\\) via TSMP`))
      assert.match(await exec(FETCH, url), /^200 /)
    }
  })

  test('a refused connection is told why, both ways', async () => {
    const [first, second] = pairs as [(typeof pairs)[number], (typeof pairs)[number]]
    await ben.cli('set', '--shields-up')
    await first.exec(CONNECT, first.theirs[0])
    await anna.daemon?.waitFor(new RegExp(`${first.theirs[0]}:5000 refuses connections from [0-9.]+: shields`))
    await ben.cli('set', '--shields-up=false')
    await anna.sett('set', '--shields-up')
    const { daemon } = ben
    await until('the official daemon logs the refusal', async () => {
      await second.exec(CONNECT, second.theirs[0])
      await wait(300)
      return /open-conn-track: flow TCP .*:5000 .*shields/.test(daemon?.output ?? '') ? true : undefined
    })
    await anna.sett('set', '--shields-up=false')
  })
})
