/**
 * What flows between two official clients: directly, over our relay, and on through a restart or a crash of the server.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { type Fetched, type TsClients, type TsNode, until } from './driver/tsclient.ts'
import { interopMissing, World } from './driver/world.ts'

const skip = interopMissing()

let world: World
let anna: TsNode
let ben: TsNode
let machines: Record<'anna' | 'ben', TsClients>
let benIp: string

before(async () => {
  if (skip !== false) return
  world = await World.open()
  machines = { anna: await world.clients('anna'), ben: await world.clients('ben') }
  const { key } = await world.server.createKey({ reusable: true })
  const join = async (name: 'anna' | 'ben'): Promise<TsNode> =>
    machines[name].join(name, { control: world.control, authKey: key })
  ;[anna, ben] = await Promise.all([join('anna'), join('ben')])
  await ben.serve()
  benIp = await ben.ip()
})
after(async () => {
  if (skip === false) await world?.close()
})

/** The way that packets from anna to ben take now. */
async function path(): Promise<{ direct: string; relay: string }> {
  const peer = await anna.peer('ben')
  return { direct: peer?.CurAddr ?? '', relay: peer?.Relay ?? '' }
}

/** Megabits a second. */
function rate(got: Fetched): string {
  return `${((got.bytes * 8) / got.ms / 1000).toFixed(0)} Mbit/s`
}

test('two clients exchange HTTP, and each knows who the other is', { skip }, async () => {
  const hello = await anna.get(`http://${benIp}/hello`)
  assert.equal(hello.text, 'hello from ben')
  const byName = await anna.get('http://ben/hello')
  assert.equal(byName.text, 'hello from ben', 'by its MagicDNS name')
  const who = JSON.parse((await anna.get(`http://${benIp}/who`)).text) as {
    Node: { Name: string }
    UserProfile: { LoginName: string }
  }
  assert.equal(who.Node.Name, (await anna.status()).Self.DNSName)
  assert.equal(who.UserProfile.LoginName, (await world.server.device('anna')).user)
})

test('a transfer between them goes directly', { skip }, async (t) => {
  await until('a direct path', async () => (await anna.ping(benIp)).Endpoint !== '', 20_000)
  const got = await anna.get(`http://${benIp}/bytes?n=30000000`)
  assert.ok(got.intact && got.bytes === 30_000_000)
  const { direct } = await path()
  t.diagnostic(`30 MB at ${rate(got)} by ${direct}`)
  assert.match(direct, /^198\.51\.100\.12:\d+$/)
})

test('with UDP blocked the transfer goes over our relay, and directly again afterwards', { skip }, async (t) => {
  await machines.anna.namespace.blockUdp()
  const began = performance.now()
  const got = await anna.get(`http://${benIp}/bytes?n=5000000`, { timeoutMs: 60_000 })
  assert.ok(got.intact && got.bytes === 5_000_000)
  const { direct, relay } = await path()
  assert.equal(direct, '')
  assert.notEqual(relay, '')
  t.diagnostic(
    `5 MB by relay ${relay} within ${Math.round(performance.now() - began)} ms of the block; longest pause ${got.maxGapMs} ms`,
  )
  const again = await anna.get(`http://${benIp}/bytes?n=5000000`, { timeoutMs: 60_000 })
  assert.ok(again.intact)
  t.diagnostic(`5 MB more at ${rate(again)}`)
  const ping = await anna.ping(benIp)
  assert.equal(ping.Endpoint, '')
  assert.notEqual(ping.DERPRegionID, 0)
  t.diagnostic(`disco ping over the relay: ${(ping.LatencySeconds * 1000).toFixed(1)} ms`)
  await machines.anna.namespace.allowUdp()
  const opened = performance.now()
  await until('a direct path', async () => (await anna.ping(benIp)).Endpoint !== '', 30_000)
  t.diagnostic(`direct again ${Math.round(performance.now() - opened)} ms after UDP is let through`)
})

/** Rename ben at the server until anna hears of it: both streams are back, and the server remembers who they are. */
async function bothInStep(name: string): Promise<number> {
  const began = performance.now()
  const { nodeId } = await world.server.device('ben', 'hostname')
  await world.server.api('POST', `/api/v2/device/${nodeId}/name`, { name })
  await anna.sees(`ben as ${name}`, name, (peer) => peer?.Online === true, 40_000)
  await until(
    'ben knows its own new name',
    async () => (await ben.status()).Self.DNSName.startsWith(`${name}.`),
    40_000,
  )
  return Math.round(performance.now() - began)
}

const endings = [
  { name: 'a restart of the server', end: async () => world.server.stop() },
  { name: 'kill -9 of the server', end: async () => world.server.kill() },
] as const
for (const [n, ending] of endings.entries()) {
  test(
    `${ending.name} does not interrupt a direct transfer, and the clients come back by themselves`,
    { skip, timeout: 90_000 },
    async (t) => {
      await until('a direct path', async () => (await anna.ping(benIp)).Endpoint !== '', 30_000)
      const addresses = [await anna.ip(), await ben.ip()]
      let half = (): void => {}
      const halfway = new Promise<void>((resolve) => (half = resolve))
      const transfer = anna.get(`http://${benIp}/bytes?n=12000000&bps=2000000`, {
        timeoutMs: 60_000,
        onBytes: (bytes) => bytes > 3_000_000 && half(),
      })
      await Promise.race([halfway, transfer])
      const ended = performance.now()
      await ending.end()
      await world.server.start()
      const ready = performance.now()
      const heard = await bothInStep(`ben-${n}`)
      const got = await transfer
      t.diagnostic(
        `server away for ${Math.round(ready - ended)} ms; a change reached both clients ${heard} ms after it was back`,
      )
      t.diagnostic(`12 MB in ${got.ms} ms, longest pause ${got.maxGapMs} ms`)
      assert.ok(got.intact && got.bytes === 12_000_000)
      assert.ok(got.maxGapMs < 1500, `data flowed on: longest pause ${got.maxGapMs} ms`)
      assert.deepEqual([await anna.ip(), await ben.ip()], addresses)
    },
  )

  test(`${ending.name} only pauses a transfer over the relay`, { skip, timeout: 120_000 }, async (t) => {
    await machines.anna.namespace.blockUdp()
    try {
      await until(
        'the relay carries it',
        async () => (await anna.ping(benIp).catch(() => undefined))?.DERPRegionID,
        30_000,
      )
      let half = (): void => {}
      const halfway = new Promise<void>((resolve) => (half = resolve))
      const transfer = anna.get(`http://${benIp}/bytes?n=3000000&bps=600000`, {
        timeoutMs: 90_000,
        onBytes: (bytes) => bytes > 1_000_000 && half(),
      })
      await Promise.race([halfway, transfer])
      await ending.end()
      await world.server.start()
      const got = await transfer
      t.diagnostic(`3 MB in ${got.ms} ms, longest pause ${got.maxGapMs} ms`)
      assert.ok(got.intact && got.bytes === 3_000_000)
    } finally {
      await machines.anna.namespace.allowUdp()
    }
  })
}
