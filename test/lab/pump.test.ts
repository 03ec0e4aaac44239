/**
 * Pumps between two kernels, with fixed keys: everything arrives as it was sent, whatever the two ends are made of; what
 * is not theirs to move reaches the engine; and nothing that waits in a system call keeps a process from ending.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { tunMissing } from './available.ts'
import { Lab } from './lab.ts'
import type { Namespace } from './namespace.ts'
import type { LabProcess } from './process.ts'
import { INSIDE } from './pump-node.ts'
import type { Command, PumpNodeOptions } from './pump-node.ts'

const skip = tunMissing()
const NODE = fileURLToPath(new URL('pump-node.ts', import.meta.url))
const OUTSIDE = { a: '192.0.2.1', b: '192.0.2.2' } as const
const OUTSIDE6 = { a: 'fd99::1', b: 'fd99::2' } as const
const PORT = 41_641
const MTU = 1280

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

interface End {
  readonly where: Namespace
  readonly node: LabProcess
}

async function pair(lab: Lab, a: Partial<PumpNodeOptions>, b: Partial<PumpNodeOptions>): Promise<{ a: End; b: End }> {
  const net = await lab.segment()
  const ends: { a?: End; b?: End } = {}
  for (const [side, own] of [
    ['a', a],
    ['b', b],
  ] as const) {
    const far = side === 'a' ? 'b' : 'a'
    const where = await lab.namespace(side)
    await lab.plug(where, net, `${OUTSIDE[side]}/24`)
    await where.ip('address', 'add', `${OUTSIDE6[side]}/64`, 'dev', 'eth0', 'nodad')
    const endpoint = `${OUTSIDE[far]}:${PORT}`
    const options: PumpNodeOptions = { side, port: PORT, mtu: MTU, pairs: 1, plain: false, endpoint, ...own }
    const node = where.spawn(process.execPath, [NODE, JSON.stringify(options)], { name: `pump-${side}` })
    await node.waitFor(/ready/)
    ends[side] = { where, node }
  }
  return ends as { a: End; b: End }
}

const command = (end: End, ...commands: readonly Command[]): void => {
  for (const each of commands) end.node.write(`${JSON.stringify(each)}\n`)
}

interface Counts {
  readonly drops: Record<string, number>
  readonly into: Record<string, number>
  readonly traffic: { readonly sentPackets: number; readonly receivedPackets: number }
}
async function counts(end: End): Promise<Counts> {
  // The output keeps the answers to earlier questions.
  const answers = (): string[] => end.node.output.split('\n').filter((line) => line.startsWith('{"event":"counts"'))
  const before = answers().length
  command(end, { do: 'counts' })
  await end.node.waitFor(new RegExp(`(\\{"event":"counts"[^\\n]*\\n[^]*){${before + 1}}`))
  return JSON.parse(answers()[before] as string) as Counts
}

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
      for (const [from, to] of [
        [ends.a, INSIDE.b],
        [ends.b, INSIDE.a],
      ] as const)
        for (const host of [to.four, to.six])
          for (const size of [0, 1, 56, 1231, 1232, 1252, 1253, 9000]) {
            // With a deadline ping waits for answers; without one, for two round trips of the first, which is short on a busy machine.
            const args = ['-c', '3', '-i', '0.02', '-w', '5', '-s', String(size), host]
            const said = await from.where.exec('ping', args)
            for (const seq of [1, 2, 3]) assert.match(said, new RegExp(`icmp_seq=${seq} `), `${host}, ${size} bytes`)
          }
    })

    test('transfers in both directions at a time, several at a time, and of both families', { skip }, async () => {
      const megabytes = a.plain === true ? '3' : b.plain === true ? '6' : '30'
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

for (const plain of [false, true]) {
  describe(`pumps and their engine, ${plain ? 'plain' : 'fast'}`, () => {
    let lab: Lab
    let ends: Awaited<ReturnType<typeof pair>>
    before(async () => {
      if (skip !== false) return
      lab = await Lab.open()
      ends = await pair(lab, { plain, withoutSession: true }, { plain })
    })
    after(async () => {
      if (skip === false) await lab.close()
    })
    const ping = async (): Promise<string> =>
      ends.a.where.exec('ping', ['-c', '1', '-W', '2', INSIDE.b.four]).catch((error: Error) => error.message)

    test('without a session packets come to the engine; with one they go', { skip }, async () => {
      await ping()
      const [, packet = ''] = await ends.a.node.waitFor(/"event":"unsealed","peer":7,"hex":"(45[0-9a-f]+)"/)
      // The engine gives it back once there is a session.
      command(ends.a, { do: 'session', live: true }, { do: 'seal', hex: packet }, { do: 'seal', hex: '' })
      await ends.b.node.waitFor(/"event":"activity"[^\n]*"receivedAt"[^\n]*"from":"port 41641"/)
      assert.match(await ping(), / 0% packet loss/)
      const { traffic } = await counts(ends.b)
      assert.equal(traffic.receivedPackets, 3)
    })

    test(
      'what goes by the relay comes to the engine, and what came by it goes in; the way back follows',
      { skip },
      async () => {
        command(ends.a, { do: 'route', region: 9 })
        const answer = ping()
        const [, message = ''] = await ends.a.node.waitFor(/"event":"relay","peer":7,"hex":"([0-9a-f]+)"/)
        command(ends.b, { do: 'relayed', hex: message, region: 9 })
        assert.match(await answer, / 0% packet loss/)
        await ends.b.node.waitFor(/"from":"relay 9"/)
        // A copy each way: the second of the two is no news.
        command(ends.a, { do: 'route', endpoint: `${OUTSIDE.b}:${PORT}`, region: 9 })
        assert.match(await ping(), / 0% packet loss/)
        const relayed = [...ends.a.node.output.matchAll(/"event":"relay","peer":7,"hex":"([0-9a-f]+)"/g)].map(
          (m) => m[1],
        )
        assert.equal(relayed.length, 2)
        command(
          ends.b,
          { do: 'relayed', hex: relayed[1] as string, region: 9 },
          { do: 'relayed', hex: '0011', region: 9 },
        )
        await ends.b.node.waitFor(/"event":"datagram","hex":"0011","from":"relay 9"/)
        assert.deepEqual((await counts(ends.b)).drops['replayed'], 1)
        command(ends.a, { do: 'route' })
        await ping()
        assert.ok(((await counts(ends.a)).drops['no-path'] ?? 0) > 0)
        command(ends.a, { do: 'route', endpoint: `${OUTSIDE.b}:${PORT}` })
        assert.match(await ping(), / 0% packet loss/)
      },
    )

    test(
      'datagrams that are no data, packets to the engine’s own addresses, and packets of the engine',
      { skip },
      async () => {
        command(ends.a, { do: 'send', to: `${OUTSIDE.b} ${PORT}`, hex: '01000000aabb' })
        await ends.b.node.waitFor(/"event":"datagram","hex":"01000000aabb","from":"port 41641"/)
        command(ends.b, { do: 'send', to: `${OUTSIDE6.a} ${PORT}`, hex: '5453' })
        await ends.a.node.waitFor(/"event":"datagram","hex":"5453","from":"port 41641"/)
        // As node -e: a datagram to the resolver, and the answer that the engine makes of it.
        const asking = ends.a.where.exec(process.execPath, [
          '-e',
          `const s = require('node:dgram').createSocket('udp4'); s.bind(5353); s.on('message', (m) => { console.log(String(m)); process.exit() })
         s.send('question', 53, '100.100.100.100')`,
        ])
        const [, hex = ''] = await ends.a.node.waitFor(/"event":"engine","hex":"(45[0-9a-f]+7175657374696f6e)"/)
        const answer = Uint8Array.fromHex(hex)
        const [src, dst] = [answer.slice(12, 16), answer.slice(16, 20)]
        const ports = answer.slice(20, 24)
        answer.set([...dst, ...src, ...ports.slice(2), ...ports.slice(0, 2)], 12)
        command(ends.a, { do: 'tun', hex: answer.toHex() })
        assert.equal((await asking).trim(), 'question')
      },
    )

    test('strangers’ bytes of every length do no harm', { skip }, async () => {
      const flood = `
        const s = require('node:dgram').createSocket('udp4'), { randomBytes } = require('node:crypto')
        let n = 0
        const more = () => { for (let i = 0; i < 50; i++, n++) { const b = randomBytes((n * 37) % 1500); if (n % 2 && b.length > 8) b.set([4, 0, 0, 0, 2, 0, 0, 0]); s.send(b, ${PORT}, '${OUTSIDE.b}') } if (n < 3000) setImmediate(more); else s.close() }
        more()`
      await ends.a.where.exec(process.execPath, ['-e', flood])
      assert.match(await ping(), / 0% packet loss/)
      const { drops } = await counts(ends.b)
      assert.ok((drops['forged'] ?? 0) > 500, JSON.stringify(drops))
    })

    test(
      'it ends when it is told to, under traffic too, and when the process ends in whatever way',
      { skip },
      async () => {
        for (const [how, code] of [
          ['close', 0],
          ['exit', 0],
          ['throw', 1],
        ] as const) {
          const { where } = await pairOne(lab, plain, how)
          const load = where.where.spawn('ping', ['-f', '-s', '1000', INSIDE.b.four])
          await where.node.waitFor(/"event":"activity"/)
          command(where, { do: how })
          const giveUp = setTimeout(() => where.node.child.kill('SIGKILL'), 10_000)
          assert.deepEqual(await where.node.ended, { code, signal: null }, how)
          clearTimeout(giveUp)
          await load.stop('SIGKILL')
        }
      },
    )
  })
}

/** One end alone, sending to nobody. */
async function pairOne(lab: Lab, plain: boolean, name: string): Promise<{ where: End }> {
  const where = await lab.namespace(`alone-${name}`)
  await lab.plug(where, await lab.segment(), '192.0.2.9/24')
  const options: PumpNodeOptions = { side: 'a', port: PORT, mtu: MTU, pairs: 2, plain, endpoint: `192.0.2.10:${PORT}` }
  const node = where.spawn(process.execPath, [NODE, JSON.stringify(options)])
  await node.waitFor(/ready/)
  return { where: { where, node } }
}
