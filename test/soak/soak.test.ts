/**
 * Hours in minutes: two machines with our daemon carry bytes both ways without a pause, while another comes and goes,
 * the map changes, ways close and open, the server is gone for a moment, and sessions renew themselves. No byte is
 * another than it was, and neither memory nor descriptors grow.
 *
 *   SETT_SOAK_SECONDS=600 node --test test/soak
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { tunMissing } from '../lab/available.ts'
import { Capture } from '../lab/capture.ts'
import { freeze } from '../lab/faults.ts'
import type { Machine } from '../lab/machine.ts'
import { Tailnet } from '../lab/tailnet.ts'
import { datagrams, reachable, serveDatagrams, serveEcho, transfer } from '../lab/traffic.ts'
import { Watch } from './watch.ts'

const SECONDS = Number(process.env['SETT_SOAK_SECONDS'] ?? 40)
/** Of each transfer, there and back; between them the way is quiet for a moment. */
const MEGABYTES = 8

test(
  `${SECONDS} seconds of traffic, comings and goings: no byte changed, nothing grown`,
  { skip: tunMissing(), timeout: SECONDS * 1000 + 240_000 },
  async (t) => {
    await using tailnet = await Tailnet.open()
    const [a, b] = (await tailnet.join('anna', 'ben')) as [Machine, Machine]
    const guest = await tailnet.machine('guest')
    const [of, to] = [await a.addresses(), await b.addresses()]
    await reachable(a.where, to.four)
    await using echoA = await serveEcho(a.where, of.six)
    await using echoB = await serveEcho(b.where, to.four)
    await using _reflecting = await serveDatagrams(b.where, to.four)
    await using probes = await Capture.of(a.where, { stun: { hook: 'output', match: 'oifname "eth0" udp dport 3478' } })
    const watches = [new Watch(a), new Watch(b)]
    const end = performance.now() + SECONDS * 1000
    const count = { megabytes: 0, datagrams: 0, returned: 0, guests: 0, maps: 0, ways: 0 }
    /** One failure ends all. */
    const failed = new AbortController()
    const until = async (everyMs: number, act: () => Promise<void>): Promise<void> => {
      try {
        while (performance.now() < end && !failed.signal.aborted) {
          await act()
          await wait(everyMs)
        }
      } catch (error) {
        failed.abort()
        throw error
      }
    }
    const carried = async (from: Machine, echo: typeof echoA): Promise<void> => {
      assert.equal(await transfer(from.where, echo, MEGABYTES), 'same', `bytes from ${from.name} came back changed`)
      count.megabytes += 2 * MEGABYTES
    }
    let way = 0
    const ways: readonly (() => Promise<void>)[] = [
      async () => {
        await a.where.blockUdp()
        await wait(4000)
        await a.where.allowUdp()
      },
      async () => {
        const cable = tailnet.cables.get('ben')
        await cable?.pull()
        await wait(1500)
        await cable?.plug()
      },
      async () => freeze(a, 1000),
      async () => {
        await tailnet.server.stop()
        await wait(1000)
        await tailnet.server.start()
      },
    ]

    await Promise.all([
      until(100, () => carried(a, echoB)),
      until(150, () => carried(b, echoA)),
      until(1000, async () => {
        const sent = 200
        count.returned += await datagrams(a.where, to.four, sent, 1100)
        count.datagrams += sent
      }),
      until(1000, () => comeAndGo(tailnet, guest, to.four, () => count.guests++)),
      until(1500, async () => {
        await b.sett('set', count.maps % 2 === 0 ? '--hostname=benjamin' : '--hostname=ben')
        count.maps++
      }),
      until(6000, async () => {
        await (ways[way++ % ways.length] as () => Promise<void>)()
        count.ways++
      }),
      until(1000, async () => {
        for (const watch of watches) watch.look()
      }),
    ])
    // What is under way comes to its end, and the machines to rest.
    await wait(3000)
    assert.match(await reachable(a.where, to.four), / 0% packet loss|[1-9]\d* received/)
    for (const watch of watches) t.diagnostic(watch.end())
    const { stun } = await probes.counts()
    t.diagnostic(JSON.stringify({ ...count, stun: stun.packets }))
    // A node that is used looks around every 20 to 26 s, without anybody asking.
    assert.ok(stun.packets >= Math.floor(SECONDS / 30), `${stun.packets} questions to STUN servers`)
    assert.ok(
      count.megabytes > 0 && count.guests > SECONDS / 60 && count.ways > 0 && count.returned > 0,
      JSON.stringify(count),
    )
  },
)

/** A machine joins, is reached, and leaves: by its own word, or as one that is switched off. */
async function comeAndGo(tailnet: Tailnet, guest: Machine, peer: string, been: () => number): Promise<void> {
  await guest.start()
  try {
    // One that was switched off comes back by itself.
    const { BackendState } = await guest.until(
      'it knows itself',
      (status) => !/NoState|Starting/.test(status.BackendState),
    )
    if (BackendState !== 'Running') await guest.up(await tailnet.login({ reusable: true, ephemeral: true }))
    await reachable(guest.where, peer, 30)
    if (been() % 2 === 0) await guest.sett('logout')
  } catch (error) {
    // The server may be gone, or somebody's cable pulled, for as long as this waits.
    if (!/timeout|timed out|not .*in time|refused|packets transmitted|server/i.test(String(error))) throw error
  } finally {
    await guest.kill()
  }
}
