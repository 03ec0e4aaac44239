/**
 * Pumps between two kernels, with fixed keys: everything arrives as it was sent, whatever the two ends are made of.
 * What is not theirs to move is in pump-engine.test.ts.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { sized } from '../support/size.ts'
import { tunMissing } from './available.ts'
import { Lab } from './lab.ts'
import { INSIDE } from './pump-node.ts'
import type { PumpNodeOptions } from './pump-node.ts'
import { counts, OUTSIDE6, pair, PORT } from './pump-pair.ts'
import type { End } from './pump-pair.ts'

const skip = tunMissing()
/** Sent over each connection between fast ends, both ways. */
const MEGABYTES = String(sized(10, 30))

/** Sends back what comes, over TCP and UDP. */
const SERVE = `
const net = require('node:net')
for (const host of process.argv.slice(1)) net.createServer((s) => s.on('error', () => {}).pipe(s)).listen(5000, host, () => console.log('serving', host))
const dgram = require('node:dgram')
for (const host of process.argv.slice(1)) {
  const s = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4').bind(5000, host)
  s.on('message', (m, from) => s.send(m, from.port, from.address))
}`

/** Sends so many megabytes over some connections at a time, and compares what comes back with what went. */
const FETCH = `
const net = require('node:net'), { createHash, randomBytes } = require('node:crypto')
const [host, megabytes, connections] = process.argv.slice(1)
let open = Number(connections), good = 0
for (let c = 0; c < Number(connections); c++) {
  const s = net.connect(5000, host), block = randomBytes(1 << 20), out = createHash('sha256'), back = createHash('sha256')
  s.on('data', (d) => back.update(d))
  s.on('end', () => { if (back.digest('hex') === out.digest('hex')) good++; if (--open === 0) { console.log(good); process.exit() } })
  let left = Number(megabytes)
  const send = () => { while (left-- > 0) { out.update(block); if (!s.write(block)) return s.once('drain', send) } s.end() }
  send()
}`

/** Datagrams of growing size: how many came back as they were sent. */
const DATAGRAMS = `
const dgram = require('node:dgram'), host = process.argv[1], s = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4')
const sizes = [0, 1, 2, 3, 15, 16, 17, 512, 1200, 1231, 1232, 1233, 1252, 1253, 1400, 4000, 20000]
let good = 0
const done = () => { console.log(good === sizes.length ? 'all' : good); process.exit() }
s.on('message', (m) => { if (m.every((b) => b === (m.length & 255)) && ++good === sizes.length) done() })
s.bind(() => { for (const size of sizes) s.send(Buffer.alloc(size, size & 255), 5000, host) })
setTimeout(done, 5000)`

const KINDS: readonly (readonly [string, Partial<PumpNodeOptions>, Partial<PumpNodeOptions>])[] = [
  ['fast and fast, a thread a pair', { oneThread: true }, { oneThread: true }],
  ['fast and fast, a thread a pump', { oneThread: false }, { oneThread: false }],
  ['fast and plain', {}, { plain: true }],
  ['plain and plain', { plain: true }, { plain: true }],
  ['two pairs and two, a thread a pair', { pairs: 2, oneThread: true }, { pairs: 2, oneThread: true }],
  ['two pairs and two, a thread a pump', { pairs: 2, oneThread: false }, { pairs: 2, oneThread: false }],
  ['two pairs and plain', { pairs: 2 }, { plain: true }],
  [
    'fast and fast, over IPv6, MTU 1420',
    { mtu: 1420, endpoint: `[${OUTSIDE6.b}]:${PORT}` },
    { mtu: 1420, endpoint: `[${OUTSIDE6.a}]:${PORT}` },
  ],
]

for (const [name, a, b] of KINDS) {
  describe(`pumps, ${name}`, () => {
    let lab: Lab
    let ends: Awaited<ReturnType<typeof pair>>
    before(async () => {
      if (skip !== false) return
      lab = await Lab.open()
      ends = await pair(lab, a, b)
      for (const side of ['a', 'b'] as const) {
        const { four, six } = INSIDE[side]
        await ends[side].where
          .spawn(process.execPath, ['-e', SERVE, four, six], { name: 'serve' })
          .waitFor(/serving.*\n.*serving/)
      }
    })
    after(async () => {
      if (skip === false) await lab.close()
    })

    test('pings of all sizes, those that do not fit in one packet too', { skip }, async () => {
      const pings = async (from: End, host: string): Promise<void> => {
        for (const size of [0, 1, 56, 1231, 1232, 1252, 1253, 9000]) {
          // With a deadline ping waits for answers; without one, for two round trips of the first, which is short on a busy machine.
          const args = ['-c', '3', '-i', '0.02', '-w', '5', '-s', String(size), host]
          const said = await from.where.exec('ping', args)
          for (const seq of [1, 2, 3]) assert.match(said, new RegExp(`icmp_seq=${seq} `), `${host}, ${size} bytes`)
        }
      }
      await Promise.all([
        pings(ends.a, INSIDE.b.four),
        pings(ends.a, INSIDE.b.six),
        pings(ends.b, INSIDE.a.four),
        pings(ends.b, INSIDE.a.six),
      ])
    })

    test('transfers in both directions at a time, several at a time, and of both families', { skip }, async () => {
      const megabytes = a.plain === true ? '3' : b.plain === true ? '6' : MEGABYTES
      const done = await Promise.all([
        ends.a.where.exec(process.execPath, ['-e', FETCH, INSIDE.b.four, megabytes, '2'], { timeoutMs: 60_000 }),
        ends.b.where.exec(process.execPath, ['-e', FETCH, INSIDE.a.six, megabytes, '2'], { timeoutMs: 60_000 }),
      ])
      assert.deepEqual(
        done.map((text) => text.trim()),
        ['2', '2'],
      )
    })

    test('datagrams of all sizes', { skip }, async () => {
      for (const host of [INSIDE.b.four, INSIDE.b.six])
        assert.equal((await ends.a.where.exec(process.execPath, ['-e', DATAGRAMS, host])).trim(), 'all')
    })

    test('nothing was dropped but what the kernel sends to everybody, and all was counted', { skip }, async () => {
      for (const end of [ends.a, ends.b]) {
        const { drops, traffic } = await counts(end)
        for (const why of ['forged', 'replayed', 'source', 'not-ip', 'malformed', 'unknown-index', 'write-failed'])
          assert.equal(drops[why] ?? 0, 0, `${why} of ${JSON.stringify(drops)}`)
        assert.ok(traffic.sentPackets > 1000 && traffic.receivedPackets > 1000)
        assert.match(end.node.output, /"event":"activity","localIndex":\d+,"receivedAt":[\d.]+,"from":"port 41641"/)
        assert.match(end.node.output, /"event":"activity","localIndex":\d+,"sentAt":[\d.]+,"sentDataAt"/)
      }
    })
  })
}
