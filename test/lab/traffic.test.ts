/**
 * What two machines send each other arrives as it was sent, whatever its size, and what the policy forbids does not:
 * transfers and datagrams of both families, the edges of the MTU, and verdicts on live traffic.
 *
 * SETT_LAB_MEGABYTES: how much one transfer is; the proof takes more than `npm test`.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { tunMissing } from './available.ts'
import { Capture } from './capture.ts'
import type { Machine } from './machine.ts'
import { Tailnet } from './tailnet.ts'
import { answers, datagrams, knock, reachable, serveDatagrams, serveEcho, transfer } from './traffic.ts'

const skip = tunMissing()
const MEGABYTES = Number(process.env['SETT_LAB_MEGABYTES'] ?? 16)
/** Of the tunnel, and so of the largest packet in it. */
const MTU = 1280
/** Headers of a ping, and of a datagram. */
const HEADERS = { four: 28, six: 48 } as const
const TCP_HEADERS = 40

describe('traffic between two machines', { skip }, () => {
  let tailnet: Tailnet
  let a: Machine
  let b: Machine
  let to: { readonly four: string; readonly six: string }

  before(async () => {
    tailnet = await Tailnet.open()
    ;[a, b] = (await tailnet.join('anna', 'ben')) as [Machine, Machine]
    to = await b.addresses()
    await reachable(a.where, to.four)
  })
  after(async () => tailnet?.[Symbol.asyncDispose]())

  test(`${MEGABYTES} MB there and back arrive whole, over IPv4 and IPv6`, async () => {
    for (const address of [to.four, to.six]) {
      await using serving = await serveEcho(b.where, address)
      assert.equal(await transfer(a.where, serving, MEGABYTES), 'same', address)
    }
  })

  test('four transfers at once, too', async () => {
    await using serving = await serveEcho(b.where, to.four)
    const all = Array.from({ length: 4 }, () => transfer(a.where, serving, MEGABYTES / 4))
    assert.deepEqual(await Promise.all(all), ['same', 'same', 'same', 'same'])
  })

  test('datagrams come back as they went, fragments included', async () => {
    for (const address of [to.four, to.six]) {
      await using _ = await serveDatagrams(b.where, address)
      // Sockets of a busy machine may overflow; none of those that come back is harmed.
      for (const bytes of [8, 1200, 1232, 5000])
        assert.ok((await datagrams(a.where, address, 50, bytes)) >= 45, `${address}, ${bytes} bytes`)
    }
  })

  test('the largest packet fits; a larger one is refused, or goes in pieces', async () => {
    const ping = (address: string, bytes: number, how: 'do' | 'dont'): Promise<string> =>
      a.where
        .exec('ping', ['-c', '2', '-i', '0.2', '-W', '2', '-M', how, '-s', String(bytes), address])
        .catch((error: { stdout?: string; stderr?: string }) => `${error.stdout}${error.stderr}`)
    for (const family of ['four', 'six'] as const) {
      const largest = MTU - HEADERS[family]
      assert.match(await ping(to[family], largest, 'do'), / 2 received/)
      assert.match(await ping(to[family], largest + 1, 'do'), /message too long, mtu[:=] ?1280/i)
      assert.match(await ping(to[family], largest + 1, 'dont'), / 2 received/)
      assert.match(await ping(to[family], 8000, 'dont'), / 2 received/)
    }
  })

  test('machines behind a subnet router are offered segments that fit', async () => {
    const inside = await tailnet.lab.segment()
    const host = await tailnet.lab.namespace('printer')
    await tailnet.lab.plug(b.where, inside, '10.77.0.1/24', { device: 'lan0' })
    await tailnet.lab.plug(host, inside, '10.77.0.2/24', { gateway: '10.77.0.1' })
    await b.where.setSysctl('net/ipv4/ip_forward', '1')
    await b.sett('set', '--advertise-routes=10.77.0.0/24')
    const { nodeId } = await tailnet.server.device('ben')
    await tailnet.server.admin('nodes', 'routes', nodeId, '--approve', '10.77.0.0/24')
    await a.sett('set', '--accept-routes')
    await a.until('the route is there', ({ Peer }) => JSON.stringify(Peer).includes('10.77.0.0/24'))
    await reachable(a.where, '10.77.0.2')
    await using seen = await Capture.of(host, {
      offered: { hook: 'input', match: 'tcp flags & (syn|ack) == syn' },
      fitting: { hook: 'input', match: `tcp flags & (syn|ack) == syn tcp option maxseg size <= ${MTU - TCP_HEADERS}` },
    })
    await using serving = await serveEcho(host, '10.77.0.2')
    assert.equal(await transfer(a.where, serving, 4), 'same')
    const { offered, fitting } = await seen.counts()
    assert.deepEqual([offered.packets, fitting.packets], [1, 1])
    await a.sett('set', '--accept-routes=false')
    await b.sett('set', '--advertise-routes=')
  })

  // Whoever may reach a node at all may ping it. (node.md §2)
  test('what the policy denies does not get in, from the moment it is saved, and what it allows does', async () => {
    const save = (grants: readonly object[]): Promise<unknown> =>
      tailnet.server.api('POST', '/api/v2/tailnet/-/acl', { grants })
    const all = { src: ['*'], dst: ['*'], ip: ['*'] }
    await using _echo = await serveEcho(b.where, to.four)
    await using _open = await serveDatagrams(b.where, to.four, 5001)
    await using _shut = await serveDatagrams(b.where, to.four, 5002)
    const verdicts = async (): Promise<unknown> => ({
      tcp: await knock(a.where, to.four, 5000),
      other: await knock(a.where, to.four, 5003),
      udp: (await datagrams(a.where, to.four, 10, 100, 5001)) > 0,
      otherUdp: (await datagrams(a.where, to.four, 10, 100, 5002)) > 0,
      ping: await answers(a.where, to.four),
    })
    const everything = { tcp: 'open', other: 'ECONNREFUSED', udp: true, otherUdp: true, ping: true }
    assert.deepEqual(await verdicts(), everything)
    await save([{ src: ['*'], dst: ['*'], ip: ['tcp:5000', 'udp:5001'] }])
    await until(async () => (await knock(a.where, to.four, 5003)) === 'silence')
    assert.deepEqual(await verdicts(), { tcp: 'open', other: 'silence', udp: true, otherUdp: false, ping: true })
    await save([all])
    await until(async () => (await knock(a.where, to.four, 5003)) !== 'silence')
    assert.deepEqual(await verdicts(), everything)
  })
})

/** Resolves once it is so. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 10_000; performance.now() < end; await wait(100)) if (await holds()) return
  throw new Error('it never came to be so')
}
