/**
 * Two machines with our own daemon and our own server on a switch, from the first `sett up` to the last `sett down`:
 * they find each other, speak through their tunnels, survive a restart, and leave their machines as they were.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { tunMissing } from './available.ts'
import type { Machine } from './machine.ts'
import { Tailnet } from './tailnet.ts'
import { reachable, serveEcho, transfer } from './traffic.ts'

const skip = tunMissing()

describe('two nodes and a server, all ours', { skip }, () => {
  let tailnet: Tailnet
  let a: Machine
  let b: Machine
  let before0 = ''
  let addresses: { readonly four: string; readonly six: string }

  before(async () => {
    tailnet = await Tailnet.open()
    a = await tailnet.machine('anna')
    b = await tailnet.machine('ben')
    before0 = await a.traces()
    await Promise.all([a.start(), b.start()])
  })
  after(async () => tailnet?.[Symbol.asyncDispose]())

  test('before a login there is nothing to see', async () => {
    assert.equal((await a.status()).BackendState, 'NeedsLogin')
    assert.equal(await a.traces(), before0)
  })

  test('they come up with a key', async () => {
    const login = await tailnet.login()
    await Promise.all([a.up(login), b.up(login)])
    const { Self } = await b.until('it sees the other', ({ BackendState, Peer }) => {
      return BackendState === 'Running' && Object.values(Peer ?? {}).some(({ HostName }) => HostName === 'anna')
    })
    const [four = '', six = ''] = Self.TailscaleIPs ?? []
    addresses = { four, six }
    await a.until('it sees the other', ({ Peer }) => Object.keys(Peer ?? {}).length === 1)
    assert.match(await a.sett('status'), /\bben\b/)
  })

  test('kernels reach each other through the tunnel, over IPv4 and IPv6', async () => {
    for (const address of [addresses.four, addresses.six])
      assert.match(await a.where.exec('ping', ['-c', '3', '-W', '5', address]), / [123] received/)
  })

  test('the way is direct', async () => {
    assert.match(await a.sett('ping', '--timeout=10s', addresses.four), /via 198\.51\.100\.11:41641/)
    const { Peer } = await a.until('the path is direct', ({ Peer }) => Object.values(Peer ?? {})[0]?.CurAddr !== '')
    assert.equal(Object.values(Peer ?? {})[0]?.CurAddr, '198.51.100.11:41641')
  })

  test('a transfer arrives as it was sent', async () => {
    for (const address of [addresses.four, addresses.six]) {
      await using serving = await serveEcho(b.where, address)
      assert.equal(await transfer(a.where, serving, 16), 'same')
    }
  })

  test('shields up: nobody gets in, until they are down again', async () => {
    const reached = (): Promise<boolean> =>
      a.where.exec('ping', ['-c', '1', '-W', '2', addresses.four]).then(
        () => true,
        () => false,
      )
    await b.sett('set', '--shields-up')
    assert.equal(await reached(), false)
    await b.sett('set', '--shields-up=false')
    assert.equal(await reached(), true)
  })

  test('without UDP the relay carries it', async () => {
    await a.where.blockUdp()
    assert.match(await reachable(a.where, addresses.four), / [1-9]\d* received/)
    assert.match(await a.sett('ping', '-c', '1', '--until-direct=false', '--timeout=10s', addresses.four), /via DERP\(/)
    await a.where.allowUdp()
  })

  test('a network behind a node is reached by whoever accepts its routes', async () => {
    await b.where.ip('link', 'add', 'inner', 'type', 'bridge')
    await b.where.ip('address', 'add', '10.77.0.1/24', 'dev', 'inner')
    await b.where.ip('link', 'set', 'inner', 'up')
    await b.sett('set', '--advertise-routes=10.77.0.0/24')
    const { nodeId } = await tailnet.server.device('ben')
    await tailnet.server.admin('nodes', 'routes', nodeId, '--approve', '10.77.0.0/24')
    assert.doesNotMatch(await a.where.ip('route', 'show', 'table', '52'), /10\.77/)
    await a.sett('set', '--accept-routes')
    await a.until('the route is there', ({ Peer }) => JSON.stringify(Peer).includes('10.77.0.0/24'))
    assert.match(await reachable(a.where, '10.77.0.1'), / [1-9]\d* received/)
    assert.match(await a.where.ip('route', 'show', 'table', '52'), /10\.77\.0\.0\/24 dev sett0/)
    await a.sett('set', '--accept-routes=false')
    assert.doesNotMatch(await a.where.ip('route', 'show', 'table', '52'), /10\.77/)
    await b.sett('set', '--advertise-routes=')
    await b.where.ip('link', 'delete', 'inner')
  })

  test('an exit node takes all there is, and gives it back', async () => {
    await b.sett('set', '--advertise-exit-node')
    const { nodeId } = await tailnet.server.device('ben')
    await tailnet.server.admin('nodes', 'routes', nodeId, '--approve', '0.0.0.0/0,::/0')
    await a.until('it is offered', ({ Peer }) => JSON.stringify(Peer).includes('"ExitNodeOption":true'))
    await a.sett('set', `--exit-node=${addresses.four}`)
    assert.match(await a.where.ip('route', 'get', '203.0.113.1'), /dev sett0 table 52/)
    assert.match(await reachable(a.where, addresses.four), / [1-9]\d* received/)
    await tailnet.server.admin('nodes', 'routes', nodeId, '--remove', '0.0.0.0/0,::/0')
    const blocked = (): Promise<boolean> =>
      a.where.ip('route', 'get', '203.0.113.1').then(
        (way) => way.includes('unreachable') || way.includes('dev sett0'),
        () => true,
      )
    await a.until('it says why nothing gets out', ({ Health }) => Health.join().includes('ben is not offered'))
    assert.ok(await blocked())
    await a.sett('set', '--exit-node=')
    await a.until('nothing is wrong', ({ Health }) => !Health.join().includes('ben is not offered'))
    assert.doesNotMatch(await a.where.ip('route', 'show', 'table', '52'), /default/)
    await b.sett('set', '--advertise-exit-node=false')
  })

  test('nodes go on, and start, while the server is away', async () => {
    await tailnet.server.kill()
    assert.match(await reachable(a.where, addresses.four), / [1-9]\d* received/)
    await b.stop()
    await b.start()
    // From the kept map. Its disco key is new, which only a server or relay can tell the other.
    const { Peer, Self } = await b.status()
    assert.deepEqual([Object.values(Peer ?? {})[0]?.HostName, Self.TailscaleIPs?.[0]], ['anna', addresses.four])
    await tailnet.server.start()
    await b.until('the server is back', ({ BackendState, Self }) => Self.Online && BackendState === 'Running')
    assert.match(await reachable(a.where, addresses.four), / [1-9]\d* received/)
  })

  test('a daemon that is started anew comes back by itself', async () => {
    await b.stop()
    await b.start()
    await b.until('it runs again', ({ BackendState }) => BackendState === 'Running')
    assert.match(await reachable(a.where, addresses.four), / [1-9]\d* received/)
  })

  test('so does one that was killed', async () => {
    await b.kill()
    await b.start()
    await b.until('it runs again', ({ BackendState }) => BackendState === 'Running')
    assert.match(await reachable(a.where, addresses.four), / [1-9]\d* received/)
  })

  test('down leaves the machine as it was, and up brings it back', async () => {
    await a.sett('down')
    assert.equal((await a.status()).BackendState, 'Stopped')
    assert.equal(await a.traces(), before0)
    await a.sett('up')
    assert.match(await a.where.exec('ping', ['-c', '3', '-W', '5', addresses.four]), / [123] received/)
  })

  test('a peer with a session of before is answered at once by a node that was down', async () => {
    const { four } = await a.addresses()
    const echoes = async (): Promise<string> => b.where.exec('ping', ['-c', '6', '-i', '0.5', '-W', '1', four])
    assert.match(await reachable(b.where, four), / [1-9]\d* received/)
    await a.sett('down')
    await assert.rejects(b.where.exec('ping', ['-c', '1', '-W', '1', four]))
    await a.sett('up')
    // The next handshake of its own would come after 15 s.
    assert.match(await echoes(), / [1-6] received/)
  })

  test('a logout leaves no key behind, and the end leaves nothing', async () => {
    await a.sett('logout')
    assert.equal((await a.status()).BackendState, 'NeedsLogin')
    assert.equal(await a.traces(), before0)
    for (const machine of [a, b]) await machine.stop()
    assert.equal(await b.traces().then((text) => text.replaceAll('198.51.100.11', '198.51.100.10')), before0)
  })
})
