/**
 * What flows between two official clients: directly, over our relay. What a restart of the server does to it is
 * restart.test.ts.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { type Fetched, meet, type TsClients, type TsNode } from './driver/tsclient.ts'
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
  await meet(anna, ben)
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

test('two clients exchange HTTP, and each knows who the other is', { skip }, async (t) => {
  const hello = await anna.get(`http://${benIp}/hello`)
  assert.equal(hello.text, 'hello from ben')
  t.diagnostic(`the first answer ever came after ${hello.ms} ms`)
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
  await anna.pingsBy('direct', benIp)
  const got = await anna.get(`http://${benIp}/bytes?n=30000000`)
  assert.ok(got.intact && got.bytes === 30_000_000)
  const { direct } = await path()
  t.diagnostic(`30 MB at ${rate(got)} by ${direct}`)
  assert.match(direct, /^192\.168\.77\.12:\d+$/)
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
  const ping = await anna.pingsBy('relay', benIp)
  t.diagnostic(`disco ping over the relay: ${(ping.LatencySeconds * 1000).toFixed(1)} ms`)
  await machines.anna.namespace.allowUdp()
  const opened = performance.now()
  await anna.pingsBy('direct', benIp)
  t.diagnostic(`direct again ${Math.round(performance.now() - opened)} ms after UDP is let through`)
})
