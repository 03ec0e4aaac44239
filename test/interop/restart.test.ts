/**
 * The server is restarted or killed during a transfer: data flows on, and official clients come back by themselves,
 * with the addresses that they had.
 */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'

import { type Fetched, meet, type TsClients, type TsNode, until } from './driver/tsclient.ts'
import { interopMissing, World } from './driver/world.ts'

const skip = interopMissing()

const ways = [
  { name: 'over TLS', tls: true, backMs: 10_000 },
  // The official dialer itself waits ten seconds after a connection was refused.
  { name: 'over plain HTTP at a private address', tls: false, backMs: 30_000 },
] as const

const endings = [
  { name: 'a restart', end: async (world: World) => world.server.stop() },
  { name: 'kill -9', end: async (world: World) => world.server.kill() },
] as const

for (const way of ways) {
  suite(way.name, { skip }, () => {
    let world: World
    let anna: TsNode
    let ben: TsNode
    let machine: TsClients
    let benIp: string

    before(async () => {
      world = await World.open({ tls: way.tls })
      machine = await world.clients('anna')
      const { key } = await world.server.createKey({ reusable: true })
      anna = await machine.join('anna', { control: world.control, authKey: key })
      ben = await (await world.clients('ben')).join('ben', { control: world.control, authKey: key })
      await ben.serve()
      await meet(anna, ben)
      benIp = await ben.ip()
    })
    after(async () => world?.close())

    /** Starts a transfer of `bytes` in about six seconds, does `during` after a third of it, and returns what came. */
    async function transferDuring(bytes: number, during: () => Promise<void>): Promise<Fetched> {
      let third = (): void => {}
      const reached = new Promise<void>((resolve) => (third = resolve))
      const transfer = anna.get(`http://${benIp}/bytes?n=${bytes}&bps=${bytes / 6}`, {
        timeoutMs: 90_000,
        onBytes: (count) => count > bytes / 3 && third(),
      })
      await Promise.race([reached, transfer])
      await during()
      return transfer
    }

    /** Renames ben at the server and returns after how many ms both clients know: then both streams are back. */
    async function bothInStep(name: string): Promise<number> {
      const began = performance.now()
      const { nodeId } = await world.server.device('ben', 'hostname')
      await world.server.api('POST', `/api/v2/device/${nodeId}/name`, { name })
      await anna.sees(`ben as ${name}`, name, (peer) => peer?.Online === true, way.backMs)
      await until(
        'ben knows its new name',
        async () => (await ben.status()).Self.DNSName.startsWith(`${name}.`),
        way.backMs,
      )
      return Math.round(performance.now() - began)
    }

    for (const [n, ending] of endings.entries()) {
      test(`${ending.name} does not interrupt a direct transfer`, { timeout: 90_000 }, async (t) => {
        // Both ways: each client finds its own path to the other.
        await Promise.all([anna.pingsBy('direct', benIp), ben.pingsBy('direct', await anna.ip())])
        const addresses = [await anna.ip(), await ben.ip()]
        const got = await transferDuring(12_000_000, async () => {
          const ended = performance.now()
          await ending.end(world)
          await world.server.start()
          const ready = performance.now()
          const heard = await bothInStep(`ben-${n}`)
          t.diagnostic(`server away for ${Math.round(ready - ended)} ms; both clients back ${heard} ms after it was`)
        })
        t.diagnostic(`12 MB in ${got.ms} ms, the first byte after ${got.firstMs} ms, longest pause ${got.maxGapMs} ms`)
        assert.ok(got.intact && got.bytes === 12_000_000)
        assert.ok(got.maxGapMs < 1500, `data flowed on: longest pause ${got.maxGapMs} ms`)
        assert.deepEqual([await anna.ip(), await ben.ip()], addresses)
      })

      // The relay has TLS of its own, so one way of reaching the control server shows it.
      if (!way.tls) continue
      test(`${ending.name} only pauses a transfer over the relay`, { timeout: 120_000 }, async (t) => {
        await machine.namespace.blockUdp()
        try {
          await anna.pingsBy('relay', benIp)
          const got = await transferDuring(3_000_000, async () => {
            await ending.end(world)
            await world.server.start()
          })
          t.diagnostic(`3 MB in ${got.ms} ms, the first byte after ${got.firstMs} ms, longest pause ${got.maxGapMs} ms`)
          assert.ok(got.intact && got.bytes === 3_000_000)
        } finally {
          await machine.namespace.allowUdp()
        }
      })
    }
  })
}
