/**
 * What two machines live through while they talk: UDP that is blocked and let through, a cable that is pulled, another
 * address, loss, a daemon that does nothing for a while, routers with NAT in between. How long each takes is bench/node.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { tunMissing } from './available.ts'
import { Capture } from './capture.ts'
import { freeze, lose, readdress } from './faults.ts'
import { PORT } from './machine.ts'
import type { Machine } from './machine.ts'
import { Tailnet } from './tailnet.ts'
import { Pulse, reachable, serveEcho, transfer } from './traffic.ts'

const skip = tunMissing()

describe('two machines, and what happens to them', { skip }, () => {
  let tailnet: Tailnet
  let a: Machine
  let b: Machine
  let to: { readonly four: string; readonly six: string }
  let pulse: Pulse

  before(async () => {
    tailnet = await Tailnet.open()
    ;[a, b] = (await tailnet.join('anna', 'ben')) as [Machine, Machine]
    to = await b.addresses()
    pulse = new Pulse(a.where, to.four, 50)
    await pulse.next()
    await isDirect()
  })
  after(async () => {
    await pulse?.stop()
    await tailnet?.[Symbol.asyncDispose]()
  })

  const isDirect = (address = `198.51.100.11:${PORT}`): Promise<unknown> =>
    a.until(`it is direct to ${address}`, ({ Peer }) => Object.values(Peer ?? {}).some((p) => p.CurAddr === address))

  test('blocked UDP: the relay carries all; let through, the way is direct again, and hardly anything goes by relay', async () => {
    await a.where.blockUdp()
    await a.until('it is by relay', ({ Peer }) => Object.values(Peer ?? {}).every((p) => p.CurAddr === ''))
    await pulse.next()
    await using serving = await serveEcho(b.where, to.four)
    assert.equal(await transfer(a.where, serving, 1), 'same')
    await a.where.allowUdp()
    await isDirect()
    await pulse.next()
    await using ways = await Capture.of(a.where, {
      direct: { hook: 'output', match: `oifname "eth0" udp dport ${PORT}` },
      relayed: { hook: 'output', match: 'oifname "eth0" tcp dport 8443' },
    })
    assert.equal(await transfer(a.where, serving, 4), 'same')
    const { direct, relayed } = await ways.counts()
    assert.ok(relayed.bytes < direct.bytes / 100, `${relayed.bytes} bytes by relay, ${direct.bytes} directly`)
  })

  test('a pulled cable: nothing, and all of it once it is plugged in again', async () => {
    const cable = tailnet.cables.get('ben')
    await cable?.pull()
    await b.until('it has lost the server', ({ Self }) => !Self.Online).catch(() => undefined)
    await cable?.plug()
    await pulse.next()
    await isDirect()
    await b.until('it is online', ({ BackendState, Self }) => BackendState === 'Running' && Self.Online)
  })

  test('another address: the pulse goes on, directly, from there', async () => {
    await readdress(b.where, '198.51.100.11/24', '198.51.100.99/24')
    await isDirect(`198.51.100.99:${PORT}`)
    await pulse.next()
    await b.until('it is online', ({ BackendState, Self }) => BackendState === 'Running' && Self.Online)
    await readdress(b.where, '198.51.100.99/24', '198.51.100.11/24')
    await isDirect()
    await pulse.next()
  })

  test('a tenth of all packets lost in each direction: what arrives is right', async () => {
    await using serving = await serveEcho(b.where, to.four)
    await using _loss = await lose(b.where, 10)
    assert.equal(await transfer(a.where, serving, 1), 'same')
  })

  test('a daemon that slept for some seconds goes on where it was', async () => {
    await isDirect()
    await freeze(b, 4000)
    await pulse.next()
    await isDirect()
  })

  test('a server that is killed under traffic, and one that comes back, cost no ping', async () => {
    await pulse.next()
    const before = pulse.answered.length
    await tailnet.server.kill()
    await pulse.next()
    await tailnet.server.start()
    await b.until('the server is back', ({ Self }) => Self.Online)
    await pulse.next()
    assert.ok(pulse.answered.length > before)
  })

  test('a daemon that starts while server and relay are away is heard and answered, and so are two', async () => {
    await using back = new Pulse(b.where, (await a.addresses()).four, 50)
    await back.next()
    await tailnet.server.kill()
    for (const started of [[a], [b], [a, b]]) {
      await Promise.all(started.map((machine) => machine.kill()))
      await Promise.all(started.map((machine) => machine.start()))
      await Promise.all([pulse.next(), back.next()])
      await isDirect()
    }
    await tailnet.server.start()
    for (const machine of [a, b]) await machine.until('the server is back', ({ Self }) => Self.Online)
    await pulse.next()
  })

  test('nor must it write itself: a peer that goes on with its old session is told at once', async () => {
    await tailnet.server.kill()
    for (const again of [() => b.kill(), () => b.sett('down')]) {
      await again()
      if (b.daemon?.alive === true) await b.sett('up')
      else await b.start()
      // Silence alone would tell after 15 s.
      await pulse.next(performance.now(), 10_000)
    }
    await tailnet.server.start()
    for (const machine of [a, b]) await machine.until('the server is back', ({ Self }) => Self.Online)
    await pulse.next()
  })

  test('machines behind routers talk with each other, and with one that is not', async () => {
    const [carla, dora] = await Promise.all([tailnet.behind('easy', 'carla'), tailnet.behind('hard', 'dora')])
    await tailnet.bring([carla, dora])
    const [c, d] = [await carla.addresses(), await dora.addresses()]
    await reachable(a.where, c.four)
    await reachable(carla.where, d.four)
    await reachable(dora.where, to.six)
    await using serving = await serveEcho(carla.where, c.four)
    assert.equal(await transfer(dora.where, serving, 1), 'same')
  })
})
